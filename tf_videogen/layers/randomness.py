"""Stateless randomness: a seed is an int32 [2] tensor that is folded with whatever must differ.

A training step folds its step into the run's seed, a layer its index, a replica its id; nothing
keeps a state, so a run that was killed and goes on draws what the unbroken run would have drawn.
Everything draws with Philox, of which every kind of device has an implementation, but dropout in a
program of XLA, which draws with the device's own generator: a TPU's costs next to nothing, where
Philox takes a large share of a transformer's step. XLA also makes other floating-point numbers of
Philox's bits than TensorFlow's own kernels do: a run repeats itself to the last digit on devices of
one kind.
"""
import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from tf_videogen.layers import replicas
from tf_videogen.layers import xla_context


def seed_of(number):
  """The int32 [2] seed of a tensor integer, or of a Python integer of up to 64 bits."""
  if isinstance(number, int) and not -2**31 <= number < 2**31:
    return tf.constant(np.array([number], np.int64).view(np.int32))
  return tf.stack([tf.cast(number, tf.int32), tf.constant(0, tf.int32)])


def fold_in(seed, number):
  """A new seed [2], a function of `seed` [2] and of an integer."""
  return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32), alg='philox')


def fold_in_replica(seed):
  """A seed that differs from replica to replica; outside of replicas, that of replica 0."""
  return fold_in(seed, replicas.index())


def uniform(shape, seed):
  """float32 in [0, 1) of the given shape."""
  return tf.random.stateless_uniform(shape, seed, alg='philox')


def normal(shape, seed):
  """float32, standard normal, of the given shape."""
  return tf.random.stateless_normal(shape, seed, alg='philox')


def truncated_normal(uniform_draws, threshold):
  """Normal numbers of absolute value below a threshold, by the inverse of their distribution.

  Args:
    uniform_draws: float32 in [0, 1).
    threshold: above 0.

  Returns:
    float32 of the same shape: as if numbers beyond the threshold had been drawn again.
  """
  share = tf.math.erf(threshold / 2**0.5)
  below_one = 1.0 - 2.0**-24  # of 1 itself, which float32 makes of shares near it, it is infinite
  shares = tf.clip_by_value((2.0 * uniform_draws - 1.0) * share, -below_one, below_one)
  return 2**0.5 * tf.math.erfinv(shares)


def rows(draw, count, shape, seed):
  """This replica's rows of what the global batch draws: row i is the same, however many replicas.

  Args:
    draw: `uniform` or `normal`.
    count: int, rows of this replica.
    shape: of a row.
    seed: int32 [2], the same on all replicas.

  Returns:
    float32 [count, *shape].
  """
  drawn = draw([replicas.count() * count, *shape], seed)
  return tf.slice(drawn, [replicas.index() * count] + [0] * len(shape), [count, *shape])


def categorical(logits, seed):
  """Draws from softmax(logits): float32 [B, K] -> int32 [B], by the Gumbel-max trick."""
  noise = tf.maximum(uniform(tf.shape(logits), seed), 1e-20)
  return tf.argmax(logits - tf.math.log(-tf.math.log(noise)), axis=-1, output_type=tf.int32)


def dropout(x, rate, seed):
  """Dropout whose mask is a function of `seed` and of the replica.

  Returns `x` itself where the seed is None or the rate 0.
  """
  if seed is None or not rate:
    return x
  seed = fold_in_replica(seed)
  if not xla_context.compiled_by_xla():
    return tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg='philox')
  high, low = tf.unstack(tf.cast(tf.bitcast(seed, tf.uint32), tf.uint64))
  state = tf.stack([high * 2**32 + low, 0])  # key, counter
  _, bits = xla.rng_bit_generator(
      tf.random.Algorithm.AUTO_SELECT, state, tf.shape(x), tf.uint32)
  return tf.where(bits >= round(2**32 * rate), x / (1 - rate), tf.zeros([], x.dtype))
