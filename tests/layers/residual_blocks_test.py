"""BigGAN's blocks against NumPy, composed of their weights."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import replicas
from tf_videogen.layers import residual_blocks

B, T, H, W, D = 2, 2, 4, 6, 5


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _count(layer):
  return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


def _conv(layer, x):
  """Frame by frame, or 3-D."""
  if len(layer.sides) == 3:
    return spectral_weights.conv(layer, x)
  y = spectral_weights.conv(layer, x.reshape(-1, *x.shape[2:]))
  return y.reshape(*x.shape[:2], *y.shape[1:])


def _norm(layer, x, condition):
  mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
  gain, offset = (spectral_weights.dense(affine, condition)[:, None, None, None]
                  for affine in (layer.gain, layer.offset))
  return (x - mean) / np.sqrt(variance + 1e-5) * (1 + gain) + offset


def _relu(x):
  return np.maximum(x, 0)


def _generator_reference(block, x, condition):
  """BigGAN's own order: the shortcut is up-sampled before its convolution."""
  larger = (lambda x: x.repeat(2, 2).repeat(2, 3)) if block.upsample else (lambda x: x)
  h = _conv(block.conv_1, larger(_relu(_norm(block.norm_1, x, condition))))
  h = _conv(block.conv_2, _relu(_norm(block.norm_2, h, condition)))
  shortcut = larger(x)
  return h + (shortcut if block.shortcut is None else _conv(block.shortcut, shortcut))


def _discriminator_reference(block, x, pool_time):
  def smaller(x):
    if not block.downsample:
      return x
    batch, time, height, width, channels = x.shape
    t = 2 if pool_time else 1
    boxes = x.reshape(batch, time // t, t, height // 2, 2, width // 2, 2, channels)
    return boxes.mean((2, 4, 6))
  h = _conv(block.conv_1, _relu(x) if block.preactivation else x)
  h = smaller(_conv(block.conv_2, _relu(h)))
  if block.shortcut is None:
    return h + x
  return h + (smaller(_conv(block.shortcut, x)) if block.preactivation else
              _conv(block.shortcut, smaller(x)))


def _generator_block(channels, upsample, sides=(3, 3)):
  block = residual_blocks.GeneratorBlock(channels, upsample, sides)
  block(tf.zeros([B, T, H, W, 3]), tf.zeros([B, D]))
  spectral_weights.randomize(block)
  return block


# Norms; convolutions; a shortcut where channels or sizes change.
@pytest.mark.parametrize('channels, upsample, sides, count', [
    (3, False, (3, 3), 2 * 2 * 6 * 3 + 2 * (81 + 3)),
    (4, False, (3, 3), 2 * 6 * 3 + 2 * 6 * 4 + 108 + 4 + 144 + 4 + 12 + 4),
    (3, True, (3, 3), 2 * 2 * 6 * 3 + 2 * (81 + 3) + 9 + 3),
    (4, True, (3, 3, 3), 2 * 6 * 3 + 2 * 6 * 4 + 324 + 4 + 432 + 4 + 12 + 4)])
def test_generator_blocks(channels, upsample, sides, count):
  block = _generator_block(channels, upsample, sides)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  found = block(x, condition, training=True)
  expected = _generator_reference(block, x, condition)
  assert found.shape == (B, T, H * (1 + upsample), W * (1 + upsample), channels)
  np.testing.assert_allclose(found, expected, atol=1e-4)
  assert _count(block) == count


def test_a_recorded_batch_is_evaluated_as_it_was():
  block = _generator_block(4, True)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  before = block(x, condition)
  trained = block(x, condition, training=True, record=True)
  np.testing.assert_allclose(block(x, condition), trained, atol=1e-4)
  assert np.abs(before - trained).max() > 0.1
  assert block.norm_1.passes.numpy() == block.norm_2.passes.numpy() == 1


@pytest.mark.parametrize('arguments, count', [
    ({'channels': 4}, 108 + 4 + 144 + 4 + 12 + 4),
    ({'channels': 4, 'preactivation': False}, 108 + 4 + 144 + 4 + 12 + 4),
    ({'channels': 3}, 2 * (81 + 3) + 9 + 3),
    ({'channels': 3, 'downsample': False}, 2 * (81 + 3)),
    ({'channels': 4, 'downsample': False}, 108 + 4 + 144 + 4 + 12 + 4),
    ({'channels': 4, 'sides': (3, 3, 3)}, 324 + 4 + 432 + 4 + 12 + 4),
    ({'channels': 4, 'sides': (3, 3, 3), 'preactivation': False, 'pool_time': True},
     324 + 4 + 432 + 4 + 12 + 4)])
def test_discriminator_blocks(arguments, count):
  block = residual_blocks.DiscriminatorBlock(**arguments)
  x = _draw(B, T, H, W, 3)
  block(x)
  spectral_weights.randomize(block)
  expected = _discriminator_reference(block, x, arguments.get('pool_time', False))
  np.testing.assert_allclose(block(x, training=True), expected, atol=1e-5)
  assert _count(block) == count


def test_time_is_pooled_where_space_is():
  with pytest.raises(ValueError, match='pool_time=True needs downsample=True'):
    residual_blocks.DiscriminatorBlock(4, downsample=False, pool_time=True)


@pytest.mark.parametrize('sides', [(3, 3), (3, 3, 3)])
def test_bfloat16(sides):
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  generator = _generator_block(4, True, sides)
  discriminator = residual_blocks.DiscriminatorBlock(4, sides=sides, pool_time=True)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  found = generator(x, condition, training=True, record=True)
  assert found.dtype == discriminator(x, training=True).dtype == tf.bfloat16
  expected = _generator_reference(generator, x, condition)
  assert np.abs(tf.cast(found, tf.float32) - expected).mean() < 0.05
  assert {v.dtype for v in generator.variables + discriminator.variables} == {tf.float32}


def _step(block, x, condition, weight):
  """Outputs of this replica's rows, and all replicas' gradients of the variables."""
  rows = B // replicas.count()
  own = lambda value: tf.slice(value, [replicas.index() * rows] + [0] * (len(value.shape) - 1),
                               [rows, *value.shape[1:]])
  with tf.GradientTape() as tape:
    y = block(own(x), own(condition), training=True, record=True)
    loss = tf.reduce_mean(y * own(weight)) / replicas.count()
  return y, replicas.total(tape.gradient(loss, block.trainable_variables))


def test_replicas_agree(two_replicas):
  with two_replicas.scope():
    block = _generator_block(4, True)
  alone = _generator_block(4, True)
  x, condition, weight = (tf.constant(_draw(*shape, seed=seed)) for seed, shape in enumerate(
      [(B, T, H, W, 3), (B, D), (B, T, 2 * H, 2 * W, 4)]))
  y, gradients = tf.nest.map_structure(
      two_replicas.experimental_local_results,
      tf.function(lambda: two_replicas.run(_step, args=(block, x, condition, weight)))())
  expected_y, expected_gradients = _step(alone, x, condition, weight)
  np.testing.assert_allclose(tf.concat(y, 0), expected_y, atol=1e-5)
  for found, expected in zip(gradients, expected_gradients, strict=True):
    for value in found:
      np.testing.assert_allclose(value, expected, atol=1e-5)
  for found, expected in zip(block.non_trainable_variables, alone.non_trainable_variables):
    for value in two_replicas.experimental_local_results(found):
      np.testing.assert_allclose(value, expected, atol=1e-5)
