"""Spectral norms against the singular value decomposition; gradients by finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import spectral_norm


def _kernel(shape, seed=0):
  kernel = spectral_norm.SpectralKernel(shape)
  rng = np.random.default_rng(seed)
  kernel.w.assign(rng.normal(size=shape))
  kernel.u.assign(rng.normal(size=shape[-1:]))
  return kernel


def _largest(w):
  return np.linalg.svd(np.reshape(w, [-1, w.shape[-1]]).astype(np.float64), compute_uv=False)[0]


@pytest.mark.parametrize('iterations', [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize('shape', [(7, 5), (3, 3, 4, 6), (3, 3, 3, 2, 5), (4, 1)])
def test_sigma_becomes_the_largest_singular_value(shape, iterations):
  """Soon where it is far above the second, later where it is not."""
  kernel = _kernel(shape)
  if iterations < 100:
    u, s, v = np.linalg.svd(kernel.w.numpy().reshape(-1, shape[-1]), full_matrices=False)
    kernel.w.assign(np.reshape(u * s * np.where(s == s.max(), 3, 1) @ v, shape))
  for _ in range(iterations):
    kernel.value(True)
  expected = _largest(kernel.w.numpy())
  assert abs(kernel.sigma().numpy() - expected) < 1e-3
  np.testing.assert_allclose(kernel.value(), kernel.w.numpy() / expected, rtol=1e-3)
  assert abs(_largest(kernel.value().numpy()) - 1) < 1e-3


def test_a_step_is_one_iteration_and_evaluation_none():
  kernel = _kernel((7, 5))
  w, u = kernel.w.numpy(), kernel.u.numpy()
  v = w @ u / np.linalg.norm(w @ u)
  after = w.T @ v / np.linalg.norm(w.T @ v)
  np.testing.assert_allclose(kernel.sigma(), v @ w @ (u / np.linalg.norm(u)), rtol=1e-5)
  np.testing.assert_array_equal(kernel.u, u)
  np.testing.assert_allclose(kernel.value(True), w / (v @ w @ after), rtol=1e-5)
  np.testing.assert_allclose(kernel.u, after, rtol=1e-5)


def test_gradients_are_those_of_the_normalized_kernel():
  kernel = _kernel((4, 3))
  kernel.u.assign(np.linalg.svd(kernel.w.numpy())[2][0])
  w, weight = kernel.w.numpy().astype(np.float64), np.random.default_rng(1).normal(size=(4, 3))
  with tf.GradientTape() as tape:
    loss = tf.reduce_sum(kernel.value() * weight)
  gradient = tape.gradient(loss, kernel.w).numpy()
  for index in np.ndindex(*w.shape):
    step = np.zeros_like(w)
    step[index] = 1e-5
    up, down = (np.sum(x / _largest(x) * weight) for x in (w + step, w - step))
    assert gradient[index] == pytest.approx((up - down) / 2e-5, abs=1e-3)


def test_weights_begin_orthogonal():
  w = spectral_norm.SpectralKernel([3, 3, 2, 8]).w.numpy().reshape(18, 8)
  np.testing.assert_allclose(w.T @ w, np.eye(8), atol=1e-5)


def test_a_kernel_that_is_not_normalized():
  kernel = spectral_norm.SpectralKernel([4, 3], normalized=False)
  np.testing.assert_array_equal(kernel.value(True), kernel.w)
  assert len(kernel.weights) == 1


def test_layers():
  rng = np.random.default_rng(0)
  x = tf.constant(rng.normal(size=(2, 4, 5, 6, 3)), tf.float32)
  dense, flat, deep = (spectral_norm.Dense(7), spectral_norm.Conv(7),
                       spectral_norm.Conv(7, (3, 3, 3), use_bias=False))
  for layer, value in ((dense, x), (flat, x[0]), (deep, x)):
    found = layer(value)
    kernel = layer.kernel.w / layer.kernel.sigma()
    expected = tf.tensordot(value, kernel, 1) if layer is dense else tf.nn.convolution(
        value, kernel, padding='SAME')
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if layer.use_bias:
      layer.bias.assign(np.arange(7))
      np.testing.assert_allclose(layer(value), expected + np.arange(7, dtype=np.float32), atol=1e-5)
  assert [len(layer.trainable_variables) for layer in (dense, flat, deep)] == [2, 2, 1]
  with pytest.raises(ValueError, match='sides must be two or three numbers'):
    spectral_norm.Conv(3, (3,))


def test_bfloat16_layers_have_float32_kernels():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  layer, separable = spectral_norm.Conv(4), spectral_norm.SeparableConv(4)
  assert layer(tf.zeros([1, 4, 4, 3])).dtype == tf.bfloat16
  assert separable(tf.zeros([1, 2, 4, 4, 3])).dtype == tf.bfloat16
  assert {v.dtype for v in layer.variables + separable.variables} == {tf.float32}
  assert layer.kernel.value().dtype == tf.float32


def test_replicas_agree(two_replicas):
  with two_replicas.scope():
    kernel = _kernel((7, 5))
  alone = _kernel((7, 5))
  found = tf.function(lambda: two_replicas.run(lambda: kernel.value(True)), autograph=False)()
  expected = alone.value(True)
  for value in two_replicas.experimental_local_results(found):
    np.testing.assert_allclose(value, expected, rtol=1e-5)
  for value in two_replicas.experimental_local_results(kernel.u):
    np.testing.assert_allclose(value, alone.u, rtol=1e-5)


def test_flat_convolutions_go_frame_by_frame():
  x = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4, 5, 3)), tf.float32)
  layer = spectral_norm.Conv(4)
  found = layer(x)
  assert found.shape == (2, 3, 4, 5, 4)
  for b in range(2):
    for t in range(3):
      np.testing.assert_allclose(found[b, t], layer(x[b, t][None])[0], atol=1e-5)


@pytest.mark.parametrize('shape, sides', [
    ((2, 3, 4, 5, 3), (3, 3)), ((2, 3, 4, 5, 3), (3, 3, 3)), ((2, 2, 3, 4, 5, 3), (3, 3, 3))])
def test_gradients_of_convolutions(shape, sides):
  """Of x, which a convolution is linear in; eagerly and in a graph."""
  rng = np.random.default_rng(0)
  x, other = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(2))
  layer = spectral_norm.Conv(4, sides, use_bias=False)
  weight = rng.normal(size=layer(x).shape)
  def gradient():
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(layer(x) * weight)
    return tape.gradient(loss, x)
  expected = np.sum(layer(other) * weight)
  for function in (gradient, tf.function(gradient)):
    assert np.sum(function() * other) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize('channels, filters', [(3, 4), (4, 2)])
def test_separable_convolutions(channels, filters):
  """Over time, then over space; both normalized, both with a bias."""
  x = np.random.default_rng(0).normal(size=(2, 4, 5, 6, channels)).astype(np.float32)
  layer = spectral_norm.SeparableConv(filters)
  layer(x)
  spectral_weights.randomize(layer)
  h = spectral_weights.conv_over_time(layer.over_time, x)
  expected = spectral_weights.conv(layer.over_space, h.reshape(8, 5, 6, filters))
  for training in (False, True):
    found = layer(x, training=training)
    assert found.shape == (2, 4, 5, 6, filters)
    np.testing.assert_allclose(
        found, expected.reshape(2, 4, 5, 6, filters), rtol=1e-4, atol=1e-4)
  assert sum(variable.shape.num_elements() for variable in layer.trainable_variables) == (
      3 * channels * filters + filters + 9 * filters**2 + filters)
  assert [id(kernel) for kernel in spectral_norm.kernels(layer)] == [
      id(part.kernel) for part in (layer.over_time, layer.over_space)]


def test_reach_of_separable_convolutions():
  """The frame before and after, and positions beside it; zeros are beyond the edges."""
  layer, x = spectral_norm.SeparableConv(3), np.zeros([1, 5, 7, 7, 2], np.float32)
  before = layer(x).numpy()
  assert not before.any()
  x[0, 2, 3, 3] = 1
  changed = (layer(x).numpy() != before).any(axis=(0, 4))
  expected = np.zeros([5, 7, 7], bool)
  expected[1:4, 2:5, 2:5] = True
  np.testing.assert_array_equal(changed, expected)


def test_separable_convolutions_of_batches_of_any_size():
  layer = spectral_norm.SeparableConv(3)
  x = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4, 5, 2)), tf.float32)
  traced = tf.function(layer, input_signature=[tf.TensorSpec([None, 3, 4, 5, 2])])
  np.testing.assert_allclose(traced(x), layer(x), atol=1e-6)
  np.testing.assert_allclose(traced(x[:1]), layer(x)[:1], atol=1e-6)


class _Nest(tf.keras.layers.Layer):
  """Layers in attributes and lists, one of them twice, one without normalization."""

  def __init__(self):
    super().__init__()
    self.zeroth = spectral_norm.Dense(5, normalized=False)
    self.second = spectral_norm.Dense(4)
    self.first = [spectral_norm.Conv(3), spectral_norm.Conv(4)]
    self.again = self.second

  def call(self, x):
    for layer in (self.zeroth, self.second, *self.first):
      x = layer(x)
    return x


def test_kernels_of_a_layer():
  nest = _Nest()
  nest(tf.zeros([1, 4, 4, 3]))
  found = spectral_norm.kernels(nest)
  expected = [layer.kernel for layer in (nest.second, *nest.first)]
  assert [id(kernel) for kernel in found] == [id(kernel) for kernel in expected]
