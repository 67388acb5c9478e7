"""The discriminator of pairs of an upscaled video and what it was made of."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.models import judged_clips
from tf_videogen.layers import projection
from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.models import discriminators

SEED, GIVEN = judged_clips.SEED, judged_clips.GIVEN
FRAMES, FACTOR = judged_clips.FRAMES, judged_clips.FACTOR


# Pairs of an upscaled video and what it was made of.


def _pairs(batch=2, seed=7):
  """Shorter and smaller than the clips, of twice as many channels."""
  return tf.constant(judged_clips.video(batch, 3, 2, 4, 4, seed))


def _matching(views, **kwargs):
  """As `_discriminators`, of clips [7, 4, 8, 2] and pairs [3, 2, 4, 4]."""
  tf.keras.utils.set_random_seed(1)
  kwargs = {'channels': 2, 'multipliers': (1, 2), 'frames': FRAMES, 'factor': FACTOR, **kwargs}
  model = discriminators.Discriminators(views, **kwargs)
  model.check((7, 4, 8, 2), GIVEN, (3, 2, 4, 4))
  model([judged_clips.clips(1)], tf.zeros([1], tf.int32), GIVEN, SEED, pairs=[_pairs(1)])
  return model


def test_the_view_of_pairs_is_them():
  assert discriminators.VIEWS['M'] == discriminators.View(temporal=True, scale='pair')
  for how in ((FRAMES, FACTOR), (FRAMES, 4, 1)):  # they are what they are
    assert discriminators.view_shape('M', (3, 2, 4, 4), *how) == (3, 2, 4)
    assert discriminators.pixels('M', (3, 2, 4, 4), *how) == 24


@spectral_weights.computed_once()
@pytest.mark.parametrize('views', [
    ('M', 'dV'), *[pytest.param(views, marks=pytest.mark.slow)
                   for views in (('M',), ('F', 'M'), ('F', 'dV', 'M'))]])
def test_pairs_are_judged_whole_beside_other_views(views):
  """By a network of clips; other networks say what they say without it."""
  model, labels = _matching(views, classes=3), tf.constant([2, 0])
  videos, pairs = [judged_clips.clips(), judged_clips.clips(seed=1)], [_pairs(), _pairs(seed=8)]
  outputs = model(videos, labels, GIVEN, SEED, pairs=pairs)
  times = [3 if name == 'M' else {'F': FRAMES, 'dV': 7}[name] for name in views]
  for part, found in enumerate(outputs):
    assert found.shape == (4 * sum(times),) and found.dtype == tf.float32
    for place, (name, rows) in enumerate(zip(views, judged_clips.slices([4 * t for t in times]))):
      seen = pairs[part] if name == 'M' else judged_clips.view(
          videos[part], name, randomness.fold_in(randomness.fold_in(SEED, part), place))
      expected, = model.networks[place](seen, labels)
      np.testing.assert_allclose(found[rows], np.reshape(expected, [-1]), atol=1e-5)


def test_parameters_of_matching():
  """Of 3-D blocks, and twice the channels."""
  model = _matching(('F', 'M'), classes=2)
  count = lambda layer: sum(v.shape.num_elements() for v in layer.trainable_variables)
  of_pairs, of_frames = (
      judged_clips.expected_parameters(2, (1, 2), *how, 2) for how in ((True, 4), (False, 2)))
  assert [count(network) for network in model.networks] == [of_frames, of_pairs]
  assert count(model) == of_frames + of_pairs


@spectral_weights.computed_once()
def test_matching_sees_all_of_the_pairs_and_nothing_of_the_videos():
  """Both videos of a pair, and conditioning frames do not count."""
  model, labels = _matching(('M',), head=projection.Projection), tf.zeros([2], tf.int32)
  judge = lambda video, pair, given=GIVEN, seed=SEED: model(
      [video], labels, given, seed, pairs=[pair])[0].numpy().reshape(2, 3)
  video, pair = judged_clips.clips(), _pairs()
  before = judge(video, pair)
  np.testing.assert_array_equal(judge(-video, pair, 0, randomness.seed_of(4)), before)
  for channel in range(4):
    other = pair.numpy()
    other[1, ..., channel] *= -1
    changed = judge(video, tf.constant(other)) != before
    np.testing.assert_array_equal(changed, [[False] * 3, [True] * 3])


def test_gradients_reach_pairs():
  model, videos, pairs = _matching(('F', 'M')), [judged_clips.clips()], [_pairs()]
  with tf.GradientTape() as tape:
    tape.watch(pairs)
    outputs, = model(videos, tf.zeros([2], tf.int32), GIVEN, SEED, training=True, pairs=pairs)
    loss = tf.reduce_mean(tf.sin(3 * outputs))
  for gradient in tape.gradient(loss, [*model.trainable_variables, *pairs]):
    assert np.abs(gradient).max() > 1e-6


@pytest.mark.slow
def test_two_replicas_judge_pairs_as_one(two_replicas):
  videos, pairs, labels = judged_clips.clips(4), _pairs(4), tf.constant([2, 0, 1, 2])
  with two_replicas.scope():
    model = _matching(('M',), classes=3)
  alone = _matching(('M',), classes=3)
  for mine, its in zip(alone.variables, model.variables):
    mine.assign(its.read_value())

  def losses(model, video, pair, labels):
    with tf.GradientTape() as tape:
      outputs, = model([video], labels, GIVEN, SEED, training=True, pairs=[pair])
      loss = tf.reduce_mean(tf.sin(3 * outputs)) / replicas.count()
    return replicas.total([loss, *tape.gradient(loss, model.trainable_variables)])

  def replica():
    rows = tf.range(2) + 2 * replicas.index()
    return losses(model, *(tf.gather(x, rows) for x in (videos, pairs, labels)))

  found = tf.function(lambda: two_replicas.run(replica), autograph=False)()
  expected = losses(alone, videos, pairs, labels)
  for values, value in zip(found, expected, strict=True):
    for one in two_replicas.experimental_local_results(values):
      np.testing.assert_allclose(one, value, atol=1e-5)


# Errors.


@pytest.mark.parametrize('shape,options,message', [
    (None, {}, 'the view M of Discriminators.views needs upscaled videos, but this model upscales '
               'none: leave it out'),
    ((12, 8, 8, 6), {}, 'Discriminators.multipliers, 5 of them, .* M must .* 16; got 8x8'),
    ((12, 32, 24, 6), {}, 'Discriminators.multipliers, .* the view M must .* 16; got 32x24'),
    ((6, 32, 32, 6), {'pool_time': True}, 'Discriminators.pool_time .* of 4; got 6 frames'),
])
def test_pairs_that_do_not_suit(shape, options, message):
  model = discriminators.Discriminators(('F', 'M'), **options)
  with pytest.raises(ValueError, match='^' + message) as error:
    model.check((12, 64, 64, 3), 0, shape)
  assert '\n' not in str(error.value)


def test_pairs_that_suit():
  """They need not be divided by s, nor have K frames; without the view they are not looked at."""
  model = discriminators.Discriminators(('F', 'M'), factor=5, crop_size=3)
  model.check((12, 64, 64, 3), 0, (3, 16, 48, 6))
  discriminators.Discriminators(('F',)).check((12, 64, 64, 3), 0, (3, 7, 7, 6))
