"""Arrays of videos in .npz and .npy files, of which one video at a time is in memory.

Of an .npz file, the array `samples` is taken, or else `video`, or else the only one of five axes.
What NumPy stores without compression is mapped. A compressed array is read from its start to its
end, so that videos should be asked for in increasing order.
"""

import math
import struct
import threading
import zipfile
import zlib

import numpy as np

RANGES = {'0,1': (0.0, 1.0), '-1,1': (-1.0, 1.0), '0,255': (0.0, 255.0)}
_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError,
           struct.error)


class Damaged(ValueError):
  """Raised for a file that is torn or no array at all; others beside it may be good."""


class StoredArray:
  """The videos of a file.

  Attributes:
    shape: (N, T, H, W, C).

  Args:
    path: str, a local .npz or .npy file.
    value_range: range of floats, a key of RANGES. If None, floats are refused.

  Raises:
    Damaged: if the file cannot be read.
    ValueError: if it has no array of videos, or one whose values are not clearly pixels.
  """

  def __init__(self, path, value_range=None):
    self._path = path
    try:
      self._rows = _opened(path)
    except _NoArray as error:
      raise ValueError(str(error)) from error
    except _ERRORS as error:
      raise Damaged(f'{path} cannot be read as arrays ({str(error)[:150]})') from error
    self.shape = tuple(self._rows.shape)
    self._range = self._checked_range(value_range)

  def _checked_range(self, value_range):
    """(black, white) of the stored values."""
    path, dtype = self._path, self._rows.dtype
    if len(self.shape) != 5 or self.shape[-1] not in (1, 3) or 0 in self.shape:
      raise ValueError(f'the videos in {path} must be [N, T, H, W, C] with C 1 or 3, got '
                       f'{list(self.shape)}')
    if np.issubdtype(dtype, np.integer):
      return 0, 255
    if not np.issubdtype(dtype, np.floating):
      raise ValueError(f'the videos in {path} are {dtype}; they must be numbers')
    if value_range is None:
      first = self._row(0)
      raise ValueError(f'the videos in {path} are {dtype}, the first one from {first.min():.3g} to '
                       f'{first.max():.3g}; give the values of black and white '
                       'with --value_range=0,1 or =-1,1 or =0,255')
    return RANGES[value_range]

  def __len__(self):
    return self.shape[0]

  def __getitem__(self, i):
    """Video i, uint8 [T, H, W, C].

    Raises:
      Damaged: if the file ends before it.
      ValueError: if it has values that are no pixels.
    """
    video, (low, high) = self._row(i), self._range
    if video.dtype == np.uint8:
      return video
    if not np.isfinite(video).all():
      raise ValueError(f'{self._path} has values that are not finite (NaN) in video {i}: the model '
                       'that made it is broken')
    if video.min() < low or video.max() > high:
      raise ValueError(f'{self._path} has values from {video.min():.6g} to {video.max():.6g} in '
                       f'video {i}, outside of {low:g} to {high:g}; clip them, or give their range')
    if np.issubdtype(video.dtype, np.integer):
      return video.astype(np.uint8)
    return np.rint((video - low) * (255.0 / (high - low))).astype(np.uint8)

  def _row(self, i):
    try:
      return np.asarray(self._rows[i])
    except _ERRORS as error:
      raise Damaged(f'{self._path} cannot be read as arrays ({str(error)[:150]})') from error


class _NoArray(Exception):
  """Raised for a good file without an array of videos."""


def _opened(path):
  """An object with `shape`, `dtype` and rows: a mapped array, or a stream of rows."""
  if not zipfile.is_zipfile(path):
    return np.load(path, mmap_mode='r', allow_pickle=False)
  with zipfile.ZipFile(path) as archive:
    headers = {}
    for info in archive.infolist():
      with archive.open(info) as file:
        headers[info.filename.removesuffix('.npy')] = (info, *_header(file))
  names = [name for name, (_, shape, *_) in headers.items() if len(shape) == 5]
  for name in ('samples', 'video', *names):
    if name in names and (name in ('samples', 'video') or len(names) == 1):
      return _member(path, *headers[name])
  raise _NoArray(f'{path} must have an array `samples` or `video` [N, T, H, W, C]; it has arrays '
                 f'of five axes called: {", ".join(names) or "none"}')


def _header(file):
  """(shape, whether in Fortran's order, dtype, bytes of the header) of an .npy file."""
  version = np.lib.format.read_magic(file)
  read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
          else np.lib.format.read_array_header_2_0)
  shape, fortran, dtype = read(file)
  if dtype.hasobject:
    raise ValueError('it has Python objects')
  return shape, fortran, dtype, file.tell()


def _member(path, info, shape, fortran, dtype, header_bytes):
  size = header_bytes + math.prod(shape) * dtype.itemsize
  if size > info.file_size:
    raise ValueError(f'its header promises {size:,} bytes, but it has {info.file_size:,}')
  if info.compress_type == zipfile.ZIP_STORED:
    with open(path, 'rb') as file:
      file.seek(info.header_offset)
      # The local header of a member has 30 bytes, its name, and more, see PKWARE's APPNOTE, 4.3.7.
      lengths = struct.unpack('<26x2H', file.read(30))
    start = info.header_offset + 30 + sum(lengths) + header_bytes
    return np.memmap(path, dtype, 'r', start, shape, 'F' if fortran else 'C')
  if fortran:
    raise _NoArray(f'{path} has a compressed array in the order of Fortran, which cannot be read '
                   'video by video: save it with np.savez')
  return _Stream(path, info, shape, dtype, header_bytes)


class _Stream:
  """Rows of a compressed member, which are unpacked one after the other."""

  def __init__(self, path, info, shape, dtype, header_bytes):
    self.shape, self.dtype = shape, dtype
    self._path, self._info, self._start = path, info, header_bytes
    self._row_bytes = math.prod(shape[1:]) * dtype.itemsize
    self._file = None
    self._next = 0
    self._lock = threading.Lock()

  def __getitem__(self, i):
    with self._lock:
      if self._file is None or i < self._next:
        self._file = zipfile.ZipFile(self._path).open(self._info)
        self._skip(self._start)
        self._next = 0
      while self._next < i:
        self._skip(self._row_bytes)
        self._next += 1
      content = self._file.read(self._row_bytes)
      self._next += 1
    if len(content) < self._row_bytes:
      raise EOFError(f'it ends within video {i}')
    return np.frombuffer(content, self.dtype).reshape(self.shape[1:])

  def _skip(self, count):
    while count:
      found = len(self._file.read(min(count, 1 << 20)))
      if not found:
        raise EOFError('it ends too early')
      count -= found
