"""A 3-D ResNet that encodes conditioning frames (VideoGPT, section 3, "Cross Attention").

Depth 18 or 34 and 512 units are from Table 9. The rest follows the authors' code. A 3x3x3 stem is
followed by four groups of 64, 128, 256 and `units` filters. They consist of basic blocks: two 3x3x3
convolutions, each with a norm and a ReLU. The first block of every group projects its input, with a
norm of its own. The second and the third group have a stride of 2 in space, so 64x64 frames become
a 16x16 map. Time is never strided, so any number of conditioning frames is possible. The norms are
layer norms, as in the code that accompanies the paper; the released code has had batch norms, too.
"""
import tensorflow as tf

from tf_videogen.layers import convolution
from tf_videogen.layers import layer_norm
from tf_videogen.layers import xla_context

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class _NormedConvolution(tf.keras.layers.Layer):
  """norm(conv(x)); the convolution has no bias."""

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

  The shortcut is x itself, or with `projects` norm(conv(x)), a 1x1x1 convolution.
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
    depth: 18 or 34, or four numbers: the numbers of blocks of the groups.
    units: channels of the last group.
    width: channels of the first group and of the stem; the second and the third group have two and
      four times as many.
    norm: a callable that makes the normalization layers, called with a name.
    isolated: whether to keep XLA from merging the last convolution with the operations that read
      its result. The TPU's compiler (libtpu 0.0.51) crashes on this merge if a cross-attention of 4
      heads and width 192 reads the result.

  Raises:
    ValueError: if `depth` is anything else.
  """

  def __init__(self, depth=18, units=512, width=64, norm=layer_norm.LayerNorm, isolated=False,
               name='resnet3d'):
    super().__init__(name=name)
    self.isolated = isolated
    counts = tuple(depth) if isinstance(depth, (list, tuple)) else _BLOCKS.get(depth, ())
    if len(counts) != 4:
      raise ValueError(f'ResNet3D.depth must be 18, 34, or four numbers of blocks, got {depth}')
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
