"""Predicted kernels against NumPy. The references of convolutions serve recurrent units, too."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import hyper_networks
from tf_videogen.layers import spectral_norm

FactorizedKernels = hyper_networks.FactorizedKernels
PixelwiseKernels = hyper_networks.PixelwiseKernels


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def randomize(layer):
  """Kernels of no particular norm and biases that are not zero, the same ones every time."""
  for i, variable in enumerate(layer.variables):
    variable.assign(0.5 * normal(*variable.shape, seed=100 + i))
  return layer


def submodules(layer, kind):
  return [m for m in layer.submodules if isinstance(m, kind)]


def value(kernel):
  return kernel.value().numpy().astype(np.float64)


def convolve(x, kernel, bias=0.0):
  """A convolution of [B, H, W, I] by loops over positions, zeros beyond the edges."""
  side, reach = kernel.shape[0], kernel.shape[0] // 2
  padded = np.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
  y = np.zeros([*x.shape[:3], kernel.shape[-1]])
  for i, j in np.ndindex(*x.shape[1:3]):
    window = padded[:, i:i + side, j:j + side]
    y[:, i, j] = np.tensordot(window, kernel, 3)
  return y + bias


def gate(part, number, *inputs):
  """One gate of a GateConvolution, over the concatenated inputs."""
  filters = part.kernels[0].w.shape[-1]
  bias = part.bias.numpy()[number * filters:(number + 1) * filters]
  return convolve(np.concatenate(inputs, -1), value(part.kernels[number]), bias)


def softmax(x, axis=-1):
  x = np.exp(x - x.max(axis, keepdims=True))
  return x / x.sum(axis, keepdims=True)


def max_pool(x):
  """[B, H, W, C] -> [B, 4, 4, C]."""
  rows, columns = x.shape[1] // 4, x.shape[2] // 4
  return np.stack([np.stack([
      x[:, i * rows:(i + 1) * rows, j * columns:(j + 1) * columns].max((1, 2))
      for j in range(4)], 1) for i in range(4)], 1)


def factorized(layer, h, x):
  """The weights that a FactorizedKernels predicts."""
  convolution, hidden, last, selection = layer.parts
  pooled = max_pool(np.maximum(gate(convolution, 0, h, x), 0)).reshape(len(h), -1)
  units = np.maximum(pooled @ value(hidden.kernel) + hidden.bias.numpy(), 0)
  kernels = (units @ value(last.kernel) + last.bias.numpy()).reshape(-1, 9, 9)
  kernels, selected = softmax(kernels), softmax(gate(selection, 0, h, x))
  weights = np.zeros([*h.shape[:3], 9])
  for b, i, j, l in np.ndindex(*h.shape[:3], 9):
    weights[b, i, j] += selected[b, i, j, l] * kernels[b, l]
  return weights


def pixelwise(layer, h, x):
  """The weights that a PixelwiseKernels predicts."""
  first, second, last = layer.parts
  y = np.maximum(gate(first, 0, h, x), 0)
  y = np.maximum(convolve(y, value(second.kernel), second.bias.numpy()), 0)
  return softmax(convolve(y, value(last.kernel), last.bias.numpy()))


REFERENCES = {FactorizedKernels: factorized, PixelwiseKernels: pixelwise}


def _weights(layer, x, h, training=False):
  step, given = layer.prepare(tf.transpose(x, [1, 0, 2, 3, 4]), training)
  return [step(tf.nest.map_structure(lambda of_all: of_all[t], given), state)
          for t, state in enumerate(tf.unstack(h, axis=1))]


@pytest.mark.parametrize('kind', REFERENCES)
def test_weights_equal_their_equations(kind):
  layer = randomize(kind(2, 3))
  x, h = 3 * normal(2, 3, 4, 8, 3), 3 * normal(2, 3, 4, 8, 2, seed=1)
  for t, found in enumerate(_weights(layer, tf.constant(x), tf.constant(h))):
    np.testing.assert_allclose(found, REFERENCES[kind](layer, h[:, t], x[:, t]), atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(found, -1), np.ones([2, 4, 8]), atol=1e-5)
    assert np.std(found) > 0.01


@pytest.mark.parametrize('kind, expected', [
    (FactorizedKernels, 9 * 5 * 2 + 2 + 32 * 2 + 2 + 2 * 81 + 81 + 9 * 5 * 9 + 9),
    (PixelwiseKernels, 9 * 5 * 2 + 2 + 9 * 2 * 2 + 2 + 9 * 2 * 9 + 9)])
def test_parameters(kind, expected):
  layer = kind(2, 3)
  assert sum(v.shape.num_elements() for v in layer.trainable_variables) == expected
  kernels = submodules(layer, spectral_norm.SpectralKernel)
  assert len(kernels) == len(layer.parts)
  assert len(layer.trainable_variables) == 2 * len(kernels)  # each with a bias


@pytest.mark.parametrize('kind', REFERENCES)
def test_gradients_reach_all_variables_and_inputs(kind):
  layer = randomize(kind(2, 3))
  x, h = tf.constant(normal(2, 2, 4, 4, 3)), tf.constant(normal(2, 2, 4, 4, 2))
  with tf.GradientTape() as tape:
    tape.watch([x, h])
    loss = tf.reduce_sum(tf.stack(_weights(layer, x, h)) * normal(2, 2, 4, 4, 9))
  for gradient in tape.gradient(loss, [x, h, *layer.trainable_variables]):
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize('kind', REFERENCES)
def test_bfloat16_predicts_float32_probabilities(kind):
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  layer = randomize(kind(2, 3))
  x, h = normal(2, 2, 4, 8, 3), normal(2, 2, 4, 8, 2, seed=1)
  for t, found in enumerate(_weights(layer, tf.cast(x, tf.bfloat16), tf.cast(h, tf.bfloat16))):
    assert found.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(found, -1), np.ones([2, 4, 8]), atol=1e-5)
    np.testing.assert_allclose(found, REFERENCES[kind](layer, h[:, t], x[:, t]), atol=0.02)
  assert {v.dtype for v in layer.variables} == {tf.float32}


def test_pooling():
  x = normal(2, 8, 12, 3)
  np.testing.assert_array_equal(hyper_networks.adaptive_max_pool(tf.constant(x)), max_pool(x))
  np.testing.assert_array_equal(hyper_networks.adaptive_max_pool(tf.constant(x[:, :4, :4])),
                                x[:, :4, :4])


@pytest.mark.parametrize('size', [(6, 8), (8, 6)])
def test_sizes_that_cannot_be_pooled(size):
  layer = FactorizedKernels(2, 2)
  x = tf.zeros([1, 1, *size, 2])
  with pytest.raises(ValueError, match=f'x has {size[0]}x{size[1]} positions.*multiples of 4'):
    _weights(layer, x, x)
  assert _weights(PixelwiseKernels(2, 2), x, x)[0].shape == [1, *size, 9]
