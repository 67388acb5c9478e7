"""Progress messages of long work."""

import contextlib
import threading
import time


@contextlib.contextmanager
def told(say, what, expected='', seconds=20.0):
  """A context that says at its start what it does, and then repeatedly how long it has taken.

  Args:
    say: Function that is called with each message, a text.
    what: Phrase that names the work in the context.
    expected: Phrase that says how long the work may take.
    seconds: Seconds between two messages.
  """
  start, over = time.time(), threading.Event()
  say(f'{what}{expected and f": {expected}"}')

  def go_on():
    while not over.wait(seconds):
      say(f'{what}, {time.time() - start:.0f} s so far')

  thread = threading.Thread(target=go_on, daemon=True)
  thread.start()
  try:
    yield
  finally:
    over.set()
    thread.join()
