"""A 3-D ResNet that encodes conditioning frames (VideoGPT, section 3, "Cross Attention").

Depth 18 or 34, 512 units (Table 9). Basic blocks of two 3x3x3 convolutions, four groups of 64, 128,
256 and `units` filters, a 3x3x3 stem, and a stride of 2 in space at the second and third group:
64x64 frames become a 16x16 map (the paper does not print the stride; 4 is the public code's). Time
is never strided, so any number of conditioning frames goes. Layer normalization (as in the VQ-VAE's
blocks), so that nothing depends on the batch.
"""
import tensorflow as tf

from tf_videogen.layers import xla_context

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class _Block(tf.keras.layers.Layer):
  """relu(x + norm(conv(relu(norm(conv(x)))))).

  Where the shape changes, a 1x1x1 projection of x is added in its place.
  """

  def __init__(self, filters, strides, name=None):
    super().__init__(name=name)
    self.filters = filters
    self.strides = strides

  def build(self, input_shape):
    def convolution(kernel, strides, name):
      return tf.keras.layers.Conv3D(self.filters, kernel, strides, padding='same', use_bias=False,
                                    name=name, kernel_initializer='he_normal')
    self.convolution_1 = convolution(3, self.strides, 'convolution_1')
    self.convolution_2 = convolution(3, 1, 'convolution_2')
    self.norm_1 = tf.keras.layers.LayerNormalization(name='norm_1')
    self.norm_2 = tf.keras.layers.LayerNormalization(name='norm_2')
    changes = input_shape[-1] != self.filters or self.strides != (1, 1, 1)
    self.projection = convolution(1, self.strides, 'projection') if changes else None
    super().build(input_shape)

  def call(self, x):
    shortcut = x if self.projection is None else self.projection(x)
    h = tf.nn.relu(self.norm_1(self.convolution_1(x)))
    return tf.nn.relu(shortcut + self.norm_2(self.convolution_2(h)))


class ResNet3D(tf.keras.layers.Layer):
  """[B, T, H, W, C] -> [B, T, H / 4, W / 4, units].

  Args:
    depth: 18 or 34.
    units: channels of the last group.
    width: channels of the first group.
    isolated: whether XLA is kept from merging the last convolution with what reads its result. The
      TPU's compiler (libtpu 0.0.51) dies of that where a cross-attention of 4 heads, 192 wide,
      does.
  """

  def __init__(self, depth=18, units=512, width=64, isolated=False, name='resnet3d'):
    super().__init__(name=name)
    self.isolated = isolated
    if depth not in _BLOCKS:
      raise ValueError(f'ResNet3D.depth is 18 or 34, got {depth}')
    self.stem = tf.keras.layers.Conv3D(width, 3, padding='same', use_bias=False, name='stem',
                                       kernel_initializer='he_normal')
    self.blocks = []
    for group, count in enumerate(_BLOCKS[depth]):
      filters = units if group == 3 else width * 2**group
      for i in range(count):
        strides = (1, 2, 2) if i == 0 and group in (1, 2) else (1, 1, 1)
        self.blocks.append(_Block(filters, strides, name=f'group_{group}_block_{i}'))

  def call(self, x):
    h = tf.nn.relu(self.stem(x))
    for block in self.blocks:
      h = block(h)
    return xla_context.isolated(h) if self.isolated else h
