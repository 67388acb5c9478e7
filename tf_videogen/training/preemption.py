"""SIGTERM, as preempted machines and job managers send it.

Training finishes the step, saves and exits; the same command goes on.
"""
import signal


class Stopped(Exception):
  """Training was asked to stop, and stopped between two steps."""


class StopRequest:
  """Within the context, SIGTERM sets `requested` instead of ending the process.

  Enter it after the strategy is made: MultiWorkerMirroredStrategy replaces handlers that were
  installed before.
  """

  def __init__(self):
    self.requested = False

  def __enter__(self):
    self._previous = signal.signal(signal.SIGTERM, self._request)
    return self

  def __exit__(self, *_):
    signal.signal(signal.SIGTERM, self._previous)

  def _request(self, *_):
    self.requested = True

  def check(self):
    """Raises Stopped if a stop was requested."""
    if self.requested:
      raise Stopped
