"""Connectivity against gradients: what the sets say reaches a prediction does, and nothing else."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import block_attention
from tf_videogen.models import connectivity
from tf_videogen.models import video_transformer

SHAPE = (4, 4, 4)


class _Sum(tf.keras.layers.Layer):
  """In place of the channel MLPs: a sum, which hides no position."""

  def build_for(self, width, channels, pixels):
    """There is nothing to build."""

  def nll(self, y, channels):
    """The sum of y^L, [N, D] -> [N]."""
    del channels
    return tf.reduce_sum(y * tf.range(1.0, y.shape[-1] + 1), -1)


def _model(subscale, blocks, kernel=(3, 3, 3), context_kernel=None, encoder=True, dilated=(),
           sentinel=False):
  attention = functools.partial(
      block_attention.BlockLocalAttention, head_width=4, sentinel=sentinel)
  stack = functools.partial(video_transformer.LayerStack, blocks=blocks, heads=2, width=8,
                            attention=attention, dilated=dilated)
  model = video_transformer.VideoTransformer(
      subscale, video_transformer.SliceDecoder(stack, _Sum, embedding=8, kernel=kernel),
      video_transformer.SliceEncoder(stack, 8, context_kernel) if encoder else None)
  model.build((None, *SHAPE, 1))
  return model


def _by_gradients(model, index):
  """Whether the gradient of a prediction with respect to a pixel's one-hot vectors is not 0.

  Of as many copies of a video as there are predictions, one of each is taken.
  """
  rng = np.random.default_rng(0)
  count = np.prod(model.subscaling.slice_shape)
  video = tf.tile(tf.constant(rng.integers(16, size=(1, *SHAPE, 2)), tf.int32), [count, 1, 1, 1, 1])
  scale, indices = tf.Variable(tf.ones([count, *SHAPE, 2])), tf.fill([count], index)
  features, taken = model.pixels.features, []

  def scaled(channels, dtype, of_pixel):
    """The features, times a number of the pixel that they are of."""
    of_pixels = taken.pop(0)
    one_hot = tf.one_hot(channels, 16, dtype=dtype) * of_pixels[..., None]
    return tf.reshape(one_hot, features(channels, dtype, of_pixel).shape)

  with tf.GradientTape() as tape:
    flat = tf.reshape(scale, [-1, 2])
    numbers = tf.reshape(tf.range(64 * count), [count, *SHAPE, 1])
    if model.encoder is not None:
      context = model.encoder.subscaling.context(numbers, indices)
      context = tf.gather(flat, tf.maximum(context[..., 0], 0))  # [N, t, h, w, k_t, k_h, k_w, 2]
      taken.append(tf.reshape(context, [count, *model.subscaling.slice_shape, -1]))
    taken.append(model.subscaling.slice(scale, indices))
    model.pixels.features = scaled
    try:
      predictions = tf.reshape(model(video, indices), [count, count])
    finally:
      model.pixels.features = features
    one_of_each = tf.linalg.trace(predictions)
  gradient = tf.convert_to_tensor(tape.gradient(one_of_each, scale))
  return np.abs(gradient.numpy()).sum(-1).reshape(count, 64) > 0


@pytest.mark.parametrize('case', [
    {'blocks': [(1, 2, 2), (2, 1, 2)]}, {'blocks': [(2, 2, 1)], 'kernel': (1, 3, 3)},
    {'blocks': [(2, 1, 1), (1, 2, 2)], 'dilated': [0]},
    {'blocks': [(1, 2, 2)], 'context_kernel': (3, 1, 2)},
    {'blocks': [(1, 1, 2), (1, 2, 1)], 'sentinel': True}], ids=str)
def test_sets_are_those_of_the_gradients(case):
  model = _model((2, 2, 2), **case)
  for index in (0, 3, 7):
    expected = _by_gradients(model, index)
    np.testing.assert_array_equal(connectivity.reached(model, index), expected)
    assert not (expected & ~connectivity.earlier(model, index)).any()
    assert index == 0 or expected.any()


@pytest.mark.parametrize('index', [0, 1])
def test_one_frame_a_slice(index):
  model = _model((4, 1, 1), [(1, 2, 4), (1, 4, 2)], context_kernel=(6, 1, 1))
  np.testing.assert_array_equal(
      connectivity.reached(model, index), _by_gradients(model, index))


def test_the_first_slice_alone():
  model = _model((2, 1, 1), [(1, 2, 4), (2, 4, 2)], encoder=False)
  np.testing.assert_array_equal(connectivity.reached(model, 0), _by_gradients(model, 0))


def test_the_blind_spot_of_the_paper():
  """Appendix C: the end of a frame reaches the first pixel of the next in a common block alone.

  The last pixel does not even then: a position is represented by its neighbors before it, and the
  last pixel is no such neighbor of any position up to the first of the next frame.
  """
  last_but_one, last, first = 14, 15, 16
  for blocks, seen in (([(4, 4, 2), (1, 4, 4)] * 3, False), ([(2, 4, 4)], True)):
    rows = connectivity.reached(_model((1, 1, 1), blocks), 0)
    assert rows[first, last_but_one] == seen and not rows[first, last]


def test_missed_by_distance():
  model = _model((2, 1, 1), [(1, 2, 2)])
  counts = connectivity.missed_by_distance(model)
  earlier, missed = np.zeros(4, int), np.zeros(4, int)
  places = np.stack(np.indices(SHAPE), -1).reshape(-1, 3)
  for index in range(2):
    mine = np.flatnonzero(places[:, 0] % 2 == index)
    before, rows = connectivity.earlier(model, index), connectivity.reached(model, index)
    for i, j in np.ndindex(*rows.shape):
      distance = np.abs(places[mine[i]] - places[j]).max()
      earlier[distance] += before[i, j]
      missed[distance] += before[i, j] and not rows[i, j]
  np.testing.assert_array_equal(counts['earlier'], earlier)
  np.testing.assert_array_equal(counts['missed'], missed)
  assert earlier.sum() == 64 * 63 / 2 and 0 < missed.sum() < earlier.sum()
  assert (counts['missed_in_slice'] <= missed).all()
