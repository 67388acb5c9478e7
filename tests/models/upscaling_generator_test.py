"""Generators that upscale videos: NumPy, parameters by formulas, reach, windows, statistics."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.models import cascades_by_numpy
from tests.models import small_cascades
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.layers import spectral_norm
from tf_videogen.layers import temporal_blocks
from tf_videogen.models import cascade

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, LATENT, COLORS = small_cascades.B, small_cascades.LATENT, small_cascades.COLORS
kernels_are_computed_once = small_cascades.kernels_are_computed_once  # a fixture


# --- by NumPy ---

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
    ({'temporal': temporal_blocks.ConvGRULayer}, 2, [[4, 4, 8], [8, 8, None]]),
    ({'repeats': 3, 'upsampling_stages': 1}, 1, [[4, 4, None], [None, None, None]]),
    ({'each_block': False, 'upsampling_stages': 0, 'factor': 1, 'repeats': 1}, 0,
     [[None, None, 4], [None, None, 4]]),
    ({'temporal': temporal_blocks.ConvGRULayer, 'factor': 4}, 2,
     [[4, 4, None], [None, None, None]]),
    ({'temporal': temporal_blocks.SeparableLayer}, 2, [[4, 4, 8], [8, 8, None]]),
]


@pytest.mark.parametrize('how, stages, residuals, standing', [
    *[(*GENERATORS[i], True) for i in (0, 9, 10, 11, 12)], (*GENERATORS[0], False),
    *[pytest.param(*GENERATORS[i], standing, marks=pytest.mark.slow)
      for i, standing in (*((i, True) for i in range(1, 9)), (3, False))]])
def test_the_whole_generator(how, stages, residuals, standing):
  """Its parameters, its videos by standing statistics, and those of training."""
  generator = small_cascades.upscaling(3, standing=standing, **how)
  widths = [2 * m for m in how.get('multipliers', (2, 1))]
  each_block, low = how.get('each_block', True), 4 * 2**stages // generator.factor
  assert small_cascades.count(generator) == cascades_by_numpy.parameters(
      widths, low, stages, how.get('temporal', temporal_blocks.SeparableBlock), each_block)
  found_residuals = [[side if residual else None for side, residual in
                      zip(unit.sides, unit.residuals)] for unit in generator.units]
  assert found_residuals == residuals
  z, labels, video = small_cascades.inputs(generator, 3)
  found = small_cascades.made(generator, z, labels, video, training=not standing)
  expected = cascades_by_numpy.whole(generator, z, labels, video, stages, each_block)
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
  residual, video = cascade.Residual(5, repeats), small_cascades.draw(B, 3, 8, 8, COLORS)
  residual(video, side)
  spectral_weights.randomize(residual)
  expected = cascades_by_numpy.conv_of_frames(
      residual.map, video[:, :, ::8 // side, ::8 // side]).repeat(repeats, 1)
  found = residual(video, side)
  assert found.shape == (B, 3 * repeats, side, side, 5)
  np.testing.assert_allclose(found, expected, atol=1e-5)
  assert small_cascades.count(residual) == 5 * COLORS + 5


@pytest.mark.parametrize('outputs', [4, 3])
def test_separable_blocks(outputs):
  """Two separable convolutions, and a shortcut where channels change."""
  block = temporal_blocks.SeparableBlock(outputs)
  x, condition = small_cascades.draw(B, 5, 4, 6, 3), small_cascades.draw(B, 2 * LATENT, seed=1)
  block(x, condition)
  spectral_weights.randomize(block)
  affine = lambda channels: 2 * (2 * LATENT * channels + channels)
  parameters = (affine(3) + affine(outputs) + 3 * 3 * outputs + 3 * outputs**2
                + 2 * 9 * outputs**2 + 4 * outputs + (4 * outputs if outputs != 3 else 0))
  assert small_cascades.count(block) == parameters
  assert bool(block.shortcut) == (outputs != 3)
  found = block(x, condition, training=True)
  expected = cascades_by_numpy.residual_block(block, x, condition, conv=cascades_by_numpy.separable)
  np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize('kind, reach', [
    (temporal_blocks.SeparableBlock, 2), (temporal_blocks.SeparableLayer, 1)])
def test_how_far_separable_convolutions_reach(kind, reach):
  block = kind(3)
  x, condition = small_cascades.draw(B, 9, 4, 4, 3), small_cascades.draw(B, 2 * LATENT, seed=1)
  block(x, condition)
  before, other = block(x, condition).numpy(), x.copy()
  other[:, 4] += 1
  changed = np.any(block(other, condition) != before, axis=(0, 2, 3, 4))
  np.testing.assert_array_equal(np.nonzero(changed)[0], range(4 - reach, 5 + reach))
  assert kind.radius == reach


def test_parameters_by_hand():
  """A unit of two channels from 4 to 8 pixels; conditions are of six numbers, images of one."""
  generator = cascade.UpscalingGenerator(
      channels=2, multipliers=(1,), factor=2, image_channels=1, latent=3, classes=1)
  small_cascades.made(
      generator, tf.zeros([1, 3]), tf.zeros([1], tf.int32), tf.zeros([1, 1, 4, 4, 1]))
  first = 3 + 6 * 32 + 32
  norms = 6 * 2 * (6 * 2 + 2)
  over_time, over_space, frames = 2 * (3 * 4 + 2), 2 * (9 * 4 + 2), 4 * (9 * 4 + 2)
  shortcut, residuals = 4 + 2, 2 * (2 + 2)
  last = 2 * 2 + 9 * 2 + 1
  assert small_cascades.count(generator) == (
      first + norms + over_time + over_space + frames + shortcut + residuals + last) == 688


# --- what frames depend on ---


@pytest.mark.parametrize('repeats, each_block, multipliers', [
    (1, True, (2, 1)), (2, False, (1,)),
    *[pytest.param(*others, marks=pytest.mark.slow) for others in (
        (3, True, (1,)), (2, True, (1, 1, 1)), (3, False, (2, 1)), (1, False, (1, 1, 1)))]])
def test_which_frames_an_input_frame_reaches(repeats, each_block, multipliers):
  """The input enters after the first unit's block over time, whose reach of two it lacks."""
  frames, at = 14, 6
  generator = small_cascades.upscaling(frames, multipliers, repeats=repeats, each_block=each_block,
                                       factor=1 if len(multipliers) == 1 else 2)
  assert generator.radius == 2 * len(multipliers)
  z, labels, video = small_cascades.inputs(generator, frames)
  before, other = small_cascades.made(generator, z, labels, video).numpy(), video.copy()
  other[1, at] *= -1
  changed = np.any(small_cascades.made(generator, z, labels, other) != before, axis=(2, 3, 4))
  assert not changed[0].any()
  reach = generator.radius - 2
  expected = range(repeats * at - reach, repeats * at + repeats + reach)
  np.testing.assert_array_equal(np.nonzero(changed[1])[0], expected)


def test_z_and_class_reach_all_frames_of_their_clip():
  generator = small_cascades.upscaling(3, (2,))
  z, labels, video = small_cascades.inputs(generator, 3)
  before = small_cascades.made(generator, z, labels, video).numpy()
  differs = lambda *inputs: np.any(
      small_cascades.made(generator, *inputs) != before, axis=(2, 3, 4))
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
  generator = small_cascades.upscaling(frames, multipliers, standing=False, repeats=repeats)
  z, labels, video = small_cascades.inputs(generator, frames)
  made = small_cascades.made(generator, z, labels, np.repeat(video[:, :1], frames, 1)).numpy()
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
  generator = small_cascades.upscaling(frames, multipliers, repeats=repeats)
  inputs = [tf.constant(x) for x in small_cascades.inputs(generator, frames)]
  length = repeats * frames
  expected = small_cascades.made(generator, *inputs).numpy()
  assert expected.shape[1] == length and np.abs(expected).mean() > 0.1
  taken = [generator.window(pieces.divided(length, most)[1], frames) for most in sizes]
  assert min(taken) < frames and max(taken) <= frames
  small_cascades.assert_pieces_are_the_whole(generator, inputs, sizes, expected, length)
  # Statistics of other time steps would show.
  for norm in conditional_batch_norm.norms(generator):
    norm.standing.mean.assign(np.roll(norm.standing.mean, 1, axis=0))
  assert np.abs(small_cascades.made(generator, *inputs) - expected).max() > 0.1


@pytest.mark.parametrize('frames, repeats', [
    (1, 3),
    *[pytest.param(*others, marks=pytest.mark.slow) for others in ((1, 1), (2, 2), (3, 1))]])
def test_videos_shorter_than_a_window(frames, repeats):
  generator = small_cascades.upscaling(frames, (2,), repeats=repeats)
  inputs = [tf.constant(x) for x in small_cascades.inputs(generator, frames)]
  expected = small_cascades.made(generator, *inputs).numpy()
  small_cascades.assert_pieces_are_the_whole(generator, inputs, (1, 2), expected, repeats * frames)


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
  generator = small_cascades.upscaling(5, temporal=temporal_blocks.ConvGRULayer, factor=4)
  assert generator.radius is None and generator.window(1, 5) == 5
  inputs = [tf.constant(x) for x in small_cascades.inputs(generator, 5)]
  expected = small_cascades.made(generator, *inputs).numpy()
  small_cascades.assert_pieces_are_the_whole(generator, inputs, sizes, expected, 10)
  other = inputs[2].numpy()
  other[:, 0] *= -1
  changed = np.any(
      small_cascades.made(generator, *inputs[:2], other) != expected, axis=(0, 2, 3, 4))
  np.testing.assert_array_equal(changed, [True] * 10)


@pytest.mark.parametrize('policy, how', [
    ('float32', 'compiled'), ('mixed_bfloat16', 'eager'),
    pytest.param('mixed_bfloat16', 'graph', marks=pytest.mark.slow)])
def test_windows_in_a_loop(policy, how):
  """As the sampler's program, where it is a graph."""
  tf.keras.mixed_precision.set_global_policy(policy)
  smaller = {'each_block': False, 'upsampling_stages': 0, 'factor': 1}
  generator = small_cascades.upscaling(11, (2,), **(smaller if how == 'compiled' else {}))
  inputs = [tf.constant(x) for x in small_cascades.inputs(generator, 11)]
  expected = small_cascades.made(generator, *inputs).numpy()
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
    inputs = [tf.constant(x) for x in small_cascades.inputs(generator, frames, seed)]
    length = generator.repeats * frames
    carry = generator.begin(*inputs, length)
    count, size = pieces.divided(length, most)
    for number in range(count):
      _, carry = generator.piece(
          tf.constant(number), size, *inputs[:2], carry, length, record=True)


@pytest.mark.parametrize('repeats, frames, most, temporal', [
    (2, 7, 5, temporal_blocks.SeparableBlock), (2, 3, 4, temporal_blocks.ConvGRULayer),
    pytest.param(2, 7, 5, temporal_blocks.SeparableLayer, marks=pytest.mark.slow),
    *[pytest.param(*sizes, temporal_blocks.SeparableBlock, marks=pytest.mark.slow)
      for sizes in ((1, 13, 7), (2, 9, 5), (2, 9, 9), (3, 7, 6))]])
def test_statistics_recorded_in_windows_are_those_of_the_whole(repeats, frames, most, temporal):
  """Every time step enters them once a pass, though windows overlap."""
  generator = small_cascades.upscaling(
      frames, (2,), standing=False, repeats=repeats, temporal=temporal)
  standing = []
  for pieces_of in (most, repeats * frames):
    generator.keep_statistics(repeats * frames, pieces_of)
    _record(generator, frames, pieces_of)
    standing.append([norm.standing for norm in conditional_batch_norm.norms(generator)])
  assert len(standing[0]) == (7 if temporal is temporal_blocks.SeparableBlock else 5)
  for in_windows, whole in zip(*standing, strict=True):
    np.testing.assert_array_equal(in_windows.passes, [2] * repeats * frames)
    for name in ('mean', 'variance'):
      found, expected = (getattr(one, name).numpy() for one in (in_windows, whole))
      np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
  assert np.ptp(standing[1][-1].mean, axis=0).min() > 1e-3  # of time steps


def test_a_recorded_window_is_normalized_by_its_batch():
  """What is recorded of one batch is what the whole call has then; power iterations stand still."""
  generator = small_cascades.upscaling(7, (2,))
  generator.keep_statistics(14, 5)
  vectors = [kernel.u for kernel in spectral_norm.kernels(generator)]
  before = [u.numpy() for u in vectors]
  inputs = [tf.constant(x) for x in small_cascades.inputs(generator, 7)]
  carry, made = generator.begin(*inputs, 14), []
  for number in range(3):
    video, carry = generator.piece(tf.constant(number), 5, *inputs[:2], carry, 14, record=True)
    made.append(video)
  for u, value in zip(vectors, before, strict=True):
    np.testing.assert_array_equal(u, value)
  recorded = tf.concat(made, 1)[:, :14]
  np.testing.assert_allclose(small_cascades.made(generator, *inputs), recorded, atol=1e-4)
  np.testing.assert_allclose(
      small_cascades.made(generator, *inputs, training=True), recorded, atol=1e-4)


# --- errors ---


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
  small_cascades.wrong(message, small_cascades.maker(**how))


def test_frames_that_a_video_does_not_become():
  generator = small_cascades.upscaling(3, (2,))
  for call in (generator.call, generator.begin):
    small_cascades.wrong('3 frames become 6, not 5',
                         lambda call=call: call(*small_cascades.inputs(generator, 3), 5))
