"""Long work that says how it goes."""

import contextlib
import threading
import time


@contextlib.contextmanager
def told(say, what, expected='', seconds=20.0):
  """A context: says what is done when it begins, and how long that takes, now and then.

  Args:
    say: A function of a text.
    what: What is done in the context, a phrase.
    expected: How long that may take, a phrase.
    seconds: Between two messages.
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
