"""A 3-D ResNet that encodes conditioning frames (VideoGPT, section 3, "Cross Attention").

Depth 18 or 34, 512 units (Table 9). The rest is that of the authors' code: a 3x3x3 stem, four
groups of 64, 128, 256 and `units` filters, basic blocks of two 3x3x3 convolutions, each with a norm
and a ReLU; the first block of every group projects its input, with a norm of its own. The second
and the third group have a stride of 2 in space, so that 64x64 frames become a 16x16 map. Time is
never strided: any number of conditioning frames goes. The norms are layer norms, as in the code
beside the paper; the released code has had batch norms, too.
"""
import tensorflow as tf

from tf_videogen.layers import convolution
from tf_videogen.layers import layer_norm
from tf_videogen.layers import xla_context

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class _NormedConvolution(tf.keras.layers.Layer):
  """norm(conv(x)), the convolution without a bias."""

  def __init__(self, filters, kernel, strides, norm, name):
    super().__init__(name=name)
    self.convolution = convolution.SamePadConv3D(
        filters, kernel, strides, use_bias=False, name='convolution',
        kernel_initializer='he_normal')
    self.norm = norm(name='norm')

  def call(self, x, training=False):
    return self.norm(self.convolution(x), training=training)


class _Block(tf.keras.layers.Layer):
  """relu(shortcut(x) + relu(norm(conv(relu(norm(conv(x))))))).

  The shortcut is x itself, or norm(conv(x)) of 1x1x1, where `projects`.
  """

  def __init__(self, filters, strides, projects, norm, name):
    super().__init__(name=name)
    self.first = _NormedConvolution(filters, 3, strides, norm, 'first')
    self.second = _NormedConvolution(filters, 3, 1, norm, 'second')
    self.projection = None
    if projects:
      self.projection = _NormedConvolution(filters, 1, strides, norm, 'projection')

  def call(self, x, training=False):
    shortcut = x if self.projection is None else self.projection(x, training=training)
    h = tf.nn.relu(self.first(x, training=training))
    return tf.nn.relu(shortcut + tf.nn.relu(self.second(h, training=training)))


class ResNet3D(tf.keras.layers.Layer):
  """[B, T, H, W, C] -> [B, T, H / 4, W / 4, units].

  Args:
    depth: 18 or 34; or how many blocks the groups have, four numbers.
    units: channels of the last group.
    width: channels of the first group.
    norm: a callable that makes the normalization layers.
    isolated: whether XLA is kept from merging the last convolution with what reads its result. The
      TPU's compiler (libtpu 0.0.51) dies of that where a cross-attention of 4 heads, 192 wide,
      does.

  Raises:
    ValueError: if it is another depth.
  """

  def __init__(self, depth=18, units=512, width=64, norm=layer_norm.LayerNorm, isolated=False,
               name='resnet3d'):
    super().__init__(name=name)
    self.isolated = isolated
    counts = tuple(depth) if isinstance(depth, (list, tuple)) else _BLOCKS.get(depth, ())
    if len(counts) != 4:
      raise ValueError(f'ResNet3D.depth is 18, 34, or four numbers of blocks, got {depth}')
    self.stem = _NormedConvolution(width, 3, 1, norm, 'stem')
    self.blocks = []
    for group, count in enumerate(counts):
      filters = units if group == 3 else width * 2**group
      for i in range(count):
        strides = (1, 2, 2) if i == 0 and group in (1, 2) else (1, 1, 1)
        self.blocks.append(
            _Block(filters, strides, i == 0, norm, name=f'group_{group}_block_{i}'))

  def call(self, x, training=False):
    h = tf.nn.relu(self.stem(x, training=training))
    for block in self.blocks:
      h = block(h, training=training)
    return xla_context.isolated(h) if self.isolated else h
