"""A record of training steps on the replicas, so that the host need not wait for every step."""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import replicas

_MOST_TERMS = 32


class StepRecord:
  """The terms of the loss in the last step, and the first step in which a term was not finite.

  It keeps them in variables on all replicas. `read` and `failure` fetch them once per call of many
  steps. Create it in the scope of a strategy.
  """

  def __init__(self):
    variable = lambda value: tf.Variable(
        value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    self._names = []
    self._values = variable(tf.zeros([_MOST_TERMS]))
    self._failure = variable(tf.zeros([2], tf.int64))  # a step, 0 for none; one bit per term

  def write(self, step, terms):
    """Records a step; called by every replica.

    Args:
      step: number of the step, counted from 1, int64 [].
      terms: dict of at most 32 scalars, the same on all replicas.

    Raises:
      ValueError: if there are more terms.
    """
    if len(terms) > _MOST_TERMS:
      raise ValueError(f'a loss has at most {_MOST_TERMS} terms, got {len(terms)}')
    self._names = list(terms)
    values = tf.stack([tf.cast(term, tf.float32) for term in terms.values()])
    bits = tf.constant(2**np.arange(len(terms)), tf.int64)
    bad = tf.reduce_sum(tf.where(tf.math.is_finite(values), tf.zeros_like(bits), bits))
    before = tf.convert_to_tensor(self._failure)
    is_first = (bad > 0) & (before[0] == 0)
    replicas.assign([self._values, self._failure], [
        tf.pad(values, [[0, _MOST_TERMS - len(terms)]]),
        tf.where(is_first, tf.stack([step, bad]), before)])

  def read(self):
    """The terms of the last step: dict of float32 scalars."""
    return dict(zip(self._names, self._values.numpy()))

  def failure(self):
    """The first step with terms that were not finite: (step, names of the terms), or None."""
    step, bits = self._failure.numpy()
    names = [name for i, name in enumerate(self._names) if bits >> i & 1]
    return (int(step), names) if step else None
