"""TrIVD-GAN-FP: Luc et al. 2020, videos that continue their first frames.

"Transformation-based Adversarial Video Prediction on Large-Scale Data"
(https://arxiv.org/abs/2003.04035). The generator is DVD-GAN's (`dvd_gan.py`, appendix A), whose
recurrent units begin with what an encoder says of the given frames. Stages go from coarse to fine,
the encoder the other way; of 64 x 64 pixels, with the default sizes:

    stage of the generator          1          2          3        image
    positions                     8 x 8     16 x 16    32 x 32    64 x 64
    channels                       8 ch       4 ch       2 ch        3
    first state: encoder's block    3          2          1
    channels of the block          8 ch       4 ch       2 ch

What is the paper's own: the recurrent units that warp their state (section 3.2;
`layers/recurrent_units.py`), whose warps tell motion (section 4.4), and the discriminators' views
(section 3.1; `models/discriminators.py`).

What the paper leaves open, and how it is here: the encoder's channels are the generator's
`channels`; it has as many blocks of the spatial discriminator as there are stages, since what comes
after them would be used by nobody.

Configs: gin/trivd_gan/.
"""

import tensorflow as tf

from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm
from tf_videogen.models import dvd_gan


class Encoder(tf.keras.layers.Layer):
  """First states of recurrent units from given frames: the first blocks of a spatial discriminator.

  Appendix A: features of every frame at the unit's resolution; time is folded into channels, and
  one convolution, with ReLU (appendix F.3), compresses them.

  Args:
    state_channels: channels of the states, of the finest first.
    channels: ch, the generator's.
    multipliers: of ch, one a block; of a discriminator's, the first that are needed are used.
  """

  def __init__(self, state_channels, channels, multipliers=(2, 4, 8, 16, 16), name=None):
    super().__init__(name=name)
    if len(multipliers) < len(state_channels):
      raise ValueError(f'Encoder.multipliers must be {len(state_channels)} numbers or more, one a '
                       f'stage of the generator, got {multipliers}')
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
  """G, and its encoder.

  Args:
    encoder: a callable (class) of the states' channels and of ch.
    unit, channels, multipliers, start, non_local, image_channels, latent, classes: as of
      `dvd_gan.Generator`; all stages double the resolution.
  """

  def __init__(self, unit, channels=48, multipliers=(8, 4, 2), encoder=Encoder, start=8,
               non_local=(), image_channels=3, latent=128, classes=1):
    if encoder is None:
      raise ValueError('Generator.encoder must be a class, such as trivd_gan.Encoder; where no '
                       'frames are given, bind VideoGAN.generator to @dvd_gan.Generator')
    self._encoder_class = encoder
    super().__init__(unit, channels, multipliers, start, non_local=non_local,
                     image_channels=image_channels, latent=latent, classes=classes)

  def _make_encoder(self):
    return self._encoder_class(self.widths[::-1], self.channels)
