"""Writing files so that neither a reader nor a crash ever sees half of one."""

import io
import json
import os
import time
import uuid

import numpy as np
import tensorflow as tf


def write(path, content):
  """Replaces a file in one step; its folder is made if it isn't there.

  Args:
    path: str, local or remote (gs://).
    content: str or bytes.
  """
  if os.path.dirname(path):
    tf.io.gfile.makedirs(os.path.dirname(path))
  temporary = f'{path}.{uuid.uuid4().hex[:8]}.tmp'
  try:
    with tf.io.gfile.GFile(temporary, 'wb' if isinstance(content, bytes) else 'w') as f:
      f.write(content)
    tf.io.gfile.rename(temporary, path, overwrite=True)
  except BaseException:
    if tf.io.gfile.exists(temporary):
      tf.io.gfile.remove(temporary)
    raise


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
  """The text of a file."""
  with tf.io.gfile.GFile(path) as f:
    return f.read()
