"""Convolutions whose odd zero stands before: against NumPy, and TensorFlow's where they agree."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import convolution


def _by_numpy(x, kernel, bias, strides):
  """Zeros of k - s an axis, the larger half before; then every s-th place."""
  sizes = kernel.shape[:3]
  zeros = [max(k - s, 0) for k, s in zip(sizes, strides)]
  x = np.pad(x, [(0, 0), *(((n + 1) // 2, n // 2) for n in zeros), (0, 0)])
  counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:4], sizes, strides)]
  y = np.zeros([len(x), *counts, kernel.shape[-1]])
  for place in np.ndindex(*counts):
    begin = [i * s for i, s in zip(place, strides)]
    window = x[:, begin[0]:begin[0] + sizes[0], begin[1]:begin[1] + sizes[1],
               begin[2]:begin[2] + sizes[2]]
    y[(slice(None), *place)] = np.einsum('bthwc,thwcd->bd', window, kernel)
  return y + bias


@pytest.mark.parametrize('kernel, strides, as_tensorflow', [
    (4, (2, 2, 2), True), (3, (1, 1, 1), True), (1, (1, 1, 1), True), (4, (2, 1, 1), False),
    (4, (1, 2, 2), False), (3, (1, 2, 2), False), (3, (2, 2, 2), False), (1, (1, 2, 2), True),
    (2, (1, 2, 2), False)])
def test_equals_numpy(kernel, strides, as_tensorflow):
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 4, 6, 8, 3)).astype(np.float32)
  layer = convolution.SamePadConv3D(5, kernel, strides)
  layer(x)
  layer.bias.assign(rng.normal(size=5))
  y = layer(x)
  assert y.shape == (2, *(n // s for n, s in zip((4, 6, 8), strides)), 5)
  np.testing.assert_allclose(
      y, _by_numpy(x, layer.kernel.numpy(), layer.bias.numpy(), strides), atol=1e-4)
  theirs = tf.nn.conv3d(x, layer.kernel, [1, *strides, 1], 'SAME') + layer.bias
  assert np.allclose(y, theirs, atol=1e-4) == as_tensorflow


def test_one_frame_is_enough():
  layer = convolution.SamePadConv3D(2, 3, (1, 2, 2))
  assert layer(tf.zeros([1, 1, 4, 4, 1])).shape == (1, 1, 2, 2, 2)
  unknown = tf.function(layer, input_signature=[tf.TensorSpec([None, 1, 4, 4, 1])])
  assert unknown(tf.zeros([3, 1, 4, 4, 1])).shape == (3, 1, 2, 2, 2)
