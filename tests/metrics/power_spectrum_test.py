"""The power spectral density of frames whose spectrum is known."""

import numpy as np
import pytest
from scipy import ndimage

from tf_videogen.metrics import power_spectrum

SIZES = [(64, 64), (48, 64), (64, 30), (33, 33), (21, 50), (8, 8)]


def _noise(count, height, width, channels=1, deviation=0.15, seed=0):
  """White noise around grey, uint8 [B, H, W, C]; and its variance, of values from 0 to 1."""
  rng = np.random.default_rng(seed)
  values = 255 * rng.normal(0.5, deviation, [count, height, width, channels])
  frames = values.round().clip(0, 255).astype(np.uint8)
  return frames, np.var(frames / 255, axis=(0, 1, 2))


def _wave(height, width, cycles):
  """A sinusoid of so many cycles from top to bottom and from left to right: uint8 [1, H, W, 1]."""
  y, x = np.arange(height)[:, np.newaxis] / height, np.arange(width) / width
  values = 127.5 + 100 * np.cos(2 * np.pi * (cycles[0] * y + cycles[1] * x) + 1)
  return values.round().astype(np.uint8)[np.newaxis, :, :, np.newaxis]


def _reference(frame):
  """Of a grey frame [H, W]: means over rings of the transform's squared magnitude."""
  height, width = frame.shape
  y, x = np.arange(height), np.arange(width)
  rows = np.exp(-2j * np.pi * np.outer(y, y) / height)
  columns = np.exp(-2j * np.pi * np.outer(x, x) / width)
  power = np.abs(rows @ (frame / 255) @ columns)**2 / (height * width)
  largest = max(height, width)
  values = [[] for _ in range(largest // 2)]
  for i in range(height):
    for j in range(width):
      frequency = np.hypot(min(i, height - i) / height, min(j, width - j) / width)
      ring = int(np.floor(frequency * largest + 0.5))
      if 1 <= ring <= len(values):
        values[ring - 1].append(power[i, j])
  return [np.mean(ring) for ring in values]


@pytest.mark.parametrize('height,width', SIZES)
def test_equals_the_definition(height, width):
  frames, _ = _noise(2, height, width)
  frames[1] = ndimage.gaussian_filter(frames[1], (1, 2, 0))
  density = power_spectrum.radial(frames)
  assert density.dtype == np.float64
  np.testing.assert_allclose(density, [_reference(frame[..., 0]) for frame in frames], rtol=1e-6)


@pytest.mark.parametrize('height,width', SIZES)
def test_frequencies(height, width):
  frequencies = power_spectrum.frequencies(height, width)
  largest = max(height, width)
  assert power_spectrum.radial(_noise(3, height, width)[0]).shape == (3, len(frequencies))
  assert frequencies[0] == 1 / largest and np.allclose(np.diff(frequencies), 1 / largest)
  assert 0.5 - 1 / largest < frequencies[-1] <= 0.5


@pytest.mark.parametrize('height,width', SIZES[:5])
def test_white_noise_has_its_variance_at_every_frequency(height, width):
  frames, variance = _noise(600, height, width)
  density = power_spectrum.radial(frames).mean(0)
  # The first ring may have 2 values a frame, each the other's mirror image: 600 make 4 %.
  np.testing.assert_allclose(density, variance[0], rtol=0.12)
  np.testing.assert_allclose(density[3:], variance[0], rtol=0.06)


@pytest.mark.parametrize('cycles', [(0, 9), (9, 0), (0, 30), (5, 7), (7, -5), (20, 20), (1, 0)])
def test_a_sinusoid_peaks_at_its_frequency(cycles):
  density, = power_spectrum.radial(_wave(64, 64, cycles))
  ring = round(np.hypot(*cycles)) - 1
  assert density.argmax() == ring
  assert np.delete(density, ring).max() < 1e-3 * density[ring]


@pytest.mark.parametrize('cycles', [(0, 16), (8, 0)])
def test_frequencies_are_cycles_a_pixel_where_frames_are_not_square(cycles):
  """A wave of four pixels has frequency 1/4, along the long side and along the short one."""
  density, = power_spectrum.radial(_wave(32, 64, cycles))
  assert power_spectrum.frequencies(32, 64)[density.argmax()] == 0.25


def test_a_turned_frame_has_the_same_spectrum():
  frames, _ = _noise(2, 40, 24)
  np.testing.assert_allclose(power_spectrum.radial(frames.swapaxes(1, 2)),
                             power_spectrum.radial(frames), rtol=1e-10)


def test_blur_lowers_high_frequencies_only():
  """By the square of a Gaussian's transform, exp(-(2 pi f s)^2); that of uint8's steps is left."""
  frames, _ = _noise(50, 64, 64)
  blurred = ndimage.gaussian_filter(frames.astype(np.float64), (0, 1, 1, 0), mode='wrap')
  ratio = (power_spectrum.radial(blurred.round().astype(np.uint8))
           / power_spectrum.radial(frames)).mean(0)
  frequencies = power_spectrum.frequencies(64, 64)
  expected = np.exp(-(2 * np.pi * frequencies)**2)
  assert ratio[0] > 0.97 and ratio[-1] < 0.01
  np.testing.assert_allclose(ratio, expected, atol=0.02)


def test_a_constant_frame_has_no_power():
  frames = np.full([1, 16, 16, 1], 200, np.uint8)
  np.testing.assert_allclose(power_spectrum.radial(frames), np.zeros([1, 8]), atol=1e-20)


def test_brightness_does_not_count():
  frames, _ = _noise(2, 32, 32, deviation=0.05)
  np.testing.assert_allclose(power_spectrum.radial(frames + np.uint8(40)),
                             power_spectrum.radial(frames), rtol=1e-9)


def test_grey_of_rgb():
  frames, _ = _noise(2, 16, 24)
  np.testing.assert_allclose(power_spectrum.radial(np.repeat(frames, 3, -1)),
                             power_spectrum.radial(frames), rtol=1e-9)
  colours, variance = _noise(300, 32, 32, channels=3)
  expected = variance @ np.array([0.299, 0.587, 0.114])**2
  np.testing.assert_allclose(power_spectrum.radial(colours).mean(0)[3:], expected, rtol=0.06)
  for channel, share in enumerate((0.299, 0.587, 0.114)):
    one = np.zeros([2, 16, 24, 3], np.uint8)
    one[..., channel] = frames[..., 0]
    np.testing.assert_allclose(power_spectrum.radial(one),
                               share**2 * power_spectrum.radial(frames), rtol=1e-9)
