"""Conditional batch normalization, independently for each time step (TrIVD-GAN, section 2.2).

Scale and offset are affine functions of the condition (appendix E.2), spectrally normalized like
all of the model's; gain 1 + affine, as in BigGAN. There are no moving averages: evaluation uses
"standing statistics", averages over many recorded forward passes.
"""

import tensorflow as tf

from tf_videogen.layers import replicas
from tf_videogen.layers import spectral_norm


class ConditionalBatchNorm(tf.keras.layers.Layer):
  """(x - mean_t) / sqrt(variance_t + epsilon) * gain + offset.

  The mean and the variance of a channel at a time step are over the positions of the global batch;
  gradients flow through them. They, and the normalization, are float32 whatever the compute type.
  Without conditions gain and offset are learned numbers of a channel.

  Args:
    conditional: whether there are conditions.
    epsilon: added to the variance.

  Call arguments:
    x: [B, T, H, W, C].
    condition: [B, D], or None where there are no conditions.
    training: whether statistics are the batch's; else they are the standing ones (before any
      recording 0 and 1).
    record: whether the batch's statistics are added to the standing ones; only in training.
  """

  def __init__(self, conditional=True, epsilon=1e-5, name=None):
    super().__init__(name=name)
    self.conditional = conditional
    self.epsilon = epsilon

  def build(self, shape):
    steps, channels = shape[1], shape[-1]
    if self.conditional:
      self.gain = spectral_norm.Dense(channels, name='gain')
      self.offset = spectral_norm.Dense(channels, name='offset')
    else:
      self.gain = self.add_weight('gain', [channels], initializer='ones',
                                  experimental_autocast=False)
      self.offset = self.add_weight('offset', [channels], initializer='zeros',
                                    experimental_autocast=False)
    def state(name, shape, initializer):
      return self.add_weight(name, shape, initializer=initializer, trainable=False,
                             experimental_autocast=False,
                             aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    self.mean = state('mean', [steps, channels], 'zeros')
    self.variance = state('variance', [steps, channels], 'ones')
    self.passes = state('passes', [], 'zeros')
    super().build(shape)

  def call(self, x, condition=None, training=False, record=False):
    self._check(x, condition, training, record)
    values = tf.cast(x, tf.float32)
    if training:
      mean, variance = self._statistics(values)  # [T, C] each
    else:
      mean, variance = tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.variance)
    if record:
      self._record(mean, variance)
    gain, offset = self._affine(condition, training)
    scale = gain * tf.math.rsqrt(variance + self.epsilon)[:, None, None]  # [B, T, 1, 1, C]
    shift = offset - scale * mean[:, None, None]
    return tf.cast(values * scale + shift, x.dtype)

  def reset_statistics(self):
    """Forgets all recorded passes."""
    self.passes.assign(0.0)
    self.mean.assign(tf.zeros_like(self.mean))
    self.variance.assign(tf.ones_like(self.variance))

  def _statistics(self, values):
    """Means and variances of the global batch: [B, T, H, W, C] -> [T, C] twice."""
    # Positions first: TensorFlow's own kernels are six times faster over axes side by side.
    mean = lambda x: tf.reduce_mean(tf.reduce_mean(x, [2, 3]), 0)
    moments = tf.stack([mean(values), mean(values**2)])
    mean, square = tf.unstack(replicas.total(moments) / replicas.count())
    return mean, tf.maximum(square - mean**2, 0.0)

  def _record(self, mean, variance):
    passes = self.passes + 1.0
    self.passes.assign(passes)
    self.mean.assign(self.mean + (mean - self.mean) / passes)
    self.variance.assign(self.variance + (variance - self.variance) / passes)

  def _affine(self, condition, training):
    """Gain and offset, float32, of shapes that broadcast over [B, T, H, W, C]."""
    if not self.conditional:
      return tf.convert_to_tensor(self.gain), tf.convert_to_tensor(self.offset)
    gain, offset = (
        tf.cast(affine(condition, training=training), tf.float32)[:, None, None, None]
        for affine in (self.gain, self.offset))  # [B, C] -> [B, 1, 1, 1, C]
    return 1.0 + gain, offset

  def _check(self, x, condition, training, record):
    if self.conditional == (condition is None):
      raise ValueError(f'ConditionalBatchNorm(conditional={self.conditional}) was called '
                       f'with{"out" if condition is None else ""} a condition')
    if record and not training:
      raise ValueError('record=True keeps the statistics of a batch: call with training=True')
    if (record or not training) and x.shape[1] != self.mean.shape[0]:
      raise ValueError(f'standing statistics are of {self.mean.shape[0]} time steps, got '
                       f'{x.shape[1]}')
