"""Scores of features that are all there at once: by NumPy, and by TF-GAN where it is installed."""

import numpy as np
import pytest

try:
  from tensorflow_gan.python.eval import classifier_metrics
except ImportError:
  classifier_metrics = None  # TF-GAN works with no TensorFlow after 2.15


def frechet_distance(a, b):
  """Of features [N, D], float64, by the eigenvalues of the product of their covariances."""
  (mean, covariance), (other_mean, other) = (
      (x.mean(0), np.cov(x, rowvar=False).reshape([x.shape[1]] * 2)) for x in (a, b))
  roots = np.sqrt(np.maximum(np.linalg.eigvals(covariance @ other).real, 0))
  return np.sum((mean - other_mean)**2) + np.trace(covariance) + np.trace(other) - 2 * roots.sum()


def inception_score(logits):
  """Of logits [N, K]: exp of the mean divergence of p(y | x) from p(y)."""
  logits = np.asarray(logits, np.float64)
  logs = logits - logits.max(-1, keepdims=True)
  logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
  p = np.exp(logs)
  return np.exp(np.mean(np.sum(p * (logs - np.log(p.mean(0))), -1)))


def _by_tfgan(name):
  def score(*features):
    return getattr(classifier_metrics, name)(*features).numpy()
  return pytest.param(score, id='tfgan', marks=pytest.mark.skipif(
      classifier_metrics is None, reason='TF-GAN is not installed'))


FRECHET_DISTANCES = [pytest.param(frechet_distance, id='numpy'),
                     _by_tfgan('frechet_classifier_distance_from_activations')]
INCEPTION_SCORES = [pytest.param(inception_score, id='numpy'),
                    _by_tfgan('classifier_score_from_logits')]
