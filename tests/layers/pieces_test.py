"""Videos in pieces: those of generators are the whole videos, frame by frame."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import spectral_norm
from tf_videogen.models import dvd_gan
from tf_videogen.models import trivd_gan

B, LATENT, CLASSES, FRAMES = 2, 4, 3, 5


@pytest.fixture(autouse=True)
def _kernels_are_computed_once():
  with spectral_weights.computed_once():
    yield


@pytest.mark.parametrize('frames, most, expected', [
    (7, 3, (3, 3)), (7, 4, (2, 4)), (7, 7, (1, 7)), (7, 99, (1, 7)), (7, 1, (7, 1)), (6, 3, (2, 3)),
    (9, 4, (3, 3)), (1, 1, (1, 1)), (192, 24, (8, 24)), (5, 4, (2, 3))])
def test_divided(frames, most, expected):
  assert pieces.divided(frames, most) == expected


def test_no_piece_is_empty_or_too_long_and_none_could_be_left_out():
  for frames in range(1, 40):
    for most in range(1, 45):
      count, size = pieces.divided(frames, most)
      assert 1 <= size <= most and (count - 1) * size < frames <= count * size
      assert (count - 1) * most < frames


class _Counting:
  """A generator whose frames are how many there were before, times z; it remembers its pieces."""

  resolution, image_channels = 2, 1

  def __init__(self):
    self.made = []

  def begin(self, z, labels, given, frames):
    """The number of frames before, a batch of them in a structure."""
    del labels
    assert frames == FRAMES
    return {'before': tf.zeros([z.shape[0]], tf.int32), 'given': given}

  def piece(self, number, size, z, labels, carry, frames, record=False):
    """Frames beyond the end are no numbers."""
    assert frames == FRAMES and not record and labels.shape == (B,)
    self.made.append((number, size))
    times = carry['before'][:, tf.newaxis] + tf.range(size)
    values = tf.where(times < frames, tf.cast(times, tf.float32), np.nan) * z
    video = tf.reshape(values, [-1, size, 1, 1, 1]) * carry['given']
    return video, {**carry, 'before': carry['before'] + size}


@pytest.mark.parametrize('most', [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize('traced', [False, True])
def test_pieces_follow_each_other(most, traced):
  """What is carried goes from one to the next; frames beyond the end are cut off."""
  generator = _Counting()
  z, given = tf.constant([[2.0], [3.0]]), tf.ones([B, 1, 2, 2, 1])
  unroll = lambda z: pieces.unroll(generator, z, tf.zeros([B], tf.int32), given, FRAMES, most)
  found = (tf.function(unroll, autograph=False) if traced else unroll)(z)
  assert found.shape == (B, FRAMES, 2, 2, 1) and found.dtype == tf.float32
  expected = np.arange(FRAMES)[np.newaxis, :] * z.numpy()
  np.testing.assert_array_equal(found, np.tile(expected[..., None, None, None], [1, 1, 2, 2, 1]))
  count, size = pieces.divided(FRAMES, most)
  assert {of_one for _, of_one in generator.made} == {size}
  assert len(generator.made) == (1 if traced else count)  # a graph has a loop


# --- of generators ---


def _inputs(generator, seed=0):
  """z, labels, given frames."""
  rng = np.random.default_rng(seed)
  z, side = rng.normal(size=(B, LATENT)), generator.resolution
  given = rng.uniform(-1, 1, size=(B, 2, side, side, 1))
  return (tf.constant(z, tf.float32), tf.constant([2, 1]),
          tf.constant(given, tf.float32) if generator.continues else None)


@functools.cache
def _built(policy, unit, encoder, multipliers, **kwargs):
  """Made once; whoever takes it sets all of its variables, and has no standing statistics yet."""
  assert policy == tf.keras.mixed_precision.global_policy().name
  make = dvd_gan.Generator
  if encoder:
    make = functools.partial(
        trivd_gan.Generator, encoder=functools.partial(trivd_gan.Encoder, multipliers=(1, 2)))
  generator = make(unit, 2, multipliers, start=4, image_channels=1, latent=LATENT, classes=CLASSES,
                   **kwargs)
  generator(*_inputs(generator), 1)
  return generator


def _generator(unit, encoder=True, most=3, multipliers=(2,), **kwargs):
  """Random weights; statistics of a pass in pieces."""
  generator = _built(tf.keras.mixed_precision.global_policy().name, unit, encoder, multipliers,
                     **kwargs)
  for norm in conditional_batch_norm.norms(generator):
    norm.standing = None
  spectral_weights.randomize(generator)
  if most:
    _record(generator, most)
  return generator


def _record(generator, most, passes=1):
  """Statistics in pieces."""
  generator.keep_statistics(FRAMES, most)
  count, size = pieces.divided(FRAMES, most)
  for seed in range(1, 1 + passes):
    z, labels, given = _inputs(generator, seed)
    carry = generator.begin(z, labels, given, FRAMES)
    for number in range(count):
      _, carry = generator.piece(tf.constant(number), size, z, labels, carry, FRAMES, record=True)


def _assert_pieces_are_the_whole(generator, sizes):
  inputs = _inputs(generator)
  expected = generator(*inputs, FRAMES)[0].numpy()
  assert expected.shape == (B, FRAMES, generator.resolution, generator.resolution, 1)
  assert (expected[:, 1:] != expected[:, :-1]).any(axis=(2, 3, 4)).all()  # frames differ
  for most in sizes:
    found = pieces.unroll(generator, *inputs, FRAMES, most)
    np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=f'{most} frames a piece')


@pytest.mark.parametrize('unit, encoder, multipliers', [
    (recurrent_units.ConvGRU, True, (2,)),
    *[pytest.param(*how, (2, 1), marks=pytest.mark.slow) for how in (
        (recurrent_units.ConvGRU, True), (recurrent_units.ConvGRU, False),
        (recurrent_units.ConvLSTM, True), (recurrent_units.ConvLSTM, False))]])
def test_a_video_in_pieces_is_the_whole(unit, encoder, multipliers):
  """Of 5 frames: in one piece, in pieces of 3, the last of which goes beyond the end, of 1."""
  generator = _generator(unit, encoder, multipliers=multipliers)
  _assert_pieces_are_the_whole(generator, (20, 4, 1))


@pytest.mark.parametrize('unit', [recurrent_units.KTrajGRU, recurrent_units.TSRUp])
def test_states_are_all_that_a_unit_carries(unit):
  _assert_pieces_are_the_whole(_generator(unit), (3,))


def test_a_unit_that_needs_more_than_its_state_is_refused():
  generator = _generator(recurrent_units.DynamicConvLSTM, most=None)
  with pytest.raises(ValueError, match='DynamicConvLSTM needs more than its state to go on'):
    generator.keep_statistics(FRAMES, FRAMES - 1)


def test_stages_that_do_not_double():
  """States without an encoder have the sides of their stages' features."""
  generator = _generator(
      recurrent_units.ConvGRU, False, multipliers=(1, 2, 1), upsampling_stages=1)
  z, labels, _ = _inputs(generator)
  states = generator.begin(z, labels, None, FRAMES)
  assert [state.shape for state in states] == [(B, 4, 4, 2), (B, 8, 8, 4), (B, 8, 8, 2)]
  assert not any(state.numpy().any() for state in states)
  _assert_pieces_are_the_whole(generator, (3,))


@pytest.mark.parametrize('most, kept', [
    pytest.param(2, 6, marks=pytest.mark.slow), (3, 6)])
def test_statistics_recorded_in_pieces_are_those_of_the_whole(most, kept):
  generator, standing = _generator(recurrent_units.ConvLSTM, most=None), []
  for frames in (most, FRAMES):
    _record(generator, frames, passes=2)
    standing.append([norm.standing for norm in conditional_batch_norm.norms(generator)])
  assert len(standing[0]) == 5
  for in_pieces, whole in zip(*standing, strict=True):
    np.testing.assert_array_equal(in_pieces.passes, [2] * kept)
    for name in ('mean', 'variance'):
      found, expected = (getattr(one, name).numpy() for one in (in_pieces, whole))
      np.testing.assert_allclose(found[:FRAMES], expected, rtol=1e-4, atol=1e-5)
      assert (expected[1:] != expected[:-1]).any()  # of time steps


def test_a_recorded_piece_is_normalized_by_its_batch():
  """As in training, but that power iterations stand still."""
  generator = _generator(recurrent_units.ConvGRU)
  z, labels, given = _inputs(generator)
  vectors = [kernel.u for kernel in spectral_norm.kernels(generator)]
  before = [u.numpy() for u in vectors]
  carry = generator.begin(z, labels, given, FRAMES)
  found, _ = generator.piece(0, FRAMES, z, labels, carry, FRAMES, record=True)
  for u, value in zip(vectors, before, strict=True):
    np.testing.assert_array_equal(u, value)
  # Those of random weights are where training takes them.
  expected, _ = generator(z, labels, given, FRAMES, training=True)
  np.testing.assert_allclose(found, expected, atol=1e-4)
  assert np.abs(found - generator(z, labels, given, FRAMES)[0]).max() > 0.01


@pytest.mark.parametrize('policy, compiled, encoder', [
    ('float32', True, False), ('mixed_bfloat16', None, True),
    *[pytest.param(*how, True, marks=pytest.mark.slow)
      for how in (('float32', True), ('mixed_bfloat16', False))]])
def test_in_a_graph(policy, compiled, encoder):
  """As the sampler's program: a loop; states keep their type."""
  tf.keras.mixed_precision.set_global_policy(policy)
  generator = _generator(recurrent_units.ConvGRU, encoder)
  inputs = _inputs(generator)
  expected = generator(*inputs, FRAMES)[0].numpy()
  unroll = lambda *args: pieces.unroll(generator, *args, FRAMES, 3)
  if compiled is not None:  # else eager
    unroll = tf.function(unroll, jit_compile=compiled, autograph=False)
  found = unroll(*inputs)
  assert found.dtype == tf.float32
  np.testing.assert_allclose(found, expected, atol=1e-4 if policy == 'float32' else 0.1)
  carry = generator.begin(*inputs, FRAMES)
  _, after = generator.piece(0, 3, *inputs[:2], carry, FRAMES)
  for state, before in zip(after, carry, strict=True):
    assert state.dtype == before.dtype == policy.split('_')[-1]
