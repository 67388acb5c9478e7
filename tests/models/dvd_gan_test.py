"""DVD-GAN's generator, and models of video GANs: parameters, statistics, averages, wrong clips."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_video_gans
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import non_local
from tf_videogen.layers import recording
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import spectral_norm
from tf_videogen.models import discriminators
from tf_videogen.models import dvd_gan

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, GIVEN, FRAMES = small_video_gans.B, small_video_gans.GIVEN, small_video_gans.FRAMES
kernels_are_computed_once = small_video_gans.kernels_are_computed_once  # a fixture


# --- the generator ---


def test_parameters_without_an_encoder():
  """And with a last stage that doubles nothing."""
  generator = small_video_gans.generator(multipliers=(1, 2), encoder=None, upsampling_stages=1)
  video, _ = generator(*small_video_gans.inputs(generator), FRAMES)
  assert video.shape == (B, FRAMES, 8, 8, 1)
  expected = small_video_gans.generator_parameters(
      recurrent_units.ConvGRU, (2, 4), doubled=1, start=4, classes=1)
  assert small_video_gans.count(generator.trainable_variables) == expected


def test_states_are_zero_without_an_encoder():
  generator = small_video_gans.generator(recurrent_units.TSRUp, encoder=None, classes=B)
  z, labels, _ = small_video_gans.inputs(generator)
  video, _ = generator(z, labels, None, FRAMES)
  unit = generator.stages[0].unit

  def without(x, state, training):
    np.testing.assert_array_equal(state, np.zeros([B, 4, 4, 4]))
    return type(unit).call(unit, x, None, training)

  unit.call = without
  np.testing.assert_allclose(generator(z, labels, None, FRAMES)[0], video, atol=1e-6)


@pytest.fixture(scope='module', name='built')
def _built():
  """A generator whose statistics tests may keep anew."""
  generator = small_video_gans.generator()
  generator(*small_video_gans.inputs(generator), 1)
  return generator


@pytest.mark.parametrize('frames, most, steps', [(3, 3, 3), (3, 99, 3), (7, 3, 9), (4, 3, 4)])
def test_statistics_are_kept_of_whole_pieces(built, frames, most, steps):
  generator = built
  generator.keep_statistics(frames, most)
  norms = conditional_batch_norm.norms(generator)
  assert len(norms) == 5
  for norm in norms:
    np.testing.assert_array_equal(norm.standing.passes, [0] * steps)
    assert norm.standing.mean.shape == norm.standing.variance.shape == (steps, norm.channels)


# --- the model ---

CLIP = (GIVEN + FRAMES, 8, 8, 1)


def _model(generator=(), **kwargs):
  kwargs = {'views': ('dF', 'crV'), 'channels': 2, 'multipliers': (1, 2), 'frames': 2, **kwargs}
  return dvd_gan.VideoGAN(functools.partial(small_video_gans.generator, **dict(generator)),
                          functools.partial(discriminators.Discriminators, **kwargs))


@pytest.fixture(scope='module', name='built_model')
def _built_model():
  """Tests may change its variables, and keep statistics anew."""
  tf.keras.utils.set_random_seed(0)
  model = _model()
  model.build(CLIP, GIVEN)
  return model


def test_average(built_model):
  """Weights are averaged, the power iterations' vectors copied; that is all there is."""
  model = built_model
  live, averaged = model.generator, model.averaged_generator
  weights = lambda generator: [v.numpy() for v in generator.trainable_variables]
  vectors = lambda generator: [k.u.numpy() for k in spectral_norm.kernels(generator)]
  assert any(np.any(a != b) for a, b in zip(weights(live), weights(averaged)))

  def same(found, expected):
    for a, b in zip(found, expected, strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)

  assert len(vectors(averaged)) == len(averaged.non_trainable_variables)
  for variable in averaged.variables:
    variable.assign(variable + 1)
  model.average(0.0)
  for a, b in zip(weights(averaged) + vectors(averaged), weights(live) + vectors(live)):
    np.testing.assert_array_equal(a, b)
  old = weights(live)
  for variable in live.variables:
    variable.assign(3 * variable + 1)
  model.average(tf.constant(0.75))
  same(weights(averaged), [0.75 * a + 0.25 * b for a, b in zip(old, weights(live))])
  same(vectors(averaged), vectors(live))


def test_statistics_are_the_averaged_generators(built_model):
  """Averaging leaves them alone; forgotten, they are 0 and 1."""
  model = built_model
  made = recording.Recording(model.averaged_generator, 7, FRAMES, None, None, None)
  assert {norm.standing for norm in conditional_batch_norm.norms(model.generator)} == {None}
  norms = conditional_batch_norm.norms(model.averaged_generator)
  variables = [v for norm in norms for v in norm.standing.variables]
  assert len(variables) == 15 and {v.shape[0] for v in variables} == {9}
  for variable in variables:
    variable.assign(variable + np.random.default_rng(0).uniform(1, 2, variable.shape))
  before = [v.numpy() for v in variables]
  model.average(0.5)
  for variable, value in zip(variables, before):
    np.testing.assert_array_equal(variable, value)
  made.reset()
  for norm in norms:
    for variable in norm.standing.variables:
      assert np.all(variable == float(variable is norm.standing.variance))


def test_three_parts_and_no_more(built_model):
  model = built_model
  model.averaged_generator.keep_statistics(FRAMES, FRAMES)  # are of no part
  parts = [model.generator, model.averaged_generator, model.discriminators]
  assert small_video_gans.count(model.variables) == sum(
      small_video_gans.count(part.variables) for part in parts)
  assert len({v.ref() for part in parts for v in part.variables}) == len(model.variables)


@pytest.mark.parametrize('model, clip, given, message', [
    ({}, CLIP, 5, 'conditioning_frames must be from 0 to 4 for clips of 5 frames, got 5'),
    ({}, CLIP, -1, 'conditioning_frames must be from 0 to 4 for clips of 5 frames, got -1'),
    ({}, CLIP, 0, '0 frames are given, and the generator continues given ones: bind '
                  'VideoGAN.generator to @dvd_gan.Generator, or change conditioning_frames'),
    ({'generator': {'encoder': None}}, CLIP, 2,
     '2 frames are given, and the generator continues none: bind VideoGAN.generator to '
     '@trivd_gan.Generator, or'),
    ({}, (5, 16, 16, 1), 2, r'the generator makes frames of 4 x 2\^1 = 8 pixels a side, and clips '
                            'have 16 x 16'),
    ({}, (5, 8, 12, 1), 2, 'and clips have 8 x 12'),
    ({'generator': {'multipliers': (1, 1)}}, CLIP, 2, r'4 x 2\^2 = 16 pixels'),
    ({}, (5, 8, 8, 3), 2, 'Generator.image_channels = 1, and clips have 3 channels'),
    ({'classes': 3}, CLIP, 2, 'Generator.classes = 1 and Discriminators.classes = 3 must be the'),
    ({'frames': 4}, CLIP, 2, 'Discriminators.frames must be 1 to 3, .* the view dF; got 4'),
    ({'crop_size': 9}, CLIP, 2, 'Discriminators.crop_size must be 1 to 8 .* 8x8; got 9'),
    ({'factor': 3}, CLIP, 2, 'Discriminators.factor must divide'),
    ({'multipliers': (1,) * 4}, CLIP, 2, 'Discriminators.multipliers, 4 of them'),
    ({'views': ('dF', 'M')}, CLIP, 2, 'the view M of Discriminators.views needs upscaled videos'),
])
def test_clips_that_do_not_suit(model, clip, given, message):
  with pytest.raises(ValueError, match=message) as error:
    _model(**model).build(clip, given)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('doubling', [-1, 3])
def test_stages_that_there_are_not(doubling):
  with pytest.raises(ValueError, match='Generator.upsampling_stages must be 0 to 2, as many as '
                                       f'there are multipliers; got {doubling}'):
    small_video_gans.generator(multipliers=(1, 1), encoder=None, upsampling_stages=doubling)


def test_non_local_blocks_are_an_option():
  """They begin as the identity; gradients reach them once their gain is not zero."""
  plain = small_video_gans.generator()
  generator = small_video_gans.generator(multipliers=(8,), non_local=(0,))
  assert _non_local(plain) == [] and len(_non_local(generator)) == 1
  networks = discriminators.Discriminators(
      ('clV',), channels=8, multipliers=(1, 2), frames=1, non_local=(0,))
  networks(
      [small_video_gans.draw(B, GIVEN + FRAMES, 8, 8, 1)], None, GIVEN, tf.zeros([2], tf.int32))
  block, = _non_local(networks)
  assert networks.networks[0].blocks[1] is block
  x = small_video_gans.draw(B, 1, 4, 4, 8)
  np.testing.assert_array_equal(block(x), x)


def _non_local(layer):
  return [part for part in layer.submodules if isinstance(part, non_local.NonLocalBlock)]
