"""Batch normalization against NumPy: a time step at a time, recorded, over replicas."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import replicas

B, T, H, W, C, D = 4, 3, 2, 5, 6, 7


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _videos(seed=0):
  """Every step and channel with a mean and a deviation of its own."""
  return _draw(T, 1, 1, C, seed=9) + _draw(B, T, H, W, C, seed=seed) * (
      1 + np.arange(T).reshape(T, 1, 1, 1))


def _norm(conditional=True):
  norm = conditional_batch_norm.ConditionalBatchNorm(conditional)
  norm(tf.zeros([B, T, H, W, C]), tf.zeros([B, D]) if conditional else None)
  spectral_weights.randomize(norm)
  return norm


def _moments(x):
  """Means and variances by loops over time steps and channels: [T, C] twice."""
  x = x.astype(np.float64)
  mean, variance = np.zeros([2, T, C])
  for t in range(T):
    for c in range(C):
      mean[t, c], variance[t, c] = x[:, t, :, :, c].mean(), x[:, t, :, :, c].var()
  return mean, variance


def _reference(norm, x, condition, mean, variance):
  normalized = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
  if condition is None:
    return normalized * norm.gain.numpy() + norm.offset.numpy()
  gain, offset = (spectral_weights.dense(layer, condition) for layer in (norm.gain, norm.offset))
  return normalized * (1 + gain[:, None, None, None]) + offset[:, None, None, None]


@pytest.mark.parametrize('conditional', [True, False])
def test_batches_of_training(conditional):
  norm, x = _norm(conditional), _videos()
  condition = _draw(B, D, seed=1) if conditional else None
  found = norm(x, condition, training=True)
  np.testing.assert_allclose(found, _reference(norm, x, condition, *_moments(x)), atol=2e-5)
  assert norm.passes.numpy() == 0 and not norm.mean.numpy().any()  # not recorded


@pytest.mark.parametrize('conditional', [True, False])
def test_standing_statistics_are_averages_over_passes(conditional):
  norm = _norm(conditional)
  x, condition = _videos(), _draw(B, D, seed=1) if conditional else None
  def expect(mean, variance):
    expected = _reference(norm, x, condition, mean, variance)
    np.testing.assert_allclose(norm(x, condition), expected, atol=2e-5)

  expect(np.zeros([T, C]), np.ones([T, C]))  # nothing is recorded
  for seeds in ((2, 3, 4), (5, 6)):
    for seed in seeds:
      norm(_videos(seed), condition, training=True, record=True)
    norm(_videos(7), condition, training=True)
    means, variances = zip(*[_moments(_videos(seed)) for seed in seeds])
    np.testing.assert_allclose(norm.mean, np.mean(means, 0), atol=1e-5)
    np.testing.assert_allclose(norm.variance, np.mean(variances, 0), rtol=1e-4)
    assert norm.passes.numpy() == len(seeds)
    expect(np.mean(means, 0), np.mean(variances, 0))
    norm.reset_statistics()
  expect(np.zeros([T, C]), np.ones([T, C]))


def test_gradients_flow_through_the_statistics():
  norm, x, weight = _norm(False), tf.constant(_videos()), _draw(B, T, H, W, C, seed=3)
  with tf.GradientTape() as tape:
    tape.watch(x)
    loss = tf.reduce_sum(norm(x, training=True) * weight)
  found = tape.gradient(loss, x).numpy()
  x = x.numpy().astype(np.float64)
  def value(x):
    return np.sum(_reference(norm, x, None, *_moments(x)) * weight)
  for index in [(0, 0, 0, 0, 0), (1, 2, 1, 4, 5), (3, 1, 0, 2, 3)]:
    step = np.zeros_like(x)
    step[index] = 1e-5
    expected = (value(x + step) - value(x - step)) / 2e-5
    assert found[index] == pytest.approx(expected, abs=1e-3)


def test_parameters():
  conditional, regular = _norm(True), _norm(False)
  count = lambda variables: sum(int(np.prod(v.shape)) for v in variables)
  assert count(conditional.trainable_variables) == 2 * (D * C + C)
  assert count(conditional.non_trainable_variables) == 2 * T * C + 1 + 2 * C  # and two vectors u
  assert count(regular.trainable_variables) == 2 * C
  assert count(regular.non_trainable_variables) == 2 * T * C + 1


@pytest.mark.parametrize('conditional', [True, False])
def test_begins_as_an_affine_map_of_the_condition_about_1(conditional):
  norm = conditional_batch_norm.ConditionalBatchNorm(conditional)
  x = _videos()
  mean, variance = _moments(x)
  expected = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
  condition = tf.zeros([B, D]) if conditional else None
  np.testing.assert_allclose(norm(x, condition, training=True), expected, atol=2e-5)


def test_bfloat16_features_have_float32_statistics():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  norm, condition = _norm(), _draw(B, D, seed=1)
  x = tf.cast(_videos(), tf.bfloat16)
  found = norm(x, condition, training=True, record=True)
  assert found.dtype == tf.bfloat16 and {v.dtype for v in norm.variables} == {tf.float32}
  rounded = tf.cast(x, tf.float32).numpy()
  mean, variance = _moments(rounded)
  np.testing.assert_allclose(norm.mean, mean, atol=1e-5)
  np.testing.assert_allclose(norm.variance, variance, rtol=1e-5)
  expected = _reference(norm, rounded, condition, mean, variance)
  np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=0.02, atol=0.05)
  evaluated = tf.cast(norm(x, condition), tf.float32)
  np.testing.assert_allclose(evaluated, expected, rtol=0.02, atol=0.05)


def _step(norm, x, condition, weight):
  """Outputs and gradients of this replica's rows; those of the variables are of all."""
  rows = x.shape[0] // replicas.count()
  x, condition, weight = (
      tf.slice(value, [replicas.index() * rows] + [0] * (len(value.shape) - 1),
               [rows, *value.shape[1:]])
      for value in (x, condition, weight))
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = norm(x, condition if norm.conditional else None, training=True, record=True)
    loss = tf.reduce_sum(y * weight)
  of_x, of_variables = tape.gradient(loss, (x, norm.trainable_variables))
  return y, of_x, replicas.total(of_variables)


@pytest.mark.parametrize('conditional', [True, False])
def test_replicas_agree(two_replicas, conditional):
  with two_replicas.scope():
    norm = _norm(conditional)
  alone = _norm(conditional)
  condition = tf.constant(_draw(B, D, seed=1))
  weight = tf.constant(_draw(B, T, H, W, C, seed=3))
  run = tf.function(lambda x: two_replicas.run(_step, args=(norm, x, condition, weight)))
  for seed in range(2):
    x = tf.constant(_videos(seed))
    y, of_x, of_variables = tf.nest.map_structure(
        two_replicas.experimental_local_results, run(x))
    expected_y, expected_of_x, expected_of_variables = _step(alone, x, condition, weight)
    np.testing.assert_allclose(tf.concat(y, 0), expected_y, atol=1e-5)
    np.testing.assert_allclose(tf.concat(of_x, 0), expected_of_x, atol=1e-5)
    for found, expected in zip(of_variables, expected_of_variables, strict=True):
      for value in found:
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-4)
  for found, expected in zip(norm.non_trainable_variables, alone.non_trainable_variables):
    for value in two_replicas.experimental_local_results(found):
      np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
  assert alone.passes.numpy() == 2


def test_calls_that_cannot_be_meant():
  x = tf.zeros([B, T, H, W, C])
  with pytest.raises(ValueError, match=r'conditional=True\) was called without a condition'):
    conditional_batch_norm.ConditionalBatchNorm()(x)
  with pytest.raises(ValueError, match=r'conditional=False\) was called with a condition'):
    conditional_batch_norm.ConditionalBatchNorm(False)(x, tf.zeros([B, D]))
  norm = _norm(False)
  with pytest.raises(ValueError, match='call with training=True'):
    norm(x, record=True)
  with pytest.raises(ValueError, match='standing statistics are of 3 time steps, got 2'):
    norm(x[:, :2])
  assert norm(x[:, :2], training=True).shape == (B, 2, H, W, C)
