"""Attention of some queries to some keys, whose backward pass computes the scores again.

This is the recomputation of FlashAttention (Dao et al. 2022, https://arxiv.org/abs/2205.14135),
without its kernel. With S = q k^T / sqrt(D), lse = log sum exp S, P = exp(S - lse) and O = P v, the
backward pass computes

    dv = P^T dO
    dS = P (dO v^T - rowsum(dO O))
    dq = dS k / sqrt(D)
    dk = dS^T q / sqrt(D)

from q, k, v, O and lse alone. With dropout of P by a mask M, these are

    O = (M P) v
    dv = (M P)^T dO
    dS = P (M (dO v^T) - rowsum(dO O))

and the backward pass draws M again. Scores, softmax and lse are float32 in every precision. Matrix
products have the type of the inputs.
"""

import tensorflow as tf

_MASKED = -1e30  # added to a score, it makes its exponential exactly 0


def scaled(q):
  """q / sqrt(D)."""
  return q * tf.cast(q.shape[-1] ** -0.5, q.dtype)


def bias_where(seen):
  """The bias of scores: 0 if the bool tensor `seen` is true, else a number that hides the key."""
  return tf.where(seen, 0.0, _MASKED)


def as_it_is(weights):
  """No dropout: the weights themselves."""
  return weights


def attend(q, k, v, bias, dropout=as_it_is):
  """Attention of some queries to some keys.

  Args:
    q: queries, [..., queries, D], scaled by `scaled`.
    k, v: keys and values, [..., keys, D].
    bias: bias of the scores, [..., queries, keys].
    dropout: a function of the weights [..., queries, keys] that applies dropout to them.

  Returns:
    The output [..., queries, D], of the type of q, and the log-sum-exp of the scores
    [..., queries, 1], float32.
  """
  scores = _scores(q, k, bias)
  peak = tf.reduce_max(scores, -1, keepdims=True)
  weights = tf.exp(scores - peak)
  total = tf.reduce_sum(weights, -1, keepdims=True)
  output = _float(tf.matmul(tf.cast(dropout(weights), v.dtype), v)) / total
  return tf.cast(output, q.dtype), peak + tf.math.log(total)


def attend_backward(q, upstream, lse, delta, k, v, bias, dropout=as_it_is):
  """Gradients of `attend`, by the equations at the top of this file.

  Args:
    q, upstream: scaled queries, and the gradient of their output, [..., queries, D].
    lse, delta: log-sum-exp of the scores, and the sum of output * upstream over channels,
      [..., queries, 1].
    k, v, bias, dropout: the same as for `attend`.

  Returns:
    dq of the scaled queries, [..., queries, D]; dk and dv transposed, [..., D, keys].
  """
  weights = tf.exp(_scores(q, k, bias) - lse)
  d_weights = dropout(_float(tf.matmul(upstream, v, transpose_b=True)))
  d_scores = weights * (d_weights - delta)
  weights, d_scores = tf.cast(dropout(weights), q.dtype), tf.cast(d_scores, q.dtype)
  return (tf.matmul(d_scores, k), tf.matmul(q, d_scores, transpose_a=True),
          tf.matmul(upstream, weights, transpose_a=True))


def _scores(q, k, bias):
  return _float(tf.matmul(q, k, transpose_b=True)) + bias  # [..., queries, keys]


def _float(x):
  return tf.cast(x, tf.float32)
