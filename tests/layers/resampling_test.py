"""Up-sampling, pooling and down-sampling against NumPy; gradients, with XLA and without."""

import numpy as np
import pytest
from scipy import ndimage
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


FACTORS = pytest.mark.parametrize('factor', [1, 2, 3, 4])


@FACTORS
@pytest.mark.parametrize('leading', [(2,), (2, 3)])
def test_nearest_takes_the_first_of_each_box(factor, leading):
  """What PyTorch's interpolate(mode='nearest') has: floor(i * factor)."""
  x = _integers(*leading, 12, 24, 2)
  rows, columns = np.arange(12 // factor), np.arange(24 // factor)
  expected = np.take(np.take(x, factor * rows, -3), factor * columns, -2)
  found = resampling.nearest(tf.constant(x), factor)
  assert found.shape == (*leading, 12 // factor, 24 // factor, 2)
  np.testing.assert_array_equal(found, expected)
  np.testing.assert_array_equal(resampling.nearest(resampling.upsample(found, factor), factor),
                                found)


@FACTORS
@pytest.mark.parametrize('leading', [(2,), (2, 3)])
def test_bilinear_interpolates_in_the_middle_of_each_box(factor, leading):
  """As TensorFlow has it, and SciPy, whose coordinates are those of pixels' centers."""
  x = _integers(*leading, 12, 24, 2)
  found = resampling.bilinear(tf.constant(x), factor).numpy()
  assert found.shape == (*leading, 12 // factor, 24 // factor, 2)
  frames = x.reshape(-1, 12, 24, 2)
  resized = tf.image.resize(frames, (12 // factor, 24 // factor), antialias=False)
  np.testing.assert_allclose(found.reshape(resized.shape), resized, atol=1e-5)
  middles = np.stack(np.mgrid[:12 // factor, :24 // factor]) * factor + (factor - 1) / 2
  expected = np.stack([[ndimage.map_coordinates(frame[..., c], middles, order=1) for c in range(2)]
                       for frame in frames])  # [N, C, H, W]
  np.testing.assert_allclose(found.reshape(resized.shape), np.moveaxis(expected, 1, -1), atol=1e-5)


@pytest.mark.parametrize('factor', [2, 3, 4, 5])
def test_bilinear_by_loops(factor):
  """The mean of the middle 2 x 2 pixels, or the middle one."""
  x = _integers(2, 2 * factor, 3 * factor, 1)
  middle = range((factor - 1) // 2, factor // 2 + 1)
  assert len(middle) == (1 if factor % 2 else 2)
  for i, j in np.ndindex(2, 3):
    pixels = [x[:, factor * i + m, factor * j + n] for m in middle for n in middle]
    found = resampling.bilinear(tf.constant(x), factor)[:, i, j]
    np.testing.assert_allclose(found, np.mean(pixels, 0), atol=1e-6)


@pytest.mark.parametrize('downsample', [resampling.nearest, resampling.bilinear])
def test_gradients_of_downsampling(downsample):
  """Of what is linear: <J x, y> = <x, J' y>; compiled, and of bfloat16."""
  x, upstream = _integers(2, 3, 8, 4, 2), tf.constant(_integers(2, 3, 2, 1, 2))
  for dtype in (tf.float32, tf.bfloat16):
    @tf.function(jit_compile=True)
    def gradient(x, upstream):
      with tf.GradientTape() as tape:
        tape.watch(x)
        y = downsample(x, 4)
        loss = tf.reduce_sum(y * upstream)
      return y, tape.gradient(loss, x)
    y, found = gradient(tf.cast(x, dtype), tf.cast(upstream, dtype))
    assert y.dtype == found.dtype == dtype
    product = lambda a, b: np.sum(tf.cast(a, tf.float32) * tf.cast(b, tf.float32))
    np.testing.assert_allclose(product(y, upstream), product(x, found), rtol=1e-6)


@pytest.mark.parametrize('downsample', [resampling.nearest, resampling.bilinear])
@pytest.mark.parametrize('sides, factor', [((4, 6), 4), ((6, 4), 4), ((8, 8), 3), ((2, 2), 4)])
def test_sides_that_are_no_multiples(downsample, sides, factor):
  with pytest.raises(ValueError, match=f'frames of {sides[0]} x {sides[1]} cannot be made {factor} '
                                       'times smaller') as error:
    downsample(tf.zeros([1, *sides, 3]), factor)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('steps, joined', [
    ([], []), ([['bilinear', 2]], [['bilinear', 2]]),
    ([['nearest', 2], ['nearest', 2]], [['nearest', 4]]),
    ([['bilinear', 2], ['bilinear', 2]], [['bilinear', 2], ['bilinear', 2]]),
    ([['nearest', 2], ['nearest', 2], ['bilinear', 2], ['nearest', 2]],
     [['nearest', 4], ['bilinear', 2], ['nearest', 2]])])
def test_steps_that_join_do_the_same(steps, joined):
  assert resampling.shortened(steps) == joined
  made = []
  for taken in (steps, joined):
    x = _integers(2, 32, 16, 1)
    for name, factor in taken:
      x = getattr(resampling, name)(x, factor)
    made.append(x)
  np.testing.assert_array_equal(*made)


def test_two_bilinear_steps_are_not_one():
  x = _integers(2, 8, 8, 1)
  assert np.any(resampling.bilinear(resampling.bilinear(x, 2), 2) != resampling.bilinear(x, 4))


@pytest.mark.parametrize('times', [1, 2, 3])
def test_repeated_frames(times):
  video = _integers(2, 4, 3, 2, 1)
  expected = np.repeat(video, times, axis=1)
  np.testing.assert_array_equal(resampling.repeat_frames(tf.constant(video), times), expected)

  @tf.function(input_signature=[tf.TensorSpec([None, 4, 3, 2, 1])])
  def of_any_batch(video):
    made = resampling.repeat_frames(video, times)
    assert made.shape == (None, 4 * times, 3, 2, 1)
    return made

  np.testing.assert_array_equal(of_any_batch(video), expected)


def test_motion_is_composed_by_upsampling():
  coarse, fine = _integers(2, 2, 3, 2), _integers(2, 4, 6, 2)
  found = kernel_warping.compose([tf.constant(coarse), tf.constant(fine)])
  np.testing.assert_array_equal(found, 2 * coarse.repeat(2, 1).repeat(2, 2) + fine)
