"""Reads checkpoints of PyTorch without PyTorch, and without executing anything in them.

Since PyTorch 1.6 a checkpoint is an uncompressed zip file: `<name>/data.pkl`, a pickle of plain
values and of tensors' shapes, and `<name>/data/<key>`, the numbers of a storage each. A pickle may
name any function of Python and have it called. Here it gets none: a handful of names stand for
inert classes of this file, every other name is refused, and sizes are held against the file's own
before anything is read.
"""

import collections
import contextlib
import errno
import io
import math
import os
import pickle
import pickletools
import struct
import typing
import zipfile
import zlib

import numpy as np

_MAX_PICKLE = 64 * 2**20  # bytes; that of a large model has a hundred thousand
_STORAGES = {  # torch's class -> type of its numbers
    'DoubleStorage': 'float64', 'FloatStorage': 'float32', 'HalfStorage': 'float16',
    'BFloat16Storage': 'bfloat16', 'LongStorage': 'int64', 'IntStorage': 'int32',
    'ShortStorage': 'int16', 'CharStorage': 'int8', 'ByteStorage': 'uint8', 'BoolStorage': 'bool'}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError,
           struct.error, UnicodeError)  # of zip files
# Opcodes that call or import by other ways than those that `_Unpickler` watches, or never occur.
_REFUSED_OPCODES = {'INST', 'OBJ', 'EXT1', 'EXT2', 'EXT4', 'PERSID', 'BYTEARRAY8', 'NEXT_BUFFER',
                    'READONLY_BUFFER', 'NEWOBJ_EX'}


class Values:
  """What an object of another program had as attributes: `vars(values)`."""

  def __init__(self, *args, **kwargs):
    del args
    self.__dict__.update(kwargs)

  def __setstate__(self, state):
    if isinstance(state, dict):
      self.__dict__.update({str(name): value for name, value in state.items()})


class _Mapping(dict):
  """A dict whose class was another one."""

  def __setstate__(self, state):
    pass  # attributes beside the items


class _Storage(typing.NamedTuple):
  """Numbers in a member of an archive: where, their type, and how many."""
  archive: typing.Any
  key: str
  dtype: str
  count: int


class Tensor:
  """A tensor of a checkpoint; its numbers are read when they are asked for.

  Attributes:
    shape: tuple of ints.
    dtype: name of the type.
  """

  def __init__(self, storage, offset, shape, strides):
    numbers = (offset, *shape, *strides)
    if not (isinstance(storage, _Storage) and len(shape) == len(strides) <= 8 and
            all(type(n) is int and 0 <= n < 2**48 for n in numbers)):
      raise pickle.UnpicklingError('a tensor is malformed')
    size = math.prod(shape)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if size > storage.count or (size and last >= storage.count):
      raise pickle.UnpicklingError('a tensor is larger than its numbers')
    self.shape, self.dtype = tuple(shape), storage.dtype
    self._storage, self._offset, self._strides = storage, offset, tuple(strides)

  def numpy(self):
    """Its numbers, an array; bfloat16 as float32."""
    values = self._storage.archive.numbers(self._storage)
    if self.dtype == 'bfloat16':
      values = (values.astype(np.uint32) << 16).view(np.float32)
    steps = [stride * values.itemsize for stride in self._strides]
    view = np.lib.stride_tricks.as_strided(values[self._offset:], self.shape, steps)
    return np.array(view)


def _tensor(storage, offset, shape, strides, *others):
  del others  # requires_grad, hooks
  return Tensor(storage, offset, shape, strides)


def _parameter(tensor, *others):
  del others
  return tensor


class _Unpickler(pickle.Unpickler):
  """Makes plain values, `Values` and `Tensor`s of a pickle, and nothing else."""

  _KNOWN = {
      'collections.OrderedDict': collections.OrderedDict,
      'argparse.Namespace': Values,
      'torch._utils._rebuild_tensor_v2': _tensor,
      'torch._utils._rebuild_parameter': _parameter,
      'torch.Size': tuple,
      'pytorch_lightning.utilities.parsing.AttributeDict': _Mapping,
      # Numbers of NumPy that a callback keeps; their values are not needed.
      **dict.fromkeys(('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar',
                       'numpy.dtype', '_codecs.encode'), Values),
  }

  def __init__(self, data, archive):
    super().__init__(io.BytesIO(data))
    self._archive = archive

  def find_class(self, module, name):
    full = f'{module}.{name}'
    if module == 'torch' and name in _STORAGES:
      return _STORAGES[name]
    if full in self._KNOWN:
      return self._KNOWN[full]
    if module.split('.')[0] == 'pytorch_lightning':  # callbacks, defaults of its arguments
      return Values
    raise pickle.UnpicklingError(f'it names {full}, which a checkpoint of a model has no need of')

  def persistent_load(self, saved):
    if not (isinstance(saved, tuple) and len(saved) == 5 and saved[0] == 'storage' and
            saved[1] in _STORAGES.values() and isinstance(saved[2], str) and
            type(saved[4]) is int):
      raise pickle.UnpicklingError('a storage is malformed')
    return _Storage(self._archive, saved[2], saved[1], saved[4])


class _Archive:
  """The zip file of a checkpoint."""

  def __init__(self, path):
    self._path = path
    self._size = os.path.getsize(path)
    with self._opened() as archive:
      members = archive.infolist()
    pickles = [m for m in members if m.filename.split('/')[1:] == ['data.pkl']]
    if len(pickles) != 1:
      raise self._damaged('it is a zip file without one data.pkl')
    self._folder = pickles[0].filename.split('/')[0]
    self._members = {m.filename: m for m in members}

  def _damaged(self, why):
    return ValueError(f'{self._path} is no checkpoint of PyTorch, or damaged ({why}); one from '
                      'before PyTorch 1.6 must be loaded and saved again')

  @contextlib.contextmanager
  def _opened(self):
    """The zip file; what is wrong with it is a ValueError."""
    try:
      with zipfile.ZipFile(self._path) as archive:
        yield archive
    except _DAMAGE as error:
      raise self._damaged(error) from error
    except OSError as error:
      if error.errno != errno.EINVAL:  # a place before the file's beginning
        raise
      raise self._damaged(error.strerror) from error

  def read(self, name):
    """The bytes of a member of the folder."""
    member = self._members.get(f'{self._folder}/{name}')
    if member is None:
      raise self._damaged(f'{name} is not in it')
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > self._size:
      raise self._damaged(f'{name} is compressed, which PyTorch does not do')
    with self._opened() as archive:
      return archive.read(member)

  def numbers(self, storage):
    """The numbers of a storage, a flat array; bfloat16 as uint16."""
    dtype = np.dtype({'bfloat16': 'uint16'}.get(storage.dtype, storage.dtype)).newbyteorder('<')
    data = self.read(f'data/{storage.key}')
    if len(data) < storage.count * dtype.itemsize:
      raise self._damaged(f'data/{storage.key} is shorter than its tensor')
    return np.frombuffer(data, dtype, storage.count)


def _check_opcodes(data):
  """Refuses what could take memory or time beyond the pickle's own size, before it is run."""
  if len(data) > _MAX_PICKLE:
    raise pickle.UnpicklingError('its data.pkl is too large')
  for opcode, argument, _ in pickletools.genops(data):
    if opcode.name in _REFUSED_OPCODES:
      raise pickle.UnpicklingError(f'it has an opcode {opcode.name}')
    if opcode.name in ('PUT', 'BINPUT', 'LONG_BINPUT') and not 0 <= int(argument) <= len(data):
      raise pickle.UnpicklingError('its memory is numbered wrongly')


def read(path):
  """Reads a checkpoint that `torch.save` wrote.

  Args:
    path: of the file.

  Returns:
    What was saved: dicts, lists, numbers, texts; `Tensor`s; `Values` in place of other objects.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is no such file, damaged, or names anything that a model does not need.
  """
  if not os.path.exists(path):
    raise FileNotFoundError(f'there is no file {path}')
  if os.path.isdir(path):
    raise ValueError(f'{path} is a folder: name the file of a checkpoint in it')
  archive = _Archive(path)
  data = archive.read('data.pkl')
  try:
    _check_opcodes(data)
    return _Unpickler(data, archive).load()
  except pickle.UnpicklingError as error:
    raise ValueError(f'{path} is refused: {error}') from error
  except (ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
          MemoryError, RecursionError) as error:
    raise ValueError(f'{path} has a damaged data.pkl ({type(error).__name__})') from error
