"""BigGAN's residual blocks, frame by frame or with 3-D convolutions.

TrIVD-GAN (appendix A) uses the generator's and the discriminators' blocks of Brock et al., "Large
Scale GAN Training for High Fidelity Natural Image Synthesis", ICLR 2019. All convolutions are
spectrally normalized and have a bias.
"""

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import resampling
from tf_videogen.layers import spectral_norm


class GeneratorBlock(tf.keras.layers.Layer):
  """Norm, ReLU, (up-sampling), convolution, norm, ReLU, convolution; and a shortcut.

  [B, T, H, W, C] -> [B, T, H, W, channels], twice as high and wide with `upsample`. The shortcut
  has a 1x1 convolution if channels or sizes change, and up-samples after it. BigGAN up-samples
  first, which gives the same result and costs four times as much.

  Args:
    channels: number of output channels.
    upsample: whether frames double in height and width.
    conv: a callable (class) that makes the two convolutions from the number of channels and a name.

  Call arguments:
    x: [B, T, H, W, C].
    condition: the condition of both norms, [B, D].
    training, steps: see `ConditionalBatchNorm`.
  """

  def __init__(self, channels, upsample=False, conv=spectral_norm.Conv, name=None):
    super().__init__(name=name)
    self.channels = channels
    self.upsample = upsample
    self.norm_1 = conditional_batch_norm.ConditionalBatchNorm(name='norm_1')
    self.conv_1 = conv(channels, name='conv_1')
    self.norm_2 = conditional_batch_norm.ConditionalBatchNorm(name='norm_2')
    self.conv_2 = conv(channels, name='conv_2')

  def build(self, shape):
    learned = self.upsample or shape[-1] != self.channels
    self.shortcut = spectral_norm.Conv(self.channels, (1, 1), name='shortcut') if learned else None
    super().build(shape)

  def call(self, x, condition, training=False, steps=conditional_batch_norm.Steps()):
    h = tf.nn.relu(self.norm_1(x, condition, training=training, steps=steps))
    h = self.conv_1(self._resample(h), training=training)
    h = tf.nn.relu(self.norm_2(h, condition, training=training, steps=steps))
    h = self.conv_2(h, training=training)
    if self.shortcut is not None:
      x = self._resample(self.shortcut(x, training=training))
    return h + x

  def _resample(self, x):
    return resampling.upsample(x) if self.upsample else x


class DiscriminatorBlock(tf.keras.layers.Layer):
  """(ReLU), convolution, ReLU, convolution, (average pooling); and a shortcut.

  [B, T, H, W, C] -> [B, T, H, W, channels], half as high and wide with `downsample`. The shortcut
  pools first, and then has a 1x1 convolution if channels or sizes change. BigGAN pools last in all
  blocks but the first, which gives the same result and costs four times as much.

  Args:
    channels: number of output channels, also of the first convolution.
    downsample: whether frames halve in height and width.
    preactivation: whether a ReLU precedes the first convolution. It does not in a network's first
      block, whose input is pixels.
    sides: sides of the two convolutions' kernels, (3, 3) or (3, 3, 3).
    pool_time: whether the number of frames halves as well, only with `downsample`. The paper's
      discriminators keep all frames.

  Raises:
    ValueError: if `pool_time` is set without `downsample`.
  """

  def __init__(self, channels, downsample=True, preactivation=True, sides=(3, 3), pool_time=False,
               name=None):
    super().__init__(name=name)
    if pool_time and not downsample:
      raise ValueError('pool_time=True needs downsample=True')
    self.channels = channels
    self.downsample = downsample
    self.preactivation = preactivation
    self.factors = (2, 2, 2) if pool_time else (2, 2)
    self.conv_1 = spectral_norm.Conv(channels, sides, name='conv_1')
    self.conv_2 = spectral_norm.Conv(channels, sides, name='conv_2')

  def build(self, shape):
    learned = self.downsample or shape[-1] != self.channels
    self.shortcut = spectral_norm.Conv(self.channels, (1, 1), name='shortcut') if learned else None
    super().build(shape)

  def call(self, x, training=False):
    h = tf.nn.relu(x) if self.preactivation else x
    h = self.conv_1(h, training=training)
    h = self.conv_2(tf.nn.relu(h), training=training)
    shortcut = self._resample(x)
    if self.shortcut is not None:
      shortcut = self.shortcut(shortcut, training=training)
    return self._resample(h) + shortcut

  def _resample(self, x):
    return resampling.average_pool(x, self.factors) if self.downsample else x
