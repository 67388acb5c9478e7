"""What replicas agree on: sums, numbers, rows, and variables that each assigns to its own copy."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import replicas

ROWS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def _on_both(strategy, function):
  """What the two replicas return, traced: pairs of arrays."""
  found = tf.function(lambda: strategy.run(function))()
  return tf.nest.map_structure(
      lambda x: [np.asarray(v) for v in strategy.experimental_local_results(x)], found)


def _own_rows():
  return tf.gather(tf.constant(ROWS), tf.range(3) + 3 * replicas.index())


def test_numbers_and_sums(two_replicas):
  counts = []

  def function():
    counts.append(replicas.count())
    return replicas.index(), replicas.total({'rows': _own_rows()})

  index, total = _on_both(two_replicas, function)
  assert index == [0, 1] and set(counts) == {2}
  for value in total['rows']:
    np.testing.assert_allclose(value, ROWS[:3] + ROWS[3:], rtol=1e-6)


def test_rows_of_all(two_replicas):
  numbers = [5, 0, 3, 3, 2]
  rows, all_rows = _on_both(two_replicas, lambda: (
      replicas.global_rows(_own_rows(), tf.constant(numbers)), replicas.gathered(_own_rows())))
  for value in rows:
    np.testing.assert_allclose(value, ROWS[numbers], rtol=1e-6)
  for value in all_rows:
    np.testing.assert_allclose(value, ROWS, rtol=1e-6)


def test_alone():
  assert replicas.count() == 1 and replicas.index() == 0
  x = tf.constant(ROWS)
  assert replicas.total(x) is x and replicas.gathered(x) is x
  np.testing.assert_array_equal(replicas.global_rows(x, tf.constant([4, 1])), ROWS[[4, 1]])


AGGREGATIONS = [tf.VariableAggregation.NONE, tf.VariableAggregation.MEAN,
                tf.VariableAggregation.ONLY_FIRST_REPLICA]


def _variables(offset, aggregation):
  return [tf.Variable(value + offset, aggregation=aggregation, trainable=False)
          for value in (tf.constant(ROWS), tf.constant(1.5))]


def _copies(strategy, variables):
  return [[copy.numpy() for copy in strategy.experimental_local_results(v)] for v in variables]


@pytest.mark.parametrize('aggregation', AGGREGATIONS)
@pytest.mark.parametrize('inside', [True, False], ids=['of replicas', 'of all'])
def test_assign(two_replicas, aggregation, inside):
  """By a number that is made in the step, as the decay of an average is; every copy."""
  with two_replicas.scope():
    old, new = _variables(0.0, aggregation), _variables(7.0, aggregation)
    step = tf.Variable(3, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

  def update():
    decay = tf.where(step >= 3, tf.constant(0.75), 0.0)
    replicas.assign(old, new, lambda a, b: decay * a + (1 - decay) * b)
    return tf.identity(step)

  if inside:
    _on_both(two_replicas, update)
  else:
    with two_replicas.scope():
      update()
  for copies, first in zip(_copies(two_replicas, old), (ROWS, 1.5), strict=True):
    assert len(copies) == 2
    for copy in copies:
      np.testing.assert_allclose(copy, 0.75 * first + 0.25 * (first + 7), rtol=1e-6)
  for copies, first in zip(_copies(two_replicas, new), (ROWS, 1.5), strict=True):
    for copy in copies:
      np.testing.assert_array_equal(copy, first + np.float32(7))


def test_assign_copies_by_default():
  old, new = _variables(0.0, AGGREGATIONS[0]), _variables(7.0, AGGREGATIONS[0])
  tf.function(lambda: replicas.assign(old, new))()
  for a, b in zip(old, new):
    np.testing.assert_array_equal(a, b)
  with pytest.raises(ValueError):
    replicas.assign(old, new[:1])
