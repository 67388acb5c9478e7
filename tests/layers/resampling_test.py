"""Up-sampling and pooling against NumPy; gradients, with XLA and without."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import kernel_warping
from tf_videogen.layers import resampling


def _integers(*shape):
  """Numbers whose sums are exact."""
  return np.random.default_rng(0).integers(-8, 9, size=shape).astype(np.float32)


@pytest.mark.parametrize('shape', [(2, 3, 4, 1), (2, 3, 2, 3, 4)])
@pytest.mark.parametrize('factor', [1, 2, 3])
def test_upsampling_repeats(shape, factor):
  x = _integers(*shape)
  expected = x.repeat(factor, -3).repeat(factor, -2)
  np.testing.assert_array_equal(resampling.upsample(tf.constant(x), factor), expected)


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('dtype', [tf.float32, tf.bfloat16])
def test_the_gradient_of_upsampling_sums(compiled, dtype):
  upstream = _integers(2, 3, 4, 6, 5)

  @tf.function(jit_compile=compiled)
  def gradient(x, upstream):
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(resampling.upsample(x) * upstream)
    return tape.gradient(loss, x)

  found = gradient(tf.zeros([2, 3, 2, 3, 5], dtype), tf.constant(upstream, dtype))
  assert found.dtype == dtype
  expected = upstream.reshape(2, 3, 2, 2, 3, 2, 5).sum((3, 5))
  np.testing.assert_array_equal(tf.cast(found, tf.float32), expected)


def _boxes(x, factors):
  """Means over boxes of (t, h, w), by loops."""
  t, h, w = factors
  sizes = [size // factor for size, factor in zip(x.shape[1:4], factors)]
  out = np.zeros([x.shape[0], *sizes, x.shape[4]])
  for i, j, k in np.ndindex(*sizes):
    box = x[:, i * t:(i + 1) * t, j * h:(j + 1) * h, k * w:(k + 1) * w]
    out[:, i, j, k] = box.mean((1, 2, 3))
  return out


@pytest.mark.parametrize('factors', [(2, 2), (2, 3), (2, 2, 2), (4, 1, 3), (1, 4, 2)])
def test_average_pooling(factors):
  x = _integers(2, 4, 4, 6, 3)
  found = resampling.average_pool(tf.constant(x), factors)
  np.testing.assert_allclose(found, _boxes(x, (1, *factors)[-3:]), atol=1e-6)
  if len(factors) == 2:
    np.testing.assert_allclose(resampling.average_pool(tf.constant(x[0]), factors), found[0])


@pytest.mark.parametrize('factors, shape, message', [
    ((2, 2), (1, 3, 4, 5, 2), r'multiples of its factors \(2, 2\), got \(4, 5\)'),
    ((2, 2, 2), (1, 3, 4, 4, 2), r'multiples of its factors \(2, 2, 2\), got \(3, 4, 4\)'),
    ((2,), (1, 4, 4, 2), r'factors must be two or three numbers, got \(2,\)')])
def test_sizes_that_do_not_divide(factors, shape, message):
  with pytest.raises(ValueError, match=message):
    resampling.average_pool(tf.zeros(shape), factors)


def test_motion_is_composed_by_upsampling():
  coarse, fine = _integers(2, 2, 3, 2), _integers(2, 4, 6, 2)
  found = kernel_warping.compose([tf.constant(coarse), tf.constant(fine)])
  np.testing.assert_array_equal(found, 2 * coarse.repeat(2, 1).repeat(2, 2) + fine)
