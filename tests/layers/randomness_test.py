"""Dropout: its share and scale, its mask; rows of the global batch; truncated normal numbers."""
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from tf_videogen.layers import randomness

SIZE = 100_000


@pytest.fixture(name='dropout', params=[False, True], ids=['kernels', 'xla'])
def _dropout(request):
  function = tf.function(randomness.dropout, jit_compile=request.param)
  return lambda rate, seed, dtype=tf.float32: tf.cast(
      function(tf.fill([4, SIZE // 4], tf.constant(3, dtype)), rate, randomness.seed_of(seed)),
      tf.float32).numpy()


@pytest.mark.parametrize('dtype', [tf.float32, tf.bfloat16])
@pytest.mark.parametrize('rate', [0.2, 0.5])
def test_share_and_scale(dropout, rate, dtype):
  y = dropout(rate, 1, dtype)
  np.testing.assert_allclose(y[y > 0], 3 / (1 - rate), rtol=0.01)
  # Five standard deviations of the mean of as many independent masks.
  assert abs(np.mean(y == 0) - rate) < 5 * np.sqrt(rate * (1 - rate) / SIZE)
  assert abs(np.mean(y[1:] == y[:-1]) - (rate**2 + (1 - rate)**2)) < 0.01  # nor do rows agree


def test_the_mask_is_a_function_of_the_seed(dropout):
  np.testing.assert_array_equal(dropout(0.5, 1), dropout(0.5, 1))
  for seed in (0, 2, -1):
    assert abs(np.mean(dropout(0.5, 1) == dropout(0.5, seed)) - 0.5) < 0.01


def test_off(dropout):
  x = tf.ones([3])
  assert randomness.dropout(x, 0.5, None) is x and randomness.dropout(x, 0, [1, 2]) is x
  np.testing.assert_array_equal(dropout(0.0, 1), 3)


def test_rows_are_those_of_the_global_batch(two_replicas):
  draw = lambda count: randomness.rows(randomness.normal, count, [3], randomness.seed_of(5))
  of_replicas = two_replicas.run(tf.function(draw), args=(2,))
  rows = np.concatenate(two_replicas.experimental_local_results(of_replicas))
  np.testing.assert_array_equal(rows, draw(4))


@pytest.mark.parametrize('threshold', [0.1, 0.8, 2, 4.0])
def test_truncated_normal_numbers_have_the_quantiles_of_their_distribution(threshold):
  shares = np.linspace(0.001, 0.999, 999, dtype=np.float32)
  expected = scipy.stats.truncnorm(-threshold, threshold).ppf(shares.astype(np.float64))
  found = randomness.truncated_normal(tf.constant(shares), threshold)
  np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, threshold))


@pytest.mark.parametrize('threshold', [1e-3, 0.8, 5.0, 6.0, 100.0])
def test_truncated_normal_numbers_are_finite_and_below_the_threshold(threshold):
  """Also of the least and the greatest that can be drawn, where erf is 1 to the last digit."""
  found = randomness.truncated_normal(tf.constant([0.0, 2.0**-24, 0.5, 1 - 2.0**-24]), threshold)
  assert np.abs(found).max() <= np.float32(threshold) and found[2] == 0


def test_truncated_rows_are_normal_numbers_drawn_again():
  draws = randomness.rows(randomness.uniform, 4, [50_000], randomness.seed_of(1))
  found = randomness.truncated_normal(draws, 0.8).numpy()
  normal = np.random.default_rng(0).normal(size=500_000)
  kept = normal[np.abs(normal) < 0.8]
  np.testing.assert_allclose(found.std(), kept.std(), rtol=0.01)
  np.testing.assert_allclose(np.quantile(found, [0.1, 0.3, 0.7, 0.9]),
                             np.quantile(kept, [0.1, 0.3, 0.7, 0.9]), atol=0.01)
