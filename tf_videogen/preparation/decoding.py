"""Decodes many files in processes that may hang or die. A file costs at most its time limit.

    with decoding.Pool(processes=8) as pool:
      for job, outcome in pool.decode(jobs):   # in the order in which they are done
        ...                                    # outcome: a RawVideo of PNG files, or Unusable

A process imports no TensorFlow (`decoder_process`). If a file takes too long, the process's own
alarm ends it, wherever it hangs, and even if the parent is gone. Remote files (gs://) are first
copied to temporary local files.
"""

from concurrent import futures
import contextlib
import dataclasses
import multiprocessing.connection
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import time

import tensorflow as tf

from tf_videogen import files
from tf_videogen.preparation import decoder_process
from tf_videogen.preparation import raw_videos

Job = decoder_process.Job

_COPY_ATTEMPTS = 4
_ROOT = pathlib.Path(__file__).resolve().parents[2]


class Decoder:
  """A process that decodes one file after the other. If it dies, the next file gets a new process.

  Args:
    time_limit: int, the most seconds per file.
    memory_limit: int, the most bytes of the process's address space.
  """

  def __init__(self, time_limit=120, memory_limit=8 << 30):
    self._limits = time_limit, memory_limit
    self._process = self._connection = None

  def decode(self, job):
    """Returns the outcome of a Job: a RawVideo whose frames are PNG files, or Unusable."""
    try:
      with _local(job.path) as path:
        return self._decode(dataclasses.replace(job, path=path))
    except tf.errors.NotFoundError:
      return raw_videos.Unusable('missing')
    except tf.errors.OpError as error:
      return raw_videos.Unusable('unreadable', error.message.splitlines()[0])

  def _decode(self, job):
    if self._process is None:
      self._start()
    try:
      self._connection.send(job)
      return self._connection.recv()
    except (EOFError, OSError):  # the process died, perhaps in the middle of its answer
      return self._post_mortem()

  def kill(self):
    """Ends the process. A `decode` in another thread then returns."""
    if self._process is not None:
      self._process.kill()

  def close(self):
    """Ends the process and forgets it."""
    if self._process is not None:
      self._process.kill()
      self._process.wait()
      self._connection.close()
      self._process = self._connection = None

  def _start(self):
    ours, theirs = socket.socketpair()
    with theirs:
      environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(
          [str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])}
      self._process = subprocess.Popen(
          [sys.executable, '-m', decoder_process.__name__,
           *map(str, (theirs.fileno(), *self._limits))],
          pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL,
          stderr=subprocess.DEVNULL, start_new_session=True)
    self._connection = multiprocessing.connection.Connection(ours.detach())

  def _post_mortem(self):
    status = self._process.wait()
    self.close()
    if status == -signal.SIGALRM:
      return raw_videos.Unusable('time', f'more than {self._limits[0]} s')
    name = signal.Signals(-status).name if status < 0 else f'status {status}'
    return raw_videos.Unusable('crashed', name)


class Pool:
  """Several decoders: a context manager that ends their processes on exit.

  Args:
    processes: int, number of decoders.
    time_limit, memory_limit: see `Decoder`.
  """

  def __init__(self, processes, **limits):
    self._decoders = [Decoder(**limits) for _ in range(processes)]
    self._free = queue.SimpleQueue()
    for decoder in self._decoders:
      self._free.put(decoder)
    self._threads = futures.ThreadPoolExecutor(processes)

  def __enter__(self):
    return self

  def __exit__(self, *error):
    self._threads.shutdown(wait=False, cancel_futures=True)
    for decoder in self._decoders:
      decoder.kill()
    self._threads.shutdown()
    for decoder in self._decoders:
      decoder.close()

  def decode(self, jobs):
    """Yields (job, outcome) for every Job of an iterable, in the order in which they are done."""
    pending = set()
    for job in jobs:
      pending.add(self._threads.submit(self._decode, job))
      if len(pending) == 2 * len(self._decoders):  # so that results don't pile up
        done, pending = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
        yield from (future.result() for future in done)
    yield from (future.result() for future in futures.as_completed(pending))

  def _decode(self, job):
    decoder = self._free.get()
    try:
      return job, decoder.decode(job)
    finally:
      self._free.put(decoder)


@contextlib.contextmanager
def _local(path):
  """Yields a local path of a file. A remote file is copied; the context removes the copy."""
  if not files.is_remote(path):
    yield path
    return
  with tempfile.TemporaryDirectory() as folder:
    copy = os.path.join(folder, 'video')
    for attempt in range(_COPY_ATTEMPTS):
      try:
        tf.io.gfile.copy(path, copy, overwrite=True)
        break
      except tf.errors.NotFoundError:
        raise
      except tf.errors.OpError:
        if attempt == _COPY_ATTEMPTS - 1:
          raise
        time.sleep(2**attempt)
    yield copy
