"""Causal attention patterns over the tokens of a video: full, and sparse (local + strided).

Sparse Transformers (Child et al. 2019, https://arxiv.org/abs/1904.10509), over space-time as in
VideoGPT (Yan et al. 2021, section 4.1, https://arxiv.org/abs/2104.10157). A pattern is built for
the shape of the latents. It takes their tokens in raster order and offers:

    pattern(q, k, v, seed)                   the full pass, [B, H, N, D] -> [B, H, N, D]
    pattern.step(q_t, k_cache, v_cache, t)   row t of the full pass, for sampling with caches

Scores are not kept: the backward pass computes them again (`recomputed_attention`). Full attention
does so for one chunk of queries at a time, sparse attention for one head at a time.
"""

import functools

import numpy as np
import tensorflow as tf

from tf_videogen.layers import gradients
from tf_videogen.layers import randomness
from tf_videogen.layers import recomputed_attention as recomputed
from tf_videogen.layers import xla_context


class _CausalPattern:
  """Base class of both patterns, with a backward pass that computes the scores again.

  A subclass has two methods. `_outputs(q, k, v, seed)` returns the output [B, H, N, D] and the
  log-sum-exp of the scores [B, H, N, 1]. `_gradients(q, upstream, lse, delta, k, v, seed)` returns
  the gradients of q, k and v; `delta` is rowsum(dO O), [B, H, N, 1]. In both, queries are already
  divided by sqrt(D), and `seed` is the seed of dropout or None.
  """

  def __init__(self, shape):
    self.shape = tuple(int(size) for size in shape)
    self.length = int(np.prod(self.shape))

  def __call__(self, q, k, v, seed=None):
    """Attention of every token to its keys: q, k, v [B, H, N, D] -> [B, H, N, D].

    Args:
      q, k, v: queries, keys and values.
      seed: int32 [2], which turns dropout on if the pattern has any; no dropout if None.
    """
    for name, x in (('q', q), ('k', k), ('v', v)):
      if x.shape.rank != 4 or x.shape[2] != self.length:
        raise ValueError(f'{name} must be [B, H, {self.length}, D] for latents of shape '
                         f'{self.shape}, got {x.shape}.')
    attention = gradients.custom(lambda q, k, v: self._forward(q, k, v, seed))
    return attention(recomputed.scaled(q), k, v)

  def _forward(self, q, k, v, seed):
    """The output, and the function that computes the backward pass."""
    output, lse = self._outputs(q, k, v, seed)
    return output, functools.partial(self._backward, q, k, v, seed, output, lse)

  def _backward(self, q, k, v, seed, output, lse, upstream):
    q, k, v, upstream = xla_context.optimization_barrier([q, k, v, upstream])
    delta = tf.reduce_sum(_float(upstream) * _float(output), -1, keepdims=True)
    return self._gradients(q, upstream, lse, delta, k, v, seed)


class CausalAttention(_CausalPattern):
  """Full causal attention: every token attends to itself and to all earlier ones.

  Args:
    shape: shape of the latents, e.g. (4, 16, 16); N is the product of its sizes.
    query_chunk: tokens per chunk of queries; a chunk reads the keys up to its last token. If None,
      N / 8, but at least 128. With 8 chunks, one in nine scores is masked. If a model is small
      enough for a CPU, a chunk stays in the CPU's caches (N = 1,024: chunks of 128 and 256 are
      equally fast, chunks of 512 are slower by a quarter). On a TPU, 8,192 tokens are 8 chunks of
      1,024: a small graph of large products.
    dropout: dropout rate of the attention weights; dropout is used only in calls with a seed.
  """

  def __init__(self, shape, query_chunk=None, dropout=0.0):
    super().__init__(shape)
    self.dropout = dropout
    self.query_chunk = min(query_chunk or max(128, -(-self.length // 8)), self.length)
    self._chunks = [(start, min(start + self.query_chunk, self.length))
                    for start in range(0, self.length, self.query_chunk)]

  def cache_length(self, tokens):
    """The length M of a cache with room for `tokens` tokens."""
    return tokens

  def _biases(self):
    """The biases of the scores, one [queries, keys] per chunk."""
    index = _opaque(np.arange(self.length, dtype=np.int32))
    return [recomputed.bias_where(index[:stop] <= index[start:stop, tf.newaxis])
            for start, stop in self._chunks]

  def _dropout(self, seed, chunk):
    """The function that applies dropout to a chunk's weights; it is the same in both passes."""
    if seed is None or not self.dropout:
      return recomputed.as_it_is
    return functools.partial(
        randomness.dropout, rate=self.dropout, seed=randomness.fold_in(seed, chunk))

  def _outputs(self, q, k, v, seed):
    outputs, lses = [], []
    for i, ((start, stop), bias) in enumerate(zip(self._chunks, self._biases())):
      with _two_at_once(outputs):
        output, lse = recomputed.attend(q[:, :, start:stop], k[:, :, :stop], v[:, :, :stop], bias,
                              self._dropout(seed, i))
      outputs.append(output)
      lses.append(lse)
    return tf.concat(outputs, 2), tf.concat(lses, 2)

  def _gradients(self, q, upstream, lse, delta, k, v, seed):
    dq, dk, dv = [], [0.0] * len(self._chunks), [0.0] * len(self._chunks)
    for (start, stop), bias in zip(self._chunks, self._biases()):
      with _two_at_once(dq):
        rows = [x[:, :, start:stop] for x in (q, upstream, lse, delta)]
        dq_chunk, dk_chunk, dv_chunk = recomputed.attend_backward(
            *rows, k[:, :, :stop], v[:, :, :stop], bias, self._dropout(seed, len(dq)))
        for i, (first, last) in enumerate(self._chunks[:len(dq) + 1]):
          dk[i] += _float(dk_chunk[..., first:last])
          dv[i] += _float(dv_chunk[..., first:last])
      dq.append(dq_chunk)
    dk, dv = (tf.cast(tf.linalg.matrix_transpose(tf.concat(x, -1)), q.dtype) for x in (dk, dv))
    return tf.concat(dq, 2), dk, dv

  def step(self, q_t, k_cache, v_cache, t):
    """Row t of the full pass.

    Args:
      q_t: the query of token t, [B, H, 1, D].
      k_cache, v_cache: keys and values, [B, H, M, D], t < M <= N; tokens after t are masked. The
        cost grows with M, so a sampler in segments should begin with short caches and extend them.
      t: index of the token, scalar int32 tensor.

    Returns:
      [B, H, 1, D].
    """
    seen = recomputed.bias_where(tf.range(k_cache.shape[2]) <= t)
    return recomputed.attend(recomputed.scaled(q_t), k_cache, v_cache, seen)[0]


class SparseCausalAttention(_CausalPattern):
  """VideoGPT's sparse pattern: local blocks, and blocks strided over space-time.

  Tokens in raster order are grouped into blocks of `block` tokens, and the blocks form a grid. The
  trailing axes of `shape` are multiplied until the product exceeds `block`; product / block is the
  last axis of the grid. The other axes of `shape` are its leading axes. 8 x 32 x 32 latents in
  blocks of 32 make a grid of 8 x 32.

  A block attends to itself (causally inside) and to the `local_blocks` blocks before it. For every
  axis of the grid but the last, it also attends to the blocks that have a smaller coordinate on
  this axis and the same coordinates on the others. In the example, these are at most 384 keys of
  8,192.

  The pattern is a set of *shifts*: key block = query block - shift. A shift is valid if
  (query block // stride) % extent >= steps. A sampling step gathers these blocks. The full pass
  needs no gather and no mask of tokens x tokens. It computes attention in parts. One part has the
  local blocks, side by side with the blocks before them. One part per axis has the blocks along
  this axis, as short dense sequences. The log-sum-exp lse_i and the output O_i of part i give

      lse = log sum_i exp(lse_i)
      O = sum_i exp(lse_i - lse) O_i

  and the gradients are sums over the parts.

  Args:
    shape: shape of the latents, e.g. (8, 32, 32), or (8, 32, 32, 2) with two codes per position.
    block: tokens per block.
    local_blocks: number of preceding blocks that a block attends to.

  Raises:
    ValueError: if `shape` cannot be cut into such blocks.
  """

  def __init__(self, shape, block=32, local_blocks=4):
    super().__init__(shape)
    self.block = block
    self.grid = _block_grid(self.shape, block)
    self.shifts = _block_shifts(self.grid, local_blocks)
    strided = [_StridedBlocks(self.grid, axis, block, local_blocks)
               for axis, extent in enumerate(self.grid[:-1])
               if (extent - 1) * np.prod(self.grid[axis + 1:]) > local_blocks]
    self._parts = [_LocalBlocks(self.length // block, block, local_blocks), *strided]

  def cache_length(self, tokens):
    """The length M of a cache with room for `tokens` tokens, in whole blocks."""
    return -(-tokens // self.block) * self.block

  def _outputs(self, q, k, v, seed):
    del seed  # there is no dropout, as in the authors' code
    output, lse = self._each_head(self._head_outputs, [q, k, v], [q.dtype, tf.float32])
    return output, lse[..., tf.newaxis]

  def _gradients(self, q, upstream, lse, delta, k, v, seed):
    del seed
    # A TPU pads the last axis of a loop's inputs to 128, so no last axis here has size 1.
    return self._each_head(self._head_gradients, [q, upstream, lse[..., 0], delta[..., 0], k, v],
                           [q.dtype] * 3)

  def _each_head(self, function, tensors, dtypes):
    """Calls `function` for every head of tensors [B, H, N, ...], with one head's [B, N, ...].

    The heads are a loop, so the scores of only one head are in memory, and the program is small.
    `dtypes` are the types of the results.
    """
    results = tf.map_fn(lambda x: function(*x), tuple(map(_swap_first_axes, tensors)),
                        parallel_iterations=1, fn_output_signature=tuple(dtypes))
    return [_swap_first_axes(x) for x in results]

  def _head_outputs(self, q, k, v):
    outputs, lses = zip(*(
        map(part.tokens, recomputed.attend(part.rows(q), part.keys(k), part.keys(v), part.bias()))
        for part in self._parts))
    lse = tf.reduce_logsumexp(tf.stack(lses), 0)
    output = tf.add_n([tf.exp(part - lse) * _float(x) for part, x in zip(lses, outputs)])
    return tf.cast(output, q.dtype), lse[..., 0]

  def _head_gradients(self, q, upstream, lse, delta, k, v):
    queries = q, upstream, lse[..., tf.newaxis], delta[..., tf.newaxis]
    of_parts = []
    for part in self._parts:
      dq, dk, dv = recomputed.attend_backward(
          *map(part.rows, queries), part.keys(k), part.keys(v), part.bias())
      of_parts.append((part.tokens(_float(dq)), part.keys_backward(dk), part.keys_backward(dv)))
    return tuple(tf.cast(tf.add_n(x), q.dtype) for x in zip(*of_parts))

  def step(self, q_t, k_cache, v_cache, t):
    """Row t of the full pass, see `CausalAttention.step`; reads only the blocks that it needs."""
    block, token = t // self.block, t % self.block
    blocks = tf.stack([tf.maximum(block - shift[0], 0) for shift in self.shifts])
    valid = tf.stack([_is_valid(shift, block) for shift in self.shifts])
    # In its own block (shift 0) the token sees the keys up to itself, in other blocks all keys.
    last = tf.where(valid, [token] + [self.block - 1] * (len(self.shifts) - 1), -1)
    seen = tf.reshape(tf.range(self.block) <= last[:, tf.newaxis], [-1])
    k, v = self._gather(k_cache, blocks), self._gather(v_cache, blocks)
    return recomputed.attend(recomputed.scaled(q_t), k, v, recomputed.bias_where(seen))[0]

  def _gather(self, x, blocks):
    # [B, H, M, D] -> [B, H, M / block, block, D] -> [B, H, shifts * block, D]
    x = tf.reshape(x, [-1, x.shape[1], x.shape[2] // self.block, self.block, x.shape[-1]])
    x = tf.gather(x, blocks, axis=2)
    return tf.reshape(x, [-1, x.shape[1], len(self.shifts) * self.block, x.shape[-1]])


class _LocalBlocks:
  """A part: a block's own keys, causally, and the keys of the `local_blocks` blocks before it.

  A group has `local_blocks` blocks, or the largest smaller number that divides the number of all
  blocks. The queries of a group see the keys of their own group and of the `before` groups before
  it. The products are fewer and larger than block by block, and less is copied.

  All parts have the same methods. `rows` brings tokens [B, N, D] into the layout of queries, and
  `tokens` is its inverse. `keys` brings tokens into the layout of keys. `keys_backward` takes a
  transposed gradient of the keys back to the layout of tokens. `bias` is added to the scores.
  """

  def __init__(self, blocks, block, local_blocks):
    self.block, self.local_blocks = block, local_blocks
    group = next(size for size in range(max(1, local_blocks), 0, -1) if blocks % size == 0)
    self.groups, self.group = blocks // group, group * block  # number, and tokens per group
    self.before = min(-(-local_blocks // group), self.groups - 1)

  def rows(self, x):
    # [B, N, D] -> [B, groups, group, D]
    return tf.reshape(x, [-1, self.groups, self.group, x.shape[-1]])

  def tokens(self, x):
    # [B, groups, group, D] -> [B, N, D]
    return tf.reshape(x, [-1, self.groups * self.group, x.shape[-1]])

  def keys(self, x):
    # [B, N, D] -> [B, groups, (before + 1) * group, D]
    x = self.rows(x)
    return tf.concat([tf.pad(x[:, :self.groups - shift], [[0, 0], [shift, 0], [0, 0], [0, 0]])
                      for shift in range(self.before, -1, -1)], 2)

  def keys_backward(self, gradient):
    # [B, groups, D, (before + 1) * group] -> [B, N, D]
    shifts = range(self.before, -1, -1)
    total = tf.add_n([_float(tf.pad(x[:, shift:], [[0, 0], [0, shift], [0, 0], [0, 0]]))
                      for shift, x in zip(shifts, tf.split(gradient, len(shifts), -1))])
    return self.tokens(tf.linalg.matrix_transpose(total))

  def bias(self):
    # [groups, group, (before + 1) * group]
    query = _opaque(np.arange(self.groups * self.group, dtype=np.int32))
    query = tf.reshape(query, [self.groups, self.group, 1])
    key = query[:, :1] + tf.range(-self.before * self.group, self.group)
    near = query // self.block - key // self.block <= self.local_blocks
    return recomputed.bias_where((key >= 0) & (key <= query) & near)


class _StridedBlocks:
  """A part: the blocks with a smaller coordinate on one axis of the grid and the same elsewhere.

  The blocks along the axis, side by side, are a short sequence. A block sees the earlier blocks of
  it, except for those that `_LocalBlocks` already has.
  """

  def __init__(self, grid, axis, block, local_blocks):
    self.lead, self.extent = int(np.prod(grid[:axis])), grid[axis]
    self.stride, self.block = int(np.prod(grid[axis + 1:])), block
    self.nearest = max(1, local_blocks // self.stride + 1)  # steps to the first non-local block

  def rows(self, x):
    # [B, lead * extent * stride * block, D] -> [B, lead, stride, extent * block, D]
    x = tf.reshape(x, [-1, self.lead, self.extent, self.stride, self.block, x.shape[-1]])
    x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
    return tf.reshape(x, [-1, self.lead, self.stride, self.extent * self.block, x.shape[-1]])

  def tokens(self, x):
    # [B, lead, stride, extent * block, D] -> [B, lead * extent * stride * block, D]
    x = tf.reshape(x, [-1, self.lead, self.stride, self.extent, self.block, x.shape[-1]])
    x = tf.transpose(x, [0, 1, 3, 2, 4, 5])
    return tf.reshape(
        x, [-1, self.lead * self.extent * self.stride * self.block, x.shape[-1]])

  keys = rows

  def keys_backward(self, gradient):
    # [B, lead, stride, D, extent * block] -> [B, lead * extent * stride * block, D]
    return self.tokens(_float(tf.linalg.matrix_transpose(gradient)))

  def bias(self):
    block = _opaque(np.arange(self.extent * self.block, dtype=np.int32)) // self.block
    return recomputed.bias_where(block[:, tf.newaxis] - block >= self.nearest)


def _block_grid(shape, block):
  """The shape of the grid of blocks, e.g. (8, 32) for (8, 32, 32) in blocks of 32."""
  axis, product = len(shape) - 1, shape[-1]
  while product <= block and axis > 0:
    axis -= 1
    product *= shape[axis]
  if product % block:
    raise ValueError(f'block must divide the product {product} of the trailing axes '
                     f'{shape[axis:]} of shape {shape}, got {block}.')
  return shape[:axis] + (product // block,)


def _block_shifts(grid, local_blocks):
  """The shifts (shift, stride, extent, steps) of a grid; shift 0, a block's own keys, is first."""
  blocks = int(np.prod(grid))
  shifts = {shift: (shift, 1, blocks, shift) for shift in range(min(local_blocks + 1, blocks))}
  for axis, extent in enumerate(grid[:-1]):
    stride = int(np.prod(grid[axis + 1:]))
    for steps in range(1, extent):
      # A shift that is local as well is valid wherever the strided shift is.
      shifts.setdefault(steps * stride, (steps * stride, stride, extent, steps))
  return sorted(shifts.values())


def _is_valid(shift, blocks):
  """Whether a shift is valid for the query blocks of indices `blocks`, array or tensor: bool."""
  _, stride, extent, steps = shift
  return (blocks // stride) % extent >= steps


def _swap_first_axes(x):
  return tf.transpose(x, [1, 0, *range(2, x.shape.rank)])


def _float(x):
  return tf.cast(x, tf.float32)


def _opaque(array):
  """A constant that XLA does not fold, so masks computed from it don't swell the program."""
  return xla_context.optimization_barrier([tf.constant(array)])[0]


def _two_at_once(done):
  """A context whose operations wait for all of `done` but the last.

  TensorFlow's executor starts every operation that is ready. Without this context it would fill the
  memory with the scores of all chunks.
  """
  return tf.control_dependencies(done[-2:-1])
