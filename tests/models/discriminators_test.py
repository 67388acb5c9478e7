"""Discriminators: networks by counts and perturbation, whose outputs they are, replicas."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.models import judged_clips
from tf_videogen.layers import projection
from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.models import discriminators

SEED, ALL = judged_clips.SEED, judged_clips.ALL
GIVEN, FRAMES, FACTOR = judged_clips.GIVEN, judged_clips.FRAMES, judged_clips.FACTOR


# Networks.


@pytest.mark.parametrize('temporal', [False, True])
@pytest.mark.parametrize('multipliers', [(2, 3), (1, 2, 3, 4, 4)])
def test_parameters_of_a_network(temporal, multipliers):
  network = discriminators.Network(2, multipliers, temporal, projection.Projection(5))
  real, fake = network(tf.zeros([4, 3, 16, 16, 1]), [4, 2], 2)
  assert real.shape == fake.shape == (2, 3)
  count = sum(v.shape.num_elements() for v in network.trainable_variables)
  assert count == judged_clips.expected_parameters(2, multipliers, temporal, 1, 5)
  pixels, *features = [block.preactivation for block in network.blocks]
  assert not pixels and all(features)


def test_reach_of_a_frame():
  """Per frame, or nine frames: the first two blocks have four 3-D convolutions."""
  for temporal, reach in ((False, 0), (True, 4)):
    network = discriminators.Network(8, (1, 1, 1), temporal, projection.Projection())
    x = judged_clips.video(1, time=11, height=4, width=4)
    before, = network(x)
    x[:, 5] += 1
    changed = (network(x)[0] != before)[0]
    np.testing.assert_array_equal(changed, [abs(t - 5) <= reach for t in range(11)])


@pytest.mark.parametrize('policy', ['float32', 'mixed_bfloat16'])
def test_features_are_summed_over_space_after_a_relu(policy):
  tf.keras.mixed_precision.set_global_policy(policy)
  network = discriminators.Network(2, (1,), False, projection.Projection())
  x = tf.cast(tf.cast(judged_clips.video(2, 3, 6, 6, 2), tf.bfloat16), tf.float32)
  network(x)
  network.blocks[0].conv_1.bias.assign([-1e3, -1e3])  # nothing comes through: the block adds 0 to x
  features = np.maximum(x, 0).sum(axis=(2, 3))
  head = network.head
  expected = features @ (head.linear.value()[:, 0] + head.embedding.value()[0]).numpy()
  np.testing.assert_allclose(network(x)[0], expected, atol=1e-5)


def test_pooling_over_time():
  network = functools.partial(discriminators.Network, 2, (1, 1, 1), head=projection.Projection())
  x = tf.zeros([1, 8, 4, 4, 1])
  assert network(temporal=True, pool_time=True)(x)[0].shape == (1, 2)
  assert network(temporal=False, pool_time=True, head=projection.Projection())(x)[0].shape == (1, 8)


# Discriminators.


def _discriminators(views=ALL, head=projection.MixedProjection, multipliers=(1, 2), **kwargs):
  """Built for clips of 7 frames 4 x 8, with initial values that are the same every time."""
  tf.keras.utils.set_random_seed(1)
  model = discriminators.Discriminators(
      views, channels=2, multipliers=multipliers, frames=FRAMES, factor=FACTOR, head=head,
      **kwargs)
  model.check((7, 4, 8, 2), GIVEN)
  model([judged_clips.video(1, 7, 4, 8)], tf.zeros([1], tf.int32), GIVEN, SEED)
  return model


@pytest.fixture(scope='module', name='all_views')
def _all_views():
  """Of all views and three classes; tests change nothing of it."""
  return _discriminators(classes=3)


TIMES = [FRAMES, FRAMES, 7, 7, 7]  # of every view's clips


@spectral_weights.computed_once()
def test_outputs_are_those_of_all_networks(all_views):
  model = all_views
  videos, labels = [judged_clips.clips(), judged_clips.clips(seed=1)], tf.constant([2, 0])
  outputs = model(videos, labels, GIVEN, SEED)
  for part, found in enumerate(outputs):
    assert found.dtype == tf.float32
    assert found.shape == (4 * sum(TIMES),)
    for place, rows in enumerate(judged_clips.slices([4 * t for t in TIMES])):
      seed = randomness.fold_in(randomness.fold_in(SEED, part), place)
      seen = judged_clips.view(videos[part], ALL[place], seed)
      expected, = model.networks[place](seen, labels)
      assert expected.shape == (2, 2, TIMES[place])
      np.testing.assert_allclose(found[rows], np.reshape(expected, [-1]), atol=1e-5)


@spectral_weights.computed_once()
def test_every_part_has_labels_of_its_own(all_views):
  """Each is judged as by itself, in the same place."""
  videos = [judged_clips.clips(), judged_clips.clips(seed=1)]
  labels = tf.constant([[2, 0], [1, 1]])
  found = all_views(videos, tf.reshape(labels, [-1]), GIVEN, SEED)
  for part, of_part in enumerate(labels):
    expected = all_views(videos, of_part, GIVEN, SEED)[part]
    np.testing.assert_allclose(found[part], expected, atol=1e-5)
  assert np.abs(found[1] - all_views(videos, labels[0], GIVEN, SEED)[1]).max() > 1e-3


@spectral_weights.computed_once()
def test_fakes_alone_are_judged_as_first_part(all_views):
  model, fake = all_views, judged_clips.clips()
  alone, = model([fake], tf.zeros([2], tf.int32), GIVEN, SEED)
  first, _ = model([fake, judged_clips.clips(seed=1)], tf.zeros([2], tf.int32), GIVEN, SEED)
  np.testing.assert_allclose(alone, first, atol=1e-5)


@spectral_weights.computed_once()
def test_parts_do_not_meet(all_views):
  model, labels = all_views, tf.zeros([2], tf.int32)
  real, fake, other = judged_clips.clips(), judged_clips.clips(seed=1), judged_clips.clips(seed=2)
  before = model([real, fake], labels, GIVEN, SEED)
  for part, videos in enumerate(([other, fake], [real, other])):
    after = model(videos, labels, GIVEN, SEED)
    np.testing.assert_allclose(after[1 - part], before[1 - part], atol=1e-6)
    assert np.abs(after[part] - before[part]).min() > 0


def test_who_is_mixed_with_whom():
  clips, labels = judged_clips.clips(), tf.zeros([2], tf.int32)
  perturbed = tf.concat([clips[:1], judged_clips.clips(seed=1)[1:]], 0)
  for head, shape in ((projection.MixedProjection, (2, 2, 7)), (projection.Projection, (2, 7))):
    model = _discriminators(('dV',), head)
    change = np.reshape(model([perturbed], labels, GIVEN, SEED)[0]
                        - model([clips], labels, GIVEN, SEED)[0], shape)
    assert np.all(change[1])  # the clip's own
    if head is projection.MixedProjection:
      assert not np.any(change[0, 0]) and np.all(change[0, 1])
    else:
      assert not np.any(change[0])


@spectral_weights.computed_once()
def test_conditioning_frames_are_seen_by_clips_alone(all_views):
  clips = judged_clips.clips()
  perturbed = tf.concat([-clips[:, :GIVEN], clips[:, GIVEN:]], 1)
  before, after = (all_views([x], tf.zeros([2], tf.int32), GIVEN, SEED)[0].numpy()
                   for x in (clips, perturbed))
  for name, rows in zip(ALL, judged_clips.slices([4 * t for t in TIMES]), strict=True):
    assert np.any(before[rows] != after[rows]) == (name in ('clV', 'dV', 'crV'))


def test_parameters_of_all_networks(all_views):
  count = sum(v.shape.num_elements() for v in all_views.trainable_variables)
  assert count == sum(
      judged_clips.expected_parameters(2, (1, 2), name in ('clV', 'dV', 'crV'), 2, 3)
      for name in ALL)


def test_gradients_reach_all_variables_and_the_videos():
  model = _discriminators(('F', 'crV'), classes=2)
  videos = [judged_clips.clips(), judged_clips.clips(seed=1)]

  with tf.GradientTape() as tape:
    tape.watch(videos)
    outputs = model(videos, tf.constant([1, 0]), GIVEN, SEED, training=True)
    loss = sum(tf.reduce_mean(tf.sin(3 * x)) for x in outputs)
  for gradient in tape.gradient(loss, [*model.trainable_variables, *videos]):
    assert np.abs(gradient).max() > 1e-6


def test_spectral_normalization_moves_in_training_alone(all_views):
  model, clips, labels = all_views, judged_clips.clips(), tf.zeros([2], tf.int32)
  variables = [v for v in model.non_trainable_variables if v.shape[0] > 1]
  state = lambda: [v.numpy() for v in variables]
  before = state()
  model([clips], labels, GIVEN, SEED)
  assert all(np.array_equal(a, b) for a, b in zip(before, state()))
  model([clips], labels, GIVEN, SEED, training=True)
  assert not any(np.array_equal(a, b) for a, b in zip(before, state()))
  for variable, value in zip(variables, before, strict=True):
    variable.assign(value)


def test_mixed_precision():
  labels = tf.zeros([2], tf.int32)
  expected = _discriminators(('F',))([judged_clips.clips()], labels, GIVEN, SEED)[0].numpy()
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  model = _discriminators(('F',))
  found, = model([judged_clips.clips()], labels, GIVEN, SEED)
  assert found.dtype == tf.float32
  assert {v.dtype for v in model.variables} == {tf.float32}
  assert 0 < np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_a_compiled_step_is_one_of_kernels():
  """Of a view that draws nothing: XLA makes other numbers of a seed."""
  model, labels = _discriminators(('dV',), multipliers=(1,)), tf.constant([0, 0])

  def step(real, fake):
    with tf.GradientTape() as tape:
      tape.watch(fake)
      real_outputs, fake_outputs = model([real, fake], labels, GIVEN, SEED)
      loss = tf.reduce_mean(real_outputs**2) + tf.reduce_mean(fake_outputs)
    return loss, tape.gradient(loss, [fake, *model.trainable_variables])

  videos = judged_clips.clips(), judged_clips.clips(seed=1)
  found = tf.function(step, jit_compile=True, autograph=False)(*videos)
  expected = step(*videos)
  for found, expected in zip(tf.nest.flatten(found), tf.nest.flatten(expected)):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def _losses_and_gradients(model, real, fake, labels):
  with tf.GradientTape() as tape:
    outputs = model([real, fake], labels, GIVEN, SEED, training=True)
    loss = sum(tf.reduce_mean(tf.sin(3 * x)) for x in outputs) / replicas.count()
  return replicas.total([loss, *tape.gradient(loss, model.trainable_variables)])


def test_two_replicas_are_one(two_replicas):
  views = ('crV',)
  real, fake = judged_clips.clips(4), judged_clips.clips(4, seed=1)
  labels = tf.constant([2, 0, 1, 2])
  with two_replicas.scope():
    model = _discriminators(views, classes=3, multipliers=(1,))

  @tf.function(autograph=False)
  def both():
    def replica():
      rows = tf.range(2) + 2 * replicas.index()
      return _losses_and_gradients(model, *(tf.gather(x, rows) for x in (real, fake, labels)))
    return two_replicas.run(replica)

  alone = _discriminators(views, classes=3, multipliers=(1,))
  for mine, its in zip(alone.variables, model.variables):
    mine.assign(its.read_value())
  found = [two_replicas.experimental_local_results(x) for x in both()]
  for values, expected in zip(found, _losses_and_gradients(alone, real, fake, labels)):
    for value in values:
      np.testing.assert_allclose(value, expected, atol=1e-5)


# Errors.


@pytest.mark.parametrize('views,message', [
    ((), 'Discriminators.views must be one or more of F, dF, clV, dV, crV, M; got ()'),
    (('dF', 'V'),
     "Discriminators.views must be one or more of F, dF, clV, dV, crV, M; got ('dF', 'V')"),
    (('dF', 'dF'), "Discriminators.views must differ from each other; got ('dF', 'dF')"),
])
def test_wrong_views(views, message):
  with pytest.raises(ValueError) as error:
    discriminators.Discriminators(views)
  assert str(error.value) == message


@pytest.mark.parametrize('views,shape,given,options,message', [
    (('dV',), (16, 64, 64, 3), 16, {}, 'conditioning_frames must be below .* a clip, 16; got 16'),
    (('dV',), (16, 64, 64, 3), -1, {}, 'conditioning_frames must be .*; got -1'),
    (('dV', 'F'), (16, 64, 64, 3), 9, {}, 'frames must be 1 to 7, .* the view F; got 8'),
    (('dF',), (16, 64, 64, 3), 5, {'frames': 0}, 'frames must be 1 to 11, .* view dF; got 0'),
    (('crV',), (16, 64, 48, 3), 5, {'crop_size': 64}, 'crop_size must be 1 to 48 .* 64x48; got 64'),
    (('crV',), (16, 64, 64, 3), 5, {'crop_size': 0}, 'crop_size must be 1 to 64 .*; got 0'),
    (('dV',), (16, 64, 62, 3), 5, {'factor': 4}, 'factor must divide .* 64x62 .* dV; got 4'),
    (('crV',), (16, 64, 64, 3), 5, {'factor': 3}, 'factor must divide .* 64x64 .* crV; got 3'),
    (('dF',), (16, 64, 64, 3), 5, {'factor': 0}, 'factor must divide .*; got 0'),
    (('F', 'dV'), (16, 48, 48, 3), 5, {}, 'multipliers, 5 of them, .* dV must .* 16; got 24x24'),
    (('crV',), (16, 64, 64, 3), 5, {'crop_size': 24}, 'multipliers, .* crV must .* 16; got 24x24'),
    (('clV',), (16, 64, 40, 3), 5, {}, 'multipliers, .* clV must .* 16; got 64x40'),
    (('clV',), (14, 64, 64, 3), 5, {'pool_time': True}, 'pool_time .* of 4; got 14 frames'),
])
def test_clips_that_do_not_suit(views, shape, given, options, message):
  with pytest.raises(ValueError, match='^Discriminators.' + message):
    discriminators.Discriminators(views, **options).check(shape, given)


@pytest.mark.parametrize('views,shape,given,options', [
    (('dF', 'dV', 'crV'), (16, 64, 64, 3), 5, {}),
    (('F', 'clV'), (9, 16, 48, 1), 1, {}),
    (('clV',), (3, 16, 16, 3), 0, {}),  # K is of no view
    (('F', 'crV'), (16, 48, 80, 3), 8, {'crop_size': 32}),  # nor s
    (('dF', 'clV'), (12, 32, 32, 3), 4, {'pool_time': True}),
])
def test_clips_that_suit(views, shape, given, options):
  discriminators.Discriminators(views, **options).check(shape, given)
