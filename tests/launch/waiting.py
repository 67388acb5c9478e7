"""Waits for what another process does."""

import pathlib
import time

from tf_videogen import checkpoints


def until_saved(model_dir, after, log):
  """The step of the latest checkpoint, as soon as it is later than `after`.

  Fails after two minutes, with the end of the file `log`, in which the training's words are.
  """
  deadline = time.time() + 120
  while True:
    paths = checkpoints.paths(str(model_dir))
    if paths and checkpoints.step_of(paths[0]) > after:
      return checkpoints.step_of(paths[0])
    assert time.time() < deadline, pathlib.Path(log).read_text()[-2000:]
    time.sleep(0.1)


def until(condition, seconds=120):
  """Returns when a condition, a function, holds; fails after so many seconds."""
  deadline = time.time() + seconds
  while not condition():
    assert time.time() < deadline
    time.sleep(0.02)
