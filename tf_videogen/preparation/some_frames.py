"""Some frames of a video file, with no more decoding than seeking needs.

    header = some_frames.header('a.mp4')         # Header(frames=300, height=240, width=320, fps=25)
    video = some_frames.read('a.mp4', [0, 2, 4]) # uint8 [3, 240, 320, 3]

The frames are those of `raw_videos.read`, by their numbers. `header` decodes one frame at most, and
only of a video that is not square, because its first frame says whether it is to be turned. `read`
goes to the last key frame before the first wanted frame, and ends after the last wanted one. Frames
of an animation depend on all before them, so there it begins at the start. A file that is damaged
elsewhere can be read.

This module imports no TensorFlow.
"""

import dataclasses
import os

import av
import numpy as np

from tf_videogen.preparation import animations
from tf_videogen.preparation import raw_videos

_MAX_PIXELS = raw_videos.Limits.max_pixels


@dataclasses.dataclass(frozen=True)
class Header:
  """What a file says of its video.

  Attributes:
    frames: number of frames.
    height, width: in pixels, turned upright.
    channels: 3, or 1 for grey.
    fps: frames per second; 0 if the file does not tell.
  """
  frames: int
  height: int
  width: int
  channels: int = 3
  fps: float = 0.0


def header(path):
  """The Header of a video file.

  Raises:
    raw_videos.Unusable: if it has no video.
  """
  return _told(_animation_header if _is_animation(path) else _ffmpeg_header, path)


def read(path, numbers):
  """Decodes some frames.

  Args:
    path: str, path of a local file.
    numbers: increasing list of int, the numbers of the frames, counted from 0.

  Returns:
    uint8 [len(numbers), H, W, 3], turned upright.

  Raises:
    raw_videos.Unusable: if they cannot be decoded.
  """
  frames = _told(
      _animation_frames if _is_animation(path) else _ffmpeg_frames, path, list(numbers))
  if len(frames) < len(numbers):
    raise raw_videos.Unusable(
        'truncated', f'{len(frames)} of the {len(numbers)} frames that are used')
  return np.stack(frames)


def _told(function, path, *args):
  """Calls a function of a path; errors of the libraries become Unusable."""
  try:
    return function(path, *args)
  except raw_videos.Unusable:
    raise
  except Exception as error:  # Pillow and PyAV raise many kinds for broken files
    raise raw_videos.unusable(error, 'undecodable') from error


def _is_animation(path):
  if not os.path.isfile(path):
    raise raw_videos.Unusable('missing')
  with open(path, 'rb') as file:
    start = file.read(12)
  if not start:
    raise raw_videos.Unusable('empty')
  return animations.is_picture(start)


def _checked(height, width):
  if not 0 < height * width <= _MAX_PIXELS:
    raise raw_videos.Unusable('size', f'{width}x{height}')
  return height, width


# --- FFmpeg ---


def _ffmpeg_header(path):
  with raw_videos.opened(path) as container:
    stream = raw_videos.video_stream(container)
    height, width = _checked(stream.codec_context.height, stream.codec_context.width)
    count = round(raw_videos.promised_frames(stream))
    times = [] if count else _times(container, stream)
    fps = raw_videos.rate(stream, lambda: times or _times(container, stream))
  if height != width:
    height, width = _turned(path, height, width)
  return Header(count or len(times), height, width, 3, fps)


def _turned(path, height, width):
  """Returns (height, width) as the first frame says that they are shown."""
  with raw_videos.opened(path) as container:
    for frame in _decoded(container, raw_videos.video_stream(container)):
      return raw_videos.turned(height, width, raw_videos.orientation_of(frame))
  raise raw_videos.Unusable('undecodable', 'no frame could be decoded')


def _times(container, stream):
  """The time stamps of all frames, in the order in which they are shown; nothing is decoded.

  An edit list tells frames that are decoded, but not shown.
  """
  return sorted(packet.pts for packet in container.demux(stream)
                if packet.pts is not None and packet.size and not packet.is_discard)


def _ffmpeg_frames(path, numbers):
  found = _after_seeking(path, numbers) if numbers[0] else []
  return found if len(found) == len(numbers) else _from_the_start(path, numbers)


def _from_the_start(path, numbers):
  frames, wanted = [], set(numbers)
  with raw_videos.opened(path) as container:
    stream = raw_videos.video_stream(container)
    to_array = _Upright()
    for number, frame in enumerate(_decoded(container, stream)):
      if number in wanted:
        frames.append(to_array(frame))
      if number >= numbers[-1]:
        break
  return frames


def _after_seeking(path, numbers):
  """The frames, from a key frame on; fewer if the time stamps do not lead to them."""
  with raw_videos.opened(path) as container:
    stream = raw_videos.video_stream(container)
    times = _times(container, stream)
    if len(set(times)) < len(times) or numbers[-1] >= len(times):
      return []
    wanted = {times[number] for number in numbers}
    container.seek(times[numbers[0]], stream=stream, backward=True)
    frames, to_array = [], _Upright()
    for frame in _decoded(container, stream):
      if frame.pts in wanted:
        frames.append(to_array(frame))
      if frame.pts is None or frame.pts >= times[numbers[-1]]:
        break
  return frames


def _decoded(container, stream):
  """Yields frames; packets that cannot be decoded are left out."""
  stream.codec_context.thread_count = 1
  for packet in container.demux(stream):
    try:
      yield from packet.decode()
    except av.error.InvalidDataError:
      continue


class _Upright:
  """Turns frames of FFmpeg into arrays, uint8 [H, W, 3]."""

  def __init__(self):
    self._convert = raw_videos.Scale('rgb24')

  def __call__(self, frame):
    return raw_videos.upright(self._convert(frame, frame.width, frame.height),
                              raw_videos.orientation_of(frame))


# --- animations ---


def _animation_header(path):
  animation = animations.Animation(path)
  height, width = _checked(animation.height, animation.width)
  times, fps = raw_videos.pace(animation.delays(), animation.tick)
  return Header(sum(times), height, width, 3, fps)


def _animation_frames(path, numbers):
  animation = animations.Animation(path)
  times, _ = raw_videos.pace(animation.delays(), animation.tick)
  stored = np.repeat(np.arange(len(times)), times)  # the stored frame that is shown at each time
  if numbers[-1] >= len(stored):
    return []
  frames, wanted = {}, set(stored[numbers].tolist())
  for number, (frame, _) in enumerate(animation.frames()):
    if number in wanted:
      frames[number] = np.asarray(animations.over_white(frame).convert('RGB'))
    if number == max(wanted):
      break
  return [frames[number] for number in stored[numbers].tolist() if number in frames]
