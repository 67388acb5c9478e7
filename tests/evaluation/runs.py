"""What tests of runs share: protocols, what a run found, distances by NumPy, a maker to look at."""

import numpy as np

from tests.evaluation import fakes
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols
from tf_videogen.metrics import frechet

I3D = 'i3d_kinetics400'


def _all_measures():
  return [measures.FrechetDistance('fvd', frames=9),
          measures.FrechetDistance('unrolled', frames=9, windows='all'),
          measures.FrechetDistance('fvd_star', between=('reconstructed', 'generated'), frames=9),
          measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'), frames=9),
          measures.InceptionScore('is', splits=2), measures.Similarity('ssim', best_of=(1, 2)),
          measures.PowerSpectrum((1, 10), 2)]


def protocol(*of_measures, **kwargs):
  """A protocol of these measures, or of all."""
  return protocols.Protocol('p', list(of_measures) or _all_measures(), **kwargs)


def numbers(found):
  """What was found, {metric: value}, without what is made of the values of fewer videos."""
  return {value.metric: value.value for value in found.values
          if not value.metric.endswith('_infinity')}


def distance(a, b, frames=9):
  """The Frechet distance between videos, by the logits of their first frames."""
  logits = [fakes.outputs(I3D, video[:, :frames])['logits'] for video in (a, b)]
  return frechet.distance(*(frechet.gaussian(frechet.sums(x)) for x in logits))


class Spy:
  """A maker, but that it keeps the batches and the videos that it made."""

  def __init__(self, make):
    self.make, self.batches, self.made = make, [], []

  def __getattr__(self, name):
    return getattr(self.make, name)

  def sample(self, batch, seed):
    self.batches.append({name: array.copy() for name, array in batch.items()})
    self.made.append(self.make.sample(batch, seed))
    return self.made[-1]

  def seen(self, name):
    """What batches had, one after the other."""
    return np.concatenate([batch[name] for batch in self.batches])
