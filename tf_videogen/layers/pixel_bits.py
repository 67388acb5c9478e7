"""Pixels as several small categorical channels: the bits of every colour, coarse before fine.

Section 3.3 of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634): 3 colours of 8 bits
become 6 channels of 4 bits, first the coarse halves of red, green and blue, then the fine halves.
"""

import tensorflow as tf


class PixelBits:
  """Splits colours into channels, joins them again, and makes features of channels.

  Args:
    bits: bits of a channel: 1, 2, 4 or 8. With 8, colours are not split.
    one_hot: whether a channel is embedded as a one-hot vector. If not, it is embedded as a number
      in [-1, 1] and a 1 that tells that the number is known. Appendix D found this to be worse.
    whole: whether there is one such number per whole colour. If not, there is one per channel; the
      numbers of fine channels jump when a colour changes a little. Not used with `one_hot`.

  Raises:
    ValueError: if `bits` doesn't divide 8.
  """

  def __init__(self, bits=4, one_hot=True, whole=True):
    if bits not in (1, 2, 4, 8):
      raise ValueError(f'PixelBits.bits must be 1, 2, 4 or 8, got {bits}')
    self.bits = bits
    self.one_hot = one_hot
    self.values = 2**bits  # N_v
    self.parts = 8 // bits  # channels per colour
    self.whole = whole

  def size(self, channels):
    """The number of features of `channels` channels."""
    if self.one_hot:
      return channels * self.values
    return 2 * (channels // self.parts if self.whole else channels)

  def split(self, video):
    """Splits colours: uint8 [..., C] -> channels int32 [..., parts * C], values 0 to N_v - 1."""
    video = tf.cast(video, tf.int32)
    return tf.concat([video // self.values**i % self.values for i in self._powers()], -1)

  def join(self, channels):
    """The inverse of `split`: int32 [..., parts * C] -> uint8 [..., C]."""
    parts = tf.split(channels, self.parts, -1)
    return tf.cast(tf.add_n([x * self.values**i for x, i in zip(parts, self._powers())]), tf.uint8)

  def features(self, channels, dtype, of_pixel):
    """The features of channels, which models embed.

    Args:
      channels: int32 [..., N], channels of one or several pixels, one pixel after the other; -1 if
        a channel is not seen.
      dtype: type of the features.
      of_pixel: N_c, channels of a pixel.

    Returns:
      [..., size(N)], 0 for channels that are not seen.
    """
    if self.one_hot:
      return self.one_hot_of(channels, dtype)
    largest = self.values - 1
    if self.whole:
      colors = of_pixel // self.parts
      # [..., N] -> [..., pixels, parts, colours] -> [..., pixels * colours]
      parts = tf.reshape(channels, [*_sizes(channels)[:-1], -1, self.parts, colors])
      weights = tf.constant([self.values**i for i in self._powers()])[:, tf.newaxis]
      channels = _flat(tf.reduce_sum(parts * weights, -2))
      largest = 255
    seen = channels >= 0
    number = tf.cast(channels, tf.float32) * 2 / largest - 1
    features = tf.stack([tf.where(seen, number, 0.0), tf.cast(seen, tf.float32)], -1)
    return _flat(tf.cast(features, dtype))

  def one_hot_of(self, channels, dtype):
    """One-hot vectors of channels: int32 [..., N] -> [..., N * N_v]; 0 for -1 (not seen)."""
    return _flat(tf.one_hot(channels, self.values, dtype=dtype))

  def _powers(self):
    return range(self.parts - 1, -1, -1)


def _flat(x):
  """[..., N, D] -> [..., N * D]; the sizes of all axes but the last two may be unknown."""
  return tf.reshape(x, [*_sizes(x)[:-2], x.shape[-2] * x.shape[-1]])


def _sizes(x):
  """The shape of x, a list; sizes that are not known statically are tensors."""
  return [tf.shape(x)[i] if size is None else size for i, size in enumerate(x.shape)]
