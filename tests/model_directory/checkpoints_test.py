"""Checkpoints: the latest readable one is taken, another configuration's is an error."""

import gc
import glob
import logging as python_logging
import os

from absl import logging
import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.model_directory import checkpoints


def _checkpoint(shape=(1000,), extra=False):
  module = tf.Module()
  module.w = tf.Variable(tf.zeros(shape))
  if extra:
    module.extra = tf.Variable(0.0)
  return tf.train.Checkpoint(model=module)


@pytest.fixture(name='directory')
def _directory(tmp_path):
  """A directory with checkpoints 9, 10 and 20, whose weights are their steps."""
  checkpoint = _checkpoint()
  manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), max_to_keep=None)
  for step in (9, 10, 20):
    checkpoint.model.w.assign(tf.fill([1000], float(step)))
    manager.save(checkpoint_number=step)
  return str(tmp_path)


@pytest.fixture(name='warnings')
def _warnings(monkeypatch):
  """What is warned of, a list that grows."""
  found = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: found.append(text % args))
  return found


def _truncate(directory, step, part):
  path, = glob.glob(os.path.join(directory, f'ckpt-{step}.{part}*'))
  os.truncate(path, os.path.getsize(path) // 2)


def test_paths_are_by_number(directory):
  found = checkpoints.paths(directory)
  assert [checkpoints.step_of(path) for path in found] == [20, 10, 9]
  assert not checkpoints.paths(os.path.join(directory, 'nowhere'))


def test_what_is_called_like_a_checkpoint_and_is_none(directory):
  for name in ('ckpt-best.index', 'ckpt-.index', 'ckpt-20-old.index', 'ckpt-30.index.tmp'):
    with open(os.path.join(directory, name), 'w', encoding='utf-8'):
      pass
  assert [checkpoints.step_of(path) for path in checkpoints.paths(directory)] == [20, 10, 9]


def test_what_a_killed_save_left_goes(directory):
  os.mkdir(os.path.join(directory, 'ckpt-30_temp'))
  left = ['checkpoint.tmp0123456789abcdef', 'ckpt-30_temp/part-00000-of-00001.index']
  for name in left:
    with open(os.path.join(directory, name), 'w', encoding='utf-8'):
      pass
  before = set(os.listdir(directory))
  checkpoints.remove_left(directory)
  assert before - set(os.listdir(directory)) == {'ckpt-30_temp', left[0]}


def test_latest(directory, warnings):
  checkpoint = _checkpoint()
  assert checkpoints.restore_latest(checkpoint, directory).endswith('ckpt-20')
  np.testing.assert_array_equal(checkpoint.model.w, np.full(1000, 20.0))
  assert not warnings


def test_none(tmp_path):
  assert checkpoints.restore_latest(_checkpoint(), str(tmp_path)) is None


@pytest.mark.parametrize('part', ['data', 'index'])
def test_falls_back_to_the_latest_readable(directory, warnings, part):
  _truncate(directory, 20, part)
  checkpoint = _checkpoint()
  assert checkpoints.restore_latest(checkpoint, directory).endswith('ckpt-10')
  np.testing.assert_array_equal(checkpoint.model.w, np.full(1000, 10.0))
  assert 'ckpt-20 cannot be read' in warnings[0] and 'resuming from' in warnings[1]
  assert not any('\n' in line for line in warnings)


def test_falls_back_from_a_missing_data_file(directory, warnings):
  path, = glob.glob(os.path.join(directory, 'ckpt-20.data*'))
  os.remove(path)
  assert checkpoints.restore_latest(_checkpoint(), directory).endswith('ckpt-10')
  assert len(warnings) == 2


def test_none_readable(directory):
  for step, part in ((9, 'data'), (10, 'index'), (20, 'data')):
    _truncate(directory, step, part)
  with pytest.raises(ValueError, match=r'^none of the 3 checkpoints in .* can be read; .*$'):
    checkpoints.restore_latest(_checkpoint(), directory)


def test_of_values_that_find_no_place_nothing_is_said(tmp_path, caplog):
  """One line says that it is another configuration's."""
  theirs, ours = (tf.train.Checkpoint(model=tf.Module()) for _ in range(2))
  theirs.model.first, ours.model.second = tf.Variable(0.), tf.Variable(0.)
  theirs.save(str(tmp_path / 'ckpt'))
  caplog.set_level(python_logging.WARNING, 'tensorflow')
  with pytest.raises(ValueError, match='another configuration'):
    checkpoints.restore_latest(ours, str(tmp_path))
  gc.collect()  # TensorFlow speaks where what it restored from is given up
  assert 'Value in checkpoint' not in caplog.text


@pytest.mark.parametrize('other', [{'shape': (999,)}, {'extra': True}])
def test_another_configuration(directory, other):
  with pytest.raises(ValueError, match='ckpt-20 was made by another configuration') as info:
    checkpoints.restore_latest(_checkpoint(**other), directory)
  assert '\n' not in str(info.value)


def test_load_part(directory, tmp_path):
  module = _checkpoint().model
  checkpoints.load_part(directory, 'the stage', model=module)
  np.testing.assert_array_equal(module.w, np.full(1000, 20.0))
  for missing in (str(tmp_path / 'nowhere'), '', None):
    with pytest.raises(FileNotFoundError, match='no checkpoint of the stage in'):
      checkpoints.load_part(missing, 'the stage', model=module)
  with pytest.raises(ValueError, match='another configuration than the stage of this config'):
    checkpoints.load_part(directory, 'the stage', model=_checkpoint(extra=True).model)
