"""What every view of a discriminator shows, by search in the clips; gradients, replicas, pixels."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.models import judged_clips
from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.models import discriminators

SEED, ALL = judged_clips.SEED, judged_clips.ALL
GIVEN, FRAMES, FACTOR = judged_clips.GIVEN, judged_clips.FRAMES, judged_clips.FACTOR


def _boxes(video):
  """Means of boxes of 2 x 2."""
  batch, time, height, width, channels = video.shape
  means = np.zeros([batch, time, height // 2, width // 2, channels], np.float32)
  for i in range(height // 2):
    for j in range(width // 2):
      means[:, :, i, j] = video[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2].mean(axis=(2, 3))
  return means


def _place(frames, clip):
  """For each of some frames, its number in a clip."""
  return [int(np.argmin([np.abs(frame - other).max() for other in clip])) for frame in frames]


def _corner(crop, clip):
  """Where in a clip its crop is cut out."""
  height, width = crop.shape[1:3]
  places = [
      (i, j) for i in range(clip.shape[1] - height + 1) for j in range(clip.shape[2] - width + 1)
      if np.array_equal(clip[:, i:i + height, j:j + width], crop)]
  assert len(places) == 1
  return places[0]


@pytest.mark.parametrize('name', ['F', 'dF'])
def test_views_of_frames(name):
  video = judged_clips.video()
  source = video if name == 'F' else _boxes(video)
  drawn = set()
  for number in range(30):
    seen = judged_clips.view(video, name, randomness.seed_of(number))
    assert seen.shape == (3, FRAMES, *source.shape[2:])
    chosen = [_place(frames, clip) for frames, clip in zip(seen, source)]
    for frames, clip, numbers in zip(seen, source, chosen):
      np.testing.assert_allclose(frames, clip[numbers], atol=1e-6)
      assert GIVEN <= numbers[0] < numbers[1] < numbers[2]
    drawn.update(map(tuple, chosen))
  assert len(drawn) == 10  # of 5 predicted frames 3: every choice


def test_every_clip_has_frames_of_its_own():
  video = np.repeat(judged_clips.video(1), 20, axis=0)
  numbers = [_place(frames, video[0]) for frames in judged_clips.view(video, 'F')]
  assert len({tuple(n) for n in numbers}) > 3
  # All predicted frames, where K is their number.
  np.testing.assert_array_equal(judged_clips.view(video, 'F', frames=5), video[:, GIVEN:])


def test_views_of_whole_clips():
  video = judged_clips.video()
  np.testing.assert_array_equal(judged_clips.view(video, 'clV'), video)
  np.testing.assert_allclose(judged_clips.view(video, 'dV'), _boxes(video), atol=1e-6)


@pytest.mark.parametrize('crop_size,sides', [(None, (2, 3)), (3, (3, 3)), (4, (4, 4)), (1, (1, 1))])
def test_crops(crop_size, sides):
  video = judged_clips.video(batch=20)
  corners = set()
  for number in range(10):
    seen = judged_clips.view(video, 'crV', randomness.seed_of(number), crop_size)
    assert seen.shape == (20, 7, *sides, 2)
    corners.update(_corner(crop, clip) for crop, clip in zip(seen, video))
  assert corners == {(i, j) for i in range(4 - sides[0] + 1) for j in range(6 - sides[1] + 1)}


@pytest.mark.parametrize('name', ['F', 'crV'])
def test_views_are_functions_of_the_seed(name):
  video = judged_clips.video()
  np.testing.assert_array_equal(judged_clips.view(video, name), judged_clips.view(video, name))
  before = judged_clips.view(video, name)
  assert any((before != judged_clips.view(video, name, randomness.seed_of(n))).any()
             for n in range(4, 8))


@pytest.mark.parametrize('name', ALL)
def test_compiled_views_and_their_gradients(name):
  video = tf.constant(judged_clips.video())

  @functools.partial(tf.function, autograph=False, jit_compile=True)
  def compiled(video):
    with tf.GradientTape() as tape:
      tape.watch(video)
      seen = discriminators.view(video, name, GIVEN, FRAMES, FACTOR, None, SEED)
      loss = tf.reduce_sum(seen)
    return seen, tape.gradient(loss, video)

  seen, gradient = compiled(video)
  assert seen.shape == (3, *discriminators.view_shape(name, video.shape[1:], FRAMES, FACTOR), 2)
  weight = 1 / 4 if name in ('dF', 'dV') else 1
  assert set(np.unique(gradient)) <= {0, np.float32(weight)}  # a pixel is seen once or not at all
  assert np.sum(gradient) == np.size(seen)
  if name in ('F', 'dF'):
    assert not np.any(gradient[:, :GIVEN])


@pytest.mark.parametrize('name', ALL)
def test_views_are_the_same_on_two_replicas(two_replicas, name):
  video = tf.constant(judged_clips.video(batch=4))

  @tf.function(autograph=False)
  def both():
    def replica():
      rows = tf.gather(video, tf.range(2) + 2 * replicas.index())
      return discriminators.view(rows, name, GIVEN, FRAMES, FACTOR, None, SEED)
    return two_replicas.run(replica)

  found = np.concatenate(two_replicas.experimental_local_results(both()))
  np.testing.assert_array_equal(found, judged_clips.view(video, name))


def test_pixel_counts_are_the_papers():
  time, height, width, frames, s = 16, 64, 48, 8, 2
  count = lambda *names: sum(
      discriminators.pixels(name, (time, height, width, 3), frames, s) for name in names)
  assert count('F', 'dV') == frames * height * width + time * (height // s) * (width // s)
  assert count('dF', 'crV') == (frames + time) * (height // s) * (width // s)
  assert count('clV') == time * height * width
  assert discriminators.pixels('crV', (time, height, width, 3), frames, s, 20) == time * 400
  for name in ALL:
    seen = discriminators.view(
        tf.zeros([1, time, height, width, 3]), name, 5, frames, s, None, SEED)
    assert seen.shape.num_elements() == 3 * count(name)
