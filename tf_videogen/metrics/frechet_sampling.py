"""How far a Fréchet distance of so many videos can be trusted; from feature rows, by resampling.

`interval` is a bootstrap interval, `by_count` the distance of fewer videos, `at_infinity` the
distance that more and more videos approach, and `floor` the distance of the real videos from
themselves.

A Fréchet distance of n videos is biased upwards, and the bias is about proportional to 1/n (Chong
and Forsyth, "Effectively Unbiased FID and Inception Score and where to find them", CVPR 2020,
section 3). `at_infinity` is their FID_infinity: the value at 1/n = 0 of a line through the
distances of several n. They fit at evenly spaced n. We fit at evenly spaced 1/n, with all n above
the number of features where there are enough videos, because the bias follows another law below.

Rows are float [n, D], one row per video. Draws are a function of `seed` alone. They take rows by
their place, see `in_order`.
"""

import numpy as np

from tf_videogen.metrics import frechet

LEAST = 16  # rows of the smaller side below which nothing is resampled
LEVEL = 0.9  # probability of intervals
_RESAMPLES = {512: 100, None: 40}  # most features: how often a bootstrap draws; it costs D^3
_COUNTS = 8  # points of a curve
_DRAWS = 2  # draws per point of a curve
_HALVINGS = 2
_ORDERED = 8  # features by which rows are put in order


def interval(a, b, seed=0):
  """Bootstraps the interval in which the distance of other videos, equally many, lies on average.

  Both sides are drawn anew with replacement. Resamples have fewer different videos, so that their
  distances are biased upwards once more. Therefore only their deviations from their own mean count
  (the basic bootstrap: they are subtracted from the distance). So the interval lies around the
  distance, and contains its bias: `at_infinity` is about that.

  Args:
    a, b: rows of the two sides.
    seed: int.

  Returns:
    (low, high), the ends of the interval of probability LEVEL. None if a side has fewer than LEAST
    rows.
  """
  if min(len(a), len(b)) < LEAST:
    return None
  rng = np.random.default_rng([seed, 0])
  a, b = _centered(a, b)
  value = frechet.distance(_fitted(a), _fitted(b), quick=True)
  resamples = next(n for most, n in _RESAMPLES.items() if most is None or a.shape[1] <= most)
  drawn = np.array([frechet.distance(*(
      _fitted(rows, rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows))))
      for rows in (a, b)), quick=True) for _ in range(resamples)])
  deviations = np.quantile(drawn - drawn.mean(), [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
  low, high = value - deviations
  return max(float(low), 0.0), float(high)


def by_count(a, b, seed=0):
  """The distance of fewer and fewer videos of both sides.

  Args:
    a, b: rows of the two sides. Both are thinned by the same share.
    seed: int.

  Returns:
    list of (share of the videos, mean distance over draws), from few videos to all. [] if a side
    has fewer than LEAST rows.
  """
  least = min(len(a), len(b))
  if least < LEAST:
    return []
  rng = np.random.default_rng([seed, 1])
  a, b = _centered(a, b)
  smallest = max(least // 4, min(2 * a.shape[1], least // 2))
  shares = 1 / np.linspace(least / smallest, 1, _COUNTS)
  return [(float(share), float(np.mean([
      frechet.distance(*(_fitted(_some(rows, round(share * len(rows)), rng)) for rows in (a, b)),
                       quick=True) for _ in range(1 if share == 1 else _DRAWS)])))
          for share in shares]


def at_infinity(curve):
  """The distance of infinitely many videos, by the line in 1/n through a curve of `by_count`.

  With no more videos than features, it is still far too high.
  """
  shares, distances = np.array(curve).T
  _, value = np.polyfit(1 / shares, distances, 1, w=np.sqrt(shares))
  return max(float(value), 0.0)


def floor(real, count, seed=0):
  """The distance of real videos from other real ones: the lowest value that one can expect.

  Args:
    real: rows.
    count: number of videos of each of the two sets; at most half of the rows are taken.
    seed: int.

  Returns:
    The mean distance over some draws of two sets without a common video. None if the sets would
    have fewer than LEAST / 2 rows.
  """
  count = min(count, len(real) // 2)
  if 2 * count < LEAST:
    return None
  rng = np.random.default_rng([seed, 2])
  real, = _centered(real)
  distances = []
  for _ in range(_HALVINGS):
    order = rng.permutation(len(real))
    distances.append(frechet.distance(
        _fitted(real[order[:count]]), _fitted(real[order[count:2 * count]]), quick=True))
  return max(float(np.mean(distances)), 0.0)


def in_order(rows):
  """Rows in an order that does not depend on batches and workers, so that draws do not, either."""
  return rows[np.lexsort(rows[:, :_ORDERED].T[::-1])]


def _centered(*sides):
  """Rows in float64, moved so that products lose fewer digits; distances stay the same."""
  center = np.mean(sides[0], 0, np.float64)
  return [np.asarray(rows, np.float64) - center for rows in sides]


def _some(rows, count, rng):
  """`count` different rows."""
  return rows[rng.permutation(len(rows))[:count]]


def _fitted(rows, weights=None):
  """The Gaussian of rows [n, D], of which each counts as often as `weights` [n] says."""
  if weights is None:
    return frechet.gaussian(frechet.sums(rows))
  weighted = rows * weights[:, np.newaxis]
  return frechet.gaussian({'count': np.float64(weights.sum()), 'sum': weighted.sum(0),
                           'products': rows.T @ weighted})
