"""TrIVD-GAN's model, and DVD-GAN's: parameters, what frames depend on, averages, wrong clips."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import kernel_warping
from tf_videogen.layers import non_local
from tf_videogen.layers import recording
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import spectral_norm
from tf_videogen.models import discriminators
from tf_videogen.models import dvd_gan
from tf_videogen.models import trivd_gan

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, GIVEN, FRAMES, LATENT = 2, 2, 3, 4
ENCODER = functools.partial(trivd_gan.Encoder, multipliers=(1, 2, 3))

EACH_UNIT = pytest.mark.parametrize('unit', [
    pytest.param(recurrent_units.ConvGRU, marks=pytest.mark.slow), recurrent_units.TSRUp])


@pytest.fixture(autouse=True)
def _kernels_are_computed_once():
  with spectral_weights.computed_once():
    yield


def _generator(unit=recurrent_units.ConvGRU, channels=2, multipliers=(2,), encoder=ENCODER, start=4,
               **kwargs):
  """TrIVD-GAN's; without an encoder, DVD-GAN's."""
  make = functools.partial(trivd_gan.Generator, encoder=encoder) if encoder else dvd_gan.Generator
  return make(unit, channels, multipliers, start=start, image_channels=1, latent=LATENT, **kwargs)


@functools.cache
def _kept(unit, multipliers=(2, 1), classes=5):
  """Built once; tests change nothing of it."""
  tf.keras.utils.set_random_seed(0)
  generator = _generator(unit, multipliers=multipliers, classes=classes)
  generator(*_inputs(generator), FRAMES)
  return generator


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).uniform(-1, 1, size=shape).astype(np.float32)


def _inputs(generator, seed=0):
  """z, labels, given frames."""
  side = generator.resolution
  given = _draw(B, GIVEN, side, side, 1, seed=seed) if generator.continues else None
  labels = np.arange(B, dtype=np.int32) % generator.classes
  return 2 * _draw(B, LATENT, seed=seed + 1), labels, given


def _count(variables):
  return sum(variable.shape.num_elements() for variable in variables)


# --- the generator ---


def _conv(inputs, outputs, side=3):
  return side**2 * inputs * outputs + outputs


def _unit_parameters(unit, channels, inputs):
  """Section 2.3 and appendix B: gates over [h; x], and the network that predicts warps."""
  gate = _conv(channels + inputs, channels)
  if unit is recurrent_units.ConvGRU:
    return 3 * gate
  width = (channels + inputs) // 2
  hyper = (_conv(channels + inputs, width) + 16 * width * width + width
           + width * 81 + 81 + _conv(channels + inputs, 9))
  return 2 * gate + hyper


def _generator_parameters(unit, widths, doubled, start, classes):
  condition = 2 * LATENT
  affine = lambda outputs: condition * outputs + outputs
  total = classes * LATENT + affine(start**2 * widths[0])
  inputs = widths[0]
  for stage, width in enumerate(widths):
    norms = 4 * 2 * affine(width)  # two a block, gain and offset
    shortcut = _conv(width, width, side=1) if stage < doubled else 0
    total += _unit_parameters(unit, width, inputs) + 5 * _conv(width, width) + norms + shortcut
    inputs = width
  return total + 2 * inputs + _conv(inputs, 1)


def _encoder_parameters(widths, blocks):
  total, inputs = 0, 1
  for outputs, state in zip(blocks, reversed(widths)):
    total += _conv(inputs, outputs) + _conv(outputs, outputs) + _conv(inputs, outputs, side=1)
    total += _conv(GIVEN * outputs, state)
    inputs = outputs
  return total


@EACH_UNIT
def test_parameters(unit):
  generator = _kept(unit)
  of_encoder = _encoder_parameters((4, 2), blocks=(2, 4))
  assert _count(generator.encoder.trainable_variables) == of_encoder
  expected = _generator_parameters(unit, (4, 2), doubled=2, start=4, classes=5) + of_encoder
  assert _count(generator.trainable_variables) == expected


def test_parameters_without_an_encoder():
  """And with a last stage that doubles nothing."""
  generator = _generator(multipliers=(1, 2), encoder=None, upsampling_stages=1)
  video, _ = generator(*_inputs(generator), FRAMES)
  assert video.shape == (B, FRAMES, 8, 8, 1)
  expected = _generator_parameters(
      recurrent_units.ConvGRU, (2, 4), doubled=1, start=4, classes=1)
  assert _count(generator.trainable_variables) == expected


@pytest.mark.parametrize('multipliers', [
    (1,), (2, 1), pytest.param((3, 2, 1), marks=pytest.mark.slow)])
def test_shapes(multipliers):
  generator = _kept(recurrent_units.TSRUp, multipliers)
  assert generator.resolution == 4 * 2**len(multipliers)
  video, warps = generator(*_inputs(generator), FRAMES)
  assert video.shape == (B, FRAMES, generator.resolution, generator.resolution, 1)
  assert video.dtype == tf.float32 and 0 < np.abs(video).max() <= 1
  assert [warp.shape for warp in warps] == [
      (B, FRAMES, 4 * 2**i, 4 * 2**i, 9) for i in range(len(multipliers))]
  for warp in warps:
    np.testing.assert_allclose(np.sum(warp, -1), 1, rtol=1e-5)
  assert kernel_warping.motion_of_video(warps).shape == (B, FRAMES, *warps[-1].shape[2:4], 2)


class _Recorder(tf.keras.layers.Layer):
  """A unit that remembers what it was called with."""

  def __init__(self, channels):
    super().__init__()
    self.channels = channels
    self.calls = []

  def call(self, x, state, training=False):
    self.calls.append((x.numpy(), None if state is None else state.numpy(), training))
    return x, None


def test_first_features_and_first_states():
  """The same affine map of [z; class], not normalized, for all frames; states of the encoder."""
  generator = _generator(_Recorder, 2, (3, 3), classes=B)
  z, labels, given = _inputs(generator)
  _, warps = generator(z, labels, given, FRAMES)
  (x, state, _), = generator.stages[0].unit.calls
  kernel = generator.embed.kernel
  classes = kernel.w.numpy() / kernel.sigma().numpy()
  first = (np.concatenate([z, classes[labels]], 1) @ generator.first.kernel.w.numpy()
           + generator.first.bias.numpy())
  np.testing.assert_allclose(x, np.repeat(first.reshape(B, 1, 4, 4, 6), FRAMES, 1), atol=1e-5)
  fine, coarse = generator.encoder(given)
  np.testing.assert_array_equal(state, coarse)
  np.testing.assert_array_equal(generator.stages[1].unit.calls[0][1], fine)
  assert not warps


def test_states_are_zero_without_an_encoder():
  generator = _generator(recurrent_units.TSRUp, encoder=None, classes=B)
  z, labels, _ = _inputs(generator)
  video, _ = generator(z, labels, None, FRAMES)
  unit = generator.stages[0].unit

  def without(x, state, training):
    np.testing.assert_array_equal(state, np.zeros([B, 4, 4, 4]))
    return type(unit).call(unit, x, None, training)

  unit.call = without
  np.testing.assert_allclose(generator(z, labels, None, FRAMES)[0], video, atol=1e-6)


def test_states_of_the_encoder():
  """Frames side by side as channels, a convolution, ReLU; the finest state first."""
  encoder = trivd_gan.Encoder([4, 5], channels=3, multipliers=(1, 2, 9))
  frames = _draw(B, GIVEN, 8, 8, 1)
  states = encoder(frames)
  x = tf.constant(frames)
  for i, (block, compress) in enumerate(zip(encoder.blocks, encoder.compress, strict=True)):
    x = block(x)
    assert block.preactivation == (i > 0)
    folded = np.concatenate([x[:, t] for t in range(GIVEN)], axis=-1)
    state = np.maximum(compress(folded), 0)
    assert state.shape == (B, 4 // 2**i, 4 // 2**i, [4, 5][i]) and (state > 0).any()
    np.testing.assert_allclose(states[i], state, atol=1e-6)


def _changes(generator, before, *inputs):
  """For every clip and frame, whether it differs from before."""
  video, _ = generator(*inputs, FRAMES)
  return np.any(video.numpy() != before, axis=(2, 3, 4))


@EACH_UNIT
def test_what_frames_depend_on(unit):
  """All given frames, z and the class of the clip, and nothing of other clips."""
  generator = _generator(unit, channels=4, classes=3)
  z, labels, given = _inputs(generator)
  before = generator(z, labels, given, FRAMES)[0].numpy()
  assert (before[:, 1:] != before[:, :-1]).any(axis=(2, 3, 4)).all()  # frames differ
  expected = np.repeat([[False], [True]], FRAMES, 1)  # of the second clip
  for t in range(GIVEN):
    other = given.copy()
    other[1, t] *= -1
    np.testing.assert_array_equal(_changes(generator, before, z, labels, other), expected)
  for i in range(LATENT):
    other = z.copy()
    other[1, i] += 1
    np.testing.assert_array_equal(_changes(generator, before, other, labels, given), expected)
  np.testing.assert_array_equal(_changes(generator, before, z, [labels[0], 2], given), expected)


@EACH_UNIT
def test_a_shorter_clip_is_the_beginning_of_a_longer_one(unit):
  """Also in training, where statistics are those of a frame's batch."""
  generator = _generator(unit)
  inputs = _inputs(generator)
  generator(*inputs, FRAMES)
  vectors = [(kernel.u, kernel.u.numpy()) for kernel in spectral_norm.kernels(generator)]
  videos = []
  for frames in (1, FRAMES):
    for variable, value in vectors:
      variable.assign(value)
    videos.append(generator(*inputs, frames, training=True)[0].numpy())
  np.testing.assert_allclose(videos[0], videos[1][:, :1], atol=5e-6)
  # By statistics of more time steps, or of none, too.
  for kept in (0, FRAMES):
    if kept:
      generator.keep_statistics(kept, kept)
    short, long = (generator(*inputs, frames)[0] for frames in (1, FRAMES))
    np.testing.assert_allclose(short, long[:, :1], atol=1e-6)
  with pytest.raises(ValueError, match='standing statistics are of 3 time steps, got 4'):
    generator(*inputs, FRAMES + 1)


@pytest.fixture(scope='module', name='built')
def _built():
  """A generator whose statistics tests may keep anew."""
  generator = _generator()
  generator(*_inputs(generator), 1)
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


@EACH_UNIT
def test_states_are_those_after_the_last_frame(unit):
  """A piece begins where another ended; its states are of every stage."""
  generator = _kept(unit)
  z, labels, given = _inputs(generator)
  expected = generator(z, labels, given, FRAMES)[0]
  carry = generator.begin(z, labels, given, FRAMES)
  for found, state in zip(carry, generator.encoder(given)[::-1], strict=True):
    np.testing.assert_array_equal(found, state)
  for t in range(FRAMES):
    video, carry = generator.piece(t, 1, z, labels, carry, FRAMES)
    assert video.shape == (B, 1, 16, 16, 1) and video.dtype == tf.float32
    np.testing.assert_allclose(video[:, 0], expected[:, t], atol=1e-4)
    assert [state.shape for state in carry] == [(B, 4, 4, 4), (B, 8, 8, 2)]


def test_power_iterations_move_in_training_alone_and_statistics_when_recorded():
  generator = _generator(recurrent_units.TSRUp)
  inputs = _inputs(generator)
  generator(*inputs, FRAMES)
  kernels = spectral_norm.kernels(generator)
  # All but the affine map to the first features.
  assert len(kernels) == len([v for v in generator.trainable_variables if len(v.shape) > 1]) - 1
  norms = conditional_batch_norm.norms(generator)
  assert len(norms) == 5 and {norm.standing for norm in norms} == {None}
  generator.keep_statistics(FRAMES, FRAMES)
  z, labels, given = inputs

  def record():
    carry = generator.begin(z, labels, given, FRAMES)
    generator.piece(0, FRAMES, z, labels, carry, FRAMES, record=True)

  def moved(call):
    before = [kernel.u.numpy() for kernel in kernels]
    call()
    return [bool(np.any(kernel.u != value)) for kernel, value in zip(kernels, before)]

  passes = lambda: {int(n) for norm in norms for n in norm.standing.passes.numpy()}
  assert not any(moved(lambda: generator(*inputs, FRAMES)))
  # A vector of one number, of 3x3 kernels to one channel, can move to its sign alone.
  assert sum(moved(lambda: generator(*inputs, FRAMES, training=True))) >= len(kernels) - 1
  assert passes() == {0}
  assert not any(moved(record)) and passes() == {1}


def test_mixed_precision():
  expected = None
  for policy in ('float32', 'mixed_bfloat16'):
    tf.keras.mixed_precision.set_global_policy(policy)
    tf.keras.utils.set_random_seed(0)
    generator = _generator(recurrent_units.TSRUp)
    video, warps = generator(*_inputs(generator), FRAMES, training=True)
    assert {value.dtype for value in (video, *warps, *generator.variables)} == {tf.float32}
    expected = video.numpy() if expected is None else expected
  assert 0 < np.abs(video - expected).mean() < 0.05 and np.abs(expected).mean() > 0.1


# --- the model ---

CLIP = (GIVEN + FRAMES, 8, 8, 1)


def _model(generator=(), **kwargs):
  kwargs = {'views': ('dF', 'crV'), 'channels': 2, 'multipliers': (1, 2), 'frames': 2, **kwargs}
  return dvd_gan.VideoGAN(functools.partial(_generator, **dict(generator)),
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
  assert _count(model.variables) == sum(_count(part.variables) for part in parts)
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
    ({'views': ('dF', 'M')}, CLIP, 2, 'the view M of Discriminators.views is of upscaled videos'),
])
def test_clips_that_do_not_suit(model, clip, given, message):
  with pytest.raises(ValueError, match=message) as error:
    _model(**model).build(clip, given)
  assert '\n' not in str(error.value)


def test_too_few_blocks_of_the_encoder():
  encoder = functools.partial(trivd_gan.Encoder, multipliers=(1,))
  with pytest.raises(ValueError, match=r'Encoder.multipliers must be 2 numbers or more, .*\(1,\)'):
    _generator(multipliers=(1, 1), encoder=encoder)


@pytest.mark.parametrize('doubling', [-1, 3])
def test_stages_that_there_are_not(doubling):
  with pytest.raises(ValueError, match='Generator.upsampling_stages must be 0 to 2, as many as '
                                       f'there are multipliers; got {doubling}'):
    _generator(multipliers=(1, 1), encoder=None, upsampling_stages=doubling)


def test_non_local_blocks_are_an_option():
  """They begin as the identity; gradients reach them once their gain is not zero."""
  plain, generator = _generator(), _generator(multipliers=(8,), non_local=(0,))
  assert _non_local(plain) == [] and len(_non_local(generator)) == 1
  networks = discriminators.Discriminators(
      ('clV',), channels=8, multipliers=(1, 2), frames=1, non_local=(0,))
  networks([_draw(B, GIVEN + FRAMES, 8, 8, 1)], None, GIVEN, tf.zeros([2], tf.int32))
  block, = _non_local(networks)
  assert networks.networks[0].blocks[1] is block
  x = _draw(B, 1, 4, 4, 8)
  np.testing.assert_array_equal(block(x), x)


def _non_local(layer):
  return [part for part in layer.submodules if isinstance(part, non_local.NonLocalBlock)]
