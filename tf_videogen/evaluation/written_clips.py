"""Clips in files: videos, animations, folders of still pictures, arrays in .npz or .npy files.

    found = written_clips.WrittenClips('samples/')
    found.survey()                       # decodes all once: {(T, H, W, C): number of clips}
    for video in found.read(16): ...     # uint8 [16, H, W, C], in the order of their names

No frame is resized: metrics compare the stored pixels. Of an .npz file, the array `samples` is
read, or else `video`, or else the only one of five axes. Of a folder that launch.sample wrote, only
samples.npz is read, because the other files have the same samples again. A folder with both still
pictures and videos has clips of the kind of which there is more. If there are as many of both, the
videos are the clips. The others are previews.
"""

import collections
from concurrent import futures
import os
import re

import numpy as np
from PIL import Image
from PIL import ImageOps
import tqdm

from tf_videogen import bars
from tf_videogen import files
from tf_videogen.preparation import animations
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos

_PICTURES = ('.png', '.jpg', '.jpeg', '.webp')
_ARRAYS = ('.npz', '.npy')
_SAMPLED = ('samples.npz', 'samples.gif', 'samples.png')  # launch.sample writes all of these
_MODES = ('1', 'L', 'LA', 'P', 'RGB', 'RGBA')  # Pillow's modes of up to 8 bits per colour
_THREADS = 4
RANGES = {'0,1': (0.0, 1.0), '-1,1': (-1.0, 1.0), '0,255': (0.0, 255.0)}


class _Unreadable(ValueError):
  """Raised for a damaged file; others beside it may be good."""


class WrittenClips:
  """The clips of a folder, or of one file.

  Attributes:
    path: str, the folder or file.
    skipped: dict of the clips or files that cannot be read: name -> reason. Complete after
      `survey`.
    previews: list of the files that are left out because the folder's clips are of another kind.

  Args:
    path: str, a local folder or file.
    value_range: range of arrays of floats, a key of RANGES. If None, such arrays are refused.
  """

  def __init__(self, path, value_range=None):
    if files.is_remote(path):
      raise ValueError(f'clips are read from local files: copy {path} first')
    if not os.path.exists(path):
      raise FileNotFoundError(f'there is no folder {path}')
    if value_range not in (None, *RANGES):
      raise ValueError(f'the range of values must be one of {" ".join(RANGES)}, got {value_range}')
    self.path = path
    self.skipped = {}
    self.previews = []
    self._value_range = value_range
    self._arrays = {}
    self._shapes = None
    self._items = self._list()
    if not self._items and self.skipped:
      raise ValueError(next(iter(self.skipped.values())))
    if not self._items:
      raise ValueError(f'{path} has no videos, GIFs, folders of PNG files, or .npz files')

  def _list(self):
    """Pairs (name, place) of all clips, sorted by name, numbers in names by their value.

    A place is the path of a video, a list of paths of pictures, or (path, index in the array).
    """
    if os.path.isfile(self.path):
      return self._of_file(self.path)
    if all(os.path.isfile(os.path.join(self.path, name)) for name in _SAMPLED):
      return self._of_file(os.path.join(self.path, _SAMPLED[0]))
    names = raw_files.find(self.path, raw_files.VIDEO_SUFFIXES + _PICTURES + _ARRAYS)
    stills, others, items = collections.defaultdict(list), collections.defaultdict(list), []
    for name in names:
      still = name.lower().endswith(_PICTURES) and not _is_animated(os.path.join(self.path, name))
      (stills if still else others)[os.path.dirname(name)].append(name)
    for folder, found in stills.items():
      films = [name for name in others[folder] if not name.lower().endswith(_ARRAYS)]
      paths = [os.path.join(self.path, name) for name in sorted(found, key=_counting)]
      if not films or len(found) > len(films):
        items.append((os.path.join(self.path, folder), paths))
        others[folder] = [name for name in others[folder] if name not in films]
        self.previews += [os.path.join(self.path, name) for name in films]
      else:
        self.previews += paths
    for name in (name for found in others.values() for name in found):
      try:
        items += self._of_file(os.path.join(self.path, name))
      except _Unreadable as error:
        self.skipped[os.path.join(self.path, name)] = str(error)
    return sorted(items, key=lambda item: _counting(item[0]))

  def _of_file(self, path):
    if not path.lower().endswith(_ARRAYS):
      return [(path, path)]
    return [(f'{path}[{i:06d}]', (path, i)) for i in range(len(self._array(path)))]

  def _array(self, path):
    """The videos of an .npz or .npy file, uint8 [N, T, H, W, C]; read once."""
    if path not in self._arrays:
      self._arrays[path] = _to_uint8(_load(path), path, self._value_range)
    return self._arrays[path]

  def identity(self):
    """Plain values that tell these clips from others: value range; files' names, sizes, times."""
    paths = {item[0] if isinstance(item, tuple) else item for _, files in self._items
             for item in (files if isinstance(files, list) else [files])}
    stats = [(path, os.stat(path)) for path in sorted(paths)]
    return [self._value_range, *([path, stat.st_size, stat.st_mtime_ns] for path, stat in stats)]

  def survey(self):
    """Decodes every clip once: {(T, H, W, C): number of clips}. Adds unreadable ones to `skipped`.

    Raises:
      ValueError: if no clip can be read.
    """
    if self._shapes is not None:
      return dict(self._shapes)
    shapes = collections.Counter()
    bar = tqdm.tqdm(self._decoded(self._items), f'look at {os.path.basename(self.path)}',
                    len(self._items), leave=False, mininterval=bars.interval())
    for name, video in bar:
      if isinstance(video, Exception):
        self.skipped[name] = str(video)
      else:
        shapes[video.shape] += 1
    if not shapes:
      name, reason = next(iter(self.skipped.items()))
      raise ValueError(f'none of the {len(self._items)} clips in {self.path} can be read: {name}: '
                       f'{reason}')
    self._shapes = shapes
    return dict(shapes)

  def read(self, frames=None, size=None, limit=None):
    """Yields clips, uint8 [T, H, W, C]: the first frames, the middle of larger ones.

    Args:
      frames: int, number of first frames; all if None.
      size: (H, W) of the middle; as stored if None.
      limit: int, the most clips; all if None.

    Raises:
      ValueError: if a clip cannot be read that is not in `skipped`.
    """
    items = [item for item in self._items if item[0] not in self.skipped]
    for name, video in self._decoded(items[:limit]):
      if isinstance(video, Exception):
        raise ValueError(f'{name} cannot be read any more: {video}')
      top, left = [(stored - wanted) // 2 for stored, wanted in
                   zip(video.shape[1:3], size or video.shape[1:3])]
      height, width = size or video.shape[1:3]
      yield video[:frames, top:top + height, left:left + width]

  def _decoded(self, items):
    """Yields (name, clip or exception) in order; threads decode some clips ahead."""
    with futures.ThreadPoolExecutor(_THREADS) as pool:
      pending = collections.deque()
      for name, item in items:
        pending.append((name, pool.submit(self._decode, item)))
        if len(pending) > 2 * _THREADS:
          done, future = pending.popleft()
          yield done, future.result()
      for name, future in pending:
        yield name, future.result()

  def _decode(self, item):
    try:
      if isinstance(item, tuple):
        path, i = item
        return self._array(path)[i]
      if isinstance(item, list):
        return _from_pictures(item)
      limits = raw_videos.Limits(max_aspect=1000)
      return np.stack(raw_videos.read(item, limits=limits, threads=1).frames)
    except (ValueError, OSError) as error:
      return error


def _counting(name):
  """A sort key by which frame10 comes after frame9."""
  return [(0, int(part), '') if part.isdecimal() else (1, 0, part)
          for part in re.split(r'(\d+)', name)]


def _is_animated(path):
  try:
    return path.lower().endswith(('.png', '.webp')) and animations.is_animated(path)
  except OSError:
    return False


def _from_pictures(paths):
  """Returns the clip of still pictures: grey if all are grey."""
  frames = []
  for path in paths:
    frames.append(_pixels(path))
    if frames[-1].shape[:2] != frames[0].shape[:2]:
      raise ValueError(f'{path} has another size than the frames before it')
  channels = max(frame.shape[2] for frame in frames)
  return np.stack([np.broadcast_to(frame, (*frame.shape[:2], channels)) for frame in frames])


def _pixels(path):
  """Returns a picture over white, turned as its file says, uint8 [H, W, 1 or 3]."""
  try:
    with Image.open(path) as image:
      mode = image.mode
      if mode in _MODES:
        image = animations.over_white(ImageOps.exif_transpose(image))
        pixels = np.asarray(image.convert('L' if image.mode in ('1', 'L') else 'RGB'))
        return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
  except Exception as error:  # Pillow raises many kinds for broken and for huge pictures
    said = (str(error) or type(error).__name__).splitlines()[0]
    raise ValueError(f'{path} cannot be decoded: {said}') from error
  raise ValueError(f'{path} has pixels of mode {mode}; they must have 8 bits per color')


def _load(path):
  """The array of videos in a file, of any dtype."""
  try:
    loaded = files.read_arrays(path)
  except (OSError, ValueError) as error:
    raise _Unreadable(str(error)) from error
  if list(loaded) == ['']:
    return loaded['']
  names = [name for name in loaded if loaded[name].ndim == 5]
  for name in ('samples', 'video', *names):
    if name in names and (name in ('samples', 'video') or len(names) == 1):
      return loaded[name]
  raise ValueError(f'{path} must have an array `samples` or `video` [N, T, H, W, C]; it has arrays '
                   f'of five axes called: {", ".join(names) or "none"}')


def _to_uint8(array, path, value_range):
  """An array of videos as uint8 [N, T, H, W, C]; refused if its values are not clearly pixels."""
  if array.ndim != 5 or array.shape[-1] not in (1, 3) or 0 in array.shape:
    raise ValueError(f'the videos in {path} must be [N, T, H, W, C] with C 1 or 3, got '
                     f'{list(array.shape)}')
  if array.dtype == np.uint8:
    return array
  if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
    raise ValueError(f'the videos in {path} are {array.dtype}; they must be numbers')
  finite = np.isfinite(array).all((1, 2, 3, 4))
  if not finite.all():
    raise ValueError(f'{path} has values that are not finite (NaN) in {int((~finite).sum())} of '
                     f'{len(array)} videos: the model that made them is broken')
  if np.issubdtype(array.dtype, np.integer):
    low, high = 0, 255
  elif value_range is None:
    raise ValueError(f'the videos in {path} are {array.dtype}, from {array.min():.3g} to '
                     f'{array.max():.3g}; give the values of black and white '
                     'with --value_range=0,1 or =-1,1 or =0,255')
  else:
    low, high = RANGES[value_range]
  if array.min() < low or array.max() > high:
    raise ValueError(f'{path} has values from {array.min():.6g} to {array.max():.6g}, outside of '
                     f'{low:g} to {high:g}; clip them, or give their range')
  if np.issubdtype(array.dtype, np.integer):
    return array.astype(np.uint8)
  return np.rint((array - low) * (255.0 / (high - low))).astype(np.uint8)
