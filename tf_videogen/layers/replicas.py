"""What replicas must agree on: sums, and rows drawn by their index in the global batch.

Inside `strategy.run` these speak to the other replicas; anywhere else there is one replica and they
return their input.
"""
import tensorflow as tf


def count():
  """Number of replicas in sync, 1 outside of `strategy.run`."""
  context = tf.distribute.get_replica_context()
  return 1 if context is None else context.num_replicas_in_sync


def index():
  """Number of this replica, int32 []; 0 outside of `strategy.run`."""
  context = tf.distribute.get_replica_context()
  return tf.constant(0) if context is None else tf.cast(context.replica_id_in_sync_group, tf.int32)


def total(x):
  """Sum of a tensor (or structure of tensors) over the replicas; every replica gets it."""
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
    return tf.gather(x, indices)
  local = indices - index() * x.shape[0]
  owned = (local >= 0) & (local < x.shape[0])
  rows = tf.gather(x, tf.clip_by_value(local, 0, x.shape[0] - 1))
  return total(tf.where(owned[:, None], rows, tf.zeros_like(rows)))
