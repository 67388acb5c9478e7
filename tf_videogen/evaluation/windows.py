"""Which frames of a stored video become clips, and how their frames get their size."""

import dataclasses
import zlib

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Windows:
  """Windows of stored videos.

  Attributes:
    kind: 'first' for the first frames, or 'random' for windows that begin anywhere.
    per_video: number of windows of each video; more than one only if they are random.
    step: distance between frames, in frames of the stored video.
    fps: frame rate of clips; the stored one if None. Clips have the frames that a video shows then,
      none twice. Videos that do not tell their rate are taken to have this one.
    seed: seed of random windows. They are a function of it and of a video's name alone.
  """
  kind: str = 'first'
  per_video: int = 1
  step: int = 1
  fps: float | None = None
  seed: int = 0

  def __post_init__(self):
    if self.kind not in ('first', 'random'):
      raise ValueError(f"windows must be 'first' or 'random', got {self.kind!r}")
    if self.per_video > 1 and self.kind == 'first':
      raise ValueError(f'{self.per_video} windows per video must be random: add --windows=random')
    if self.step > 1 and self.fps:
      raise ValueError('give either --frame_step or --frame_rate')

  def frames_of(self, header):
    """The most frames that a clip of a video can have; `header` is a `some_frames.Header`."""
    most = int((header.frames - 1) / self._ratio(header)) + 2
    return int(np.searchsorted(self._offsets(header, most), header.frames))

  def numbers(self, header, frames, name):
    """The numbers of the stored frames of every window: int [per_video, frames].

    Args:
      header: a `some_frames.Header` of at least so many frames.
      frames: number of frames of a clip.
      name: name of the video, from which random windows follow.
    """
    offsets = self._offsets(header, frames)
    starts = np.zeros([1], int)
    if self.kind == 'random':
      rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
      places = header.frames - offsets[-1]
      starts = np.sort(rng.choice(places, self.per_video, replace=places < self.per_video))
    return starts[:, np.newaxis] + offsets

  def _ratio(self, header):
    """Stored frames per frame of a clip."""
    if not (self.fps and header.fps):
      return float(self.step)
    ratio = header.fps / self.fps
    if ratio < 0.999:
      raise ValueError(f'a video of {header.fps:.3g} frames per second cannot become one of '
                       f'{self.fps:g} without repeated frames: ask for '
                       f'--frame_rate={header.fps:.3g}')
    return max(ratio, 1.0)

  def _offsets(self, header, frames):
    return np.floor(np.arange(frames) * self._ratio(header) + 1e-3).astype(int)


def fitted(video, size, scaled):
  """Gives frames another size.

  Args:
    video: uint8 [T, H, W, C].
    size: (height, width).
    scaled: whether frames are scaled until they just cover the size, before the middle is cut out.
      Scaling keeps the aspect ratio. Its filter, Lanczos, is stretched when scaling down, so that
      nothing aliases. If False, the middle of stored pixels is cut out.

  Returns:
    uint8 [T, height, width, C].
  """
  if scaled and video.shape[1:3] != tuple(size):
    scale = max(wanted / stored for wanted, stored in zip(size, video.shape[1:3]))
    height, width = (max(wanted, round(stored * scale))
                     for wanted, stored in zip(size, video.shape[1:3]))
    video = np.stack([_resized(frame, height, width) for frame in video])
  top, left = ((stored - wanted) // 2 for stored, wanted in zip(video.shape[1:3], size))
  return video[:, top:top + size[0], left:left + size[1]]


def _resized(frame, height, width):
  grey = frame.shape[-1] == 1
  picture = Image.fromarray(frame[..., 0] if grey else frame)
  found = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
  return found[..., np.newaxis] if grey else found
