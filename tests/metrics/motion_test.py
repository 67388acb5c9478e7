"""Centroids, their errors, and the agreement of motion fields, by hand."""

import numpy as np
import pytest

from tf_videogen.metrics import motion


def _ground(shape, levels=(10, 30, 20)):
  return np.zeros(shape, np.uint8) + np.array(levels[:shape[-1]], np.uint8)


def test_centroids_by_hand():
  video = _ground((2, 2, 8, 10, 3))
  video[0, 0, 2:4, 5:8] = [200, 30, 20]  # six pixels
  video[0, 1, 7, 9] = [10, 0, 0]  # darker than the ground: 50
  video[0, 1, 7, 3] = [10, 130, 120]  # 200
  video[1, 0, 0, 0] = 255
  expected = [[[2.5, 6.], [7., (50 * 9 + 200 * 3) / 250]], [[0, 0], [np.nan, np.nan]]]
  found = motion.centroids(video)
  assert found.shape == (2, 2, 2)
  np.testing.assert_allclose(found, expected)


def test_a_clip_has_one_ground():
  """A frame that is filled is told from the ground, which most pixels of the clip show."""
  video = _ground((1, 3, 4, 6, 1), [40])
  video[:, 1] = 240
  np.testing.assert_allclose(motion.centroids(video)[0, 1], [1.5, 2.5])
  assert np.isnan(motion.centroids(video)[0, [0, 2]]).all()


def test_noise_weighs_nothing():
  levels = 3 * motion.NOISE
  video = _ground((1, 1, 8, 8, 3))
  video[0, 0, 3, 3] = [10 + levels, 30, 20]  # just enough
  video[0, 0, 7, 7] = [10 + levels - 1, 30, 20]
  np.testing.assert_allclose(motion.centroids(video)[0, 0], [3, 3])
  noise = np.random.default_rng(0).normal(0, 5, (1, 1, 64, 64, 3))
  noisy = _ground((1, 1, 64, 64, 3)) + 60.
  noisy[:, :, 10:16, 40:46] += 100
  found = motion.centroids((noisy + noise).round().astype(np.uint8))
  np.testing.assert_allclose(found[0, 0], [12.5, 42.5], atol=.1)


def test_centroid_error_by_hand():
  nothing = [np.nan, np.nan]
  true = np.array([[[1., 1.], [2., 2.], nothing, nothing],
                   [[5., 5.], [6., 6.], [7., 7.], nothing]])
  predicted = np.array([[[4., 5.], nothing, [0., 0.], nothing],
                        [[5., 5.], [6., 7.], nothing, [1., 1.]]])
  found = motion.centroid_error(predicted, true, 32)
  np.testing.assert_allclose(found, [(5 + 0) / 2, (16 + 1) / 2, 16, np.nan])


def _fields():
  """True motion of two pixels, 2 downwards and 1 to the left, and a third that is masked out."""
  true = np.zeros((1, 2, 2, 2), np.float32)
  true[0, 0, 0], true[0, 0, 1], true[0, 1, 0] = [2, 0], [0, -1], [9, 9]
  mask = np.array([[[True, True], [False, False]]])
  return true, mask


def test_agreement_by_hand():
  true, mask = _fields()
  predicted = np.zeros_like(true)
  predicted[0, 0, 0], predicted[0, 0, 1], predicted[0, 1, 1] = [2, 2], [0, 3], [7, 7]
  found = motion.agreement(predicted, true, mask)
  assert {type(value) for value in found.values()} == {float}
  assert found == pytest.approx({
      'endpoint_error': (2 + 4) / 2, 'endpoint_error_of_zeros': 1.5,
      'cosine': (2 * np.sqrt(.5) - 1) / 3})


@pytest.mark.parametrize('factor, endpoint_error, cosine', [
    (1, 0, 1), (.5, .75, 1), (0, 1.5, 0), (-1, 3, -1)])
def test_agreement_of_multiples(factor, endpoint_error, cosine):
  true, mask = _fields()
  found = motion.agreement(factor * true, true, mask)
  assert found == pytest.approx({'endpoint_error': endpoint_error, 'cosine': cosine,
                                 'endpoint_error_of_zeros': 1.5})


def test_nothing_truly_moves():
  true, mask = _fields()
  found = motion.agreement(true, np.zeros_like(true), mask)
  assert np.isnan(found['cosine']) and found['endpoint_error'] == 1.5
  assert found['endpoint_error_of_zeros'] == 0


def test_errors():
  true, mask = _fields()
  with pytest.raises(ValueError, match=r'must be uint8 \[N, T, H, W, C\], got float64 \[2, 3\]'):
    motion.centroids(np.zeros((2, 3)))
  with pytest.raises(ValueError, match=r'must be \[N, T, 2\], got \[1, 4, 2\] and \[1, 3, 2\]'):
    motion.centroid_error(np.zeros((1, 4, 2)), np.zeros((1, 3, 2)), 32)
  with pytest.raises(ValueError, match=r'must be \[..., H, W, 2\], got \[1, 1, 2, 2\] and'):
    motion.agreement(true[:, :1], true, mask)
  with pytest.raises(ValueError, match=r'mask must be bool \[1, 2, 2\], .* got int64 \[1, 2, 2\]'):
    motion.agreement(true, true, mask.astype(int))
  with pytest.raises(ValueError, match='mask must be true somewhere'):
    motion.agreement(true, true, ~mask & mask)
