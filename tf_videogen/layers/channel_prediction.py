"""Predictors of a pixel's channels from its state: section 3.3 of Weissenborn et al. 2020.

https://arxiv.org/abs/1906.02634, Eqs. 7 to 9, and the "deterministic" loss of appendix A.1. A
predictor has three methods: `build_for` creates its weights, `nll` computes the loss of pixels, and
`draw` makes pixels.
"""

import tensorflow as tf

from tf_videogen.layers import linear
from tf_videogen.layers import randomness


class ChannelPredictor(tf.keras.layers.Layer):
  """The distribution of a pixel's channels, one after the other: Eqs. 7 to 9."""

  def __init__(self, name='predictor'):
    super().__init__(name=name)
    self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-6, name='norm')

  def build_for(self, width, channels, pixels):
    """Creates U_k and P.

    Args:
      width: D, channels of the states.
      channels: N_c, channels of a pixel.
      pixels: the PixelBits that splits colours into channels.
    """
    self.width, self.pixels = width, pixels
    self.norm.build([None, width])
    # U_k in two parts: the rows for y^L, of all k side by side, and the rows for channels < k.
    self.u_y = linear.linear(channels * width, 'u_y')
    self.u_y.build([None, width])
    self.u_x = [linear.linear(width, f'u_x_{k}') for k in range(1, channels)]
    for k, layer in enumerate(self.u_x, 1):
      layer.build([None, k * pixels.values])
    self.p = linear.linear(pixels.values, 'p', dtype='float32')
    self.p.build([None, width])
    self.channels = channels

  def nll(self, y, channels):
    """The loss of every pixel in nats: y^L [N, D], channels int32 [N, N_c] -> float32 [N]."""
    total, from_y = 0.0, self._from_y(y)
    for k in range(self.channels):
      logits = self._logits(from_y[k], channels[..., :k])
      total += tf.nn.sparse_softmax_cross_entropy_with_logits(channels[..., k], logits)
    return total

  def draw(self, y, seed, temperature=1.0):
    """Draws the channels of pixels: y^L [B, D], seed int32 [2] -> int32 [B, N_c].

    The logits are divided by `temperature`.
    """
    from_y, channels = self._from_y(y), tf.zeros([y.shape[0], 0], tf.int32)
    for k in range(self.channels):
      logits = self._logits(from_y[k], channels) / temperature
      drawn = randomness.categorical(logits, randomness.fold_in(seed, k))
      channels = tf.concat([channels, drawn[:, tf.newaxis]], 1)
    return channels

  def _from_y(self, y):
    return tf.split(self.u_y(self.norm(y)), self.channels, -1)

  def _logits(self, from_y, channels):
    """Logits of channel k, given the k channels before it, [..., k]: float32 [..., N_v]."""
    k = channels.shape[-1]
    u = from_y  # Eq. 7
    if k:
      u += self.u_x[k - 1](self.pixels.one_hot_of(channels, self.compute_dtype))
    return self.p(tf.nn.relu(u))  # Eq. 8, before the softmax


class IntensityPredictor(tf.keras.layers.Layer):
  """One gray intensity per pixel, for the "deterministic" loss of appendix A.1; no distribution.

  The loss is H(z, y) = -z ln y - (1 - z) ln(1 - y), of the gray target z in [0, 1] and the
  predicted intensity y.
  """

  def __init__(self, name='predictor'):
    super().__init__(name=name)
    self.norm = tf.keras.layers.LayerNormalization(epsilon=1e-6, name='norm')

  def build_for(self, width, channels, pixels):
    """Creates the MLP.

    Args:
      width: D, channels of the states.
      channels: N_c, channels of a pixel; they must be the channels of one colour.
      pixels: the PixelBits that splits colours into channels.

    Raises:
      ValueError: if a pixel has more than one colour.
    """
    if channels != pixels.parts:
      raise ValueError('IntensityPredictor needs gray videos, of one color, got '
                       f'{channels // pixels.parts}')
    self.pixels = pixels
    self.norm.build([None, width])
    self.u = linear.linear(width, 'u', activation='relu')
    self.p = linear.linear(1, 'p', dtype='float32')
    self.u.build([None, width])
    self.p.build([None, width])

  def nll(self, y, channels):
    """H of every pixel in nats: y^L [N, D], channels int32 [N, N_c] -> float32 [N]."""
    return tf.nn.sigmoid_cross_entropy_with_logits(self._gray(channels), self._logits(y))

  def least_nats(self, channels):
    """The least loss of pixels, H(z, z), in nats: channels int32 [..., N_c] -> float32 [...]."""
    z = self._gray(channels)
    return -tf.math.xlogy(z, z) - tf.math.xlogy(1 - z, 1 - z)

  def draw(self, y, seed, temperature=1.0):
    """The intensities themselves, as channels: y^L [B, D] -> int32 [B, N_c]. Nothing is random."""
    del seed, temperature
    gray = tf.cast(tf.round(255 * tf.sigmoid(self._logits(y))), tf.uint8)
    return self.pixels.split(gray[..., tf.newaxis])

  def _gray(self, channels):
    return tf.cast(self.pixels.join(channels)[..., 0], tf.float32) / 255

  def _logits(self, y):
    return self.p(self.u(self.norm(y)))[..., 0]
