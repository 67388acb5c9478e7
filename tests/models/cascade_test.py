"""Cascades: the first level, pairs, videos of all levels, wrong models."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.models import cascades_by_numpy
from tests.models import small_cascades
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.models import cascade
from tf_videogen.models import discriminators
from tf_videogen.models import dvd_gan

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, LATENT = small_cascades.B, small_cascades.LATENT
CLASSES, COLORS = small_cascades.CLASSES, small_cascades.COLORS
kernels_are_computed_once = small_cascades.kernels_are_computed_once  # a fixture


# --- the first level ---

FRAMES = 5


@functools.cache
def _built_first(multipliers=(2, 1)):
  """Made once, as those of `small_cascades.upscaling` are."""
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
  return tf.constant(2 * small_cascades.draw(B, LATENT, seed=1)), tf.constant([2, 1]), None


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
    expected += 3 * cascades_by_numpy.conv_parameters(inputs + width, width)
    expected += 4 * 2 * affine(width) + 4 * cascades_by_numpy.conv_parameters(width, width)
    expected += (
        cascades_by_numpy.conv_parameters(width, width, taps=1) if i < len(widths) - 1 else 0)
    inputs = width
  assert small_cascades.count(generator) == (
      expected + 2 * inputs + cascades_by_numpy.conv_parameters(inputs, COLORS))


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
    x = cascades_by_numpy.residual_block(stage.blocks[0], x, condition)
    x = cascades_by_numpy.residual_block(stage.blocks[1], x, condition, upsample=i == 0)
  x = cascades_by_numpy.relu(cascades_by_numpy.norm(generator.norm, x))
  expected = np.tanh(cascades_by_numpy.conv_of_frames(generator.to_image, x))
  found, _ = generator(z, labels, None, FRAMES)
  np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_first_level_in_pieces():
  generator, inputs = _first(), _first_inputs()
  expected = generator(*inputs, FRAMES)[0].numpy()
  assert (expected[:, 1:] != expected[:, :-1]).any(axis=(2, 3, 4)).all()  # frames differ
  small_cascades.assert_pieces_are_the_whole(generator, inputs, (20, 3), expected, FRAMES)


@pytest.mark.slow
def test_the_first_level_in_pieces_of_other_sizes():
  generator, inputs = _first(), _first_inputs()
  expected = generator(*inputs, FRAMES)[0].numpy()
  small_cascades.assert_pieces_are_the_whole(generator, inputs, (5, 4, 1), expected, FRAMES)


# --- models: pairs ---


def _discriminators(views=('F', 'dV', 'M'), **kwargs):
  kwargs = {'channels': 2, 'multipliers': (1, 2), 'frames': 2, 'classes': CLASSES, **kwargs}
  return functools.partial(discriminators.Discriminators, views, **kwargs)


def _first_callable(**kwargs):
  return small_cascades.maker(cascade.FirstGenerator, **{'multipliers': (1,), **kwargs})


def _model(downsample=resampling.nearest, generator=(), networks=(), lower=None, **kwargs):
  """From 4 x 4 pixels to 8 x 8."""
  generator = {'multipliers': (1,), 'factor': 2, **dict(generator)}
  return cascade.UpscalingGAN(
      small_cascades.maker(**generator), _discriminators(**dict(networks)),
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
  given = tf.constant(small_cascades.draw(*expected.shape))
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
             small_cascades.maker(multipliers=(1,), factor=2, repeats=3, latent=4)],
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
  latents = [tf.constant(small_cascades.draw(B, size, seed=size)) for size in (5, 4, 3)]
  videos = model.videos(latents, labels, 2, 3)
  first = model.lower[0](latents[0], labels, None, 2)[0]
  second = small_cascades.made(model.lower[1], latents[1], labels, first)
  third = small_cascades.made(model.averaged_generator, latents[2], labels, second)
  assert [video.shape[1:3] for video in videos] == [(2, 4), (6, 8), (12, 16)]
  for found, expected in zip(videos, (first, second, third), strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-5)
  for count in (1, 2):
    for found, expected in zip(model.videos(latents, labels, 2, count), videos[:count],
                               strict=True):
      np.testing.assert_array_equal(found, expected)


# --- errors ---

CLIP = (4, 8, 8, COLORS)


@pytest.mark.parametrize('model, clip, first_frames, message', [
    ({}, (4, 16, 16, COLORS), 4, 'makes frames of 8 pixels a side, and clips have 16 x 16: choose'),
    ({}, (4, 8, 16, COLORS), 4, 'makes frames of 8 pixels a side, and clips have 8 x 16'),
    ({'lower': [_first_callable(multipliers=(1, 1))]}, CLIP, 4,
     'the level below makes frames of 8 pixels a side, and this one upscales frames of 4: change '
     'UpscalingGenerator.factor, 2, or'),
    ({'generator': {'multipliers': (1, 1, 1)},
      'lower': [_first_callable(), small_cascades.maker(multipliers=(1, 1), factor=2)]},
     (4, 32, 32, COLORS), 4, 'lower do not follow each other: frames of 4 pixels a side, upscaled '
                             '2 times, are not of 16'),
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
  small_cascades.wrong(message, lambda: _model(**model).build(clip, first_frames))


def test_pairs_of_a_model_that_upscales_nothing():
  model = dvd_gan.VideoGAN(_first_callable(), _discriminators())
  small_cascades.wrong(
      'the view M of Discriminators.views needs upscaled videos, but this model upscales none: '
      'leave it out', lambda: model.build((4, 4, 4, COLORS), 0))
