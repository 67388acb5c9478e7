"""What replicas must agree on: sums, each other's rows, and rows drawn by their index in the batch.

Inside `strategy.run` these speak to the other replicas; anywhere else there is one replica and they
return their input.
"""
import contextlib

import tensorflow as tf


def count():
  """Number of replicas in sync, 1 outside of `strategy.run`."""
  context = tf.distribute.get_replica_context()
  return 1 if context is None else context.num_replicas_in_sync


def index():
  """Number of this replica, int32 []; 0 outside of `strategy.run`."""
  context = tf.distribute.get_replica_context()
  return tf.constant(0) if context is None else tf.cast(context.replica_id_in_sync_group, tf.int32)


_recorded = []  # lists of sizes, see `recorded_sums`


@contextlib.contextmanager
def recorded_sums():
  """A context that yields a list: the bytes of what replicas add up, tensor by tensor."""
  sizes = []
  _recorded.append(sizes)
  try:
    yield sizes
  finally:
    _recorded.remove(sizes)


def _record(x):
  for sizes in _recorded:
    sizes += [part.shape.num_elements() * part.dtype.size for part in tf.nest.flatten(x)]


def total(x):
  """Sum of a tensor (or structure of tensors) over the replicas; every replica gets it."""
  _record(x)
  if count() == 1:
    return x
  return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, x)


def global_rows(x, indices):
  """Rows of the replicas' `x` laid one after the other, without gathering them all.

  Args:
    x: [N, D] on each replica, the same N everywhere.
    indices: int32 [K], in 0 .. N * count() - 1, the same on each replica.

  Returns:
    [K, D]: each replica puts in the rows that it owns, and the sum over the replicas has them all.
  """
  if count() == 1:
    rows = tf.gather(x, indices)
    _record(rows)
    return rows
  local = indices - index() * x.shape[0]
  owned = (local >= 0) & (local < x.shape[0])
  rows = tf.gather(x, tf.clip_by_value(local, 0, x.shape[0] - 1))
  return total(tf.where(owned[:, None], rows, tf.zeros_like(rows)))


def assign(variables, values, combine=lambda old, new: new):
  """Assigns `combine(variable, value)` to every variable, on each replica its own copy.

  A variable's own `assign` takes the first replica's value, for which a TPU has all replicas send
  theirs to each other.

  Args:
    variables: a list, of any kind of aggregation.
    values: a list of tensors or variables that all replicas agree on; or each replica's own, of
      variables that are in no checkpoint.
    combine: elementwise.
  """
  def update(strategy, variables, values):
    for variable, value in zip(variables, values, strict=True):
      strategy.extended.update(
          variable, lambda copy, new: copy.assign(combine(copy, new)), args=(value,), group=False)

  context = tf.distribute.get_replica_context()
  if context is None:
    update(tf.distribute.get_strategy(), variables, values)
  else:
    context.merge_call(update, args=(list(variables), list(values)))


def gathered(x):
  """The replicas' rows one after the other: [N, ...] on each -> [count() * N, ...] on all of them.

  A sum over the replicas of rows that lie each in its place: its gradient is a sum, too, of static
  shape, where the one of TensorFlow's own all_gather asks the replicas for their numbers of rows.
  """
  if count() == 1:
    _record(x)
    return x
  place = tf.reshape(tf.one_hot(index(), count(), dtype=x.dtype), [-1] + [1] * len(x.shape))
  rows = total(place * x)  # [replicas, N, ...]
  return tf.reshape(rows, [-1, *x.shape[1:]])  # [replicas, N, ...] -> [replicas * N, ...]
