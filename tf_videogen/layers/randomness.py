"""Stateless randomness: a seed is an int32 [2] tensor that is folded with whatever must differ.

A training step folds its number into the run's seed, a layer its index, a replica its id. Nothing
keeps a state, so a run that was killed and resumed draws the same numbers as an unbroken run.

Random draws use Philox, which every kind of device implements. The exception is dropout in an XLA
program, which uses the device's own generator: on a TPU that generator costs next to nothing, but
Philox takes a large share of a transformer's step. XLA also turns Philox's bits into other
floating-point numbers than TensorFlow's own kernels do. So a run repeats itself to the last digit
only on devices of the same kind.
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
  """A new seed [2], computed from `seed` [2] and the integer `number`."""
  return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32), alg='philox')


def fold_in_replica(seed):
  """A seed that differs from replica to replica; outside of replicas, the seed of replica 0."""
  return fold_in(seed, replicas.index())


def uniform(shape, seed):
  """Uniform numbers in [0, 1) of the given shape, float32."""
  return tf.random.stateless_uniform(shape, seed, alg='philox')


def normal(shape, seed):
  """Standard normal numbers of the given shape, float32."""
  return tf.random.stateless_normal(shape, seed, alg='philox')


def truncated_normal(uniform_draws, threshold):
  """Standard normal numbers truncated at a threshold, by the inverse of their distribution.

  Args:
    uniform_draws: uniform numbers, float32 in [0, 1).
    threshold: bound of the absolute values, above 0.

  Returns:
    float32 of the same shape, as if numbers beyond the threshold had been drawn again.
  """
  share = tf.math.erf(threshold / 2**0.5)
  below_one = 1.0 - 2.0**-24  # erfinv(1) is infinite, and float32 rounds shares near 1 to 1
  shares = tf.clip_by_value((2.0 * uniform_draws - 1.0) * share, -below_one, below_one)
  return 2**0.5 * tf.math.erfinv(shares)


def rows(draw, count, shape, seed):
  """This replica's rows of a draw for the global batch.

  Row i of the global batch is the same for any number of replicas.

  Args:
    draw: `uniform` or `normal`.
    count: int, number of rows of this replica.
    shape: shape of a row.
    seed: int32 [2], the same on all replicas.

  Returns:
    float32 [count, *shape].
  """
  drawn = draw([replicas.count() * count, *shape], seed)
  return tf.slice(drawn, [replicas.index() * count] + [0] * len(shape), [count, *shape])


def truncate_logits(logits, top_k=None, top_p=None):
  """Keeps the k most likely codes, and of these the smallest set of probability p.

  Args:
    logits: float32 [B, K].
    top_k: k, number of codes; all if None. Codes as likely as the k-th are also kept.
    top_p: p, a probability; 1 if None. The most likely code is always kept.

  Returns:
    float32 [B, K], -1e30 for the codes that are not kept.
  """
  if top_k is not None and top_k < logits.shape[-1]:
    smallest = tf.math.top_k(logits, top_k).values[:, -1:]
    logits = tf.where(logits < smallest, -1e30, logits)
  if top_p is not None and top_p < 1.0:
    descending = tf.sort(logits, axis=-1, direction='DESCENDING')
    before = tf.cumsum(tf.nn.softmax(descending), axis=-1, exclusive=True)
    kept = tf.reduce_sum(tf.cast(before < top_p, tf.int32), axis=-1, keepdims=True)
    smallest = tf.gather(descending, tf.maximum(kept - 1, 0), batch_dims=1)
    logits = tf.where(logits < smallest, -1e30, logits)
  return logits


def categorical(logits, seed):
  """Draws from softmax(logits): float32 [B, K] -> int32 [B], by the Gumbel-max trick."""
  noise = tf.maximum(uniform(tf.shape(logits), seed), 1e-20)
  return tf.argmax(logits - tf.math.log(-tf.math.log(noise)), axis=-1, output_type=tf.int32)


def dropout(x, rate, seed):
  """Dropout at rate `rate`, with a mask that is a function of `seed` and of the replica.

  Returns `x` itself if the seed is None or the rate is 0.
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
