"""A lock that lets only one process train in a model directory.

The lock ends with its process, however the process ends.

On a file system with locks (`flock`; NFS has it, too), the lock is on the file `training.lock`,
which names its owner. Elsewhere, as on gs://, this file is a lease. The owner renews it every 10
seconds. Another process takes the lease if it was not renewed for a minute and is not renewed in
the next 25 seconds. It takes it sooner if the owner was a process of this machine that is dead. Two
processes that take it within one second may both believe that they own it, until the next renewal.
Cloud storage has nothing that TensorFlow could use against this.
"""

import contextlib
import datetime
import errno
import fcntl
import getpass
import json
import os
import socket
import sys
import threading
import time
import uuid

import tensorflow as tf

from tf_videogen import files

FILE = 'training.lock'
RENEWED = 10.0  # seconds between two renewals of a lease
EXPIRED = 60.0  # seconds without renewal after which a lease may be taken
_FORM = {'host': str, 'place': str, 'process': int, 'user': str, 'since': str, 'id': str,
         'renewed': float}


class Occupied(ValueError):
  """Another process trains in the model directory."""


@contextlib.contextmanager
def occupied(model_dir, wait=False, look=lambda: None):
  """Holds a model directory for training.

  Args:
    model_dir: the model directory, local or remote; created if missing.
    wait: whether to wait while another process holds the directory, in order to resume its run.
    look: called once per second while waiting; may raise.

  Raises:
    Occupied: if another process holds it and `wait` is false. The message says who, where, since
      when, and what to do.
    OSError: if nothing can be written into the directory.
  """
  files.check_writable(model_dir)
  path = os.path.join(model_dir, FILE)
  take = _lease if files.is_remote(model_dir) else _lock
  told = False
  while True:
    held = take(path)
    if held is not None:
      break
    who = _who(path)
    if not wait:
      raise Occupied(f'{who} is training in {model_dir}: use another --model_dir, end that '
                     'process, or resume after it with --wait')
    if not told:
      print(f'waiting for {who}, which trains in {model_dir}', flush=True)
      told = True
    look()
    time.sleep(1)
  try:
    yield
  finally:
    held()


def _me():
  now = datetime.datetime.now(datetime.timezone.utc)
  try:
    user = getpass.getuser()
  except (KeyError, OSError):  # a number without a name
    user = str(os.getuid())
  return {'host': socket.gethostname(), 'place': files.place(), 'process': os.getpid(),
          'user': user, 'since': now.strftime('%Y-%m-%d %H:%M:%S UTC'), 'id': uuid.uuid4().hex,
          'renewed': now.timestamp()}


def _read(path):
  """The content of a lock's file; None if there is no such file, or if it cannot be read."""
  try:
    return files.read_json(path, _FORM)
  except (ValueError, OSError, tf.errors.OpError):
    return None


def _who(path):
  found = _read(path)
  if found is None:
    return 'another process'
  return (f'process {found["process"]} of {found["user"]} on {found["host"]} (since '
          f'{found["since"]})')


def _lock(path):
  """Takes the lock; returns the function that releases it, or None if another process has it."""
  file = open(path, 'a+', encoding='utf-8')
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError as error:
    file.close()
    if error.errno in (errno.EACCES, errno.EAGAIN):
      return None
    return _lease(path)  # a file system without locks
  file.truncate(0)
  file.write(json.dumps(_me()))
  file.flush()

  def give_back():
    file.truncate(0)
    file.close()  # releases the lock

  return give_back


def _is_free(path):
  """Whether a lease has no living owner."""
  if not tf.io.gfile.exists(path):
    return True
  lease = _read(path)
  if lease is not None:
    if lease['place'] == files.place() and not files.is_alive(lease['process']):
      return True
    if time.time() - lease['renewed'] <= EXPIRED:
      return False
  # It is too old, but clocks of machines differ; or it cannot be read at the moment. If the owner
  # is alive, it renews the lease now.
  end = time.monotonic() + 2.5 * RENEWED
  while time.monotonic() < end:
    time.sleep(RENEWED / 4)
    now = _read(path)
    if now is not None and (lease is None or now['renewed'] != lease['renewed']):
      return False
  return True


def _lease(path):
  """Takes the lease; returns the function that releases it, or None if another process has it."""
  if not _is_free(path):
    return None
  mine = _me()
  files.write(path, json.dumps(mine))
  time.sleep(min(1.0, RENEWED))
  now = _read(path)
  if now is None or now['id'] != mine['id']:  # another process took it at the same moment
    return None
  ended = threading.Event()

  def renew():
    while not ended.wait(RENEWED):
      now = _read(path)
      if now is not None and now['id'] != mine['id']:
        print(f'{os.path.dirname(path)} was taken over by {_who(path)}: this process did not '
              'renew its claim for too long, and ends', file=sys.stderr, flush=True)
        os._exit(1)  # nothing more may be written
      try:
        files.write(path, json.dumps({**mine, 'renewed': time.time()}))
      except (OSError, tf.errors.OpError):
        pass  # the next renewal may succeed; a lasting error shows up in training itself

  thread = threading.Thread(target=renew, daemon=True)
  thread.start()

  def give_back():
    ended.set()
    thread.join()
    now = _read(path)
    if now is not None and now['id'] == mine['id']:
      with contextlib.suppress(tf.errors.OpError):  # if it stays, it expires
        tf.io.gfile.remove(path)

  return give_back
