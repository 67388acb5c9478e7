"""Evaluation of the checkpoints of a model directory while another process trains in it."""

import time

from absl import logging

from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout


def follow(model_dir, last_step, evaluated, evaluate_one, stop, timeout=3600, poll_seconds=10):
  """Evaluates new checkpoints of a directory, the oldest first, until the last one.

  Args:
    model_dir: model directory in which another process trains.
    last_step: last step of the config. After its evaluation the function returns. If training was
      asked to stop early, it returns after the evaluation of the step at which training ended.
    evaluated: () -> the set of steps that are evaluated already.
    evaluate_one: evaluates a checkpoint: takes its path and returns whether it could be read.
    stop: a preemption.StopRequest whose context has been entered.
    timeout: seconds to wait for a new checkpoint. After that the function warns and returns.
    poll_seconds: seconds between two looks for new checkpoints.

  Raises:
    preemption.Stopped: at SIGTERM or Ctrl-C.
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
