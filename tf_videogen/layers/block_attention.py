"""Self-attention in blocks of a video, with relative position biases.

Section 3.1 of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634), Eqs. 2-5, with two
variants that its appendices C and D tried: the dual, dilated form, and attention that may attend to
nothing.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import linear
from tf_videogen.layers import xla_context

_MASKED = -1e30  # added to a score, it makes its exponential exactly 0


class Blocks:
  """Cuts a volume of positions into blocks of equal shape.

  Args:
    shape: (t, h, w) of the volume.
    block: (t, h, w) of a block; it must divide the volume.
    dilated: whether blocks are dilated. If not, a block is contiguous. If so, a block has the
      positions at one place of all contiguous blocks, so the number of blocks is the number of
      positions of a contiguous one.

  Raises:
    ValueError: if the blocks don't divide the volume.
  """

  def __init__(self, shape, block, dilated=False):
    self.shape, self.block, self.dilated = tuple(shape), tuple(block), dilated
    if any(size % extent for size, extent in zip(self.shape, self.block)):
      raise ValueError(f'blocks of {self.block} must divide the slice, of shape {self.shape}')
    self.grid = tuple(size // extent for size, extent in zip(self.shape, self.block))
    self.inside = self.grid if dilated else self.block  # positions of a block along every axis
    self.length = int(np.prod(self.inside))
    self.count = int(np.prod(self.shape)) // self.length
    in_blocks = np.arange(self.count * self.length).reshape(self.count, self.length)
    # The block of every position and the place in it, for all positions in raster order.
    self.block_of, self.place_of = np.divmod(self._join(in_blocks[None, ..., None], np).ravel(),
                                             self.length)

  def split(self, x):
    """[B, t, h, w, D] -> [B, blocks, positions of a block, D], in raster order."""
    (n_t, n_h, n_w), (t, h, w) = self.grid, self.block
    x = tf.reshape(x, [-1, n_t, t, n_h, h, n_w, w, x.shape[-1]])
    x = tf.transpose(x, [0, 2, 4, 6, 1, 3, 5, 7] if self.dilated else [0, 1, 3, 5, 2, 4, 6, 7])
    return tf.reshape(x, [-1, self.count, self.length, x.shape[-1]])

  def join(self, x):
    """The inverse of `split`: [B, blocks, positions of a block, D] -> [B, t, h, w, D]."""
    return self._join(x, tf)

  def _join(self, x, library):
    (n_t, n_h, n_w), (t, h, w) = self.grid, self.block
    outer, inner = ((t, h, w), (n_t, n_h, n_w)) if self.dilated else ((n_t, n_h, n_w), (t, h, w))
    x = library.reshape(x, [-1, *outer, *inner, x.shape[-1]])
    x = library.transpose(x, [0, 4, 1, 5, 2, 6, 3, 7] if self.dilated else [0, 1, 4, 2, 5, 3, 6, 7])
    return library.reshape(x, [-1, *self.shape, x.shape[-1]])


class RelativeBias(tf.keras.layers.Layer):
  """B of Eq. 3: per head, the sum over the axes of a learned bias for the distance along an axis.

  Args:
    shape: (t, h, w), numbers of positions of a block along the axes.
    heads: number of heads.
  """

  def __init__(self, shape, heads, name='relative_bias'):
    super().__init__(name=name, dtype='float32')
    self.shape = tuple(shape)
    self.tables = [self.add_weight(f'axis_{i}', [heads, 2 * size - 1], initializer='zeros')
                   for i, size in enumerate(self.shape)]
    self.built = True

  def matrix(self):
    """B, float32 [heads, N, N], for the positions of a block in raster order."""
    total, length = tf.zeros([self.tables[0].shape[0], 1, 1]), 1
    for table, size in zip(reversed(self.tables), reversed(self.shape)):
      distance = np.arange(size)[:, np.newaxis] - np.arange(size) + size - 1
      bias = tf.gather(table, distance, axis=1)  # [heads, size, size]
      bias = bias[:, :, tf.newaxis, :, tf.newaxis] + total[:, tf.newaxis, :, tf.newaxis]
      length *= size
      total = tf.reshape(bias, [-1, length, length])  # from [heads, size, n, size, n]
    return total


class BlockLocalAttention(tf.keras.layers.Layer):
  """Multi-head self-attention of every position to the positions of its block, Eqs. 2 to 5.

  The layer norm of Eq. 2 and the residual connection of Eq. 5 are not part of it.

  Args:
    block: (t, h, w) of a block.
    heads: n_a, number of heads.
    causal: whether a position attends only to itself and to the positions before it in raster
      order.
    head_width: d_a, channels of a head.
    dilated: see `Blocks`.
    sentinel: whether the weight of a position for itself is set to 0 after the softmax, so that it
      can attend to nothing (appendix D, the mask 1 - I).

  Call arguments:
    x: [B, t, h, w, D].
    caching: whether to return the cache for `step` as well.

  Returns:
    [B, t, h, w, D]. With `caching` also the cache: keys and values, [B, blocks, heads, N, d_a]
    each, for blocks of N positions.
  """

  def __init__(self, block, heads, causal=False, head_width=128, dilated=False, sentinel=False,
               name=None):
    super().__init__(name=name)
    self.block = tuple(block)
    self.heads = heads
    self.causal = causal
    self.head_width = head_width
    self.dilated = dilated
    self.sentinel = sentinel

  def build(self, input_shape):
    self.blocks = Blocks(input_shape[1:4], self.block, self.dilated)
    projected = self.heads * self.head_width
    self.w_q, self.w_k, self.w_v = (
        linear.linear(projected, name) for name in ('w_q', 'w_k', 'w_v'))
    self.w_p = linear.linear(input_shape[-1], 'w_p')
    self.relative_bias = RelativeBias(self.blocks.inside, self.heads)
    super().build(input_shape)

  def call(self, x, caching=False):
    x = self.blocks.split(x)
    q, k, v = (self._heads(w(x)) for w in (self.w_q, self.w_k, self.w_v))
    y = self._attend(q, k, v, self.bias())
    y = tf.transpose(y, [0, 1, 3, 2, 4])
    # [B, blocks, N, heads, d_a] -> [B, blocks, N, heads * d_a]
    y = tf.reshape(y, [-1, *x.shape[1:3], self.heads * self.head_width])
    y = self.blocks.join(self.w_p(y))
    return (y, (k, v)) if caching else y

  def bias(self):
    """The bias of the scores, float32 [heads, N, N]: B of Eq. 3, and the causal mask."""
    bias = self.relative_bias.matrix()
    if self.causal:
      place = tf.range(self.blocks.length)
      bias = tf.where(place[:, tf.newaxis] >= place, bias, _MASKED)
    return bias

  def step(self, x, cache, position, bias):
    """One position of a call, given the positions before it.

    Args:
      x: the input at this position, [B, 1, 1, 1, D].
      cache: keys and values, from a call with `caching` or from the previous step.
      position: index of the position in raster order of the slice, int32 [].
      bias: result of `bias()`.

    Returns:
      [B, 1, 1, 1, D], and the cache with this position in it.
    """
    block = tf.gather(tf.constant(self.blocks.block_of, tf.int32), position)
    place = tf.gather(tf.constant(self.blocks.place_of, tf.int32), position)
    q, k, v = (tf.reshape(w(x), [-1, 1, self.heads, 1, self.head_width])
               for w in (self.w_q, self.w_k, self.w_v))
    cache = tuple(xla_context.update_slice(old, new, [0, block, 0, place, 0])
                  for old, new in zip(cache, (k, v)))
    shape = cache[0].shape
    keys, values = (tf.slice(x, [0, block, 0, 0, 0], [shape[0], 1, *shape[2:]]) for x in cache)
    row = tf.slice(bias, [0, place, 0], [self.heads, 1, self.blocks.length])
    y = self._attend(q, keys, values, row, place[tf.newaxis])
    return self.w_p(tf.reshape(y, [-1, 1, 1, 1, self.heads * self.head_width])), cache

  def _attend(self, q, k, v, bias, places=None):
    """Eqs. 3 and 4: q [B, blocks, heads, queries, d_a], bias [heads, queries, N].

    Scores are products in float32, because a product in bfloat16 would round them before the
    softmax. `places` are the places of the queries in their block; all places if None.
    """
    scores = tf.matmul(tf.cast(q, tf.float32), tf.cast(k, tf.float32), transpose_b=True)
    weights = tf.nn.softmax(scores * self.head_width**-0.5 + bias)
    if self.sentinel:
      places = tf.range(self.blocks.length) if places is None else places
      itself = places[:, tf.newaxis] == tf.range(self.blocks.length)
      weights = tf.where(itself, 0.0, weights)
    return tf.matmul(tf.cast(weights, v.dtype), v)

  def _heads(self, x):
    # [B, blocks, N, heads * d_a] -> [B, blocks, heads, N, d_a]
    x = tf.reshape(x, [-1, *x.shape[1:3], self.heads, self.head_width])
    return tf.transpose(x, [0, 1, 3, 2, 4])
