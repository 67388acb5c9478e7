"""SIGTERM, as preempted machines and job managers send it, and Ctrl-C.

Training finishes the step, saves and exits; the same command goes on.
"""
import signal


class Stopped(Exception):
  """Training was asked to stop, and stopped between two steps."""


class StopRequest:
  """Within the context, SIGTERM and Ctrl-C set `requested` instead of ending the process.

  A second Ctrl-C ends it.

  Enter it after the strategy is made: MultiWorkerMirroredStrategy replaces handlers that were
  installed before.

  Args:
    agree: a function of `requested`, whether to stop; several workers stop together, see
      `strategies.any_worker`.
  """

  def __init__(self, agree=lambda requested: requested):
    self.requested = False
    self.agree = agree

  def __enter__(self):
    self._previous = {number: signal.signal(number, self._request)
                      for number in (signal.SIGTERM, signal.SIGINT)}
    return self

  def __exit__(self, *_):
    for number, handler in self._previous.items():
      signal.signal(number, handler)

  def _request(self, number, _):
    self.requested = True
    if number == signal.SIGINT:
      signal.signal(number, self._previous[number])

  def check(self):
    """Raises Stopped if a stop was requested, of any worker."""
    if self.agree(self.requested):
      raise Stopped
