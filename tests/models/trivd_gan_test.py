"""TrIVD-GAN's generator: parameters, first states, what frames depend on, pieces, precision."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.models import small_video_gans
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import kernel_warping
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import spectral_norm
from tf_videogen.models import trivd_gan

pytestmark = pytest.mark.usefixtures('same_initial_values')

B, GIVEN = small_video_gans.B, small_video_gans.GIVEN
FRAMES, LATENT = small_video_gans.FRAMES, small_video_gans.LATENT
kernels_are_computed_once = small_video_gans.kernels_are_computed_once  # a fixture

EACH_UNIT = pytest.mark.parametrize('unit', [
    pytest.param(recurrent_units.ConvGRU, marks=pytest.mark.slow), recurrent_units.TSRUp])


@functools.cache
def _kept(unit, multipliers=(2, 1), classes=5):
  """Built once; tests change nothing of it."""
  tf.keras.utils.set_random_seed(0)
  generator = small_video_gans.generator(unit, multipliers=multipliers, classes=classes)
  generator(*small_video_gans.inputs(generator), FRAMES)
  return generator


# --- the generator ---


@EACH_UNIT
def test_parameters(unit):
  generator = _kept(unit)
  of_encoder = small_video_gans.encoder_parameters((4, 2), blocks=(2, 4))
  assert small_video_gans.count(generator.encoder.trainable_variables) == of_encoder
  expected = small_video_gans.generator_parameters(unit, (4, 2), doubled=2, start=4, classes=5)
  assert small_video_gans.count(generator.trainable_variables) == expected + of_encoder


@pytest.mark.parametrize('multipliers', [
    (1,), (2, 1), pytest.param((3, 2, 1), marks=pytest.mark.slow)])
def test_shapes(multipliers):
  generator = _kept(recurrent_units.TSRUp, multipliers)
  assert generator.resolution == 4 * 2**len(multipliers)
  video, warps = generator(*small_video_gans.inputs(generator), FRAMES)
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
  generator = small_video_gans.generator(_Recorder, 2, (3, 3), classes=B)
  z, labels, given = small_video_gans.inputs(generator)
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


def test_states_of_the_encoder():
  """Frames side by side as channels, a convolution, ReLU; the finest state first."""
  encoder = trivd_gan.Encoder([4, 5], channels=3, multipliers=(1, 2, 9))
  frames = small_video_gans.draw(B, GIVEN, 8, 8, 1)
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
  generator = small_video_gans.generator(unit, channels=4, classes=3)
  z, labels, given = small_video_gans.inputs(generator)
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
  generator = small_video_gans.generator(unit)
  inputs = small_video_gans.inputs(generator)
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
  with pytest.raises(ValueError, match='standing statistics have 3 time steps, got 4'):
    generator(*inputs, FRAMES + 1)


@EACH_UNIT
def test_states_are_those_after_the_last_frame(unit):
  """A piece begins where another ended; its states are of every stage."""
  generator = _kept(unit)
  z, labels, given = small_video_gans.inputs(generator)
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
  generator = small_video_gans.generator(recurrent_units.TSRUp)
  inputs = small_video_gans.inputs(generator)
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
    generator = small_video_gans.generator(recurrent_units.TSRUp)
    video, warps = generator(*small_video_gans.inputs(generator), FRAMES, training=True)
    assert {value.dtype for value in (video, *warps, *generator.variables)} == {tf.float32}
    expected = video.numpy() if expected is None else expected
  assert 0 < np.abs(video - expected).mean() < 0.05 and np.abs(expected).mean() > 0.1


def test_too_few_blocks_of_the_encoder():
  encoder = functools.partial(trivd_gan.Encoder, multipliers=(1,))
  with pytest.raises(ValueError, match=r'Encoder.multipliers must be 2 numbers or more, .*\(1,\)'):
    small_video_gans.generator(multipliers=(1, 1), encoder=encoder)
