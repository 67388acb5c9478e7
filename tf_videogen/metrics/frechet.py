"""The Fréchet distance of two Gaussians that are fitted to features: FVD and FID.

Features come in batches. Their sums, in float64, are added over batches, replicas and hosts, so
memory does not grow with the number of videos. Covariances divide by n - 1. Square roots of
matrices are computed from eigenvalues, in float64. TF-GAN does the same with singular values.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017, Eq. 6; Unterthiner et al., "Towards Accurate Generative Models of Video: A New Metric
and Challenges", 2018.
"""

import contextlib
import typing

import numpy as np
import scipy.linalg

_ZERO = 1e-10  # smaller eigenvalues count as 0; TF-GAN's epsilon


class Gaussian(typing.NamedTuple):
  """A Gaussian that was fitted to feature vectors.

  Attributes:
    count: number of vectors.
    mean: float64 [D].
    covariance: float64 [D, D].
  """
  count: int
  mean: np.ndarray
  covariance: np.ndarray


def sums(features):
  """float [B, D] -> dict of float64 sums that add up: count [], sum [D], products [D, D]."""
  features = np.asarray(features, np.float64)
  return {'count': np.float64(len(features)), 'sum': features.sum(0),
          'products': features.T @ features}


def gaussian(total):
  """Returns the Gaussian of added-up `sums`.

  Raises:
    ValueError: if there are fewer than two vectors.
  """
  count = total['count']
  if count < 2:
    raise ValueError(f'a covariance needs at least 2 videos, got {count:.0f}')
  mean = total['sum'] / count
  covariance = (total['products'] - count * np.outer(mean, mean)) / (count - 1)
  return Gaussian(int(count), mean, covariance)


def distance(a, b, quick=False):
  """Computes |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), a float.

  Args:
    a, b: Gaussians of the same D.
    quick: whether to take the root by a triangular factor of C_a where C_a has full rank. This is
      about three times as fast, and differs by rounding.

  Raises:
    ValueError: if D differs.
  """
  if a.mean.shape != b.mean.shape:
    raise ValueError(f'features must have equal sizes, got {len(a.mean)} and {len(b.mean)} numbers')
  root = _trace_of_root_of_product(a.covariance, b.covariance, quick)
  spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * root
  return float(np.sum((a.mean - b.mean)**2) + spread)


def _trace_of_root_of_product(a, b, quick):
  """Returns tr (a b)^(1/2) of covariances.

  With a = r r^T, the symmetric matrix r^T b r has the eigenvalues of a b.
  """
  root = None
  if quick:
    with contextlib.suppress(np.linalg.LinAlgError):  # singular
      root = np.linalg.cholesky(a)
  if root is None:
    values, vectors = scipy.linalg.eigh(a)
    root = vectors * _roots(values)  # r r^T = a
  return np.sum(_roots(scipy.linalg.eigvalsh(root.T @ b @ root)))


def _roots(eigenvalues):
  """Returns square roots; 0 for eigenvalues that are 0 up to rounding."""
  return np.sqrt(np.where(eigenvalues < _ZERO, 0, eigenvalues))
