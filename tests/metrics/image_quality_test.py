"""PSNR and SSIM against NumPy and SciPy references, and on real frames against other libraries."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import metrics as skimage_metrics
import tensorflow as tf

from tf_videogen.metrics import image_quality


def _noisy_pair(shape, scale=20, seed=0):
  """A random smooth-ish video and a noisy copy of it, uint8 of `shape`."""
  rng = np.random.default_rng(seed)
  a = ndimage.gaussian_filter(rng.uniform(0, 255, shape), (0, 0, 1, 1, 0))
  b = a + rng.normal(0, scale, shape)
  return a.round().astype(np.uint8), b.clip(0, 255).round().astype(np.uint8)


def _reference_psnr(a, b):
  error = np.mean((a.astype(np.float64) - b.astype(np.float64))**2, axis=(2, 3, 4))
  return 10 * np.log10(255**2 / error)


def _reference_ssim(a, b, window):
  """SSIM of two [H, W] planes by separable correlation in float64."""
  offsets = np.arange(window) - window // 2
  kernel = np.exp(-offsets**2 / (2 * 1.5**2))
  kernel /= kernel.sum()
  margin = window // 2

  def mean(x):
    for axis in (0, 1):
      x = ndimage.correlate1d(x, kernel, axis=axis)
    return x[margin:x.shape[0] - margin, margin:x.shape[1] - margin]

  a, b = a.astype(np.float64), b.astype(np.float64)
  c1, c2 = (0.01 * 255)**2, (0.03 * 255)**2
  mean_a, mean_b = mean(a), mean(b)
  covariance = mean(a * b) - mean_a * mean_b
  variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
  luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
  return np.mean(luminance * (2 * covariance + c2) / (variances + c2))


def test_psnr_equals_numpy():
  a, b = _noisy_pair([2, 3, 16, 20, 3])
  values = image_quality.psnr(a, b)
  assert values.dtype == tf.float32 and values.shape == (2, 3)
  np.testing.assert_allclose(values, _reference_psnr(a, b), rtol=1e-5)


def test_psnr_extremes():
  black, white = np.zeros([1, 2, 8, 8, 1], np.uint8), np.full([1, 2, 8, 8, 1], 255, np.uint8)
  np.testing.assert_allclose(image_quality.psnr(black, white), [[0, 0]], atol=1e-5)
  np.testing.assert_allclose(image_quality.psnr(white, white), [[100, 100]], rtol=1e-6)


def test_psnr_one_value_off_in_a_large_frame_is_below_the_cap():
  a = np.zeros([1, 1, 223, 223, 3], np.uint8)
  b = a.copy()
  b[0, 0, 5, 5, 1] = 1
  value = image_quality.psnr(a, b).numpy()[0, 0]
  np.testing.assert_allclose(value, _reference_psnr(a, b)[0, 0], rtol=1e-6)
  assert value < 100


@pytest.mark.parametrize('height,width,window', [(24, 20, 11), (11, 30, 11), (10, 16, 9),
                                                 (8, 7, 7), (1, 5, 1)])
def test_ssim_equals_scipy(height, width, window):
  a, b = _noisy_pair([2, 2, height, width, 3])
  expected = [[np.mean([_reference_ssim(a[n, t, :, :, c], b[n, t, :, :, c], window)
                        for c in range(3)]) for t in range(2)] for n in range(2)]
  values = image_quality.ssim(a, b)
  assert values.dtype == tf.float32
  np.testing.assert_allclose(values, expected, atol=2e-4)


def test_ssim_of_identical_frames_is_one():
  a, _ = _noisy_pair([1, 2, 16, 16, 1])
  np.testing.assert_allclose(image_quality.ssim(a, a), [[1, 1]], atol=1e-6)


@pytest.fixture(name='frames')
def _frames(real_data):
  """Two videos of BAIR, uint8 [4, 29, 64, 64, 3]: a frame, and the next one."""
  with np.load(real_data / 'bair' / 'bair_ground_truth_4x30.npz') as arrays:
    video = arrays['video']
  assert video.shape == (4, 30, 64, 64, 3) and video.dtype == np.uint8
  return video[:, :-1], video[:, 1:]


def _each(metric, a, b):
  """A metric of two frames [H, W, C], of every pair of two videos: [B, T]."""
  return [[metric(*frames) for frames in zip(*clips)] for clips in zip(a, b)]


@pytest.mark.real_data
def test_psnr_of_real_frames_equals_other_libraries(frames):
  a, b = frames
  values = image_quality.psnr(a, b)
  assert values.shape == (4, 29) and 15 < tf.reduce_mean(values) < 40
  def of_skimage(x, y):
    return skimage_metrics.peak_signal_noise_ratio(x, y, data_range=255)
  np.testing.assert_allclose(values, _each(of_skimage, a, b), rtol=1e-5)
  np.testing.assert_allclose(values, tf.image.psnr(a, b, 255), rtol=1e-5)


@pytest.mark.real_data
def test_ssim_of_real_frames_equals_other_libraries(frames):
  a, b = frames
  values = image_quality.ssim(a, b)
  assert values.shape == (4, 29) and 0.5 < tf.reduce_mean(values) < 0.99
  def of_skimage(x, y):
    """The paper's settings: a Gaussian of 11 pixels, covariances over n, no borders."""
    return skimage_metrics.structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
        channel_axis=-1)
  np.testing.assert_allclose(values, _each(of_skimage, a, b), atol=2e-5)
  np.testing.assert_allclose(values, tf.image.ssim(a, b, 255), atol=5e-5)


@pytest.mark.parametrize('metric', [image_quality.psnr, image_quality.ssim])
def test_compiles_under_xla_with_unknown_batch_in_graph(metric):
  a, b = _noisy_pair([2, 2, 16, 16, 3])
  compiled = tf.function(metric, jit_compile=True)
  np.testing.assert_allclose(compiled(a, b), metric(a, b), atol=1e-4)
  spec = tf.TensorSpec([None, 2, 16, 16, 3], tf.uint8)
  traced = tf.function(metric, input_signature=[spec, spec])
  np.testing.assert_allclose(traced(a, b), metric(a, b), atol=1e-4)


@pytest.mark.parametrize('metric', [image_quality.psnr, image_quality.ssim])
def test_wrong_arguments_are_named(metric):
  a, _ = _noisy_pair([1, 2, 16, 16, 1])
  with pytest.raises(ValueError, match='b must be uint8'):
    metric(a, a.astype(np.float32))
  with pytest.raises(ValueError, match='a must be uint8'):
    metric(a[0], a[0])
  with pytest.raises(ValueError, match='same shape'):
    metric(a, a[:, :1])
