"""Losses as pure functions: tensors in, scalars (or one number an example) out.

All compute in float32.
"""
import tensorflow as tf


def squared_error(prediction, target):
  """Mean squared error an example: [B, ...] twice -> [B]."""
  error = tf.cast(prediction, tf.float32) - tf.cast(target, tf.float32)
  return tf.reduce_mean(error**2, axis=list(range(1, len(error.shape))))


def categorical_nll(logits, codes):
  """Negative log-likelihood of `codes` in nats: [B, N, K], int [B, N] -> [B].

  It is summed over the positions.
  """
  nll = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, tf.cast(logits, tf.float32))
  return tf.reduce_sum(nll, axis=1)


def sum_of_valid(values, valid):
  """The sum over the examples that are no padding: numbers [B], bool [B] -> []."""
  return tf.reduce_sum(tf.where(valid, tf.cast(values, tf.float32), 0.0))
