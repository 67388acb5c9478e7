"""Runs of two steps of video GANs: what their model directories hold, and that they go on."""

import glob
import os
import shutil

import numpy as np
import tensorflow as tf

from tf_videogen import experiment as experiments
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results

STEPS = 2
HOW = {'steps_per_loop': 1, 'checkpoint_interval': 1, 'preview_clips': 2}


def checkpoint(model_dir, step):
  """All arrays of a checkpoint, by name."""
  path, = [path for path in checkpoints.paths(model_dir) if checkpoints.step_of(path) == step]
  reader = tf.train.load_checkpoint(path)
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
          if name != '_CHECKPOINTABLE_OBJECT_GRAPH'}


def rows(model_dir):
  """What was measured, [(step, split, metric, value)]."""
  return [(row.step, row.split, row.metric, row.value) for row in results.read_results(model_dir)]


def previews(model_dir):
  """The arrays that are shown, by name."""
  with np.load(os.path.join(model_dir, 'previews', 'test.npz')) as arrays:
    return dict(arrays)


def assert_resumed(experiment, unbroken, strategy, resumed, metrics, shown):
  """Checks that a run of two steps goes on from its first one as if it had never stopped.

  That is: weights, averages, spectral vectors, optimizers; what is logged, measured and shown.

  Args:
    experiment: an Experiment of two players.
    unbroken: model directory of its run without a stop, by `HOW`.
    strategy: a tf.distribute.Strategy.
    resumed: a folder for the run that goes on; it is made.
    metrics: how many rows of results there are.
    shown: names of the arrays of previews.
  """
  os.mkdir(resumed)
  for path in glob.glob(os.path.join(unbroken, 'ckpt-1.*')):
    shutil.copy(path, resumed)
  assert experiments.train(experiment, resumed, strategy, **HOW)
  ours, theirs, halfway = (
      checkpoint(resumed, STEPS), checkpoint(unbroken, STEPS), checkpoint(resumed, 1))
  del ours['save_counter/.ATTRIBUTES/VARIABLE_VALUE']
  del theirs['save_counter/.ATTRIBUTES/VARIABLE_VALUE']
  assert ours.keys() == theirs.keys() and len(ours) > 20
  for name, value in theirs.items():
    np.testing.assert_array_equal(ours[name], value, err_msg=name)
  for start, end in (('model/generator/', '/w'), ('model/generator/', '/u'),
                     ('model/averaged_generator/', '/w'), ('model/averaged_generator/', '/u'),
                     ('model/discriminators/', '/w'), ('model/discriminators/', '/u'),
                     ('optimizer/generator/_variables/', ''),
                     ('optimizer/discriminator/_variables/', ''), ('step', '')):
    found = [name for name in ours if name.startswith(start)
             and name.split('/.ATTRIBUTES')[0].endswith(end)]
    assert any((ours[name] != halfway[name]).any() for name in found), (start, end)
  logs = [{row.pop('step'): {**row, results.SPEED: 0} for row in results.read_training_log(path)}
          for path in (unbroken, resumed)]
  assert sorted(logs[0]) == [1, 2] and logs[1] == {2: logs[0][2]}
  assert rows(unbroken) == rows(resumed) and len(rows(resumed)) == metrics
  mine, other = previews(resumed), previews(unbroken)
  assert mine.keys() == other.keys() == shown
  for name, value in mine.items():
    np.testing.assert_array_equal(value, other[name])
