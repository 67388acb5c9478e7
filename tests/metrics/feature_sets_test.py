"""Kernel distance, precision, recall, density and coverage against NumPy, pair by pair."""

import numpy as np
import pytest

from tf_videogen.metrics import feature_sets


def _sides(n=40, m=30, size=6, shift=0.5, offset=0.0):
  rng = np.random.default_rng(0)
  return rng.normal(size=[n, size]) + offset, rng.normal(size=[m, size]) * 0.8 + shift + offset


def _kernel(x, y):
  return (np.dot(x, y) / len(x) + 1)**3


def _kernel_distance(a, b):
  """The unbiased estimator, pair by pair."""
  n, m = len(a), len(b)
  among_a = sum(_kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j)
  among_b = sum(_kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j)
  between = sum(_kernel(x, y) for x in a for y in b)
  return among_a / (n * (n - 1)) + among_b / (m * (m - 1)) - 2 * between / (n * m)


def _radii(rows, k):
  return [sorted(np.linalg.norm(x - y) for j, y in enumerate(rows) if j != i)[k - 1]
          for i, x in enumerate(rows)]


def _share_inside(rows, others, k):
  radii = _radii(others, k)
  return np.mean([any(np.linalg.norm(x - y) <= r for y, r in zip(others, radii)) for x in rows])


@pytest.fixture(name='blocks', params=[1024, 7])
def _blocks(request, monkeypatch):
  """All rows in a block, and a few."""
  monkeypatch.setattr(feature_sets, '_ROWS', request.param)


@pytest.mark.parametrize('offset', [0, 3])
def test_kernel_distance(blocks, offset):
  a, b = _sides(offset=offset)
  np.testing.assert_allclose(feature_sets.kernel_distance(a, b), _kernel_distance(a, b), rtol=1e-9)


def test_kernel_distance_has_no_bias():
  """Of two sides of the same Gaussian: as often below 0 as above, not 0.3 above as with a bias."""
  found = [feature_sets.kernel_distance(*np.random.default_rng(i).normal(size=[2, 20, 4]))
           for i in range(300)]
  assert abs(np.mean(found)) < 3 * np.std(found) / 300**0.5 and 0.35 < np.mean(np.array(found) > 0)
  a, _ = _sides()
  assert feature_sets.kernel_distance(a, a) < 0 < feature_sets.kernel_distance(a, a + 1)


@pytest.mark.parametrize('offset', [0, 1000])
@pytest.mark.parametrize('k', [1, 3])
def test_precision_and_recall(blocks, k, offset):
  a, b = _sides(offset=offset)
  expected = _share_inside(b, a, k), _share_inside(a, b, k)
  assert 0 < expected[1] < 1 and expected[0] != expected[1]
  np.testing.assert_allclose(feature_sets.precision_recall(a, b, k), expected)


@pytest.mark.parametrize('k', [1, 5])
def test_density_and_coverage(blocks, k):
  a, b = _sides()
  radii = _radii(a, k)
  density = sum(np.linalg.norm(x - y) <= r for x in b for y, r in zip(a, radii)) / (k * len(b))
  coverage = np.mean([any(np.linalg.norm(x - y) <= r for x in b) for y, r in zip(a, radii)])
  assert 0 < coverage < 1
  np.testing.assert_allclose(feature_sets.density_coverage(a, b, k), (density, coverage))


def test_ks_are_the_papers():
  a, b = _sides(200, 200)
  assert feature_sets.precision_recall(a, b) == feature_sets.precision_recall(a, b, 3)
  assert feature_sets.density_coverage(a, b) == feature_sets.density_coverage(a, b, 5)


def test_samples_that_collapse_are_precise_and_cover_little():
  a, _ = _sides(100)
  same = a[:2].repeat(50, 0)
  precision, recall = feature_sets.precision_recall(a, same)
  density, coverage = feature_sets.density_coverage(a, same)
  assert precision == 1 and recall <= 0.02 and density > 0 and coverage < 0.3
  assert feature_sets.precision_recall(a, a) == (1, 1)
  assert feature_sets.density_coverage(a, a + 100) == (0, 0)


def test_equals_prdc():
  """Against the authors' package of density and coverage, where it is installed."""
  prdc = pytest.importorskip('prdc')
  a, b = _sides(300, 200)
  for k in (3, 5):
    expected = prdc.compute_prdc(a, b, nearest_k=k)
    np.testing.assert_allclose(feature_sets.precision_recall(a, b, k),
                               (expected['precision'], expected['recall']))
    np.testing.assert_allclose(feature_sets.density_coverage(a, b, k),
                               (expected['density'], expected['coverage']))


def test_what_is_refused():
  a, b = _sides()
  with pytest.raises(ValueError, match='at least 2 generated videos are needed, got 1'):
    feature_sets.kernel_distance(a, b[:1])
  with pytest.raises(ValueError, match='at least 4 real videos are needed, got 3'):
    feature_sets.precision_recall(a[:3], b)
  with pytest.raises(ValueError, match='at least 6 real videos are needed, got 5'):
    feature_sets.density_coverage(a[:5], b)
  assert feature_sets.density_coverage(a, b[:1])[1] <= 1
  with pytest.raises(ValueError, match=r'with the same D, got \[40, 6\] and \[30, 5\]'):
    feature_sets.kernel_distance(a, b[:, :5])
