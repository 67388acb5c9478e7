"""What every view shows, by search in the clips; networks by counts and perturbation; replicas."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import projection
from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.models import discriminators

SEED = randomness.seed_of(3)
GIVEN, FRAMES, FACTOR = 2, 3, 2  # conditioning frames, K, s
ALL = ('F', 'dF', 'clV', 'dV', 'crV')


def _video(batch=3, time=7, height=4, width=6, channels=2, seed=0):
  """Clips of which no two numbers are the same."""
  return np.random.default_rng(seed).uniform(
      -1, 1, size=(batch, time, height, width, channels)).astype(np.float32)


def _view(video, name, seed=SEED, crop_size=None, frames=FRAMES):
  return discriminators.view(
      tf.constant(video), name, GIVEN, frames, FACTOR, crop_size, seed).numpy()


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
  video = _video()
  source = video if name == 'F' else _boxes(video)
  drawn = set()
  for number in range(30):
    seen = _view(video, name, randomness.seed_of(number))
    assert seen.shape == (3, FRAMES, *source.shape[2:])
    chosen = [_place(frames, clip) for frames, clip in zip(seen, source)]
    for frames, clip, numbers in zip(seen, source, chosen):
      np.testing.assert_allclose(frames, clip[numbers], atol=1e-6)
      assert GIVEN <= numbers[0] < numbers[1] < numbers[2]
    drawn.update(map(tuple, chosen))
  assert len(drawn) == 10  # of 5 predicted frames 3: every choice


def test_every_clip_has_frames_of_its_own():
  video = np.repeat(_video(1), 20, axis=0)
  numbers = [_place(frames, video[0]) for frames in _view(video, 'F')]
  assert len({tuple(n) for n in numbers}) > 3
  # All predicted frames, where K is their number.
  np.testing.assert_array_equal(_view(video, 'F', frames=5), video[:, GIVEN:])


def test_views_of_whole_clips():
  video = _video()
  np.testing.assert_array_equal(_view(video, 'clV'), video)
  np.testing.assert_allclose(_view(video, 'dV'), _boxes(video), atol=1e-6)


@pytest.mark.parametrize('crop_size,sides', [(None, (2, 3)), (3, (3, 3)), (4, (4, 4)), (1, (1, 1))])
def test_crops(crop_size, sides):
  video = _video(batch=20)
  corners = set()
  for number in range(10):
    seen = _view(video, 'crV', randomness.seed_of(number), crop_size)
    assert seen.shape == (20, 7, *sides, 2)
    corners.update(_corner(crop, clip) for crop, clip in zip(seen, video))
  assert corners == {(i, j) for i in range(4 - sides[0] + 1) for j in range(6 - sides[1] + 1)}


@pytest.mark.parametrize('name', ['F', 'crV'])
def test_views_are_functions_of_the_seed(name):
  video = _video()
  np.testing.assert_array_equal(_view(video, name), _view(video, name))
  assert any((_view(video, name) != _view(video, name, randomness.seed_of(n))).any()
             for n in range(4, 8))


@pytest.mark.parametrize('name', ALL)
def test_compiled_views_and_their_gradients(name):
  video = tf.constant(_video())

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
  video = tf.constant(_video(batch=4))

  @tf.function(autograph=False)
  def both():
    def replica():
      rows = tf.gather(video, tf.range(2) + 2 * replicas.index())
      return discriminators.view(rows, name, GIVEN, FRAMES, FACTOR, None, SEED)
    return two_replicas.run(replica)

  found = np.concatenate(two_replicas.experimental_local_results(both()))
  np.testing.assert_array_equal(found, _view(video, name))


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


# Networks.


def _expected_parameters(channels, multipliers, temporal, inputs, classes):
  """Of residual blocks: two convolutions, and 1 x 1 where the shape changes; of the head."""
  total = 0
  for stage, multiplier in enumerate(multipliers):
    taps = 27 if temporal and stage < 2 else 9
    outputs = channels * multiplier
    total += (taps * inputs + 1) * outputs + (taps * outputs + 1) * outputs
    if stage < len(multipliers) - 1 or inputs != outputs:
      total += (inputs + 1) * outputs
    inputs = outputs
  return total + inputs + 1 + classes * inputs


@pytest.mark.parametrize('temporal', [False, True])
@pytest.mark.parametrize('multipliers', [(2, 3), (1, 2, 3, 4, 4)])
def test_parameters_of_a_network(temporal, multipliers):
  network = discriminators.Network(2, multipliers, temporal, projection.Projection(5))
  real, fake = network(tf.zeros([4, 3, 16, 16, 1]), [4, 2], 2)
  assert real.shape == fake.shape == (2, 3)
  assert sum(v.shape.num_elements() for v in network.trainable_variables) == _expected_parameters(
      2, multipliers, temporal, 1, 5)
  pixels, *features = [block.preactivation for block in network.blocks]
  assert not pixels and all(features)


def test_reach_of_a_frame():
  """Per frame, or nine frames: the first two blocks have four 3-D convolutions."""
  for temporal, reach in ((False, 0), (True, 4)):
    network = discriminators.Network(8, (1, 1, 1), temporal, projection.Projection())
    x = _video(1, time=11, height=4, width=4)
    before, = network(x)
    x[:, 5] += 1
    changed = (network(x)[0] != before)[0]
    np.testing.assert_array_equal(changed, [abs(t - 5) <= reach for t in range(11)])


@pytest.mark.parametrize('policy', ['float32', 'mixed_bfloat16'])
def test_features_are_summed_over_space_after_a_relu(policy):
  tf.keras.mixed_precision.set_global_policy(policy)
  network = discriminators.Network(2, (1,), False, projection.Projection())
  x = tf.cast(tf.cast(_video(2, 3, 6, 6, 2), tf.bfloat16), tf.float32)
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
  model([_video(1, 7, 4, 8)], tf.zeros([1], tf.int32), GIVEN, SEED)
  return model


@pytest.fixture(scope='module', name='all_views')
def _all_views():
  """Of all views and three classes; tests change nothing of it."""
  return _discriminators(classes=3)


TIMES = [FRAMES, FRAMES, 7, 7, 7]  # of every view's clips


def _clips(batch=2, seed=0):
  return tf.constant(_video(batch, 7, 4, 8, seed=seed))


def _slices(sizes):
  """Where in the vector of all outputs each network's are."""
  ends = np.cumsum(sizes)
  return [slice(end - size, end) for size, end in zip(sizes, ends)]


@spectral_weights.computed_once()
def test_outputs_are_those_of_all_networks(all_views):
  model = all_views
  videos, labels = [_clips(), _clips(seed=1)], tf.constant([2, 0])
  outputs = model(videos, labels, GIVEN, SEED)
  for part, found in enumerate(outputs):
    assert found.dtype == tf.float32
    assert found.shape == (4 * sum(TIMES),)
    for place, rows in enumerate(_slices([4 * t for t in TIMES])):
      seed = randomness.fold_in(randomness.fold_in(SEED, part), place)
      seen = _view(videos[part], ALL[place], seed)
      expected, = model.networks[place](seen, labels)
      assert expected.shape == (2, 2, TIMES[place])
      np.testing.assert_allclose(found[rows], np.reshape(expected, [-1]), atol=1e-5)


@spectral_weights.computed_once()
def test_fakes_alone_are_judged_as_first_part(all_views):
  model, fake = all_views, _clips()
  alone, = model([fake], tf.zeros([2], tf.int32), GIVEN, SEED)
  first, _ = model([fake, _clips(seed=1)], tf.zeros([2], tf.int32), GIVEN, SEED)
  np.testing.assert_allclose(alone, first, atol=1e-5)


@spectral_weights.computed_once()
def test_parts_do_not_meet(all_views):
  model, labels = all_views, tf.zeros([2], tf.int32)
  real, fake, other = _clips(), _clips(seed=1), _clips(seed=2)
  before = model([real, fake], labels, GIVEN, SEED)
  for part, videos in enumerate(([other, fake], [real, other])):
    after = model(videos, labels, GIVEN, SEED)
    np.testing.assert_allclose(after[1 - part], before[1 - part], atol=1e-6)
    assert np.abs(after[part] - before[part]).min() > 0


def test_who_is_mixed_with_whom():
  clips, labels = _clips(), tf.zeros([2], tf.int32)
  perturbed = tf.concat([clips[:1], _clips(seed=1)[1:]], 0)
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
  clips = _clips()
  perturbed = tf.concat([-clips[:, :GIVEN], clips[:, GIVEN:]], 1)
  before, after = (all_views([x], tf.zeros([2], tf.int32), GIVEN, SEED)[0].numpy()
                   for x in (clips, perturbed))
  for name, rows in zip(ALL, _slices([4 * t for t in TIMES]), strict=True):
    assert np.any(before[rows] != after[rows]) == (name in ('clV', 'dV', 'crV'))


def test_parameters_of_all_networks(all_views):
  count = sum(v.shape.num_elements() for v in all_views.trainable_variables)
  assert count == sum(
      _expected_parameters(2, (1, 2), name in ('clV', 'dV', 'crV'), 2, 3) for name in ALL)


def test_gradients_reach_all_variables_and_the_videos():
  model, videos = _discriminators(('F', 'crV'), classes=2), [_clips(), _clips(seed=1)]

  with tf.GradientTape() as tape:
    tape.watch(videos)
    outputs = model(videos, tf.constant([1, 0]), GIVEN, SEED, training=True)
    loss = sum(tf.reduce_mean(tf.sin(3 * x)) for x in outputs)
  for gradient in tape.gradient(loss, [*model.trainable_variables, *videos]):
    assert np.abs(gradient).max() > 1e-6


def test_spectral_normalization_moves_in_training_alone(all_views):
  model, clips, labels = all_views, _clips(), tf.zeros([2], tf.int32)
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
  expected = _discriminators(('F',))([_clips()], labels, GIVEN, SEED)[0].numpy()
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  model = _discriminators(('F',))
  found, = model([_clips()], labels, GIVEN, SEED)
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

  videos = _clips(), _clips(seed=1)
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
  real, fake, labels = _clips(4), _clips(4, seed=1), tf.constant([2, 0, 1, 2])
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


# Pairs of an upscaled video and what it was made of.


def _pairs(batch=2, seed=7):
  """Shorter and smaller than the clips, of twice as many channels."""
  return tf.constant(_video(batch, 3, 2, 4, 4, seed))


def _matching(views, **kwargs):
  """As `_discriminators`, of clips [7, 4, 8, 2] and pairs [3, 2, 4, 4]."""
  tf.keras.utils.set_random_seed(1)
  kwargs = {'channels': 2, 'multipliers': (1, 2), 'frames': FRAMES, 'factor': FACTOR, **kwargs}
  model = discriminators.Discriminators(views, **kwargs)
  model.check((7, 4, 8, 2), GIVEN, (3, 2, 4, 4))
  model([_clips(1)], tf.zeros([1], tf.int32), GIVEN, SEED, pairs=[_pairs(1)])
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
  videos, pairs = [_clips(), _clips(seed=1)], [_pairs(), _pairs(seed=8)]
  outputs = model(videos, labels, GIVEN, SEED, pairs=pairs)
  times = [3 if name == 'M' else {'F': FRAMES, 'dV': 7}[name] for name in views]
  for part, found in enumerate(outputs):
    assert found.shape == (4 * sum(times),) and found.dtype == tf.float32
    for place, (name, rows) in enumerate(zip(views, _slices([4 * t for t in times]))):
      seen = pairs[part] if name == 'M' else _view(
          videos[part], name, randomness.fold_in(randomness.fold_in(SEED, part), place))
      expected, = model.networks[place](seen, labels)
      np.testing.assert_allclose(found[rows], np.reshape(expected, [-1]), atol=1e-5)


def test_parameters_of_matching():
  """Of 3-D blocks, and twice the channels."""
  model = _matching(('F', 'M'), classes=2)
  count = lambda layer: sum(v.shape.num_elements() for v in layer.trainable_variables)
  of_pairs, of_frames = (
      _expected_parameters(2, (1, 2), *how, 2) for how in ((True, 4), (False, 2)))
  assert [count(network) for network in model.networks] == [of_frames, of_pairs]
  assert count(model) == of_frames + of_pairs


@spectral_weights.computed_once()
def test_matching_sees_all_of_the_pairs_and_nothing_of_the_videos():
  """Both videos of a pair, and conditioning frames do not count."""
  model, labels = _matching(('M',), head=projection.Projection), tf.zeros([2], tf.int32)
  judge = lambda video, pair, given=GIVEN, seed=SEED: model(
      [video], labels, given, seed, pairs=[pair])[0].numpy().reshape(2, 3)
  video, pair = _clips(), _pairs()
  before = judge(video, pair)
  np.testing.assert_array_equal(judge(-video, pair, 0, randomness.seed_of(4)), before)
  for channel in range(4):
    other = pair.numpy()
    other[1, ..., channel] *= -1
    changed = judge(video, tf.constant(other)) != before
    np.testing.assert_array_equal(changed, [[False] * 3, [True] * 3])


def test_gradients_reach_pairs():
  model, videos, pairs = _matching(('F', 'M')), [_clips()], [_pairs()]
  with tf.GradientTape() as tape:
    tape.watch(pairs)
    outputs, = model(videos, tf.zeros([2], tf.int32), GIVEN, SEED, training=True, pairs=pairs)
    loss = tf.reduce_mean(tf.sin(3 * outputs))
  for gradient in tape.gradient(loss, [*model.trainable_variables, *pairs]):
    assert np.abs(gradient).max() > 1e-6


@pytest.mark.slow
def test_two_replicas_judge_pairs_as_one(two_replicas):
  videos, pairs, labels = _clips(4), _pairs(4), tf.constant([2, 0, 1, 2])
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


@pytest.mark.parametrize('shape,options,message', [
    (None, {}, 'the view M of Discriminators.views is of upscaled videos, and this model upscales '
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
