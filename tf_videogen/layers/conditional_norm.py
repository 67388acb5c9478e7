"""Conditional layer normalization (VideoGPT, section 3, "Conditional Norms").

Its gain and bias are affine functions of a condition.
"""
import tensorflow as tf


class ConditionalLayerNorm(tf.keras.layers.Layer):
  """y = (x - mean) / sqrt(variance + epsilon) * (g + W_g c) + (b + W_b c).

  At the start g = 1 and b = 0. Without a condition it is layer normalization. Statistics are
  float32, whatever the compute type.

  Args:
    epsilon: a small number that is added to the variance.
    epsilon_outside: whether epsilon is added to 1 / sqrt(variance) instead, as in the authors'
      code. A vector whose numbers are all the same then becomes NaN.

  Call arguments:
    x: [B, N, D].
    condition: [B, C], or None for layer normalization.
  """

  def __init__(self, epsilon=1e-5, epsilon_outside=False, name=None):
    super().__init__(name=name)
    self.epsilon = epsilon
    self.epsilon_outside = epsilon_outside

  def build(self, input_shape):
    width = input_shape[-1]
    self.gain = self.add_weight('gain', [width], initializer='ones')
    self.bias = self.add_weight('bias', [width], initializer='zeros')
    super().build(input_shape)

  def build_condition(self, size):
    """Creates W_g and W_b for conditions of `size` numbers.

    The layer that owns this one calls it once, if it has conditions.
    """
    shape = [size, 2 * self.gain.shape[0]]
    self.condition_kernel = self.add_weight(
        'condition_kernel', shape, initializer=tf.keras.initializers.RandomNormal(stddev=0.02))

  def call(self, x, condition=None):
    values = tf.cast(x, tf.float32)
    mean, variance = tf.nn.moments(values, axes=[-1], keepdims=True)
    if self.epsilon_outside:
      normalized = (values - mean) * (self.epsilon + tf.math.rsqrt(variance))
    else:
      normalized = (values - mean) * tf.math.rsqrt(variance + self.epsilon)
    gain, bias = tf.cast(self.gain, tf.float32), tf.cast(self.bias, tf.float32)
    if condition is not None:
      affine = tf.matmul(tf.cast(condition, tf.float32), tf.cast(self.condition_kernel, tf.float32))
      gain_of_condition, bias_of_condition = tf.split(affine[:, None], 2, axis=-1)  # [B, 1, D] each
      gain, bias = gain + gain_of_condition, bias + bias_of_condition
    return tf.cast(normalized * gain + bias, x.dtype)
