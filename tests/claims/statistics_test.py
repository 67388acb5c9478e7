"""The interval of a difference: against Student's t, and how often equal arms seem to differ."""

import numpy as np
import pytest
from scipy import stats

from tf_videogen.claims import statistics


def _verdicts(rng, trials, seed_noise, clip_noise, effect=0., seeds=3, clips=16):
  """Verdicts of pairs of arms; the first is lower by `effect` and lower is better."""
  found = []
  for _ in range(trials):
    noise = (seed_noise * rng.normal(size=(2, seeds, 1))
             + clip_noise * rng.normal(size=(2, seeds, clips)))
    one, other = noise + rng.normal(size=clips)  # what is hard of a clip is hard for both
    found.append(statistics.verdict(statistics.difference(one - effect, other), 'lower'))
  return found


def test_with_one_value_per_run_it_is_the_t_interval():
  rng = np.random.default_rng(0)
  one, other = rng.normal(size=(2, 5, 1))
  found = statistics.difference(one, other)
  low, high = stats.t.interval(.9, 4, (one - other).mean(), stats.sem((one - other)[:, 0]))
  assert found.mean == pytest.approx((one - other).mean())
  assert (found.low, found.high) == pytest.approx((low, high), rel=.05)


def test_it_pairs_seeds_and_clips():
  """What both arms share cancels, however large."""
  rng = np.random.default_rng(0)
  shared = 1e3 * rng.normal(size=(3, 1)) + 1e3 * rng.normal(size=(3, 16))
  found = statistics.difference(shared + 1, shared)
  assert found == pytest.approx((1, 1, 1))


@pytest.mark.parametrize('seed_noise, clip_noise, least', [(1, 0, .02), (1, 1, 0), (0, 1, 0)])
def test_equal_arms_differ_as_rarely_as_the_module_says(seed_noise, clip_noise, least):
  """5 % on either side where seeds alone vary, within three standard deviations; fewer else."""
  found = _verdicts(np.random.default_rng(1), 500, seed_noise, clip_noise)
  for verdict in (statistics.SEEN, statistics.REVERSED):
    rate = found.count(verdict) / len(found)
    assert least <= rate <= .05 + 3 * (.05 * .95 / 500)**.5


def test_a_planted_effect_is_seen():
  rng = np.random.default_rng(2)
  assert _verdicts(rng, 50, .1, .3, effect=1.).count(statistics.SEEN) >= 48
  assert _verdicts(rng, 50, .1, .3, effect=-1.).count(statistics.REVERSED) >= 48


@pytest.mark.parametrize('better, interval, verdict', [
    ('higher', (1, .5, 1.5), statistics.SEEN), ('lower', (1, .5, 1.5), statistics.REVERSED),
    ('higher', (-1, -1.5, -.5), statistics.REVERSED), ('lower', (-1, -1.5, -.5), statistics.SEEN),
    ('higher', (.5, -.1, 1.1), statistics.NOT_SEEN), ('lower', (0, 0, 0), statistics.NOT_SEEN)])
def test_verdicts(better, interval, verdict):
  assert statistics.verdict(statistics.Difference(*interval), better) == verdict


def test_several_comparisons_must_agree():
  seen, reversed_ = statistics.SEEN, statistics.REVERSED
  assert statistics.joint([seen, seen]) == seen
  assert statistics.joint([reversed_]) == reversed_
  assert statistics.joint([seen, reversed_]) == statistics.NOT_SEEN


@pytest.mark.parametrize('one, other, message', [
    (np.zeros([3, 4]), np.zeros([3, 5]), r'of one shape, got \[3, 4\] and \[3, 5\]'),
    (np.zeros([1, 4]), np.zeros([1, 4]), 'needs at least 2 seeds, got 1'),
    (np.zeros([2, 1]), np.full([2, 1], np.nan), 'not finite')])
def test_errors(one, other, message):
  with pytest.raises(ValueError, match=message):
    statistics.difference(one, other)
