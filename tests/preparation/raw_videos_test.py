"""Reading videos: what comes out of each format, and what is refused for which reason."""

import io

import av
import numpy as np
from PIL import Image
import pytest

from tests import raw_data
from tf_videogen.preparation import png
from tf_videogen.preparation import raw_videos


def _reason(path, **kwargs):
  """Why a file cannot be used."""
  with pytest.raises(raw_videos.Unusable) as found:
    raw_videos.read(str(path), **kwargs)
  assert found.value.reason in raw_videos.REASONS and str(found.value)
  return found.value.reason


def _difference(a, b):
  return np.abs(np.asarray(a, float) - np.asarray(b, float)).mean()


@pytest.mark.parametrize('name, codec, fps', [
    ('a.avi', 'mpeg4', 25), ('a.mp4', 'h264', 30), ('a.mov', 'h264', 24), ('a.mkv', 'h264', 10),
    ('a.webm.mp4', 'h264', 12.5)])
def test_formats(tmp_path, name, codec, fps):
  video = raw_data.moving_square()
  raw_data.write_video(tmp_path / name, video, fps, codec)
  read = raw_videos.read(str(tmp_path / name))
  assert (len(read.frames), read.height, read.width, read.fps) == (20, 48, 64, fps)
  assert _difference(read.frames, video) < 6  # colours are stored at half the resolution
  grey = raw_videos.read(str(tmp_path / name), channels=1)
  assert grey.frames[0].shape == (48, 64, 1)
  assert _difference(grey.frames, video.mean(-1, keepdims=True)) < 25


def test_a_title_in_an_encoding_of_its_own(tmp_path):
  video = raw_data.moving_square()
  path = tmp_path / 'a.mkv'
  with av.open(str(path), 'w') as container:
    container.metadata['title'] = 'Cafe in Orleans'
    stream = container.add_stream('mpeg4', rate=25)
    stream.height, stream.width = video.shape[1:3]
    stream.pix_fmt = 'yuv420p'
    for frame in video:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
    container.mux(stream.encode())
  path.write_bytes(path.read_bytes().replace(
      b'Cafe in Orleans', 'Café in Orléans'.encode('latin-1')))
  assert len(raw_videos.read(str(path)).frames) == len(video)


@pytest.mark.parametrize('turns', [1, 2, 3])
def test_rotated_as_phones_do(tmp_path, turns):
  upright = raw_data.moving_square(height=64, width=48)
  stored = np.rot90(upright, turns, axes=(1, 2))  # the player turns it back, clockwise
  raw_data.write_video(tmp_path / 'a.mov', np.ascontiguousarray(stored), rotation=turns)
  read = raw_videos.read(str(tmp_path / 'a.mov'))
  assert (read.height, read.width) == (64, 48)
  assert _difference(read.frames, upright) < 6
  small = raw_videos.read(str(tmp_path / 'a.mov'), short_side=24)
  assert (small.height, small.width, small.frames[0].shape) == (32, 24, (32, 24, 3))


@pytest.mark.parametrize('matrix', [
    (1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),  # turned
    (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)])  # mirrored
def test_all_orientations(tmp_path, matrix):
  """Each stored pixel is shown where the file's display matrix moves it to."""
  stored = raw_data.moving_square(frames=3)
  raw_data.write_video(tmp_path / 'a.mov', stored, matrix=matrix)
  a, b, c, d = matrix
  y, x = np.mgrid[:48, :64]
  column, row = a * x + c * y, b * x + d * y
  shown = np.empty((3, 48, 64, 3) if a else (3, 64, 48, 3), np.uint8)
  shown[:, row - row.min(), column - column.min()] = stored
  read = raw_videos.read(str(tmp_path / 'a.mov'))
  assert (read.height, read.width) == shown.shape[1:3]
  assert _difference(read.frames, shown) < 6
  small = raw_videos.read(str(tmp_path / 'a.mov'), short_side=24)
  assert small.frames[0].shape[:2] == (shown.shape[1] // 2, shown.shape[2] // 2)


@pytest.mark.parametrize('height, width', [(240, 320), (256, 340), (720, 1280), (90, 50)])
def test_scaled_by_lanczos(tmp_path, height, width):
  """As Pillow's Lanczos filter of the full frame, which antialiases; far from other filters."""
  rng = np.random.default_rng(0)
  noise = rng.integers(256, size=(1, height // 2, width // 2, 3), dtype=np.uint8)
  video = np.repeat(noise.repeat(2, 1).repeat(2, 2), 4, 0)
  raw_data.write_video(tmp_path / 'a.mp4', video)
  full = raw_videos.read(str(tmp_path / 'a.mp4'))
  small = raw_videos.read(str(tmp_path / 'a.mp4'), short_side=32)
  size = (small.width, small.height)
  assert min(size) == 32 and size == raw_videos.scaled_size(height, width, 32)[::-1]
  by_filter = {
      name: _difference(small.frames[0], Image.fromarray(full.frames[0]).resize(size, name))
      for name in (Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.NEAREST)}
  assert by_filter[Image.Resampling.LANCZOS] < 3
  assert by_filter[Image.Resampling.LANCZOS] < 0.5 * by_filter[Image.Resampling.BILINEAR]
  assert by_filter[Image.Resampling.LANCZOS] < 0.2 * by_filter[Image.Resampling.NEAREST]


@pytest.mark.parametrize('short_side', [None, 24])
@pytest.mark.parametrize('codec, pixels', [
    ('mjpeg', 'yuvj420p'), ('ffv1', 'gray'), ('ffv1', 'bgr0'), ('ffv1', 'yuv444p10le'),
    ('h264', 'yuv420p')])
def test_colours(tmp_path, codec, pixels, short_side):
  """Ranges and orders of colours: four fields keep their colours, whatever the format."""
  fields = np.array([[[250, 250, 250], [5, 5, 5]], [[200, 200, 200], [60, 60, 60]]], np.uint8)
  if pixels != 'gray':
    fields[1] = [[220, 40, 40], [40, 90, 230]]
  video = np.repeat(fields.repeat(24, 0).repeat(32, 1)[np.newaxis], 3, 0)
  path = tmp_path / 'a.mkv'
  with av.open(str(path), 'w') as output:
    stream = output.add_stream(codec, rate=10)
    stream.height, stream.width, stream.pix_fmt = 48, 64, pixels
    for frame in video:
      frame = av.VideoFrame.from_ndarray(frame, format='rgb24')
      output.mux(stream.encode(frame.reformat(format=pixels)))
    output.mux(stream.encode())
  read = raw_videos.read(str(path), short_side)
  assert len(read.frames) == 3
  height, width = read.frames[0].shape[:2]
  middles = read.frames[0][height // 4::height // 2, width // 4::width // 2]
  np.testing.assert_allclose(middles, fields.astype(float), atol=7)


def test_frame_step_and_encoding(tmp_path):
  raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square(21), fps=30)
  raw_data.square_gif(tmp_path / 'a.gif', 21)
  for name in ('a.mp4', 'a.gif'):
    every = raw_videos.read(str(tmp_path / name))
    third = raw_videos.read(str(tmp_path / name), frame_step=3)
    np.testing.assert_array_equal(third.frames, every.frames[::3])
    assert third.fps == pytest.approx(every.fps / 3)
    encoded = raw_videos.read(str(tmp_path / name), encode=png.encode)
    decoded = [np.asarray(Image.open(io.BytesIO(frame))) for frame in encoded.frames]
    np.testing.assert_array_equal(decoded, every.frames)


def test_errors_of_encoding_are_not_the_files(tmp_path):
  raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square())
  with pytest.raises(ZeroDivisionError):
    raw_videos.read(str(tmp_path / 'a.mp4'), encode=lambda frame: 1 / 0)


def _squares(mode, size=(8, 8), count=3):
  """Pictures with one dark square each, at places of their own."""
  pictures = []
  for i in range(count):
    picture = np.zeros((*size, 4), np.uint8)
    picture[2 * i:2 * i + 2, 2 * i:2 * i + 2] = [10 + 60 * i, 0, 0, 255]
    pictures.append(Image.fromarray(picture, 'RGBA').convert(mode))
  return pictures


@pytest.mark.parametrize('disposal, seen', [(1, [1, 2, 3]), (2, [1, 1, 1])])
def test_gif_of_transparent_frames(tmp_path, disposal, seen):
  """Earlier squares stay unless they are disposed of; what is transparent is white."""
  raw_data.write_gif(tmp_path / 'a.gif', _squares('RGBA'), disposal=disposal)
  read = raw_videos.read(str(tmp_path / 'a.gif'))
  dark = [(np.asarray(frame)[..., 1] < 128).sum() // 4 for frame in read.frames]
  assert dark == seen
  assert (read.frames[0][7, 7] == 255).all() and (read.frames[0][0, 0] == [10, 0, 0]).all()


@pytest.mark.parametrize('delays, frames, fps', [
    ([40, 40, 40], 3, 25), ([40, 120, 40], 5, 25), ([30, 70, 20], 3, 25), ([0, 0, 0], 3, 10),
    ([10, 60, 60, 70], 4, 4000 / 290)])
def test_gif_delays(tmp_path, delays, frames, fps):
  pictures = [p.convert('L') for p in _squares('RGB', count=len(delays))]
  raw_data.write_gif(tmp_path / 'a.gif', pictures, delays)
  read = raw_videos.read(str(tmp_path / 'a.gif'), channels=1)
  assert (len(read.frames), read.fps) == (frames, pytest.approx(fps))


def test_gif_of_one_frame(tmp_path):
  raw_data.write_gif(tmp_path / 'a.gif', _squares('RGB')[:1])
  assert len(raw_videos.read(str(tmp_path / 'a.gif')).frames) == 1
  limits = raw_videos.Limits(min_frames=2)
  assert _reason(tmp_path / 'a.gif', limits=limits) == 'too short'


def test_what_is_refused(tmp_path):
  raw_data.write_video(tmp_path / 'good.mp4', raw_data.moving_square(60))
  raw_data.write_video(tmp_path / 'good.avi', raw_data.moving_square(60), codec='mpeg4')
  raw_data.write_video(tmp_path / 'narrow.mp4', raw_data.moving_square(3, 16, 320))
  raw_data.write_sound(tmp_path / 'sound.mp4')
  raw_data.square_gif(tmp_path / 'good.gif', 30)
  (tmp_path / 'empty.mp4').touch()
  (tmp_path / 'text.mp4').write_text('<html>404 Not Found</html>' * 50)
  (tmp_path / 'list.mp4').write_text('#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\ngood.mp4\n')
  (tmp_path / 'concat.mp4').write_text("ffconcat version 1.0\nfile 'good.mp4'\n")
  (tmp_path / 'text.gif').write_bytes(b'GIF89a no video')
  (tmp_path / 'short.gif').write_bytes(b'GIF8')
  for name in ('good.mp4', 'good.avi', 'good.gif'):
    content = (tmp_path / name).read_bytes()
    (tmp_path / f'cut_{name}').write_bytes(content[:len(content) // 2])
  assert _reason(tmp_path / 'none.mp4') == 'missing'
  assert _reason(tmp_path) == 'missing'  # a folder
  assert _reason(tmp_path / 'empty.mp4') == 'empty'
  for name in ('text.mp4', 'list.mp4', 'concat.mp4', 'cut_good.mp4', 'text.gif', 'short.gif'):
    assert _reason(tmp_path / name) == 'undecodable'
  assert _reason(tmp_path / 'sound.mp4') == 'no video stream'
  assert _reason(tmp_path / 'cut_good.avi') == 'truncated'
  assert _reason(tmp_path / 'cut_good.gif') == 'truncated'
  assert _reason(tmp_path / 'narrow.mp4') == 'size'
  few = raw_videos.Limits(max_frames=10)
  for name in ('good.mp4', 'good.avi', 'good.gif'):
    assert _reason(tmp_path / name, limits=few) == 'too long'
    assert _reason(tmp_path / name, limits=raw_videos.Limits(max_pixels=999)) == 'size'
    assert _reason(tmp_path / name, limits=raw_videos.Limits(min_frames=61)) == 'too short'


def test_whole_though_it_has_few_frames(tmp_path):
  """Sound that goes on after the pictures, and pictures that come when they like."""
  raw_data.write_timed(tmp_path / 'sound.mkv', range(0, 2000, 33), sound_seconds=4)
  raw_data.write_timed(tmp_path / 'slow.mkv', [*range(0, 1000, 33), *range(1000, 5000, 200)])
  assert len(raw_videos.read(str(tmp_path / 'sound.mkv')).frames) == 61
  assert len(raw_videos.read(str(tmp_path / 'slow.mkv')).frames) == 51
  for name in ('sound.mkv', 'slow.mkv'):
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:len(content) // 2])
    assert _reason(tmp_path / name) == 'truncated'


def test_cut_without_encoding_anew(tmp_path):
  """Cutters that copy streams leave frames in front that are not shown, and a note of that."""
  raw_data.write_cut(tmp_path)
  read = raw_videos.read(str(tmp_path / 'cut.mp4'))
  assert 55 <= len(read.frames) <= 65


@pytest.mark.parametrize('times, fps', [
    (range(0, 800, 40), 25), ([0, 33, 67, 100, 133], 4000 / 133)])
def test_a_rate_that_is_the_clock(tmp_path, times, fps):
  """Some containers tell 1,000 frames per second, and mean milliseconds."""
  raw_data.write_timed(tmp_path / 'a.mkv', times, rate=1000)
  with av.open(str(tmp_path / 'a.mkv')) as container:
    assert container.streams.video[0].average_rate == 1000
  assert raw_videos.read(str(tmp_path / 'a.mkv')).fps == pytest.approx(fps)


def test_unreadable(tmp_path):
  """A file that opens and cannot be read."""
  assert _reason('/proc/self/mem') == 'unreadable'


def test_too_many_bytes(tmp_path):
  raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square(20))
  limits = raw_videos.Limits(max_bytes=50_000)
  assert _reason(
      tmp_path / 'a.mp4', limits=limits, encode=lambda frame: frame.tobytes()) == 'too long'


def test_names_are_names(tmp_path):
  """Names that begin with a dash, or look like addresses, as ids of YouTube may."""
  for name in ('-8Jo_R6llTw.mp4', 'http:x.mp4', 'a%03d.mp4', 'pipe:1.mp4'):
    raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square(3))
    (tmp_path / 'a.mp4').rename(tmp_path / name)
    assert len(raw_videos.read(str(tmp_path / name)).frames) == 3


def test_channels():
  with pytest.raises(ValueError, match='channels must be 1 or 3, got 4'):
    raw_videos.read('a.mp4', channels=4)


@pytest.mark.real_data
@pytest.mark.parametrize('name, frames, height, width, fps', [
    ('ucf101/UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi', 164, 240, 320, 25),
    ('ucf101/UCF-101/BaseballPitch/v_BaseballPitch_g01_c01.avi', 107, 240, 320, 29.97),
    ('ucf101/UCF-101/SoccerJuggling/v_SoccerJuggling_g23_c01.avi', 240, 240, 320, 29.97),
    ('kinetics600/R6llTwEh07w.mp4', 303, 256, 340, 30),
    ('kinetics600/flipping_a_pancake.mkv', 310, 240, 426, 30),
    ('kinetics600/mmaction2_rawvideo_part_0.mp4', 32, 256, 340, 30),
    ('tgif/1.gif', 45, 144, 144, 16.67),
])
def test_real_videos(real_data, name, frames, height, width, fps):
  read = raw_videos.read(str(real_data / name))
  assert (len(read.frames), read.fps) == (frames, pytest.approx(fps, rel=1e-3))
  if not name.endswith('gif'):
    assert (read.height, read.width) == (height, width)
