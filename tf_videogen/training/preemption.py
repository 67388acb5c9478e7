"""A clean stop of training at SIGTERM and Ctrl-C.

Preempted machines and job managers send SIGTERM. Training finishes the step, saves and exits. The
same command resumes it.
"""
import signal


class Stopped(Exception):
  """Training was asked to stop and has stopped between two steps."""


class StopRequest:
  """A context in which SIGTERM and Ctrl-C set `requested` instead of ending the process.

  A second Ctrl-C ends the process.

  Enter the context after the strategy is created: MultiWorkerMirroredStrategy replaces handlers
  that were installed before.

  Args:
    agree: a function of the bool `requested` that returns whether to stop. Several workers stop
      together with `strategies.any_worker`.
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
    """Raises Stopped if a stop was requested, and `agree` says so."""
    if self.agree(self.requested):
      raise Stopped
