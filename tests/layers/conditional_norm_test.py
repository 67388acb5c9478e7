"""Conditional layer norm against NumPy."""
import numpy as np
import tensorflow as tf

from tf_videogen.layers import conditional_norm


def _numpy(x, gain, bias):
  mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
  return (x - mean) / np.sqrt(variance + 1e-5) * gain + bias


def test_without_condition_it_is_layer_norm():
  x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32) * 5 + 2
  layer = conditional_norm.ConditionalLayerNorm()
  np.testing.assert_allclose(layer(x), _numpy(x, 1, 0), atol=1e-5)
  reference = tf.keras.layers.LayerNormalization(epsilon=1e-5)
  np.testing.assert_allclose(layer(x), reference(x), atol=1e-4)


def test_gain_and_bias_are_affine_in_the_condition():
  rng = np.random.default_rng(1)
  x, c = rng.normal(size=(2, 3, 8)).astype(np.float32), rng.normal(size=(2, 5)).astype(np.float32)
  layer = conditional_norm.ConditionalLayerNorm()
  layer.build((None, None, 8))
  layer.build_condition(5)
  gain, bias = rng.normal(size=8).astype(np.float32), rng.normal(size=8).astype(np.float32)
  kernel = rng.normal(size=(5, 16)).astype(np.float32)
  layer.gain.assign(gain)
  layer.bias.assign(bias)
  layer.condition_kernel.assign(kernel)
  affine = (c @ kernel)[:, None]
  np.testing.assert_allclose(
      layer(x, c), _numpy(x, gain + affine[..., :8], bias + affine[..., 8:]), atol=1e-4)


def test_statistics_are_float32_in_bfloat16():
  x = 100 + np.random.default_rng(2).normal(size=(1, 2, 64)).astype(np.float32)
  layer = conditional_norm.ConditionalLayerNorm()
  out = layer(tf.cast(x, tf.bfloat16))
  assert out.dtype == tf.float32 or out.dtype == tf.bfloat16
  rounded = tf.cast(tf.cast(x, tf.bfloat16), tf.float32).numpy()
  np.testing.assert_allclose(tf.cast(out, tf.float32), _numpy(rounded, 1, 0), atol=0.03)


def test_epsilon_outside():
  """(x - mean) (epsilon + 1 / sqrt(variance)), where it shows: of small numbers."""
  x = 1e-3 * np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
  deviations = x - x.mean(-1, keepdims=True)
  variance = x.var(-1, keepdims=True)
  outside = conditional_norm.ConditionalLayerNorm(epsilon=0.5, epsilon_outside=True)(x)
  np.testing.assert_allclose(outside, deviations * (0.5 + variance**-0.5), rtol=1e-3)
  inside = conditional_norm.ConditionalLayerNorm(epsilon=0.5)(x)
  np.testing.assert_allclose(inside, deviations * (variance + 0.5)**-0.5, rtol=1e-3, atol=1e-6)
