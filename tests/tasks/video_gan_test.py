"""The task of video GANs: pixels, losses by hand, who learns of which, the average."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks import video_gan_tasks
from tf_videogen import tasks
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness

SEED, SHAPE, GIVEN = video_gan_tasks.SEED, video_gan_tasks.SHAPE, video_gan_tasks.GIVEN
task, changing = video_gan_tasks.task_fixture, video_gan_tasks.changing_fixture  # fixtures
class_task = video_gan_tasks.class_task_fixture
kernels_are_computed_once = video_gan_tasks.kernels_are_computed_once
once = pytest.mark.usefixtures('once')


# --- pixels ---


def test_every_pixel_value_survives_the_round_trip():
  values = tf.range(256)
  floats = tasks.video_gan.to_float(tf.cast(values, tf.uint8))
  assert floats.dtype == tf.float32 and floats[0] == -1 and floats[-1] == 1
  np.testing.assert_allclose(floats, np.arange(256) / 127.5 - 1, atol=1e-6)
  np.testing.assert_array_equal(tasks.video_gan.to_uint8(floats), values)


def test_values_are_rounded_and_clipped():
  values = tf.constant([-9.0, -1.01, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 1.4])
  pixels = tasks.video_gan.to_uint8(values)
  np.testing.assert_array_equal(pixels, [0, 0, 10, 11, 255])
  assert pixels.dtype == tf.uint8


# --- what is judged ---


def test_real_and_fake_clips(changing):
  """Fakes follow the frames that are given, and are made as in training."""
  task, batch, before = changing, video_gan_tasks.batch(), video_gan_tasks.values_of(changing)
  video = tf.cast(batch['video'], tf.float32) / 127.5 - 1
  real = task.real(batch)
  assert real.pair is None
  np.testing.assert_allclose(real.video, video, atol=1e-6)
  z = randomness.rows(randomness.normal, 4, [4], SEED)
  drawn, _ = task.model.generator(
      z, tf.zeros([4], tf.int32), video[:, :GIVEN], 3, training=True)
  moved = video_gan_tasks.values_of(task)
  video_gan_tasks.restore(task, before)
  fake = task.fake(batch, SEED)
  assert isinstance(fake, tasks.video_gan.Judged) and fake.pair is None
  np.testing.assert_array_equal(fake.video[:, :GIVEN], real.video[:, :GIVEN])
  np.testing.assert_allclose(fake.video[:, GIVEN:], drawn, atol=1e-5)
  for found, expected in zip(video_gan_tasks.values_of(task), moved, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fakes_from_noise_are_all_drawn(class_task):
  before, batch = video_gan_tasks.values_of(class_task), video_gan_tasks.batch(shape=(4, 8, 8, 1))
  fake = class_task.fake(batch, SEED)
  assert fake.video.shape == (4, 4, 8, 8, 1) and fake.video.dtype == tf.float32
  real = class_task.real(batch)
  assert (fake.video != real.video).numpy().any(axis=(2, 3, 4)).all()
  video_gan_tasks.restore(class_task, before)


# --- losses ---


def _by_hand(task, batch, judge_real):
  """What the discriminators say of the batch and of its fakes, with the seeds of a loss."""
  z = randomness.rows(randomness.normal, 4, [4], randomness.fold_in(SEED, 0))
  video = tf.cast(batch['video'], tf.float32) / 127.5 - 1
  labels = tf.zeros([4], tf.int32)
  drawn, _ = task.model.generator(z, labels, video[:, :GIVEN], 3, training=True)
  fake = tf.concat([video[:, :GIVEN], drawn], 1)
  videos = [video, fake] if judge_real else [fake]
  return [scores.numpy() for scores in task.model.discriminators(
      videos, labels, GIVEN, randomness.fold_in(SEED, 1), training=True)]


def test_loss_of_the_discriminators(changing):
  """The hinge of all outputs side by side, those of pairs of clips and frames."""
  task, batch, before = changing, video_gan_tasks.batch(), video_gan_tasks.values_of(changing)
  real, fake = _by_hand(task, batch, judge_real=True)
  assert real.shape == fake.shape == (4 * 4 * 2 + 4 * 4 * 5,)  # views 'dF' and 'crV'
  video_gan_tasks.restore(task, before)
  terms = task.discriminator_loss(batch, SEED)
  assert set(terms) == {'loss', 'real_score', 'fake_score'}
  expected = np.maximum(0, 1 + fake).mean() + np.maximum(0, 1 - real).mean()
  np.testing.assert_allclose(terms['loss'], expected, rtol=1e-4)
  np.testing.assert_allclose(terms['real_score'], real.mean(), rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(terms['fake_score'], fake.mean(), rtol=1e-4, atol=1e-4)
  # The mean of the networks' means is another number.
  others = np.mean([np.maximum(0, 1 + part).mean() for part in np.split(fake, [32])])
  assert abs(others - np.maximum(0, 1 + fake).mean()) > 1e-3 * others


def test_losses_of_the_means_of_networks(changing, monkeypatch):
  """Each network counts as much as any other, however many outputs it has."""
  task, batch, before = changing, video_gan_tasks.batch(), video_gan_tasks.values_of(changing)
  real, fake = _by_hand(task, batch, judge_real=True)
  video_gan_tasks.restore(task, before)
  monkeypatch.setattr(task, 'network_means', True)
  terms = task.discriminator_loss(batch, SEED)
  of_networks = lambda numbers: sum(part.mean() for part in np.split(numbers, [4 * 4 * 2]))
  expected = of_networks(np.maximum(0, 1 + fake)) + of_networks(np.maximum(0, 1 - real))
  np.testing.assert_allclose(terms['loss'], expected, rtol=1e-4)
  video_gan_tasks.restore(task, before)
  scores, = _by_hand(task, batch, judge_real=False)
  video_gan_tasks.restore(task, before)
  monkeypatch.setattr(task, 'orthogonality', 0.0)
  np.testing.assert_allclose(
      task.generator_loss(batch, SEED)['loss'], -of_networks(scores), rtol=1e-4)


@pytest.mark.parametrize('weight', [0.0, 2.0, pytest.param(1e-3, marks=pytest.mark.slow)])
def test_loss_of_the_generator(changing, monkeypatch, weight):
  task, batch, before = changing, video_gan_tasks.batch(), video_gan_tasks.values_of(changing)
  scores, = _by_hand(task, batch, judge_real=False)
  video_gan_tasks.restore(task, before)
  monkeypatch.setattr(task, 'orthogonality', weight)
  terms = task.generator_loss(batch, SEED)
  penalty = 0.0
  for variable in task.model.generator.trainable_variables:
    if len(variable.shape) > 1 and variable is not task.model.generator.first.kernel.w:
      matrix = variable.numpy().reshape(-1, variable.shape[-1])
      products = matrix.T @ matrix
      penalty += np.sum((products - np.diag(np.diag(products)))**2)
  assert penalty > 100
  np.testing.assert_allclose(terms['loss'], -scores.mean() + weight * penalty, rtol=1e-4)
  assert ('orthogonality' in terms) == bool(weight)
  if weight:
    np.testing.assert_allclose(terms['orthogonality'], penalty, rtol=1e-4)


@pytest.mark.parametrize('classes', [False, True])
def test_who_learns_of_which_loss(request, classes):
  """Every variable of a player by its own loss; none of the generator by the discriminators'."""
  task = request.getfixturevalue('class_task' if classes else 'task')
  batch = video_gan_tasks.batch(shape=(4, 8, 8, 1)) if classes else video_gan_tasks.batch()
  before = video_gan_tasks.values_of(task)
  if classes:  # every class is there: its embedding learns
    batch['label'] = tf.constant([0, 1, 2, 2])
  players = task.trainable_variables
  assert len(players.generator) == len(task.model.generator.trainable_variables) > 30
  with tf.GradientTape() as tape:
    loss = task.discriminator_loss(batch, SEED)['loss']
  of_generator, of_discriminator = tape.gradient(loss, list(players))
  assert all(gradient is None for gradient in of_generator)
  _assert_all_learn(players.discriminator, of_discriminator)
  with tf.GradientTape() as tape:
    loss = task.generator_loss(batch, SEED)['loss']
  of_generator = tape.gradient(loss, players.generator)
  _assert_all_learn(players.generator, of_generator)
  averaged = {v.ref() for v in task.model.averaged_generator.variables}
  assert not averaged & {v.ref() for v in players.generator + players.discriminator}
  for variable, value in zip(task.model.averaged_generator.variables,
                             before[len(task.model.generator.variables):]):
    np.testing.assert_array_equal(variable, value)  # no vector of theirs moves either
  video_gan_tasks.restore(task, before)


def _assert_all_learn(variables, gradients):
  for variable, gradient in zip(variables, gradients, strict=True):
    assert gradient is not None, variable.name
  learning = [np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients]
  # Behind the ReLUs of two channels, which let nothing through, some don't.
  assert np.mean(learning) > 0.8


def test_the_same_seed_is_the_same_loss(changing):
  task, batch, before = changing, video_gan_tasks.batch(), video_gan_tasks.values_of(changing)
  losses = []
  for seed in (SEED, SEED, randomness.seed_of(4)):
    video_gan_tasks.restore(task, before)
    losses.append(float(task.discriminator_loss(batch, seed)['loss']))
  assert losses[0] == losses[1] != losses[2]


@once
def test_labels_reach_both_players(class_task):
  batch, before = video_gan_tasks.batch(shape=(4, 8, 8, 1)), video_gan_tasks.values_of(class_task)
  other = {**batch, 'label': (batch['label'] + 1) % 3}
  generator = class_task.model.generator
  drawn = [generator(tf.ones([4, 4]), b['label'], None, 4)[0].numpy() for b in (batch, other)]
  assert (drawn[0] != drawn[1]).any(axis=(1, 2, 3, 4)).all()
  real = tasks.video_gan.to_float(batch['video'])
  scores = [class_task.model.discriminators([real], b['label'], 0, SEED)[0].numpy()
            for b in (batch, other)]
  assert (scores[0] != scores[1]).all()
  samples = [class_task.sample(b, SEED).numpy() for b in (batch, other)]
  assert (samples[0] != samples[1]).any(axis=(1, 2, 3, 4)).all()
  losses = []
  for b in (batch, other):
    video_gan_tasks.restore(class_task, before)
    losses.append(float(class_task.discriminator_loss(b, SEED)['loss']))
  video_gan_tasks.restore(class_task, before)
  assert losses[0] != losses[1]


def test_clips_without_labels(class_task):
  batch = video_gan_tasks.batch(shape=(4, 8, 8, 1))
  del batch['label']
  for function in (class_task.discriminator_loss, class_task.generator_loss, class_task.sample,
                   class_task.recordings[0].begin):
    with pytest.raises(ValueError, match='Generator.classes = 3, and the clips have no') as error:
      function(batch, SEED)
    assert '\n' not in str(error.value)


# --- the average, standing statistics ---


def test_the_average_begins_at_its_step(changing, monkeypatch):
  """It copies before, counted from 0, and then moves by a quarter."""
  task, model = changing, changing.model
  monkeypatch.setattr(task, 'average_start', 2)
  monkeypatch.setattr(task, 'average_decay', 0.75)
  pairs = lambda: zip(model.averaged_generator.trainable_variables,
                      model.generator.trainable_variables)
  step = tf.Variable(0, dtype=tf.int64)
  for number in range(4):
    step.assign(number)
    old = [average.numpy() for average, _ in pairs()]
    for variable in model.generator.trainable_variables:
      variable.assign(variable * 1.5 + 0.1)
    task.average(step)
    for (average, value), before in zip(pairs(), old):
      if number < 2:
        np.testing.assert_array_equal(average, value)
      else:
        np.testing.assert_allclose(average, 0.75 * before + 0.25 * value, rtol=1e-5, atol=1e-6)


@once
@pytest.mark.parametrize('frames, pieces, steps', [
    (None, 1, 3), (4, 2, 4),
    *[pytest.param(*of, marks=pytest.mark.slow) for of in [(3, 1, 3), (7, 3, 9)]]])
def test_record_is_of_the_average(changing, frames, pieces, steps):
  """Nothing else changes: no weights, no power iterations, nothing of the live generator."""
  task, before = changing, video_gan_tasks.values_of(changing)
  averaged = task.model.averaged_generator
  task.prepare_samples(frames)
  recording, = task.recordings
  assert recording.generator is averaged and recording.pieces == pieces and not recording.frozen
  assert video_gan_tasks.passes(averaged) == [[0] * steps] * 5
  video_gan_tasks.record(task, video_gan_tasks.batch(), SEED)
  video_gan_tasks.record(task, video_gan_tasks.batch(seed=1), SEED)
  assert video_gan_tasks.passes(averaged) == [[2] * steps] * 5
  for norm in conditional_batch_norm.norms(task.model.generator):
    assert norm.standing is None
  for variable, value in zip(task.model.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  recording.reset()
  assert video_gan_tasks.passes(averaged) == [[0] * steps] * 5


@once
def test_a_recorded_pass_is_a_sample(changing):
  """Of one batch, and its z: what was recorded is what is sampled, to the last frame."""
  batch = video_gan_tasks.batch()
  changing.prepare_samples(5)
  z = changing._latent(batch, SEED)  # pylint: disable=protected-access
  recording, = changing.recordings
  piece, carry, recorded = recording.generator.piece, recording.begin(batch, SEED), []
  for number in range(recording.pieces):
    video, carry = piece(number, 3, z, tf.zeros([4], tf.int32), carry, 5, record=True)
    recorded.append(video)
  found = changing.sample(batch, SEED).numpy()[:, GIVEN:].astype(int)
  expected = tasks.video_gan.to_uint8(tf.concat(recorded, 1)[:, :5]).numpy()
  assert np.abs(found - expected).max() <= 1 and np.ptp(expected) > 50
