"""BigGAN's blocks against NumPy, composed of their weights."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import replicas
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm

B, T, H, W, D = 2, 2, 4, 6, 5
CONV, SEPARABLE = spectral_norm.Conv, spectral_norm.SeparableConv
CONV3D = functools.partial(spectral_norm.Conv, sides=(3, 3, 3))
RECORDED = conditional_batch_norm.Steps(recorded=tf.ones([T], tf.bool))


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _count(layer):
  return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


def _conv(layer, x):
  """Frame by frame, 3-D, or over time and then over space."""
  if isinstance(layer, SEPARABLE):
    return _conv(layer.over_space, spectral_weights.conv_over_time(layer.over_time, x))
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


def _generator_block(channels, upsample, conv=CONV):
  block = residual_blocks.GeneratorBlock(channels, upsample, conv)
  block(tf.zeros([B, T, H, W, 3]), tf.zeros([B, D]))
  for norm in conditional_batch_norm.norms(block):
    norm.keep(T)
  spectral_weights.randomize(block)
  return block


# Norms; convolutions; a shortcut where channels or sizes change.
@pytest.mark.parametrize('channels, upsample, conv, count', [
    (3, False, CONV, 2 * 2 * 6 * 3 + 2 * (81 + 3)),
    (4, False, CONV, 2 * 6 * 3 + 2 * 6 * 4 + 108 + 4 + 144 + 4 + 12 + 4),
    (3, True, CONV, 2 * 2 * 6 * 3 + 2 * (81 + 3) + 9 + 3),
    (4, True, CONV3D, 2 * 6 * 3 + 2 * 6 * 4 + 324 + 4 + 432 + 4 + 12 + 4),
    (3, False, SEPARABLE, 2 * 2 * 6 * 3 + 2 * (27 + 3 + 81 + 3)),
    (4, True, SEPARABLE,
     2 * 6 * 3 + 2 * 6 * 4 + 36 + 4 + 144 + 4 + 48 + 4 + 144 + 4 + 12 + 4)])
def test_generator_blocks(channels, upsample, conv, count):
  block = _generator_block(channels, upsample, conv)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  found = block(x, condition, training=True)
  expected = _generator_reference(block, x, condition)
  assert found.shape == (B, T, H * (1 + upsample), W * (1 + upsample), channels)
  np.testing.assert_allclose(found, expected, atol=1e-4)
  assert _count(block) == count
  assert [block.conv_1.name, block.conv_2.name] == ['conv_1', 'conv_2']


def test_a_recorded_batch_is_evaluated_as_it_was():
  block = _generator_block(4, True)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  before = block(x, condition)
  recorded = block(x, condition, steps=RECORDED)
  np.testing.assert_allclose(block(x, condition), recorded, atol=1e-4)
  np.testing.assert_allclose(block(x, condition, training=True), recorded, atol=1e-4)
  assert np.abs(before - recorded).max() > 0.1
  for norm in (block.norm_1, block.norm_2):
    np.testing.assert_array_equal(norm.standing.passes, [1, 1])
  # Of the second time step alone.
  last = block(x[:, 1:], condition, steps=conditional_batch_norm.Steps(1))
  np.testing.assert_allclose(last, recorded[:, 1:], atol=1e-4)


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


@pytest.mark.parametrize('sides, conv', [
    ((3, 3), CONV), ((3, 3, 3), CONV3D), ((3, 3), SEPARABLE)])
def test_bfloat16(sides, conv):
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  generator = _generator_block(4, True, conv)
  discriminator = residual_blocks.DiscriminatorBlock(4, sides=sides, pool_time=True)
  x, condition = _draw(B, T, H, W, 3), _draw(B, D, seed=1)
  found = generator(x, condition, training=True)
  assert found.dtype == discriminator(x, training=True).dtype == tf.bfloat16
  expected = _generator_reference(generator, x, condition)
  assert np.abs(tf.cast(found, tf.float32) - expected).mean() < 0.05
  assert {v.dtype for v in generator.variables + discriminator.variables} == {tf.float32}


def _step(block, x, condition, weight):
  """Outputs of this replica's rows, and all replicas' gradients of the variables. Records."""
  rows = B // replicas.count()
  own = lambda value: tf.slice(value, [replicas.index() * rows] + [0] * (len(value.shape) - 1),
                               [rows, *value.shape[1:]])
  with tf.GradientTape() as tape:
    y = block(own(x), own(condition), training=True)
    loss = tf.reduce_mean(y * own(weight)) / replicas.count()
  gradients = replicas.total(tape.gradient(loss, block.trainable_variables))
  return (y, block(own(x), own(condition), steps=RECORDED)), gradients


@pytest.mark.slow
def test_replicas_agree(two_replicas):
  with two_replicas.scope():
    block = _generator_block(4, True)
  alone = _generator_block(4, True)
  x, condition, weight = (tf.constant(_draw(*shape, seed=seed)) for seed, shape in enumerate(
      [(B, T, H, W, 3), (B, D), (B, T, 2 * H, 2 * W, 4)]))
  y, gradients = tf.nest.map_structure(
      two_replicas.experimental_local_results,
      tf.function(lambda: two_replicas.run(_step, args=(block, x, condition, weight)),
                  autograph=False)())
  expected_y, expected_gradients = _step(alone, x, condition, weight)
  for found, expected in zip(y, expected_y, strict=True):
    np.testing.assert_allclose(tf.concat(found, 0), expected, atol=1e-5)
  for found, expected in zip(gradients, expected_gradients, strict=True):
    for value in found:
      np.testing.assert_allclose(value, expected, atol=1e-5)
  state = lambda block: block.non_trainable_variables + [
      variable for norm in conditional_batch_norm.norms(block)
      for variable in norm.standing.variables]
  for found, expected in zip(state(block), state(alone), strict=True):
    for value in two_replicas.experimental_local_results(found):
      np.testing.assert_allclose(value, expected, atol=1e-5)
