"""The task of video GANs: losses by hand, who learns of which, samples, measures, previews."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen import tasks
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.metrics import image_quality

SEED = randomness.seed_of(3)
SHAPE = (5, 16, 16, 1)  # of clips; two frames are given
GIVEN = 2
BLOCK = {'multipliers': (1,)}  # discriminators of one block


def _built(task, clip_shape=SHAPE):
  """Weights that are far from orthogonal, so that the penalty has something to say."""
  tf.keras.utils.set_random_seed(0)
  task.build(clip_shape)
  rng = np.random.default_rng(0)
  for part in (task.model.generator, task.model.averaged_generator, task.model.discriminators):
    spectral_weights.randomize(part, rng)
  return task


@pytest.fixture(scope='module', name='task')
def _task(tiny):
  """Tests that change it use `changing`."""
  return _built(tiny.video_gan(discriminators=BLOCK, orthogonality=1e-3))


@pytest.fixture(scope='module', name='class_task')
def _class_task(tiny):
  """Of three classes, from noise; clips have 8 x 8 pixels."""
  return _built(tiny.class_gan(), (4, 8, 8, 1))


@pytest.fixture(name='changing')
def _changing(task):
  """The task, whose variables are afterwards what they were, and nothing recorded."""
  kept = _values(task)
  yield task
  _restore(task, kept)
  task.prepare_samples()


@pytest.fixture(name='once')
def _kernels_are_computed_once():
  """For tests without gradients."""
  with spectral_weights.computed_once():
    yield


once = pytest.mark.usefixtures('once')


def _values(task):
  return [variable.numpy() for variable in task.model.variables]


def _restore(task, values):
  for variable, value in zip(task.model.variables, values, strict=True):
    variable.assign(value)


def _batch(clips=4, seed=0, shape=SHAPE):
  rng = np.random.default_rng(seed)
  return {'video': tf.constant(rng.integers(256, size=(clips, *shape)), tf.uint8),
          'valid': tf.ones([clips], tf.bool),
          'label': tf.constant(rng.integers(3, size=clips), tf.int32)}


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
  task, batch, before = changing, _batch(), _values(changing)
  video = tf.cast(batch['video'], tf.float32) / 127.5 - 1
  real = task.real(batch)
  assert real.pair is None
  np.testing.assert_allclose(real.video, video, atol=1e-6)
  z = randomness.rows(randomness.normal, 4, [4], SEED)
  drawn, _ = task.model.generator(
      z, tf.zeros([4], tf.int32), video[:, :GIVEN], 3, training=True)
  moved = _values(task)
  _restore(task, before)
  fake = task.fake(batch, SEED)
  assert isinstance(fake, tasks.video_gan.Judged) and fake.pair is None
  np.testing.assert_array_equal(fake.video[:, :GIVEN], real.video[:, :GIVEN])
  np.testing.assert_allclose(fake.video[:, GIVEN:], drawn, atol=1e-5)
  for found, expected in zip(_values(task), moved, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_fakes_from_noise_are_all_drawn(class_task):
  before, batch = _values(class_task), _batch(shape=(4, 8, 8, 1))
  fake = class_task.fake(batch, SEED)
  assert fake.video.shape == (4, 4, 8, 8, 1) and fake.video.dtype == tf.float32
  real = class_task.real(batch)
  assert (fake.video != real.video).numpy().any(axis=(2, 3, 4)).all()
  _restore(class_task, before)


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
  task, batch, before = changing, _batch(), _values(changing)
  real, fake = _by_hand(task, batch, judge_real=True)
  assert real.shape == fake.shape == (4 * 4 * 2 + 4 * 4 * 5,)  # views 'dF' and 'crV'
  _restore(task, before)
  terms = task.discriminator_loss(batch, SEED)
  assert set(terms) == {'loss', 'real_score', 'fake_score'}
  expected = np.maximum(0, 1 + fake).mean() + np.maximum(0, 1 - real).mean()
  np.testing.assert_allclose(terms['loss'], expected, rtol=1e-4)
  np.testing.assert_allclose(terms['real_score'], real.mean(), rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(terms['fake_score'], fake.mean(), rtol=1e-4, atol=1e-4)
  # The mean of the networks' means is another number.
  others = np.mean([np.maximum(0, 1 + part).mean() for part in np.split(fake, [32])])
  assert abs(others - np.maximum(0, 1 + fake).mean()) > 1e-3 * others


@pytest.mark.parametrize('weight', [0.0, 2.0, pytest.param(1e-3, marks=pytest.mark.slow)])
def test_loss_of_the_generator(changing, monkeypatch, weight):
  task, batch, before = changing, _batch(), _values(changing)
  scores, = _by_hand(task, batch, judge_real=False)
  _restore(task, before)
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
  batch, before = _batch(shape=(4, 8, 8, 1)) if classes else _batch(), _values(task)
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
  _restore(task, before)


def _assert_all_learn(variables, gradients):
  for variable, gradient in zip(variables, gradients, strict=True):
    assert gradient is not None, variable.name
  learning = [np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in gradients]
  # Behind the ReLUs of two channels, which let nothing through, some don't.
  assert np.mean(learning) > 0.8


def test_the_same_seed_is_the_same_loss(changing):
  task, batch, before = changing, _batch(), _values(changing)
  losses = []
  for seed in (SEED, SEED, randomness.seed_of(4)):
    _restore(task, before)
    losses.append(float(task.discriminator_loss(batch, seed)['loss']))
  assert losses[0] == losses[1] != losses[2]


@once
def test_labels_reach_both_players(class_task):
  batch, before = _batch(shape=(4, 8, 8, 1)), _values(class_task)
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
    _restore(class_task, before)
    losses.append(float(class_task.discriminator_loss(b, SEED)['loss']))
  _restore(class_task, before)
  assert losses[0] != losses[1]


def test_clips_without_labels(class_task):
  batch = _batch(shape=(4, 8, 8, 1))
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


def _pass(task, batch, seed):
  """A pass whose statistics are recorded, as `training.standing_statistics` does it."""
  recording, = task.recordings
  carry = recording.begin(batch, seed)
  for number in range(recording.pieces):
    carry = recording.record(tf.constant(number), batch, seed, carry)


def _passes(generator):
  """Of every norm of a generator, how often its time steps were recorded: a list of lists."""
  return [norm.standing.passes.numpy().tolist() for norm in conditional_batch_norm.norms(generator)]


@once
@pytest.mark.parametrize('frames, pieces, steps', [
    (None, 1, 3), (4, 2, 4),
    *[pytest.param(*of, marks=pytest.mark.slow) for of in [(3, 1, 3), (7, 3, 9)]]])
def test_record_is_of_the_average(changing, frames, pieces, steps):
  """Nothing else changes: no weights, no power iterations, nothing of the live generator."""
  task, before = changing, _values(changing)
  averaged = task.model.averaged_generator
  task.prepare_samples(frames)
  recording, = task.recordings
  assert recording.generator is averaged and recording.pieces == pieces and not recording.frozen
  assert _passes(averaged) == [[0] * steps] * 5
  _pass(task, _batch(), SEED)
  _pass(task, _batch(seed=1), SEED)
  assert _passes(averaged) == [[2] * steps] * 5
  for norm in conditional_batch_norm.norms(task.model.generator):
    assert norm.standing is None
  for variable, value in zip(task.model.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  recording.reset()
  assert _passes(averaged) == [[0] * steps] * 5


@once
def test_a_recorded_pass_is_a_sample(changing):
  """Of one batch, and its z: what was recorded is what is sampled, to the last frame."""
  batch = _batch()
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


# --- samples ---


def _every_value():
  """Clips whose given frames have all 256 pixel values."""
  video = np.random.default_rng(1).integers(256, size=(4, *SHAPE)).astype(np.uint8)
  for clip in video:
    for frame in clip[:GIVEN]:
      frame[..., 0] = np.random.default_rng(0).permutation(256).reshape(16, 16)
  return {'video': tf.constant(video), 'valid': tf.ones([4], tf.bool)}


@once
def test_samples_begin_with_the_given_frames(task):
  batch = _every_value()
  drawn = tf.function(task.sample, autograph=False)(batch, SEED)
  assert drawn.dtype == tf.uint8 and drawn.shape == (4, *SHAPE)
  np.testing.assert_array_equal(drawn[:, :GIVEN], batch['video'][:, :GIVEN])
  assert (drawn[:, GIVEN:] != batch['video'][:, GIVEN:]).numpy().any(axis=(2, 3, 4)).all()
  # Nothing comes from frames that are to be predicted.
  unknown = {**batch, 'video': tf.concat(
      [batch['video'][:, :GIVEN], tf.zeros([4, 3, 16, 16, 1], tf.uint8)], 1)}
  np.testing.assert_array_equal(task.sample(unknown, SEED), drawn)


@once
def test_seeds_and_temperatures(task):
  batch, seeds = _batch(), [randomness.seed_of(number) for number in range(2)]
  draw = lambda seed, **how: task.sample(batch, seed, **how).numpy()
  drawn = draw(seeds[0])
  np.testing.assert_array_equal(draw(seeds[0]), drawn)
  differs = lambda a, b: (a[:, GIVEN:] != b[:, GIVEN:]).any(axis=(1, 2, 3, 4))
  assert differs(drawn, draw(seeds[1])).all()
  cold = [draw(seed, temperature=0, truncation=cut) for seed in seeds for cut in (None, 0.8)]
  assert all(np.array_equal(cold[0], other) for other in cold[1:])
  assert differs(draw(seeds[0], temperature=0.5), drawn).all()
  assert differs(draw(seeds[0], truncation=0.1), drawn).all()
  np.testing.assert_array_equal(draw(seeds[0], temperature=1.0), drawn)


def test_latent_numbers(task):
  """Normal, times the temperature; truncated before that."""
  # pylint: disable=protected-access
  many = {'video': tf.zeros([5000, 1])}
  z = task._latent(many, SEED).numpy()
  assert z.shape == (5000, 4) and abs(z.std() - 1) < 0.02 and np.abs(z).max() > 3
  np.testing.assert_allclose(task._latent(many, SEED, 0.5), 0.5 * z, rtol=1e-6)
  truncated = task._latent(many, SEED, 1.0, 0.8).numpy()
  assert 0.79 < np.abs(truncated).max() <= 0.8 and abs(truncated.mean()) < 0.01
  np.testing.assert_allclose(task._latent(many, SEED, 2.0, 0.8), 2 * truncated, rtol=1e-6)


@pytest.mark.parametrize('truncation', [None, 0.8])
def test_latent_rows_are_those_of_the_global_batch(task, two_replicas, truncation):
  # pylint: disable=protected-access
  draw = lambda clips: task._latent({'video': tf.zeros([clips, 1])}, SEED, 1.0, truncation)
  found = two_replicas.run(tf.function(draw), args=(2,))
  rows = np.concatenate(two_replicas.experimental_local_results(found))
  np.testing.assert_array_equal(rows, draw(4))


@pytest.mark.parametrize('how', [
    {'temperature': -0.1}, {'truncation': 0}, {'truncation': -1.0}, {'truncation': 0.0}])
def test_options_that_cannot_be_meant(task, how):
  with pytest.raises(ValueError, match='temperature must be at least 0 and truncation above 0'):
    task.sample(_batch(), SEED, **how)


@once
def test_samples_are_the_averages(changing):
  """By its own weights and its standing statistics."""
  model, batch = changing.model, _batch()
  draw = lambda: changing.sample(batch, SEED).numpy()
  before = draw()
  for variable in model.generator.variables + model.discriminators.variables:
    variable.assign(variable + 1)
  np.testing.assert_array_equal(draw(), before)
  standing = conditional_batch_norm.norms(model.averaged_generator)[0].standing
  standing.mean.assign(standing.mean + 1)
  moved = draw()
  assert (moved != before).any()
  bias = model.averaged_generator.to_image.bias
  bias.assign(bias + 0.5)
  assert (draw() != moved).any()


@once
def test_a_clip_is_sampled_alone(task):
  """Nothing of it depends on other clips of the batch."""
  batch = _batch()
  other = {**batch, 'video': tf.concat([batch['video'][:1], batch['video'][1:] // 2], 0)}
  np.testing.assert_array_equal(task.sample(batch, SEED)[0], task.sample(other, SEED)[0])


# --- samples of other numbers of frames ---


@once
@pytest.mark.parametrize('frames, traced', [
    (2, False), (4, False),
    *[pytest.param(frames, traced, marks=pytest.mark.slow) for frames, traced in [
        (2, True), (4, True), (7, False), (7, True)]]])
def test_samples_of_more_frames_and_fewer(changing, frames, traced):
  """Piece by piece, they are the generator's of as many frames at once, with all statistics."""
  task, batch = changing, _batch()
  task.prepare_samples(frames)
  _pass(task, batch, SEED)
  _pass(task, _batch(seed=1), SEED)
  sample = tf.function(task.sample, autograph=False) if traced else task.sample
  found = sample(batch, randomness.seed_of(9))
  assert found.shape == (4, GIVEN + frames, 16, 16, 1) and found.dtype == tf.uint8
  np.testing.assert_array_equal(found[:, :GIVEN], batch['video'][:, :GIVEN])
  z = task._latent(batch, randomness.seed_of(9))  # pylint: disable=protected-access
  given = tasks.video_gan.to_float(batch['video'][:, :GIVEN])
  whole, _ = task.model.averaged_generator(z, tf.zeros([4], tf.int32), given, frames)
  expected = tasks.video_gan.to_uint8(whole).numpy().astype(int)
  assert np.abs(found[:, GIVEN:].numpy() - expected).max() <= 1 and np.ptp(expected) > 50
  task.prepare_samples()
  assert task.sample(batch, SEED).shape == batch['video'].shape


@once
def test_longer_samples_from_noise(class_task):
  class_task.prepare_samples(9)
  batch = _batch(shape=(4, 8, 8, 1))
  z = class_task._latent(batch, SEED)  # pylint: disable=protected-access
  whole, _ = class_task.model.averaged_generator(z, batch['label'], None, 9)
  found = class_task.sample(batch, SEED)
  assert found.shape == (4, 9, 8, 8, 1)
  assert np.abs(found.numpy().astype(int) - tasks.video_gan.to_uint8(whole)).max() <= 1
  class_task.prepare_samples()


def test_a_task_may_begin_with_another_number_of_frames(changing):
  task = tasks.VideoGANTask(changing.model, GIVEN, sampled_frames=7)
  task.build(SHAPE)
  assert task.sampled_frames == 7 and task.recordings[0].pieces == 3
  assert _passes(task.model.averaged_generator) == [[0] * 9] * 5
  task.prepare_samples()
  assert task.sampled_frames == 3 and task.recordings[0].pieces == 1


@pytest.mark.parametrize('frames', [0, -1])
def test_samples_of_no_frames(changing, frames):
  with pytest.raises(ValueError, match=f'frames of a sample must be at least 1, got {frames}'):
    changing.prepare_samples(frames)
  assert changing.sampled_frames == 3


# --- measures and previews ---


def _padded(batch, examples):
  rows = [i if i < examples else 0 for i in range(4)]
  batch = {name: tf.gather(value, rows) for name, value in batch.items()}
  return {**batch, 'valid': tf.range(4) < examples}


@once
def test_metrics_are_those_of_samples(task):
  """Of predicted frames; two batches, of which the second has one clip, filled up with three."""
  batches = [_batch(seed=1), _padded(_batch(seed=2), 1)]
  statistics = task.statistics
  sums = [{name: float(x) for name, x in statistics(batch, SEED).items()} for batch in batches]
  merged = {name: sums[0][name] + sums[1][name] for name in sums[0]}
  assert merged['examples'] == 5
  metrics = task.metrics(merged)
  video = np.concatenate([batch['video'] for batch in batches])[:5]
  drawn = np.concatenate([task.sample(batch, SEED) for batch in batches])[:5]
  copies = np.repeat(video[:, 1:2], 3, axis=1)
  for suffix, frames in (('', drawn[:, GIVEN:]), ('_copy_last_frame', copies)):
    squares = (frames.astype(float) - video[:, GIVEN:])**2
    psnr = 10 * np.log10(255**2 / squares.mean((2, 3, 4)))
    np.testing.assert_allclose(metrics['psnr' + suffix], psnr.mean(), rtol=1e-4)
    ssim = image_quality.ssim(frames, video[:, GIVEN:]).numpy()
    np.testing.assert_allclose(metrics['ssim' + suffix], ssim.mean(), rtol=1e-4, atol=1e-5)
  for name, clips in (('frame_difference', drawn), ('frame_difference_of_data', video)):
    changes = np.abs(np.diff(clips.astype(float), axis=1)).mean()
    np.testing.assert_allclose(metrics[name], changes, rtol=1e-4)
  assert len(metrics) == 6


@once
@pytest.mark.parametrize('frames', [2, 4, pytest.param(7, marks=pytest.mark.slow)])
def test_metrics_of_more_frames_and_fewer(changing, frames):
  """Of predicted frames, those that both samples and clips have; motion, of all there are."""
  changing.prepare_samples(frames)
  batch, both = _batch(seed=1), min(frames, 3)
  metrics = changing.metrics(
      {name: float(x) for name, x in changing.statistics(batch, SEED).items()})
  drawn, video = changing.sample(batch, SEED).numpy(), batch['video'].numpy()
  assert drawn.shape[1] == GIVEN + frames
  came = video[:, GIVEN:GIVEN + both]
  copies = np.repeat(video[:, 1:2], both, axis=1)
  for suffix, predicted in (('', drawn[:, GIVEN:GIVEN + both]), ('_copy_last_frame', copies)):
    psnr = 10 * np.log10(255**2 / ((predicted.astype(float) - came)**2).mean((2, 3, 4)))
    np.testing.assert_allclose(metrics['psnr' + suffix], psnr.mean(), rtol=1e-4)
    ssim = image_quality.ssim(predicted, came).numpy()
    np.testing.assert_allclose(metrics['ssim' + suffix], ssim.mean(), rtol=1e-4, atol=1e-5)
  for name, clips in (('frame_difference', drawn), ('frame_difference_of_data', video)):
    changes = np.abs(np.diff(clips.astype(float), axis=1)).mean()
    np.testing.assert_allclose(metrics[name], changes, rtol=1e-4)


def test_without_given_frames_motion_alone_is_measured(class_task):
  sums = class_task.statistics({**_batch(shape=(4, 8, 8, 1)), 'valid': tf.range(4) < 3}, SEED)
  assert sums['examples'] == 3
  assert set(class_task.metrics(sums)) == {'frame_difference', 'frame_difference_of_data'}


@once
def test_previews(task):
  batch = _every_value()
  previews = task.previews(batch, SEED)
  np.testing.assert_array_equal(previews['data'], batch['video'])
  np.testing.assert_array_equal(previews['samples'], task.sample(batch, SEED))
  motion = previews['motion'].numpy()
  assert motion.shape == (4, 5, 8, 8, 2) and motion.dtype == np.float32
  assert not motion[:, :GIVEN].any() and motion[:, GIVEN:].any(axis=(2, 3, 4)).all()
  assert np.abs(motion).max() <= 1  # of 3 x 3 kernels


@once
@pytest.mark.parametrize('frames', [2, 4, pytest.param(7, marks=pytest.mark.slow)])
def test_previews_are_clips_as_in_training(changing, frames):
  """Whatever `sample` draws: they are shown beside the data."""
  changing.prepare_samples(frames)
  previews = changing.previews(_batch(), SEED)
  assert previews['samples'].shape == previews['data'].shape == (4, *SHAPE)
  assert previews['motion'].shape == (4, 5, 8, 8, 2)


def test_previews_of_units_that_do_not_warp(class_task):
  assert class_task.model.generator.stages[0].unit.warps is False
  previews = class_task.previews(_batch(shape=(4, 8, 8, 1)), SEED)
  assert set(previews) == {'data', 'samples'} and previews['samples'].shape == (4, 4, 8, 8, 1)


def test_what_a_sample_is_conditioned_on(tiny, task, class_task):
  spec = {'video': tf.TensorSpec([5, 16, 16, 1], tf.uint8), 'label': tf.TensorSpec([], tf.int32)}
  assert task.conditional and task.classes == 1 and class_task.classes == 3
  assert task.condition_spec(spec) == {'video': tf.TensorSpec([2, 16, 16, 1], tf.uint8)}
  assert class_task.conditional and class_task.condition_spec(spec) == {'label': spec['label']}
  noise = tiny.video_gan({'encoder': None, 'unit': recurrent_units.ConvGRU}, conditioning_frames=0)
  assert not noise.conditional and not noise.condition_spec(spec)
