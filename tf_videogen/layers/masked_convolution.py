"""A 3-D convolution that sees only the positions before a position in raster order.

van den Oord et al. 2016 (https://arxiv.org/abs/1601.06759), in three dimensions, as in the decoder
of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634), section 3.2.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import linear


class MaskedConv3D(tf.keras.layers.Layer):
  """Convolution over the positions before every position, itself excluded; without a bias.

  The kernel has all its taps, but the taps from the center on are never read. The papers count
  parameters in this way.

  Args:
    filters: channels of the result.
    kernel: extent of the kernel along every axis, three odd numbers.

  Call arguments:
    x: [B, t, h, w, C].

  Returns:
    [B, t, h, w, filters].

  For sampling, `step` computes one position of a call.

  Raises:
    ValueError: if an extent is even.
  """

  def __init__(self, filters, kernel=(3, 3, 3), name=None):
    super().__init__(name=name)
    self.filters = filters
    self.extent = tuple(kernel)
    if any(size % 2 == 0 for size in self.extent):
      raise ValueError(f'the extents of a masked convolution must be odd, got {self.extent}')
    self.taps = int(np.prod(self.extent)) // 2  # taps before the center

  def build(self, input_shape):
    self.kernel = self.add_weight(
        'kernel', [*self.extent, input_shape[-1], self.filters],
        initializer=linear.fan_in_normal())
    super().build(input_shape)

  def call(self, x):
    # A product with only the taps that are read: half the multiplications of a convolution.
    padded, (t, h, w) = self.pad(x), x.shape[1:4]
    taps = [np.unravel_index(i, self.extent) for i in range(self.taps)]
    seen = tf.concat([padded[:, i:i + t, j:j + h, k:k + w] for i, j, k in taps], -1)
    # [B, t, h, w, taps * C] -> [B * t * h * w, taps * C]
    y = tf.matmul(tf.reshape(seen, [-1, seen.shape[-1]]), self._read_kernel(x.shape[-1], x.dtype))
    return tf.reshape(y, [-1, t, h, w, self.filters])

  def pad(self, x):
    """The input [B, t, h, w, C] with a border of zeros, as `step` takes it."""
    return tf.pad(x, [[0, 0]] + [[k // 2, k // 2] for k in self.extent] + [[0, 0]])

  def step(self, padded, coordinates):
    """One position of a call, given the input at the positions before it.

    Args:
      padded: result of `pad`; its values from this position on are arbitrary.
      coordinates: (i, j, k) of the position, int32 [] each.

    Returns:
      [B, 1, 1, 1, filters].
    """
    batch, channels = padded.shape[0], padded.shape[-1]
    window = tf.slice(padded, [0, *coordinates, 0], [batch, *self.extent, channels])
    window = tf.reshape(window, [batch, -1, channels])[:, :self.taps]  # taps before the center
    window = tf.reshape(window, [batch, self.taps * channels])
    kernel = self._read_kernel(channels, padded.dtype)
    return tf.reshape(tf.matmul(window, kernel), [batch, 1, 1, 1, self.filters])

  def _read_kernel(self, channels, dtype):
    """The taps before the center: [taps * channels, filters]."""
    kernel = tf.reshape(self.kernel, [-1, channels, self.filters])[:self.taps]
    return tf.cast(tf.reshape(kernel, [self.taps * channels, self.filters]), dtype)
