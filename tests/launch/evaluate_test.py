"""launch.evaluate: what tasks measure, protocols of models, and mistakes in one line."""

import pathlib
import shutil

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.launch import evaluations
from tf_videogen import experiment as experiments
from tf_videogen import trained_model
from tf_videogen.launch import configs
from tf_videogen.launch import evaluate
from tf_videogen.launch import lazy
from tf_videogen.model_directory import results
from tf_videogen.reporting import galleries

PROGRAM = evaluate
networks, clean, run_fixture, fails_fixture = evaluations.FIXTURES


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


@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_a_protocol_of_a_prior(networks, run, fails, prior_dir, tiny_files, tmp_path):
  """The directory's own config, beside that of the protocol alone."""
  model_dir = tmp_path / 'prior'
  shutil.copytree(prior_dir, model_dir)
  protocol = evaluations.protocol_file(
      tmp_path, tiny_files, 'videogpt_bair', trials=2, conditioning_frames=0,
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


@pytest.mark.slow
@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_a_protocol_of_a_video_transformer(networks, run, transformer_dir, tiny_files, tmp_path):
  """Longer samples and more given frames than the model has of itself, as on Kinetics."""
  protocol = evaluations.protocol_file(
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
  fails('--model_dir is missing: give the folder of the run')
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
  protocol = evaluations.protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=0)
  fails('has values that are not finite (NaN): training has failed, there is nothing to evaluate',
        f'--gin_file={protocol}', f'--model_dir={model_dir}')
  assert not (model_dir / 'results.csv').exists()


def test_what_is_put_into_a_late_module_is_taken_out_again():
  real = trained_model.TrainedModel
  late = lazy._Later(trained_model.__name__)  # pylint: disable=protected-access
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(late, 'TrainedModel', None)
    assert trained_model.TrainedModel is None
  assert trained_model.TrainedModel is real


# --- two workers ---


def test_workers_share_a_batch(fails, prior_dir, tiny_files, tmp_path, monkeypatch):
  """Each of them makes a part of its rows."""
  def opened(config, model_dir, strategy, options, rows, after_batch):
    raise ValueError(f'{rows} rows by {options}')

  monkeypatch.setattr(evaluate.strategies, 'worker', lambda strategy: (1, 2))
  monkeypatch.setattr(evaluate.trained_model, 'TrainedModel', opened)
  protocol = evaluations.protocol_file(
      tmp_path, tiny_files, 'videogpt_bair', sampling={'temperature': 0.9})
  fails("4 rows by {'temperature': 0.9}", f'--gin_file={protocol}', f'--model_dir={prior_dir}',
        '--batch_size=8')


@pytest.mark.slow
def test_two_workers_sample(run, transformer_dir, tiny_files, tmp_path):
  protocol = evaluations.protocol_file(
      tmp_path, tiny_files, 'video_transformer_kinetics600', frames=5, split='test', trials=2,
      conditioning_frames=3, sampling={'conditioning_frames': 3, 'frames': 5})
  arguments = [f'--gin_file={protocol}', f'--model_dir={transformer_dir}', '--batch_size=4']
  evaluations.two_workers('evaluate', tmp_path, *arguments, f'--output={tmp_path / "two"}')
  run(*arguments, f'--output={tmp_path / "one"}')
  one, two = evaluations.rows(tmp_path / 'one'), evaluations.rows(tmp_path / 'two')
  assert set(one) == set(two) == {('ssim', 10), ('bits_per_dim', 10), ('nats_per_frame', 10)}
  ssim = [numbers.pop(('ssim', 10)) for numbers in (one, two)]
  assert ssim[0] != ssim[1] and abs(ssim[0] - ssim[1]) < 0.05  # as by another seed
  assert two == pytest.approx(one, rel=1e-4)
