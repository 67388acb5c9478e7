"""The Fréchet distance of two Gaussians that are fitted to features: FVD and FID.

Features come in batches: sums of them, in float64, are added over batches, replicas and hosts, so
that no number of videos takes more memory than a batch. Covariances are over n - 1, and square
roots of matrices by their eigenvalues, in float64, as in TF-GAN, which takes singular values.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017, Eq. 6; Unterthiner et al., "Towards Accurate Generative Models of Video: A New Metric
and Challenges", 2018.
"""

import typing

import numpy as np
import scipy.linalg

_ZERO = 1e-10  # an eigenvalue below it is 0; TF-GAN's epsilon


class Gaussian(typing.NamedTuple):
  """`count` vectors of mean [D] and covariance [D, D], float64."""
  count: int
  mean: np.ndarray
  covariance: np.ndarray


def sums(features):
  """float [B, D] -> dict of float64: count [], sum [D], products [D, D]. To be added up."""
  features = np.asarray(features, np.float64)
  return {'count': np.float64(len(features)), 'sum': features.sum(0),
          'products': features.T @ features}


def gaussian(total):
  """The Gaussian of added-up `sums`; of at least two vectors."""
  count = total['count']
  if count < 2:
    raise ValueError(f'a covariance needs at least 2 videos, got {count:.0f}')
  mean = total['sum'] / count
  covariance = (total['products'] - count * np.outer(mean, mean)) / (count - 1)
  return Gaussian(int(count), mean, covariance)


def distance(a, b):
  """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), a float.

  Args:
    a, b: a Gaussian each, of the same D.
  """
  if a.mean.shape != b.mean.shape:
    raise ValueError(f'features of {len(a.mean)} and of {len(b.mean)} numbers have no distance')
  root = _trace_of_root_of_product(a.covariance, b.covariance)
  spread = np.trace(a.covariance) + np.trace(b.covariance) - 2 * root
  return float(np.sum((a.mean - b.mean)**2) + spread)


def _trace_of_root_of_product(a, b):
  """tr (a b)^(1/2) of covariances, by the symmetric matrix r^T b r that has its eigenvalues."""
  values, vectors = scipy.linalg.eigh(a)
  root = vectors * _roots(values)  # r r^T = a
  return np.sum(_roots(scipy.linalg.eigvalsh(root.T @ b @ root)))


def _roots(eigenvalues):
  """Their square roots; of those that rounding makes of 0, 0."""
  return np.sqrt(np.where(eigenvalues < _ZERO, 0, eigenvalues))
