"""SIGTERM is a request within the context, and what it was outside."""

import os
import signal

import pytest

from tf_videogen.training import preemption


def test_request():
  previous = signal.getsignal(signal.SIGTERM)
  with preemption.StopRequest() as stop:
    stop.check()
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested
    with pytest.raises(preemption.Stopped):
      stop.check()
  assert signal.getsignal(signal.SIGTERM) is previous


def test_handler_is_restored_after_an_error():
  previous = signal.getsignal(signal.SIGTERM)
  with pytest.raises(KeyError), preemption.StopRequest():
    raise KeyError
  assert signal.getsignal(signal.SIGTERM) is previous
