"""Linear maps as the equations of the Video Transformer write them: without a bias."""

import tensorflow as tf


def fan_in_normal():
  """Normal values with standard deviation 1 / sqrt(fan in)."""
  return tf.keras.initializers.VarianceScaling(distribution='untruncated_normal')


def linear(width, name, activation=None, dtype=None):
  """A dense layer without bias, [..., D] -> [..., width]; its kernel begins as `fan_in_normal`."""
  return tf.keras.layers.Dense(width, activation, use_bias=False, name=name, dtype=dtype,
                               kernel_initializer=fan_in_normal())
