"""Intervals, extrapolation and floors, on Gaussians whose distance is known."""

import numpy as np
import pytest

from tf_videogen.metrics import frechet
from tf_videogen.metrics import frechet_sampling


def _sides(count, size, shift=0.3, scale=1.3, seed=0):
  """Rows of N(0, 1) and of N(shift, scale^2), and the distance of these."""
  rng = np.random.default_rng([seed, size])
  a, b = rng.normal(size=[2, count, size])
  return a, b * scale + shift, size * (shift**2 + (scale - 1)**2)


def _distance(a, b):
  return frechet.distance(*(frechet.gaussian(frechet.sums(rows)) for rows in (a, b)))


def _coverage(trials, count, size, shift):
  """How many of the intervals hold the mean of the distances, and how many the true distance."""
  sides = [_sides(count, size, shift, seed=seed) for seed in range(trials)]
  mean = np.mean([_distance(a, b) for a, b, _ in sides])
  low, high = np.array([frechet_sampling.interval(a, b) for a, b, _ in sides]).T
  holds = lambda value: np.mean((low <= value) & (value <= high))
  return holds(mean), holds(sides[0][2])


def test_intervals_of_ninety_per_cent_hold_the_distance_so_often():
  mean, truth = _coverage(60, 300, 2, 0.5)
  assert 0.82 <= mean <= 0.97 and 0.8 <= truth <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize('count, size, shift', [(300, 2, 0.5), (300, 8, 0.3), (200, 16, 0.3)])
def test_coverage_of_many_intervals(count, size, shift):
  """Slow for 400 bootstraps: 85 to 95 of 100 intervals."""
  mean, _ = _coverage(400, count, size, shift)
  assert 0.85 <= mean <= 0.95


def test_an_interval_contains_its_distance():
  a, b, _ = _sides(50, 20)
  low, high = frechet_sampling.interval(a, b)
  assert low < _distance(a, b) < high
  assert (low, high) == frechet_sampling.interval(a, b)
  assert (low, high) != frechet_sampling.interval(a, b, seed=1)
  low, high = frechet_sampling.interval(a + 1000, b + 1000)
  assert low < _distance(a, b) < high
  more = frechet_sampling.interval(*_sides(800, 20)[:2])
  assert more[1] - more[0] < (high - low) / 2


def test_order_is_that_of_the_rows_themselves():
  a, _, _ = _sides(50, 12)
  a[:, 0] = 1  # the same for all
  found = frechet_sampling.in_order(a)
  np.testing.assert_array_equal(found, frechet_sampling.in_order(a[::-1]))
  assert (np.diff(found[:, 1]) > 0).all() and sorted(map(tuple, found)) == sorted(map(tuple, a))


@pytest.mark.parametrize('size', [8, 32])
def test_infinity_is_nearer_to_the_truth_at_256(size):
  errors = []
  for seed in range(6):
    a, b, truth = _sides(256, size, seed=seed)
    curve = frechet_sampling.by_count(a, b, seed)
    assert curve[-1] == (1, pytest.approx(_distance(a, b)))
    errors.append([_distance(a, b) - truth, frechet_sampling.at_infinity(curve) - truth])
  of_256, of_infinity = np.abs(errors).mean(0)
  assert of_infinity < of_256 * (0.9 if size == 8 else 0.4)


def test_a_curve_falls_as_videos_become_more():
  a, b, _ = _sides(400, 16)
  shares, values = np.array(frechet_sampling.by_count(a, b[:200])).T
  assert (np.diff(shares) > 0).all() and 0.1 < shares[0] < 0.3 and shares[-1] == 1
  assert values[0] > 1.05 * values[-1]
  np.testing.assert_allclose(values[-1], _distance(a, b[:200]), rtol=1e-9)


def test_infinity_is_the_line_at_no_inverse():
  shares = 1 / np.linspace(4, 1, 8)
  curve = [(share, 5 + 2 / share) for share in shares]
  assert frechet_sampling.at_infinity(curve) == pytest.approx(5)
  assert frechet_sampling.at_infinity([(0.5, 2.0), (1, 0.5)]) == 0  # no distance is below 0


def test_the_floor_is_of_halves_of_the_real_videos():
  a, _, _ = _sides(200, 10)
  floor = frechet_sampling.floor(a, 1000)
  assert floor == pytest.approx(_distance(a[:100], a[100:]), rel=0.25)
  assert frechet_sampling.floor(a, 30) > 2 * floor  # as many as there are generated ones


def test_few_videos_are_not_resampled():
  a, b, _ = _sides(15, 3)
  assert frechet_sampling.interval(a, b) is None and frechet_sampling.by_count(a, b) == []
  assert frechet_sampling.floor(a, 15) is None
  assert frechet_sampling.floor(np.concatenate([a, b]), 15) is not None


@pytest.mark.parametrize('count', [20, 200])
def test_quick_distances_are_the_same(count):
  a, b, _ = _sides(count, 32)
  gaussians = [frechet.gaussian(frechet.sums(rows)) for rows in (a, b)]
  np.testing.assert_allclose(frechet.distance(*gaussians, quick=True), frechet.distance(*gaussians),
                             rtol=1e-9)
