"""launch.compare: sides that differ, as public threads ask for them, and prepared data sets."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.evaluation import fakes
from tests.launch import evaluations
from tests.launch import in_process
from tf_videogen.data import video_io
from tf_videogen.evaluation import variants
from tf_videogen.launch import compare
from tf_videogen.model_directory import results

PROGRAM = compare
networks, clean, run_fixture, fails_fixture = evaluations.FIXTURES


def _value(line):
  return float(line.split()[1])


def _write(folder, video, fps=10, name='{}'):
  """Writes GIFs. Grey noise needs no search for a palette, which takes a tenth of a second."""
  for i, one in enumerate(video):
    path = folder / f'{name.format(i)}.gif'
    path.parent.mkdir(parents=True, exist_ok=True)
    video_io.write_gif(str(path), one, fps=fps)


def test_all_real_videos_beside_fewer_samples(networks, run, tmp_path):
  """Real videos of any length and size in folders of classes; samples of 16 frames."""
  for name, (seed, frames) in {'archery': (0, 24), 'bowling': (1, 20)}.items():
    _write(tmp_path / 'real' / name, fakes.videos(12, frames, 16, 20, 1, seed))
  np.savez(tmp_path / 'made.npz', samples=fakes.videos(18, 16, 12, 12, seed=3))
  lines, said = run(f'--real={tmp_path / "real"}', f'--generated={tmp_path / "made.npz"}',
                    '--frames=16', '--size=12', '--windows=random', '--windows_per_video=2',
                    f'--output={tmp_path / "out"}')
  assert '(18 videos' in lines['fvd'] and '16 frames of 12 x 12 pixels' in lines['fvd']
  assert '2 random windows per video' in lines['fvd'] and 'only 1 windows of 16 frames' in said
  assert ' 90 % in ' in lines['fvd'] and '  floor ' in lines['fvd']
  assert list(lines)[:2] == ['fvd', 'fvd_infinity']
  fvd = next(row for row in results.read_results(str(tmp_path / 'out')) if row.metric == 'fvd')
  assert fvd.low < fvd.value < fvd.high and fvd.floor > 0 and fvd.examples == 18


def test_pairs_by_name_and_frame_rate(networks, run, tmp_path):
  """Films of 20 frames per second beside predictions of 10, some of which are missing."""
  video = fakes.videos(6, 20, 12, 12, 1)
  _write(tmp_path / 'real', video, 20, 'clip{}')
  _write(tmp_path / 'made', video[1:, ::2], 10, 'clip00{}')  # clip000 continues clip1
  sides = [f'--real={tmp_path / "real"}', f'--generated={tmp_path / "made"}', '--paired']
  for i in reversed(range(5)):
    (tmp_path / 'made' / f'clip00{i}.gif').rename(tmp_path / 'made' / f'clip00{i + 1}.gif')
  lines, said = run(*sides, '--frame_rate=10', '--frames=10')
  assert '(5 videos' in lines['ssim'] and _value(lines['ssim']) > 0.999
  assert '1 of the 6 clips in' in said
  assert 'no partner of the same name and are left out: clip0' in said
  lines, said = run(*sides, '--frames=10')
  assert 'has 20 frames per second and' in said and '--frame_rate=10' in said
  assert _value(lines['ssim']) < 0.9


def test_several_models_in_one_run(networks, run, tmp_path, capsys, monkeypatch):
  """A column each; the real side is seen once."""
  _write(tmp_path / 'real', fakes.videos(20, 10, 12, 12, 1))
  for i, name in enumerate(('a', 'b')):
    (tmp_path / name).mkdir()
    np.savez_compressed(tmp_path / name / 'samples.npz',
                        samples=fakes.videos(17 + i, 10, 12, 12, seed=5 + i))
  seen = fakes.count_clips(monkeypatch)
  sides = [f'--real={tmp_path / "real"}', *(
      f'--generated={tmp_path / name / "samples.npz"}' for name in 'ab')]
  lines, _ = run(*sides, f'--output={tmp_path / "out"}', '--networks=random')
  assert seen['i3d_kinetics400'] == 20 + 17 + 18
  assert lines['folders_a_samples.npz'].split() == [
      'folders_a_samples.npz', 'folders_b_samples.npz']
  assert lines['videos'].split() == ['videos', '17', '18']
  rows = [row for row in results.read_results(str(tmp_path / 'out')) if row.metric == 'fvd']
  assert [row.protocol for row in rows] == lines['folders_a_samples.npz'].split()
  for row in rows:
    assert f'  {row.value:.6g} [{row.low:.5g}, {row.high:.5g}]' in lines['fvd']
  assert 'floor' in lines['fvd']


def test_variants(networks, run, fails, tmp_path, monkeypatch):
  wanted = ('reference', 'crop', 'few', 'windows', 'videogpt')
  monkeypatch.setattr(variants, 'VARIANTS', tuple(
      variant for variant in variants.VARIANTS if variant.name in wanted))
  _write(tmp_path / 'real', fakes.videos(12, 24, 12, 16, 1))
  np.savez(tmp_path / 'made.npz', samples=fakes.videos(10, 16, 12, 16, seed=3))
  sides = [f'--real={tmp_path / "real"}', '--frames=16']
  lines, said = run(*sides, f'--generated={tmp_path / "made.npz"}', '--variants',
                    f'--output={tmp_path / "out"}')
  assert set(lines) == {'fvd_reference', 'fvd_windows', 'fvd_crop', 'fvd_videogpt'}
  assert 'fvd_few is left out' in said and ': random windows of real videos' in lines['fvd_windows']
  rows = results.read_results(str(tmp_path / 'out'))
  assert {row.protocol for row in rows} == {'folders_variants'} and len(rows) == len(lines)
  fails('--variants compare one --generated', *sides, '--baseline=real_vs_real', '--variants')


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
  fails("made.npz has clips of 20 frames of 12 x 12 pixels, but the data set's have 16 frames",
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


def test_what_cannot_be_read_is_named_before_a_data_set_is_compared(data_dir, tmp_path, capsys):
  (tmp_path / 'made').mkdir()
  (tmp_path / 'made' / '3.gif').write_bytes(b'GIF89a and no more')
  np.save(tmp_path / 'made' / 'good.npy', fakes.videos(2, 20, 12, 12, 3))
  assert in_process.run(compare.main, '--real=toy', f'--data_dir={data_dir}',
                        f'--generated={tmp_path / "made"}') == 1
  said = capsys.readouterr().err
  assert 0 <= said.find('3.gif: undecodable') < said.index('made has clips of 20 frames')


def test_a_protocol_of_a_data_set(networks, run, data_dir, tmp_path):
  arguments = ['--gin_file=evaluation/trivd_gan_bair_balanced.gin', f'--data_dir={data_dir}',
               "--gin_param=evaluation/clips.PreparedClips.dataset='toy'",
               '--gin_param=protocols.Protocol.videos=30', f'--output={tmp_path / "out"}']
  lines, said = run(*arguments, '--baseline=copy_last_frame')
  assert list(lines) == ['fvd', 'fvd_infinity']
  assert '(30 videos' in lines['fvd']  # random windows of 12 clips
  lines, said = run(*arguments, '--baseline=real_vs_real',
                    "--gin_param=protocols.Protocol.real_windows='first'")
  assert '(6 videos' in lines['fvd'] and 'uses 30 real videos, but there are 6' in said
  assert {row.protocol for row in results.read_results(str(tmp_path / 'out'))} == {
      'trivd_gan_bair_balanced_copy_last_frame', 'trivd_gan_bair_balanced_real_vs_real'}
