"""Temporal blocks, with which a unit of an upscaling level connects frames.

"SSW-GAN: Scalable Stage-wise Training of Video GANs", appendix B.2: "The generator units replace
the ConvGRU layers with a Separable 3D convolution." And: "We add residual connections at the end of
each 3D and 2D ResNet block." The second sentence puts the convolution into a residual block, which
has two of them. The first sentence can be read as one convolution in place of the ConvGRU.

A block is made from its number of channels. It is called with `(x, condition, training, steps)`,
like `residual_blocks.GeneratorBlock`. Its `radius` tells how many frames before and after a frame
the frame depends on; None stands for all.
"""

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm


class SeparableBlock(residual_blocks.GeneratorBlock):
  """A 3-D residual block: two times a norm, a convolution over time, and one over space.

  Args:
    channels: number of output channels.
  """

  radius = 2

  def __init__(self, channels, name=None):
    super().__init__(channels, conv=spectral_norm.SeparableConv, name=name)


class SeparableLayer(tf.keras.layers.Layer):
  """A convolution over time, then one over space, without norms: half the SeparableBlock's radius.

  Args:
    channels: number of output channels.
  """

  radius = 1

  def __init__(self, channels, name=None):
    super().__init__(name=name)
    self.conv = spectral_norm.SeparableConv(channels)

  def call(self, x, condition, training=False, steps=conditional_batch_norm.Steps()):
    """[B, T, H, W, C] -> [B, T, H, W, channels]."""
    del condition, steps
    return self.conv(x, training=training)


class ConvGRULayer(tf.keras.layers.Layer):
  """A ConvGRU, as in first levels; SSW-GAN's appendix C compares with it.

  Args:
    channels: number of output channels.
  """

  radius = None

  def __init__(self, channels, name=None):
    super().__init__(name=name)
    self.unit = recurrent_units.ConvGRU(channels)

  def call(self, x, condition, training=False, steps=conditional_batch_norm.Steps()):
    """[B, T, H, W, C] -> [B, T, H, W, channels]."""
    del condition, steps
    return self.unit(x, training=training)[0]
