"""Clips of still pictures and of animated ones, and the files that lie beside them."""

import numpy as np
from PIL import Image
from PIL import ImageOps
import pytest

from tests.evaluation import clip_files
from tf_videogen.data import video_io
from tf_videogen.evaluation import written_clips


@pytest.mark.parametrize('channels', [1, 3])
def test_folders_of_pictures_are_clips_of_counted_frames(tmp_path, channels):
  videos = clip_files.videos(11, frames=12, channels=channels)
  for i, video in enumerate(videos):
    clip_files.write_pictures(tmp_path / f'clip_{i}', video)
  (tmp_path / 'clip_0' / '.hidden.png').write_bytes(b'no picture')
  found = written_clips.WrittenClips(str(tmp_path))
  assert found.survey() == {videos.shape[1:]: 11} and not found.skipped
  clip_files.check(clip_files.all_of(found), videos)
  clip_files.check(clip_files.read(tmp_path / 'clip_4'), videos[4:5])


def test_pictures_of_any_kind(tmp_path):
  """With transparency, of a palette, of one bit."""
  rgb = np.full((6, 6, 3), 200, np.uint8)
  (tmp_path / 'a').mkdir()
  Image.fromarray(np.dstack([rgb, np.full((6, 6), 255, np.uint8)])).save(tmp_path / 'a' / '0.png')
  Image.fromarray(rgb).quantize(2).save(tmp_path / 'a' / '1.png')
  (tmp_path / 'b').mkdir()
  Image.fromarray(np.eye(6) > 0).save(tmp_path / 'b' / '0.png')
  clip_files.check(clip_files.read(tmp_path), [
      np.stack([rgb, rgb]), (255 * np.eye(6))[np.newaxis, ..., np.newaxis]])


def _animation(path, video, **kwargs):
  path.parent.mkdir(parents=True, exist_ok=True)
  frames = [Image.fromarray(frame) for frame in video]
  frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **kwargs)


@pytest.mark.parametrize('suffix', ['.png', '.apng', '.webp'])
def test_animated_pictures_are_clips(tmp_path, suffix):
  videos = clip_files.videos(12)
  for i, video in enumerate(videos):
    options = {'lossless': True} if suffix == '.webp' else {'format': 'PNG'}
    _animation(tmp_path / 'clips' / f'{i}{suffix}', video, **options)
  clip_files.check(clip_files.read(tmp_path), videos)
  clip_files.check(clip_files.read(tmp_path / 'clips' / f'3{suffix}'), videos[3:4])


def test_pictures_with_a_preview_beside_them(tmp_path):
  """Of pictures and videos in one folder, the clips are those of which there is more."""
  videos = clip_files.videos(2, frames=5)
  for i, video in enumerate(videos):
    clip_files.write_pictures(tmp_path / f'{i}', video)
    video_io.write_mp4(str(tmp_path / f'{i}' / 'preview.mp4'), video)
  survey, found = clip_files.survey(tmp_path)
  assert survey == {(5, 8, 10, 3): 2} and not found.skipped
  assert found.previews == [str(tmp_path / f'{i}' / 'preview.mp4') for i in range(2)]
  clip_files.check(clip_files.all_of(found), videos)


@pytest.mark.parametrize('films, thumbnails', [(1, 1), (3, 3), (3, 1)])
def test_videos_with_thumbnails_beside_them(tmp_path, films, thumbnails):
  videos = clip_files.videos(films)
  for i, video in enumerate(videos):
    video_io.write_gif(str(tmp_path / f'{i}.gif'), video)
  for i in range(thumbnails):
    Image.fromarray(videos[i][0]).save(tmp_path / f'{i}.png')
  survey, found = clip_files.survey(tmp_path)
  assert survey == {(4, 8, 10, 3): films} and len(found.previews) == thumbnails


def test_grey_frames_among_coloured_ones(tmp_path):
  video = clip_files.videos(1)[0].copy()
  video[2] = video[2, ..., :1]
  clip_files.write_pictures(tmp_path / 'a', video)
  Image.fromarray(video[2, ..., 0]).save(tmp_path / 'a' / 'frame2.png')
  survey, found = clip_files.survey(tmp_path)
  assert survey == {video.shape: 1}
  clip_files.check(clip_files.all_of(found), [video])
  (_, some), = found.read([str(tmp_path / 'a')], lambda name: [2])
  clip_files.check(some, video[2:3])  # a grey frame of a coloured clip


@pytest.mark.parametrize('mode, channels', [('1', 1), ('L', 1), ('LA', 1), ('P', 3), ('RGBA', 3)])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_headers_of_pictures_tell_what_is_decoded(tmp_path, mode, channels, orientation):
  """In all eight orientations, of which half swap height and width."""
  picture = Image.fromarray(clip_files.videos(1, 1)[0, 0]).convert(mode)
  exif = Image.Exif()
  exif[0x112] = orientation
  (tmp_path / 'a').mkdir()
  picture.save(tmp_path / 'a' / '0.png', exif=exif)
  survey, found = clip_files.survey(tmp_path)
  turned = ImageOps.exif_transpose(Image.open(tmp_path / 'a' / '0.png'))
  assert survey == {(1, turned.height, turned.width, channels): 1}
  expected = np.asarray(turned.convert('L' if channels == 1 else 'RGB'))
  clip_files.check(
      clip_files.all_of(found), [expected.reshape(1, turned.height, turned.width, channels)])


def test_transparent_pixels_are_white(tmp_path):
  (tmp_path / 'a').mkdir()
  Image.new('RGBA', (2, 2), (10, 20, 30, 0)).save(tmp_path / 'a' / '0.png')
  Image.new('RGB', (2, 2), (10, 20, 30)).save(tmp_path / 'a' / '1.png', transparency=(10, 20, 30))
  Image.new('L', (2, 2), 7).save(tmp_path / 'a' / '2.png', transparency=7)
  clip_files.check(clip_files.read(tmp_path), [np.full((3, 2, 2, 3), 255, np.uint8)])


def test_jpeg_files_are_turned_as_they_say(tmp_path):
  picture = np.zeros((16, 24, 3), np.uint8)
  picture[:8, :8] = 255
  (tmp_path / 'a').mkdir()
  exif = Image.Exif()
  exif[0x112] = 6  # shown turned clockwise by a quarter
  Image.fromarray(picture).save(tmp_path / 'a' / '0.jpg', exif=exif, quality=95)
  survey, found = clip_files.survey(tmp_path)
  video, = clip_files.all_of(found)
  assert video.shape == (1, 24, 16, 3) and survey == {video.shape: 1}
  assert video[0, :8, 8:].mean() > 240 and video[0, 8:].mean() < 10


def test_a_picture_too_large_is_left_out_and_named(tmp_path, monkeypatch):
  videos = clip_files.videos(2)
  for i, video in enumerate(videos):
    clip_files.write_pictures(tmp_path / f'{i}', video)
  Image.new('1', (400, 300)).save(tmp_path / '1' / 'frame2.png')
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50_000)
  survey, found = clip_files.survey(tmp_path)
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
  survey, found = clip_files.survey(real_data / 'field' / folder / 'generated')
  assert list(survey) == [shape]
  videos = clip_files.all_of(found)
  assert [video.shape for video in videos] == [shape] * clips and len(found.skipped) == left_out


def test_pictures_of_16_bits_are_not_read_as_white(tmp_path):
  folder = tmp_path / 'clip'
  folder.mkdir()
  for i in range(3):
    Image.fromarray(np.full((8, 8), 3000 * i, np.uint16)).save(folder / f'{i}.png')
  with pytest.raises(ValueError, match='0.png has pixels of mode I;16; they must '
                     'have 8 bits per color'):
    written_clips.WrittenClips(str(tmp_path)).survey()
