"""One process trains in a model directory: a lock that ends with its process, however that ends.

On a file system that has locks (`flock`; NFS too), the lock is on `training.lock`, which says who
has it. Elsewhere, as on gs://, that file is a lease: who has it renews it, and who finds one that
was not renewed for a minute, and is not within some seconds more, takes it. Two that take it in
one second may both believe to have it, until the next renewal: cloud storage has nothing that
TensorFlow could use against that.
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
EXPIRED = 60.0  # seconds after which a lease that was not renewed counts for nothing
_FORM = {'host': str, 'place': str, 'process': int, 'user': str, 'since': str, 'id': str,
         'renewed': float}


class Occupied(ValueError):
  """Another process trains in the directory."""


@contextlib.contextmanager
def occupied(model_dir, wait=False, look=lambda: None):
  """Holds a model directory for training.

  Args:
    model_dir: local or remote; made if it isn't there.
    wait: whether to wait while another process has it, and then go on from where that was.
    look: called once a second while waiting; may raise.

  Raises:
    Occupied: if another process has it: who, where, since when, and what to do.
    OSError: if the directory cannot be written into.
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
      raise Occupied(f'{model_dir} is being trained in by {who}: use another --model_dir, end that '
                     'process, or go on after it with --wait')
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
  """What a lock's file says; None if there is none, or nothing that can be read."""
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
  """Takes the lock, and returns what gives it back; None if another process has it."""
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
    file.close()  # with which the lock ends

  return give_back


def _is_free(path):
  """Whether a lease is nobody's any more."""
  if not tf.io.gfile.exists(path):
    return True
  lease = _read(path)
  if lease is not None:
    if lease['place'] == files.place() and not files.is_alive(lease['process']):
      return True
    if time.time() - lease['renewed'] <= EXPIRED:
      return False
  # Too old by the clocks of two machines, or not readable just now: a living owner renews it.
  end = time.monotonic() + 2.5 * RENEWED
  while time.monotonic() < end:
    time.sleep(RENEWED / 4)
    now = _read(path)
    if now is not None and (lease is None or now['renewed'] != lease['renewed']):
      return False
  return True


def _lease(path):
  """Takes the lease, and returns what gives it back; None if another process has a valid one."""
  if not _is_free(path):
    return None
  mine = _me()
  files.write(path, json.dumps(mine))
  time.sleep(min(1.0, RENEWED))
  now = _read(path)
  if now is None or now['id'] != mine['id']:  # somebody took it in the same moment
    return None
  ended = threading.Event()

  def renew():
    while not ended.wait(RENEWED):
      now = _read(path)
      if now is not None and now['id'] != mine['id']:
        print(f'{os.path.dirname(path)} is taken by {_who(path)}: this process was not heard of '
              'for too long, and ends', file=sys.stderr, flush=True)
        os._exit(1)  # nothing more may be written
      try:
        files.write(path, json.dumps({**mine, 'renewed': time.time()}))
      except (OSError, tf.errors.OpError):
        pass  # the next time; training itself meets what stays

  thread = threading.Thread(target=renew, daemon=True)
  thread.start()

  def give_back():
    ended.set()
    thread.join()
    now = _read(path)
    if now is not None and now['id'] == mine['id']:
      with contextlib.suppress(tf.errors.OpError):  # it expires
        tf.io.gfile.remove(path)

  return give_back
