"""Subscaling: exact inverses, and contexts against a NumPy reference for every slice."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import subscaling

SHAPE = (4, 8, 4)
VIDEO = np.arange(2 * np.prod(SHAPE) * 3).reshape(2, *SHAPE, 3)


def _factors():
  divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in SHAPE]
  return list(itertools.product(*divisors))


@pytest.mark.parametrize('factors', _factors(), ids=str)
def test_slices_and_their_inverse(factors):
  subscale = subscaling.Subscaling(factors, SHAPE)
  slices = subscale.split(tf.constant(VIDEO)).numpy()
  assert slices.shape == (2, np.prod(factors), *subscale.slice_shape, 3)
  for index, (a, b, c) in enumerate(itertools.product(*map(range, factors))):
    assert tuple(int(x) for x in subscale.offsets(index)) == (a, b, c)
    np.testing.assert_array_equal(
        slices[:, index], VIDEO[:, a::factors[0], b::factors[1], c::factors[2]])
    frames = subscale.frames(tf.constant([index])).numpy()
    np.testing.assert_array_equal(frames[0], np.arange(SHAPE[0])[a::factors[0]])
  np.testing.assert_array_equal(subscale.join(slices), VIDEO)
  index = tf.constant([0, len(slices[0]) - 1])
  np.testing.assert_array_equal(
      subscale.slice(tf.constant(VIDEO), index), [slices[0, 0], slices[1, -1]])


def _context(video, factors, kernel, index):
  """The window around every pixel of a slice, pixel by pixel: section 3.2 word for word."""
  order = {offset: i for i, offset in enumerate(itertools.product(*map(range, factors)))}
  offset = list(order)[index]
  n = [size // s for size, s in zip(SHAPE, factors)]
  context = np.full([*n, *kernel, video.shape[-1]], -1)
  for place in itertools.product(*map(range, n)):
    for tap in itertools.product(*map(range, kernel)):
      # The padding of an axis is floor(k / 2) - offset.
      t, h, w = (i * s + j - (k // 2 - o)
                 for i, s, j, k, o in zip(place, factors, tap, kernel, offset))
      if min(t, h, w) < 0 or t >= SHAPE[0] or h >= SHAPE[1] or w >= SHAPE[2]:
        continue
      if order[t % factors[0], h % factors[1], w % factors[2]] < index:
        context[place + tap] = video[t, h, w]
  return context


@pytest.mark.parametrize('factors, kernel', [
    ((2, 2, 2), (2, 2, 2)), ((4, 1, 1), (6, 1, 1)), ((1, 2, 2), (1, 2, 2)), ((2, 4, 1), (3, 5, 2)),
    ((1, 1, 1), (1, 1, 1))], ids=str)
def test_context(factors, kernel):
  subscale = subscaling.Subscaling(factors, SHAPE, kernel)
  count = np.prod(factors)
  for index in range(count):
    indices = [index, count - 1 - index]  # every video has a slice of its own
    got = subscale.context(tf.constant(VIDEO, tf.int32), tf.constant(indices))
    for i in range(2):
      expected = _context(VIDEO[i], factors, kernel, indices[i])
      seen = got[i].shape[3]
      np.testing.assert_array_equal(got[i], expected[:, :, :, :seen])
      assert (expected[:, :, :, seen:] == -1).all()


def test_the_kernel_is_centered_and_the_default_is_the_factors():
  assert subscaling.Subscaling((4, 2, 2), SHAPE).kernel == (4, 2, 2)
  # A single frame sees the three before it (section 4.1).
  subscale = subscaling.Subscaling((4, 1, 1), SHAPE, (6, 1, 1))
  context = subscale.context(tf.constant(VIDEO, tf.int32), tf.constant([3, 3]))[0, 0, 0, 0]
  np.testing.assert_array_equal(context[:, 0, 0], VIDEO[0, :3, 0, 0])


def test_factors_that_do_not_fit():
  with pytest.raises(ValueError, match=r'\(3, 2, 2\) must divide .* \(4, 8, 4\)'):
    subscaling.Subscaling((3, 2, 2), SHAPE)
