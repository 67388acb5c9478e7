"""launch.evaluate: folders, baselines, protocols of models, and mistakes in one line."""

import hashlib
import os
import pathlib
import shutil
import signal
import textwrap
import time

import gin
import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests import processes
from tests.evaluation import fakes
from tests.launch import in_process
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen.data import video_io
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import configs
from tf_videogen.launch import evaluate
from tf_videogen.launch import program
from tf_videogen.launch import report
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results
from tf_videogen.reporting import galleries

NAME = 'python -m launch.evaluate'


@pytest.fixture(name='networks')
def _networks(monkeypatch, tmp_path):
  """Tiny networks with published weights instead of I3D and C3D."""
  fakes.install(monkeypatch, tmp_path / 'cache')


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  yield
  gin.clear_config()


@pytest.fixture(name='folders')
def _folders(tmp_path):
  """Makes --real and --generated, of these shapes [N, T, H, W, C]; the real ones are GIFs."""
  def make(real=(8, 10, 12, 12, 1), generated=(8, 10, 12, 12, 1)):
    (tmp_path / 'real').mkdir()
    for i, video in enumerate(fakes.videos(*real)):
      video_io.write_gif(str(tmp_path / 'real' / f'{i}.gif'), video)
    made = fakes.videos(*generated, seed=1)
    np.savez(tmp_path / 'made.npz', samples=made)
    return f'--real={tmp_path / "real"}', f'--generated={tmp_path / "made.npz"}'
  return make


@pytest.fixture(name='run')
def _run(capsys):
  """Runs the program; returns the numbers that it printed, {metric: line}, and stderr."""
  def run(*arguments):
    assert in_process.run(evaluate.main, *arguments, name=NAME) == 0
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if not line.startswith('written into ')]
    return {line.split()[0]: line for line in lines}, said.err
  return run


@pytest.fixture(name='fails')
def _fails(capsys):
  """Checks that arguments end the program with status 1 and one line that has this in it."""
  def check(message, *arguments):
    assert in_process.run(evaluate.main, *arguments, name=NAME) == 1
    said = capsys.readouterr()
    lines = [line for line in said.err.split('\r')[-1].splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith(f'{NAME}: '), said.err
    assert message in lines[0] and len(lines[0]) < 600, lines[0]
    assert not said.out
  return check


def _value(line):
  return float(line.split()[1])


# --- folders ---


def test_two_folders(networks, folders, run, tmp_path):
  output = tmp_path / 'compared'
  lines, said = run(*folders(), f'--output={output}')
  assert list(lines) == ['fvd', 'fid', 'is']
  assert ' (8 videos; i3d_kinetics400@' in lines['fvd'] and 'i3d_kinetics600@' in lines['fid']
  assert 'warning' not in said  # eight videos are more than five logits or six features
  rows = results.read_results(str(output))
  assert [(row.metric, row.protocol, row.split, row.step, row.examples) for row in rows] == [
      (metric, 'folders', 'real', 0, 8) for metric in lines]
  for row in rows:
    assert row.value == pytest.approx(_value(lines[row.metric]), rel=1e-4)
  folder = output / 'evaluations' / 'folders'
  curves = results.read_curves(str(folder / 'curves.csv'))
  assert {point.series for point in curves} == {'real, frame 1', 'generated, frame 1'}
  assert list(galleries.read_gallery(str(folder / 'videos.npz')).videos) == ['samples']
  config = next(folder.glob('operative_config-*.gin')).read_text()
  assert 'FrechetDistance.network' in config
  assert {row.gin_sha for row in rows} == {hashlib.sha256(config.encode()).hexdigest()[:12]}


def test_nothing_is_written_without_output(networks, folders, run, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  folders()
  before = sorted(map(str, tmp_path.rglob('*')))
  run('--real=real', '--generated=made.npz', '--frames=9')
  after = [path for path in map(str, tmp_path.rglob('*')) if '/cache' not in path]
  assert sorted(after) == before


def test_the_same_folder_has_no_distance(networks, folders, run):
  real, _ = folders()
  lines, _ = run(real, real.replace('real', 'generated', 1))
  assert abs(_value(lines['fvd'])) < 1e-3 and abs(_value(lines['fid'])) < 1e-3


def test_frames_and_videos(networks, folders, run):
  sides = folders((9, 12, 12, 12, 1), (8, 10, 12, 12, 1))
  lines, _ = run(*sides, '--frames=10', '--videos=8')
  cut, _ = run(*sides, '--on_mismatch=cut')
  whole = {name: line.replace(', cut to what both have', '') for name, line in cut.items()}
  assert lines == whole != cut and '(8 videos' in lines['fvd']
  shorter, _ = run(*sides, '--frames=6', '--videos=8')
  assert '6 frames, repeated to 9' in shorter['fvd']


def test_pairs(networks, folders, run, tmp_path):
  real, generated = folders()
  lines, _ = run(real, generated, '--paired', '--conditioning_frames=2', '--on_mismatch=cut',
                 f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', 'fid', 'is', 'ssim', 'psnr']
  points = results.read_curves(str(tmp_path / 'out' / 'evaluations' / 'folders' / 'curves.csv'))
  assert [point.position for point in points if point.metric == 'ssim'] == list(range(3, 11))
  gallery = galleries.read_gallery(str(tmp_path / 'out' / 'evaluations' / 'folders' / 'videos.npz'))
  assert gallery.conditioning_frames == 2 and set(gallery.videos) == {'data', 'samples'}


def test_a_protocol_of_folders_gives_the_frames_of_the_paper(networks, folders, run, tmp_path):
  """Given frames are not compared; nothing is drawn, so there is no temperature, no trial."""
  lines, said = run(*folders((8, 30, 12, 12, 3), (8, 30, 12, 12, 3)),
                    '--gin_file=evaluation/video_transformer_bair.gin',
                    f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', 'fvd_unrolled', 'ssim']
  assert not any(word in line for word in ('+-', 'trials', 'temperature')
                 for line in lines.values())
  assert 'warning: the protocol video_transformer_bair is of 256 real videos; here are 8' in said
  path = tmp_path / 'out' / 'evaluations' / 'video_transformer_bair' / 'curves.csv'
  frames = [p.position for p in results.read_curves(str(path)) if p.metric == 'ssim']
  assert frames == list(range(2, 31))


def test_missing_networks(folders, run):
  lines, _ = run(*folders(), '--paired')
  assert list(lines) == ['ssim', 'psnr', 'fvd', 'fid', 'is']
  for metric, network in (('fvd', 'i3d_kinetics400'), ('fid', 'i3d_kinetics600')):
    assert ' missing: ' in lines[metric]
    assert lines[metric].endswith(f'python -m launch.get_networks --network={network}')


def test_random_networks_say_so(networks, folders, run, tmp_path):
  output = tmp_path / 'out'
  lines, _ = run(*folders(), '--networks=random', f'--output={output}',
                 '--gin_param=fvd/measures.FrechetDistance.frames=9',
                 "--gin_param=fvd/measures.FrechetDistance.windows='all'")
  assert all('random-network, not comparable' in line for line in lines.values())
  assert {row.network for row in results.read_results(str(output))} == {
      'random-network, not comparable'}
  points = results.read_curves(str(output / 'evaluations' / 'folders' / 'curves.csv'))
  assert {p.series for p in points if p.metric == 'fvd'} == {'fvd, random-network, not comparable'}


def test_what_cannot_be_read_is_counted(networks, folders, run, tmp_path):
  sides = folders((9, 10, 12, 12, 1))
  (tmp_path / 'real' / '3.gif').write_bytes(b'GIF89a and no more')
  lines, said = run(*sides)
  assert '(8 videos' in lines['fvd']
  assert f'skipped {tmp_path / "real" / "3.gif"}: ' in said
  assert f'1 of the clips in {tmp_path / "real"} cannot be read and are left out' in said


# --- prepared data sets ---


@pytest.fixture(name='data_dir')
def _data_dir(tmp_path, capsys):
  """A folder with a prepared data set `toy`: 12 grey clips of 17 frames in the split `test`."""
  features = tfds.features.FeaturesDict({'video': tfds.features.Video(shape=(17, 12, 12, 1))})
  examples = [(i, {'video': video}) for i, video in enumerate(fakes.videos(12, 17, 12, 12, 1))]
  tfds.dataset_builders.AdhocBuilder(
      name='toy', version='1.0.0', features=features, data_dir=str(tmp_path / 'data'),
      split_datasets={'test': examples}).download_and_prepare()
  capsys.readouterr()
  return tmp_path / 'data'


def test_a_data_set_and_a_folder(networks, run, fails, data_dir, tmp_path, monkeypatch):
  """The clips of a data set have 16 frames unless --frames says another number."""
  video = fakes.videos(12, 20, 12, 12, 3, seed=1)
  np.savez(tmp_path / 'made.npz', samples=video)
  sides = ['--real=toy', f'--data_dir={data_dir}', f'--generated={tmp_path / "made.npz"}']
  fails("made.npz has clips of 20 frames of 12 x 12 pixels, and the data set's have 16 frames",
        *sides)
  fails('need 18; ask for fewer frames', *sides, '--frames=18')
  seen = fakes.count_clips(monkeypatch)
  lines, _ = run(*sides, '--frames=10', f'--output={tmp_path / "out"}')
  assert '(12 videos' in lines['fvd'] and seen['i3d_kinetics400'] == 24
  assert {row.split for row in results.read_results(str(tmp_path / 'out'))} == {'test'}
  again, _ = run(*sides, '--frames=10')  # the data set's statistics are in the cache
  assert again == lines and seen['i3d_kinetics400'] == 36
  # The same clips as files.
  np.savez(tmp_path / 'real.npz', video=fakes.videos(12, 17, 12, 12, 1))
  files, _ = run(f'--real={tmp_path / "real.npz"}', sides[2], '--frames=10')
  for metric, line in lines.items():
    assert _value(files[metric]) == pytest.approx(_value(line), rel=1e-4)


def test_a_protocol_of_a_data_set(networks, run, data_dir, tmp_path):
  arguments = ['--gin_file=evaluation/trivd_gan_bair_balanced.gin', f'--data_dir={data_dir}',
               "--gin_param=evaluation/clips.PreparedClips.dataset='toy'",
               '--gin_param=protocols.Protocol.videos=30', f'--output={tmp_path / "out"}']
  lines, said = run(*arguments, '--baseline=copy_last_frame')
  assert list(lines) == ['fvd'] and '(30 videos' in lines['fvd']  # random windows of 12 clips
  lines, said = run(*arguments, '--baseline=real_vs_real',
                    "--gin_param=protocols.Protocol.real_windows='first'")
  assert '(6 videos' in lines['fvd'] and 'is of 30 real videos; here are 6' in said
  assert [row.protocol for row in results.read_results(str(tmp_path / 'out'))] == [
      'trivd_gan_bair_balanced_copy_last_frame', 'trivd_gan_bair_balanced_real_vs_real']


# --- baselines ---


def test_real_vs_real(networks, folders, run, tmp_path):
  real, _ = folders((13, 10, 12, 12, 1))
  lines, said = run(real, '--baseline=real_vs_real', '--paired', f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', 'fid', 'is']  # no clip continues another
  assert '(6 videos' in lines['fvd'] and 'fid: 6 videos for 6 features' in said
  assert {row.protocol for row in results.read_results(str(tmp_path / 'out'))} == {
      'folders_real_vs_real'}


def test_copy_last_frame(networks, folders, run, fails, tmp_path):
  real, _ = folders()
  fails('copy_last_frame needs at least one frame that is given: --conditioning_frames=1', real,
        '--baseline=copy_last_frame')
  lines, _ = run(real, '--baseline=copy_last_frame', '--conditioning_frames=4', '--paired')
  assert list(lines) == ['fvd', 'fid', 'is', 'ssim', 'psnr']
  # The copies, made by hand.
  video = np.stack(list(written_clips.WrittenClips(str(tmp_path / 'real')).read()))
  np.savez(tmp_path / 'copies.npz', video=video[:, np.minimum(np.arange(10), 3)])
  by_hand, _ = run(real, f'--generated={tmp_path / "copies.npz"}', '--conditioning_frames=4',
                   '--paired')
  for metric in lines:
    assert _value(lines[metric]) == pytest.approx(_value(by_hand[metric]), rel=1e-4)


def test_baselines_of_a_protocol(networks, run, fails, tiny_files, tmp_path):
  """Without a model; what only models make is left out, and said."""
  protocol = _protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=2)
  for baseline in ('copy_last_frame', 'real_vs_real'):
    lines, said = run(f'--gin_file={protocol}', f'--baseline={baseline}',
                      f'--output={tmp_path / "out"}')
    assert list(lines) == ['fvd'] and 'trials' not in lines['fvd']
    assert 'warning: fvd_star is of reconstructions, which only models make: left out' in said
  assert [(row.protocol, row.split, row.examples) for row in results.read_results(
      str(tmp_path / 'out'))] == [('videogpt_bair_copy_last_frame', 'test', 10),
                                  ('videogpt_bair_real_vs_real', 'test', 5)]
  fails('--baseline needs a protocol, --gin_file=evaluation/..., or --real',
        '--baseline=real_vs_real')
  fails('the protocol videogpt_ucf101 has no data of its own: name it with --real',
        '--gin_file=evaluation/videogpt_ucf101.gin', '--baseline=real_vs_real')


def test_generated_clips_beside_a_protocols_data(networks, run, fails, tiny_files, tmp_path):
  """As a model's that is not of this suite: the protocol says what is real, and how many."""
  protocol = _protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=2)
  real = np.load(tiny_files.test)['video'][:10]
  made = np.ascontiguousarray(real[:, 3::-1])
  np.savez(tmp_path / 'made.npz', samples=made)
  arguments = [f'--gin_file={protocol}', f'--generated={tmp_path / "made.npz"}']
  lines, said = run(*arguments, f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd'] and '(10 videos' in lines['fvd'] and 'fvd_star' in said
  assert 'made.npz, 4 frames of 8 x 8 pixels' in lines['fvd']
  row, = results.read_results(str(tmp_path / 'out'))
  assert (row.protocol, row.split, row.step) == ('videogpt_bair', 'test', 0)
  fails('--frame_step is for --real; the protocol has its own data', *arguments, '--frame_step=2')
  fails('two sides are compared', f'--generated={tmp_path / "made.npz"}')


@pytest.mark.parametrize('flag', [
    '--videos=4', '--frames=4', '--split=train', '--paired', '--on_mismatch=cut', '--size=8',
    '--frame_step=2', '--value_range=0,1', '--conditioning_frames=1'])
def test_flags_that_would_be_ignored(fails, prior_dir, flag):
  fails(f'{flag.partition("=")[0]} is for folders', f'--model_dir={prior_dir}', flag)


def test_flags_of_folders_that_would_be_ignored(fails, folders):
  sides = folders()
  fails('--size is for data sets, not for folders', *sides, '--size=8')
  fails('either --generated or --baseline', *sides, '--baseline=real_vs_real')
  fails('--paired is the protocol evaluation/folders_paired.gin: include it', *sides, '--paired',
        '--gin_file=evaluation/folders.gin')


def test_pairs_with_a_video_that_cannot_be_read(networks, fails, run, folders, tmp_path):
  """Left out on one side, all that follow would have others' counterparts."""
  sides = folders()
  (tmp_path / 'real' / '3.gif').write_bytes(b'GIF89a')
  fails('videos are compared in pairs, and ', *sides, '--paired', '--videos=7')
  lines, said = run(*sides, '--videos=7')
  assert '(7 videos' in lines['fvd'] and '3.gif' in said


# --- models ---


def _protocol_file(folder, tiny_files, name, frames=4, **kwargs):
  """A protocol of the suite on the tiny clips, as a user changes one."""
  text = f'''
      from __gin__ import dynamic_registration
      from tf_videogen.data import clips
      from tf_videogen.evaluation import measures
      from tf_videogen.evaluation import protocols
      include 'evaluation/{name}.gin'
      protocols.Protocol.clips = @evaluation/clips.FileClips()
      evaluation/clips.FileClips.train_path = '{tiny_files.train}'
      evaluation/clips.FileClips.test_path = '{tiny_files.test}'
      evaluation/clips.FileClips.frames = {frames}
      measures.FrechetDistance.frames = 4
      protocols.Protocol.videos = 10
      '''
  lines = [f'protocols.Protocol.{key} = {value!r}' for key, value in kwargs.items()]
  path = folder / f'{name}.gin'
  path.write_text(textwrap.dedent(text) + '\n'.join(lines) + '\n')
  return path


@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_a_protocol_of_a_prior(networks, run, fails, prior_dir, tiny_files, tmp_path):
  """The directory's own config, beside that of the protocol alone."""
  model_dir = tmp_path / 'prior'
  shutil.copytree(prior_dir, model_dir)
  protocol = _protocol_file(tmp_path, tiny_files, 'videogpt_bair', trials=2, conditioning_frames=0,
                            sampling={'temperature': 0.9})
  lines, _ = run(f'--gin_file={protocol}', f'--model_dir={model_dir}', '--strategy=cpu')
  assert list(lines) == ['fvd', 'fvd_star', 'nats_per_clip', 'nats_per_code', 'bits_per_code']
  for metric in ('fvd', 'fvd_star'):
    assert ' +- ' in lines[metric]
    assert lines[metric].endswith('; temperature 0.9, 2 trials, 4 frames, repeated to 9)')
  rows = [row for row in results.read_results(str(model_dir)) if row.protocol]
  assert [(row.metric, row.step, row.split, row.examples) for row in rows] == [
      (metric, 2, 'test', 10) for metric in lines]
  assert all(row.std > 0 for row in rows[:2]) and all(np.isnan(row.std) for row in rows[2:])
  gallery = galleries.read_gallery(str(model_dir / 'evaluations' / 'videogpt_bair' / 'videos.npz'))
  assert set(gallery.videos) == {'data', 'reconstructions', 'samples'}
  assert gallery.videos['samples'].shape == (8, 4, 8, 8, 1)
  fails("VideoGPTTask has no sampling option 'frames'; it samples by: temperature, top_k, top_p",
        f'--gin_file={protocol}', f'--model_dir={model_dir}',
        '--gin_param=protocols.Protocol.task_metrics=False',
        "--gin_param=protocols.Protocol.sampling={'frames': 30}")


VIDEO_TRANSFORMER_GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.data import clips
from tf_videogen.layers import block_attention
from tf_videogen.models import video_transformer
from tf_videogen.training import optimizers

experiment.Experiment.task = @tasks.VideoTransformerTask
experiment.Experiment.clips = @clips.FileClips()
experiment.Experiment.optimizer = @optimizers.adam
experiment.Experiment.batch_size = 4
experiment.Experiment.train_steps = 1
experiment.Experiment.splits = ('train',)
experiment.Experiment.precision = 'float32'

clips.FileClips.train_path = '{train}'
clips.FileClips.test_path = '{test}'
clips.FileClips.frames = 4

tasks.VideoTransformerTask.model = @video_transformer.VideoTransformer()
tasks.VideoTransformerTask.primed_frames = 1

video_transformer.VideoTransformer.subscale = (2, 2, 2)
video_transformer.VideoTransformer.encoder = @video_transformer.SliceEncoder()
video_transformer.VideoTransformer.decoder = @video_transformer.SliceDecoder()
video_transformer.SliceEncoder.stack = @video_transformer.LayerStack
video_transformer.SliceEncoder.embedding = 8
video_transformer.SliceDecoder.stack = @video_transformer.LayerStack
video_transformer.SliceDecoder.embedding = 8
video_transformer.LayerStack.blocks = [(2, 2, 4)]
video_transformer.LayerStack.heads = 2
video_transformer.LayerStack.width = 8
video_transformer.LayerStack.attention = @block_attention.BlockLocalAttention
block_attention.BlockLocalAttention.head_width = 4

optimizers.adam.learning_rate = 1e-3
'''


@pytest.fixture(name='saved_transformer', scope='module')
def _saved_transformer(tiny_files, tmp_path_factory, cpu):
  """What `transformer_dir` is a copy of."""
  folder = tmp_path_factory.mktemp('saved')
  model_dir, path = folder / 'transformer', folder / 'tiny_transformer.gin'
  path.write_text(VIDEO_TRANSFORMER_GIN.format(train=tiny_files.train, test=tiny_files.test))
  configs.parse([str(path)], [])
  configs.keep(str(model_dir))
  fakes.save(configs.configured(experiments.Experiment)(), model_dir, cpu)
  return model_dir


@pytest.fixture(name='transformer_dir')
def _transformer_dir(saved_transformer, tmp_path):
  """The directory of a Video Transformer, untrained, as after 3 steps."""
  return shutil.copytree(saved_transformer, tmp_path / 'transformer')


@pytest.mark.slow
@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_a_protocol_of_a_video_transformer(networks, run, transformer_dir, tiny_files, tmp_path):
  """Longer samples and more given frames than the model has of itself, as on Kinetics."""
  protocol = _protocol_file(
      tmp_path, tiny_files, 'video_transformer_kinetics600', frames=5, split='test', trials=2,
      conditioning_frames=3, sampling={'conditioning_frames': 3, 'frames': 5})
  lines, _ = run(f'--gin_file={protocol}', f'--model_dir={transformer_dir}', '--strategy=cpu')
  assert list(lines) == ['fvd', 'fvd_unrolled', 'ssim', 'bits_per_dim', 'nats_per_frame']
  assert 'conditioning frames 3, frames 5, 2 trials' in lines['ssim']
  folder = transformer_dir / 'evaluations' / 'video_transformer_kinetics600'
  points = results.read_curves(str(folder / 'curves.csv'))
  assert [p.position for p in points if p.metric == 'ssim'] == [4, 5]
  assert [p.position for p in points if p.metric == 'fvd_unrolled'] == [0, 1]
  gallery = galleries.read_gallery(str(folder / 'videos.npz'))
  assert gallery.conditioning_frames == 3
  np.testing.assert_array_equal(
      gallery.videos['samples'][:, :3], gallery.videos['data'][:, :3])
  # What the task measures is of the protocol's split, not of the config's.
  rows = results.read_results(str(transformer_dir))
  assert {row.split for row in rows} == {'test'}
  assert {row.examples for row in rows if row.metric == 'bits_per_dim'} == {10}


@pytest.mark.usefixtures('without_xla', 'built_eagerly')
@pytest.mark.parametrize('name', [
    'video_transformer_moving_mnist', pytest.param('videogpt_likelihood', marks=pytest.mark.slow)])
def test_a_protocol_of_what_the_task_measures(
    run, prior_dir, transformer_dir, tmp_path, name):
  model_dir = transformer_dir
  if name == 'videogpt_likelihood':
    model_dir = tmp_path / 'prior'
    shutil.copytree(prior_dir, model_dir)
  before = results.read_results(str(model_dir))
  arguments = [f'--gin_file=evaluation/{name}.gin', f'--model_dir={model_dir}', '--strategy=cpu']
  lines, _ = run(*arguments, '--gin_param=protocols.Protocol.videos=7')
  wanted = {'videogpt_likelihood': 'nats_per_code', 'video_transformer_moving_mnist':
            'nats_per_frame'}[name]
  assert '(7 videos)' in lines[wanted]
  rows = results.read_results(str(model_dir))[len(before):]
  assert {(row.protocol, row.examples) for row in rows} == {(name, 7)}
  assert results.evaluated_steps(str(model_dir)) == {row.step for row in before}


def test_a_plain_evaluation(run, fails, prior_dir, tmp_path):
  model_dir = tmp_path / 'prior'
  shutil.copytree(prior_dir, model_dir)
  lines, _ = run(f'--model_dir={model_dir}', '--gin_param=experiment.evaluate.preview_clips = 0')
  assert list(lines) == ['test/examples', 'test/nats_per_clip', 'test/nats_per_code',
                         'test/bits_per_code']
  assert {row.protocol for row in results.read_results(str(model_dir))} == {''}
  assert not (model_dir / 'evaluations').exists()
  fails('--model_dir is missing: name the folder of the run')
  fails('has no config.gin to take its place', f'--model_dir={tmp_path}')
  fails('has no config.gin to take its place', f'--model_dir={tmp_path}',
        '--gin_file=evaluation/videogpt_bair.gin')


def test_a_model_that_is_broken(networks, fails, prior_dir, tiny_files, cpu, tmp_path):
  model_dir = tmp_path / 'prior'
  model_dir.mkdir()
  shutil.copy(pathlib.Path(prior_dir) / 'config.gin', model_dir)
  configs.parse([str(model_dir / 'config.gin')], [])
  spoil = lambda task: [v.assign(v * np.nan) for v in task.model.prior.variables]
  fakes.save(configs.configured(experiments.Experiment)(), model_dir, cpu, change=spoil)
  protocol = _protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=0)
  fails('has values that are not finite (NaN): training has failed, there is nothing to evaluate',
        f'--gin_file={protocol}', f'--model_dir={model_dir}')
  assert not (model_dir / 'results.csv').exists()


# --- the best checkpoint, and every one as it comes ---


@pytest.fixture(name='saved_vqvae', scope='module')
def _saved_vqvae(tiny_files, tmp_path_factory, cpu):
  """What the directory of `vqvae` is a copy of."""
  model_dir = tmp_path_factory.mktemp('saved') / 'vqvae'
  configs.parse([tiny_files.vqvae_gin], [])
  configs.keep(str(model_dir))
  for step, noise in ((2, 0.3), (4, 0.0), (6, 0.5)):
    fakes.save(configs.configured(experiments.Experiment)(), model_dir, cpu, step,
               lambda task, noise=noise: _add_noise(task, noise))
  return model_dir


@pytest.fixture(name='vqvae')
def _vqvae(networks, saved_vqvae, tiny_files, tmp_path):
  """The directory of a VQ-VAE with checkpoints of steps 2, 4 and 6, its last; and arguments."""
  model_dir = shutil.copytree(saved_vqvae, tmp_path / 'vqvae')
  protocol = _protocol_file(tmp_path, tiny_files, 'videogpt_bair_vqvae', task_metrics=False)
  return model_dir, [f'--gin_file={protocol}', f'--model_dir={model_dir}', '--strategy=cpu']


def _add_noise(task, scale):
  rng = np.random.default_rng(0)
  for variable in task.model.decoder.trainable_variables:
    variable.assign_add(scale * rng.normal(size=variable.shape).astype(np.float32))


def _values(model_dir, metric):
  return {row.step: row.value for row in results.read_results(str(model_dir))
          if row.metric == metric}


@pytest.mark.usefixtures('eagerly')
def test_every_checkpoint_and_the_best(run, vqvae, monkeypatch):
  """Each once, the oldest first, by one model; what is kept can be evaluated and trained."""
  model_dir, arguments = vqvae
  arguments += ['--gin_param=protocols.Protocol.task_metrics=True']
  built, build = [], building.build
  monkeypatch.setattr(building, 'build', lambda *args: built.append(1) or build(*args))
  lines, _ = run(*arguments, '--follow', '--keep_best=nmse')
  assert len(built) == 1 + 3  # for samples, and at each step for the task
  values = _values(model_dir, 'nmse')
  assert list(values) == [2, 4, 6] and values[4] < values[2] < values[6]
  assert lines[f'{model_dir}/best'] == (
      f'{model_dir}/best is as it was: nmse {values[4]:.6g} of step 4 is the best')
  best = model_dir / 'best'
  assert {path.name for path in best.iterdir()} == {
      'checkpoint', 'ckpt-4.index', 'ckpt-4.data-00000-of-00001', 'clips.json', 'config.gin',
      'finished.json'}
  rows = results.read_results(str(model_dir))
  again, _ = run(*arguments, '--follow', '--keep_best=nmse')
  assert not again and results.read_results(str(model_dir)) == rows
  arguments[1] = f'--model_dir={best}'
  run(*arguments)
  for metric in ('nmse', 'r_fvd'):
    assert _values(best, metric)[4] == pytest.approx(_values(model_dir, metric)[4], rel=1e-5)
  assert in_process.run(train.main, arguments[1], '--strategy=cpu', '--mode=train',
                        '--gin_param=TRAIN_STEPS=5') == 0
  assert [checkpoints.step_of(path) for path in checkpoints.paths(str(best))] == [5, 4]


@pytest.mark.usefixtures('eagerly')
def test_values_of_random_networks_are_measured_again(run, vqvae):
  model_dir, arguments = vqvae
  arguments += ['--follow', '--keep_best=r_fvd']
  run(*arguments, '--networks=random')
  assert len(_values(model_dir, 'r_fvd')) == 3
  rows = len(results.read_results(str(model_dir)))
  run(*arguments)
  assert len(results.read_results(str(model_dir))) == 2 * rows
  values = _values(model_dir, 'r_fvd')
  best, = checkpoints.paths(str(model_dir / 'best'))
  assert checkpoints.step_of(best) == min(values, key=values.get)
  run(*arguments, '--networks=random')
  assert len(results.read_results(str(model_dir))) == 2 * rows


@pytest.mark.usefixtures('eagerly')
def test_a_crash_before_the_rows_are_written(run, vqvae, monkeypatch):
  """The step is evaluated again, and kept again."""
  model_dir, arguments = vqvae
  arguments += ['--follow', '--keep_best=r_fvd']
  finish = evaluate.finish

  def crash(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(evaluate, 'finish', crash)
  assert in_process.run(evaluate.main, *arguments) == 130
  kept = lambda: [checkpoints.step_of(path) for path in checkpoints.paths(str(model_dir / 'best'))]
  assert not results.read_results(str(model_dir)) and kept() == [2]
  monkeypatch.setattr(evaluate, 'finish', finish)
  run(*arguments)
  values = _values(model_dir, 'r_fvd')
  assert list(values) == [2, 4, 6] and kept() == [min(values, key=values.get)]


@pytest.mark.usefixtures('eagerly')
def test_what_does_not_come(run, vqvae):
  """A checkpoint that cannot be read is left out; following ends where none is new."""
  model_dir, arguments = vqvae
  (model_dir / 'ckpt-4.data-00000-of-00001').write_bytes(b'')
  start = time.time()
  run(*arguments, '--follow', '--follow_timeout=1', '--gin_param=TRAIN_STEPS=8')
  assert time.time() - start > 1
  assert list(_values(model_dir, 'r_fvd')) == [2, 6] and not (model_dir / 'best').exists()


@pytest.mark.usefixtures('eagerly')
def test_sigterm_ends_following(vqvae, monkeypatch):
  """Also while it waits, and in the midst of an evaluation."""
  model_dir, arguments = vqvae
  arguments += ['--follow', '--gin_param=TRAIN_STEPS=8']
  finish = evaluate.finish

  def stop(name, split, step, *rest):
    finish(name, split, step, *rest)
    if step == at:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(evaluate, 'finish', stop)
  for at, steps in ((2, [2]), (6, [2, 4, 6])):
    assert in_process.run(evaluate.main, *arguments) == program.STOPPED
    assert list(_values(model_dir, 'r_fvd')) == steps


@pytest.mark.usefixtures('eagerly')
def test_what_cannot_be_kept_or_followed(fails, vqvae, folders, monkeypatch, capsys):
  model_dir, arguments = vqvae
  of_task = '--gin_param=protocols.Protocol.task_metrics=True'
  fails('--keep_best=fvd is no metric of the protocol videogpt_bair_vqvae by which one checkpoint '
        'is better than another; it has: r_fvd', *arguments, '--keep_best=fvd')
  fails('it has: r_fvd, what the task measures', *arguments, of_task,
        '--keep_best=gradient_norm')
  for flag in ('--keep_best=r_fvd', '--follow', '--follow_timeout=5'):
    name = flag.partition('=')[0]
    fails(f'{name} is for protocols: add one with', arguments[1], flag)
    fails(f'{name} is for models, not for baselines', arguments[0], '--baseline=real_vs_real', flag)
  fails('--follow_timeout is for --follow', *arguments, '--follow_timeout=5')
  fails('--follow is for models, not for folders', *folders(), '--follow')
  # What the protocol names, and nobody measures.
  assert in_process.run(evaluate.main, *arguments, of_task, '--keep_best=is', name=NAME) == 1
  said = capsys.readouterr().err.splitlines()[-1]
  assert said.endswith('--keep_best=is: not measured; there are: r_fvd, nmse, psnr, ssim, '
                       'codebook_perplexity, codebook_usage')
  fakes.install(monkeypatch, model_dir / 'cache', missing=['i3d_kinetics400'])
  assert in_process.run(evaluate.main, *arguments, '--keep_best=r_fvd', name=NAME) == 1
  said = capsys.readouterr().err.splitlines()[-1]
  assert '--keep_best=r_fvd: not measured; ' in said and 'launch.get_networks' in said
  assert not (model_dir / 'best').exists()


# --- two workers ---


def _two_workers(folder, *arguments):
  """Runs the program in two processes that work together; returns what the chief said."""
  command = processes.program('evaluate', '--strategy=multi_worker', *arguments)
  caches = [{'TF_VIDEOGEN_CACHE': str(folder / f'cache{i}')} for i in range(2)]
  with processes.cluster(*command, folder=folder, environments=caches) as workers:
    statuses = [worker.wait(200) for worker in workers]
  said = [processes.log_of(folder, i).read_text() for i in range(2)]
  assert statuses == [0, 0], said
  assert 'written into' in said[0] and 'written into' not in said[1]
  return said[0]


def _rows(folder):
  return {(row.metric, row.examples): row.value for row in results.read_results(str(folder))}


@pytest.mark.slow
def test_two_workers_compare_folders_as_one(folders, run, tmp_path, monkeypatch):
  """Also when one of them has the statistics of real videos already, and the other not."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache0'))
  sides = [*folders((13, 10, 12, 12, 1), (13, 10, 12, 12, 1)), '--paired', '--batch_size=4']
  run(*sides, f'--output={tmp_path / "one"}')
  assert len(list((tmp_path / 'cache0' / 'real_statistics').iterdir())) == 1
  said = _two_workers(tmp_path, *sides, f'--output={tmp_path / "two"}')
  assert 'fvd   missing: ' in said
  assert _rows(tmp_path / 'two') == pytest.approx(_rows(tmp_path / 'one'), rel=1e-6)
  one, two = (results.read_curves(str(tmp_path / name / 'evaluations' / 'folders' / 'curves.csv'))
              for name in ('one', 'two'))
  assert len(one) == 32 and [point[:5] for point in one] == [point[:5] for point in two]
  np.testing.assert_allclose([p.value for p in two], [p.value for p in one], rtol=1e-6)
  assert len(list((tmp_path / 'cache1' / 'real_statistics').iterdir())) == 1


@pytest.mark.slow
def test_two_workers_sample(run, transformer_dir, tiny_files, tmp_path):
  protocol = _protocol_file(
      tmp_path, tiny_files, 'video_transformer_kinetics600', frames=5, split='test', trials=2,
      conditioning_frames=3, sampling={'conditioning_frames': 3, 'frames': 5})
  arguments = [f'--gin_file={protocol}', f'--model_dir={transformer_dir}', '--batch_size=4']
  _two_workers(tmp_path, *arguments, f'--output={tmp_path / "two"}')
  run(*arguments, f'--output={tmp_path / "one"}')
  one, two = _rows(tmp_path / 'one'), _rows(tmp_path / 'two')
  assert set(one) == set(two) == {('ssim', 10), ('bits_per_dim', 10), ('nats_per_frame', 10)}
  ssim = [numbers.pop(('ssim', 10)) for numbers in (one, two)]
  assert ssim[0] != ssim[1] and abs(ssim[0] - ssim[1]) < 0.05  # as by another seed
  assert two == pytest.approx(one, rel=1e-4)


# --- mistakes ---


def test_sides_that_are_not_there(fails, folders, tmp_path):
  real, generated = folders()
  fails('two sides are compared: name --real and --generated, or --real and --baseline', real)
  fails('two sides are compared', generated)
  fails('there is no folder', real, f'--generated={tmp_path / "nowhere"}')
  fails(f'there is no folder {tmp_path / "nowhere"}; as a data set: data sets are named',
        f'--real={tmp_path / "nowhere"}', generated)
  fails(f'there is no folder nothing/64; as a data set: nothing/64 is not prepared in {tmp_path}; '
        'prepare it with: ', '--real=nothing/64', generated, f'--data_dir={tmp_path}')


def test_sides_that_differ(fails, folders):
  real, generated = folders((8, 10, 12, 12, 1), (7, 10, 12, 14, 1))
  fails('real has clips of 12 columns, ', real, generated)
  fails('real has clips of 12 columns, ', real, generated, '--videos=7')


def test_broken_videos(fails, folders, tmp_path):
  real, generated = folders()
  broken = np.full((4, 10, 12, 12, 1), np.nan, np.float32)
  np.savez(tmp_path / 'made.npz', samples=broken)
  fails('not finite (NaN) in 4 of 4 videos', real, generated, '--value_range=0,1')
  np.savez(tmp_path / 'made.npz', samples=np.zeros_like(broken))
  fails('say with --value_range=0,1 or =-1,1 or =0,255', real, generated)


# --- real clips, real networks ---


@pytest.mark.slow
@pytest.mark.real_data
def test_real_clips_by_networks_of_full_size(run, real_data, tmp_path, capsys):
  """Films of UCF-101, clips of BAIR; random weights; and the page of what was found."""
  ucf101 = real_data / 'ucf101' / 'UCF-101'
  lines, _ = run(f'--real={ucf101}', f'--generated={ucf101}', '--frames=16', '--networks=random',
                 '--gin_param=protocols.Protocol.measures=[@fvd/measures.FrechetDistance()]')
  assert '(3 videos; random-network' in lines['fvd'] and abs(_value(lines['fvd'])) < 1e-3
  with np.load(real_data / 'bair' / 'bair_ground_truth_4x30.npz') as arrays:
    video = next(array for array in arrays.values() if array.ndim == 5)
  for side, clips in (('real', video[:, :16]), ('made', video[:, 14:])):
    (tmp_path / side).mkdir()
    for i, clip in enumerate(clips):
      video_io.write_gif(str(tmp_path / side / f'{i}.gif'), clip)
  arguments = [f'--real={tmp_path / "real"}', f'--generated={tmp_path / "made"}',
               '--networks=random', '--batch_size=4', f'--output={tmp_path / "out"}']
  lines, said = run(*arguments)
  assert list(lines) == ['fvd', 'fid', 'is'] and _value(lines['fvd']) > 0.01
  assert 'warning: fvd: 4 videos for 400 features: the covariance is singular' in said
  assert 'warning: fid: 4 videos for 1024 features' in said
  again, _ = run(*arguments)
  for metric, line in lines.items():
    assert _value(again[metric]) == pytest.approx(_value(line), rel=1e-4)
  lines, _ = run(*arguments, "--gin_param=measures.InceptionScore.network='c3d_ucf101'",
                 '--gin_param=protocols.Protocol.measures=[@measures.InceptionScore()]')
  assert list(lines) == ['is'] and _value(lines['is']) >= 1
  assert in_process.run(report.main, f'--model_dir={tmp_path / "out"}') == 0
  page = (tmp_path / 'out' / 'report.html').read_text()
  assert 'random-network, not comparable' in page and 'data:image/gif' in page
