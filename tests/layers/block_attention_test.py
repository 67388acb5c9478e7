"""Block-local attention against NumPy: blocks, biases, masks, steps."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import block_attention

SHAPE, HEADS, HEAD_WIDTH = (2, 4, 4), 2, 3


def _members(block, dilated):
  """The positions of every block, in raster order, and the place of each inside, per axis."""
  positions = list(itertools.product(*map(range, SHAPE)))
  grid = [n // b for n, b in zip(SHAPE, block)]
  blocks = {}
  for p in positions:
    outer, inner = zip(*(divmod(i, b) for i, b in zip(p, block)))
    blocks.setdefault(inner if dilated else outer, []).append((p, outer if dilated else inner))
  assert all(len(m) == (np.prod(grid) if dilated else np.prod(block)) for m in blocks.values())
  return list(blocks.values())


def _layer(block, **options):
  layer = block_attention.BlockLocalAttention(block, HEADS, head_width=HEAD_WIDTH, **options)
  rng = np.random.default_rng(0)
  x = tf.constant(rng.normal(size=(2, *SHAPE, 5)), tf.float32)
  layer(x)
  for table in layer.relative_bias.tables:
    table.assign(rng.normal(size=table.shape))
  return layer, x


def _reference(layer, x, block, causal, dilated, sentinel):
  q, k, v = ((x.numpy() @ w.kernel.numpy()).reshape(*x.shape[:4], HEADS, HEAD_WIDTH)
             for w in (layer.w_q, layer.w_k, layer.w_v))
  tables = [table.numpy() for table in layer.relative_bias.tables]
  y = np.zeros_like(q)
  for members in _members(block, dilated):
    for (i, inner_i), b, h in itertools.product(members, range(2), range(HEADS)):
      seen = [(j, inner_j) for j, inner_j in members if j <= i or not causal]
      scores = np.array([
          q[b][i][h] @ k[b][j][h] / np.sqrt(HEAD_WIDTH)
          + sum(table[h, m - n + table.shape[1] // 2]
                for table, m, n in zip(tables, inner_i, inner_j)) for j, inner_j in seen])
      weights = np.exp(scores - scores.max())
      weights /= weights.sum()
      for weight, (j, _) in zip(weights, seen):
        y[b][i][h] += (0 if sentinel and i == j else weight) * v[b][j][h]
  return y.reshape(*x.shape[:4], -1) @ layer.w_p.kernel.numpy()


CASES = [
    ((1, 2, 4), False, False, False), ((2, 2, 2), True, False, False),
    ((2, 4, 4), True, False, False), ((1, 4, 2), True, True, False),
    ((2, 1, 2), False, True, False), ((2, 2, 2), True, False, True)]


@pytest.mark.parametrize('block, causal, dilated, sentinel', CASES)
def test_reference(block, causal, dilated, sentinel):
  layer, x = _layer(block, causal=causal, dilated=dilated, sentinel=sentinel)
  np.testing.assert_allclose(
      layer(x), _reference(layer, x, block, causal, dilated, sentinel), atol=1e-5)


@pytest.mark.parametrize('block, causal, dilated, sentinel, compiled', [
    *[(*case, False) for case in CASES if case[1]],
    *[pytest.param(*case, True, marks=pytest.mark.slow) for case in CASES if case[1]]])
def test_step_is_a_position_of_a_call(block, causal, dilated, sentinel, compiled):
  layer, x = _layer(block, causal=causal, dilated=dilated, sentinel=sentinel)
  y, cache = layer(x, caching=True)
  step = tf.function(lambda *args: layer.step(*args, layer.bias()), jit_compile=compiled,
                     autograph=False)
  cache = [tf.fill(part.shape, 1e3) for part in cache]  # nothing is read before it is written
  places = list(itertools.product(*map(range, SHAPE)))
  for position, place in enumerate(places):
    x_t = x[(slice(None), *(slice(i, i + 1) for i in place))]
    got, cache = step(x_t, cache, tf.constant(position))
    np.testing.assert_allclose(got[:, 0, 0, 0], y[(slice(None), *place)], atol=1e-5)


@pytest.mark.parametrize('dilated', [False, True])
def test_blocks_and_their_inverse(dilated):
  blocks = block_attention.Blocks(SHAPE, (1, 2, 4), dilated)
  x = tf.reshape(tf.range(2 * 32 * 3), [2, *SHAPE, 3])
  split = blocks.split(x)
  assert split.shape == (2, blocks.count, blocks.length, 3)
  np.testing.assert_array_equal(blocks.join(split), x)
  flat = tf.reshape(x, [2, 32, 3]).numpy()
  np.testing.assert_array_equal(split.numpy()[:, blocks.block_of, blocks.place_of], flat)


def test_blocks_that_do_not_fit():
  with pytest.raises(ValueError, match=r'blocks of \(1, 3, 4\) must divide .* \(2, 4, 4\)'):
    block_attention.Blocks(SHAPE, (1, 3, 4))


def test_scores_are_not_rounded():
  """In bfloat16, scores of some hundred would lose all that is below 1; float32 ones are exact."""
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  layer = block_attention.BlockLocalAttention((1, 1, 2), heads=1, head_width=4)
  layer.build(tf.TensorShape([1, 1, 1, 2, 4]))
  q = tf.constant([16.0, 16, 1, 0], tf.bfloat16)[None, None, None, None]
  k = tf.constant([[16.0, 16, 1, 0], [16, 16, 0, 0]], tf.bfloat16)[None, None, None]
  v = tf.constant([[1.0, 0, 0, 0], [0, 1, 0, 0]], tf.bfloat16)[None, None, None]
  y = layer._attend(q, k, v, tf.zeros([1, 1, 2]))
  share = 1 / (1 + np.exp(-0.5))  # scores of 256.5 and 256
  np.testing.assert_allclose(
      tf.cast(y[0, 0, 0, 0, :2], tf.float32), [share, 1 - share], atol=0.01)
