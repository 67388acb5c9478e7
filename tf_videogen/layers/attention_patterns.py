"""Causal attention patterns over the tokens of a video: full, and sparse (local + strided).

Sparse Transformers (Child et al. 2019, https://arxiv.org/abs/1904.10509), over space-time as in
VideoGPT (Yan et al. 2021, section 4.1, https://arxiv.org/abs/2104.10157). A pattern is built with
the shape of the latents, takes their tokens in raster order, and offers

  pattern(q, k, v)                         the full pass, [B, H, N, D] -> [B, H, N, D];
  pattern.step(q_t, k_cache, v_cache, t)   row t of it, for sampling with caches.

No scores are kept (the recomputation of FlashAttention, Dao et al. 2022,
https://arxiv.org/abs/2205.14135, without its kernel). With S = q k^T / sqrt(D), lse = log sum exp
S, P = exp(S - lse) and O = P v, the backward pass computes, a chunk of queries at a time,

  dv = P^T dO,   dS = P (dO v^T - rowsum(dO O)),   dq = dS k / sqrt(D),   dk = dS^T q / sqrt(D)

from q, k, v, O and lse alone. A chunk sees the keys that one of its queries attends to and hardly
others, so most of what is masked is never computed. Scores, softmax and lse are float32 in every
precision; the matrix products have the type of the inputs.
"""

import functools

import numpy as np
import tensorflow as tf

from tf_videogen.layers import rematerialization

MASKED = -1e30  # added to a score, it makes its exponential exactly 0


class _CausalPattern:
  """What both patterns share: the passes over chunks of queries, forward and backward.

  `_split(x)` brings the tokens into a layout with positions on axis 2: [B, H, N, D], or blocks of
  tokens [B, H, N / block, block, D]; `_merge` is its inverse. `_chunks` are (start, stop) of the
  chunks of queries along that axis. `_keys()` yields for each chunk (ranges, bias): `ranges` are
  (start, stop) of its keys along that axis, perhaps starting before 0, all of one size; `bias`,
  [..., queries, keys], is added to the scores. `_transposed_axis` is where the positions are once
  the last two axes are transposed.
  """

  def __init__(self, shape):
    self.shape = tuple(int(size) for size in shape)
    self.length = int(np.prod(self.shape))

  def __call__(self, q, k, v):
    """Attention of every token to its keys: q, k, v [B, H, N, D] -> [B, H, N, D]."""
    for name, x in (('q', q), ('k', k), ('v', v)):
      if x.shape.rank != 4 or x.shape[2] != self.length:
        raise ValueError(f'{name} must be [B, H, {self.length}, D] for latents of shape '
                         f'{self.shape}, got {x.shape}.')
    attention = tf.custom_gradient(self._forward)
    return self._merge(attention(self._split(_scaled(q)), self._split(k), self._split(v)))

  def _forward(self, q, k, v):
    """The output in the layout of `_split`, and the function that is its backward pass."""
    outputs, lses = [], []
    for (start, stop), (ranges, bias) in zip(self._chunks, self._keys()):
      with _two_at_once(outputs):
        output, lse = _attend(_cut(q, 2, start, stop), _view(k, ranges), _view(v, ranges), bias)
      outputs.append(output)
      lses.append(lse)
    output, lse = tf.concat(outputs, 2), tf.concat(lses, 2)
    return output, functools.partial(self._backward, q, k, v, output, lse)

  def _backward(self, q, k, v, output, lse, upstream):
    """Gradients of q, k and v; those of k and v are summed transposed, which is faster."""
    q, k, v, upstream = rematerialization.optimization_barrier([q, k, v, upstream])
    delta = tf.reduce_sum(_float(upstream) * _float(output), -1, keepdims=True)
    dq, dk, dv = [], [None] * len(self._chunks), [None] * len(self._chunks)
    for (start, stop), (ranges, bias) in zip(self._chunks, self._keys()):
      with _two_at_once(dq):
        rows = [_cut(x, 2, start, stop) for x in (q, upstream, lse, delta)]
        dq_chunk, dk_chunk, dv_chunk = _attend_backward(
            *rows, _view(k, ranges), _view(v, ranges), bias)
        self._accumulate(dk, dk_chunk, ranges)
        self._accumulate(dv, dv_chunk, ranges)
      dq.append(dq_chunk)
    dk, dv = (tf.concat(x, self._transposed_axis) for x in (dk, dv))
    dk, dv = (tf.cast(tf.linalg.matrix_transpose(x), q.dtype) for x in (dk, dv))
    return tf.concat(dq, 2), dk, dv

  def _accumulate(self, sums, gradient, ranges):
    """Adds the gradient of keys [..., D, keys] to those of the chunks that `ranges` overlap."""
    axis = self._transposed_axis
    for (start, stop), part in zip(ranges, tf.split(gradient, len(ranges), -1)):
      for i, (first, last) in enumerate(self._chunks):
        low, high = max(start, first), min(stop, last)
        if low < high:
          piece = _pad(_cut(part, axis, low - start, high - start), axis, low - first, last - high)
          sums[i] = _float(piece) if sums[i] is None else sums[i] + _float(piece)


class CausalAttention(_CausalPattern):
  """Full causal attention: every token attends to itself and to all earlier ones.

  Args:
    shape: shape of the latents, e.g. (4, 16, 16); N is its product.
    query_chunk: tokens a chunk. None: N / 8, but at least 128. Then a sixteenth of the work is
      spent on masked scores; a chunk of a model small enough for a CPU stays in its caches (N =
      1,024: 128 and 256 are equally fast, 512 slower by a quarter); and 8,192 tokens on a TPU are
      8 chunks of 1,024, a small graph of large products.
  """

  def __init__(self, shape, query_chunk=None):
    super().__init__(shape)
    self.query_chunk = min(query_chunk or max(128, -(-self.length // 8)), self.length)
    self._chunks = [(start, min(start + self.query_chunk, self.length))
                    for start in range(0, self.length, self.query_chunk)]
    self._transposed_axis = 3

  def _split(self, x):
    return x

  def _merge(self, x):
    return x

  def cache_length(self, tokens):
    """The size of a cache with room for so many tokens."""
    return tokens

  def _keys(self):
    index = _opaque(np.arange(self.length, dtype=np.int32))
    for start, stop in self._chunks:
      yield [(0, stop)], _bias(index[:stop] <= index[start:stop, tf.newaxis])

  def step(self, q_t, k_cache, v_cache, t):
    """Row t of the full pass.

    Args:
      q_t: [B, H, 1, D], the query of token t.
      k_cache, v_cache: [B, H, M, D], of which tokens 0 to t count; t < M <= N. The cost grows with
        M: let a sampler that runs in segments begin with short caches and extend them.
      t: scalar int32 tensor.

    Returns:
      [B, H, 1, D].
    """
    seen = _bias(tf.range(k_cache.shape[2]) <= t)
    return _attend(_scaled(q_t), k_cache, v_cache, seen)[0]


class SparseCausalAttention(_CausalPattern):
  """VideoGPT's sparse pattern: local blocks, and blocks strided over space-time.

  Tokens in raster order are grouped in blocks of `block`, and the blocks lie on a grid: the
  trailing axes of `shape` are multiplied until the product exceeds `block`; product / block is the
  grid's last axis, the other axes lead. 8 x 32 x 32 latents in blocks of 32 make a grid of 8 x 32.
  A block attends to itself, causally inside; to the `local_blocks` before it; and for every axis of
  the grid but the last to the blocks with a smaller coordinate there and the same ones elsewhere:
  to at most 384 keys of 8,192 in the example.

  This is a set of *shifts*, key block = query block - shift, each valid where
  (query block // stride) % extent >= steps. So the keys are shifted views: there is no gather, and
  no mask of tokens x tokens.

  Args:
    shape: shape of the latents, e.g. (8, 32, 32), or (8, 32, 32, 2) with two codes a position.
    block: tokens a block.
    local_blocks: number of preceding blocks that are attended to.
    query_chunk: tokens a chunk, rounded up to whole slices of the grid's first axis. None: at
      least N / 4 and 256: smaller chunks are not faster, and make a larger graph.

  Raises:
    ValueError: where `shape` cannot be cut into such blocks.
  """

  def __init__(self, shape, block=32, local_blocks=4, query_chunk=None):
    super().__init__(shape)
    self.block = block
    self.grid = _block_grid(self.shape, block)
    self.shifts = _block_shifts(self.grid, local_blocks)
    blocks = self.length // block
    part = blocks // self.grid[0]
    part *= -(-(query_chunk or max(256, self.length // 4)) // (part * block))
    self._chunks = [(start, min(start + part, blocks)) for start in range(0, blocks, part)]
    self._transposed_axis = 2

  def _split(self, x):
    # [B, H, N, D] -> [B, H, N / block, block, D]
    return tf.reshape(x, [-1, x.shape[1], x.shape[2] // self.block, self.block, x.shape[-1]])

  def _merge(self, x):
    # [B, H, N / block, block, D] -> [B, H, N, D]
    return tf.reshape(x, [-1, x.shape[1], self.length, x.shape[-1]])

  def cache_length(self, tokens):
    """The size of a cache with room for so many tokens: whole blocks."""
    return -(-tokens // self.block) * self.block

  def _keys(self):
    token = _opaque(np.arange(self.block, dtype=np.int32))
    for start, stop in self._chunks:
      blocks = np.arange(start, stop)
      shifts = [shift for shift in self.shifts if _is_valid(shift, blocks).any()]
      valid = np.stack([_is_valid(shift, blocks) for shift in shifts], -1)
      yield [(start - shift[0], stop - shift[0]) for shift in shifts], self._bias(valid, token)

  def _bias(self, valid, token):
    """The bias of the scores, [..., queries, shifts * block].

    Args:
      valid: bool [..., shifts]; which shifts lead to keys. The first one is shift 0.
      token: int32 [queries], the place of every query in its block.
    """
    shifts = valid.shape[-1]
    # Queries see keys of their own block up to their own place, and all of another block or none.
    reach = tf.where(valid, [0] + [self.block] * (shifts - 1), -self.block)
    last_key = reach[..., tf.newaxis, :] + token[:, tf.newaxis]  # [..., queries, shifts]
    seen = tf.range(self.block) <= last_key[..., tf.newaxis]  # [..., queries, shifts, block]
    return _bias(tf.reshape(seen, [*seen.shape[:-2], shifts * self.block]))

  def step(self, q_t, k_cache, v_cache, t):
    """Row t of the full pass: `CausalAttention.step`, but it reads only the blocks it needs."""
    block, token = t // self.block, t % self.block
    blocks = tf.stack([tf.maximum(block - shift[0], 0) for shift in self.shifts])
    valid = tf.stack([_is_valid(shift, block) for shift in self.shifts])
    k, v = self._gather(k_cache, blocks), self._gather(v_cache, blocks)
    return _attend(_scaled(q_t), k, v, self._bias(valid, token[tf.newaxis]))[0]

  def _gather(self, x, blocks):
    # [B, H, M, D] -> [B, H, shifts, block, D] -> [B, H, shifts * block, D]
    x = tf.gather(self._split(x), blocks, axis=2)
    return tf.reshape(x, [-1, x.shape[1], len(self.shifts) * self.block, x.shape[-1]])


def _block_grid(shape, block):
  """The grid of blocks, e.g. (8, 32, 32) in blocks of 32: (8, 32)."""
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
      # A shift that is local, too, is valid wherever the strided one is.
      shifts.setdefault(steps * stride, (steps * stride, stride, extent, steps))
  return sorted(shifts.values())


def _is_valid(shift, blocks):
  """Whether a shift leads from `blocks`, an array or tensor of indices, to keys: bool."""
  _, stride, extent, steps = shift
  return (blocks // stride) % extent >= steps


def _attend(q, k, v, bias):
  """Attention of a chunk of queries.

  Args:
    q: [..., queries, D], scaled.
    k, v: [..., keys, D].
    bias: [..., queries, keys].

  Returns:
    Output [..., queries, D], and log-sum-exp of the scores [..., queries, 1], float32.
  """
  scores = _scores(q, k, bias)
  peak = tf.reduce_max(scores, -1, keepdims=True)
  weights = tf.exp(scores - peak)
  total = tf.reduce_sum(weights, -1, keepdims=True)
  output = _float(tf.matmul(tf.cast(weights, v.dtype), v)) / total
  return tf.cast(output, q.dtype), peak + tf.math.log(total)


def _attend_backward(q, upstream, lse, delta, k, v, bias):
  """Gradients of `_attend`: the equations on top of this file.

  Args:
    q, upstream: scaled queries and the gradient of their output, [..., queries, D].
    lse, delta: log-sum-exp, and the sum of output * upstream, [..., queries, 1].
    k, v, bias: as for `_attend`.

  Returns:
    dq [..., queries, D]; dk and dv transposed, [..., D, keys].
  """
  weights = tf.exp(_scores(q, k, bias) - lse)
  d_scores = weights * (_float(tf.matmul(upstream, v, transpose_b=True)) - delta)
  weights, d_scores = tf.cast(weights, q.dtype), tf.cast(d_scores, q.dtype)
  return (tf.matmul(d_scores, k), tf.matmul(q, d_scores, transpose_a=True),
          tf.matmul(upstream, weights, transpose_a=True))


def _scores(q, k, bias):
  return _float(tf.matmul(q, k, transpose_b=True)) + bias  # [..., queries, keys]


def _scaled(q):
  return q * tf.cast(q.shape[-1] ** -0.5, q.dtype)


def _float(x):
  return tf.cast(x, tf.float32)


def _opaque(array):
  """A constant that XLA does not fold: a mask computed from it does not swell the program."""
  return rematerialization.optimization_barrier([tf.constant(array)])[0]


def _bias(seen):
  return tf.where(seen, 0.0, MASKED)


def _two_at_once(done):
  """A context whose operations wait for all of `done` but the last.

  TensorFlow's executor starts what is ready, and so would fill the memory with all chunks' scores.
  """
  return tf.control_dependencies(done[-2:-1])


def _view(x, ranges):
  """Ranges of axis 2, side by side on the axis before the last; zeros before the start."""
  parts = [_pad(_cut(x, 2, max(start, 0), stop), 2, max(-start, 0), 0) for start, stop in ranges]
  return parts[0] if len(parts) == 1 else tf.concat(parts, -2)


def _cut(x, axis, start, stop):
  if (start, stop) == (0, x.shape[axis]):
    return x
  begin, size = np.zeros(x.shape.rank, np.int32), np.full(x.shape.rank, -1, np.int32)
  begin[axis], size[axis] = start, stop - start
  return tf.slice(x, begin, size)


def _pad(x, axis, before, after):
  if not before and not after:
    return x
  paddings = np.zeros([x.shape.rank, 2], np.int32)
  paddings[axis] = before, after
  return tf.pad(x, paddings)
