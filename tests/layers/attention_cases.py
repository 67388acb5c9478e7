"""What tests of attention share: inputs, plain attention, gradients."""

import numpy as np
import tensorflow as tf


def naive(q, k, v, mask):
  """Attention as its definition has it: q, k, v [..., N, D], mask bool [N, N]."""
  scores = tf.matmul(q, k, transpose_b=True) / np.sqrt(q.shape[-1])
  return tf.matmul(tf.nn.softmax(tf.where(mask, scores, -1e30)), v)


def normal(*shape, seed=0, count=None):
  """Normally distributed float32 of a shape, or a list of `count` of them."""
  rng = np.random.default_rng(seed)
  draw = lambda: tf.constant(rng.normal(size=shape), tf.float32)
  return draw() if count is None else [draw() for _ in range(count)]


def gradients(function, q, k, v, upstream):
  """The output, and the gradients of q, k, v."""
  with tf.GradientTape() as tape:
    tape.watch([q, k, v])
    output = function(q, k, v)
  return [output] + tape.gradient(output, [q, k, v], upstream)
