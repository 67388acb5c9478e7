"""The interval of a difference between two arms, over seeds and clips, and the verdict of it.

Two arms are paired: both are trained from the same seeds on the same data and measured on the same
clips. A hierarchical bootstrap draws seeds and clips with replacement, both at once, because every
seed is measured on the same clips. It gives the standard error of the mean difference.

Few seeds need care. A percentile interval over three seeds covers much less than it says, because
the bootstrap takes the spread of three numbers for the spread of all. We correct this in two steps.
The standard error of a mean over S draws is multiplied by sqrt(S / (S - 1)), and the normal
distribution's quantile is replaced by that of Student's t with S - 1 degrees of freedom. If seeds
are all that varies, this is the t-interval of the seeds' means. Two equal arms then differ, on
either side, in 5 % of all comparisons. If clips vary, too, it is fewer.
"""

import typing

import numpy as np
from scipy import stats

LEVEL = .90  # of the interval, two-sided
RESAMPLES = 2_000

SEEN, REVERSED, NOT_SEEN = 'seen', 'the other way round', 'not seen'


class Difference(typing.NamedTuple):
  """A mean difference and its interval.

  Attributes:
    mean: the mean over seeds and clips, in the measure's units.
    low, high: the ends of the interval that holds the true mean with probability `LEVEL`.
  """
  mean: float
  low: float
  high: float


def difference(one, other, seed=0):
  """The `Difference` of two arms, `one` minus `other`.

  Args:
    one, other: float [S, N], the values of S seeds and N clips, paired; N is 1 for measures with
      one value per run.
    seed: seed of the bootstrap.

  Raises:
    ValueError: if shapes differ, there are fewer than two seeds, or a value is not finite.
  """
  one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
  if one.ndim != 2 or one.shape != other.shape:
    raise ValueError(f'two arms must have values [seeds, clips] of one shape, got '
                     f'{list(one.shape)} and {list(other.shape)}')
  differences = one - other
  seeds, clips = differences.shape
  if seeds < 2:
    raise ValueError(f'an interval needs at least 2 seeds, got {seeds}')
  if not np.isfinite(differences).all():
    raise ValueError('an arm has a value that is not finite')
  random = np.random.default_rng(seed)
  drawn_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
  drawn_clips = random.multinomial(clips, np.full(clips, 1 / clips), RESAMPLES) / clips
  means = np.einsum('rs,sn,rn->r', drawn_seeds, differences, drawn_clips, optimize=True)
  error = means.std() * np.sqrt(seeds / (seeds - 1))
  reach = stats.t.ppf((1 + LEVEL) / 2, seeds - 1) * error
  mean = differences.mean()
  return Difference(float(mean), float(mean - reach), float(mean + reach))


def verdict(found, better):
  """SEEN if the whole interval lies on the claimed side, REVERSED if on the other, else NOT_SEEN.

  Args:
    found: the `Difference` of the arm that is claimed to be better and another one.
    better: 'lower' or 'higher': which values of the measure are better.
  """
  low, high = (found.low, found.high) if better == 'higher' else (-found.high, -found.low)
  if low > 0:
    return SEEN
  return REVERSED if high < 0 else NOT_SEEN


def joint(verdicts):
  """The verdict of a claim of several comparisons: the one that all share, else NOT_SEEN."""
  return verdicts[0] if len(set(verdicts)) == 1 else NOT_SEEN
