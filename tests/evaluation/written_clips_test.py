"""Clips of folders and files: every form, in counted order, exact; what is refused, or skipped."""

import os
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageOps
import pytest

from tests import raw_data
from tf_videogen.data import video_io
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import sample


def _videos(count=3, frames=4, height=8, width=10, channels=3, seed=0):
  """Random videos of 200 colours, as many as a GIF keeps exactly."""
  rng = np.random.default_rng(seed)
  colours = rng.integers(256, size=(200, channels), dtype=np.uint8)
  return colours[rng.integers(200, size=(count, frames, height, width))]


def _all_of(found, limit=None):
  """All frames of the clips that can be read."""
  names = list(found.headers())[:limit]
  return [video for _, video in found.read(names, lambda name: range(found.header(name).frames))]


def _read(path, value_range=None, limit=None):
  return _all_of(written_clips.WrittenClips(str(path), value_range), limit)


def _write_pictures(folder, video):
  folder.mkdir(parents=True, exist_ok=True)
  for i, frame in enumerate(video):
    picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
    picture.save(folder / f'frame{i}.png')


def _check(found, videos):
  assert len(found) == len(videos)
  for one, video in zip(found, videos):
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, video)


# --- forms ---


def test_gifs_are_exact_and_in_counted_order(tmp_path):
  videos = _videos(12)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'clip{i}.gif'), video)
  _check(_read(tmp_path), videos)
  _check(_read(tmp_path / 'clip10.gif'), videos[10:11])


def test_videos_are_what_is_decoded_of_them(tmp_path):
  smooth = np.linspace(0, 200, 4 * 8 * 10).reshape(4, 8, 10, 1).astype(np.uint8)
  for i in range(11):
    video_io.write_mp4(str(tmp_path / f'{i}.mp4'), smooth + np.uint8(5 * i))
  found = _read(tmp_path)
  _check(found, [raw_data.read_video(str(tmp_path / f'{i}.mp4'), 3)[0] for i in range(11)])
  assert found[10].mean() - found[9].mean() == pytest.approx(5, abs=1)


@pytest.mark.parametrize('channels', [1, 3])
def test_folders_of_pictures_are_clips_of_counted_frames(tmp_path, channels):
  videos = _videos(11, frames=12, channels=channels)
  for i, video in enumerate(videos):
    _write_pictures(tmp_path / f'clip_{i}', video)
  (tmp_path / 'clip_0' / '.hidden.png').write_bytes(b'no picture')
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {videos.shape[1:]: 11} and not found.skipped
  _check(_all_of(found), videos)
  _check(_read(tmp_path / 'clip_4'), videos[4:5])


@pytest.mark.parametrize('arrays', [
    ('samples',), ('video',), ('pixels',), ('samples', 'data'), ('samples', 'video'),
    ('video', 'data')])
def test_the_array_of_an_npz(tmp_path, arrays):
  """`samples` before `video` before the only one; scalars and labels don't count."""
  videos = {name: _videos(seed=i) for i, name in enumerate(arrays)}
  np.savez(tmp_path / 'a.npz', fps=8, label=np.arange(3), **videos)
  for path in (tmp_path / 'a.npz', tmp_path):
    _check(_read(path), videos[arrays[0]])


def test_an_npz_that_tells_not_which(tmp_path):
  np.savez(tmp_path / 'a.npz', first=_videos(), second=_videos(), label=np.arange(3))
  with pytest.raises(ValueError, match='must have an array `samples` or `video` .*: first, second'):
    _read(tmp_path)
  np.savez(tmp_path / 'a.npz', label=np.arange(3))
  with pytest.raises(ValueError, match='of five axes called: none'):
    _read(tmp_path)


def test_npy_and_several_files(tmp_path):
  videos = _videos(25)
  np.save(tmp_path / 'part10.npy', videos[14:])
  np.save(tmp_path / 'part9.NPY.npy', videos[12:14])
  os.rename(tmp_path / 'part9.NPY.npy', tmp_path / 'part9.NPY')
  np.savez(tmp_path / 'part2.npz', video=videos[:12])
  _check(_read(tmp_path), videos)
  _check(_read(tmp_path, limit=13), videos[:13])


def test_pictures_of_any_kind(tmp_path):
  """With transparency, of a palette, of one bit."""
  rgb = np.full((6, 6, 3), 200, np.uint8)
  (tmp_path / 'a').mkdir()
  Image.fromarray(np.dstack([rgb, np.full((6, 6), 255, np.uint8)])).save(tmp_path / 'a' / '0.png')
  Image.fromarray(rgb).quantize(2).save(tmp_path / 'a' / '1.png')
  (tmp_path / 'b').mkdir()
  Image.fromarray(np.eye(6) > 0).save(tmp_path / 'b' / '0.png')
  _check(_read(tmp_path), [np.stack([rgb, rgb]), (255 * np.eye(6))[np.newaxis, ..., np.newaxis]])


def test_a_folder_of_launch_sample_has_every_sample_once(tmp_path):
  samples = np.random.default_rng(0).integers(256, size=(5, 3, 8, 8, 3), dtype=np.uint8)
  sample.write({'samples': samples, 'data': 255 - samples}, str(tmp_path), fps=5)
  assert len(list(tmp_path.glob('sample*'))) == 3 * 5 + 3
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {samples.shape[1:]: 5}
  _check(_all_of(found), samples)


def _survey(path):
  found = written_clips.WrittenClips(str(path))
  return found.survey(), found


def _animation(path, video, **kwargs):
  path.parent.mkdir(parents=True, exist_ok=True)
  frames = [Image.fromarray(frame) for frame in video]
  frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **kwargs)


@pytest.mark.parametrize('suffix', ['.png', '.apng', '.webp'])
def test_animated_pictures_are_clips(tmp_path, suffix):
  videos = _videos(12)
  for i, video in enumerate(videos):
    options = {'lossless': True} if suffix == '.webp' else {'format': 'PNG'}
    _animation(tmp_path / 'clips' / f'{i}{suffix}', video, **options)
  _check(_read(tmp_path), videos)
  _check(_read(tmp_path / 'clips' / f'3{suffix}'), videos[3:4])


def test_pictures_with_a_preview_beside_them(tmp_path):
  """Of pictures and videos in one folder, the clips are those of which there is more."""
  videos = _videos(2, frames=5)
  for i, video in enumerate(videos):
    _write_pictures(tmp_path / f'{i}', video)
    video_io.write_mp4(str(tmp_path / f'{i}' / 'preview.mp4'), video)
  survey, found = _survey(tmp_path)
  assert survey == {(5, 8, 10, 3): 2} and not found.skipped
  assert found.previews == [str(tmp_path / f'{i}' / 'preview.mp4') for i in range(2)]
  _check(_all_of(found), videos)


@pytest.mark.parametrize('films, thumbnails', [(1, 1), (3, 3), (3, 1)])
def test_videos_with_thumbnails_beside_them(tmp_path, films, thumbnails):
  videos = _videos(films)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'{i}.gif'), video)
  for i in range(thumbnails):
    Image.fromarray(videos[i][0]).save(tmp_path / f'{i}.png')
  survey, found = _survey(tmp_path)
  assert survey == {(4, 8, 10, 3): films} and len(found.previews) == thumbnails


def test_grey_frames_among_coloured_ones(tmp_path):
  video = _videos(1)[0].copy()
  video[2] = video[2, ..., :1]
  _write_pictures(tmp_path / 'a', video)
  Image.fromarray(video[2, ..., 0]).save(tmp_path / 'a' / 'frame2.png')
  survey, found = _survey(tmp_path)
  assert survey == {video.shape: 1}
  _check(_all_of(found), [video])
  (_, some), = found.read([str(tmp_path / 'a')], lambda name: [2])
  _check(some, video[2:3])  # a grey frame of a coloured clip


@pytest.mark.parametrize('mode, channels', [('1', 1), ('L', 1), ('LA', 1), ('P', 3), ('RGBA', 3)])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_headers_of_pictures_tell_what_is_decoded(tmp_path, mode, channels, orientation):
  """In all eight orientations, of which half swap height and width."""
  picture = Image.fromarray(_videos(1, 1)[0, 0]).convert(mode)
  exif = Image.Exif()
  exif[0x112] = orientation
  (tmp_path / 'a').mkdir()
  picture.save(tmp_path / 'a' / '0.png', exif=exif)
  survey, found = _survey(tmp_path)
  turned = ImageOps.exif_transpose(Image.open(tmp_path / 'a' / '0.png'))
  assert survey == {(1, turned.height, turned.width, channels): 1}
  expected = np.asarray(turned.convert('L' if channels == 1 else 'RGB'))
  _check(_all_of(found), [expected.reshape(1, turned.height, turned.width, channels)])


def test_transparent_pixels_are_white(tmp_path):
  (tmp_path / 'a').mkdir()
  Image.new('RGBA', (2, 2), (10, 20, 30, 0)).save(tmp_path / 'a' / '0.png')
  Image.new('RGB', (2, 2), (10, 20, 30)).save(tmp_path / 'a' / '1.png', transparency=(10, 20, 30))
  Image.new('L', (2, 2), 7).save(tmp_path / 'a' / '2.png', transparency=7)
  _check(_read(tmp_path), [np.full((3, 2, 2, 3), 255, np.uint8)])


def test_jpeg_files_are_turned_as_they_say(tmp_path):
  picture = np.zeros((16, 24, 3), np.uint8)
  picture[:8, :8] = 255
  (tmp_path / 'a').mkdir()
  exif = Image.Exif()
  exif[0x112] = 6  # shown turned clockwise by a quarter
  Image.fromarray(picture).save(tmp_path / 'a' / '0.jpg', exif=exif, quality=95)
  survey, found = _survey(tmp_path)
  video, = _all_of(found)
  assert video.shape == (1, 24, 16, 3) and survey == {video.shape: 1}
  assert video[0, :8, 8:].mean() > 240 and video[0, 8:].mean() < 10


def test_a_picture_too_large_is_left_out_and_named(tmp_path, monkeypatch):
  videos = _videos(2)
  for i, video in enumerate(videos):
    _write_pictures(tmp_path / f'{i}', video)
  Image.new('1', (400, 300)).save(tmp_path / '1' / 'frame2.png')
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50_000)
  survey, found = _survey(tmp_path)
  assert survey == {(4, 8, 10, 3): 1}
  assert 'frame2.png cannot be decoded: Image size (120000 pixels)' in found.skipped[
      str(tmp_path / '1')]


@pytest.mark.real_data
@pytest.mark.parametrize('folder, clips, shape, left_out', [
    ('eval_apng', 17, (16, 64, 64, 3), 0), ('eval_bomb', 2, (16, 32, 32, 3), 1),
    ('eval_broken_png', 1, (16, 32, 32, 3), 4), ('eval_gray_frames', 3, (16, 64, 64, 3), 0),
    ('eval_gif_merged_pillow', 3, (16, 64, 64, 3), 0)])
def test_real_finds(real_data, folder, clips, shape, left_out):
  """Some pictures are found to be broken only as they are decoded."""
  survey, found = _survey(real_data / 'field' / folder / 'generated')
  assert list(survey) == [shape]
  videos = _all_of(found)
  assert [video.shape for video in videos] == [shape] * clips and len(found.skipped) == left_out


# --- what is cut ---


@pytest.mark.parametrize('kind', ['npz', 'gif', 'png'])
def test_some_frames(tmp_path, kind):
  video, = _videos(1, frames=9)
  if kind == 'npz':
    np.savez(tmp_path / 'a.npz', video=video[np.newaxis])
  elif kind == 'gif':
    video_io.write_gif(str(tmp_path / 'a.gif'), video)
  else:
    _write_pictures(tmp_path / 'a', video)
  found = written_clips.WrittenClips(str(tmp_path))
  (_, some), = found.read(list(found.headers()), lambda name: [1, 4, 8])
  np.testing.assert_array_equal(some, video[[1, 4, 8]])


def test_mixed_sizes_are_counted(tmp_path):
  np.savez(tmp_path / 'a.npz', video=_videos(3))
  np.savez(tmp_path / 'b.npz', video=_videos(2, frames=5))
  video_io.write_gif(str(tmp_path / 'c.gif'), _videos(1, height=12)[0])
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
  _check(_read(tmp_path, name), videos)


@pytest.mark.parametrize('name, low, high', RANGES[1:])
def test_floats_are_rounded_to_the_nearest(tmp_path, name, low, high):
  values = np.array([0.4, 0.6, 99.4, 99.6, 254.4, 254.6])
  floats = (low + values * ((high - low) / 255)).astype(np.float32)
  np.save(tmp_path / 'a.npy', floats.reshape(1, 6, 1, 1, 1))
  assert _read(tmp_path, name)[0].ravel().tolist() == [0, 1, 99, 100, 254, 255]


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
    _read(tmp_path, value_range)
  assert 'a.npy' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_none(tmp_path, value):
  floats = np.zeros((5, 2, 4, 4, 1), np.float32)
  floats[1, 0, 2, 2] = floats[3] = value
  np.save(tmp_path / 'a.npy', floats)
  with pytest.raises(ValueError, match=r'not finite \(NaN\) in video 1: the model'):
    _read(tmp_path, '0,1')


def test_integers_of_other_types(tmp_path):
  videos = _videos()
  np.save(tmp_path / 'a.npy', videos.astype(np.int64))
  _check(_read(tmp_path), videos)


@pytest.mark.parametrize('shape', [(2, 4, 8, 8, 2), (4, 8, 8, 3), (2, 0, 8, 8, 3)])
def test_arrays_of_another_shape(tmp_path, shape):
  np.save(tmp_path / 'a.npy', np.zeros(shape, np.uint8))
  with pytest.raises(ValueError, match=r'must be \[N, T, H, W, C\] with C 1 or 3, got \['):
    _read(tmp_path)


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
    _read(tmp_path)
  assert not (tmp_path / 'sprung').exists()


# --- what cannot be read ---


def test_what_cannot_be_read_is_skipped_and_named(tmp_path):
  videos = _videos(4)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'{i}.gif'), video)
  (tmp_path / '1.gif').write_bytes(b'GIF89a and no more')
  (tmp_path / '2.mp4').write_bytes(b'no film')
  _write_pictures(tmp_path / 'uneven', videos[0])
  Image.new('RGB', (3, 3)).save(tmp_path / 'uneven' / 'frame9.png')
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {(4, 8, 10, 3): 3}
  _check(_all_of(found), videos[[0, 2, 3]])
  assert [os.path.basename(name) for name in found.skipped] == ['1.gif', '2.mp4', 'uneven']
  assert 'frame9.png has another size' in found.skipped[str(tmp_path / 'uneven')]
  assert all(reason and '\n' not in reason for reason in found.skipped.values())
  _check(_all_of(found, limit=2), videos[[0, 2]])


def test_what_goes_bad_between_survey_and_reading(tmp_path):
  path = tmp_path / '0.gif'
  video_io.write_gif(str(path), _videos(1)[0])
  found = written_clips.WrittenClips(str(tmp_path))
  found.survey()
  path.write_bytes(b'')
  assert not _all_of(found) and found.skipped == {str(path): 'empty'}


def test_nothing_can_be_read(tmp_path):
  for name in 'ab':
    (tmp_path / f'{name}.mp4').write_bytes(b'no film')
  message = r'none of the 2 clips in .* can be read: .*a\.mp4: '
  with pytest.raises(ValueError, match=message) as error:
    written_clips.WrittenClips(str(tmp_path)).survey()
  assert '\n' not in str(error.value)


def test_a_torn_archive_among_good_ones_is_skipped(tmp_path):
  np.savez(tmp_path / 'good.npz', video=_videos(2))
  np.savez(tmp_path / 'torn.npz', video=_videos(2))
  (tmp_path / 'torn.npz').write_bytes((tmp_path / 'torn.npz').read_bytes()[:500])
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {(4, 8, 10, 3): 2}
  assert list(found.skipped) == [str(tmp_path / 'torn.npz')]
  assert len(_all_of(found)) == 2


def test_pictures_of_16_bits_are_not_read_as_white(tmp_path):
  folder = tmp_path / 'clip'
  folder.mkdir()
  for i in range(3):
    Image.fromarray(np.full((8, 8), 3000 * i, np.uint16)).save(folder / f'{i}.png')
  with pytest.raises(ValueError, match='0.png has pixels of mode I;16; they must '
                     'have 8 bits per color'):
    written_clips.WrittenClips(str(tmp_path)).survey()


def test_remote_clips():
  with pytest.raises(ValueError, match='clips are read from local files: copy gs://bucket/a first'):
    written_clips.WrittenClips('gs://bucket/a')


def test_an_archive_that_is_torn(tmp_path):
  np.savez(tmp_path / 'a.npz', video=_videos())
  whole = (tmp_path / 'a.npz').read_bytes()
  (tmp_path / 'a.npz').write_bytes(whole[:len(whole) // 2])
  with pytest.raises(ValueError, match=r'a\.npz cannot be read as arrays'):
    _read(tmp_path)


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
  videos = _videos()
  _write_pictures(tmp_path / 'clip', videos[0])
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
