"""Layer normalization over channels, with PyTorch's epsilon.

Keras's default epsilon, 1e-3, is larger than the variance of a first layer's input.
"""
import tensorflow as tf


class LayerNorm(tf.keras.layers.LayerNormalization):
  """Keras's layer normalization with an epsilon of 1e-5; a layer's `norm` argument takes it."""

  def __init__(self, epsilon=1e-5, name=None):
    super().__init__(epsilon=epsilon, name=name)
