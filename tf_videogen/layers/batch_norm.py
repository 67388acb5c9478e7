"""Batch normalization with the statistics of the global batch."""
import tensorflow as tf


class SyncBatchNorm(tf.keras.layers.BatchNormalization):
  """Keras's batch normalization, with statistics over all replicas.

  A layer's `norm` argument takes it in place of layer norm. `fused` stays off, because
  synchronization requires it.

  Args:
    momentum: momentum of the moving averages of mean and variance.
    epsilon: number that is added to the variance.
  """

  def __init__(self, momentum=0.9, epsilon=1e-5, name=None):
    super().__init__(momentum=momentum, epsilon=epsilon, synchronized=True, name=name)
