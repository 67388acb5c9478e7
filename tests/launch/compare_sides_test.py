"""launch.compare: sides that differ, as public threads ask for them, and prepared data sets.

The commands of three threads are run as docs/evaluation.md shows them.
"""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests import raw_data
from tests.docs import commands
from tests.evaluation import fakes
from tests.launch import evaluations
from tests.launch import in_process
from tf_videogen.data import clips
from tf_videogen.data import video_io
from tf_videogen.evaluation import variants
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import compare
from tf_videogen.model_directory import results

PROGRAM = compare
networks, clean, run_fixture, fails_fixture = evaluations.FIXTURES


def _value(line):
  return float(line.split()[1])


@pytest.fixture(name='of_page')
def _of_page(monkeypatch, tmp_path):
  """The arguments of the page's command that compares these real videos, in a folder for them."""
  def command(real):
    (found,) = (c for c in commands.of_page('docs/evaluation.md')
                if c.words[:2] == ('launch.compare', f'--real={real}'))
    monkeypatch.chdir(tmp_path)
    return found.words[1:]
  return command


def _write(folder, video, fps=10, name='{}'):
  """Writes GIFs. Grey noise needs no search for a palette, which takes a tenth of a second."""
  for i, one in enumerate(video):
    path = folder / f'{name.format(i)}.gif'
    path.parent.mkdir(parents=True, exist_ok=True)
    video_io.write_gif(str(path), one, fps=fps)


def test_all_real_videos_beside_fewer_samples(networks, run, of_page, tmp_path):
  """Real videos of any length and size in folders of classes; samples of 16 frames."""
  arguments = of_page('UCF-101/')
  for name, (seed, frames) in {'archery': (0, 24), 'bowling': (1, 20)}.items():
    _write(tmp_path / 'UCF-101' / name, fakes.videos(12, frames, 16, 20, 1, seed))
  np.savez(tmp_path / 'samples.npz', samples=fakes.videos(18, 16, 128, 128, seed=3))
  lines, said = run(*arguments)
  assert '(18 videos' in lines['fvd'] and '16 frames of 128 x 128 pixels' in lines['fvd']
  assert '2 random windows per video' in lines['fvd'] and 'only 1 windows of 16 frames' in said
  assert ' 90 % in ' in lines['fvd'] and '  floor ' in lines['fvd']
  assert list(lines)[:2] == ['fvd', 'fvd_infinity']
  fvd = next(row for row in results.read_results('runs/compared') if row.metric == 'fvd')
  assert fvd.low < fvd.value < fvd.high and fvd.floor > 0 and fvd.examples == 18


def test_pairs_by_name_and_frame_rate(networks, run, of_page, tmp_path):
  """Films of 24 frames per second beside predictions of 8, one of which is missing."""
  arguments = of_page('films/')
  for folder in ('films', 'predictions'):
    (tmp_path / folder).mkdir()
  for i in range(6):
    video = raw_data.moving_square(48, 32, 32, i)
    video_io.write_mp4(str(tmp_path / 'films' / f'clip{i}.mp4'), video, fps=24)
    if i:
      video_io.write_mp4(
          str(tmp_path / 'predictions' / f'clip00{i}.mp4'), video[::3], fps=8)
  lines, said = run(*arguments)
  assert '(5 videos' in lines['ssim'] and _value(lines['ssim']) > 0.9
  assert '1 of the 6 clips in' in said
  assert 'no partner of the same name and are left out: clip0' in said
  others, said = run(*(word for word in arguments if 'frame_rate' not in word))
  assert 'has 24 frames per second and' in said and '--frame_rate=8' in said
  assert _value(others['ssim']) < _value(lines['ssim']) - 0.05


def test_several_models_in_one_run(networks, run, of_page, tmp_path, monkeypatch):
  """A column each; the real side is seen once."""
  arguments = of_page('test_videos/')
  _write(tmp_path / 'test_videos', fakes.videos(20, 16, 64, 64, 1))
  for i, name in enumerate(('model_a', 'model_b')):
    (tmp_path / name).mkdir()
    np.savez_compressed(tmp_path / name / 'samples.npz',
                        samples=fakes.videos(17 + i, 16, 64, 64, seed=5 + i))
  seen = fakes.count_clips(monkeypatch)
  lines, said = run(*arguments, '--networks=random')
  assert seen['i3d_kinetics400'] == 20 + 17 + 18
  assert 'model_a/ has 17 videos, fewer than --videos=2048: all are used' in said
  names = ['folders_model_a', 'folders_model_b']
  assert lines[names[0]].split() == names and lines['videos'].split() == ['videos', '17', '18']
  rows = [row for row in results.read_results('runs/models') if row.metric == 'fvd']
  assert [row.protocol for row in rows] == names
  for row in rows:
    assert f'  {row.value:.6g} [{row.low:.5g}, {row.high:.5g}]' in lines['fvd']
  assert 'floor' in lines['fvd']


def test_pairs_of_several_models(networks, run, tmp_path, monkeypatch):
  """A column each, of the pairs that all models have; the real side is seen once."""
  video = fakes.videos(8, 10, 12, 12, 1)
  _write(tmp_path / 'real', video)
  _write(tmp_path / 'a', video[:7])
  _write(tmp_path / 'b', 255 - video[:, :, ::-1])
  (tmp_path / 'b' / '0.gif').unlink()
  seen = fakes.count_clips(monkeypatch)
  lines, said = run(f'--real={tmp_path / "real"}', f'--generated={tmp_path / "a"}',
                    f'--generated={tmp_path / "b"}', '--paired', f'--output={tmp_path / "out"}')
  assert seen['i3d_kinetics400'] == 3 * 6 and lines['videos'].split() == ['videos', '6', '6']
  _, same, other, _ = lines['ssim'].split(maxsplit=3)
  assert float(same) > 0.999 and float(other) < 0.5
  assert '2 of the 8 clips in' in said and (
      'no partner of the same name on each side and are left out: 0, 7' in said)
  rows = [row for row in results.read_results(str(tmp_path / 'out')) if row.metric == 'ssim']
  assert [row.protocol for row in rows] == ['folders_a', 'folders_b']


def test_only_files_that_are_drawn_are_looked_at(networks, run, tmp_path, monkeypatch):
  video, header, seen = fakes.videos(12, 10, 12, 12, 1), written_clips.WrittenClips._header, []
  sides = [tmp_path / name for name in ('real', 'made')]
  for side in sides:
    _write(side, video)
  monkeypatch.setattr(written_clips.WrittenClips, '_header',
                      lambda clips, name: (seen.append(name), header(clips, name))[1])
  lines, _ = run(f'--real={sides[0]}', f'--generated={sides[1]}', '--videos=9')
  assert '(9 videos' in lines['fvd'] and len(seen) == len(set(seen)) == 18


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


def test_videos_of_a_data_set_are_drawn(networks, run, data_dir, tmp_path):
  """By a seed from the whole split, and not the first ones."""
  np.savez(tmp_path / 'made.npz', samples=fakes.videos(8, 16, 12, 12, 3, seed=1))
  generated = [f'--generated={tmp_path / "made.npz"}', '--frames=16']
  drawn, _ = run('--real=toy', f'--data_dir={data_dir}', *generated, '--videos=8')
  chosen = np.sort(np.random.default_rng(0).permutation(12)[:8])
  assert chosen[-1] > 7
  stored = next(iter(clips.PreparedClips('toy', 16, data_dir=str(data_dir)).evaluation('test', 12)))
  np.savez(tmp_path / 'real.npz', video=stored['video'].numpy()[chosen])
  expected, _ = run(f'--real={tmp_path / "real.npz"}', *generated)
  assert _value(drawn['fvd']) == pytest.approx(_value(expected['fvd']), rel=1e-4)
  _, said = run('--real=toy', f'--data_dir={data_dir}', *generated, '--videos=20')
  assert 'the real side has 12 videos, fewer than --videos=20: all are used' in said


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
