"""Attention within frames against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import non_local

B, T, H, W, C = 2, 3, 4, 6, 16


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _block():
  block = non_local.NonLocalBlock()
  block(tf.zeros([B, T, H, W, C]))
  spectral_weights.randomize(block)
  return block


def _reference(block, frame):
  """One frame [H, W, C], position by position."""
  theta, phi, g = (spectral_weights.conv(layer, frame[None])[0]
                   for layer in (block.theta, block.phi, block.g))
  keys, values = [], []
  for i in range(0, H, 2):
    for j in range(0, W, 2):
      keys.append(phi[i:i + 2, j:j + 2].max((0, 1)))
      values.append(g[i:i + 2, j:j + 2].max((0, 1)))
  attended = np.zeros([H, W, C // 2])
  for i in range(H):
    for j in range(W):
      weights = np.exp([theta[i, j] @ key for key in keys])
      attended[i, j] = weights @ np.array(values) / weights.sum()
  return frame + block.gamma.numpy() * spectral_weights.conv(block.o, attended[None])[0]


def test_equals_its_equation():
  block, x = _block(), _draw(B, T, H, W, C)
  found = block(x, training=True)
  for b in range(B):
    for t in range(T):
      np.testing.assert_allclose(found[b, t], _reference(block, x[b, t]), atol=1e-5)
  np.testing.assert_allclose(block(x[0]), found[0], atol=1e-5)


def test_begins_as_the_identity():
  x = tf.constant(_draw(B, T, H, W, C))
  block = non_local.NonLocalBlock()
  with tf.GradientTape() as tape:
    y = block(x, training=True)
    loss = tf.reduce_sum(y**2)
  np.testing.assert_array_equal(y, x)
  assert tape.gradient(loss, block.gamma).numpy() != 0


def test_parameters():
  count = sum(int(np.prod(v.shape)) for v in _block().trainable_variables)
  assert count == C * C // 8 * 2 + C * C // 2 * 2 + 1


def test_bfloat16():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  block, x = _block(), _draw(B, T, H, W, C)
  found = block(x)
  assert found.dtype == tf.bfloat16 and {v.dtype for v in block.variables} == {tf.float32}
  np.testing.assert_allclose(
      tf.cast(found[1, 2], tf.float32), _reference(block, x[1, 2]), atol=0.1)


@pytest.mark.parametrize('shape', [(3, 4, 8), (4, 3, 8), (4, 4, 12)])
def test_sizes_that_do_not_fit(shape):
  message = f'got {shape[0]} x {shape[1]} and {shape[2]}'
  with pytest.raises(ValueError, match=message):
    non_local.NonLocalBlock()(tf.zeros([1, 2, *shape]))
