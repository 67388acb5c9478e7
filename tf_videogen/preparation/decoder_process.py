"""The process that `decoding` starts: it answers jobs until the other side closes the connection.

    python -m tf_videogen.preparation.decoder_process <descriptor> <seconds> <bytes>

<descriptor> is the file descriptor of the connection, <seconds> the time limit per job, and <bytes>
the limit of the process's address space.

The process imports no TensorFlow, so that it starts fast and takes little memory.
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
  """Decodes a job in this process; returns a RawVideo of PNG files, or Unusable."""
  try:
    return raw_videos.read(job.path, job.short_side, job.frame_step, job.channels, job.limits,
                           png.encode, threads=1)
  except raw_videos.Unusable as unusable:
    return unusable
  except MemoryError:
    return raw_videos.Unusable('size', 'not enough memory to decode it')


def _serve(descriptor, time_limit, memory_limit):
  """Answers jobs until the other side closes the connection."""
  resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  av.logging.set_level(av.logging.PANIC)
  connection = multiprocessing.connection.Connection(descriptor)
  while True:
    try:
      job = connection.recv()
    except EOFError:
      return
    signal.alarm(time_limit)  # the signal ends the process, whichever library it is in
    outcome = _decode(job)
    signal.alarm(0)
    connection.send(outcome)


if __name__ == '__main__':
  _serve(*map(int, sys.argv[1:]))
