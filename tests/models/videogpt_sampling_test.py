"""Samples of VideoGPT's prior: the most likely codes, frequencies, truncated logits."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_priors
from tf_videogen.layers import randomness
from tf_videogen.models import videogpt

SMALL = small_priors.SMALL
CONDITIONS, ALL_CONDITIONS = small_priors.CONDITIONS, small_priors.ALL_CONDITIONS


pytestmark = pytest.mark.usefixtures('same_initial_values')


# --- sampling ---


def _sampler(model, conditions=videogpt.Conditions(), clips=2, compiled=False, **kwargs):
  """Codes as a function of an integer seed; eager unless it is compiled."""
  sample = lambda seed: model.sample_codes(clips, conditions, seed, **kwargs)
  if compiled:
    sample = tf.function(sample, jit_compile=True, autograph=False)
  return lambda seed: sample(randomness.seed_of(seed)).numpy()


@pytest.mark.parametrize('pattern, codebooks, compiled', [
    ('full', 1, False), pytest.param('sparse', 1, False, marks=pytest.mark.slow),
    *[pytest.param(*both, True, marks=pytest.mark.slow) for both in (('full', 2), ('sparse', 1))]])
def test_samples(pattern, codebooks, compiled):
  model = small_priors.built(pattern, codebooks, layers=1, clip=SMALL)
  sample = _sampler(model, compiled=compiled)
  codes = sample(1)
  assert codes.shape == (2, 2, 2, 2, codebooks) and codes.dtype == np.int32
  assert codes.min() >= 0 and codes.max() < 6
  np.testing.assert_array_equal(sample(1), codes)
  assert np.any(sample(2) != codes) and np.any(codes[0] != codes[1])
  np.testing.assert_array_equal(_sampler(model, compiled=compiled, segments=1)(1), codes)


@pytest.mark.parametrize('pattern, codebooks, compiled, layers, wanted', [
    ('full', 1, False, 2, ALL_CONDITIONS), ('sparse', 2, True, 1, CONDITIONS['vector']),
    *[pytest.param(*both, True, 2, ALL_CONDITIONS, marks=pytest.mark.slow)
      for both in (('sparse', 2), ('full', 1))]])
def test_top_1_is_the_most_likely_code_of_the_full_pass(
    pattern, codebooks, compiled, layers, wanted):
  model = small_priors.built(pattern, codebooks, layers=layers, **wanted)
  conditions = small_priors.conditions_of(model)
  codes = _sampler(model, conditions, compiled=compiled, top_k=1, segments=2)(1)
  greedy = np.argmax(model(codes, conditions), axis=-1)
  np.testing.assert_array_equal(codes.reshape([2, -1]), greedy)
  assert len(np.unique(codes)) > 1


def test_samples_of_a_low_temperature_are_the_most_likely_codes():
  model = small_priors.built(layers=1, clip=SMALL)
  codes = _sampler(model, temperature=1e-6, segments=1)(1)
  greedy = np.argmax(model(codes, videogpt.Conditions()), axis=-1)
  np.testing.assert_array_equal(codes.reshape([2, -1]), greedy)


def test_frequencies_of_samples_are_the_probabilities():
  model = small_priors.built(layers=1, clip=SMALL)
  codes = _sampler(model, clips=4000, segments=1)(1).reshape([4000, -1])
  codes_of_one = small_priors.codes_of(model, clips=1)
  logits = model(codes_of_one, videogpt.Conditions())[0, 0]  # of the first code
  probabilities = tf.nn.softmax(logits).numpy()
  frequencies = np.bincount(codes[:, 0], minlength=6) / 4000
  deviation = np.sqrt(probabilities * (1 - probabilities) / 4000)
  assert (np.abs(frequencies - probabilities) < 4 * deviation).all()
  assert probabilities.max() > 1.5 * probabilities.min()


def _numpy_truncated(logits, top_k, top_p):
  """Row by row, code by code: the logits that stay."""
  out = np.full_like(logits, -1e30)
  for row, kept in zip(logits, out):
    order = np.argsort(-row, kind='stable')
    allowed = [i for i in order if top_k is None or row[i] >= row[order[top_k - 1]]]
    weights = np.exp(row[allowed] - row.max())
    weights /= weights.sum()
    total = 0.0
    for i, weight in zip(allowed, weights):
      if i == order[0] or top_p is None or total < top_p:
        kept[i] = row[i]
      total += weight
  return out


@pytest.mark.parametrize('top_p', [None, 0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize('top_k', [None, 1, 3, 10, 20])
def test_truncated_logits(top_k, top_p):
  logits = np.random.default_rng(3).normal(size=(50, 10), scale=2).astype(np.float32)
  expected = _numpy_truncated(logits, None if top_k is None else min(top_k, 10), top_p)
  np.testing.assert_array_equal(randomness.truncate_logits(tf.constant(logits), top_k, top_p),
                                expected)


def test_equal_logits_stay_together():
  logits = tf.constant([[1.0, 3.0, 2.0, 2.0, 0.0]])
  kept = np.float32([[-1e30, 3.0, 2.0, 2.0, -1e30]])
  np.testing.assert_array_equal(randomness.truncate_logits(logits, top_k=2), kept)
  np.testing.assert_array_equal(randomness.truncate_logits(logits, top_p=0.6), kept)  # 0.52, 0.19
  np.testing.assert_array_equal(randomness.truncate_logits(tf.zeros([1, 5]), 1, 0.0), [[0.0] * 5])
