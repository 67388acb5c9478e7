"""The quantizer against NumPy.

Nearest codes, EMA, restarts, initialization, several codebooks, replicas.
"""
import numpy as np
import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.layers import vector_quantizer

SEED = randomness.seed_of(3)


def _quantizer(codes=6, dim=3, codebooks=1, **kwargs):
  layer = vector_quantizer.VectorQuantizer(codes, dim, codebooks, **kwargs)
  layer.build((None, codebooks * dim))
  return layer


def _set(layer, rng):
  codebook = rng.normal(size=layer.codebook.shape).astype(np.float32)
  layer.codebook.assign(codebook)
  layer.sums.assign(codebook)
  layer.initialized.assign(1.0)
  return codebook


def _nearest(z, codebook):
  return np.argmin(((z[:, None] - codebook[None])**2).sum(-1), axis=1)


def test_nearest_codes_and_lookup():
  rng = np.random.default_rng(0)
  layer = _quantizer()
  codebook = _set(layer, rng)
  z = rng.normal(size=(2, 3, 4, 5, 3)).astype(np.float32)
  out = layer(z)
  expected = _nearest(z.reshape(-1, 3), codebook[0]).reshape(2, 3, 4, 5, 1)
  np.testing.assert_array_equal(out.codes, expected)
  np.testing.assert_allclose(out.vectors, codebook[0][expected[..., 0]], atol=1e-6)
  np.testing.assert_allclose(layer.lookup(out.codes), codebook[0][expected[..., 0]], atol=0)
  np.testing.assert_allclose(
      out.commitment, np.mean((z - codebook[0][expected[..., 0]])**2), rtol=1e-6)


def test_several_codebooks_are_slices_with_codebooks_of_their_own():
  rng = np.random.default_rng(1)
  layer = _quantizer(codebooks=2)
  codebook = _set(layer, rng)
  z = rng.normal(size=(7, 6)).astype(np.float32)
  out = layer(z)
  for c in range(2):
    part = z[:, 3 * c:3 * c + 3]
    np.testing.assert_array_equal(out.codes[:, c], _nearest(part, codebook[c]))
    np.testing.assert_allclose(
        out.vectors[:, 3 * c:3 * c + 3], codebook[c][_nearest(part, codebook[c])], atol=1e-6)


def test_gradient_is_straight_through_and_commitment_pulls_z_to_its_code():
  rng = np.random.default_rng(2)
  layer = _quantizer()
  codebook = _set(layer, rng)
  z = tf.constant(rng.normal(size=(5, 3)), tf.float32)
  weights = tf.constant(rng.normal(size=(5, 3)), tf.float32)
  with tf.GradientTape(persistent=True) as tape:
    tape.watch(z)
    out = layer(z)
    value = tf.reduce_sum(out.vectors * weights)
  np.testing.assert_allclose(tape.gradient(value, z), weights, atol=1e-6)
  expected = 2 * (z.numpy() - codebook[0][_nearest(z.numpy(), codebook[0])]) / 15
  np.testing.assert_allclose(tape.gradient(out.commitment, z), expected, atol=1e-6)


def test_ema_and_restart_against_numpy():
  rng = np.random.default_rng(3)
  layer = _quantizer(codes=5, dim=2)
  codebook = _set(layer, rng)[0]
  # Code 2 is below 1 whatever it gets; code 4 by chance.
  counts = np.array([3.0, 1.2, 0.5, 2.0, 1.005], np.float32)
  sums = (codebook * counts[:, None]).astype(np.float32)
  layer.counts.assign(counts[None])
  layer.sums.assign(sums[None])
  z = rng.normal(size=(40, 2)).astype(np.float32)
  codes = layer(z, training=True, seed=SEED).codes.numpy()[:, 0]
  np.testing.assert_array_equal(codes, _nearest(z, codebook))  # of the codebook before the update
  one_hot = np.eye(5)[codes]
  counts = 0.99 * counts + 0.01 * one_hot.sum(0)
  sums = 0.99 * sums + 0.01 * one_hot.T @ z
  smoothed = (counts + 1e-7) / (counts.sum() + 5e-7) * counts.sum()
  np.testing.assert_allclose(layer.counts[0], counts, rtol=1e-5)
  np.testing.assert_allclose(layer.sums[0], sums, rtol=1e-4, atol=1e-6)
  assert counts[2] < 1 and (counts >= 1).sum() >= 3
  for k in range(5):
    if counts[k] >= 1:
      np.testing.assert_allclose(layer.codebook[0, k], sums[k] / smoothed[k], rtol=1e-4)
    else:
      assert (np.abs(z - layer.codebook[0, k].numpy()).max(1) == 0).sum() == 1, (
          'a restarted code is a row of the batch')


def test_nothing_moves_outside_of_training():
  layer = _quantizer()
  _set(layer, np.random.default_rng(4))
  before = [v.numpy() for v in layer.variables]
  layer(np.ones((4, 3), np.float32))
  for old, v in zip(before, layer.variables):
    np.testing.assert_array_equal(old, v.numpy())


def test_first_step_copies_distinct_encoder_outputs():
  layer = _quantizer(codes=6, restart_threshold=0.0, decay=1.0)
  z = np.random.default_rng(5).normal(size=(30, 3)).astype(np.float32)
  layer(z, training=True, seed=SEED)
  matches = (np.abs(layer.codebook.numpy()[0][:, None] - z[None]).max(-1) < 1e-6).sum(1)
  np.testing.assert_array_equal(matches, np.ones(6))
  assert len(np.unique(layer.codebook.numpy()[0], axis=0)) == 6


def test_too_few_encoder_outputs_are_tiled_with_small_noise():
  layer = _quantizer(codes=10, restart_threshold=0.0, decay=1.0)
  z = 10 * np.random.default_rng(6).normal(size=(4, 3)).astype(np.float32)
  layer(z, training=True, seed=SEED)
  nearest = np.abs(layer.codebook.numpy()[0][:, None] - z[None]).max(-1).min(1)
  assert nearest.max() < 0.05 and nearest.min() > 0
  assert len(np.unique(layer.codebook.numpy()[0], axis=0)) == 10


def test_two_replicas_keep_the_codebook_of_one(two_replicas):
  z = np.random.default_rng(7).normal(size=(3, 16, 3)).astype(np.float32)  # three steps
  one = _quantizer()
  for step in range(3):
    one(z[step], training=True, seed=randomness.seed_of(step))
  with two_replicas.scope():
    two = _quantizer()

  @tf.function
  def step_of_replicas(values, seed):
    return two_replicas.run(lambda v: two(v, training=True, seed=seed).commitment, args=(values,))

  for step in range(3):
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context, s=step: tf.constant(np.split(z[s], 2)[context.replica_id_in_sync_group]))
    step_of_replicas(halves, randomness.seed_of(step))
  for name in ('codebook', 'counts', 'sums'):
    np.testing.assert_allclose(getattr(one, name), getattr(two, name).values[0], atol=1e-5)
    np.testing.assert_array_equal(getattr(two, name).values[0], getattr(two, name).values[1])
