"""The Inception Score: how sure a classifier is of each video, and how varied its answers are.

Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016, section 4: exp of the mean
KL(p(y|x) || p(y)). Logits come in batches, whose sums are added. 1e-20 is added to every
probability, as in TGANv2's evaluation, the basis of scores on UCF-101.
"""

import numpy as np
from scipy import special

_EPSILON = 1e-20


def sums(logits):
  """float [B, K] -> dict of float64 sums: count [], probability [K], negative_entropy []."""
  logits = np.asarray(logits, np.float64)
  probability = special.softmax(logits, axis=1) + _EPSILON
  return {'count': np.float64(len(logits)), 'probability': probability.sum(0),
          'negative_entropy': np.sum(probability * np.log(probability))}


def score(total):
  """Returns the Inception Score of added-up `sums`, a float from 1 to K.

  Raises:
    ValueError: if there are no videos.
  """
  if total['count'] < 1:
    raise ValueError('an Inception Score needs at least one video')
  marginal = total['probability'] / total['count']
  divergence = total['negative_entropy'] / total['count'] - np.sum(marginal * np.log(marginal))
  return float(np.exp(divergence))
