"""Measures of two sets of features beside the Fréchet distance, which fit no Gaussians.

`kernel_distance` is KVD, the same of videos as KID of images. `precision_recall` and
`density_coverage` say apart how good samples are and how much of the data they cover.

Features are float [n, D], one row per video; the two sides may differ in n. Distances and kernels
are computed in float64, block by block, so that memory does not grow with the product of both n.

Binkowski et al., "Demystifying MMD GANs", ICLR 2018; Kynkäänniemi et al., "Improved Precision and
Recall Metric for Assessing Generative Models", NeurIPS 2019; Naeem et al., "Reliable Fidelity and
Diversity Metrics for Generative Models", ICML 2020.
"""

import numpy as np

PRECISION_NEIGHBORS = 3  # k of Kynkäänniemi et al., section 3
DENSITY_NEIGHBORS = 5  # k of Naeem et al., section 5
_ROWS = 1024  # rows of a block


def kernel_distance(real, generated):
  """The squared maximum mean discrepancy of the kernel (x . y / D + 1)^3, without bias.

  This is KID's estimator (Binkowski et al., section 4), over all rows at once instead of the mean
  over subsets. It may be slightly below 0 if both sides are alike.

  Args:
    real, generated: float [n, D] and [m, D], n and m at least 2.

  Returns:
    float. Papers often print 100 or 1,000 times this number.

  Raises:
    ValueError: if a side has fewer than two rows, or if D differs.
  """
  real, generated = _checked(real, generated, 2)
  among = [_kernels(side, side, without_diagonal=True) / (len(side) * (len(side) - 1))
           for side in (real, generated)]
  between = _kernels(real, generated) / (len(real) * len(generated))
  return float(sum(among) - 2 * between)


def precision_recall(real, generated, k=PRECISION_NEIGHBORS):
  """Improved precision and recall (Kynkäänniemi et al., Eqs. 1 and 2).

  Every row has a ball that reaches to its k-th nearest neighbor on its own side.

  Args:
    real, generated: float [n, D] and [m, D], n and m above k.
    k: number of neighbors.

  Returns:
    (precision, recall): the share of generated rows in a ball of a real one, and the share of real
    rows in a ball of a generated one.

  Raises:
    ValueError: if a side has at most k rows, or if D differs.
  """
  real, generated = _centered(*_checked(real, generated, k + 1))
  inside = lambda rows, others: np.mean(np.concatenate([
      (squares <= radii).any(1) for radii in [_squared_radii(others, k)]
      for squares in _squared_distances(rows, others)]))
  return float(inside(generated, real)), float(inside(real, generated))


def density_coverage(real, generated, k=DENSITY_NEIGHBORS):
  """Density and coverage (Naeem et al., Eqs. 3 and 4), by balls of real rows alone.

  Args:
    real, generated: float [n, D] and [m, D], n above k.
    k: number of neighbors.

  Returns:
    (density, coverage): the number of balls of real rows around a generated row, on average,
    divided by k, which may be above 1; and the share of real rows with a generated one in their
    ball.

  Raises:
    ValueError: if there are at most k real rows, or no generated ones, or if D differs.
  """
  real, generated = _centered(*_checked(real, generated, k + 1, 1))
  radii = _squared_radii(real, k)
  balls, nearest = 0, np.full(len(real), np.inf)
  for squares in _squared_distances(generated, real):
    balls += np.sum(squares <= radii)
    nearest = np.minimum(nearest, squares.min(0))
  return float(balls / (k * len(generated))), float(np.mean(nearest <= radii))


def _checked(real, generated, least, least_generated=None):
  """Both sides in float64."""
  sides = [np.asarray(side, np.float64) for side in (real, generated)]
  if any(side.ndim != 2 for side in sides) or sides[0].shape[1] != sides[1].shape[1]:
    raise ValueError('features must be [n, D] with the same D, got '
                     + ' and '.join(str(list(side.shape)) for side in sides))
  for what, side, fewest in zip(('real', 'generated'), sides, (least, least_generated or least)):
    if len(side) < fewest:
      raise ValueError(f'at least {fewest} {what} videos are needed, got {len(side)}')
  return sides


def _centered(real, generated):
  """Moves both sides, so that squares of their distances lose fewer digits."""
  center = real.mean(0)
  return real - center, generated - center


def _kernels(a, b, without_diagonal=False):
  """The sum of the kernel over all pairs of rows of a and b."""
  total = sum(np.sum((a[i:i + _ROWS] @ b.T / a.shape[1] + 1)**3) for i in range(0, len(a), _ROWS))
  if without_diagonal:
    total -= np.sum((np.sum(a * b, 1) / a.shape[1] + 1)**3)
  return total


def _squared_distances(a, b):
  """Yields squared distances of some rows of a from all rows of b, [at most _ROWS, len(b)]."""
  squares = np.sum(b**2, 1)
  for start in range(0, len(a), _ROWS):
    rows = a[start:start + _ROWS]
    yield np.maximum(np.sum(rows**2, 1)[:, np.newaxis] + squares - 2 * rows @ b.T, 0)


def _squared_radii(rows, k):
  """Squared distance of every row from its k-th nearest neighbor, [n]."""
  # A row is its own nearest one, up to rounding: the k-th neighbor has index k.
  return np.concatenate([np.partition(squares, k, 1)[:, k]
                         for squares in _squared_distances(rows, rows)])
