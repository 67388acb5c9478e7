"""Attention against dense NumPy references; causality to the bit; steps equal full passes."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import attention_cases
from tf_videogen.layers import attention
from tf_videogen.layers import randomness

CausalAttention = attention.CausalAttention
SparseCausalAttention = attention.SparseCausalAttention
_naive, _normal = attention_cases.naive, attention_cases.normal
_gradients = attention_cases.gradients

# Pattern, and the mask of its definition: (shape, arguments), (block, grid, local blocks).
FULL = [((5, 3, 7), {}), ((5, 3, 7), {'query_chunk': 32}), ((3, 16, 8), {}), ((4, 4), {})]
SPARSE = [
    (((4, 4, 4), {'block': 8, 'local_blocks': 1}), (8, (4, 2), 1)),
    (((4, 4, 4), {'block': 8, 'local_blocks': 2}), (8, (4, 2), 2)),
    (((4, 4, 4), {'block': 8, 'local_blocks': 3}), (8, (4, 2), 3)),
    (((2, 3, 4, 8), {'block': 8, 'local_blocks': 2}), (8, (2, 3, 4), 2)),
    (((5, 4, 4, 2), {'block': 8, 'local_blocks': 0}), (8, (5, 4), 0)),
    (((16, 8), {'block': 8, 'local_blocks': 4}), (8, (16,), 4)),
    (((3, 8), {'block': 24}), (24, (1,), 4)),
    (((6, 8, 8), {}), (32, (6, 2), 4)),
]
PATTERNS = ([(CausalAttention(shape, **kwargs), None) for shape, kwargs in FULL] +
            [(SparseCausalAttention(shape, **kwargs), mask) for (shape, kwargs), mask in SPARSE])
SMALL = [pattern for pattern in PATTERNS if pattern[0].length < 200]


def _each(patterns):
  return pytest.mark.parametrize(
      'pattern, definition', patterns, ids=[_name(*getattr(p, 'values', p)) for p in patterns])


def _name(pattern, _):
  return f'{type(pattern).__name__}-{"x".join(map(str, pattern.shape))}'


@functools.lru_cache(None)
def _mask(pattern, definition):
  """bool [N, N], pair by pair from the definition."""
  tokens = pattern.length
  if definition is None:
    return np.tril(np.ones((tokens, tokens), bool))
  block, grid, local_blocks = definition
  mask = np.zeros((tokens, tokens), bool)
  for i in range(tokens):
    for j in range(i + 1):
      row, column = i // block, j // block
      a, b = np.unravel_index(row, grid), np.unravel_index(column, grid)
      mask[i, j] = row - column <= local_blocks or any(
          b[axis] < a[axis] and all(a[k] == b[k] for k in range(len(grid)) if k != axis)
          for axis in range(len(grid) - 1))
  return mask


def _numpy_attention(q, k, v, mask=True):
  scores = np.where(mask, q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]), -np.inf)
  weights = np.exp(scores - scores.max(-1, keepdims=True))
  return weights / weights.sum(-1, keepdims=True) @ v


def _qkv(pattern, batch=2, heads=2, width=4, count=3):
  return _normal(batch, heads, pattern.length, width, count=count)


# --- patterns ---


@pytest.mark.parametrize('shape, block, grid', [
    ((8, 32, 32), 32, (8, 32)), ((4, 16, 16), 32, (4, 8)), ((16, 16, 16, 2), 32, (16, 16)),
    ((4, 8, 64), 32, (4, 8, 2)), ((4, 8), 32, (1,))])
def test_grid_of_blocks(shape, block, grid):
  assert SparseCausalAttention(shape, block).grid == grid


def test_shifts_of_the_papers_latents():
  shifts = SparseCausalAttention((8, 32, 32)).shifts
  assert [shift[0] for shift in shifts] == [0, 1, 2, 3, 4, 32, 64, 96, 128, 160, 192, 224]


@pytest.mark.parametrize('shape', [(3, 5), (4, 3, 16), (2, 2, 2)])
def test_a_shape_without_whole_blocks_is_an_error(shape):
  with pytest.raises(ValueError, match='block must divide'):
    SparseCausalAttention(shape)


def test_another_number_of_tokens_is_an_error():
  with pytest.raises(ValueError, match='k must be'):
    CausalAttention((2, 4))(tf.zeros([1, 1, 8, 2]), tf.zeros([1, 1, 7, 2]), tf.zeros([1, 1, 8, 2]))


@_each(PATTERNS)
def test_pattern_is_dense_attention_with_its_mask(pattern, definition):
  q, k, v = _qkv(pattern)
  expected = _numpy_attention(*(x.numpy().astype(np.float64) for x in (q, k, v)),
                              _mask(pattern, definition))
  np.testing.assert_allclose(pattern(q, k, v), expected, atol=2e-6)


@_each(PATTERNS)
def test_gradients_are_those_of_dense_attention(pattern, definition):
  arguments = _qkv(pattern, count=4)
  mask = _mask(pattern, definition)
  expected = _gradients(functools.partial(_naive, mask=mask), *arguments)
  for a, b in zip(_gradients(pattern, *arguments), expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)


@_each([PATTERNS[1], PATTERNS[4], pytest.param(*PATTERNS[7], marks=pytest.mark.slow)])
def test_compiled_gradients(pattern, definition):
  arguments = _qkv(pattern, count=4)
  compiled = tf.function(functools.partial(_gradients, pattern), jit_compile=True, autograph=False)
  got = compiled(*arguments)
  for a, b in zip(got, _gradients(pattern, *arguments)):
    np.testing.assert_allclose(a, b, atol=1e-5)


@_each(PATTERNS)
def test_later_tokens_do_not_change_a_bit(pattern, definition):
  q, k, v = _qkv(pattern)
  function = tf.function(pattern, autograph=False)
  before = function(q, k, v).numpy()
  for t in (1, 7, 8, 9, pattern.length // 2, pattern.length - 1):
    later = (np.arange(pattern.length) >= t)[:, None]
    after = function(*(tf.where(later, 100 * x + 3, x) for x in (q, k, v))).numpy()
    np.testing.assert_array_equal(after[:, :, :t], before[:, :, :t])
    assert (after[:, :, t] != before[:, :, t]).all()


@pytest.mark.parametrize('compiled', [False, pytest.param(True, marks=pytest.mark.slow)])
@_each(SMALL)
def test_step_is_a_row_of_the_full_pass(pattern, definition, compiled):
  q, k, v = _qkv(pattern)
  expected = pattern(q, k, v).numpy()
  half = pattern.length // 2
  step = tf.function(pattern.step, jit_compile=True, autograph=False) if compiled else pattern.step
  # Eagerly one of seven positions, which are of all blocks of 8, and have all places in them.
  for t in sorted({half - 1, half, pattern.length - 1, *range(0, pattern.length, 7)}
                  if not compiled else range(pattern.length)):
    room = pattern.cache_length(half if t < half else pattern.length)
    # What is not there yet must not count, whatever it is.
    caches = [tf.where((np.arange(room) <= t)[:, None], x[:, :, :room], 1e3) for x in (k, v)]
    row = step(q[:, :, t:t + 1], *caches, tf.constant(t))
    np.testing.assert_allclose(row, expected[:, :, t:t + 1], atol=1e-5)


def test_the_cache_limits_what_a_step_reads():
  pattern = CausalAttention((8, 8))
  q, k, v = _qkv(pattern)
  step = tf.function(pattern.step, autograph=False).get_concrete_function(
      q[:, :, :1], k[:, :, :16], v[:, :, :16], tf.TensorSpec([], tf.int32))
  products = [x for x in step.graph.get_operations() if 'MatMul' in x.type]
  assert len(products) == 2
  for product in products:
    assert product.inputs[1].shape[2] == 16


@pytest.mark.parametrize('pattern', [CausalAttention((8, 8)), SparseCausalAttention((2, 32, 8))])
def test_bfloat16_is_near_float32(pattern):
  arguments = [tf.cast(x, tf.bfloat16) for x in _qkv(pattern, count=4)]
  got = _gradients(pattern, *arguments)
  expected = _gradients(pattern, *(tf.cast(x, tf.float32) for x in arguments))
  for a, b in zip(got, expected):
    assert a.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(a, tf.float32), b, atol=0.03 * np.abs(b).max())


# --- layers ---


def _heads(x, kernel, heads):
  # [B, N, D] -> [B, H, N, D / H]
  y = x @ kernel.numpy()
  return y.reshape(*y.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def _numpy_layer(layer, x, context=None, mask=True):
  context = x if context is None else context
  q, k, v = (_heads(y, w.kernel, layer.heads) for y, w in (
      (x, layer.w_q), (context, layer.w_k), (context, layer.w_v)))
  y = _numpy_attention(q, k, v, mask).transpose(0, 2, 1, 3).reshape(x.shape)
  return y @ layer.w_o.kernel.numpy() + layer.w_o.bias.numpy()


def test_dot_product_attention():
  q, k, v = _normal(2, 3, 5, 4), _normal(2, 3, 7, 4, seed=1), _normal(2, 3, 7, 4, seed=2)
  expected = _numpy_attention(q.numpy(), k.numpy(), v.numpy())
  np.testing.assert_allclose(attention.dot_product_attention(q, k, v), expected, atol=1e-6)


@_each(SMALL)
def test_layer_with_a_pattern(pattern, definition):
  layer = attention.MultiHeadAttention(2, pattern)
  x = _normal(2, pattern.length, 6)
  layer(x)
  layer.w_o.bias.assign(np.arange(6.0))
  expected = _numpy_layer(layer, x.numpy(), mask=_mask(pattern, definition))
  np.testing.assert_allclose(layer(x), expected, atol=1e-5)
  assert layer.count_params() == 4 * 36 + 6


def test_layer_attends_to_a_context_of_another_width():
  layer = attention.MultiHeadAttention(2)
  x, context = _normal(2, 5, 6), _normal(2, 3, 10, seed=1)
  y = layer(x, context)
  np.testing.assert_allclose(y, _numpy_layer(layer, x.numpy(), context.numpy()), atol=1e-5)
  kv = layer.project_context(context)
  rows = [layer.step_context(x[:, t:t + 1], kv) for t in range(5)]
  np.testing.assert_allclose(tf.concat(rows, 1), y, atol=1e-6)


def test_initial_values():
  layer = attention.MultiHeadAttention(4, output_stddev=0.01)
  layer(_normal(1, 2, 128), _normal(1, 2, 200))
  for kernel, stddev in ((layer.w_q, 128 ** -0.5), (layer.w_k, 200 ** -0.5), (layer.w_o, 0.01)):
    np.testing.assert_allclose(np.std(kernel.kernel), stddev, rtol=0.03)
  assert not np.any(layer.w_o.bias)


@pytest.mark.parametrize('compiled', [False, True])
@pytest.mark.parametrize('pattern', [
    CausalAttention((4, 3, 4)), SparseCausalAttention((4, 3, 4), block=4, local_blocks=1)])
def test_layer_with_a_cache_is_the_full_pass(pattern, compiled):
  layer = attention.MultiHeadAttention(2, pattern)
  x = _normal(3, pattern.length, 8)
  expected = layer(x).numpy()
  step = tf.function(layer.step, jit_compile=compiled, autograph=False)
  cache = layer.initial_cache(3)
  for t in range(pattern.length):
    y_t, cache = step(x[:, t:t + 1], cache, tf.constant(t))
    np.testing.assert_allclose(y_t, expected[:, t:t + 1], atol=1e-5)
    assert np.all(cache[0][:, :, t]) and not np.any(cache[0][:, :, t + 1:])


@pytest.mark.parametrize('pattern', [
    CausalAttention((4, 3, 4)), SparseCausalAttention((4, 3, 4), block=4, local_blocks=1)])
def test_cache_that_grows(pattern):
  layer = attention.MultiHeadAttention(2, pattern)
  x = _normal(3, pattern.length, 8)
  expected = layer(x).numpy()
  step = tf.function(layer.step, autograph=False)
  cache = layer.initial_cache(3, tokens=10)
  assert cache[0].shape[2] == (10 if isinstance(pattern, CausalAttention) else 12)
  for t in range(pattern.length):
    if t in (10, 29):
      cache = layer.extend_cache(cache, {10: 29, 29: 48}[t])
    y_t, cache = step(x[:, t:t + 1], cache, tf.constant(t))
    np.testing.assert_allclose(y_t, expected[:, t:t + 1], atol=1e-5)


@pytest.mark.slow
def test_sampling_loop_in_one_compiled_function():
  pattern = SparseCausalAttention((4, 4, 4), block=8)
  layer = attention.MultiHeadAttention(2, pattern)
  x = _normal(2, 64, 8)
  expected = layer(x).numpy()

  @tf.function(jit_compile=True)
  def run(x):
    cache, rows = layer.initial_cache(2), tf.zeros([64, 2, 1, 8])
    for t in tf.range(64):
      y_t, cache = layer.step(tf.gather(x, [t], axis=1), cache, t)
      rows = tf.tensor_scatter_nd_update(rows, [[t]], y_t[tf.newaxis])
    return tf.transpose(rows[:, :, 0], [1, 0, 2])

  np.testing.assert_allclose(run(x), expected, atol=1e-5)


def test_layers_respect_mixed_precision():
  policy = tf.keras.mixed_precision.global_policy()
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    layer = attention.MultiHeadAttention(2, CausalAttention((4, 4)))
    axial = attention.AxialAttention()
  finally:
    tf.keras.mixed_precision.set_global_policy(policy)
  x = _normal(2, 16, 8)
  with tf.GradientTape() as tape:
    y = layer(x)
    loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
  assert y.dtype == tf.bfloat16
  assert all(g.dtype == tf.float32 for g in tape.gradient(loss, layer.trainable_variables))
  y_0, cache = layer.step(x[:, :1], layer.initial_cache(2), tf.constant(0))
  assert y_0.dtype == cache[0].dtype == tf.bfloat16
  np.testing.assert_allclose(tf.cast(y_0, tf.float32), tf.cast(y[:, :1], tf.float32), atol=0.05)
  assert axial(_normal(1, 2, 2, 2, 4)).dtype == tf.bfloat16


def test_wrong_arguments_of_the_layer():
  with pytest.raises(ValueError, match='heads must divide'):
    attention.MultiHeadAttention(3)(_normal(1, 4, 8))
  with pytest.raises(ValueError, match='context must be None'):
    attention.MultiHeadAttention(2, CausalAttention((4,)))(_normal(1, 4, 8), _normal(1, 4, 8))


def test_axial_attention_sums_three_axes():
  layer = attention.AxialAttention(heads=2)
  x = _normal(2, 3, 4, 5, 6)
  y = layer(x).numpy()
  expected = np.zeros_like(y)
  for b in range(2):
    for i in range(4):
      for j in range(5):
        expected[b, :, i, j] += _numpy_layer(layer.along['T'], x[b, :, i, j].numpy()[None])[0]
    for t in range(3):
      for j in range(5):
        expected[b, t, :, j] += _numpy_layer(layer.along['H'], x[b, t, :, j].numpy()[None])[0]
      for i in range(4):
        expected[b, t, i] += _numpy_layer(layer.along['W'], x[b, t, i].numpy()[None])[0]
  np.testing.assert_allclose(y, expected, atol=1e-5)
  assert layer.count_params() == 3 * (4 * 36 + 6)


# --- dropout of weights ---


def _masked_by_hand(pattern, rate, seed, q, k, v):
  """Plain attention with the masks that the pattern draws, a chunk of queries at a time."""
  weights = []
  for i, (start, stop) in enumerate(pattern._chunks):
    mask = randomness.dropout(
        tf.ones([*q.shape[:2], stop - start, stop]), rate, randomness.fold_in(seed, i))
    weights.append(tf.pad(mask, [[0, 0], [0, 0], [0, 0], [0, q.shape[2] - stop]]))
  mask = tf.concat(weights, 2)
  scores = tf.matmul(q, k, transpose_b=True) / np.sqrt(q.shape[-1])
  causal = np.tril(np.ones([q.shape[2]] * 2, bool))
  return tf.matmul(tf.nn.softmax(tf.where(causal, scores, -1e30)) * mask, v)


def test_dropout_and_its_gradients():
  pattern = attention.CausalAttention((12,), query_chunk=5, dropout=0.4)
  seed = randomness.seed_of(3)
  q, k, v, upstream = _qkv(pattern, count=4)
  ours = _gradients(lambda q, k, v: pattern(q, k, v, seed), q, k, v, upstream)
  by_hand = _gradients(
      lambda q, k, v: _masked_by_hand(pattern, 0.4, seed, q, k, v), q, k, v, upstream)
  np.testing.assert_allclose(
      pattern(q, k, v, seed), _masked_by_hand(pattern, 0.4, seed, q, k, v), atol=1e-5)
  for a, b in zip(ours, by_hand, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
  assert np.any(pattern(q, k, v, seed) != pattern(q, k, v))
  np.testing.assert_array_equal(
      pattern(q, k, v), attention.CausalAttention((12,), query_chunk=5)(q, k, v))


def test_a_layer_passes_the_seed_on():
  pattern = attention.CausalAttention((12,), dropout=0.4)
  layer, x = attention.MultiHeadAttention(2, pattern), _normal(2, 12, 8)
  plain = layer(x)
  np.testing.assert_array_equal(layer(x), plain)
  assert np.any(layer(x, seed=randomness.seed_of(1)) != plain)
  np.testing.assert_array_equal(
      layer(x, seed=randomness.seed_of(1)), layer(x, seed=randomness.seed_of(1)))


def test_values_may_be_narrower():
  layer = attention.MultiHeadAttention(2, value_width=6)
  x, context = _normal(2, 5, 8), _normal(2, 3, 10, seed=1)
  y = layer(x, context)
  assert y.shape == (2, 5, 8)
  assert layer.w_v.kernel.shape == (10, 6) and layer.w_o.kernel.shape == (6, 8)
  q, k, v = (np.asarray(a) @ w.kernel.numpy() for a, w in (
      (x, layer.w_q), (context, layer.w_k), (context, layer.w_v)))
  heads = [_numpy_attention(q[..., 4 * h:4 * h + 4], k[..., 4 * h:4 * h + 4],
                            v[..., 3 * h:3 * h + 3]) for h in range(2)]
  np.testing.assert_allclose(
      y, np.concatenate(heads, -1) @ layer.w_o.kernel.numpy() + layer.w_o.bias.numpy(), atol=1e-5)
  with pytest.raises(ValueError, match='must divide the width 7 of the values'):
    attention.MultiHeadAttention(2, value_width=7)(x, context)
  with pytest.raises(ValueError, match='is for attention without a pattern'):
    attention.MultiHeadAttention(2, attention.CausalAttention((5,)), value_width=6)(x)
