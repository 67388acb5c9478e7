"""Clips of folders and files: every form, in counted order, exact; what is refused, or skipped."""

import os
import pathlib

import numpy as np
from PIL import Image
import pytest

from tests import raw_data
from tests.evaluation import clip_files
from tf_videogen.data import video_io
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import sample


# --- forms ---


def test_gifs_are_exact_and_in_counted_order(tmp_path):
  videos = clip_files.videos(12)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'clip{i}.gif'), video)
  clip_files.check(clip_files.read(tmp_path), videos)
  clip_files.check(clip_files.read(tmp_path / 'clip10.gif'), videos[10:11])


def test_videos_are_what_is_decoded_of_them(tmp_path):
  smooth = np.linspace(0, 200, 4 * 8 * 10).reshape(4, 8, 10, 1).astype(np.uint8)
  for i in range(11):
    video_io.write_mp4(str(tmp_path / f'{i}.mp4'), smooth + np.uint8(5 * i))
  found = clip_files.read(tmp_path)
  clip_files.check(
      found, [raw_data.read_video(str(tmp_path / f'{i}.mp4'), 3)[0] for i in range(11)])
  assert found[10].mean() - found[9].mean() == pytest.approx(5, abs=1)


@pytest.mark.parametrize('arrays', [
    ('samples',), ('video',), ('pixels',), ('samples', 'data'), ('samples', 'video'),
    ('video', 'data')])
def test_the_array_of_an_npz(tmp_path, arrays):
  """`samples` before `video` before the only one; scalars and labels don't count."""
  videos = {name: clip_files.videos(seed=i) for i, name in enumerate(arrays)}
  np.savez(tmp_path / 'a.npz', fps=8, label=np.arange(3), **videos)
  for path in (tmp_path / 'a.npz', tmp_path):
    clip_files.check(clip_files.read(path), videos[arrays[0]])


def test_an_npz_that_tells_not_which(tmp_path):
  np.savez(tmp_path / 'a.npz', first=clip_files.videos(), second=clip_files.videos(),
           label=np.arange(3))
  with pytest.raises(ValueError, match='must have an array `samples` or `video` .*: first, second'):
    clip_files.read(tmp_path)
  np.savez(tmp_path / 'a.npz', label=np.arange(3))
  with pytest.raises(ValueError, match='of five axes called: none'):
    clip_files.read(tmp_path)


def test_npy_and_several_files(tmp_path):
  videos = clip_files.videos(25)
  np.save(tmp_path / 'part10.npy', videos[14:])
  np.save(tmp_path / 'part9.NPY.npy', videos[12:14])
  os.rename(tmp_path / 'part9.NPY.npy', tmp_path / 'part9.NPY')
  np.savez(tmp_path / 'part2.npz', video=videos[:12])
  clip_files.check(clip_files.read(tmp_path), videos)
  clip_files.check(clip_files.read(tmp_path, limit=13), videos[:13])


def test_a_folder_of_launch_sample_has_every_sample_once(tmp_path):
  samples = np.random.default_rng(0).integers(256, size=(5, 3, 8, 8, 3), dtype=np.uint8)
  sample.write({'samples': samples, 'data': 255 - samples}, str(tmp_path), fps=5)
  assert len(list(tmp_path.glob('sample*'))) == 3 * 5 + 3
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {samples.shape[1:]: 5}
  clip_files.check(clip_files.all_of(found), samples)


def test_numbers_in_names_count_by_their_value():
  in_order = ['7', '10', 'a', 'a1', 'a1/2', 'a1b', 'a02', 'a9', 'a10', f'a{10**25}', 'a-1', 'ab']
  for seed in range(5):
    mixed = np.random.default_rng(seed).permutation(in_order).tolist()
    assert sorted(mixed, key=written_clips.counting) == in_order


# --- what is cut ---


@pytest.mark.parametrize('kind', ['npz', 'gif', 'png'])
def test_some_frames(tmp_path, kind):
  video, = clip_files.videos(1, frames=9)
  if kind == 'npz':
    np.savez(tmp_path / 'a.npz', video=video[np.newaxis])
  elif kind == 'gif':
    video_io.write_gif(str(tmp_path / 'a.gif'), video)
  else:
    clip_files.write_pictures(tmp_path / 'a', video)
  found = written_clips.WrittenClips(str(tmp_path))
  (_, some), = found.read(list(found.headers()), lambda name: [1, 4, 8])
  np.testing.assert_array_equal(some, video[[1, 4, 8]])


def test_mixed_sizes_are_counted(tmp_path):
  np.savez(tmp_path / 'a.npz', video=clip_files.videos(3))
  np.savez(tmp_path / 'b.npz', video=clip_files.videos(2, frames=5))
  video_io.write_gif(str(tmp_path / 'c.gif'), clip_files.videos(1, height=12)[0])
  survey = written_clips.WrittenClips(str(tmp_path)).survey()
  assert survey == {(4, 8, 10, 3): 3, (5, 8, 10, 3): 2, (4, 12, 10, 3): 1}


# --- values ---


RANGES = [(None, 0, 255), ('0,1', 0, 1), ('-1,1', -1, 1), ('0,255', 0, 255)]


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize('name, low, high', RANGES[1:])
def test_floats_come_back_as_the_integers_that_they_were(tmp_path, name, low, high, dtype):
  videos = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16, 1)
  floats = (low + videos.astype(np.float64) * ((high - low) / 255)).astype(dtype)
  np.savez(tmp_path / 'a.npz', video=floats)
  clip_files.check(clip_files.read(tmp_path, name), videos)


@pytest.mark.parametrize('name, low, high', RANGES[1:])
def test_floats_are_rounded_to_the_nearest(tmp_path, name, low, high):
  values = np.array([0.4, 0.6, 99.4, 99.6, 254.4, 254.6])
  floats = (low + values * ((high - low) / 255)).astype(np.float32)
  np.save(tmp_path / 'a.npy', floats.reshape(1, 6, 1, 1, 1))
  assert clip_files.read(tmp_path, name)[0].ravel().tolist() == [0, 1, 99, 100, 254, 255]


@pytest.mark.parametrize('array, value_range, message', [
    (np.linspace(0, 1, 16), None, 'are float64, the first one from 0 to 0.467; give the values'),
    (np.linspace(-1, 1, 16), '0,1', 'values from -1 to -0.0666667 in video 0, outside of 0 to'),
    (np.linspace(0, 1.01, 16), '-1,1', 'to 1.01 in video 1, outside of -1 to 1'),
    (np.linspace(0, 256, 16), '0,255', 'to 256 in video 1, outside of 0 to 255'),
    (np.arange(-1, 15), None, 'values from -1 to 6 in video 0, outside of 0 to 255'),
    (np.arange(16) * 20, None, 'to 300 in video 1, outside of 0 to 255'),
    (np.arange(16) > 4, None, 'are bool; they must be numbers'),
    (np.arange(16) * 1j, None, 'are complex128; they must be numbers')])
def test_values_that_could_be_misread(tmp_path, array, value_range, message):
  np.save(tmp_path / 'a.npy', array.reshape(2, 1, 2, 4, 1))
  with pytest.raises(ValueError, match=message) as error:
    clip_files.read(tmp_path, value_range)
  assert 'a.npy' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_none(tmp_path, value):
  floats = np.zeros((5, 2, 4, 4, 1), np.float32)
  floats[1, 0, 2, 2] = floats[3] = value
  np.save(tmp_path / 'a.npy', floats)
  with pytest.raises(ValueError, match=r'not finite \(NaN\) in video 1: the model'):
    clip_files.read(tmp_path, '0,1')


def test_integers_of_other_types(tmp_path):
  videos = clip_files.videos()
  np.save(tmp_path / 'a.npy', videos.astype(np.int64))
  clip_files.check(clip_files.read(tmp_path), videos)


@pytest.mark.parametrize('shape', [(2, 4, 8, 8, 2), (4, 8, 8, 3), (2, 0, 8, 8, 3)])
def test_arrays_of_another_shape(tmp_path, shape):
  np.save(tmp_path / 'a.npy', np.zeros(shape, np.uint8))
  with pytest.raises(ValueError, match=r'must be \[N, T, H, W, C\] with C 1 or 3, got \['):
    clip_files.read(tmp_path)


class _Trap:
  """Leaves a file behind where it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize('name', ['a.npz', 'a.npy'])
def test_nothing_is_unpickled(tmp_path, name):
  trap = np.array([_Trap(tmp_path / 'sprung')], object)
  if name == 'a.npz':
    np.savez(tmp_path / name, video=trap)
  else:
    np.save(tmp_path / name, trap)
  with pytest.raises(ValueError, match='cannot be read as arrays'):
    clip_files.read(tmp_path)
  assert not (tmp_path / 'sprung').exists()


# --- what cannot be read ---


def test_what_cannot_be_read_is_skipped_and_named(tmp_path):
  videos = clip_files.videos(4)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'{i}.gif'), video)
  (tmp_path / '1.gif').write_bytes(b'GIF89a and no more')
  (tmp_path / '2.mp4').write_bytes(b'no film')
  clip_files.write_pictures(tmp_path / 'uneven', videos[0])
  Image.new('RGB', (3, 3)).save(tmp_path / 'uneven' / 'frame9.png')
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {(4, 8, 10, 3): 3}
  clip_files.check(clip_files.all_of(found), videos[[0, 2, 3]])
  assert [os.path.basename(name) for name in found.skipped] == ['1.gif', '2.mp4', 'uneven']
  assert 'frame9.png has another size' in found.skipped[str(tmp_path / 'uneven')]
  assert all(reason and '\n' not in reason for reason in found.skipped.values())
  clip_files.check(clip_files.all_of(found, limit=2), videos[[0, 2]])


def test_what_goes_bad_between_survey_and_reading(tmp_path):
  path = tmp_path / '0.gif'
  video_io.write_gif(str(path), clip_files.videos(1)[0])
  found = written_clips.WrittenClips(str(tmp_path))
  found.survey()
  path.write_bytes(b'')
  assert not clip_files.all_of(found) and found.skipped == {str(path): 'empty'}


def test_nothing_can_be_read(tmp_path):
  for name in 'ab':
    (tmp_path / f'{name}.mp4').write_bytes(b'no film')
  message = r'none of the 2 clips in .* can be read: .*a\.mp4: '
  with pytest.raises(ValueError, match=message) as error:
    written_clips.WrittenClips(str(tmp_path)).survey()
  assert '\n' not in str(error.value)


def test_a_torn_archive_among_good_ones_is_skipped(tmp_path):
  np.savez(tmp_path / 'good.npz', video=clip_files.videos(2))
  np.savez(tmp_path / 'torn.npz', video=clip_files.videos(2))
  (tmp_path / 'torn.npz').write_bytes((tmp_path / 'torn.npz').read_bytes()[:500])
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {(4, 8, 10, 3): 2}
  assert list(found.skipped) == [str(tmp_path / 'torn.npz')]
  assert len(clip_files.all_of(found)) == 2


def test_remote_clips():
  with pytest.raises(ValueError, match='clips are read from local files: copy gs://bucket/a first'):
    written_clips.WrittenClips('gs://bucket/a')


def test_an_archive_that_is_torn(tmp_path):
  np.savez(tmp_path / 'a.npz', video=clip_files.videos())
  whole = (tmp_path / 'a.npz').read_bytes()
  (tmp_path / 'a.npz').write_bytes(whole[:len(whole) // 2])
  with pytest.raises(ValueError, match=r'a\.npz cannot be read as arrays'):
    clip_files.read(tmp_path)


def test_nothing_is_there(tmp_path):
  with pytest.raises(FileNotFoundError, match='there is no folder .*nowhere'):
    written_clips.WrittenClips(str(tmp_path / 'nowhere'))
  (tmp_path / 'notes.txt').write_text('')
  with pytest.raises(ValueError, match='has no videos, GIFs, folders of PNG files, or .npz files'):
    written_clips.WrittenClips(str(tmp_path))
  with pytest.raises(ValueError, match='must be one of 0,1 -1,1 0,255, got 0,2'):
    written_clips.WrittenClips(str(tmp_path), '0,2')


# --- identity ---


def test_identity_tells_files_and_what_is_made_of_them(tmp_path):
  videos = clip_files.videos()
  clip_files.write_pictures(tmp_path / 'clip', videos[0])
  np.save(tmp_path / 'a.npy', videos.astype(np.float32))
  identity = lambda value_range='0,255': written_clips.WrittenClips(
      str(tmp_path), value_range).identity()
  before = identity()
  assert identity() == before
  assert len(before) == 1 + 1 + 4  # the range, the array, four frames
  changed = tmp_path / 'clip' / 'frame2.png'
  os.utime(changed, ns=(0, 0))
  assert identity() != before
  before = identity()
  np.save(tmp_path / 'a.npy', videos.astype(np.float32)[:2])
  assert identity() != before
  before = identity()
  changed.unlink()
  assert identity() != before
  np.save(tmp_path / 'a.npy', np.zeros((1, 2, 4, 4, 1)))
  assert identity('0,1') != identity('-1,1')
