"""Follows a model directory in which another process trains, checkpoint by checkpoint."""

import time

from absl import logging

from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout


def follow(model_dir, last_step, evaluated, evaluate_one, stop, timeout=3600, poll_seconds=10):
  """Evaluates the checkpoints of a directory as they come, the oldest first, to the last one.

  Args:
    model_dir: where another process trains.
    last_step: the config's. All is done with its evaluation; or, if training was asked to stop
      early, with that of the step at which it ended.
    evaluated: () -> the steps that are evaluated already, a set.
    evaluate_one: path of a checkpoint -> whether it could be read.
    stop: a preemption.StopRequest that is in force.
    timeout: seconds to wait for a new checkpoint before giving up.
    poll_seconds: between two looks.

  Raises:
    preemption.Stopped: at SIGTERM.
  """
  done, last_news = set(), time.time()
  while time.time() - last_news < timeout:
    done |= evaluated()
    for path in reversed(checkpoints.paths(model_dir)):
      step = checkpoints.step_of(path)
      if step not in done and evaluate_one(path):
        done.add(step)
        last_news = time.time()
    early = layout.finished(model_dir) if layout.asked_to_stop(model_dir) else None
    if done and max(done) >= (early or last_step):
      return
    next_look = time.time() + min(poll_seconds, timeout)
    while time.time() < next_look:
      stop.check()
      time.sleep(min(1, poll_seconds))
  logging.warning('no new checkpoint in %s for %d s, giving up', model_dir, timeout)
