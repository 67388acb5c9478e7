"""Some frames of a video file, with no more decoding than seeking needs.

    header = some_frames.header('a.mp4')         # Header(frames=300, height=240, width=320, fps=25)
    video = some_frames.read('a.mp4', [0, 2, 4]) # uint8 [3, 240, 320, 3]

The frames are those of `raw_videos.read`, by their numbers. `header` decodes nothing. `read` goes
to the last key frame before the first wanted frame, and ends after the last wanted one. Frames of
a GIF depend on all before them, so there it begins at the start. A file that is damaged elsewhere
can be read.

This module imports no TensorFlow.
"""

import dataclasses
import os

import av
import numpy as np
from PIL import Image

from tf_videogen.preparation import raw_videos

_MAX_PIXELS = raw_videos.Limits.max_pixels


@dataclasses.dataclass(frozen=True)
class Header:
  """What a file says of its video.

  Attributes:
    frames: number of frames.
    height, width: in pixels, as stored: a file may say that they are to be turned.
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
  return _told(_gif_header if _is_gif(path) else _ffmpeg_header, path)


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
  frames = _told(_gif_frames if _is_gif(path) else _ffmpeg_frames, path, list(numbers))
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
    text = str(getattr(error, 'strerror', None) or error) or type(error).__name__
    raise raw_videos.Unusable('undecodable', text.splitlines()[0][:200]) from error


def _is_gif(path):
  if not os.path.isfile(path):
    raise raw_videos.Unusable('missing')
  with open(path, 'rb') as file:
    start = file.read(6)
  if not start:
    raise raw_videos.Unusable('empty')
  return start in (b'GIF87a', b'GIF89a')


def _checked(height, width):
  if not 0 < height * width <= _MAX_PIXELS:
    raise raw_videos.Unusable('size', f'{width}x{height}')
  return height, width


# --- FFmpeg ---


def _ffmpeg_header(path):
  with raw_videos.opened(path) as container:
    stream = raw_videos.video_stream(container)
    count = round(raw_videos.promised_frames(stream)) or len(_times(container, stream))
    height, width = _checked(stream.codec_context.height, stream.codec_context.width)
    return Header(count, height, width, 3, float(stream.average_rate or stream.guessed_rate or 0))


def _times(container, stream):
  """The time stamps of all frames, in the order in which they are shown; nothing is decoded."""
  return sorted(packet.pts for packet in container.demux(stream)
                if packet.pts is not None and packet.size)


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
    return np.rot90(self._convert(frame, frame.width, frame.height), round(frame.rotation / 90) % 4)


# --- GIF ---


def _gif_header(path):
  with Image.open(path, formats=['GIF']) as image:
    height, width = _checked(image.height, image.width)
  times, fps = raw_videos.pace(_gif_delays(path))
  return Header(sum(times), height, width, 3, fps)


def _gif_frames(path, numbers):
  times, _ = raw_videos.pace(_gif_delays(path))
  stored = np.repeat(np.arange(len(times)), times)  # the stored frame that is shown at each time
  if numbers[-1] >= len(stored):
    return []
  frames, wanted = {}, {int(stored[number]) for number in numbers}
  with Image.open(path, formats=['GIF']) as image:
    for number in range(max(wanted) + 1):
      image.seek(number)
      if number in wanted:
        frames[number] = np.asarray(raw_videos.over_white(image).convert('RGB'))
  return [frames[int(stored[number])] for number in numbers]


def _gif_delays(path):
  """The delays of all frames in milliseconds, from the blocks of the file.

  See "Graphics Interchange Format, version 89a", sections 18, 20 and 23.
  """
  with open(path, 'rb') as file:
    content = file.read()
  delays, delay = [], 0
  place = 13 + _table(content[10])
  while place < len(content):
    kind = content[place]
    if kind == 0x21:  # an extension; of a graphic control, the delay is in hundredths of a second
      if content[place + 1] == 0xF9:
        delay = 10 * int.from_bytes(content[place + 4:place + 6], 'little')
      place += 2
    elif kind == 0x2C:  # a frame, with a color table of its own or without
      delays.append(delay)
      delay = 0
      place += 11 + _table(content[place + 9])
    else:  # the end
      break
    while place < len(content) and content[place]:  # blocks, each after its length
      place += content[place] + 1
    place += 1
  if not delays:
    raise raw_videos.Unusable('undecodable', 'a GIF without frames')
  return delays


def _table(flags):
  """Bytes of a color table."""
  return 3 << (flags % 8 + 1) if flags & 0x80 else 0
