"""Tasks of small video GANs, batches for them, and their standing statistics."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness

SEED = randomness.seed_of(3)
SHAPE = (5, 16, 16, 1)  # of clips; two frames are given
GIVEN = 2
BLOCK = {'multipliers': (1,)}  # discriminators of one block


def _built(task, clip_shape=SHAPE):
  """Weights that are far from orthogonal, so that the penalty has something to say."""
  tf.keras.utils.set_random_seed(0)
  task.build(clip_shape)
  rng = np.random.default_rng(0)
  for part in (task.model.generator, task.model.averaged_generator, task.model.discriminators):
    spectral_weights.randomize(part, rng)
  return task


@pytest.fixture(scope='module', name='task')
def task_fixture(tiny):
  """Tests that change it use `changing`."""
  return _built(tiny.video_gan(discriminators=BLOCK, orthogonality=1e-3))


@pytest.fixture(scope='module', name='class_task')
def class_task_fixture(tiny):
  """Of three classes, from noise; clips have 8 x 8 pixels."""
  return _built(tiny.class_gan(), (4, 8, 8, 1))


@pytest.fixture(name='changing')
def changing_fixture(task):
  """The task, whose variables are afterwards what they were, and nothing recorded."""
  kept = values_of(task)
  yield task
  restore(task, kept)
  task.prepare_samples()


@pytest.fixture(name='once')
def kernels_are_computed_once():
  """For tests without gradients."""
  with spectral_weights.computed_once():
    yield


def values_of(task):
  """Values of all variables of a task's model."""
  return [variable.numpy() for variable in task.model.variables]


def restore(task, values):
  """Assigns what `values_of` found."""
  for variable, value in zip(task.model.variables, values, strict=True):
    variable.assign(value)


def batch(clips=4, seed=0, shape=SHAPE):
  """Clips of random pixels and classes."""
  rng = np.random.default_rng(seed)
  return {'video': tf.constant(rng.integers(256, size=(clips, *shape)), tf.uint8),
          'valid': tf.ones([clips], tf.bool),
          'label': tf.constant(rng.integers(3, size=clips), tf.int32)}


def record(task, batch, seed):
  """A pass whose statistics are recorded, as `training.standing_statistics` does it."""
  recording, = task.recordings
  carry = recording.begin(batch, seed)
  for number in range(recording.pieces):
    carry = recording.record(tf.constant(number), batch, seed, carry)


def passes(generator):
  """Of every norm of a generator, how often its time steps were recorded: a list of lists."""
  return [norm.standing.passes.numpy().tolist() for norm in conditional_batch_norm.norms(generator)]
