"""Reading and writing files, local and remote.

Files are replaced in one step: no reader sees half of one, and no crash leaves half of one.
"""

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


# Errors that TensorFlow raises if another machine is lost or returns. A retry may succeed.
PASSING = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError,
           tf.errors.InternalError, tf.errors.UnknownError, tf.errors.CancelledError)
# The name of a temporary file has the process that writes it, by which left-overs are recognized.
_TEMPORARY = re.compile(r'\.(?P<process>\d+)@(?P<host>[\w.-]+)\.[0-9a-f]{8}\.tmp$')
_FORGOTTEN = 86400  # seconds after which temporary files of other machines count as left-overs


@contextlib.contextmanager
def told(path, done='written'):
  """A context that turns TensorFlow's and the system's file errors into an OSError of one line.

  Errors after which a retry may succeed stay as they are.

  Args:
    path: the file or folder, as the user knows it.
    done: a participle for the message "cannot be ...", such as 'written' or 'read'.

  Raises:
    FileNotFoundError: for TensorFlow's NotFoundError.
    OSError: for other errors.
  """
  try:
    yield
  except tf.errors.OpError as error:
    passing = isinstance(error, PASSING) and not isinstance(error, tf.errors.UnknownError)
    if passing or (is_remote(path) and isinstance(error, PASSING)):
      raise  # a retry may succeed
    reason = ' '.join(str(error.message).split()).rpartition('; ')[2][:200]
    if isinstance(error, tf.errors.NotFoundError):
      raise FileNotFoundError(errno.ENOENT, f'cannot be {done} ({reason})', path) from error
    raise OSError(errno.EIO, f'cannot be {done} ({reason})', path) from error
  except OSError as error:
    if error.filename == path and str(error.strerror).startswith('cannot be '):
      raise
    raise OSError(errno.EIO, f'cannot be {done} ({error.strerror or error})', path) from error


def check_writable(folder):
  """Creates a folder if it is missing, and checks that files can be written into it.

  It also removes temporary files that dead processes left directly in the folder.

  Raises:
    OSError: if nothing can be written into the folder. Its message is one line.
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
  """A temporary path beside `path`, for a file that will replace it; see `remove_left`."""
  return f'{path}.{os.getpid()}@{place()}.{uuid.uuid4().hex[:8]}.tmp'


def remove_left(folder):
  """Removes the temporary files and folders of dead processes, anywhere below a folder.

  Temporary files of other machines are removed when they are a day old.
  """
  walk = tf.io.gfile.walk if is_remote(folder) else os.walk
  with contextlib.suppress(tf.errors.OpError, OSError):
    for inner, folders, names in walk(folder):
      for name in [*folders, *names]:
        _remove_if_left(os.path.join(inner, name.rstrip('/')))


def _remove_if_left(path):
  with contextlib.suppress(tf.errors.OpError, OSError):  # another user's, or just removed
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
  """Names where process ids are unique: this machine, or this container on it."""
  try:
    numbers = os.stat('/proc/self/ns/pid').st_ino
  except OSError:
    numbers = 0
  return f'{socket.gethostname()}-{numbers}'


def is_alive(process):
  """Whether a process of this `place` exists; `process` is its id."""
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return False
  except PermissionError:  # another user's process
    pass
  return True


def write(path, content):
  """Replaces a file in one step; creates its folder if missing.

  Args:
    path: str, local or remote (gs://).
    content: str or bytes.

  Raises:
    OSError: if the file cannot be written. Its message is one line. The old file stays.
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
  """A context that only one process at a time can enter for a local folder.

  The folder is created if missing. Within the context, a file can be read, changed and written
  without losing changes of other processes. On remote storage, and on file systems without locks,
  the context does not keep others out.
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
  """Quotes a text of a CSV file that a spreadsheet would take for a formula; numbers stay."""
  if not field.startswith(_FORMULA):
    return field
  try:
    float(field)
  except ValueError:
    return f"'{field}"
  return field


def from_spreadsheets(field):
  """The inverse of `for_spreadsheets`."""
  return field[1:] if field.startswith("'") and field[1:].startswith(_FORMULA) else field


def private_folder(path):
  """Creates a folder that only this user can access, and returns its path.

  Args:
    path: path of the folder. All users may share the folder above it.

  Raises:
    ValueError: if the path is not a folder, belongs to another user, or others have access to it.
  """
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with contextlib.suppress(FileExistsError):
    os.mkdir(path, 0o700)
  found = os.lstat(path)
  if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
    raise ValueError(f'{path} is not a private folder of this user: remove it, or give another '
                     'place for temporary files with TMPDIR')
  return path


def write_arrays(path, arrays, compressed=False):
  """Replaces an .npz file in one step; `arrays` is a dict, see `write`."""
  buffer = io.BytesIO()
  (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
  write(path, buffer.getvalue())


def packed(arrays):
  """Packs a dict of arrays into bytes. A name is a string, or a tuple of strings and numbers."""
  buffer = io.BytesIO()
  np.savez(buffer, **{json.dumps(name): value for name, value in arrays.items()})
  return buffer.getvalue()


def unpacked(content):
  """Returns the dict of arrays that `packed` packed.

  Raises:
    ValueError, OSError, EOFError, BadZipFile: for other bytes.
  """
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    names = {name: json.loads(name) for name in arrays}
    return {tuple(name) if isinstance(name, list) else name: arrays[key]
            for key, name in names.items()}


def is_remote(path):
  """Whether a path is on storage that other machines reach, too, such as gs://."""
  return '://' in path


class ByTime:
  """Writes a file that changes often: locally at once, on remote storage every half minute.

  Args:
    path: path of the file, or of a folder above it.
  """

  _SECONDS = 30.0

  def __init__(self, path):
    self._seconds = self._SECONDS if is_remote(path) else 0.0
    self._waiting, self._last = None, -self._SECONDS

  def __call__(self, write):
    """Calls `write`, now or later. If several functions wait, only the last one is called."""
    self._waiting = write
    if time.monotonic() - self._last >= self._seconds:
      self.flush()

  def flush(self):
    """Calls the waiting function, if there is one."""
    if self._waiting:
      self._waiting()
      self._waiting, self._last = None, time.monotonic()


def size_and_time(path):
  """A file's size in bytes and time of its last change in ns, a pair; None if it is not found."""
  try:
    found = tf.io.gfile.stat(path)
  except tf.errors.OpError:
    return None
  return found.length, found.mtime_nsec


def read(path):
  """The text of a file.

  Raises:
    FileNotFoundError: if the file does not exist.
    OSError: if it cannot be read.
    ValueError: if it is not text in UTF-8.
  """
  with told(path, 'read'), tf.io.gfile.GFile(path, 'rb') as f:
    content = f.read()
  try:
    return content.decode()
  except UnicodeDecodeError as error:
    raise ValueError(f'{path} is not text in UTF-8 (byte {error.start})') from error


def read_json(path, form, remedy='delete it'):
  """Returns the content of a JSON file, after a check of its form.

  Args:
    path: path of the file.
    form: the expected form, by example. {'step': int} is a dict with an integer under 'step'.
      {'levels': [str]} is a dict with a list of strings under 'levels'. `object` is anything.
    remedy: what the user should do if the file has another form; part of the error message.

  Raises:
    FileNotFoundError, OSError: see `read`.
    ValueError: if the file is not JSON, or has another form.
  """
  try:
    found = json.loads(read(path))
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path} is damaged ({str(error)[:100]}): {remedy}') from error
  if not _has_form(found, form):
    raise ValueError(f'{path} is damaged (its content is not as expected): {remedy}')
  return found


def read_json_if_there(path, form, remedy='delete it'):
  """As `read_json`, but returns None if the file does not exist or was just removed."""
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
  """The arrays of an .npz file by name; of an .npy file, its array under the name ''.

  Args:
    path: path of the file.
    names: names of the arrays of an .npz file to read; all if None.
    mapped: whether the array of an .npy file on a local disk is memory-mapped instead of read.

  Raises:
    OSError: if a local file cannot be opened.
    ValueError: if the file is damaged, has Python objects, or declares more bytes than it holds,
      for which NumPy would allocate memory.
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
  """Reads the array of an .npy file.

  Args:
    opened: () -> the file, opened.
    size: bytes of the file.

  Raises:
    ValueError: if its header declares an array of more bytes.
  """
  with opened() as file:
    file.seek(0)
    version = np.lib.format.read_magic(file)
    header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
              else np.lib.format.read_array_header_2_0)
    shape, _, dtype = header(file)
    told_size = math.prod(shape) * dtype.itemsize
    if told_size > size:
      raise ValueError(f'its header promises {told_size:,} bytes, but it has {size:,}')
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
