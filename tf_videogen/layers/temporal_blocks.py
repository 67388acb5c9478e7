"""What a unit of an upscaling level does over time: blocks, of the number of channels.

"SSW-GAN: Scalable Stage-wise Training of Video GANs", appendix B.2: "The generator units replace
the ConvGRU layers with a Separable 3D convolution." And: "We add residual connections at the end of
each 3D and 2D ResNet block." The second sentence has the convolution in a residual block, which has
two of them; the first one can be read as one convolution in the ConvGRU's place.

Each answers to `(x, condition, training, steps)`, as `residual_blocks.GeneratorBlock` does, and has
a `radius`: how many frames before and after it a frame depends on; None: on all.
"""

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm


class SeparableBlock(residual_blocks.GeneratorBlock):
  """A 3-D residual block: twice a norm and a convolution over time, then over space."""

  radius = 2

  def __init__(self, channels, name=None):
    super().__init__(channels, conv=spectral_norm.SeparableConv, name=name)


class SeparableLayer(tf.keras.layers.Layer):
  """One convolution over time, then over space, without norms: half the reach of SeparableBlock."""

  radius = 1

  def __init__(self, channels, name=None):
    super().__init__(name=name)
    self.conv = spectral_norm.SeparableConv(channels)

  def call(self, x, condition, training=False, steps=conditional_batch_norm.Steps()):
    """[B, T, H, W, C] -> [B, T, H, W, channels]."""
    del condition, steps
    return self.conv(x, training=training)


class ConvGRULayer(tf.keras.layers.Layer):
  """A ConvGRU, as first levels have it: SSW-GAN's appendix C compares with it."""

  radius = None

  def __init__(self, channels, name=None):
    super().__init__(name=name)
    self.unit = recurrent_units.ConvGRU(channels)

  def call(self, x, condition, training=False, steps=conditional_batch_norm.Steps()):
    """[B, T, H, W, C] -> [B, T, H, W, channels]."""
    del condition, steps
    return self.unit(x, training=training)[0]
