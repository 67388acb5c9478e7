"""Tasks of small cascades, batches for them, and what their levels make and record by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness

SEED = randomness.seed_of(3)
CLIPS, FIRST, WINDOW = 4, 6, 4  # of a batch; frames of the first level, and of training's windows
SHAPE = (WINDOW, 8, 8, 1)
CLASSES = 3
BLOCK = {'multipliers': (1,)}  # discriminators of one block
LABELS = tf.zeros([CLIPS], tf.int32)


def randomized(task, shape):
  """Builds a task for clips of a shape; its weights are random, and the same every time."""
  tf.keras.utils.set_random_seed(0)
  task.build(shape)
  rng = np.random.default_rng(0)
  for part in (task.model.generator, *task.model.levels, task.model.discriminators):
    spectral_weights.randomize(part, rng)
  return task


@pytest.fixture(scope='module', name='task')
def task_fixture(tiny):
  """Two levels, 4 x 4 and 8 x 8 pixels. Tests that change it use `changing`."""
  return randomized(tiny.cascade_task(2, discriminators=BLOCK), SHAPE)


@pytest.fixture(scope='module', name='class_task')
def class_task_fixture(tiny):
  """Of three classes."""
  classes = {'classes': CLASSES}
  return randomized(tiny.cascade_task(
      2, classes, {'views': ('F',), **BLOCK, **classes}, [tiny.first_level(**classes)]), SHAPE)


@pytest.fixture(scope='module', name='three')
def three_fixture(tiny):
  """Three levels, to 16 x 16 pixels. Tests that change it use `changing_three`."""
  return randomized(
      tiny.cascade_task(3, discriminators={'views': ('M',), **BLOCK}), (WINDOW, 16, 16, 1))


def _restored(task):
  kept = values_of(task.model)
  yield task
  restore(task.model, kept)
  task.prepare_samples()


@pytest.fixture(name='changing')
def changing_fixture(task):
  """The task, whose variables are afterwards what they were, and nothing recorded."""
  yield from _restored(task)


@pytest.fixture(name='changing_three')
def changing_three_fixture(three):
  """As `changing`."""
  yield from _restored(three)


@pytest.fixture(name='once')
def kernels_are_computed_once():
  """For tests without gradients."""
  with spectral_weights.computed_once():
    yield


def values_of(model):
  """Values of all variables of a model."""
  return [variable.numpy() for variable in model.variables]


def restore(model, values):
  """Assigns what `values_of` found."""
  for variable, value in zip(model.variables, values, strict=True):
    variable.assign(value)


def batch(seed=0, shape=SHAPE):
  """Clips of random pixels, of three classes."""
  rng = np.random.default_rng(seed)
  return {'video': tf.constant(rng.integers(256, size=(CLIPS, *shape)), tf.uint8),
          'valid': tf.ones([CLIPS], tf.bool), 'label': tf.constant([0, 2, 1, 2])}


def latents(task, seed=SEED):
  """z of every level: of its own size, and of its own seed."""
  return [randomness.rows(randomness.normal, CLIPS, [level.latent], randomness.fold_in(seed, i))
          for i, level in enumerate(task.model.levels)]


def window_by_hand(task, below, frames, seed=SEED):
  """Of every clip; the draw is after those of all levels."""
  draws = randomness.rows(
      randomness.uniform, CLIPS, [1], randomness.fold_in(seed, len(task.model.levels))).numpy()
  starts = np.floor(draws[:, 0] * (below.shape[1] - frames + 1)).astype(int)
  return np.stack([np.asarray(video)[start:start + frames]
                   for video, start in zip(below, starts, strict=True)]), starts


def record(task, batch, seed=SEED):
  """A pass of every level, as `training.standing_statistics` does it; its videos."""
  videos = []
  for level, recording in zip(task.model.levels, task.recordings, strict=True):
    assert recording.generator is level
    recording.reset()
    carry, made, piece = recording.begin(batch, seed), [], level.piece

    def remember(*args, piece=piece, made=made, **kwargs):
      video, carry = piece(*args, **kwargs)
      made.append(video)
      return video, carry

    level.piece = remember
    for number in range(recording.pieces):
      carry = recording.record(tf.constant(number), batch, seed, carry)
    level.piece = piece
    videos.append(tf.concat(made, 1))
  return videos


def passes(task):
  """Of every level, how often the time steps of its norms were recorded."""
  found = []
  for level in task.model.levels:
    of_level = {tuple(norm.standing.passes.numpy()) for norm in
                conditional_batch_norm.norms(level)}
    assert len(of_level) == 1
    found.append(list(of_level.pop()))
  return found


def wrong(error, message, call):
  """Checks that a call fails with one line that has this in it."""
  with pytest.raises(error, match=message) as found:
    call()
  assert '\n' not in str(found.value)
