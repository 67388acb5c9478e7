"""launch.compare: folders, baselines, and mistakes in one line."""

import hashlib

import numpy as np
from PIL import Image
import pytest

from tests.evaluation import fakes
from tests.launch import evaluations
from tests.launch import in_process
from tf_videogen.data import video_io
from tf_videogen.launch import compare
from tf_videogen.launch import report
from tf_videogen.model_directory import results
from tf_videogen.reporting import galleries

PROGRAM = compare
networks, clean, run_fixture, fails_fixture = evaluations.FIXTURES


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


SETS = ['kvd', 'precision', 'recall', 'density', 'coverage']


def _value(line):
  return float(line.split()[1])


# --- folders ---


def test_two_folders(networks, folders, run, tmp_path):
  output = tmp_path / 'compared'
  lines, said = run(*folders(), f'--output={output}')
  assert list(lines) == ['fvd', *SETS, 'fid', 'is']
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
  gallery = galleries.read_gallery(str(folder / 'videos.npz'))
  assert set(gallery.videos) == {'data', 'samples'} and not gallery.paired
  assert all(f'--output={output}' in row.command for row in rows)
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
  lines, _ = run(*sides, '--frames=10')
  cut, _ = run(*sides, '--on_mismatch=cut')
  whole = {name: line.replace(', cut to what both have', '') for name, line in cut.items()}
  assert lines == whole != cut and '(8 videos' in lines['fvd']
  shorter, said = run(*sides, '--frames=6', '--videos=9')
  assert '6 frames, repeated to 9' in shorter['fvd'] and '(8 videos' in shorter['fvd']
  assert 'made.npz has 8 videos, fewer than --videos=9: all are used' in said


def test_pairs(networks, folders, run, tmp_path):
  real, generated = folders()
  lines, _ = run(real, generated, '--paired', '--conditioning_frames=2', '--on_mismatch=cut',
                 f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', *SETS, 'fid', 'is', 'ssim', 'psnr', 'lpips']
  points = results.read_curves(str(tmp_path / 'out' / 'evaluations' / 'folders' / 'curves.csv'))
  assert [point.position for point in points if point.metric == 'ssim'] == list(range(3, 11))
  gallery = galleries.read_gallery(str(tmp_path / 'out' / 'evaluations' / 'folders' / 'videos.npz'))
  assert gallery.conditioning_frames == 2 and set(gallery.videos) == {'data', 'samples'}
  assert gallery.paired
  with np.load(tmp_path / 'out' / 'evaluations' / 'folders' / 'videos.npz') as arrays:
    assert arrays['worst_ssim'].max() <= arrays['best_ssim'].min()
    assert len(arrays['worst_data']) == len(arrays['best_samples']) == 4


def test_a_protocol_of_folders_gives_the_frames_of_the_paper(networks, folders, run, tmp_path):
  """Given frames are not compared; nothing is drawn, so there is no temperature, no trial."""
  lines, said = run(*folders((8, 30, 12, 12, 3), (8, 30, 12, 12, 3)),
                    '--gin_file=evaluation/video_transformer_bair.gin',
                    f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', 'fvd_unrolled', 'ssim']
  assert not any(word in line for word in ('+-', 'trials', 'temperature')
                 for line in lines.values())
  warning = 'warning: the protocol video_transformer_bair uses 256 real videos, but there are 8'
  assert warning in said
  path = tmp_path / 'out' / 'evaluations' / 'video_transformer_bair' / 'curves.csv'
  frames = [p.position for p in results.read_curves(str(path)) if p.metric == 'ssim']
  assert frames == list(range(2, 31))


def test_missing_networks(folders, run):
  lines, _ = run(*folders(), '--paired')
  assert list(lines) == ['ssim', 'psnr', 'fvd', 'fid', 'is', 'lpips']
  for metric, network in (('fvd', 'i3d_kinetics400'), ('fid', 'i3d_kinetics600'),
                          ('lpips', 'lpips_alexnet')):
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


@pytest.mark.parametrize('flags, refused', [
    ([], 'real has clips of 10 frames, '), (['--frames=11'], 'has a clip of 10 frames, but --fra'),
    (['--paired'], 'videos are compared in pairs, but ')])
def test_what_cannot_be_read_is_named_before_sides_are_refused(
    folders, tmp_path, capsys, flags, refused):
  sides = folders((9, 10, 12, 12, 1), (9, 12, 12, 12, 1))
  (tmp_path / 'real' / '3.gif').write_bytes(b'GIF89a and no more')
  assert in_process.run(compare.main, *sides, *flags) == 1
  said = capsys.readouterr().err
  assert 0 <= said.find(f'skipped {tmp_path / "real" / "3.gif"}: ') < said.index(refused)


def test_what_cannot_be_decoded_is_named_after_the_rest(networks, folders, run, tmp_path):
  """Headers cannot tell of it."""
  sides = folders((9, 10, 12, 12, 1))
  (tmp_path / 'real' / '3.gif').write_bytes(b'GIF89a and no more')
  (tmp_path / 'real' / 'pictures').mkdir()
  for i, frame in enumerate(fakes.videos(1, 10, 12, 12, 1)[0, ..., 0]):
    Image.fromarray(frame).save(tmp_path / 'real' / 'pictures' / f'{i}.png')
  torn = tmp_path / 'real' / 'pictures' / '7.png'
  torn.write_bytes(torn.read_bytes()[:60])
  lines, said = run(*sides)
  assert '(8 videos' in lines['fvd'] and '2 unreadable ones left out' in lines['fvd']
  assert f'skipped {torn.parent}: {torn} cannot be decoded: ' in said
  assert said.count(f'skipped {tmp_path / "real" / "3.gif"}: ') == 1
  assert f'1 more of the clips in {tmp_path / "real"} cannot be read and are left out' in said


def test_previews_are_told(networks, folders, run, tmp_path):
  sides = folders()
  Image.new('L', (12, 12)).save(tmp_path / 'real' / '0.png')
  _, said = run(*sides)
  assert said.count('1 files in ') == 1
  assert f'left out, such as {tmp_path / "real" / "0.png"}' in said


def test_statistics_that_others_compare_with(networks, run, fails, folders, tmp_path):
  sides = folders((20, 10, 12, 12, 1), (18, 10, 12, 12, 1))
  stats = tmp_path / 'real_statistics.npz'
  said, _ = run(sides[0], f'--export_statistics={stats}')
  assert list(said) == ['statistics']
  lines, _ = run(f'--real={stats}', sides[1])
  expected, _ = run(*sides)
  assert list(lines) == list(expected)
  for metric, line in expected.items():
    assert _value(lines[metric]) == pytest.approx(_value(line), rel=1e-4)
  fails('--windows is for videos; --real has statistics', f'--real={stats}', sides[1],
        '--windows=random')
  fails('--export_statistics is of real videos alone', *sides, f'--export_statistics={stats}')


# --- baselines ---


def test_real_vs_real(networks, folders, run, tmp_path):
  real, _ = folders((13, 10, 12, 12, 1))
  lines, said = run(real, '--baseline=real_vs_real', '--paired', f'--output={tmp_path / "out"}')
  assert list(lines) == ['fvd', *SETS, 'fid', 'is']  # no clip continues another
  assert '(6 videos' in lines['fvd'] and 'fid: 6 videos for 6 features' in said
  assert {row.protocol for row in results.read_results(str(tmp_path / 'out'))} == {
      'folders_real_vs_real'}


def test_copy_last_frame(networks, folders, run, fails, tmp_path):
  real, _ = folders()
  fails('copy_last_frame needs at least one given frame: set --conditioning_frames=1', real,
        '--baseline=copy_last_frame')
  lines, _ = run(real, '--baseline=copy_last_frame', '--conditioning_frames=4', '--paired')
  assert list(lines) == ['fvd', *SETS, 'fid', 'is', 'ssim', 'psnr', 'lpips']
  # The copies, made by hand.
  video = fakes.videos(8, 10, 12, 12, 1)
  np.savez(tmp_path / 'copies.npz', video=video[:, np.minimum(np.arange(10), 3)])
  by_hand, _ = run(real, f'--generated={tmp_path / "copies.npz"}', '--conditioning_frames=4',
                   '--paired')
  for metric in lines:
    assert _value(lines[metric]) == pytest.approx(_value(by_hand[metric]), rel=1e-4)


def test_baselines_of_a_protocol(networks, run, fails, tiny_files, tmp_path):
  """Without a model; what only models make is left out, and said."""
  protocol = evaluations.protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=2)
  for baseline in ('copy_last_frame', 'real_vs_real'):
    lines, said = run(f'--gin_file={protocol}', f'--baseline={baseline}',
                      f'--output={tmp_path / "out"}')
    assert list(lines) == ['fvd'] and 'trials' not in lines['fvd']
    warning = 'warning: fvd_star measures reconstructions, which only autoencoders make: left out'
    assert warning in said
  assert [(row.protocol, row.split, row.examples) for row in results.read_results(
      str(tmp_path / 'out'))] == [('videogpt_bair_copy_last_frame', 'test', 10),
                                  ('videogpt_bair_real_vs_real', 'test', 5)]
  fails('the protocol folders has no data of its own: give data with --real',
        '--baseline=real_vs_real')
  fails('the protocol videogpt_ucf101 has no data of its own: give data with --real',
        '--gin_file=evaluation/videogpt_ucf101.gin', '--baseline=real_vs_real')


def test_generated_clips_beside_a_protocols_data(networks, run, fails, tiny_files, tmp_path):
  """As a model's that is not of this suite: the protocol says what is real, and how many."""
  protocol = evaluations.protocol_file(tmp_path, tiny_files, 'videogpt_bair', conditioning_frames=2)
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


def test_flags_of_folders_that_would_be_ignored(fails, folders):
  sides = folders()
  fails('--split is for data sets, not for folders', *sides, '--split=train')
  fails('2 windows per video must be random: add --windows=random', *sides,
        '--windows_per_video=2')
  fails('either --generated or --baseline', *sides, '--baseline=real_vs_real')
  fails('--paired cannot be used with --gin_file: include', *sides, '--paired',
        '--gin_file=evaluation/folders.gin')


def test_pairs_with_a_video_that_cannot_be_read(networks, fails, run, folders, tmp_path):
  """Left out on one side, all that follow would have others' counterparts."""
  sides = folders()
  (tmp_path / 'real' / '3.gif').write_bytes(b'GIF89a')
  fails('videos are compared in pairs, but ', *sides, '--paired')
  lines, said = run(*sides)
  assert '(8 videos' in lines['fvd'] and '3.gif' in said


# --- mistakes ---


def test_sides_that_are_not_there(fails, folders, tmp_path):
  real, generated = folders()
  fails('two sides are compared: give --real and --generated, or --real and --baseline', real)
  fails('two sides are compared', generated)
  fails('there is no folder', real, f'--generated={tmp_path / "nowhere"}')
  fails(f'there is no folder {tmp_path / "nowhere"}; read as a data set: a data set must be',
        f'--real={tmp_path / "nowhere"}', generated)
  fails(f'there is no folder nothing/64; read as a data set: nothing/64 is not prepared in '
        f'{tmp_path}; prepare it with: ', '--real=nothing/64', generated, f'--data_dir={tmp_path}')


def test_sides_that_differ(fails, folders):
  real, generated = folders((8, 10, 12, 12, 1), (7, 10, 12, 14, 1))
  fails('made.npz has frames of 12 x 14 pixels, ', real, generated)
  fails('scale all with --size=12', real, generated, '--videos=7')


def test_broken_videos(fails, folders, tmp_path):
  real, generated = folders()
  broken = np.full((4, 10, 12, 12, 1), np.nan, np.float32)
  np.savez(tmp_path / 'made.npz', samples=broken)
  fails('not finite (NaN) in video 0', real, generated, '--value_range=0,1')
  np.savez(tmp_path / 'made.npz', samples=np.zeros_like(broken))
  fails('black and white with --value_range=0,1 or =-1,1 or =0,255', real, generated)


# --- two workers ---


@pytest.mark.slow
def test_two_workers_compare_folders_as_one(folders, run, tmp_path, monkeypatch):
  """Also when one of them has the statistics of real videos already, and the other not."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache0'))
  sides = [*folders((13, 10, 12, 12, 1), (13, 10, 12, 12, 1)), '--paired', '--batch_size=4']
  run(*sides, f'--output={tmp_path / "one"}')
  assert len(list((tmp_path / 'cache0' / 'real_statistics').iterdir())) == 1
  said = evaluations.two_workers('compare', tmp_path, *sides, f'--output={tmp_path / "two"}')
  assert 'fvd    missing: ' in said
  one, two = (evaluations.rows(tmp_path / name) for name in ('one', 'two'))
  assert two == pytest.approx(one, rel=1e-6)
  one, two = (results.read_curves(str(tmp_path / name / 'evaluations' / 'folders' / 'curves.csv'))
              for name in ('one', 'two'))
  assert len(one) == 32 and [point[:5] for point in one] == [point[:5] for point in two]
  np.testing.assert_allclose([p.value for p in two], [p.value for p in one], rtol=1e-6)
  assert len(list((tmp_path / 'cache1' / 'real_statistics').iterdir())) == 1


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
  assert [name for name in lines if name not in SETS] == ['fvd', 'fid', 'is']
  assert _value(lines['fvd']) > 0.01
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
  assert 'random-network, not comparable' in page and 'data:image/webp' in page
