"""Recordings of standing statistics: pieces of a pass, what a generator is called with, resets."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import recording

FRAMES, MOST = 7, 3  # three pieces of three


class _Generator(tf.keras.layers.Layer):
  """Normalizes frames that are given, times z, plus the label; remembers how it was called."""

  def __init__(self):
    super().__init__()
    self.norm = conditional_batch_norm.ConditionalBatchNorm(conditional=False)
    self.norm.build([1])
    self.kept = self.begun = None
    self.pieces = []

  def keep_statistics(self, frames, most):
    """Those of whole pieces."""
    self.kept = frames, most
    self.norm.keep(9)

  def begin(self, z, labels, given, frames):
    """The given frames, as long as all pieces."""
    self.begun = z, labels, given, frames
    return {'given': tf.concat([given, given[:, :2]], 1), 'before': tf.constant(0)}

  def piece(self, number, size, z, labels, carry, frames, record=False):
    """Some of the given frames; how many were before is carried on."""
    self.pieces.append((int(number), size, z, labels, int(carry['before']), frames, record))
    x = carry['given'][:, int(number) * size:][:, :size] * z[:, None, None, None]
    x += tf.cast(labels, tf.float32)[:, None, None, None, None]
    recorded = tf.ones([size], tf.bool) if record else None
    video = self.norm(x, steps=conditional_batch_norm.Steps(int(number) * size, recorded))
    return video, {**carry, 'before': carry['before'] + size}


def _latent(batch, seed):
  return tf.cast(batch['label'] + seed[1], tf.float32)[:, None]


def _given(batch, seed):
  return tf.cast(batch['video'], tf.float32) + tf.cast(seed[0], tf.float32)


def _batch(seed):
  rng = np.random.default_rng(seed)
  return {'video': tf.constant(rng.integers(256, size=(2, FRAMES, 2, 2, 1)), tf.uint8),
          'label': tf.constant([1, 4])}


def _labels(batch):
  return batch['label']


@pytest.fixture(name='made')
def _made():
  return recording.Recording(_Generator(), FRAMES, MOST, _latent, _labels, _given)


def _pass(made, batch, seed):
  carry = made.begin(batch, seed)
  for number in range(made.pieces):
    carry = made.record(tf.constant(number), batch, seed, carry)
  return carry


@pytest.mark.parametrize('most, pieces', [(3, 3), (4, 2), (7, 1), (99, 1), (1, 7)])
def test_a_recording_makes_the_statistics_of_its_generator(most, pieces):
  """Nothing is recorded yet."""
  generator = _Generator()
  made = recording.Recording(generator, FRAMES, most, _latent, _labels, _given)
  assert made.generator is generator and made.frames == FRAMES and made.pieces == pieces
  assert generator.kept == (FRAMES, most) and not generator.norm.standing.passes.numpy().any()


@pytest.mark.parametrize('frozen', [False, True])
def test_what_is_frozen_is_said(frozen):
  how = {'frozen': True} if frozen else {}
  made = recording.Recording(_Generator(), FRAMES, MOST, _latent, _labels, _given, **how)
  assert made.frozen is frozen


def test_a_pass_is_of_all_pieces(made):
  """Every piece has the pass' z and labels; the first carry is of the given frames, too."""
  batch, seed = _batch(0), tf.constant([5, 6])
  carry, generator = _pass(made, batch, seed), made.generator
  z, labels, given, frames = generator.begun
  np.testing.assert_array_equal(z, _latent(batch, seed))
  np.testing.assert_array_equal(labels, batch['label'])
  np.testing.assert_array_equal(given, _given(batch, seed))
  assert frames == FRAMES
  before = []
  for number, (*place, z, labels, so_far, frames, record) in enumerate(generator.pieces):
    assert place == [number, 3] and frames == FRAMES and record is True
    np.testing.assert_array_equal(z, _latent(batch, seed))
    np.testing.assert_array_equal(labels, batch['label'])
    before.append(so_far)
  assert before == [0, 3, 6] and carry['before'] == 9


def test_what_is_given_may_be_nothing():
  generator = _Generator()
  generator.begin = lambda *args: args
  made = recording.Recording(generator, FRAMES, MOST, _latent, _labels, lambda batch, seed: None)
  assert made.begin(_batch(0), tf.constant([5, 6]))[2:] == (None, FRAMES)


def test_statistics_are_means_over_passes_until_they_are_forgotten(made):
  """Of the time steps of all pieces."""
  standing, expected = made.generator.norm.standing, []
  seeds = [tf.constant([0, number]) for number in range(3)]
  for number, seed in enumerate(seeds):
    _pass(made, _batch(number), seed)
    x = _given(_batch(number), seed) * _latent(_batch(number), seed)[:, None, None, None]
    x = x.numpy() + np.array([1, 4]).reshape(2, 1, 1, 1, 1)
    expected.append((x.mean((0, 2, 3)), x.var((0, 2, 3))))
  np.testing.assert_array_equal(standing.passes, [3] * 9)
  for variable, values in zip((standing.mean, standing.variance), zip(*expected)):
    np.testing.assert_allclose(variable[:FRAMES], np.mean(values, 0), rtol=1e-4)
  made.reset()
  assert made.generator.norm.standing is standing
  for variable, value in zip(standing.variables, (0, 1, 0), strict=True):
    assert np.all(variable == value)
