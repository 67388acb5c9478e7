"""Generators of cascades: NumPy, parameters by formulas, reach, windows, pairs, wrong models."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.layers import spectral_norm
from tf_videogen.models import cascade
from tf_videogen.models import discriminators
from tf_videogen.models import dvd_gan

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, LATENT, CLASSES, COLORS = 2, 3, 3, 2


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).uniform(-1, 1, size=shape).astype(np.float32)


def _inputs(generator, frames, seed=0):
  """z, labels, and a video to be upscaled."""
  side = generator.resolution // generator.factor
  return (2 * _draw(B, LATENT, seed=seed + 1), np.array([2, 1], np.int32),
          _draw(B, frames, side, side, COLORS, seed=seed + 2))


def _made(generator, z, labels, given, **kwargs):
  """What an upscaling generator makes of a video."""
  video, warps = generator(z, labels, given, generator.repeats * given.shape[1], **kwargs)
  assert warps == []
  return video


@pytest.fixture(autouse=True)
def _kernels_are_computed_once():
  with spectral_weights.computed_once():
    yield


@functools.cache
def _built(policy, **kwargs):
  """Made once; whoever takes it sets all of its variables, and has no standing statistics yet."""
  assert policy == tf.keras.mixed_precision.global_policy().name
  generator = cascade.UpscalingGenerator(**kwargs)
  _made(generator, *_inputs(generator, 1))
  return generator


def _upscaling(frames, multipliers=(2, 1), standing=True, **kwargs):
  """Random weights; standing statistics that differ from time step to time step."""
  kwargs = {'channels': 2, 'factor': 2, 'image_channels': COLORS, 'latent': LATENT,
            'classes': CLASSES, **kwargs}
  generator = _built(tf.keras.mixed_precision.global_policy().name, multipliers=multipliers,
                     **kwargs)
  rng = np.random.default_rng(0)
  spectral_weights.randomize(generator, rng)
  for norm in conditional_batch_norm.norms(generator):
    norm.standing = None
  if standing:
    generator.keep_statistics(generator.repeats * frames, 4)
    for norm in conditional_batch_norm.norms(generator):
      norm.standing.mean.assign(rng.normal(size=norm.standing.mean.shape))
      norm.standing.variance.assign(rng.uniform(0.5, 4, size=norm.standing.variance.shape))
  return generator


def _count(layer):
  return sum(variable.shape.num_elements() for variable in layer.trainable_variables)


def _assert_pieces_are_the_whole(generator, inputs, sizes, expected, frames):
  for most in sizes:
    found = pieces.unroll(generator, *inputs, frames, most)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=f'{most} frames a piece')


# --- by NumPy ---


def _conv(layer, x):
  """Of every frame: [B, T, H, W, I] -> [B, T, H, W, O]."""
  y = spectral_weights.conv(layer, x.reshape(-1, *x.shape[2:]))
  return y.reshape(*x.shape[:2], *y.shape[1:])


def _separable(layer, x):
  return _conv(layer.over_space, spectral_weights.conv_over_time(layer.over_time, x))


def _norm(layer, x, condition=None):
  """By the standing statistics, or those of the batch where there are none."""
  if layer.standing:
    mean, variance = (v.numpy()[:, None, None] for v in layer.standing.variables[:2])
  else:
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
  x = (x - mean) / np.sqrt(variance + 1e-5)
  if condition is None:
    return x * layer.gain.numpy() + layer.offset.numpy()
  gain, offset = (spectral_weights.dense(affine, condition)[:, None, None, None]
                  for affine in (layer.gain, layer.offset))
  return x * (1 + gain) + offset


def _relu(x):
  return np.maximum(x, 0)


def _block(block, x, condition, upsample=False, conv=_conv):
  larger = (lambda x: x.repeat(2, 2).repeat(2, 3)) if upsample else (lambda x: x)
  h = conv(block.conv_1, larger(_relu(_norm(block.norm_1, x, condition))))
  h = conv(block.conv_2, _relu(_norm(block.norm_2, h, condition)))
  return h + (_conv(block.shortcut, larger(x)) if block.shortcut else x)


def _temporal(block, x, condition):
  if isinstance(block, cascade.ConvGRULayer):
    return block.unit(tf.constant(x, tf.float32))[0].numpy()
  return _block(block, x, condition, conv=_separable)


def _unit(unit, x, video, condition, upsample, each_block):
  """Every block, and what is added at its end: pixels of the input by nearest neighbours."""
  repeats, low = x.shape[1] // video.shape[1], video.shape[2]
  for i, block in enumerate(unit.blocks):
    if i == 0:
      x = _temporal(block, x, condition)
    else:
      x = _block(block, x, condition, upsample and i == 2)
    side = x.shape[2]
    if low >= side and (each_block or i == 2):
      smaller = video[:, :, ::low // side, ::low // side]
      x = x + _conv(unit.residuals[i].map, smaller).repeat(repeats, 1)
    else:
      assert unit.residuals[i] is None
  return x


def _whole(generator, z, labels, video, stages, each_block):
  """The generator's video; `stages` units double the resolution."""
  kernel = generator.embed.kernel
  w = kernel.w.numpy().astype(np.float64)
  condition = np.concatenate([z, w[labels] / np.linalg.svd(w, compute_uv=False)[0]], 1)
  x = condition @ generator.first.kernel.w.numpy() + generator.first.bias.numpy()
  x = x.reshape(B, 1, 4, 4, -1).repeat(generator.repeats * video.shape[1], 1)
  for i, unit in enumerate(generator.units):
    x = _unit(unit, x, video, condition, i < stages, each_block)
  return np.tanh(_conv(generator.to_image, _relu(_norm(generator.norm, x))))


def _conv_parameters(inputs, outputs, taps=9):
  return taps * inputs * outputs + outputs


def _parameters(widths, low, stages, temporal, each_block):
  affine = lambda outputs: 2 * LATENT * outputs + outputs
  total = CLASSES * LATENT + affine(16 * widths[0])
  inputs, side = widths[0], 4
  for i, width in enumerate(widths):
    if temporal is cascade.ConvGRULayer:
      total += 3 * _conv_parameters(inputs + width, width)
    else:
      total += 2 * affine(inputs) + 2 * affine(width)
      total += _conv_parameters(inputs, width, taps=3) + _conv_parameters(width, width, taps=3)
      total += 2 * _conv_parameters(width, width)
      total += _conv_parameters(inputs, width, taps=1) if inputs != width else 0
    total += 4 * 2 * affine(width) + 4 * _conv_parameters(width, width)
    total += _conv_parameters(width, width, taps=1) if i < stages else 0
    ends = [side, side, 2 * side if i < stages else side]
    residuals = sum(end <= low for end in (ends if each_block else ends[2:]))
    total += residuals * _conv_parameters(COLORS, width, taps=1)
    inputs, side = width, ends[2]
  return total + 2 * inputs + _conv_parameters(inputs, COLORS)


GENERATORS = [  # arguments, units that double the resolution, where residuals are
    ({}, 2, [[4, 4, 8], [8, 8, None]]),
    ({'repeats': 1, 'factor': 1}, 2, [[4, 4, 8], [8, 8, 16]]),
    ({'repeats': 3, 'factor': 4}, 2, [[4, 4, None], [None, None, None]]),
    ({'each_block': False}, 2, [[None, None, 8], [None, None, None]]),
    ({'each_block': False, 'factor': 1}, 2, [[None, None, 8], [None, None, 16]]),
    ({'upsampling_stages': 1}, 1, [[4, 4, None], [None, None, None]]),
    ({'upsampling_stages': 1, 'factor': 1, 'multipliers': (1, 2, 1)}, 1,
     [[4, 4, 8], [8, 8, 8], [8, 8, 8]]),
    ({'upsampling_stages': 0, 'factor': 1, 'repeats': 1}, 0, [[4, 4, 4], [4, 4, 4]]),
    ({'temporal': cascade.ConvGRULayer}, 2, [[4, 4, 8], [8, 8, None]]),
    ({'repeats': 3, 'upsampling_stages': 1}, 1, [[4, 4, None], [None, None, None]]),
    ({'each_block': False, 'upsampling_stages': 0, 'factor': 1, 'repeats': 1}, 0,
     [[None, None, 4], [None, None, 4]]),
    ({'temporal': cascade.ConvGRULayer, 'factor': 4}, 2, [[4, 4, None], [None, None, None]]),
]


@pytest.mark.parametrize('how, stages, residuals, standing', [
    *[(*GENERATORS[i], True) for i in (0, 9, 10, 11)], (*GENERATORS[0], False),
    *[pytest.param(*GENERATORS[i], standing, marks=pytest.mark.slow)
      for i, standing in (*((i, True) for i in range(1, 9)), (3, False))]])
def test_the_whole_generator(how, stages, residuals, standing):
  """Its parameters, its videos by standing statistics, and those of training."""
  generator = _upscaling(3, standing=standing, **how)
  widths = [2 * m for m in how.get('multipliers', (2, 1))]
  each_block, low = how.get('each_block', True), 4 * 2**stages // generator.factor
  assert _count(generator) == _parameters(
      widths, low, stages, how.get('temporal', cascade.SeparableBlock), each_block)
  found_residuals = [[side if residual else None for side, residual in
                      zip(unit.sides, unit.residuals)] for unit in generator.units]
  assert found_residuals == residuals
  z, labels, video = _inputs(generator, 3)
  found = _made(generator, z, labels, video, training=not standing)
  expected = _whole(generator, z, labels, video, stages, each_block)
  side = 4 * 2**stages
  assert generator.resolution == side
  assert found.shape == (B, 3 * generator.repeats, side, side, COLORS)
  assert found.dtype == tf.float32 and 0.1 < np.abs(expected).mean() < 0.9
  np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
  assert np.abs(found - expected).mean() < 1e-5


def test_by_default_all_units_double_the_resolution_and_frames_become_twice_as_many():
  generator = cascade.UpscalingGenerator()
  assert (generator.resolution, generator.factor, generator.repeats) == (128, 4, 2)
  assert [unit.blocks[1].channels for unit in generator.units] == [1024, 1024, 512, 256, 128]
  assert generator.radius == 10
  assert [[residual is not None for residual in unit.residuals] for unit in generator.units] == (
      3 * [[True] * 3] + [[True, True, False], [False] * 3])
  first = cascade.FirstGenerator()
  assert first.resolution == 32 and first.channels == 128 and first.multipliers == (8, 8, 4, 2)


@pytest.mark.parametrize('repeats', [1, 2, 3])
@pytest.mark.parametrize('side', [2, 4, 8])
def test_residual_connections(repeats, side):
  residual, video = cascade.Residual(5, repeats), _draw(B, 3, 8, 8, COLORS)
  residual(video, side)
  spectral_weights.randomize(residual)
  expected = _conv(residual.map, video[:, :, ::8 // side, ::8 // side]).repeat(repeats, 1)
  found = residual(video, side)
  assert found.shape == (B, 3 * repeats, side, side, 5)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert _count(residual) == 5 * COLORS + 5


@pytest.mark.parametrize('outputs', [4, 3])
def test_separable_blocks(outputs):
  """Two separable convolutions, and a shortcut where channels change."""
  block = cascade.SeparableBlock(outputs)
  x, condition = _draw(B, 5, 4, 6, 3), _draw(B, 2 * LATENT, seed=1)
  block(x, condition)
  spectral_weights.randomize(block)
  affine = lambda channels: 2 * (2 * LATENT * channels + channels)
  parameters = (affine(3) + affine(outputs) + 3 * 3 * outputs + 3 * outputs**2
                + 2 * 9 * outputs**2 + 4 * outputs + (4 * outputs if outputs != 3 else 0))
  assert _count(block) == parameters
  assert bool(block.shortcut) == (outputs != 3)
  found = block(x, condition, training=True)
  expected = _block(block, x, condition, conv=_separable)
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_separable_blocks_reach_two_frames():
  block = cascade.SeparableBlock(3)
  x, condition = _draw(B, 9, 4, 4, 3), _draw(B, 2 * LATENT, seed=1)
  block(x, condition)
  before, other = block(x, condition).numpy(), x.copy()
  other[:, 4] += 1
  changed = np.any(block(other, condition) != before, axis=(0, 2, 3, 4))
  np.testing.assert_array_equal(np.nonzero(changed)[0], range(2, 7))
  assert cascade.SeparableBlock.radius == 2


def test_parameters_by_hand():
  """A unit of two channels from 4 to 8 pixels; conditions are of six numbers, images of one."""
  generator = cascade.UpscalingGenerator(
      channels=2, multipliers=(1,), factor=2, image_channels=1, latent=3, classes=1)
  _made(generator, tf.zeros([1, 3]), tf.zeros([1], tf.int32), tf.zeros([1, 1, 4, 4, 1]))
  first = 3 + 6 * 32 + 32
  norms = 6 * 2 * (6 * 2 + 2)
  over_time, over_space, frames = 2 * (3 * 4 + 2), 2 * (9 * 4 + 2), 4 * (9 * 4 + 2)
  shortcut, residuals = 4 + 2, 2 * (2 + 2)
  last = 2 * 2 + 9 * 2 + 1
  assert _count(generator) == (
      first + norms + over_time + over_space + frames + shortcut + residuals + last) == 688


# --- the first level ---

FRAMES = 5


@functools.cache
def _built_first(multipliers=(2, 1)):
  """As `_built`."""
  generator = cascade.FirstGenerator(2, multipliers, image_channels=COLORS, latent=LATENT,
                                     classes=CLASSES)
  generator(*_first_inputs(), 1)
  return generator


def _first(most=3):
  """Random weights, and statistics of a pass in pieces."""
  generator, inputs = _built_first(), _first_inputs()
  spectral_weights.randomize(generator)
  generator.keep_statistics(FRAMES, most)
  carry = generator.begin(*inputs, FRAMES)
  count, size = pieces.divided(FRAMES, most)
  for number in range(count):
    _, carry = generator.piece(number, size, *inputs[:2], carry, FRAMES, record=True)
  return generator


def _first_inputs():
  return tf.constant(2 * _draw(B, LATENT, seed=1)), tf.constant([2, 1]), None


@pytest.mark.parametrize('multipliers', [
    (1,), (2, 1), pytest.param((1, 2, 1), marks=pytest.mark.slow)])
def test_parameters_of_the_first_level(multipliers):
  """ConvGRUs without a convolution after them, and all units but the last double the resolution."""
  generator = _built_first(multipliers)
  for norm in conditional_batch_norm.norms(generator):
    norm.standing = None
  video, warps = generator(*_first_inputs(), 2)
  side = 4 * 2**(len(multipliers) - 1)
  assert generator.resolution == side and video.shape == (B, 2, side, side, COLORS) and not warps
  assert isinstance(generator, dvd_gan.Generator) and not generator.continues
  affine = lambda outputs: 2 * LATENT * outputs + outputs
  widths = [2 * m for m in multipliers]
  expected, inputs = CLASSES * LATENT + affine(16 * widths[0]), widths[0]
  for i, (stage, width) in enumerate(zip(generator.stages, widths, strict=True)):
    assert stage.conv is None and isinstance(stage.unit, recurrent_units.ConvGRU)
    expected += 3 * _conv_parameters(inputs + width, width)
    expected += 4 * 2 * affine(width) + 4 * _conv_parameters(width, width)
    expected += _conv_parameters(width, width, taps=1) if i < len(widths) - 1 else 0
    inputs = width
  assert _count(generator) == expected + 2 * inputs + _conv_parameters(inputs, COLORS)


def test_the_first_level_by_its_layers():
  """A unit's outputs go into its blocks as they are."""
  generator = _first(most=FRAMES)
  z, labels, _ = _first_inputs()
  w = generator.embed.kernel.w.numpy()
  embedding = (w / np.linalg.svd(w, compute_uv=False)[0])[labels.numpy()]
  condition = np.concatenate([z, embedding], 1)
  x = condition @ generator.first.kernel.w.numpy() + generator.first.bias.numpy()
  x = x.reshape(B, 1, 4, 4, 4).repeat(FRAMES, 1)
  for i, stage in enumerate(generator.stages):
    x = stage.unit(tf.constant(x, tf.float32))[0].numpy()
    x = _block(stage.blocks[0], x, condition)
    x = _block(stage.blocks[1], x, condition, upsample=i == 0)
  expected = np.tanh(_conv(generator.to_image, _relu(_norm(generator.norm, x))))
  found, _ = generator(z, labels, None, FRAMES)
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_first_level_in_pieces():
  generator, inputs = _first(), _first_inputs()
  expected = generator(*inputs, FRAMES)[0].numpy()
  assert (expected[:, 1:] != expected[:, :-1]).any(axis=(2, 3, 4)).all()  # frames differ
  _assert_pieces_are_the_whole(generator, inputs, (20, 3), expected, FRAMES)


@pytest.mark.slow
def test_the_first_level_in_pieces_of_other_sizes():
  generator, inputs = _first(), _first_inputs()
  expected = generator(*inputs, FRAMES)[0].numpy()
  _assert_pieces_are_the_whole(generator, inputs, (5, 4, 1), expected, FRAMES)


# --- what frames depend on ---


@pytest.mark.parametrize('repeats, each_block, multipliers', [
    (1, True, (2, 1)), (2, False, (1,)),
    *[pytest.param(*others, marks=pytest.mark.slow) for others in (
        (3, True, (1,)), (2, True, (1, 1, 1)), (3, False, (2, 1)), (1, False, (1, 1, 1)))]])
def test_which_frames_an_input_frame_reaches(repeats, each_block, multipliers):
  """The input enters after the first unit's block over time, whose reach of two it lacks."""
  frames, at = 14, 6
  generator = _upscaling(frames, multipliers, repeats=repeats, each_block=each_block,
                         factor=1 if len(multipliers) == 1 else 2)
  assert generator.radius == 2 * len(multipliers)
  z, labels, video = _inputs(generator, frames)
  before, other = _made(generator, z, labels, video).numpy(), video.copy()
  other[1, at] *= -1
  changed = np.any(_made(generator, z, labels, other) != before, axis=(2, 3, 4))
  assert not changed[0].any()
  reach = generator.radius - 2
  expected = range(repeats * at - reach, repeats * at + repeats + reach)
  np.testing.assert_array_equal(np.nonzero(changed[1])[0], expected)


def test_z_and_class_reach_all_frames_of_their_clip():
  generator = _upscaling(3, (2,))
  z, labels, video = _inputs(generator, 3)
  before = _made(generator, z, labels, video).numpy()
  differs = lambda *inputs: np.any(_made(generator, *inputs) != before, axis=(2, 3, 4))
  expected = np.repeat([[False], [True]], 6, 1)
  for i in range(LATENT):
    other = z.copy()
    other[1, i] += 1
    np.testing.assert_array_equal(differs(other, labels, video), expected)
  np.testing.assert_array_equal(differs(z, np.array([2, 0]), video), expected)


@pytest.mark.parametrize('repeats, multipliers', [
    (1, (2, 1)), (2, (2,)), *[pytest.param(*others, marks=pytest.mark.slow)
                              for others in ((1, (2, 2)), (2, (2, 2)))]])
def test_how_far_the_padding_of_borders_reaches(repeats, multipliers):
  """Of a video that stands still, the frames within the radius of a border differ, and no more."""
  frames = 14
  generator = _upscaling(frames, multipliers, standing=False, repeats=repeats)
  z, labels, video = _inputs(generator, frames)
  made = _made(generator, z, labels, np.repeat(video[:, :1], frames, 1)).numpy()
  middle = made.shape[1] // 2
  differs = np.abs(made - made[:, middle:middle + 1]).max((0, 2, 3, 4)) > 1e-6
  radius = generator.radius
  expected = np.zeros_like(differs)
  expected[:radius] = expected[-radius:] = True
  np.testing.assert_array_equal(differs, expected)


# --- windows ---


# Frames of the input, and of pieces: those that divide the length, and don't.
@pytest.mark.parametrize('repeats, multipliers, frames, sizes', [
    (1, (2, 1), 17, (6,)), (3, (2,), 8, (7,)),
    *[pytest.param(*others, marks=pytest.mark.slow) for others in (
        (1, (2,), 10, (10, 5, 4, 1)), (1, (2, 1), 17, (5,)), (2, (2, 1), 12, (8, 5)),
        (3, (2, 1), 9, (9, 4)), (2, (2,), 11, (11, 8, 5)), (3, (2,), 8, (8, 5)))]])
def test_a_video_in_windows_is_the_whole(repeats, multipliers, frames, sizes):
  """Statistics differ at all time steps; windows are shorter than the video."""
  generator = _upscaling(frames, multipliers, repeats=repeats)
  inputs, length = [tf.constant(x) for x in _inputs(generator, frames)], repeats * frames
  expected = _made(generator, *inputs).numpy()
  assert expected.shape[1] == length and np.abs(expected).mean() > 0.1
  taken = [generator.window(pieces.divided(length, most)[1], frames) for most in sizes]
  assert min(taken) < frames and max(taken) <= frames
  _assert_pieces_are_the_whole(generator, inputs, sizes, expected, length)
  # Statistics of other time steps would show.
  for norm in conditional_batch_norm.norms(generator):
    norm.standing.mean.assign(np.roll(norm.standing.mean, 1, axis=0))
  assert np.abs(_made(generator, *inputs) - expected).max() > 0.1


@pytest.mark.parametrize('frames, repeats', [
    (1, 3),
    *[pytest.param(*others, marks=pytest.mark.slow) for others in ((1, 1), (2, 2), (3, 1))]])
def test_videos_shorter_than_a_window(frames, repeats):
  generator = _upscaling(frames, (2,), repeats=repeats)
  inputs = [tf.constant(x) for x in _inputs(generator, frames)]
  expected = _made(generator, *inputs).numpy()
  _assert_pieces_are_the_whole(generator, inputs, (1, 2), expected, repeats * frames)


@pytest.mark.parametrize('repeats', [1, 2, 3, 5])
def test_a_window_has_all_that_its_frames_depend_on(repeats):
  """And at most one frame of the input more than the least that serves anywhere."""
  generator = cascade.UpscalingGenerator(
      2, (1, 1, 1), repeats=repeats, image_channels=1, latent=1)
  radius = generator.radius
  assert radius == 6
  for size in range(1, 30):
    needed = []
    for first in range(radius, radius + repeats):
      last = first + size - 1 + radius
      needed.append(last // repeats - (first - radius) // repeats + 1)
    assert max(needed) <= generator.window(size, 999) <= max(needed) + 1
    assert generator.window(size, 3) == 3


@pytest.mark.parametrize('sizes', [(5,), pytest.param((10, 4), marks=pytest.mark.slow)])
def test_a_conv_gru_takes_the_whole_video(sizes):
  generator = _upscaling(5, temporal=cascade.ConvGRULayer, factor=4)
  assert generator.radius is None and generator.window(1, 5) == 5
  inputs = [tf.constant(x) for x in _inputs(generator, 5)]
  expected = _made(generator, *inputs).numpy()
  _assert_pieces_are_the_whole(generator, inputs, sizes, expected, 10)
  other = inputs[2].numpy()
  other[:, 0] *= -1
  changed = np.any(_made(generator, *inputs[:2], other) != expected, axis=(0, 2, 3, 4))
  np.testing.assert_array_equal(changed, [True] * 10)


@pytest.mark.parametrize('policy, how', [
    ('float32', 'compiled'), ('mixed_bfloat16', 'eager'),
    pytest.param('mixed_bfloat16', 'graph', marks=pytest.mark.slow)])
def test_windows_in_a_loop(policy, how):
  """As the sampler's program, where it is a graph."""
  tf.keras.mixed_precision.set_global_policy(policy)
  smaller = {'each_block': False, 'upsampling_stages': 0, 'factor': 1}
  generator = _upscaling(11, (2,), **(smaller if how == 'compiled' else {}))
  inputs = [tf.constant(x) for x in _inputs(generator, 11)]
  expected = _made(generator, *inputs).numpy()
  unroll = lambda *args: pieces.unroll(generator, *args, 22, 5)
  if how != 'eager':
    unroll = tf.function(unroll, jit_compile=how == 'compiled', autograph=False)
  found = unroll(*inputs)
  assert found.dtype == tf.float32
  np.testing.assert_allclose(found, expected, atol=1e-4 if policy == 'float32' else 0.1)
  assert {v.dtype for v in generator.variables} == {tf.float32}


# --- statistics, recorded ---


def _record(generator, frames, most, passes=2):
  for seed in range(passes):
    inputs = [tf.constant(x) for x in _inputs(generator, frames, seed)]
    length = generator.repeats * frames
    carry = generator.begin(*inputs, length)
    count, size = pieces.divided(length, most)
    for number in range(count):
      _, carry = generator.piece(
          tf.constant(number), size, *inputs[:2], carry, length, record=True)


@pytest.mark.parametrize('repeats, frames, most, temporal', [
    (2, 7, 5, cascade.SeparableBlock), (2, 3, 4, cascade.ConvGRULayer),
    *[pytest.param(*sizes, cascade.SeparableBlock, marks=pytest.mark.slow)
      for sizes in ((1, 13, 7), (2, 9, 5), (2, 9, 9), (3, 7, 6))]])
def test_statistics_recorded_in_windows_are_those_of_the_whole(repeats, frames, most, temporal):
  """Every time step enters them once a pass, though windows overlap."""
  how = {'temporal': temporal} if temporal is cascade.ConvGRULayer else {}
  generator = _upscaling(frames, (2,), standing=False, repeats=repeats, **how)
  standing = []
  for pieces_of in (most, repeats * frames):
    generator.keep_statistics(repeats * frames, pieces_of)
    _record(generator, frames, pieces_of)
    standing.append([norm.standing for norm in conditional_batch_norm.norms(generator)])
  assert len(standing[0]) == (7 if temporal is cascade.SeparableBlock else 5)
  for in_windows, whole in zip(*standing, strict=True):
    np.testing.assert_array_equal(in_windows.passes, [2] * repeats * frames)
    for name in ('mean', 'variance'):
      found, expected = (getattr(one, name).numpy() for one in (in_windows, whole))
      np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
  assert np.ptp(standing[1][-1].mean, axis=0).min() > 1e-3  # of time steps


def test_a_recorded_window_is_normalized_by_its_batch():
  """What is recorded of one batch is what the whole call has then; power iterations stand still."""
  generator = _upscaling(7, (2,))
  generator.keep_statistics(14, 5)
  vectors = [kernel.u for kernel in spectral_norm.kernels(generator)]
  before = [u.numpy() for u in vectors]
  inputs = [tf.constant(x) for x in _inputs(generator, 7)]
  carry, made = generator.begin(*inputs, 14), []
  for number in range(3):
    video, carry = generator.piece(tf.constant(number), 5, *inputs[:2], carry, 14, record=True)
    made.append(video)
  for u, value in zip(vectors, before, strict=True):
    np.testing.assert_array_equal(u, value)
  recorded = tf.concat(made, 1)[:, :14]
  np.testing.assert_allclose(_made(generator, *inputs), recorded, atol=1e-4)
  np.testing.assert_allclose(_made(generator, *inputs, training=True), recorded, atol=1e-4)


# --- models: pairs ---


def _discriminators(views=('F', 'dV', 'M'), **kwargs):
  kwargs = {'channels': 2, 'multipliers': (1, 2), 'frames': 2, 'classes': CLASSES, **kwargs}
  return functools.partial(discriminators.Discriminators, views, **kwargs)


SMALL = {'channels': 2, 'image_channels': COLORS, 'latent': LATENT, 'classes': CLASSES}


def _callable(level=cascade.UpscalingGenerator, **kwargs):
  return functools.partial(level, **{**SMALL, **kwargs})


def _first_callable(**kwargs):
  return _callable(cascade.FirstGenerator, **{'multipliers': (1,), **kwargs})


def _model(downsample=resampling.nearest, generator=(), networks=(), lower=None, **kwargs):
  """From 4 x 4 pixels to 8 x 8."""
  generator = {'multipliers': (1,), 'factor': 2, **dict(generator)}
  return cascade.UpscalingGAN(
      _callable(**generator), _discriminators(**dict(networks)),
      [_first_callable()] if lower is None else lower, downsample, **kwargs)


def _smaller_by_hand(downsample, video, factor, repeats):
  """Of every K-th frame: the first pixel of each box, or the mean of its middle 2 x 2."""
  batch, frames, side, _, colors = video.shape
  low = np.zeros([batch, frames // repeats, side // factor, side // factor, colors])
  for t in range(frames // repeats):
    for i, j in np.ndindex(side // factor, side // factor):
      box = video[:, t * repeats, i * factor:(i + 1) * factor, j * factor:(j + 1) * factor]
      if downsample is resampling.nearest:
        low[:, t, i, j] = box[:, 0, 0]
      else:
        middle = slice(factor // 2 - 1, factor // 2 + 1)
        low[:, t, i, j] = box[:, middle, middle].mean((1, 2))
  return low


@pytest.mark.parametrize('downsample', [resampling.nearest, resampling.bilinear])
@pytest.mark.parametrize('factor, repeats', [(2, 2), (4, 1), (4, 3)])
def test_what_the_level_below_has_of_a_video(downsample, factor, repeats):
  model = _model(downsample, {'multipliers': (1, 1), 'factor': factor, 'repeats': repeats})
  assert model.matching and model.pair_shape((6, 16, 16, COLORS)) == (
      6 // repeats, 16 // factor, 16 // factor, 2 * COLORS)
  video = np.random.default_rng(0).integers(-8, 9, size=(B, 6, 16, 16, COLORS)).astype(np.float32)
  expected = _smaller_by_hand(downsample, video, factor, repeats)
  low = model.low(tf.constant(video))
  np.testing.assert_array_equal(low, expected)
  # Real pairs are twice the same, those of generated videos what was made, and what it was made of.
  np.testing.assert_array_equal(
      model.pair(tf.constant(video), low), np.concatenate([expected, expected], -1))
  given = tf.constant(_draw(*expected.shape))
  np.testing.assert_array_equal(
      model.pair(tf.constant(video), given), np.concatenate([expected, given], -1))


def test_without_a_matching_discriminator_there_are_no_pairs():
  model = _model(networks={'views': ('F', 'dV')})
  assert not model.matching and model.pair_shape((4, 8, 8, COLORS)) is None
  assert model.pair(tf.zeros([B, 4, 8, 8, COLORS]), tf.zeros([B, 2, 4, 4, COLORS])) is None


# --- models: levels ---


@pytest.fixture(scope='module', name='three_levels')
def _three_levels():
  """4 x 4, 8 x 8, 16 x 16 pixels; frames become three times as many, then twice.

  Tests may keep its statistics anew, and change nothing else.
  """
  tf.keras.utils.set_random_seed(0)
  model = _model(
      generator={'multipliers': (1, 1), 'each_block': False},
      networks={'views': ('M',), 'multipliers': (1,)},
      lower=[_first_callable(latent=5),
             _callable(multipliers=(1,), factor=2, repeats=3, latent=4)],
      piece_frames=4)
  model.build((4, 16, 16, COLORS), 5)
  return model


def _keep_statistics(model, first_frames):
  for level, frames in zip(model.levels, model.frames_of_levels(first_frames), strict=True):
    level.keep_statistics(frames, model.piece_frames)


def test_levels_of_a_model(three_levels):
  model = three_levels
  assert model.levels == [*model.lower, model.averaged_generator]
  assert model.frames_of_levels(5) == [5, 15, 30]
  parts = [model.generator, model.averaged_generator, model.discriminators, *model.lower]
  assert len({v.ref() for part in parts for v in part.variables}) == len(model.variables)
  assert len({v.ref() for v in model.variables}) == len(model.variables)


def test_whole_videos_of_all_levels(three_levels):
  """Each level is made of all frames of the one below, with a z of its own."""
  model = three_levels
  _keep_statistics(model, 2)
  labels = tf.constant([2, 1])
  latents = [tf.constant(_draw(B, size, seed=size)) for size in (5, 4, 3)]
  videos = model.videos(latents, labels, 2, 3)
  first = model.lower[0](latents[0], labels, None, 2)[0]
  second = _made(model.lower[1], latents[1], labels, first)
  third = _made(model.averaged_generator, latents[2], labels, second)
  assert [video.shape[1:3] for video in videos] == [(2, 4), (6, 8), (12, 16)]
  for found, expected in zip(videos, (first, second, third), strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-5)
  for count in (1, 2):
    for found, expected in zip(model.videos(latents, labels, 2, count), videos[:count],
                               strict=True):
      np.testing.assert_array_equal(found, expected)


# --- errors ---


def _wrong(message, call):
  with pytest.raises(ValueError, match=message) as error:
    call()
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('how, message', [
    ({'multipliers': (1, 1), 'factor': 3}, 'factor must divide 16, the side of its frames, and '
                                           'repeats be at least 1; got 3 and 2'),
    ({'multipliers': (1, 1), 'factor': 32}, 'factor must divide 16'),
    ({'multipliers': (1, 1), 'factor': 0}, 'factor must divide 16.*got 0 and 2'),
    ({'multipliers': ()}, 'multipliers must have one for each unit; got none'),
    ({'multipliers': (1,), 'repeats': 0}, 'repeats be at least 1; got 4 and 0'),
    ({'multipliers': (1, 1), 'factor': 8}, 'factor = 8 makes the input smaller than features .*: '
                                           'choose a smaller factor'),
    ({'multipliers': (1, 1), 'factor': 4, 'each_block': False}, 'factor = 4 makes the input'),
    ({'multipliers': (1, 1), 'upsampling_stages': 3},
     'UpscalingGenerator.upsampling_stages must be 0 to 2, as many as there are .*; got 3'),
    ({'multipliers': (1, 1), 'upsampling_stages': -1}, 'upsampling_stages must be 0 to 2.*got -1')])
def test_generators_that_cannot_be(how, message):
  _wrong(message, _callable(**how))


def test_frames_that_a_video_does_not_become():
  generator = _upscaling(3, (2,))
  for call in (generator.call, generator.begin):
    _wrong('3 frames become 6, not 5', lambda call=call: call(*_inputs(generator, 3), 5))


CLIP = (4, 8, 8, COLORS)


@pytest.mark.parametrize('model, clip, first_frames, message', [
    ({}, (4, 16, 16, COLORS), 4, 'makes frames of 8 pixels a side, and clips have 16 x 16: choose'),
    ({}, (4, 8, 16, COLORS), 4, 'makes frames of 8 pixels a side, and clips have 8 x 16'),
    ({'lower': [_first_callable(multipliers=(1, 1))]}, CLIP, 4,
     'the level below makes frames of 8 pixels a side, and this one upscales frames of 4: change '
     'UpscalingGenerator.factor, 2, or'),
    ({'generator': {'multipliers': (1, 1, 1)},
      'lower': [_first_callable(), _callable(multipliers=(1, 1), factor=2)]}, (4, 32, 32, COLORS),
     4, 'lower do not follow each other: frames of 4 pixels a side, upscaled 2 times, are not of '
        '16'),
    ({}, (3, 8, 8, COLORS), 4, 'windows of 3 frames must be a multiple of UpscalingGenerator.'
                               'repeats, 2, and of at most 8, the whole video'),
    ({}, (10, 8, 8, COLORS), 4, 'windows of 10 frames must be .* of at most 8, the whole video'),
    ({}, (4, 8, 8, 1), 4, r'image_channels of all levels must be 1, that of the clips; got \[2\]'),
    ({'lower': [_first_callable(image_channels=1)]}, CLIP, 4,
     r'image_channels of all levels must be 2, that of the clips; got \[1, 2\]'),
    ({'networks': {'classes': 5}}, CLIP, 4,
     r'classes of all levels must be 5, that of the discriminators; got \[3\]'),
    ({'lower': [_first_callable(classes=1)]}, CLIP, 4,
     r'classes of all levels must be 3, that of the discriminators; got \[1, 3\]'),
    ({'networks': {'frames': 5}}, CLIP, 4, 'Discriminators.frames must be 1 to 4'),
    ({'networks': {'multipliers': (1, 1, 1, 1), 'views': ('F', 'M')}}, CLIP, 4,
     'sides of the view M must be multiples of 8; got 4x4')])
def test_levels_and_clips_that_do_not_suit(model, clip, first_frames, message):
  _wrong(message, lambda: _model(**model).build(clip, first_frames))


def test_pairs_of_a_model_that_upscales_nothing():
  model = dvd_gan.VideoGAN(_first_callable(), _discriminators())
  _wrong('the view M of Discriminators.views is of upscaled videos, and this model upscales none: '
         'leave it out', lambda: model.build((4, 4, 4, COLORS), 0))
