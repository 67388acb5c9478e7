"""The task of upscaling levels: pairs, windows, who learns, classes, tasks that cannot be."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks import cascade_tasks
from tf_videogen import tasks
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.layers import resampling

SEED, LABELS = cascade_tasks.SEED, cascade_tasks.LABELS
CLIPS, FIRST, WINDOW = cascade_tasks.CLIPS, cascade_tasks.FIRST, cascade_tasks.WINDOW
SHAPE, CLASSES, BLOCK = cascade_tasks.SHAPE, cascade_tasks.CLASSES, cascade_tasks.BLOCK
task, changing = cascade_tasks.task_fixture, cascade_tasks.changing_fixture  # fixtures
class_task = cascade_tasks.class_task_fixture
kernels_are_computed_once = cascade_tasks.kernels_are_computed_once
once = pytest.mark.usefixtures('once')


@pytest.fixture(scope='module', name='plain')
def _plain(tiny):
  """Without a matching discriminator; windows are all that the first level makes."""
  return cascade_tasks.randomized(
      tiny.cascade_task(2, discriminators={'views': ('F',), **BLOCK}, first_frames=2), SHAPE)


# --- what is judged ---


@pytest.mark.parametrize('downsample', [resampling.nearest, resampling.bilinear])
def test_real_windows(task, monkeypatch, downsample):
  """Pairs are twice what the level below has of them: every second frame, half of the sides."""
  monkeypatch.setattr(task.model, 'downsample', downsample)
  batch = cascade_tasks.batch()
  real, video = task.real(batch), batch['video'].numpy() / 127.5 - 1
  assert isinstance(real, tasks.video_gan.Judged) and real.video.dtype == tf.float32
  np.testing.assert_allclose(real.video, video, atol=1e-6)
  low = video[:, ::2]
  low = (low[:, :, ::2, ::2] if downsample is resampling.nearest else
         low.reshape(CLIPS, 2, 4, 2, 4, 2, 1).mean((3, 5)))
  np.testing.assert_allclose(real.pair, np.concatenate([low, low], -1), atol=1e-6)


@once
def test_fake_windows(changing):
  """Windows of whole videos of the level below, as it is evaluated; upscaled as in training."""
  task, model = changing, changing.model
  before = cascade_tasks.values_of(model)
  for norm in conditional_batch_norm.norms(model.lower[0]):  # evaluation has them, training not
    norm.standing.mean.assign(norm.standing.mean + 0.5)
  latents = cascade_tasks.latents(task)
  below = model.lower[0](latents[0], LABELS, None, FIRST)[0]
  low, starts = cascade_tasks.window_by_hand(task, below, 2)
  assert len(set(starts)) > 1
  upscaled = model.generator(latents[1], LABELS, low, WINDOW, training=True)[0].numpy()
  moved = cascade_tasks.values_of(model)
  cascade_tasks.restore(model, before)
  fake = task.fake(cascade_tasks.batch(), SEED)
  assert fake.video.shape == (CLIPS, *SHAPE) and fake.pair.shape == (CLIPS, 2, 4, 4, 2)
  np.testing.assert_allclose(fake.video, upscaled, atol=1e-5)
  pair = np.concatenate([upscaled[:, ::2, ::2, ::2], low], -1)
  np.testing.assert_allclose(fake.pair, pair, atol=1e-5)
  for found, expected in zip(cascade_tasks.values_of(model), moved, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_a_matching_discriminator(plain):
  assert plain.real(cascade_tasks.batch()).pair is None
  assert plain.fake(cascade_tasks.batch(), SEED).pair is None
  assert np.isfinite(plain.discriminator_loss(cascade_tasks.batch(), SEED)['loss'])


def test_pairs_are_judged(changing):
  """The loss is the hinge of all outputs, those for pairs with the others."""
  task, batch, before = changing, cascade_tasks.batch(), cascade_tasks.values_of(changing.model)
  fake = task.fake(batch, randomness.fold_in(SEED, 0))
  real = task.real(batch)
  scores = task.model.discriminators(
      [real.video, fake.video], LABELS, 0, randomness.fold_in(SEED, 1), training=True,
      pairs=[real.pair, fake.pair])
  real_scores, fake_scores = (of_one.numpy() for of_one in scores)
  # Mixed over the batch: views of two frames, of four, and of pairs of two.
  assert real_scores.shape == (CLIPS * CLIPS * (2 + 4 + 2),)
  cascade_tasks.restore(task.model, before)
  terms = task.discriminator_loss(batch, SEED)
  expected = np.maximum(0, 1 + fake_scores).mean() + np.maximum(0, 1 - real_scores).mean()
  np.testing.assert_allclose(terms['loss'], expected, rtol=1e-4)
  cascade_tasks.restore(task.model, before)
  terms = task.generator_loss(batch, SEED)
  assert set(terms) == {'loss'}  # no penalty


# --- who learns ---


def test_nothing_flows_into_earlier_levels(changing):
  """They are not trained, and nothing of them moves, no vector of spectral normalization either."""
  task, model, batch = changing, changing.model, cascade_tasks.batch()
  lower = model.lower[0].trainable_variables
  players = task.trainable_variables
  refs = lambda variables: {variable.ref() for variable in variables}
  assert refs(players.generator) == refs(model.generator.trainable_variables)
  assert refs(players.discriminator) == refs(model.discriminators.trainable_variables)
  before = [v.numpy() for v in model.lower[0].variables]
  with tf.GradientTape() as tape:
    loss = task.discriminator_loss(batch, SEED)['loss']
  of_generator, of_lower, of_networks = tape.gradient(
      loss, [players.generator, lower, players.discriminator])
  assert all(gradient is None for gradient in of_generator + of_lower)
  _assert_all_learn(of_networks)
  with tf.GradientTape() as tape:
    loss = task.generator_loss(batch, SEED)['loss']
  of_generator, of_lower = tape.gradient(loss, [players.generator, lower])
  assert len(of_lower) > 20 and all(gradient is None for gradient in of_lower)
  _assert_all_learn(of_generator)
  for variable, value in zip(model.lower[0].variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)


def _assert_all_learn(gradients):
  assert len(gradients) > 20 and all(gradient is not None for gradient in gradients)
  # Behind the ReLUs of two channels, which let nothing through, some don't.
  assert np.mean([np.abs(tf.convert_to_tensor(g)).max() > 0 for g in gradients]) > 0.8


def test_two_levels_trained_together(changing):
  """The first one as in training, too; it learns of this level's output."""
  task = tasks.UpscalingTask(changing.model, FIRST, joint=True)
  task.build(SHAPE)
  model, batch = task.model, cascade_tasks.batch()
  lower = model.lower[0].trainable_variables
  players = task.trainable_variables
  assert {v.ref() for v in players.generator} == {
      v.ref() for v in lower + model.generator.trainable_variables}
  assert len(players.generator) == len(lower) + len(model.generator.trainable_variables)
  assert [recording.frozen for recording in task.recordings] == [False, False]
  before = cascade_tasks.values_of(model)
  latents = cascade_tasks.latents(task)
  below = model.lower[0](latents[0], LABELS, None, FIRST, training=True)[0]
  low, _ = cascade_tasks.window_by_hand(task, below, 2)
  upscaled = model.generator(latents[1], LABELS, low, WINDOW, training=True)[0].numpy()
  cascade_tasks.restore(model, before)
  fake = task.fake(batch, SEED)
  np.testing.assert_allclose(fake.video, upscaled, atol=1e-4)
  np.testing.assert_allclose(
      fake.pair, np.concatenate([upscaled[:, ::2, ::2, ::2], low], -1), atol=1e-4)
  with tf.GradientTape() as tape:
    loss = task.discriminator_loss(batch, SEED)['loss']
  assert all(gradient is None for gradient in tape.gradient(loss, players.generator))
  with tf.GradientTape() as tape:
    loss = task.generator_loss(batch, SEED)['loss']
  of_lower = tape.gradient(loss, lower)
  _assert_all_learn(of_lower)
  task.initialize(None)  # nothing is loaded


@once
@pytest.mark.parametrize('loss', [
    'generator_loss', pytest.param('discriminator_loss', marks=pytest.mark.slow)])
def test_losses_agree_over_replicas(tiny, changing, two_replicas, loss):
  """Rows of one batch, of latents and of windows; statistics are the global batch's."""
  alone, batch = changing, cascade_tasks.batch()
  with two_replicas.scope():
    shared = tiny.cascade_task(2, discriminators=BLOCK)
    shared.build(SHAPE)
    cascade_tasks.restore(shared.model, cascade_tasks.values_of(alone.model))
  rows = two_replicas.experimental_distribute_values_from_function(
      lambda context: batch['video'][2 * context.replica_id_in_sync_group:][:2])
  found = two_replicas.run(
      lambda rows: getattr(shared, loss)({'video': rows}, SEED), args=(rows,))
  for name, expected in getattr(alone, loss)(batch, SEED).items():
    values = np.stack(two_replicas.experimental_local_results(found[name]))
    np.testing.assert_allclose(values.mean(), expected, rtol=1e-5, atol=1e-5)
  for found, expected in zip(shared.model.variables, alone.model.variables, strict=True):
    for value in two_replicas.experimental_local_results(found):
      np.testing.assert_allclose(value, expected, atol=1e-5)


# --- windows ---


def _numbered(clips, frames):
  """Frames that say of which clip they are, and which they are."""
  video = 100 * np.arange(clips)[:, None] + np.arange(frames)
  return tf.constant(video.reshape(clips, frames, 1, 1, 1).repeat(4, 2).repeat(4, 3), tf.float32)


# pylint: disable=protected-access


def test_windows_are_of_the_video(task):
  """Of each clip its own, frame after frame; from the first frame on, and to the last."""
  video, starts = _numbered(50, FIRST), []
  for number in range(4):
    window = task._window(video, randomness.seed_of(number)).numpy()
    assert window.shape == (50, 2, 4, 4, 1) and np.ptp(window, axis=(2, 3, 4)).max() == 0
    numbers = window[:, :, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(numbers // 100, np.arange(50)[:, None].repeat(2, 1))
    np.testing.assert_array_equal(numbers[:, 1], numbers[:, 0] + 1)
    starts.append(numbers[:, 0] % 100)
    assert len(set(starts[-1])) > 2  # clips differ
  assert len({of_one.tobytes() for of_one in starts}) == 4  # seeds do
  counts = np.bincount(np.concatenate(starts), minlength=5)
  assert len(counts) == 5 and counts.min() > 20  # of 200, 40 each


def test_a_window_may_be_the_whole_video(plain):
  video = _numbered(3, 2)
  np.testing.assert_array_equal(plain._window(video, SEED), video)


def test_windows_and_latents_are_those_of_the_global_batch(task, two_replicas):
  video = _numbered(CLIPS, FIRST)
  rows = two_replicas.experimental_distribute_values_from_function(
      lambda context: video[2 * context.replica_id_in_sync_group:][:2])
  joined = lambda values: np.concatenate(two_replicas.experimental_local_results(values))
  found = two_replicas.run(tf.function(lambda rows: task._window(rows, SEED)), args=(rows,))
  np.testing.assert_array_equal(joined(found), task._window(video, SEED))
  draw = lambda clips: task._latents({'video': tf.zeros([clips, 1])}, SEED)
  found = two_replicas.run(tf.function(lambda: draw(2)))
  for ours, theirs in zip(found, draw(4), strict=True):
    np.testing.assert_array_equal(joined(ours), theirs)


def test_latents_of_levels(task):
  """Each of its own size and seed; all times the temperature."""
  found = task._latents(cascade_tasks.batch(), SEED)
  assert [z.shape for z in found] == [(CLIPS, 4), (CLIPS, 5)]
  for z, expected in zip(found, cascade_tasks.latents(task), strict=True):
    np.testing.assert_array_equal(z, expected)
  for z, other in zip(task._latents(cascade_tasks.batch(), SEED, 0.5), found, strict=True):
    np.testing.assert_allclose(z, 0.5 * other, rtol=1e-6)
  truncated = task._latents({'video': tf.zeros([999, 1])}, SEED, 1.0, 0.8)
  assert all(0.7 < np.abs(z).max() <= 0.8 for z in truncated)


# --- classes ---


@once
def test_classes(class_task):
  """Samples without any noise are those of classes; both players hear of them."""
  class_task.prepare_samples(WINDOW)
  batch = cascade_tasks.batch()
  cold = class_task.sample(batch, SEED, temperature=0).numpy()
  same = [[np.array_equal(a, b) for a in cold] for b in cold]
  labels = batch['label'].numpy()
  np.testing.assert_array_equal(same, labels[:, None] == labels)
  other = {**batch, 'label': (batch['label'] + 1) % CLASSES}
  for videos in zip(class_task.levels(batch, SEED), class_task.levels(other, SEED)):
    assert (videos[0] != videos[1]).numpy().any(axis=(1, 2, 3, 4)).all()
  class_task.prepare_samples()
  before, losses = cascade_tasks.values_of(class_task.model), []
  for labelled in (batch, other):
    losses.append(float(class_task.discriminator_loss(labelled, SEED)['loss']))
    cascade_tasks.restore(class_task.model, before)
  assert losses[0] != losses[1]


def test_clips_without_labels(class_task):
  batch = cascade_tasks.batch()
  del batch['label']
  for function in (class_task.discriminator_loss, class_task.generator_loss, class_task.sample,
                   class_task.recordings[0].begin, class_task.recordings[1].begin):
    cascade_tasks.wrong(ValueError, 'Generator.classes = 3, and the clips have no labels',
                        lambda function=function: function(batch, SEED))


def test_what_a_sample_is_conditioned_on(task, class_task):
  spec = {'video': tf.TensorSpec(SHAPE, tf.uint8), 'label': tf.TensorSpec([], tf.int32)}
  assert not task.conditional and not task.condition_spec(spec)
  assert class_task.conditional and class_task.condition_spec(spec) == {'label': spec['label']}


# --- tasks that cannot be ---


def test_more_than_two_levels_together(tiny):
  cascade_tasks.wrong(
      ValueError, 'UpscalingTask.joint trains two levels, and there are 2 below this one',
      lambda: tiny.cascade_task(3, joint=True))


@pytest.mark.parametrize('more', [
    {'lower_dir': 'runs/level1'}, {'average_decay': 0.9}, {'orthogonality': 1e-4}])
def test_what_levels_that_are_trained_together_have_not(tiny, more):
  cascade_tasks.wrong(
      ValueError, 'joint trains the level below from its first weights on, without average and',
      lambda: tiny.cascade_task(2, joint=True, **more))


@pytest.mark.parametrize('shape, message', [
    ((14, 8, 8, 1), 'windows of 14 frames must be a multiple of .*repeats, 2, and of at most 12'),
    ((3, 8, 8, 1), 'windows of 3 frames must be a multiple of .*repeats, 2, and of at most 12'),
    ((4, 16, 16, 1), 'makes frames of 8 pixels a side, and clips have 16 x 16')])
def test_clips_that_do_not_suit(tiny, shape, message):
  cascade_tasks.wrong(ValueError, message, lambda: tiny.cascade_task(2).build(shape))
