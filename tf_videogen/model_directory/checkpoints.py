"""Reading checkpoints: the latest readable one of a directory, and parts of an earlier stage's.

A crash may leave a truncated file behind. Then the checkpoint before it is used, and a line of the
log says so. A checkpoint that can be read but does not fit is another configuration's. That is an
error, and no earlier checkpoint is used.
"""
import os
import re

from absl import logging
import tensorflow as tf

from tf_videogen import files

_INDEX = re.compile(r'ckpt-\d+\.index$')
UNREADABLE = (IndexError, ValueError, tf.errors.OpError)


def has_other_hosts(strategy):
  """Whether other machines, the hosts of a named TPU, read data and read and write checkpoints."""
  return isinstance(strategy, tf.distribute.TPUStrategy) and not all(
      device.startswith('/job:localhost/') for device in strategy.extended.worker_devices)


def check_reachable(directory):
  """Raises a ValueError if machines of the current strategy cannot reach a model directory."""
  if has_other_hosts(tf.distribute.get_strategy()) and not files.is_remote(directory):
    raise ValueError(f'the hosts of the TPU cannot reach {directory} on this machine: give a '
                     'model directory on gs://')


def paths(directory):
  """Paths of a model directory's checkpoints, the newest first: ['dir/ckpt-300', ...].

  They are found by their files, not by TensorFlow's file `checkpoint`.
  """
  indices = tf.io.gfile.glob(os.path.join(directory, 'ckpt-*.index'))
  names = [path[:-len('.index')] for path in indices if _INDEX.search(path)]
  return sorted(names, key=step_of, reverse=True)


def remove_left(directory):
  """Removes files of incomplete checkpoints. No process may be writing a checkpoint meanwhile."""
  for pattern in ('checkpoint.tmp*', 'ckpt-*_temp'):
    for path in tf.io.gfile.glob(os.path.join(directory, pattern)):
      (tf.io.gfile.rmtree if tf.io.gfile.isdir(path) else tf.io.gfile.remove)(path)


def mend_state(directory):
  """Writes TensorFlow's file `checkpoint` anew if it does not name a checkpoint that exists."""
  found = paths(directory)
  try:
    state = tf.train.get_checkpoint_state(directory)
    latest = state and os.path.join(directory, os.path.basename(state.model_checkpoint_path))
  except (ValueError, tf.errors.OpError):
    latest = ''  # the file has another encoding, or is a folder
  if latest is None and not found or latest in found:
    return
  path = os.path.join(directory, 'checkpoint')
  if tf.io.gfile.exists(path):
    logging.warning('%s does not list the checkpoints beside it: written again', path)
    tf.io.gfile.remove(path)
  if found:
    oldest_first = found[::-1]
    times = [files.size_and_time(f'{name}.index')[1] / 1e9 for name in oldest_first]
    tf.compat.v1.train.update_checkpoint_state(
        directory, found[0], oldest_first, all_model_checkpoint_timestamps=times,
        last_preserved_timestamp=min(times) - 1)  # before all of them, so that none is kept forever


def step_of(path):
  """The step in a checkpoint's name: 'dir/ckpt-300' -> 300."""
  return int(path.rsplit('-', 1)[1])


def _is_readable(path):
  try:
    reader = tf.train.load_checkpoint(path)
    for name, dtype in reader.get_variable_to_dtype_map().items():
      if dtype != tf.string:
        reader.get_tensor(name)
  except UNREADABLE:
    return False
  return True


def restore(checkpoint, path, what='this config'):
  """Restores every object of `checkpoint` from `path`.

  Args:
    checkpoint: a tf.train.Checkpoint.
    path: path of a checkpoint, 'dir/ckpt-300'.
    what: name of the configuration in the error message.

  Returns:
    Whether the files can be read.

  Raises:
    ValueError: if the checkpoint is readable, but another configuration's.
  """
  try:
    # Without a line for every unused value. The error below names the first missing one.
    status = checkpoint.restore(path).expect_partial()
    status.assert_existing_objects_matched()
    return True
  except AssertionError as e:
    reason = str(e).splitlines()[0]
  except UNREADABLE as e:
    reason = str(e).splitlines()[0]
  if not _is_readable(path):
    logging.warning('%s cannot be read (%s)', path, reason[:120])
    return False
  raise ValueError(f'{path} was made by another configuration than {what}: {reason[:300]}. Use the '
                   'configuration that made it, or another --model_dir.')


def restore_latest(checkpoint, directory, what='this config'):
  """Restores the latest readable checkpoint of a directory.

  Args:
    checkpoint: a tf.train.Checkpoint.
    directory: a model directory.
    what: name of the configuration in the error message.

  Returns:
    The path of the restored checkpoint, or None if the directory has none.

  Raises:
    ValueError: if there are checkpoints, but none can be read; or if the latest readable one is
      another configuration's.
  """
  found = paths(directory)
  for i, path in enumerate(found):
    if restore(checkpoint, path, what):
      if i:
        logging.warning('resuming from %s, the latest readable checkpoint', path)
      return path
  if found:
    raise ValueError(f'none of the {len(found)} checkpoints in {directory} can be read; restore '
                     'them from a backup, or start over in another --model_dir')
  return None


def require(directory, what):
  """Raises a FileNotFoundError if an earlier stage's directory has no checkpoint.

  Args:
    directory: the earlier stage's model directory; '' or None if it is not given.
    what: name of the model in the message, such as 'the VQ-VAE'.
  """
  if not directory or not paths(directory):
    raise FileNotFoundError(f'no checkpoint of {what} in {directory!r}: train it first, and give '
                            'its --model_dir here')


def load_part(directory, what, **objects):
  """Loads objects from the latest readable checkpoint of an earlier stage's model directory.

  Args:
    directory: that stage's model directory.
    what: its name in messages, such as 'the VQ-VAE'.
    **objects: the objects, by their names in that stage's checkpoint.

  Raises:
    FileNotFoundError: if there is no checkpoint.
    ValueError: if no checkpoint can be read, if the latest readable one does not fit, or if a TPU's
      hosts cannot reach the directory.
  """
  require(directory, what)
  check_reachable(directory)
  restore_latest(tf.train.Checkpoint(**objects), directory, what + ' of this config')
