"""Videos come back from files as they went in, and layouts put every pixel where it belongs."""

import numpy as np
from PIL import Image
import pytest

from tests import raw_data
from tf_videogen.data import clips
from tf_videogen.data import video_io


def _noise(*shape, seed=0):
  return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def _smooth(frames, height, width, channels):
  """A pattern that moves: what a codec for natural videos keeps well."""
  t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing='ij')
  wave = [np.sin((x + 2 * t) / 7 + k) + np.cos(y / 9 - k) for k in range(channels)]
  return np.round(127.5 + 60 * np.stack(wave, -1)).astype(np.uint8)


@pytest.mark.parametrize('shape', [(5, 16, 20, 1), (3, 64, 64, 1), (1, 7, 5, 1)])
def test_grey_gif_is_exact(tmp_path, shape):
  path, video = str(tmp_path / 'a.gif'), _noise(*shape)
  video_io.write_gif(path, video, fps=10)
  read, fps = raw_data.read_video(path, channels=1)
  np.testing.assert_array_equal(read, video)
  assert fps == 10
  np.testing.assert_array_equal(raw_data.read_video(path)[0], video.repeat(3, -1))


def test_sparse_grey_gif_is_exact(tmp_path):
  video = np.zeros((6, 32, 32, 1), np.uint8)
  for t in range(6):
    video[t, 4 * t:4 * t + 4, 3:9] = _noise(4, 6, 1, seed=t)
  video_io.write_gif(str(tmp_path / 'a.gif'), video)
  np.testing.assert_array_equal(raw_data.read_video(str(tmp_path / 'a.gif'), channels=1)[0], video)


def test_gif_keeps_repeated_frames(tmp_path):
  video = _noise(4, 8, 8, 1)[[0, 1, 1, 1, 2, 3]]
  video_io.write_gif(str(tmp_path / 'a.gif'), video, fps=5)
  read, fps = raw_data.read_video(str(tmp_path / 'a.gif'), channels=1)
  np.testing.assert_array_equal(read, video)
  assert fps == 5


def test_gif_of_few_colors_is_exact_and_of_many_is_close(tmp_path):
  few = _noise(200, 3)[_noise(4, 16, 16) % 200]
  video_io.write_gif(str(tmp_path / 'few.gif'), few)
  np.testing.assert_array_equal(raw_data.read_video(str(tmp_path / 'few.gif'))[0], few)
  many = _smooth(4, 32, 32, 3)
  video_io.write_gif(str(tmp_path / 'many.gif'), many)
  error = raw_data.read_video(str(tmp_path / 'many.gif'))[0] - many.astype(float)
  assert np.abs(error).mean() < 5


def test_gif_plays_for_ever(tmp_path):
  video_io.write_gif(str(tmp_path / 'a.gif'), _noise(3, 8, 8, 1), fps=8)
  with Image.open(tmp_path / 'a.gif') as image:
    assert image.info['loop'] == 0
    assert image.info['duration'] == 120  # 12.5 hundredths of a second, rounded


@pytest.mark.parametrize('height, width, channels', [(32, 48, 3), (31, 45, 3), (33, 32, 1)])
def test_mp4(tmp_path, height, width, channels):
  path, video = str(tmp_path / 'a.mp4'), _smooth(10, height, width, channels)
  video_io.write_mp4(path, video, fps=12.5)
  read, fps = raw_data.read_video(path, channels)
  assert fps == 12.5
  assert read.shape == (10, height + height % 2, width + width % 2, channels)
  error = read[:, :height, :width] - video.astype(float)
  assert np.abs(error).mean() < 3


@pytest.mark.parametrize('channels', [1, 3])
def test_png_strip(tmp_path, channels):
  videos = _noise(2, 3, 4, 5, channels)
  video_io.write_png_strip(str(tmp_path / 'rows.png'), videos, padding=2)
  video_io.write_png_strip(str(tmp_path / 'row.png'), videos[1], padding=0)
  rows = np.asarray(Image.open(tmp_path / 'rows.png')).reshape(10, 19, channels)
  np.testing.assert_array_equal(rows[6:, 7:12], videos[1, 1])
  assert (rows[4:6] == 255).all() and (rows[:, 5:7] == 255).all()
  row = np.asarray(Image.open(tmp_path / 'row.png')).reshape(4, 15, channels)
  np.testing.assert_array_equal(row, np.concatenate(list(videos[1]), axis=1))


def test_npz_is_what_file_clips_read(tmp_path):
  path, videos = str(tmp_path / 'a.npz'), _noise(3, 4, 8, 8, 1)
  video_io.write_npz(path, {'video': videos, 'label': np.arange(3)})
  batch, = clips.FileClips(path, 4).evaluation('train', 3)
  np.testing.assert_array_equal(batch['video'], videos)
  np.testing.assert_array_equal(batch['label'], [0, 1, 2])


def test_grid():
  videos = _noise(5, 2, 3, 4, 1)
  tiled = video_io.grid(videos, columns=3, padding=1)
  assert tiled.shape == (2, 7, 14, 1)
  np.testing.assert_array_equal(tiled[:, :3, 10:], videos[2])
  np.testing.assert_array_equal(tiled[:, 4:, 5:9], videos[4])
  assert (tiled[:, 3] == 255).all() and (tiled[:, 4:, 10:] == 255).all()
  assert video_io.grid(videos).shape == (2, 2 * 3 + 2, 3 * 4 + 4, 1)
  np.testing.assert_array_equal(video_io.grid(videos[:1], columns=4), videos[0])


def test_outline():
  video = _noise(2, 5, 3, 4, 1)
  framed = video_io.outline(video, frames=2, color=(1, 2, 3))
  assert framed.shape == (2, 5, 5, 6, 3)
  np.testing.assert_array_equal(framed[..., 1:-1, 1:-1, :], video.repeat(3, -1))
  for edge in (framed[..., 0, :, :], framed[..., -1, :, :], framed[..., 0, :], framed[..., -1, :]):
    assert edge.shape[:2] == (2, 5)
  for border in (framed[:, :, 0], framed[:, :, -1], framed[:, :, :, 0], framed[:, :, :, -1]):
    assert (border[:, :2] == [1, 2, 3]).all() and (border[:, 2:] == 255).all()
  np.testing.assert_array_equal(video_io.outline(video[0], 2, (1, 2, 3)), framed[0])


def test_enlarge():
  video = _noise(2, 3, 4, 1)
  large = video_io.enlarge(video, 3)
  assert large.shape == (2, 9, 12, 1)
  for dy in range(3):
    for dx in range(3):
      np.testing.assert_array_equal(large[:, dy::3, dx::3], video)


SMALL = np.zeros((2, 4, 4, 1), np.uint8)


@pytest.mark.parametrize('call, message', [
    (lambda path: video_io.write_gif(path, SMALL / 255), 'arrays of uint8.*; got float64'),
    (lambda path: video_io.write_gif(path, [[0]]), 'got list'),
    (lambda path: video_io.write_mp4(path, SMALL[0]), r'\[T, H, W, C\] .*got \[4, 4, 1\]'),
    (lambda path: video_io.grid(SMALL), r'expected \[N, T, H, W, C\]'),
    (lambda path: video_io.write_gif(path, SMALL.repeat(2, -1)), r'C = 1 or 3 .* \[2, 4, 4, 2\]'),
    (lambda path: video_io.write_gif(path, SMALL[:0]), r'nothing empty, got \[0, 4, 4, 1\]'),
    (lambda path: video_io.write_mp4(path, SMALL, fps=0), 'fps must be above 0, got 0'),
    (lambda path: video_io.enlarge(SMALL, 1.5), 'factor must be a positive integer'),
])
def test_errors(tmp_path, call, message):
  with pytest.raises(ValueError, match=message):
    call(str(tmp_path / 'a'))
