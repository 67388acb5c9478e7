"""The process that `decoding` starts: it answers jobs until the other side closes the connection.

    python -m tf_videogen.preparation.decoder_process <descriptor> <seconds> <bytes>

The limits are of the time that a job takes, and of memory.

It imports no TensorFlow, so that it starts in a moment and takes little memory.
"""

import dataclasses
import multiprocessing.connection
import resource
import signal
import sys

import av

from tf_videogen.preparation import png
from tf_videogen.preparation import raw_videos


@dataclasses.dataclass(frozen=True)
class Job:
  """A file to decode; the fields are the arguments of `raw_videos.read`."""
  path: str
  short_side: int | None = None
  frame_step: int = 1
  channels: int = 3
  limits: raw_videos.Limits = raw_videos.Limits()


def _decode(job):
  """What becomes of a job, decoded in this process."""
  try:
    return raw_videos.read(job.path, job.short_side, job.frame_step, job.channels, job.limits,
                           png.encode, threads=1)
  except raw_videos.Unusable as unusable:
    return unusable
  except MemoryError:
    return raw_videos.Unusable('size', 'not enough memory to decode it')


def _serve(descriptor, time_limit, memory_limit):
  """What a process does: it answers jobs until the other side is closed."""
  resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  av.logging.set_level(av.logging.PANIC)
  connection = multiprocessing.connection.Connection(descriptor)
  while True:
    try:
      job = connection.recv()
    except EOFError:
      return
    signal.alarm(time_limit)  # the signal ends the process, in whatever library it is
    outcome = _decode(job)
    signal.alarm(0)
    connection.send(outcome)


if __name__ == '__main__':
  _serve(*map(int, sys.argv[1:]))
