"""Legacy bilinear resizing against TensorFlow 1's, with XLA and without, and against NumPy."""

import numpy as np
import pytest
from scipy import ndimage
import tensorflow as tf

from tf_videogen.metrics import resizing

# Heights and widths, of the input and of the output: up, down, one of each, the same, the smallest.
SIZES = [((64, 64), (224, 224)), ((64, 48), (112, 100)), ((240, 320), (224, 224)),
         ((100, 33), (50, 112)), ((128, 128), (112, 112)), ((224, 30), (224, 30)),
         ((5, 7), (9, 13)), ((1, 3), (4, 5)), ((6, 4), (3, 1))]


def _images(size, dtype=np.uint8, seed=0):
  """Two noisy pictures [2, H, W, 3]."""
  values = np.random.default_rng(seed).uniform(0, 255, [2, *size, 3])
  return values.round().astype(dtype) if dtype == np.uint8 else values.astype(dtype)


def _reference(images, size, align_corners):
  """Output pixel i is read at i * scale of the input, in float64; beyond the last is the last."""
  images = images.astype(np.float64)
  for axis, n_out in zip((1, 2), size):
    n_in = images.shape[axis]
    corners = align_corners and n_out > 1
    scale = (n_in - 1) / (n_out - 1) if corners else n_in / n_out
    lines = []
    for i in range(n_out):
      low = min(int(i * scale), n_in - 1)
      share = i * scale - low
      lines.append((1 - share) * images.take(low, axis)
                   + share * images.take(min(low + 1, n_in - 1), axis))
    images = np.stack(lines, axis)
  return images


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('size,new', SIZES)
def test_equals_tensorflow_1_to_the_last_bit(size, new, dtype, align_corners):
  images = _images(size, dtype)
  resized = resizing.bilinear(images, new, align_corners)
  expected = tf.compat.v1.image.resize_bilinear(
      images, new, align_corners=align_corners, half_pixel_centers=False)
  assert resized.dtype == tf.float32 and resized.shape == (2, *new, 3)
  np.testing.assert_array_equal(resized, expected)
  traced = tf.function(lambda x: resizing.bilinear(x, new, align_corners))
  np.testing.assert_array_equal(traced(images), expected)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size,new', SIZES)
def test_equals_numpy(size, new, align_corners):
  images = _images(size)
  resized = resizing.bilinear(images, new, align_corners)
  # Places are float32: at 320 pixels off by up to 3e-5, times 255.
  np.testing.assert_allclose(resized, _reference(images, new, align_corners), atol=1e-2)


@pytest.mark.parametrize('align_corners', [False, True])
def test_is_the_same_under_xla(align_corners):
  """To rounding, 3 units in the last place of 255; no less in the last rows and columns."""
  pairs = [(_images(size, dtype), new) for size, new in SIZES for dtype in (np.uint8, np.float32)]
  def resize_all(batches):
    return [resizing.bilinear(batch, new, align_corners) for batch, (_, new) in zip(batches, pairs)]
  compiled = tf.function(resize_all, jit_compile=True)([tf.constant(images) for images, _ in pairs])
  for resized, (images, new) in zip(compiled, pairs):
    expected = resizing.bilinear(images, new, align_corners).numpy()
    assert resized.dtype == tf.float32 and resized.shape == expected.shape
    difference = np.abs(resized - expected)
    assert difference.max() <= 5e-5, images.shape
    assert difference[:, -4:].max() <= 5e-5 and difference[:, :, -4:].max() <= 5e-5


def test_last_rows_and_columns_repeat_the_last():
  images = _images((8, 8))
  for jit_compile in (False, True):
    resize = tf.function(lambda x: resizing.bilinear(x, (32, 32)), jit_compile=jit_compile)
    resized = resize(images).numpy()
    corner = np.broadcast_to(images[:, 7:, 7:], [2, 4, 4, 3])
    np.testing.assert_allclose(resized[:, 28:, 28:], corner, atol=5e-5)
    assert np.abs(resized[:, 27, 27] - images[:, 7, 7]).max() > 1


def test_corners_stay_where_they_are_when_aligned():
  images = _images((10, 12))
  resized = resizing.bilinear(images, (21, 35), align_corners=True).numpy()
  places = np.ix_([0, 1], [0, -1], [0, -1])
  np.testing.assert_allclose(resized[places], images[places], atol=1e-3)
  legacy = resizing.bilinear(images, (21, 35)).numpy()
  assert np.abs(resized - legacy).mean() > 5


@pytest.mark.parametrize('jit_compile', [False, True])
def test_half_pixels_are_those_of_later_libraries(jit_compile):
  """TensorFlow 2's; and by hand in a row of two pixels, PyTorch's without aligned corners."""
  resize = lambda new: tf.function(
      lambda x: resizing.bilinear(x, new, half_pixels=True), jit_compile=jit_compile)
  for size, new in SIZES[:1] + SIZES[-3:]:
    images = _images(size)
    expected = tf.image.resize(images, new, antialias=False)
    np.testing.assert_allclose(resize(new)(tf.constant(images)), expected, atol=5e-3)
  row = tf.constant([0.0, 100.0], shape=[1, 1, 2, 1])
  np.testing.assert_allclose(
      resize((1, 8))(row)[0, 0, :, 0], [0, 0, 12.5, 37.5, 62.5, 87.5, 100, 100], atol=1e-4)


def _distance_to_half_pixels(images):
  """The mean difference, of 255, that a mix-up of conventions makes."""
  half_pixel = tf.image.resize(images, (224, 224), antialias=False)
  return np.mean(np.abs(resizing.bilinear(images, (224, 224)) - half_pixel))


def test_half_pixel_centers_would_be_noticed():
  noise = ndimage.gaussian_filter(
      np.random.default_rng(0).normal(size=[2, 64, 64, 3]), (0, 2, 2, 0))
  images = (127 + 60 * noise / noise.std()).clip(0, 255).astype(np.uint8)
  assert 7 < _distance_to_half_pixels(images) < 8


@pytest.mark.real_data
def test_half_pixel_centers_would_be_noticed_on_real_frames(real_data):
  with np.load(real_data / 'bair' / 'bair_ground_truth_4x30.npz') as arrays:
    frames = arrays['video'][:, 0]
  assert frames.shape == (4, 64, 64, 3)
  assert 7 < _distance_to_half_pixels(frames) < 8
