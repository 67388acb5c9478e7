"""A 3-D convolution that sees only what precedes a position in raster order.

van den Oord et al. 2016 (https://arxiv.org/abs/1601.06759), in three dimensions, as in the decoder of
Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634), section 3.2.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import linear


class MaskedConv3D(tf.keras.layers.Layer):
  """Convolution over the positions before every position, itself excluded; no bias.

  The kernel has all its taps, of which those from the center on are never read: so the papers count
  parameters.

  Args:
    filters: channels of the result.
    kernel: extent along every axis, three odd numbers.

  Call arguments:
    x: [B, t, h, w, C].

  Returns:
    [B, t, h, w, filters].

  Sampling: `step` is one position of a call.

  Raises:
    ValueError: if an extent is even.
  """

  def __init__(self, filters, kernel=(3, 3, 3), name=None):
    super().__init__(name=name)
    self.filters = filters
    self.extent = tuple(kernel)
    if any(size % 2 == 0 for size in self.extent):
      raise ValueError(f'the extents of a masked convolution must be odd, got {self.extent}')
    self.taps = int(np.prod(self.extent)) // 2  # those before the center

  def build(self, input_shape):
    self.kernel = self.add_weight(
        'kernel', [*self.extent, input_shape[-1], self.filters],
        initializer=linear.fan_in_normal())
    super().build(input_shape)

  def call(self, x):
    seen = np.arange(np.prod(self.extent)).reshape(*self.extent, 1, 1) < self.taps
    kernel = tf.cast(tf.where(seen, self.kernel, 0.0), x.dtype)
    return tf.nn.conv3d(x, kernel, strides=[1] * 5, padding='SAME')

  def pad(self, x):
    """The input with a border of zeros, which `step` reads: [B, t, h, w, C]."""
    return tf.pad(x, [[0, 0]] + [[k // 2, k // 2] for k in self.extent] + [[0, 0]])

  def step(self, padded, coordinates):
    """One position of a call, given the input before it.

    Args:
      padded: of `pad`; from this position on it may have anything.
      coordinates: (i, j, k) of the position, int32 [] each.

    Returns:
      [B, 1, 1, 1, filters].
    """
    batch, channels = padded.shape[0], padded.shape[-1]
    window = tf.slice(padded, [0, *coordinates, 0], [batch, *self.extent, channels])
    window = tf.reshape(window, [batch, -1, channels])[:, :self.taps]  # those before the center
    window = tf.reshape(window, [batch, self.taps * channels])
    kernel = tf.reshape(self.kernel, [-1, channels, self.filters])[:self.taps]
    kernel = tf.cast(tf.reshape(kernel, [self.taps * channels, self.filters]), padded.dtype)
    return tf.reshape(tf.matmul(window, kernel), [batch, 1, 1, 1, self.filters])
