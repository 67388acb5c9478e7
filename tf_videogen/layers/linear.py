"""Linear maps without a bias, as in the equations of the Video Transformer."""

import tensorflow as tf


def fan_in_normal():
  """An initializer of normal values with standard deviation 1 / sqrt(fan in)."""
  return tf.keras.initializers.VarianceScaling(distribution='untruncated_normal')


def linear(width, name, activation=None, dtype=None):
  """A dense layer without a bias, [..., D] -> [..., width], initialized by `fan_in_normal`."""
  return tf.keras.layers.Dense(width, activation, use_bias=False, name=name, dtype=dtype,
                               kernel_initializer=fan_in_normal())
