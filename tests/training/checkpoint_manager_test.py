"""Checkpoints are at multiples of the interval, also where a run goes on from another step."""

import os

import pytest
import tensorflow as tf

from tf_videogen.model_directory import checkpoints
from tf_videogen.training import checkpoint_manager


def _manager(directory, interval=10, keep=100):
  step = tf.Variable(0, dtype=tf.int64)
  checkpoint = tf.train.Checkpoint(step=step)
  manager = checkpoint_manager.CheckpointManager(
      checkpoint, directory, keep, step_counter=step, checkpoint_interval=interval)
  manager.restore_or_initialize()
  return manager, step


def _run(manager, step, end, steps_per_loop, at_completion=False):
  """As Orbit's controller does."""
  while step.numpy() < end:
    step.assign_add(min(steps_per_loop, end - int(step.numpy())))
    manager.save(checkpoint_number=step.numpy())
  if at_completion:
    manager.save(checkpoint_number=step.numpy(), check_interval=False)


def _steps(directory):
  return sorted(map(checkpoints.step_of, checkpoints.paths(directory)))


def test_multiples_of_the_interval(tmp_path):
  manager, step = _manager(str(tmp_path))
  _run(manager, step, 35, 5)
  assert _steps(tmp_path) == [10, 20, 30]


def test_multiples_also_after_a_stop(tmp_path):
  manager, step = _manager(str(tmp_path))
  _run(manager, step, 15, 1, at_completion=True)
  manager, step = _manager(str(tmp_path))
  assert step.numpy() == 15
  _run(manager, step, 42, 1)
  assert _steps(tmp_path) == [10, 15, 20, 30, 40]


def test_whole_loops(tmp_path):
  """Where loops jump over a multiple, the loop's end is saved."""
  manager, step = _manager(str(tmp_path))
  _run(manager, step, 36, 4)
  assert _steps(tmp_path) == [12, 20, 32]


def test_no_step_twice(tmp_path):
  manager, step = _manager(str(tmp_path))
  _run(manager, step, 10, 5)
  assert manager.save(checkpoint_number=10, check_interval=False) is None
  manager, step = _manager(str(tmp_path))
  assert manager.save(checkpoint_number=10, check_interval=False) is None


def test_keeps_the_latest(tmp_path):
  manager, step = _manager(str(tmp_path), keep=2)
  _run(manager, step, 30, 10)
  manager, step = _manager(str(tmp_path), keep=2)
  _run(manager, step, 40, 10)
  assert _steps(tmp_path) == [30, 40]


def test_falls_back_and_overwrites(tmp_path):
  manager, step = _manager(str(tmp_path))
  _run(manager, step, 20, 10)
  os.truncate(tmp_path / 'ckpt-20.index', 10)
  manager, step = _manager(str(tmp_path))
  assert step.numpy() == 10
  _run(manager, step, 20, 10)
  assert _manager(str(tmp_path))[1].numpy() == 20


@pytest.mark.parametrize('content', ['', 'garbage', 'model_checkpoint_path: "/elsewhere/ckpt-9"\n',
                                     'model_checkpoint_path: 3', b'\xff\xfe'])
def test_a_state_file_that_says_nothing_of_these_checkpoints(tmp_path, content):
  """All of them can be read: the latest is taken, and the file is written anew."""
  _run(*_manager(str(tmp_path), interval=3), 3, 1)
  (tmp_path / 'checkpoint').write_bytes(content if isinstance(content, bytes) else content.encode())
  manager, step = _manager(str(tmp_path), interval=3)
  assert step.numpy() == 3
  _run(manager, step, 6, 1)
  assert tf.train.latest_checkpoint(str(tmp_path)).endswith('ckpt-6')
