"""Fréchet distances of added-up sums against NumPy's and TF-GAN's, of Gaussians by the formula."""

import numpy as np
import pytest

from tests.metrics import references
from tf_videogen.metrics import frechet


def _features(count, size, offset=0.0, scale=1.0, seed=0):
  """Correlated features, float64 [count, size]; `offset` is in their standard deviations."""
  mixing = np.random.default_rng(0).normal(size=[size, size]) / np.sqrt(size)
  noise = np.random.default_rng(seed + 1).normal(size=[count, size])
  return noise @ mixing * scale + offset


def _gaussian(features, batch_size=None):
  """The Gaussian of features that come in batches; the last may be smaller."""
  starts = range(0, len(features), batch_size or len(features))
  parts = [frechet.sums(features[start:start + (batch_size or len(features))]) for start in starts]
  return frechet.gaussian({key: sum(part[key] for part in parts) for key in parts[0]})


def _distance(a, b):
  return frechet.distance(_gaussian(a), _gaussian(b))


@pytest.mark.parametrize('of', references.FRECHET_DISTANCES)
@pytest.mark.parametrize('offset', [0, 100, 1000])
@pytest.mark.parametrize('counts,size', [((50, 70), 1), ((50, 40), 8), ((200, 150), 64)])
def test_equals_others(of, counts, size, offset):
  a = _features(counts[0], size, offset)
  b = _features(counts[1], size, offset + 0.2, scale=1.3, seed=1)
  expected = of(a, b)
  assert expected > 0.01
  np.testing.assert_allclose(_distance(a, b), expected, rtol=1e-6)


@pytest.mark.parametrize('of', references.FRECHET_DISTANCES)
@pytest.mark.parametrize('counts,size', [((20, 30), 64), ((300, 20), 64), ((2, 2), 3)])
@pytest.mark.parametrize('offset,tolerance', [(0, 1e-6), (100, 1e-6), (1000, 5e-5)])
def test_equals_others_with_fewer_videos_than_features(of, counts, size, offset, tolerance):
  """What rounding leaves of variances of 0 has a root: products of 1000^2 lose 10 digits of 16."""
  a = _features(counts[0], size, offset)
  b = _features(counts[1], size, offset + 0.2, scale=1.3, seed=1)
  np.testing.assert_allclose(_distance(a, b), of(a, b), rtol=tolerance)


def test_float32_features_are_added_in_float64():
  a, b = (_features(100, 16, 1000, scale, seed).astype(np.float32)
          for scale, seed in ((1, 0), (1.3, 1)))
  expected = references.frechet_distance(a.astype(np.float64), b.astype(np.float64))
  np.testing.assert_allclose(_distance(a, b), expected, rtol=1e-6)
  assert {value.dtype for value in frechet.sums(a).values()} == {np.dtype(np.float64)}


def test_gaussian_equals_numpy():
  features = _features(30, 5, offset=3)
  gaussian = _gaussian(features)
  assert gaussian.count == 30
  np.testing.assert_allclose(gaussian.mean, features.mean(0), rtol=1e-12)
  np.testing.assert_allclose(gaussian.covariance, np.cov(features.T), rtol=1e-10)


@pytest.mark.parametrize('offset', [0, 1000])
@pytest.mark.parametrize('batch_size', [1, 7, 16, 49])  # of 50: the last batch is partial, or one
def test_sums_of_any_batches_are_the_same(batch_size, offset):
  a, b = _features(50, 8, offset), _features(50, 8, offset + 0.5, seed=1)
  whole = frechet.distance(_gaussian(a), _gaussian(b))
  parts = frechet.distance(_gaussian(a, batch_size), _gaussian(b, batch_size))
  np.testing.assert_allclose(parts, whole, rtol=1e-9)


def test_sums_of_no_features_add_nothing():
  features = _features(20, 4)
  empty = frechet.sums(features[:0])
  assert empty['sum'].shape == (4,) and not any(np.any(value) for value in empty.values())


@pytest.mark.parametrize('count', [20, 200])
def test_the_same_videos_are_at_no_distance(count):
  features = _features(count, 64)
  shuffled = np.random.default_rng(5).permutation(features)
  assert abs(_distance(features, shuffled)) < 1e-9 * np.trace(_gaussian(features).covariance)


def test_symmetric():
  a, b = _gaussian(_features(20, 32)), _gaussian(_features(100, 32, 0.3, 1.5, seed=1))
  np.testing.assert_allclose(frechet.distance(a, b), frechet.distance(b, a), rtol=1e-9)


def test_equals_the_formula():
  """Of covariances that commute: |m - n|^2 + sum (sqrt a - sqrt b)^2, in any coordinates."""
  mean = np.array([[1., 2, 3], [-1, 0, 3.5]])
  variance = np.array([[4., 9, 0.25], [1, 16, 0.25]])
  expected = 4 + 4 + 0.25 + (2 - 1)**2 + (3 - 4)**2
  rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=[3, 3]))
  for axes in (np.eye(3), rotation):
    a, b = (frechet.Gaussian(9, axes @ m, axes @ np.diag(v) @ axes.T)
            for m, v in zip(mean, variance))
    np.testing.assert_allclose(frechet.distance(a, b), expected, rtol=1e-12)


def test_many_samples_come_near_their_gaussians():
  rng = np.random.default_rng(0)
  a = rng.normal([0, 1], [1, 2], [20_000, 2])
  b = rng.normal([3, 1], [2, 2], [20_000, 2])
  np.testing.assert_allclose(_distance(a, b), 9 + 1, rtol=0.02)


@pytest.mark.parametrize('count', [0, 1])
def test_fewer_than_two_videos_are_refused(count):
  with pytest.raises(ValueError, match=f'a covariance needs at least 2 videos, got {count}$'):
    _gaussian(_features(5, 3)[:count], batch_size=5) if count else frechet.gaussian(
        frechet.sums(_features(5, 3)[:0]))


def test_features_of_two_sizes_are_refused():
  with pytest.raises(ValueError, match='features must have equal sizes, got 3 and 4 numbers'):
    _distance(_features(5, 3), _features(5, 4))
