"""Some frames of a file are those of the whole; headers say what decoding finds."""

import av
import numpy as np
from PIL import Image
import pytest

from tests import raw_data
from tf_videogen.data import video_io
from tf_videogen.preparation import raw_videos
from tf_videogen.preparation import some_frames


def _video(frames=30, height=32, width=48):
  """A square that moves over a gradient."""
  y, x = np.mgrid[:height, :width]
  video = np.stack([(x + 2 * y + 3 * t) % 200 for t in range(frames)]).astype(np.uint8)
  for t, frame in enumerate(video):
    frame[t % 20:t % 20 + 8, t % 30:t % 30 + 8] = 250
  return np.repeat(video[..., np.newaxis], 3, -1)


def _write(path, kind):
  if kind == 'gif':
    video_io.write_gif(str(path), _video(), fps=10)
  else:
    with av.open(str(path), 'w', format={'mkv': 'matroska'}.get(kind, kind)) as container:
      stream = container.add_stream('mpeg4' if kind == 'avi' else 'h264', rate=25)
      stream.width, stream.height, stream.pix_fmt, stream.gop_size = 48, 32, 'yuv420p', 8
      for frame in _video():
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
      container.mux(stream.encode())
  return str(path)


@pytest.mark.parametrize('kind, fps', [('mp4', 25), ('mkv', 25), ('avi', 25), ('gif', 10)])
def test_some_frames_are_those_of_the_whole(tmp_path, kind, fps):
  path = _write(tmp_path / f'a.{kind}', kind)
  whole = raw_videos.read(path, threads=1)
  assert some_frames.header(path) == some_frames.Header(30, 32, 48, 3, pytest.approx(fps))
  for numbers in ([0, 1, 2], [0], [5, 11, 12], [29], [17, 29]):
    np.testing.assert_array_equal(
        some_frames.read(path, numbers), np.stack([whole.frames[i] for i in numbers]))


def test_no_more_is_decoded_than_seeking_needs(tmp_path, monkeypatch):
  path, decoded, whole = _write(tmp_path / 'a.mp4', 'mp4'), [], some_frames._decoded

  def counting(*args):
    for frame in whole(*args):
      decoded.append(frame)
      yield frame

  monkeypatch.setattr(some_frames, '_decoded', counting)
  some_frames.header(path)
  assert len(decoded) == 1  # it says whether the video is to be turned
  decoded.clear()
  some_frames.read(path, [0, 1, 2, 3])
  assert len(decoded) == 4
  decoded.clear()
  some_frames.read(path, [18, 19, 20])
  assert len(decoded) <= 3 + 8  # groups of 8 frames


def _check(path, *numbers):
  """Both readers tell and read the same; `numbers` are of the frames that are read."""
  whole = raw_videos.read(path, threads=1)
  assert some_frames.header(path) == some_frames.Header(
      len(whole.frames), whole.height, whole.width, 3, pytest.approx(whole.fps))
  for some in numbers or (range(len(whole.frames)), [len(whole.frames) - 1]):
    np.testing.assert_array_equal(
        some_frames.read(path, some), np.stack([whole.frames[i] for i in some]))


@pytest.mark.parametrize('matrix', [
    (1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0),
    (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)])
def test_all_orientations(tmp_path, matrix):
  raw_data.write_video(tmp_path / 'a.mov', raw_data.moving_square(3), matrix=matrix)
  _check(str(tmp_path / 'a.mov'))


@pytest.mark.parametrize('times', [range(0, 800, 40), [0, 33, 67, 100, 133]])
def test_a_rate_that_is_the_clock(tmp_path, times):
  raw_data.write_timed(tmp_path / 'a.mkv', times, rate=1000)
  assert some_frames.header(str(tmp_path / 'a.mkv')).fps < 50
  _check(str(tmp_path / 'a.mkv'))


def test_cut_without_encoding_anew(tmp_path):
  """Frames in front that are not shown have no number."""
  raw_data.write_cut(tmp_path)
  whole = raw_videos.read(str(tmp_path / 'cut.mp4'), threads=1)
  _check(str(tmp_path / 'cut.mp4'), [0, 1], [20, 25], [len(whole.frames) - 1])


@pytest.mark.parametrize('name, options', [
    ('a.png', {}), ('b.png', {'default_image': True}), ('c.png', {'disposal': 2}),
    ('a.webp', {'lossless': True}), ('a.gif', {}), ('b.gif', {'disposal': 2}),
    ('still.png', {'save_all': False}), ('still.webp', {'save_all': False})])
def test_animations(tmp_path, name, options):
  """A frame that stays longer, and a last one that is held; some pixels are transparent."""
  pictures = []
  for frame in _video(6):
    pictures.append(Image.fromarray(frame))
    pictures[-1].putalpha(Image.fromarray(np.where(frame[..., 0] < 50, 0, 255).astype(np.uint8)))
  duration = [100, 300, 100, 100, 200, 3000][-5 if options.get('default_image') else 0:]
  pictures[0].save(tmp_path / name, **{
      'save_all': True, 'append_images': pictures[1:], 'duration': duration, **options})
  _check(str(tmp_path / name))


@pytest.mark.real_data
@pytest.mark.parametrize('pattern', [
    'tgif/*.gif', 'field/eval_apng/real/00*.png', 'ucf101/**/*.avi', 'kinetics600/*.m[pk]*'])
def test_real_files(real_data, pattern):
  paths = sorted(real_data.glob(pattern))[:8]
  assert paths
  for path in paths:
    _check(str(path), [0, 2], [11, 12])


def test_delays_of_gifs(tmp_path):
  """Frames that stay longer are repeated, as `raw_videos.read` repeats them."""
  path = str(tmp_path / 'a.gif')
  pictures = [Image.fromarray(frame) for frame in _video(5)]
  pictures[0].save(path, save_all=True, append_images=pictures[1:],
                   duration=[200, 100, 300, 100, 100])
  whole = raw_videos.read(path)
  assert len(whole.frames) == 8
  header = some_frames.header(path)
  assert (header.frames, header.fps) == (8, pytest.approx(whole.fps))
  for numbers in ([0, 1, 2, 3, 4, 5, 6, 7], [3, 5]):
    np.testing.assert_array_equal(
        some_frames.read(path, numbers), np.stack([whole.frames[i] for i in numbers]))


@pytest.mark.parametrize('content, reason', [
    (b'', 'empty'), (b'GIF89a and no more', 'undecodable'), (b'no film', 'undecodable')])
def test_files_that_are_no_videos(tmp_path, content, reason):
  path = tmp_path / 'a.mp4'
  path.write_bytes(content)
  for function in (some_frames.header, lambda path: some_frames.read(path, [0])):
    with pytest.raises(raw_videos.Unusable) as error:
      function(str(path))
    assert error.value.reason == reason
  with pytest.raises(raw_videos.Unusable, match='missing'):
    some_frames.header(str(tmp_path / 'nowhere.mp4'))


@pytest.mark.parametrize('kind', ['mp4', 'gif'])
def test_frames_beyond_the_end(tmp_path, kind):
  path = _write(tmp_path / f'a.{kind}', kind)
  with pytest.raises(raw_videos.Unusable, match='truncated'):
    some_frames.read(path, [28, 31])
