"""Decodes video files of any kind, turned upright and scaled, or refuses them with a reason.

Pillow decodes animated pictures (`animations`), and FFmpeg (PyAV) everything else. The content of a
file decides, not its name. Playlists and other formats that name further files or addresses are not
opened.

This module imports no TensorFlow, so that the processes of `decoding`, which run it, start fast.
"""

import dataclasses
import math
import os
import pathlib
import struct

import av
from av.video import reformatter
import numpy as np
from PIL import Image

from tf_videogen.preparation import animations

# The formats that FFmpeg may recognize: containers that hold their video themselves.
_FORMATS = ('mov', 'mp4', 'matroska', 'webm', 'avi', 'mpegts', 'mpeg', 'mpegvideo', 'asf', 'flv',
            'ogg', 'gif', 'm4v', 'h264', 'hevc', 'ivf', 'dv', 'mxf', 'rm', 'swf', 'vob', 'apng',
            'webp_pipe', 'yuv4mpegpipe', 'nut')

# Titles and names may be in any encoding. From PyAV 19 on, they are only read on request.
_ANY_METADATA = {'metadata_errors': 'ignore'} if int(av.__version__.split('.')[0]) < 19 else {}

_FASTEST = 240  # frames per second; above it, time stamps are asked, since it may be a clock

# The reasons for which a file is not used.
REASONS = {
    'missing': 'there is no such file',
    'empty': 'the file has no bytes',
    'unreadable': 'its bytes cannot be had, from the disk or the network',
    'undecodable': 'neither FFmpeg nor Pillow makes sense of it',
    'no video stream': 'there is sound at most',
    'size': 'its frames are too large, or too narrow',
    'too long': 'it has more frames, or encoded bytes, than allowed',
    'truncated': 'many of the promised frames are missing or damaged',
    'too short': 'it has fewer frames than needed',
    'time': 'decoding took too long and was stopped',
    'crashed': 'the process that decoded it died',
    'incomplete': 'a record lacks something that others have',
    'duplicate': 'another file has the same name',
}


class Unusable(ValueError):
  """A file that yields no video.

  Attributes:
    reason: str, one of REASONS.
    detail: str, details of the reason; '' if there are none.
  """

  def __init__(self, reason, detail=''):
    super().__init__(reason, detail)
    self.reason = reason
    self.detail = detail

  def __str__(self):
    return f'{self.reason} ({self.detail})' if self.detail else self.reason


@dataclasses.dataclass(frozen=True)
class Limits:
  """The limits of accepted files. Hostile files are refused before much of them is decoded.

  Attributes:
    min_frames: the fewest frames of a video, after `frame_step`.
    max_frames: the most frames of a file, before `frame_step`.
    max_pixels: the most pixels of a frame, H * W.
    max_aspect: the largest ratio of the longer side to the shorter side.
    max_bytes: the most bytes of all frames together, as `encode` makes them. Without `encode`,
      there is no limit.
    least_share: the least share of what the file promises, in frames or seconds, that must be
      decoded.
  """
  min_frames: int = 1
  max_frames: int = 20_000
  max_pixels: int = 4096 * 4096
  max_aspect: float = 10.0
  max_bytes: int = 3 << 29  # 1.5 GiB: TFDS's examples have at most 2 GiB
  least_share: float = 0.9


@dataclasses.dataclass
class RawVideo:
  """A decoded video.

  Attributes:
    frames: list of arrays uint8 [H, W, C], or of the results of `encode`.
    fps: frames per second, after `frame_step`; 0 if the file doesn't tell.
    height: H, in pixels.
    width: W, in pixels.
  """
  frames: list
  fps: float
  height: int
  width: int


def read(path, short_side=None, frame_step=1, channels=3, limits=Limits(), encode=None,
         threads=0):
  """Decodes a video, and turns it upright as its file says.

  Frames of an animated GIF, PNG or WebP that stay longer than others are repeated, see
  `animations.rhythm`. Transparent pixels become white.

  Pixels are taken as squares. Scaling uses a Lanczos filter of width 3, which is stretched when
  scaling down, so that nothing aliases.

  Args:
    path: str, path of a local file. A path that goes on below a file is that of a damaged member of
      an archive, see `raw_files.opened_archives`.
    short_side: int, pixels of the shorter side. Frames are scaled to it, and their aspect ratio is
      kept (the longer side is rounded). If None, they stay as stored.
    frame_step: int. Every `frame_step`-th frame is taken, from the first on.
    channels: int, 3 for RGB or 1 for grey.
    limits: Limits of accepted files.
    encode: function of a frame, uint8 [H, W, C], that returns bytes. It is called as frames are
      decoded, so that long videos need not fit into memory. If None, the arrays are kept.
    threads: int, number of threads with which FFmpeg decodes; FFmpeg chooses if 0.

  Returns:
    RawVideo.

  Raises:
    Unusable: if anything is wrong with the file.
    ValueError: if `channels` is neither 1 nor 3.
  """
  if channels not in (1, 3):
    raise ValueError(f'channels must be 1 or 3, got {channels}')
  if not os.path.isfile(path):
    in_archive = any(map(os.path.isfile, pathlib.Path(path).parents))
    raise Unusable('unreadable', 'damaged in its archive') if in_archive else Unusable('missing')
  try:
    with open(path, 'rb') as file:
      start = file.read(12)
  except OSError as error:
    raise Unusable('unreadable', error.strerror or '') from error
  if not start:
    raise Unusable('empty')
  kind = _Animation if animations.is_picture(start) else _FFmpeg
  source = kind(path, short_side, frame_step, channels, limits, threads)
  frames, size = [], 0
  for frame in source.frames():
    frames.append(encode(frame) if encode else frame)
    size += len(frames[-1]) if encode else 0
    if size > limits.max_bytes:
      raise Unusable('too long', f'more than {limits.max_bytes} bytes')
  frames = source.paced(frames)
  if len(frames) < limits.min_frames:
    raise Unusable('too short', f'{len(frames)} frames, {limits.min_frames} are needed')
  return RawVideo(frames, source.fps / frame_step, source.height, source.width)


def scaled_size(height, width, short_side):
  """Returns (height, width), ints, scaled to a shorter side; unchanged if `short_side` is None."""
  if short_side is None:
    return height, width
  scale = short_side / min(height, width)
  return max(short_side, round(height * scale)), max(short_side, round(width * scale))


def unusable(error, reason):
  """Returns the Unusable that tells what an error of a library says; `reason` if it says none."""
  if isinstance(error, Image.DecompressionBombError):
    return Unusable('size', str(error).partition(',')[0])
  text = str(getattr(error, 'strerror', None) or error) or type(error).__name__
  return Unusable(reason, text.splitlines()[0][:200])


class _Source:
  """A file that is being decoded. The arguments are those of `read`.

  After `frames` and `paced`, it has `fps` of the file, and `height` and `width` of its frames.
  """

  def __init__(self, path, short_side, frame_step, channels, limits, threads):
    self.path, self.short_side, self.frame_step = path, short_side, frame_step
    self.channels, self.limits, self.threads = channels, limits, threads
    self.fps = self.height = self.width = None
    self.seen = 0

  def frames(self):
    """Yields frames, uint8 [H, W, C]. An error of a library becomes Unusable."""
    try:
      for frame in self._frames():
        yield frame.reshape(self.height, self.width, self.channels)
    except Unusable:
      raise
    except Exception as error:  # Pillow and PyAV raise many kinds for broken files
      raise unusable(error, 'truncated' if self.seen else 'undecodable') from error

  def paced(self, frames):
    """Returns the frames in the rhythm of the video, from those that `frames` yielded."""
    return frames

  def _set_size(self, height, width):
    """Sets the size of scaled frames from the stored size, turned upright; checks it."""
    short, long = sorted((height, width))
    if not 0 < short * long <= self.limits.max_pixels or long > self.limits.max_aspect * short:
      raise Unusable('size', f'{width}x{height}')
    self.height, self.width = scaled_size(height, width, self.short_side)

  def _count(self):
    """Counts a frame of the file; raises Unusable if there are too many."""
    if self.seen == self.limits.max_frames:
      raise Unusable('too long', f'more than {self.limits.max_frames} frames')
    self.seen += 1


class _Animation(_Source):
  """A GIF, or an animated PNG or WebP, as a browser shows it."""

  def _frames(self):
    animation = animations.Animation(self.path)
    self._delays, self._tick = [], animation.tick
    self._set_size(animation.height, animation.width)
    for frame, delay in animation.frames():
      self._count()
      self._delays.append(delay)
      frame = animations.over_white(frame).convert('RGB' if self.channels == 3 else 'L')
      if frame.size != (self.width, self.height):
        frame = frame.resize((self.width, self.height), Image.Resampling.LANCZOS)
      yield np.asarray(frame)

  def paced(self, frames):
    times, self.fps = pace(self._delays, self._tick, self.limits)
    return [frame for frame, n in zip(frames, times) for _ in range(n)][::self.frame_step]


def pace(delays, tick, limits=Limits()):
  """Returns how often each frame of an animation comes, and frames per second; see `animations`.

  Args:
    delays: list of float, the time that each frame stays, in milliseconds.
    tick: unit to which they were rounded, in milliseconds.
    limits: Limits; `max_frames` is of the frames that come.

  Raises:
    Unusable: if there are no frames, or too many.
  """
  if not delays:
    raise Unusable('undecodable', 'it has no frames')
  times, fps = animations.rhythm(delays, tick)
  if sum(times) > limits.max_frames:
    raise Unusable('too long', f'{sum(times)} frames')
  return times, fps


class _FFmpeg(_Source):
  """Anything that FFmpeg decodes."""

  def _frames(self):
    with opened(self.path) as container:
      stream = video_stream(container)
      stream.codec_context.thread_count = self.threads
      stream.thread_type = 'AUTO'
      promised = promised_frames(stream)
      if promised > 2 * self.limits.max_frames:  # some files exaggerate
        raise Unusable('too long', f'{promised:.0f} frames promised')
      self._damaged, self._end, self._times = 0, 0.0, []
      yield from self._decoded(container, stream)
      self.fps = rate(stream, lambda: self._times)
      seconds = (container.duration or 0) / av.time_base
    if not self.seen:
      raise Unusable('undecodable', 'no frame could be decoded')
    least, undamaged = self.limits.least_share, self.seen - self._damaged
    if undamaged < least * (promised or self.seen):
      raise Unusable('truncated', f'{undamaged} of {promised or self.seen:.0f} frames')
    if not promised and self._end < least * seconds:
      raise Unusable('truncated', f'{self._end:.1f} of {seconds:.1f} s')

  def _decoded(self, container, stream):
    """Yields scaled frames. Those that cannot be decoded are missing from the promised number."""
    scale = Scale('rgb24' if self.channels == 3 else 'gray')
    for packet in container.demux():
      if packet.pts is not None:  # the end of the file, over all streams
        self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
      if packet.stream.index != stream.index:
        continue
      try:
        frames = packet.decode()
      except av.error.InvalidDataError:
        continue
      for frame in frames:
        self._count()
        self._times += [frame.pts] if frame.pts is not None else []
        self._damaged += bool(frame.is_corrupt)
        orientation = orientation_of(frame)
        if self.height is None:
          self._set_size(*turned(frame.height, frame.width, orientation))
        if (self.seen - 1) % self.frame_step == 0:
          height, width = turned(self.height, self.width, orientation)
          yield upright(scale(frame, width, height), orientation)


def opened(path):
  """Opens a local file with FFmpeg: a container of PyAV, which is a context manager."""
  # The prefix keeps FFmpeg from reading a name as an address or an option.
  return av.open(f'file:{path}', **_ANY_METADATA,
                 options={'format_whitelist': ','.join(_FORMATS)})


class Scale:
  """Scales frames of FFmpeg and converts them to arrays. Its tables are reused for all frames.

  Colors are scaled at full resolution before they become RGB. In one step, FFmpeg would halve their
  resolution if the width is even.
  """

  # FFmpeg's SWS_LANCZOS | SWS_ACCURATE_RND, as numbers: PyAV 17, the last release for Python 3.10,
  # has no name for the second.
  _FLAGS = 0x200 | 0x40000

  def __init__(self, pixels):
    self._scale, self._convert = reformatter.VideoReformatter(), reformatter.VideoReformatter()
    self._pixels = pixels

  def __call__(self, frame, width, height):
    """Returns the array of a frame, uint8 [H, W] or [H, W, 3]."""
    planes = 'gbrp' if frame.format.is_rgb else 'yuv444p'
    frame = self._scale.reformat(
        frame, width, height, planes, interpolation=self._FLAGS, threads=1)
    frame = self._convert.reformat(
        frame, format=self._pixels, interpolation=self._FLAGS, threads=1)
    return frame.to_ndarray()


def video_stream(container):
  """Returns the first stream of moving pictures. Covers of sound files do not count."""
  for stream in container.streams.video:
    if not stream.disposition & av.stream.Disposition.attached_pic:
      return stream
  raise Unusable('no video stream')


def rate(stream, times):
  """Returns the frames per second of a stream, a float; 0 if unknown.

  Some containers have no rate, and the clock of their time stamps in its place, such as 1,000.

  Args:
    stream: a stream of PyAV.
    times: function that returns the time stamps of its frames, a list. It is called if the rate may
      be a clock.
  """
  told = stream.average_rate or stream.guessed_rate or 0
  stamps = times() if told > _FASTEST else []
  if len(stamps) > 1:
    ticks = max(stamps) - min(stamps)
    told = (len(stamps) - 1) / (ticks * stream.time_base) if ticks else 0
  return float(told)


def promised_frames(stream):
  """Returns the number of frames that a stream's headers promise; 0 if they promise none.

  An edit list shows fewer frames than are stored. The stream's duration accounts for it.
  """
  if not stream.frames:
    return 0
  rate = float(stream.average_rate or 0)
  shown = float((stream.duration or 0) * (stream.time_base or 0)) * rate
  return min(stream.frames, shown) if shown else stream.frames


def orientation_of(frame):
  """Returns by how many quarter turns a player turns a frame, counterclockwise, and if it mirrors.

  A mirrored frame is first flipped from left to right, then turned. The file's display matrix
  [[a, b, u], [c, d, v], [x, y, w]] moves a stored pixel (x, y) to (a x + c y, b x + d y), up to a
  shift. All eight orientations have such a matrix.
  """
  matrix = frame.side_data.get('DISPLAYMATRIX')
  if matrix is None:
    return 0, False
  a, b, _, c, d = struct.unpack_from('=5i', bytes(matrix))
  mirrored = a * d - b * c < 0
  x, y = (-a, -b) if mirrored else (a, b)  # where a step to the right goes, after the flip
  return round(-math.atan2(y, x) / (math.pi / 2)) % 4, mirrored


def upright(stored, orientation):
  """Returns the array of a frame, [H, W, ...], as a player shows it; see `orientation_of`."""
  quarter_turns, mirrored = orientation
  return np.rot90(stored[:, ::-1] if mirrored else stored, quarter_turns)


def turned(height, width, orientation):
  """Returns (height, width) after the quarter turns of `orientation_of`, or before them."""
  return (width, height) if orientation[0] % 2 else (height, width)
