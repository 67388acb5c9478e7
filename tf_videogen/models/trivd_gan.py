"""TrIVD-GAN-FP: a GAN that continues the first frames of a video (Luc et al. 2020).

"Transformation-based Adversarial Video Prediction on Large-Scale Data"
(https://arxiv.org/abs/2003.04035). The generator is DVD-GAN's (`dvd_gan.py`, appendix A). An
encoder makes the first states of its recurrent units from the given frames. The generator's stages
go from coarse to fine, the encoder's blocks from fine to coarse. For 64 x 64 pixels, with the
default sizes:

    stage of the generator          1          2          3        image
    positions                     8 x 8     16 x 16    32 x 32    64 x 64
    channels                       8 ch       4 ch       2 ch        3
    first state: encoder's block    3          2          1
    channels of the block          8 ch       4 ch       2 ch

The paper introduces recurrent units that warp their state (section 3.2;
`layers/recurrent_units.py`), and the discriminators' views (section 3.1;
`models/discriminators.py`). The warps show motion (section 4.4).

The paper leaves two points open. Here the encoder's ch is the generator's `channels`. The encoder
has one block of the spatial discriminator per stage of the generator, because nothing would use the
blocks after them.

Configs: gin/trivd_gan/.
"""

import tensorflow as tf

from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm
from tf_videogen.models import dvd_gan


class Encoder(tf.keras.layers.Layer):
  """Makes the first states of the recurrent units from the given frames (appendix A).

  The first blocks of a spatial discriminator compute features of each frame, at the resolution of
  each unit. Time is folded into channels. One convolution with a ReLU (appendix F.3) then
  compresses them to a state.

  Args:
    state_channels: number of channels of each state, the finest state first.
    channels: ch, the generator's base number of channels.
    multipliers: multiples of ch, one per block of a discriminator; only the first are used, one per
      state.

  Raises:
    ValueError: if there are fewer multipliers than states.
  """

  def __init__(self, state_channels, channels, multipliers=(2, 4, 8, 16, 16), name=None):
    super().__init__(name=name)
    if len(multipliers) < len(state_channels):
      raise ValueError(f'Encoder.multipliers must be {len(state_channels)} numbers or more, one '
                       f'per stage of the generator, got {multipliers}')
    self.blocks = [
        residual_blocks.DiscriminatorBlock(m * channels, preactivation=i > 0)
        for i, m in enumerate(multipliers[:len(state_channels)])]
    self.compress = [spectral_norm.Conv(c) for c in state_channels]

  def call(self, frames, training=False):
    """[B, T, H, W, C] in [-1, 1] -> states [B, H / 2, W / 2, C_1], [B, H / 4, W / 4, C_2], ..."""
    states, x = [], frames
    for block, compress in zip(self.blocks, self.compress):
      x = block(x, training=training)
      _, given, height, width, channels = x.shape
      folded = tf.transpose(x, [0, 2, 3, 1, 4])  # [B, T, H, W, C] -> [B, H, W, T, C]
      folded = tf.reshape(folded, [-1, height, width, given * channels])
      states.append(tf.nn.relu(compress(folded, training=training)))
    return states


class Generator(dvd_gan.Generator):
  """G with its encoder. All stages double the resolution.

  Args:
    encoder: a callable (class) that makes the encoder from the states' channels and ch.
    unit, channels, multipliers, start, non_local, image_channels, latent, classes: see
      `dvd_gan.Generator`.

  Raises:
    ValueError: if `encoder` is None.
  """

  def __init__(self, unit, channels=48, multipliers=(8, 4, 2), encoder=Encoder, start=8,
               non_local=(), image_channels=3, latent=128, classes=1):
    if encoder is None:
      raise ValueError('Generator.encoder must be a class, such as trivd_gan.Encoder; if no '
                       'frames are given, bind VideoGAN.generator to @dvd_gan.Generator')
    self._encoder_class = encoder
    super().__init__(unit, channels, multipliers, start, non_local=non_local,
                     image_channels=image_channels, latent=latent, classes=classes)

  def _make_encoder(self):
    return self._encoder_class(self.widths[::-1], self.channels)
