"""Conditional batch normalization, independently for each time step (TrIVD-GAN, appendix A).

Gain and offset are affine functions of the condition (appendix E.2). Their kernels are spectrally
normalized, like all kernels of the model. The gain is 1 + the affine function, as in BigGAN.

There are no moving averages. Evaluation uses "standing statistics": averages over many recorded
forward passes with the current weights. They belong to the time steps of a video, of which one pass
may see only a part (SSW-GAN, appendix A, recomputes them for videos longer than the training
videos). No checkpoint has them, because the weights determine them.
"""

import typing

import tensorflow as tf

from tf_videogen.layers import replicas
from tf_videogen.layers import spectral_norm


class Steps(typing.NamedTuple):
  """The time steps of a call's frames, and which of them are recorded in standing statistics.

  Attributes:
    first: time step of the first frame, an int or int32 [].
    recorded: bool [T], whether a frame's statistics are recorded; then all frames are normalized by
      the statistics of their batch. If None, nothing is recorded, and outside of training frames
      are normalized by the standing statistics.
  """
  first: typing.Any = 0
  recorded: typing.Any = None


class StandingStatistics:
  """Means and variances of a video's time steps, averaged over recorded passes.

  Before the first pass, means are 0 and variances 1.

  Args:
    steps: number of time steps.
    channels: number of channels of the features.
  """

  def __init__(self, steps, channels):
    def variable(value):
      return tf.Variable(value, trainable=False,
                         aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    with tf.init_scope():
      self.mean = variable(tf.zeros([steps, channels]))
      self.variance = variable(tf.ones([steps, channels]))
      self.passes = variable(tf.zeros([steps]))

  @property
  def variables(self):
    """All variables, a list."""
    return [self.mean, self.variance, self.passes]

  def reset(self):
    """Forgets all recorded passes."""
    self.mean.assign(tf.zeros_like(self.mean))
    self.variance.assign(tf.ones_like(self.variance))
    self.passes.assign(tf.zeros_like(self.passes))

  def of(self, first, frames):
    """Means and variances of `frames` time steps from step `first` on, [frames, C] each."""
    return [tf.ensure_shape(tf.slice(tf.convert_to_tensor(x), [first, 0], [frames, -1]),
                            [frames, x.shape[1]]) for x in (self.mean, self.variance)]

  def record(self, steps, mean, variance):
    """Adds statistics of a batch to the averages over all recorded passes.

    Args:
      steps: a Steps, whose `recorded` tells which frames are added.
      mean, variance: the batch's statistics, [T, C].
    """
    rows = (steps.first + tf.range(mean.shape[0]))[:, tf.newaxis]
    counted = tf.cast(steps.recorded, tf.float32)
    passes = tf.gather_nd(tf.convert_to_tensor(self.passes), rows) + counted
    share = (counted / tf.maximum(passes, 1.0))[:, tf.newaxis]
    kept = [tf.convert_to_tensor(variable) for variable in self.variables]
    old_mean, old_variance, _ = (tf.gather_nd(variable, rows) for variable in kept)
    new = [old_mean + share * (mean - old_mean),
           old_variance + share * (variance - old_variance), passes]
    replicas.assign(self.variables, [
        tf.tensor_scatter_nd_update(old, rows, value) for old, value in zip(kept, new)])


class ConditionalBatchNorm(tf.keras.layers.Layer):
  """(x - mean_t) / sqrt(variance_t + epsilon) * gain + offset.

  The mean and the variance of a channel at a time step are taken over all positions of the global
  batch. Gradients flow through them. Statistics and normalization are float32, whatever the compute
  type. Without conditions, gain and offset are learned numbers, one each per channel.

  Args:
    conditional: whether calls have a condition.
    epsilon: number that is added to the variance.

  Attributes:
    standing: a StandingStatistics. It is None before `keep`; then means are 0 and variances 1.

  Call arguments:
    x: [B, T, H, W, C].
    condition: [B, D], or None if the layer is not conditional.
    training: whether to normalize by the batch's statistics and move the power iterations on.
      Otherwise the standing statistics are used, unless `steps` records.
    steps: a Steps, the time steps of the frames, for standing statistics; not used in training.
  """

  def __init__(self, conditional=True, epsilon=1e-5, name=None):
    super().__init__(name=name)
    self.conditional = conditional
    self.epsilon = epsilon
    self.standing = None

  def build(self, shape):
    channels = shape[-1]
    self.channels = channels
    if self.conditional:
      self.gain = spectral_norm.Dense(channels, name='gain')
      self.offset = spectral_norm.Dense(channels, name='offset')
    else:
      self.gain = self.add_weight('gain', [channels], initializer='ones',
                                  experimental_autocast=False)
      self.offset = self.add_weight('offset', [channels], initializer='zeros',
                                    experimental_autocast=False)
    super().build(shape)

  def keep(self, steps):
    """Makes standing statistics for videos of `steps` time steps, without recorded passes."""
    self.standing = StandingStatistics(steps, self.channels)

  def call(self, x, condition=None, training=False, steps=Steps()):
    self._check(x, condition, training, steps)
    values = tf.cast(x, tf.float32)
    if training or steps.recorded is not None:
      mean, variance = self._statistics(values)  # [T, C] each
    elif self.standing is None:
      mean, variance = tf.zeros([x.shape[1], self.channels]), tf.ones([x.shape[1], self.channels])
    else:
      mean, variance = self.standing.of(steps.first, x.shape[1])
    if steps.recorded is not None:
      self.standing.record(steps, mean, variance)
    gain, offset = self._affine(condition, training)
    scale = gain * tf.math.rsqrt(variance + self.epsilon)[:, None, None]  # [B, T, 1, 1, C]
    shift = offset - scale * mean[:, None, None]
    return tf.cast(values * scale + shift, x.dtype)

  def _statistics(self, values):
    """Means and variances of the global batch: [B, T, H, W, C] -> [T, C] each."""
    # Positions first: TensorFlow's own kernels are six times faster over adjacent axes.
    mean = lambda x: tf.reduce_mean(tf.reduce_mean(x, [2, 3]), 0)
    moments = tf.stack([mean(values), mean(values**2)])
    mean, square = tf.unstack(replicas.total(moments) / replicas.count())
    return mean, tf.maximum(square - mean**2, 0.0)

  def _affine(self, condition, training):
    """Gain and offset, float32, of shapes that broadcast over [B, T, H, W, C]."""
    if not self.conditional:
      return tf.convert_to_tensor(self.gain), tf.convert_to_tensor(self.offset)
    gain, offset = (
        tf.cast(affine(condition, training=training), tf.float32)[:, None, None, None]
        for affine in (self.gain, self.offset))  # [B, C] -> [B, 1, 1, 1, C]
    return 1.0 + gain, offset

  def _check(self, x, condition, training, steps):
    if self.conditional == (condition is None):
      raise ValueError(f'ConditionalBatchNorm(conditional={self.conditional}) was called '
                       f'with{"out" if condition is None else ""} a condition')
    if steps.recorded is not None and (training or self.standing is None):
      raise ValueError('statistics must be recorded outside of training, after `keep`')
    kept = self.standing.mean.shape[0] if self.standing else None
    if not training and kept and isinstance(steps.first, int) and steps.first + x.shape[1] > kept:
      raise ValueError(f'standing statistics have {kept} time steps, got '
                       f'{steps.first + x.shape[1]}')


def norms(layer):
  """The ConditionalBatchNorms among a layer's submodules."""
  return [module for module in layer.submodules if isinstance(module, ConditionalBatchNorm)]
