"""Warps against NumPy: identity, shifts, averages of neighbours; the motion that weights tell."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import kernel_warping


def _softmax(*shape, seed=0, axis=-1):
  x = np.exp(np.random.default_rng(seed).normal(size=shape))
  return (x / x.sum(axis, keepdims=True)).astype(np.float32)


def _one_tap(shape, side, m, n):
  weights = np.zeros([*shape, side * side], np.float32)
  weights[..., m * side + n] = 1
  return weights


def _reference(h, weights, side):
  """Eq. 11 by loops."""
  batch, height, width, channels = h.shape
  reach, out = (side - 1) // 2, np.zeros(h.shape)
  for b in range(batch):
    for i in range(height):
      for j in range(width):
        for m in range(side):
          for n in range(side):
            y, x = i + m - reach, j + n - reach
            if 0 <= y < height and 0 <= x < width:
              out[b, i, j] += weights[b, i, j, m * side + n] * h[b, y, x]
  return out


@pytest.mark.parametrize('side', [1, 3, 5])
def test_equals_its_equation(side):
  h = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype(np.float32)
  weights = _softmax(2, 5, 6, side * side)
  found = kernel_warping.warp(tf.constant(h), tf.constant(weights))
  np.testing.assert_allclose(found, _reference(h, weights, side), atol=1e-5)


def test_the_identity_and_a_shift():
  h = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype(np.float32)
  same = kernel_warping.warp(tf.constant(h), tf.constant(_one_tap((2, 5, 6), 3, 1, 1)))
  np.testing.assert_array_equal(same, h)
  # Reads the neighbour above and to the left: what was there moves down and to the right.
  moved = kernel_warping.warp(tf.constant(h), tf.constant(_one_tap((2, 5, 6), 3, 0, 0))).numpy()
  np.testing.assert_array_equal(moved[:, 1:, 1:], h[:, :-1, :-1])
  assert not moved[:, 0].any() and not moved[:, :, 0].any()


def test_factorized_weights_equal_their_equation():
  kernels, selection = _softmax(2, 9, 4, axis=1), _softmax(2, 5, 6, 4, seed=1)
  found = kernel_warping.factorized_weights(tf.constant(kernels), tf.constant(selection)).numpy()
  expected = np.zeros([2, 5, 6, 9])
  for q in range(9):
    for l in range(4):
      expected[..., q] += selection[..., l] * kernels[:, q, l][:, np.newaxis, np.newaxis]
  np.testing.assert_allclose(found, expected, atol=1e-6)
  np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_motion_is_where_things_go():
  still = kernel_warping.motion(tf.constant(_one_tap((1, 2, 2), 3, 1, 1)))
  np.testing.assert_array_equal(still, np.zeros([1, 2, 2, 2]))
  down_right = kernel_warping.motion(tf.constant(_one_tap((1, 2, 2), 3, 0, 0)))
  np.testing.assert_array_equal(down_right, np.ones([1, 2, 2, 2]))
  half = (_one_tap((1, 2, 2), 5, 2, 2) + _one_tap((1, 2, 2), 5, 2, 4)) / 2
  np.testing.assert_array_equal(
      kernel_warping.motion(tf.constant(half)), np.broadcast_to([0.0, -1.0], [1, 2, 2, 2]))


def test_motion_is_composed_over_resolutions():
  coarse = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
  fine = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
  found = kernel_warping.compose([tf.constant(coarse), tf.constant(fine)])
  np.testing.assert_allclose(found, 4 * coarse.repeat(4, 1).repeat(4, 2) + fine, rtol=1e-6)
  middle = np.zeros([1, 4, 4, 2], np.float32)
  found = kernel_warping.compose([tf.constant(x) for x in (coarse, middle, fine)])
  np.testing.assert_allclose(found, 4 * coarse.repeat(4, 1).repeat(4, 2) + fine, rtol=1e-6)


def test_motion_of_all_resolutions():
  """Minus the expected offset of where a warp reads; a coarse step is as many fine ones."""
  warps = [np.random.default_rng(side).dirichlet(np.ones(9), (2, 3, side, side))
           for side in (2, 4, 8)]
  found = kernel_warping.motion_of_video([tf.constant(warp, tf.float32) for warp in warps])
  expected = np.zeros([2, 3, 8, 8, 2])
  for warp, factor in zip(warps, (4, 2, 1)):
    for i in range(8):
      for j in range(8):
        for m in (-1, 0, 1):
          for n in (-1, 0, 1):
            weight = warp[:, :, i // factor, j // factor, 3 * (m + 1) + n + 1]
            expected[:, :, i, j] -= factor * weight[..., None] * np.array([m, n])
  assert found.dtype == tf.float32
  np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize('count', [4, 8, 10])
def test_weights_that_are_no_kernel(count):
  with pytest.raises(ValueError, match=f'k x k weights per position, with odd k; got {count}'):
    kernel_warping.warp(tf.zeros([1, 4, 4, 2]), tf.zeros([1, 4, 4, count]))
