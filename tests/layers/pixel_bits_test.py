"""Pixels as channels of few bits."""
import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import pixel_bits

VIDEO = np.arange(256, dtype=np.uint8)[:, None] + np.array([0, 85, 170], np.uint8)  # [256, 3]


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_split_and_its_inverse(bits):
  pixels = pixel_bits.PixelBits(bits)
  channels = pixels.split(VIDEO)
  assert channels.shape == (256, 3 * 8 // bits) == (256, 3 * pixels.parts)
  assert channels.numpy().max() == pixels.values - 1
  np.testing.assert_array_equal(pixels.join(channels), VIDEO)


def test_coarse_halves_come_first():
  channels = pixel_bits.PixelBits().split(np.array([[0x12, 0x34, 0x56]], np.uint8))
  np.testing.assert_array_equal(channels, [[1, 3, 5, 2, 4, 6]])


@pytest.mark.parametrize('one_hot', [True, False])
def test_features(one_hot):
  pixels = pixel_bits.PixelBits(one_hot=one_hot, whole=False)
  channels = tf.constant([[0, 15], [-1, 5]])
  features = pixels.features(channels, tf.float32, of_pixel=2).numpy()
  if one_hot:
    expected = np.concatenate([np.eye(16)[[0, 15]].ravel(), np.zeros(16), np.eye(16)[5]])
  else:
    expected = [-1, 1, 1, 1, 0, 0, -1 / 3, 1]
  np.testing.assert_allclose(features.ravel(), expected, rtol=1e-6)
  assert features.shape == (2, pixels.size(2))


@pytest.mark.parametrize('bits', [2, 4, 8])
def test_features_of_whole_colours(bits):
  """Of three pixels side by side, of which the second is not seen."""
  pixels = pixel_bits.PixelBits(bits, one_hot=False)
  video = np.random.default_rng(0).integers(256, size=(5, 3, 3)).astype(np.uint8)
  channels = pixels.split(video).numpy()
  channels[:, 1] = -1
  flat = channels.reshape([5, -1])  # [5, 3, N_c] -> [5, 3 * N_c]
  features = pixels.features(flat, tf.float32, of_pixel=channels.shape[-1]).numpy()
  assert features.shape == (5, pixels.size(flat.shape[-1])) == (5, 3 * 3 * 2)
  features = features.reshape([5, 3, 3, 2])
  np.testing.assert_allclose(features[:, ::2, :, 0], video[:, ::2] / 127.5 - 1, atol=1e-6)
  assert (features[:, ::2, :, 1] == 1).all() and (features[:, 1] == 0).all()


def test_bits_that_do_not_fit():
  with pytest.raises(ValueError, match='must be 1, 2, 4 or 8, got 3'):
    pixel_bits.PixelBits(3)
