"""Writing files so that neither a reader nor a crash ever sees half of one."""

import contextlib
import errno
import fcntl
import io
import json
import math
import os
import re
import socket
import stat
import time
import uuid
import zipfile
import zlib

import numpy as np
import tensorflow as tf


# What TensorFlow raises when another machine went away, or comes back; to try again may help.
PASSING = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError,
           tf.errors.InternalError, tf.errors.UnknownError, tf.errors.CancelledError)
# The process that writes, in the names of its temporary files: what a dead one left is recognized.
_TEMPORARY = re.compile(r'\.(?P<process>\d+)@(?P<host>[\w.-]+)\.[0-9a-f]{8}\.tmp$')
_FORGOTTEN = 86400  # seconds after which other machines' temporary files are left-overs


@contextlib.contextmanager
def told(path, done='written'):
  """Makes what TensorFlow and the system say of a file an OSError of one line.

  Args:
    path: the file or folder, as the user knows it.
    done: what cannot be done with it.
  """
  try:
    yield
  except tf.errors.OpError as error:
    passing = isinstance(error, PASSING) and not isinstance(error, tf.errors.UnknownError)
    if passing or (is_remote(path) and isinstance(error, PASSING)):
      raise  # to try again may help
    reason = ' '.join(str(error.message).split()).rpartition('; ')[2][:200]
    if isinstance(error, tf.errors.NotFoundError):
      raise FileNotFoundError(errno.ENOENT, f'cannot be {done} ({reason})', path) from error
    raise OSError(errno.EIO, f'cannot be {done} ({reason})', path) from error
  except OSError as error:
    if error.filename == path and str(error.strerror).startswith('cannot be '):
      raise
    raise OSError(errno.EIO, f'cannot be {done} ({error.strerror or error})', path) from error


def check_writable(folder):
  """Makes a folder, and removes temporary files that dead processes left right in it.

  Raises:
    OSError: of one line, if nothing can be written into it.
  """
  with told(folder, 'written into'):
    tf.io.gfile.makedirs(folder)
    for name in tf.io.gfile.listdir(folder):
      _remove_if_left(os.path.join(folder, name.rstrip('/')))
    probe = temporary_name(os.path.join(folder, 'probe'))
    with tf.io.gfile.GFile(probe, 'w') as f:
      f.write('.')
    tf.io.gfile.remove(probe)


def temporary_name(path):
  """A name beside a path for what shall take its place; `remove_left` knows it."""
  return f'{path}.{os.getpid()}@{place()}.{uuid.uuid4().hex[:8]}.tmp'


def remove_left(folder):
  """Removes temporary files and folders, anywhere below a folder, whose process is dead.

  Those of other machines are left where they were until they are a day old.
  """
  walk = tf.io.gfile.walk if is_remote(folder) else os.walk
  with contextlib.suppress(tf.errors.OpError, OSError):
    for inner, folders, names in walk(folder):
      for name in [*folders, *names]:
        _remove_if_left(os.path.join(inner, name.rstrip('/')))


def _remove_if_left(path):
  with contextlib.suppress(tf.errors.OpError, OSError):  # another's, or just removed by another
    if _is_left(path):
      (tf.io.gfile.rmtree if tf.io.gfile.isdir(path) else tf.io.gfile.remove)(path)


def _is_left(path):
  found = _TEMPORARY.search(path)
  if not found:
    return False
  if found['host'] == place():
    return not is_alive(int(found['process']))
  stored = size_and_time(path)
  return stored is not None and time.time() - stored[1] / 1e9 > _FORGOTTEN


def place():
  """Where numbers of processes mean the same: this machine, or this container on it."""
  try:
    numbers = os.stat('/proc/self/ns/pid').st_ino
  except OSError:
    numbers = 0
  return f'{socket.gethostname()}-{numbers}'


def is_alive(process):
  """Whether a process of this place is there, by its number."""
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return False
  except PermissionError:  # another user's
    pass
  return True


def write(path, content):
  """Replaces a file in one step; its folder is made if it isn't there.

  Args:
    path: str, local or remote (gs://).
    content: str or bytes.

  Raises:
    OSError: of one line, if it cannot be written; what was there stays.
  """
  with told(path):
    if os.path.dirname(path):
      tf.io.gfile.makedirs(os.path.dirname(path))
    temporary = temporary_name(path)
    try:
      with tf.io.gfile.GFile(temporary, 'wb' if isinstance(content, bytes) else 'w') as f:
        f.write(content)
      tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException:
      if tf.io.gfile.exists(temporary):
        tf.io.gfile.remove(temporary)
      raise


@contextlib.contextmanager
def exclusive(folder):
  """Within the context, no other process is in one of the same local folder, which is made.

  What is read, changed and written within it loses nothing that others write. On remote storage,
  and on file systems without locks, there is no such thing.
  """
  if is_remote(folder):
    yield
    return
  with told(folder, 'written into'):
    os.makedirs(folder, exist_ok=True)
    number = os.open(folder, os.O_RDONLY)
  try:
    with contextlib.suppress(OSError):
      fcntl.flock(number, fcntl.LOCK_EX)
    yield
  finally:
    os.close(number)


_FORMULA = ('=', '+', '-', '@', '\t', '\r')


def for_spreadsheets(field):
  """A text of a CSV file, quoted so that no spreadsheet takes it for a formula; numbers stay."""
  if not field.startswith(_FORMULA):
    return field
  try:
    float(field)
  except ValueError:
    return f"'{field}"
  return field


def from_spreadsheets(field):
  """The text that `for_spreadsheets` had."""
  return field[1:] if field.startswith("'") and field[1:].startswith(_FORMULA) else field


def private_folder(path):
  """Makes a folder for this user alone, among those of all users, and returns its path.

  Raises:
    ValueError: if there is something else, or if others may write into it.
  """
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with contextlib.suppress(FileExistsError):
    os.mkdir(path, 0o700)
  found = os.lstat(path)
  if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
    raise ValueError(f'{path} is not a folder of this user alone: remove it, or name another place '
                     'for temporary files with TMPDIR')
  return path


def write_arrays(path, arrays, compressed=False):
  """Replaces an .npz file in one step; `arrays` is a dict, see `write`."""
  buffer = io.BytesIO()
  (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
  write(path, buffer.getvalue())


def packed(arrays):
  """A dict of arrays as bytes; a name is a string, or a tuple of strings and numbers."""
  buffer = io.BytesIO()
  np.savez(buffer, **{json.dumps(name): value for name, value in arrays.items()})
  return buffer.getvalue()


def unpacked(content):
  """The dict of `packed`. Of other bytes it raises ValueError, OSError, EOFError or BadZipFile."""
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    names = {name: json.loads(name) for name in arrays}
    return {tuple(name) if isinstance(name, list) else name: arrays[key]
            for key, name in names.items()}


def is_remote(path):
  """Whether a path is of a storage that other machines reach, too, such as gs://."""
  return '://' in path


class ByTime:
  """Writes what changes often, at once where that is cheap, and every half minute elsewhere.

  Args:
    path: of the file, or of a folder of it.
  """

  _SECONDS = 30.0

  def __init__(self, path):
    self._seconds = self._SECONDS if is_remote(path) else 0.0
    self._waiting, self._last = None, -self._SECONDS

  def __call__(self, write):
    """Calls a function that writes, now or later; then the last one alone."""
    self._waiting = write
    if time.monotonic() - self._last >= self._seconds:
      self.flush()

  def flush(self):
    """Calls the function that waits, if one does."""
    if self._waiting:
      self._waiting()
      self._waiting, self._last = None, time.monotonic()


def size_and_time(path):
  """(bytes, time of the last change in ns) of a file; None if there is none that can be asked."""
  try:
    found = tf.io.gfile.stat(path)
  except tf.errors.OpError:
    return None
  return found.length, found.mtime_nsec


def read(path):
  """The text of a file.

  Raises:
    OSError: if it cannot be read; FileNotFoundError if it isn't there.
    ValueError: if it is no text in UTF-8.
  """
  with told(path, 'read'), tf.io.gfile.GFile(path, 'rb') as f:
    content = f.read()
  try:
    return content.decode()
  except UnicodeDecodeError as error:
    raise ValueError(f'{path} is no text in UTF-8 (byte {error.start})') from error


def read_json(path, form, remedy='delete it'):
  """What a JSON file holds.

  Args:
    path: the file.
    form: its form, by example: {'step': int} is a dict that has a whole number under 'step',
      {'levels': [str]} one with a list of texts; `object` is anything.
    remedy: what to do where it has another form.

  Raises:
    ValueError: if it is no JSON, or has another form.
  """
  try:
    found = json.loads(read(path))
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path} is damaged ({str(error)[:100]}): {remedy}') from error
  if not _has_form(found, form):
    raise ValueError(f'{path} is damaged (it does not hold what it should): {remedy}')
  return found


def read_json_if_there(path, form, remedy='delete it'):
  """As `read_json`; None if there is no such file, or if another process has just removed it."""
  try:
    return read_json(path, form, remedy) if tf.io.gfile.exists(path) else None
  except (FileNotFoundError, tf.errors.NotFoundError):
    return None


def _has_form(value, form):
  if isinstance(form, dict):
    return isinstance(value, dict) and all(
        name in value and _has_form(value[name], inner) for name, inner in form.items())
  if isinstance(form, list):
    return isinstance(value, list) and all(_has_form(item, form[0]) for item in value)
  return isinstance(value, form) and not (form is int and isinstance(value, bool))


def read_arrays(path, names=None, mapped=False):
  """The arrays of an .npz file by name, or under '' that of an .npy file.

  Args:
    path: the file.
    names: which of an .npz file's; None: all.
    mapped: whether an .npy file's array stays on the disk, where that is local.

  Raises:
    ValueError: if it is damaged, has Python objects, or speaks of more bytes than it holds: what it
      speaks of would be taken from memory.
  """
  opened = tf.io.gfile.GFile(path, 'rb') if is_remote(path) else open(path, 'rb')
  try:
    with opened as file:
      if is_remote(path):
        file = io.BytesIO(file.read())
      if zipfile.is_zipfile(file):
        return _members(file, names)
      if mapped and not is_remote(path):
        return {'': np.load(path, mmap_mode='r', allow_pickle=False)}
      return {'': _array(lambda: file, file.seek(0, os.SEEK_END))}
  except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, MemoryError,
          NotImplementedError) as error:
    raise ValueError(f'{path} cannot be read as arrays ({str(error)[:150]})') from error


def _members(file, names):
  with zipfile.ZipFile(file) as archive:
    members = {info.filename.removesuffix('.npy'): info for info in archive.infolist()}
    return {name: _array(lambda info=info: archive.open(info), info.file_size)
            for name, info in members.items() if names is None or name in names}


def _array(opened, size):
  """An array of an .npy file of so many bytes; `opened` gives what it is read from."""
  with opened() as file:
    file.seek(0)
    version = np.lib.format.read_magic(file)
    header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
              else np.lib.format.read_array_header_2_0)
    shape, _, dtype = header(file)
    told_size = math.prod(shape) * dtype.itemsize
    if told_size > size:
      raise ValueError(f'its header speaks of {told_size:,} bytes, and it has {size:,}')
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
