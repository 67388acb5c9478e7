"""Clips in files: videos, animations, folders of still pictures, arrays in .npz or .npy files.

    found = written_clips.WrittenClips('samples/')
    found.survey()                       # reads headers: {(T, H, W, C): number of clips}
    for name, video in found.read(...):  # decodes the frames that are used, in the order of names

Headers tell length and size, see `some_frames.header`. Each clip is decoded once, and of it only
the frames that are used. A few clips are in memory at a time. Of .npz files, see `stored_arrays`.

Of a folder that launch.sample wrote, only samples.npz is read, because the other files have the
same samples again. A folder with both still pictures and videos has clips of the kind of which
there is more. If there are as many of both, the videos are the clips. The others are previews.
"""

import collections
from concurrent import futures
import contextlib
import os
import re

import numpy as np
from PIL import ExifTags
from PIL import Image
import tqdm

from tf_videogen import bars
from tf_videogen import files
from tf_videogen.evaluation import stored_arrays
from tf_videogen.preparation import animations
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos
from tf_videogen.preparation import some_frames

_PICTURES = ('.png', '.jpg', '.jpeg', '.webp')
_ARRAYS = ('.npz', '.npy')
_SAMPLED = ('samples.npz', 'samples.gif', 'samples.png')  # launch.sample writes all of these
_GREY = ('1', 'L', 'LA')
_MODES = (*_GREY, 'P', 'RGB', 'RGBA')  # Pillow's modes of up to 8 bits per colour
_ORIENTATIONS = {  # of Exif
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
_TURNED = tuple(_ORIENTATIONS[number] for number in (5, 6, 7, 8))  # by a quarter
_THREADS = 4
RANGES = stored_arrays.RANGES
_DAMAGE = (raw_videos.Unusable, stored_arrays.Damaged, OSError)  # others beside it may be good


class WrittenClips:
  """The clips of a folder, or of one file.

  Attributes:
    path: str, the folder or file.
    names: list of the clips' names, in order; numbers in names count by their value.
    skipped: dict of the clips or files that cannot be read: name -> reason. It grows as clips are
      looked at and read.
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
    self._headers = {}
    self._items = dict(self._list())
    self.names = list(self._items)
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
      paths = [os.path.join(self.path, name) for name in sorted(found, key=counting)]
      if not films or len(found) > len(films):
        items.append((os.path.join(self.path, folder), paths))
        others[folder] = [name for name in others[folder] if name not in films]
        self.previews += [os.path.join(self.path, name) for name in films]
      else:
        self.previews += paths
    for name in (name for found in others.values() for name in found):
      try:
        items += self._of_file(os.path.join(self.path, name))
      except stored_arrays.Damaged as error:
        self.skipped[os.path.join(self.path, name)] = str(error)
    return sorted(items, key=lambda item: counting(item[0]))

  def _of_file(self, path):
    if not path.lower().endswith(_ARRAYS):
      return [(path, path)]
    self._arrays[path] = stored_arrays.StoredArray(path, self._value_range)
    return [(f'{path}[{i:06d}]', (path, i)) for i in range(len(self._arrays[path]))]

  @property
  def has_names(self):
    """Whether clips have names of their own, not only numbers in one array."""
    return len(self._arrays) != 1 or len(self._items) > len(next(iter(self._arrays.values())))

  def key(self, name):
    """What the names of two clips that belong together have in common, a str.

    It is the path in the folder, without the ending and without zeros before numbers.
    """
    inner = os.path.relpath(name, self.path)
    stem = inner if isinstance(self._items[name], list) else re.sub(r'\.\w+(?=\[|$)', '', inner)
    return re.sub(r'(?<!\d)0+(?=\d)', '', stem)

  def identity(self, names=None):
    """Plain values that tell clips from others: value range; files' names, sizes, times.

    Args:
      names: names of the clips; all if None.
    """
    places = [self._items[name] for name in (self.names if names is None else names)]
    paths = {place[0] if isinstance(place, tuple) else place for found in places
             for place in (found if isinstance(found, list) else [found])}
    stats = [(path, os.stat(path)) for path in sorted(paths)]
    return [self._value_range, *([path, stat.st_size, stat.st_mtime_ns] for path, stat in stats)]

  def drawn(self, count=None, seed=0):
    """Names of `count` clips, drawn from all folders alike, in order; all names if None."""
    if count is None or count >= len(self.names):
      return list(self.names)
    drawn = np.random.default_rng(seed).permutation(len(self.names))[:count]
    return [self.names[i] for i in sorted(drawn)]

  def headers(self, names=None):
    """What clips say of themselves, {name: `some_frames.Header`}; nothing is decoded.

    Clips that cannot be read are left out, and added to `skipped`.

    Args:
      names: names of the clips; all if None.

    Raises:
      ValueError: if no clip can be read.
    """
    names = self.names if names is None else names
    unknown = [name for name in names if name not in self._headers and name not in self.skipped]
    bar = tqdm.tqdm(_ahead(self._header, unknown), f'look at {os.path.basename(self.path)}',
                    len(unknown), leave=False, mininterval=bars.interval())
    for name, header in bar:
      if isinstance(header, Exception):
        self.skipped[name] = str(header)
      else:
        self._headers[name] = header
    found = {name: self._headers[name] for name in names if name in self._headers}
    if not found:
      name, reason = next(iter(self.skipped.items()))
      raise ValueError(f'none of the {len(names)} clips in {self.path} can be read: {name}: '
                       f'{reason}')
    return found

  def header(self, name):
    """The `some_frames.Header` of a clip that `headers` has looked at."""
    return self._headers[name]

  def survey(self):
    """Counts all clips by their shape, {(T, H, W, C): number of clips}, as `headers` do."""
    return dict(collections.Counter(
        (header.frames, header.height, header.width, header.channels)
        for header in self.headers().values()))

  def read(self, names, numbers):
    """Yields (name, frames) of clips, which are decoded once.

    Args:
      names: list of names of clips that `headers` has looked at.
      numbers: function of a name that returns the increasing numbers of its frames.

    Yields:
      (name, uint8 [T, H, W, C]), in order. A clip that cannot be read is left out, and added to
      `skipped`.
    """
    def frames(name):
      return self._frames(name, [int(number) for number in numbers(name)])

    in_arrays = isinstance(self._items[names[0]], tuple) if names else False
    # Arrays are read in their order, because compressed ones are streams.
    for name, video in ((name, frames(name)) for name in names) if in_arrays else _ahead(
        frames, names):
      if isinstance(video, Exception):
        self.skipped[name] = str(video)
      else:
        yield name, video

  def _header(self, name):
    place = self._items[name]
    try:
      if isinstance(place, tuple):
        return some_frames.Header(*self._arrays[place[0]].shape[1:])
      if isinstance(place, list):
        return _header_of_pictures(place)
      return some_frames.header(place)
    except _DAMAGE as error:
      return error

  def _frames(self, name, numbers):
    place = self._items[name]
    try:
      if isinstance(place, tuple):
        return self._arrays[place[0]][place[1]][numbers]
      if isinstance(place, list):
        header = self._headers[name]
        shape = (header.height, header.width, header.channels)
        return np.stack([_pixels(place[number], shape) for number in numbers])
      return some_frames.read(place, numbers)
    except _DAMAGE as error:
      return error


def _ahead(function, names):
  """Yields (name, what the function returns for it) in order; threads compute some ahead."""
  with futures.ThreadPoolExecutor(_THREADS) as pool:
    pending = collections.deque()
    for name in names:
      pending.append((name, pool.submit(function, name)))
      if len(pending) > 2 * _THREADS:
        done, future = pending.popleft()
        yield done, future.result()
    for name, future in pending:
      yield name, future.result()


def counting(name):
  """A sort key, a str, by which frame10 comes after frame9; it is not much longer than the name."""
  def counted(found):
    digits = str(int(found[0]))
    return f'\0{len(digits):03d}{digits}'  # a name that goes on otherwise comes later

  return re.sub(r'\d+', counted, name)


def _is_animated(path):
  try:
    return path.lower().endswith(('.png', '.webp')) and animations.is_animated(path)
  except OSError:
    return False


@contextlib.contextmanager
def _opened(path):
  """Opens a still picture of Pillow, of which the header is read; all errors become Damaged."""
  try:
    with Image.open(path) as image:
      mode = image.mode
      if mode in _MODES:
        yield image
        return
  except Exception as error:  # Pillow raises many kinds for broken and for huge pictures
    said = (str(error) or type(error).__name__).splitlines()[0]
    raise stored_arrays.Damaged(f'{path} cannot be decoded: {said}') from error
  raise stored_arrays.Damaged(
      f'{path} has pixels of mode {mode}; they must have 8 bits per color')


def _orientation(image):
  """The way in which a picture is to be turned, as its header says: a transposition or None."""
  # The method of the base class, as that of PNG would decode the picture.
  return _ORIENTATIONS.get(Image.Image.getexif(image).get(ExifTags.Base.Orientation))


def _header_of_pictures(paths):
  """The Header of a clip of still pictures, which is grey if all are; only headers are read."""
  sizes, grey = [], True
  for path in paths:
    with _opened(path) as image:
      sizes.append(image.size[::-1] if _orientation(image) not in _TURNED else image.size)
      grey &= image.mode in _GREY
    if sizes[-1] != sizes[0]:
      raise stored_arrays.Damaged(f'{path} has another size than the frames before it')
  return some_frames.Header(len(paths), *sizes[0], 1 if grey else 3)


def _pixels(path, shape):
  """A still picture over white, turned as its file says, uint8 of a shape [H, W, C].

  Raises:
    Damaged: if it cannot be decoded, or does not have the shape; grey may become coloured.
  """
  with _opened(path) as image:
    orientation = _orientation(image)
    image = animations.over_white(image)
    if orientation is not None:
      image = image.transpose(orientation)
    pixels = np.asarray(image.convert('L' if image.mode in _GREY else 'RGB'))
  pixels = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
  if pixels.shape[:2] != shape[:2] or pixels.shape[2] > shape[2]:
    raise stored_arrays.Damaged(f'{path} has changed its size or color')
  return np.broadcast_to(pixels, shape)
