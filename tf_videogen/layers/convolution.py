"""3-D convolutions with the zero padding of VideoGPT's code (its `SamePadConv3d`).

An axis with kernel size k and stride s gets k - s zeros. TensorFlow's 'same' splits them evenly and
puts an odd one behind the data; VideoGPT's code puts it before. If every k - s is even, the two
agree.
"""
import tensorflow as tf


class SamePadConv3D(tf.keras.layers.Conv3D):
  """[B, T, H, W, C] -> [B, T / s, H / s, W / s, filters], for sizes that the strides s divide.

  The larger half of an axis's k - s zeros is before the data. Arguments are those of Keras's
  `Conv3D`, except for `padding`.
  """

  def __init__(self, filters, kernel_size, strides=1, name=None, **kwargs):
    super().__init__(filters, kernel_size, strides, padding='valid', name=name, **kwargs)
    zeros = [max(k - s, 0) for k, s in zip(self.kernel_size, self.strides)]
    self._zeros = [((n + 1) // 2, n // 2) for n in zeros]
    if all(before == after for before, after in self._zeros) and all(
        k >= s for k, s in zip(self.kernel_size, self.strides)):
      self.padding, self._zeros = 'same', None  # TensorFlow pads these in the same way

  def build(self, input_shape):
    shape = list(input_shape)
    for axis, zeros in enumerate(self._zeros or (), 1):
      shape[axis] = shape[axis] and shape[axis] + sum(zeros)
    super().build(tf.TensorShape(shape))

  def call(self, x):
    if self._zeros is not None:
      x = tf.pad(x, [(0, 0), *self._zeros, (0, 0)])
    return super().call(x)
