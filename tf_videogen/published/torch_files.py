"""Reads checkpoints of PyTorch without PyTorch, and without executing anything in them.

Since PyTorch 1.6, a checkpoint is an uncompressed zip file. `<name>/data.pkl` is a pickle of plain
values and of tensors' shapes. Each `<name>/data/<key>` has the numbers of one storage. A pickle is
a program, which may name any function of Python and have it called. Here a small machine runs the
few instructions that a checkpoint needs. It calls nothing. It makes plain values of the names that
a checkpoint needs, and refuses every other name. All that it makes is at most as large as the file.
"""

import contextlib
import errno
import math
import os
import pickletools
import reprlib
import struct
import typing
import zipfile
import zlib

import numpy as np

_STORAGES = {  # torch's class -> type of its numbers
    'torch.DoubleStorage': 'float64', 'torch.FloatStorage': 'float32',
    'torch.HalfStorage': 'float16', 'torch.BFloat16Storage': 'bfloat16',
    'torch.LongStorage': 'int64', 'torch.IntStorage': 'int32', 'torch.ShortStorage': 'int16',
    'torch.CharStorage': 'int8', 'torch.ByteStorage': 'uint8', 'torch.BoolStorage': 'bool'}
_DICTS = ('collections.OrderedDict', 'pytorch_lightning.utilities.parsing.AttributeDict')
_INERT = (  # An object, whose attributes are kept; NumPy's numbers, whose values are not needed.
    'argparse.Namespace', 'numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar',
    'numpy.dtype', '_codecs.encode')
_KNOWN = {*_STORAGES, *_DICTS, *_INERT, 'torch.Size', 'torch._utils._rebuild_tensor_v2',
          'torch._utils._rebuild_parameter'}
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError,
           struct.error, UnicodeError)  # errors of damaged zip files


class Refused(ValueError):
  """A file contains something that a model's checkpoint does not need."""


class Name(str):
  """The full name of a class or a function."""


class Values:
  """Stands for an object whose class is not known here.

  Attributes:
    name: the full name of its class.
    state: its attributes; None if it has none.
  """

  def __init__(self, name):
    self.name, self.state = name, None


class _Storage(typing.NamedTuple):
  """The numbers in a member of an archive: the archive, the member's key, type and count."""
  archive: typing.Any
  key: str
  dtype: str
  count: int


class Tensor:
  """A tensor of a checkpoint; `numpy` reads its numbers.

  Attributes:
    shape: tuple of ints.
    dtype: name of the type, such as 'float32'.
    size: number of its elements.
  """

  def __init__(self, storage, offset, shape, strides):
    are_tuples = isinstance(shape, tuple) and isinstance(strides, tuple)
    if not (isinstance(storage, _Storage) and are_tuples and len(shape) == len(strides) <= 8 and
            all(type(n) is int and 0 <= n < 2**48 for n in (offset, *shape, *strides))):
      raise Refused('a tensor is malformed')
    size = math.prod(shape)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if size > storage.count or (size and last >= storage.count):
      raise Refused('a tensor is larger than its numbers')
    self.shape, self.dtype = shape, storage.dtype
    self.size = size
    self._storage, self._offset, self._strides = storage, offset, strides

  def numpy(self):
    """Returns the numbers as an array; bfloat16 becomes float32."""
    values = self._storage.archive.numbers(self._storage)
    if self.dtype == 'bfloat16':
      values = (values.astype(np.uint32) << 16).view(np.float32)
    steps = [stride * values.itemsize for stride in self._strides]
    view = np.lib.stride_tricks.as_strided(values[self._offset:], self.shape, steps)
    return np.array(view)


class _Mark:
  """Marks the beginning of a tuple, a list or a dict on the stack."""


class _Machine:
  """Runs a pickle's instructions; each puts at most one plain value on the stack.

  Args:
    archive: the _Archive with the numbers of the tensors.
  """

  _PLAIN = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
  _LITERALS = {
      'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINUNICODE',
      'BINUNICODE8', 'BINSTRING', 'SHORT_BINSTRING', 'BINBYTES', 'SHORT_BINBYTES'}

  def __init__(self, archive):
    self._archive, self._stack, self._memo = archive, [], {}

  def run(self, data):
    """Returns the value that a pickle, bytes, makes."""
    for opcode, argument, _ in pickletools.genops(data):
      name = opcode.name
      if name == 'STOP':
        return self._stack.pop()
      if name in self._LITERALS:
        self._stack.append(argument)
      elif name in self._PLAIN:
        self._stack.append(self._PLAIN[name])
      elif hasattr(self, f'_on_{name}'):
        getattr(self, f'_on_{name}')(argument)
      elif name not in ('PROTO', 'FRAME'):
        raise Refused(f'its pickle has an instruction {name}')
    raise Refused('its pickle has no end')

  def _since_mark(self):
    found = []
    while not isinstance(top := self._stack.pop(), _Mark):
      found.append(top)
    return found[::-1]

  def _on_MARK(self, _):
    self._stack.append(_Mark())

  def _on_EMPTY_TUPLE(self, _):
    self._stack.append(())

  def _on_EMPTY_LIST(self, _):
    self._stack.append([])

  def _on_EMPTY_DICT(self, _):
    self._stack.append({})

  def _on_TUPLE(self, _):
    self._stack.append(tuple(self._since_mark()))

  def _on_TUPLE1(self, _):
    self._pack(1)

  def _on_TUPLE2(self, _):
    self._pack(2)

  def _on_TUPLE3(self, _):
    self._pack(3)

  def _pack(self, count):
    packed = tuple(self._stack.pop() for _ in range(count))[::-1]
    self._stack.append(packed)

  def _on_APPEND(self, _):
    value = self._stack.pop()
    self._top(list).append(value)

  def _on_APPENDS(self, _):
    values = self._since_mark()
    self._top(list).extend(values)

  def _on_SETITEM(self, _):
    value, key = self._stack.pop(), self._stack.pop()
    self._set([key, value])

  def _on_SETITEMS(self, _):
    self._set(self._since_mark())

  def _set(self, pairs):
    target = self._top(dict)
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
      if not (key is None or isinstance(key, (str, int, float))):
        raise Refused(f'it has a key of the type {type(key).__name__}')
      target[key] = value

  def _top(self, kind):
    if not isinstance(self._stack[-1], kind):
      raise Refused(f'its pickle adds to something that is not a {kind.__name__}')
    return self._stack[-1]

  def _on_BINPUT(self, index):
    self._memo[index] = self._stack[-1]

  _on_LONG_BINPUT = _on_PUT = _on_BINPUT

  def _on_MEMOIZE(self, _):
    self._memo[len(self._memo)] = self._stack[-1]

  def _on_BINGET(self, index):
    self._stack.append(self._memo[index])

  _on_LONG_BINGET = _on_GET = _on_BINGET

  def _on_GLOBAL(self, argument):
    self._name('.'.join(argument.split(' ')))

  def _on_STACK_GLOBAL(self, _):
    name, module = self._stack.pop(), self._stack.pop()
    self._name(f'{module}.{name}')

  def _name(self, full):
    if full not in _KNOWN and not full.startswith('pytorch_lightning.'):
      raise Refused(f'it uses {full[:100]!r}, which a checkpoint of a model does not need')
    self._stack.append(Name(full))

  def _on_REDUCE(self, _):
    arguments, name = self._stack.pop(), self._stack.pop()
    if not (isinstance(name, Name) and isinstance(arguments, tuple)):
      raise Refused('its pickle calls something that is not a name')
    self._stack.append(self._made(name, arguments))

  def _on_NEWOBJ(self, _):
    self._on_REDUCE(None)

  def _made(self, name, arguments):
    """Returns the value that stands for a call of a name."""
    if name == 'torch._utils._rebuild_tensor_v2':
      if len(arguments) < 4:
        raise Refused('a tensor is malformed')
      return Tensor(*arguments[:4])
    if name == 'torch._utils._rebuild_parameter' and arguments:
      return arguments[0]
    if name == 'torch.Size':
      return arguments[0] if arguments else ()
    if name in _DICTS:
      if arguments:
        raise Refused(f'it makes a {name} from arguments')
      return {}
    return Values(name)

  def _on_BUILD(self, _):
    state = self._stack.pop()
    target = self._stack[-1]
    if isinstance(target, Values):
      target.state = state
    elif not isinstance(target, dict):  # a dict's attributes are not needed
      raise Refused(f'its pickle gives attributes to a {type(target).__name__}')

  def _on_BINPERSID(self, _):
    saved = self._stack.pop()
    if not (isinstance(saved, tuple) and len(saved) == 5 and saved[0] == 'storage' and
            isinstance(saved[1], Name) and saved[1] in _STORAGES and
            isinstance(saved[2], str) and type(saved[4]) is int):
      raise Refused('a storage is malformed')
    storage = _Storage(self._archive, saved[2], _STORAGES[saved[1]], saved[4])
    self._archive.check(storage)
    self._stack.append(storage)


def _numpy_type(storage):
  return np.dtype({'bfloat16': 'uint16'}.get(storage.dtype, storage.dtype)).newbyteorder('<')


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
    return ValueError(f'{self._path} is not a checkpoint of PyTorch, or is damaged ({why}); one '
                      'from before PyTorch 1.6 must be loaded and saved again')

  @contextlib.contextmanager
  def _opened(self):
    """Opens the zip file; a damaged one raises a ValueError."""
    try:
      with zipfile.ZipFile(self._path) as archive:
        yield archive
    except _DAMAGE as error:
      raise self._damaged(error) from error
    except OSError as error:
      if error.errno != errno.EINVAL:  # a position before the file's beginning
        raise
      raise self._damaged(error.strerror) from error

  def _member(self, name):
    member = self._members.get(f'{self._folder}/{name}')
    if member is None:
      raise self._damaged(f'{name} is not in it')
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > self._size:
      raise self._damaged(f'{name} is compressed, which PyTorch does not do')
    return member

  def read(self, name):
    """Returns the bytes of a member of the folder."""
    member = self._member(name)
    with self._opened() as archive:
      return archive.read(member)

  def check(self, storage):
    """Raises Refused if a storage claims more numbers than there are."""
    there = self._member(f'data/{storage.key}').file_size // _numpy_type(storage).itemsize
    if not 0 <= storage.count <= there:
      raise Refused(f'data/{storage.key} has fewer numbers than its tensor')

  def numbers(self, storage):
    """Returns the numbers of a storage as a flat array; bfloat16 as uint16."""
    data, dtype = self.read(f'data/{storage.key}'), _numpy_type(storage)
    if len(data) < storage.count * dtype.itemsize:
      raise self._damaged(f'data/{storage.key} is shorter than its tensor')
    return np.frombuffer(data, dtype, storage.count)


def read(path):
  """Reads a checkpoint that `torch.save` wrote.

  Args:
    path: path of the file.

  Returns:
    The saved value: dicts, lists, tuples, numbers, strings, and `Tensor`s. A `Name` stands for a
    class, and `Values` for any other object.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if the file is not a checkpoint, is damaged, or names anything that a model does not
      need.
  """
  if not os.path.exists(path):
    raise FileNotFoundError(f'there is no file {path}')
  if os.path.isdir(path):
    raise ValueError(f'{path} is a folder: give the file of a checkpoint in it')
  archive = _Archive(path)
  data = archive.read('data.pkl')
  try:
    return _Machine(archive).run(data)
  except Refused as error:
    raise ValueError(f'{path} is refused: {error}') from error
  except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
    raise ValueError(f'{path} has a damaged data.pkl ({reprlib.repr(str(error))})') from error
