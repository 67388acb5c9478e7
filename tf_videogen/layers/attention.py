"""Multi-head attention: causal, cross-attention, and axial; with caches for sampling.

Vaswani et al. 2017 (https://arxiv.org/abs/1706.03762), as in VideoGPT (Yan et al. 2021,
https://arxiv.org/abs/2104.10157): the projections to queries, keys and values have no bias, the
output projection has one. The causal patterns are in `layers/attention_patterns.py`. Queries, keys
and values have one kernel each: on a CPU, three products are faster than one whose result is split.
"""

import tensorflow as tf

from tf_videogen.layers import attention_patterns
from tf_videogen.layers import linear
from tf_videogen.layers import xla_context

CausalAttention = attention_patterns.CausalAttention
SparseCausalAttention = attention_patterns.SparseCausalAttention


def dot_product_attention(q, k, v):
  """softmax(q k^T / sqrt(D)) v: every query attends to all keys. The softmax is float32.

  Args:
    q: queries, [..., N, D].
    k: keys, [..., M, D].
    v: values, [..., M, V].

  Returns:
    [..., N, V], of the type of v.
  """
  q = q * tf.cast(q.shape[-1] ** -0.5, q.dtype)
  scores = tf.cast(tf.matmul(q, k, transpose_b=True), tf.float32)  # [..., N, M]
  return tf.matmul(tf.cast(tf.nn.softmax(scores), v.dtype), v)


class MultiHeadAttention(tf.keras.layers.Layer):
  """Attention with several heads, each of D / heads channels.

  With a `pattern` it is causal self-attention. Without one, every query attends to all positions of
  the context, or of x itself. The initial kernels are normal with standard deviation
  1 / sqrt(fan in).

  Args:
    heads: number of heads; it must divide D.
    pattern: a causal pattern of `attention_patterns`, or None.
    output_stddev: standard deviation of the initial output kernel; 1 / sqrt(fan in) if None.
    value_width: V, channels of the values of all heads together; D if None. `heads` must divide it.
      Only without a pattern.

  Call arguments:
    x: [B, N, D].
    context: [B, M, E], which the queries of x attend to; x itself if None. Only without a pattern.
      The first call creates the kernels of the keys, [E, D], and of the values, [E, V].
    seed: int32 [2], which turns on the dropout of the pattern, if it has any; no dropout if None.

  Returns:
    [B, N, D].

  For sampling, begin with `cache = layer.initial_cache(batch_size)`. Then, for t = 0, 1, ..., call
  `y_t, cache = layer.step(x_t, cache, t)`. For cross-attention, call
  `kv = layer.project_context(context)` once, then `y_t = layer.step_context(x_t, kv)`.
  """

  def __init__(self, heads, pattern=None, output_stddev=None, value_width=None, name=None):
    super().__init__(name=name)
    self.heads = heads
    self.pattern = pattern
    self.output_stddev = output_stddev
    self.value_width = value_width

  def build(self, input_shape):
    width = input_shape[-1]
    if width % self.heads:
      raise ValueError(f'heads must divide the width {width} of x, got {self.heads}.')
    if self.value_width and self.pattern is not None:
      raise ValueError('value_width is for attention without a pattern')
    value_width = self.value_width or width
    if value_width % self.heads:
      raise ValueError(f'heads must divide the width {value_width} of the values, got '
                       f'{self.heads}.')
    self.w_q, self.w_k, self.w_v = (
        tf.keras.layers.Dense(channels, use_bias=False, kernel_initializer=_normal(), name=name,
                              dtype=self.dtype_policy)
        for name, channels in (('w_q', width), ('w_k', width), ('w_v', value_width)))
    self.w_o = tf.keras.layers.Dense(
        width, kernel_initializer=_normal(self.output_stddev), name='w_o', dtype=self.dtype_policy)
    self._head_width = width // self.heads
    super().build(input_shape)

  def call(self, x, context=None, seed=None):
    if self.pattern is None:
      k, v = self.project_context(x if context is None else context)
      return self.step_context(x, (k, v))
    if context is not None:
      raise ValueError('context must be None for attention with a causal pattern.')
    k, v = self.project_context(x)
    return self._merge_heads(self.pattern(self._split_heads(self.w_q(x)), k, v, seed))

  def initial_cache(self, batch_size, tokens=None):
    """An empty cache (k, v), [B, H, M, D / H] each; the layer must have been built.

    If the cost of sampling should grow with the prefix, the sampler runs in segments and extends
    the caches in between.

    Args:
      batch_size: B.
      tokens: number of tokens that the cache has room for, N if None; M may be a little larger.
    """
    length = self.pattern.cache_length(tokens or self.pattern.length)
    shape = [batch_size, self.heads, length, self._head_width]
    return tf.zeros(shape, self.compute_dtype), tf.zeros(shape, self.compute_dtype)

  def extend_cache(self, cache, tokens):
    """The cache, extended to room for `tokens` tokens in total, a Python integer."""
    more = self.pattern.cache_length(tokens) - cache[0].shape[2]
    k, v = (tf.pad(x, [[0, 0], [0, 0], [0, more], [0, 0]]) for x in cache)
    return k, v

  def step(self, x_t, cache, t):
    """Causal self-attention of token t alone, given the cache of all earlier tokens.

    Args:
      x_t: token t, [B, 1, D].
      cache: (k, v) from `initial_cache` or from the previous step.
      t: index of the token, scalar int32 tensor.

    Returns:
      Row t of the layer's output, [B, 1, D], and the cache with token t in it.
    """
    new_k, new_v = self.project_context(x_t)  # [B, H, 1, D / H]
    k, v = _write(cache[0], new_k, t), _write(cache[1], new_v, t)
    y_t = self.pattern.step(self._split_heads(self.w_q(x_t)), k, v, t)
    return self._merge_heads(y_t), (k, v)

  def project_context(self, context):
    """Keys and values of a context [B, M, E]: [B, H, M, D / H] and [B, H, M, V / H]."""
    return self._split_heads(self.w_k(context)), self._split_heads(self.w_v(context))

  def step_context(self, x, kv):
    """Attention of x [B, N, D] to the whole projected context `kv`: [B, N, D]."""
    return self._merge_heads(dot_product_attention(self._split_heads(self.w_q(x)), *kv))

  def _split_heads(self, x):
    # [B, N, D] -> [B, N, H, D / H] -> [B, H, N, D / H]
    x = tf.reshape(x, [-1, x.shape[1], self.heads, x.shape[2] // self.heads])
    return tf.transpose(x, [0, 2, 1, 3])

  def _merge_heads(self, x):
    # [B, H, N, D / H] -> [B, N, H, D / H] -> [B, N, D]; then the output projection
    x = tf.transpose(x, [0, 2, 1, 3])
    return self.w_o(tf.reshape(x, [-1, x.shape[1], self.heads * x.shape[3]]))


class AxialAttention(tf.keras.layers.Layer):
  """Sum of three self-attentions, along W, along H and along T, each with its own weights.

  Ho et al. 2019 (https://arxiv.org/abs/1912.12180), as in VideoGPT's VQ-VAE (figure 3). Maps
  [B, T, H, W, C] to the same shape.

  Args:
    heads: number of heads of each attention; it must divide C.
  """

  def __init__(self, heads=2, name=None):
    super().__init__(name=name)
    self.along = {axis: MultiHeadAttention(heads, name=f'along_{axis}') for axis in 'WHT'}

  def call(self, x):
    return tf.add_n([_along(x, 'BTHWC'.index(axis), layer) for axis, layer in self.along.items()])


def _normal(stddev=None):
  """Normal initial values; the standard deviation is 1 / sqrt(fan in) unless it is given."""
  if stddev is not None:
    return tf.keras.initializers.RandomNormal(stddev=stddev)
  return linear.fan_in_normal()


def _along(x, axis, layer):
  """Applies a layer of sequences [B', N, C] along one axis of x [B, T, H, W, C]."""
  order = [i for i in range(4) if i != axis] + [axis, 4]  # as axis 3, e.g. [B, T, W, H, C] for H
  rows = tf.transpose(x, order)
  y = layer(tf.reshape(rows, [-1, rows.shape[3], rows.shape[4]]))  # [B T W, H, C]
  y = tf.reshape(y, [-1, *rows.shape[1:]])
  return tf.transpose(y, [order.index(i) for i in range(5)])


def _write(cache, row, t):
  """The cache [B, H, M, D / H] with `row` [B, H, 1, D / H] written at position t."""
  return xla_context.update_slice(cache, row, [0, 0, t, 0])
