"""The task of upscaling levels: pairs, windows, who learns, samples, statistics, earlier levels."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen import tasks
from tf_videogen.data import clip_source
from tf_videogen.data import downsampled
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.model_directory import layout

SEED = randomness.seed_of(3)
CLIPS, FIRST, WINDOW = 4, 6, 4  # of a batch; frames of the first level, and of training's windows
SHAPE = (WINDOW, 8, 8, 1)
CLASSES = 3
BLOCK = {'multipliers': (1,)}  # discriminators of one block


def _randomized(task, shape):
  tf.keras.utils.set_random_seed(0)
  task.build(shape)
  rng = np.random.default_rng(0)
  for part in (task.model.generator, *task.model.levels, task.model.discriminators):
    spectral_weights.randomize(part, rng)
  return task


@pytest.fixture(scope='module', name='task')
def _task(tiny):
  """Two levels, 4 x 4 and 8 x 8 pixels. Tests that change it use `changing`."""
  return _randomized(tiny.cascade_task(2, discriminators=BLOCK), SHAPE)


@pytest.fixture(scope='module', name='class_task')
def _class_task(tiny):
  """Of three classes."""
  classes = {'classes': CLASSES}
  return _randomized(tiny.cascade_task(
      2, classes, {'views': ('F',), **BLOCK, **classes}, [tiny.first_level(**classes)]), SHAPE)


@pytest.fixture(scope='module', name='three')
def _three(tiny):
  """Three levels, to 16 x 16 pixels. Tests that change it use `changing_three`."""
  return _randomized(
      tiny.cascade_task(3, discriminators={'views': ('M',), **BLOCK}), (WINDOW, 16, 16, 1))


def _restored(task):
  kept = _values(task.model)
  yield task
  _restore(task.model, kept)
  task.prepare_samples()


@pytest.fixture(name='changing')
def _changing(task):
  """The task, whose variables are afterwards what they were, and nothing recorded."""
  yield from _restored(task)


@pytest.fixture(name='changing_three')
def _changing_three(three):
  """As `changing`."""
  yield from _restored(three)


@pytest.fixture(scope='module', name='plain')
def _plain(tiny):
  """Without a matching discriminator; windows are all that the first level makes."""
  return _randomized(
      tiny.cascade_task(2, discriminators={'views': ('F',), **BLOCK}, first_frames=2), SHAPE)


def _values(model):
  return [variable.numpy() for variable in model.variables]


def _restore(model, values):
  for variable, value in zip(model.variables, values, strict=True):
    variable.assign(value)


def _batch(seed=0, shape=SHAPE):
  rng = np.random.default_rng(seed)
  return {'video': tf.constant(rng.integers(256, size=(CLIPS, *shape)), tf.uint8),
          'valid': tf.ones([CLIPS], tf.bool), 'label': tf.constant([0, 2, 1, 2])}


def _latents(task, seed=SEED):
  """z of every level: of its own size, and of its own seed."""
  return [randomness.rows(randomness.normal, CLIPS, [level.latent], randomness.fold_in(seed, i))
          for i, level in enumerate(task.model.levels)]


LABELS = tf.zeros([CLIPS], tf.int32)


@pytest.fixture(name='once')
def _kernels_are_computed_once():
  """For tests without gradients."""
  with spectral_weights.computed_once():
    yield


once = pytest.mark.usefixtures('once')


def _wrong(error, message, call):
  with pytest.raises(error, match=message) as found:
    call()
  assert '\n' not in str(found.value)


# --- what is judged ---


@pytest.mark.parametrize('downsample', [resampling.nearest, resampling.bilinear])
def test_real_windows(task, monkeypatch, downsample):
  """Pairs are twice what the level below has of them: every second frame, half of the sides."""
  monkeypatch.setattr(task.model, 'downsample', downsample)
  batch = _batch()
  real, video = task.real(batch), batch['video'].numpy() / 127.5 - 1
  assert isinstance(real, tasks.video_gan.Judged) and real.video.dtype == tf.float32
  np.testing.assert_allclose(real.video, video, atol=1e-6)
  low = video[:, ::2]
  low = (low[:, :, ::2, ::2] if downsample is resampling.nearest else
         low.reshape(CLIPS, 2, 4, 2, 4, 2, 1).mean((3, 5)))
  np.testing.assert_allclose(real.pair, np.concatenate([low, low], -1), atol=1e-6)


def _window_by_hand(task, below, frames, seed=SEED):
  """Of every clip; the draw is after those of all levels."""
  draws = randomness.rows(
      randomness.uniform, CLIPS, [1], randomness.fold_in(seed, len(task.model.levels))).numpy()
  starts = np.floor(draws[:, 0] * (below.shape[1] - frames + 1)).astype(int)
  return np.stack([np.asarray(video)[start:start + frames]
                   for video, start in zip(below, starts, strict=True)]), starts


@once
def test_fake_windows(changing):
  """Windows of whole videos of the level below, as it is evaluated; upscaled as in training."""
  task, model = changing, changing.model
  before = _values(model)
  for norm in conditional_batch_norm.norms(model.lower[0]):  # evaluation has them, training not
    norm.standing.mean.assign(norm.standing.mean + 0.5)
  latents = _latents(task)
  below = model.lower[0](latents[0], LABELS, None, FIRST)[0]
  low, starts = _window_by_hand(task, below, 2)
  assert len(set(starts)) > 1
  upscaled = model.generator(latents[1], LABELS, low, WINDOW, training=True)[0].numpy()
  moved = _values(model)
  _restore(model, before)
  fake = task.fake(_batch(), SEED)
  assert fake.video.shape == (CLIPS, *SHAPE) and fake.pair.shape == (CLIPS, 2, 4, 4, 2)
  np.testing.assert_allclose(fake.video, upscaled, atol=1e-5)
  pair = np.concatenate([upscaled[:, ::2, ::2, ::2], low], -1)
  np.testing.assert_allclose(fake.pair, pair, atol=1e-5)
  for found, expected in zip(_values(model), moved, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_a_matching_discriminator(plain):
  assert plain.real(_batch()).pair is None and plain.fake(_batch(), SEED).pair is None
  assert np.isfinite(plain.discriminator_loss(_batch(), SEED)['loss'])


def test_pairs_are_judged(changing):
  """The loss is the hinge of all outputs, those for pairs with the others."""
  task, batch, before = changing, _batch(), _values(changing.model)
  fake = task.fake(batch, randomness.fold_in(SEED, 0))
  real = task.real(batch)
  scores = task.model.discriminators(
      [real.video, fake.video], LABELS, 0, randomness.fold_in(SEED, 1), training=True,
      pairs=[real.pair, fake.pair])
  real_scores, fake_scores = (of_one.numpy() for of_one in scores)
  # Mixed over the batch: views of two frames, of four, and of pairs of two.
  assert real_scores.shape == (CLIPS * CLIPS * (2 + 4 + 2),)
  _restore(task.model, before)
  terms = task.discriminator_loss(batch, SEED)
  expected = np.maximum(0, 1 + fake_scores).mean() + np.maximum(0, 1 - real_scores).mean()
  np.testing.assert_allclose(terms['loss'], expected, rtol=1e-4)
  _restore(task.model, before)
  terms = task.generator_loss(batch, SEED)
  assert set(terms) == {'loss'}  # no penalty


# --- who learns ---


def test_nothing_flows_into_earlier_levels(changing):
  """They are not trained, and nothing of them moves, no vector of spectral normalization either."""
  task, model, batch = changing, changing.model, _batch()
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
  model, batch = task.model, _batch()
  lower = model.lower[0].trainable_variables
  players = task.trainable_variables
  assert {v.ref() for v in players.generator} == {
      v.ref() for v in lower + model.generator.trainable_variables}
  assert len(players.generator) == len(lower) + len(model.generator.trainable_variables)
  assert [recording.frozen for recording in task.recordings] == [False, False]
  before = _values(model)
  latents = _latents(task)
  below = model.lower[0](latents[0], LABELS, None, FIRST, training=True)[0]
  low, _ = _window_by_hand(task, below, 2)
  upscaled = model.generator(latents[1], LABELS, low, WINDOW, training=True)[0].numpy()
  _restore(model, before)
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
  alone, batch = changing, _batch()
  with two_replicas.scope():
    shared = tiny.cascade_task(2, discriminators=BLOCK)
    shared.build(SHAPE)
    _restore(shared.model, _values(alone.model))
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
  found = task._latents(_batch(), SEED)
  assert [z.shape for z in found] == [(CLIPS, 4), (CLIPS, 5)]
  for z, expected in zip(found, _latents(task), strict=True):
    np.testing.assert_array_equal(z, expected)
  for z, other in zip(task._latents(_batch(), SEED, 0.5), found, strict=True):
    np.testing.assert_allclose(z, 0.5 * other, rtol=1e-6)
  truncated = task._latents({'video': tf.zeros([999, 1])}, SEED, 1.0, 0.8)
  assert all(0.7 < np.abs(z).max() <= 0.8 for z in truncated)


# --- samples ---


def _record(task, batch, seed=SEED):
  """A pass of every level, as `training.standing_statistics` does it; its videos."""
  videos = []
  for level, recording in zip(task.model.levels, task.recordings, strict=True):
    assert recording.generator is level
    recording.reset()
    carry, made, piece = recording.begin(batch, seed), [], level.piece

    def remember(*args, piece=piece, made=made, **kwargs):
      video, carry = piece(*args, **kwargs)
      made.append(video)
      return video, carry

    level.piece = remember
    for number in range(recording.pieces):
      carry = recording.record(tf.constant(number), batch, seed, carry)
    level.piece = piece
    videos.append(tf.concat(made, 1))
  return videos


def _passes(task):
  """Of every level, how often the time steps of its norms were recorded."""
  found = []
  for level in task.model.levels:
    of_level = {tuple(norm.standing.passes.numpy()) for norm in
                conditional_batch_norm.norms(level)}
    assert len(of_level) == 1
    found.append(list(of_level.pop()))
  return found


@once
@pytest.mark.parametrize('how, pieces, frames', [
    ({'frames': 14}, [2, 3], [8, 14]), ({'window': True}, [1, 1], [6, 4]),
    pytest.param({}, [1, 2], [6, 12], marks=pytest.mark.slow),
    pytest.param({'frames': 4}, [1, 1], [2, 4], marks=pytest.mark.slow),
    pytest.param({'frames': 28}, [3, 5], [15, 28], marks=pytest.mark.slow)])
def test_passes_of_all_levels(changing, how, pieces, frames):
  """What is recorded is what is sampled of the same numbers; every time step once, nothing else."""
  task, before = changing, _values(changing.model)
  task.prepare_samples(**how)
  assert [recording.frozen for recording in task.recordings] == [True, False]
  assert [recording.pieces for recording in task.recordings] == pieces
  assert _passes(task) == [[0] * count for count in frames]
  recorded = _record(task, _batch())
  assert _passes(task) == [[1] * count for count in frames]
  for variable, value in zip(task.model.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  assert not any(norm.standing for norm in conditional_batch_norm.norms(task.model.generator))
  sampled = task.levels(_batch(), SEED)
  for level, (video, expected) in enumerate(zip(sampled, recorded, strict=True)):
    if level == 0 and how.get('window'):
      expected, _ = _window_by_hand(task, expected[:, :how.get('frames', 12) // 2], 2)
      expected = tf.constant(expected)
    expected = tasks.video_gan.to_uint8(expected[:, :video.shape[1]]).numpy()
    assert np.abs(video.numpy().astype(int) - expected).max() <= 1 and np.ptp(expected) > 20
  task.recordings[1].reset()
  assert _passes(task) == [[1] * frames[0], [0] * frames[1]]


@once
@pytest.mark.parametrize('frames, traced', [
    (14, False),
    *[pytest.param(frames, traced, marks=pytest.mark.slow) for frames, traced in [
        (None, False), (None, True), (20, False), (20, True), (4, False), (4, True)]]])
def test_whole_samples(changing, frames, traced):
  """In pieces they are what the levels make at once; longer ones go on beyond training."""
  task, model, batch = changing, changing.model, _batch()
  task.prepare_samples(frames)
  count = frames or 2 * FIRST
  assert task.sampled_frames == count
  _record(task, _batch(seed=1), randomness.seed_of(8))
  levels = tf.function(task.levels, autograph=False) if traced else task.levels
  below, drawn = levels(batch, SEED)
  assert below.shape == (CLIPS, count // 2, 4, 4, 1) and drawn.shape == (CLIPS, count, 8, 8, 1)
  assert below.dtype == drawn.dtype == tf.uint8
  latents = _latents(task)
  first = model.lower[0](latents[0], LABELS, None, count // 2)[0]
  second, _ = model.averaged_generator(latents[1], LABELS, first, count)
  for found, expected in ((below, first), (drawn, second)):
    expected = tasks.video_gan.to_uint8(expected).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1 and np.ptp(expected) > 20
  if not traced:
    np.testing.assert_array_equal(task.sample(batch, SEED), drawn)
  task.prepare_samples()
  assert task.sampled_frames == 2 * FIRST


@once
def test_samples_of_windows(changing):
  """As in training: of windows alone, with statistics of theirs."""
  task, model = changing, changing.model
  task.prepare_samples(window=True)
  assert task.sampled_frames == WINDOW
  _record(task, _batch(seed=1), randomness.seed_of(8))
  below, drawn = task.levels(_batch(), SEED)
  assert below.shape == (CLIPS, 2, 4, 4, 1) and drawn.shape == (CLIPS, *SHAPE)
  latents = _latents(task)
  low, _ = _window_by_hand(task, model.lower[0](latents[0], LABELS, None, FIRST)[0], 2)
  upscaled, _ = model.averaged_generator(latents[1], LABELS, low, WINDOW)
  for found, expected in ((below, low), (drawn, upscaled)):
    expected = tasks.video_gan.to_uint8(tf.constant(expected)).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1 and np.ptp(expected) > 20


@pytest.mark.parametrize('frames', [13, 2, 0, -4, 3])
def test_numbers_of_frames_that_cannot_be(task, frames):
  _wrong(ValueError, 'frames of a sample must be a multiple of 2, and at least 4, those of a '
                     f'window; got {frames}', lambda: task.prepare_samples(frames))
  assert task.sampled_frames == 2 * FIRST


@once
@pytest.mark.parametrize('frames, pieces, of_levels', [
    pytest.param(8, [1, 1, 2], [2, 4, 8], marks=pytest.mark.slow),
    pytest.param(16, [1, 2, 3], [4, 8, 18], marks=pytest.mark.slow),
    pytest.param(None, [1, 2, 4], [6, 12, 24], marks=pytest.mark.slow),
    pytest.param(32, [2, 3, 6], [8, 18, 36], marks=pytest.mark.slow)])
def test_three_levels(three, frames, pieces, of_levels):
  """Each is made of all that the one below has, in pieces of it; shorter and longer ones, too."""
  three.prepare_samples(frames)
  batch, count = _batch(shape=(WINDOW, 16, 16, 1)), frames or 24
  assert [recording.frozen for recording in three.recordings] == [True, True, False]
  assert [recording.pieces for recording in three.recordings] == pieces
  recorded = _record(three, batch)
  assert [video.shape[1] for video in recorded] == of_levels  # in whole pieces
  assert _passes(three) == [[1] * (count // 4), [1] * (count // 2), [1] * count]
  found = three.levels(batch, SEED)
  assert [video.shape[1:] for video in found] == [
      (count // 4, 4, 4, 1), (count // 2, 8, 8, 1), (count, 16, 16, 1)]
  assert {video.dtype for video in found} == {tf.uint8}
  for video, expected in zip(found, recorded, strict=True):
    expected = tasks.video_gan.to_uint8(expected[:, :video.shape[1]]).numpy()
    assert np.abs(video.numpy().astype(int) - expected).max() <= 1 and np.ptp(expected) > 20
  np.testing.assert_array_equal(three.sample(batch, SEED), found[-1])
  three.prepare_samples()


@pytest.mark.parametrize('how, frames', [
    ({'frames': 28}, [8, 14, 28]),  # of the first level two pieces of four frames
    ({'window': True}, [6, 12, 4])])
def test_recordings_of_three_levels(changing_three, how, frames):
  """Of whole videos, or of windows of the last level; forgotten one by one."""
  task = changing_three
  task.prepare_samples(**how)
  assert [recording.frozen for recording in task.recordings] == [True, True, False]
  assert [recording.generator for recording in task.recordings] == task.model.levels
  assert _passes(task) == [[0] * count for count in frames]
  assert not any(norm.standing for norm in conditional_batch_norm.norms(task.model.generator))
  for number, recording in enumerate(task.recordings):
    for level in task.model.levels:
      for norm in conditional_batch_norm.norms(level):
        norm.standing.passes.assign(tf.ones_like(norm.standing.passes))
    recording.reset()
    assert _passes(task) == [[int(i != number)] * count for i, count in enumerate(frames)]


@once
def test_windows_of_the_third_level(three):
  """Of the second level's whole videos."""
  batch = _batch(shape=(WINDOW, 16, 16, 1))
  fake = three.fake(batch, SEED)
  assert fake.video.shape == (CLIPS, WINDOW, 16, 16, 1) and fake.pair.shape == (CLIPS, 2, 8, 8, 2)
  latents = _latents(three)
  first = three.model.lower[0](latents[0], LABELS, None, FIRST)[0]
  second, _ = three.model.lower[1](latents[1], LABELS, first, 2 * FIRST)
  low, _ = _window_by_hand(three, second, 2)
  np.testing.assert_allclose(fake.pair[..., 1:], low, atol=1e-5)
  _wrong(ValueError, 'must be a multiple of 4, and at least 4, those of a window; got 6',
         lambda: three.prepare_samples(6))


@once
def test_samples_of_windows_of_the_third_level(three):
  """All levels below show the same window."""
  batch = _batch(shape=(WINDOW, 16, 16, 1))
  three.prepare_samples(window=True)
  _record(three, batch, randomness.seed_of(8))
  *below, drawn = three.levels(batch, SEED)
  assert drawn.shape == (CLIPS, WINDOW, 16, 16, 1)
  whole = three.model.videos(_latents(three), LABELS, FIRST, 2)
  assert [video.shape[1] for video in whole] == [FIRST, 2 * FIRST]
  for found, video, repeats in zip(below, whole, (2, 1), strict=True):
    shown, _ = _window_by_hand(three, np.repeat(video, repeats, axis=1), 2)
    expected = tasks.video_gan.to_uint8(tf.constant(shown)).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1 and np.ptp(expected) > 20
  three.prepare_samples()


@once
def test_seeds_and_temperatures(changing):
  task = changing
  task.prepare_samples(WINDOW)
  batch, seeds = _batch(), [randomness.seed_of(number) for number in range(2)]
  draw = lambda seed, **how: task.sample(batch, seed, **how).numpy()
  differs = lambda a, b: (a != b).any(axis=(1, 2, 3, 4))
  drawn = draw(seeds[0])
  np.testing.assert_array_equal(draw(seeds[0], temperature=1.0), drawn)
  assert differs(draw(seeds[1]), drawn).all() and differs(drawn[1:], drawn[:-1]).all()
  cold = [draw(seed, temperature=0, truncation=cut) for seed in seeds for cut in (None, 0.8)]
  assert all(np.array_equal(cold[0], other) for other in cold[1:])
  assert not differs(cold[0][1:], cold[0][:-1]).any()
  assert differs(draw(seeds[0], temperature=0.5), drawn).all()
  assert differs(draw(seeds[0], truncation=0.1), drawn).all()
  for how in ({'temperature': -0.1}, {'truncation': 0.0}):
    _wrong(ValueError, 'temperature must be at least 0 and truncation above 0',
           lambda how=how: task.sample(batch, SEED, **how))


@once
def test_z_of_every_level_matters(changing, monkeypatch):
  """The same video below becomes another one with another z of this level."""
  task = changing
  task.prepare_samples(WINDOW)
  latents = _latents(task)
  monkeypatch.setattr(task, '_latents', lambda *args: latents)
  below, drawn = task.levels(_batch(), SEED)
  latents[1] = latents[1] + 1
  same, other = task.levels(_batch(), SEED)
  np.testing.assert_array_equal(same, below)
  assert (other != drawn).numpy().any(axis=(2, 3, 4)).all()
  latents[0] = latents[0] + 1
  another, _ = task.levels(_batch(), SEED)
  assert (another != below).numpy().any(axis=(2, 3, 4)).all()


@once
def test_samples_are_the_averages(changing):
  """Of this level, and of the earlier ones as they are."""
  changing.prepare_samples(WINDOW)
  model, draw = changing.model, lambda: changing.sample(_batch(), SEED).numpy()
  before = draw()
  for variable in model.generator.variables + model.discriminators.variables:
    variable.assign(variable + 1)
  np.testing.assert_array_equal(draw(), before)
  for level in model.levels:
    bias = level.to_image.bias
    bias.assign(bias + 0.5)
    assert (draw() != before).any(axis=(1, 2, 3, 4)).all()
    bias.assign(bias - 0.5)


# --- classes ---


@once
def test_classes(class_task):
  """Samples without any noise are those of classes; both players hear of them."""
  class_task.prepare_samples(WINDOW)
  batch = _batch()
  cold = class_task.sample(batch, SEED, temperature=0).numpy()
  same = [[np.array_equal(a, b) for a in cold] for b in cold]
  labels = batch['label'].numpy()
  np.testing.assert_array_equal(same, labels[:, None] == labels)
  other = {**batch, 'label': (batch['label'] + 1) % CLASSES}
  for videos in zip(class_task.levels(batch, SEED), class_task.levels(other, SEED)):
    assert (videos[0] != videos[1]).numpy().any(axis=(1, 2, 3, 4)).all()
  class_task.prepare_samples()
  before, losses = _values(class_task.model), []
  for labelled in (batch, other):
    losses.append(float(class_task.discriminator_loss(labelled, SEED)['loss']))
    _restore(class_task.model, before)
  assert losses[0] != losses[1]


def test_clips_without_labels(class_task):
  batch = _batch()
  del batch['label']
  for function in (class_task.discriminator_loss, class_task.generator_loss, class_task.sample,
                   class_task.recordings[0].begin, class_task.recordings[1].begin):
    _wrong(ValueError, 'Generator.classes = 3, and the clips have no labels',
           lambda function=function: function(batch, SEED))


def test_what_a_sample_is_conditioned_on(task, class_task):
  spec = {'video': tf.TensorSpec(SHAPE, tf.uint8), 'label': tf.TensorSpec([], tf.int32)}
  assert not task.conditional and not task.condition_spec(spec)
  assert class_task.conditional and class_task.condition_spec(spec) == {'label': spec['label']}


# --- measures and previews ---


def _psnr(a, b):
  error = ((a.astype(float) - b)**2).mean((2, 3, 4))
  return 10 * np.log10(255**2 / np.maximum(error, 255**2 / 1e10))


@once
@pytest.mark.parametrize('how', [
    {}, {'window': True}, pytest.param({'frames': 20}, marks=pytest.mark.slow)])
def test_metrics(changing, how):
  """Of two batches, of which the second has one clip, filled up with three."""
  changing.prepare_samples(**how)
  batches = [_batch(seed=1), {**_batch(seed=2), 'valid': tf.range(CLIPS) < 1}]
  sums = [{name: float(x) for name, x in changing.statistics(batch, SEED).items()}
          for batch in batches]
  metrics = changing.metrics({name: sums[0][name] + sums[1][name] for name in sums[0]})
  below, drawn = (np.concatenate([level, level[:1]]) for level in
                  changing.levels(batches[0], SEED))  # the same z in both batches
  video = np.concatenate([batch['video'] for batch in batches])[:5]
  assert set(metrics) == {'psnr_of_input', 'frame_difference', 'frame_difference_of_data'}
  smaller = drawn[:, ::2, ::2, ::2]
  assert smaller.shape == below.shape
  np.testing.assert_allclose(metrics['psnr_of_input'], _psnr(smaller, below).mean(), rtol=1e-4)
  for name, clips in (('frame_difference', drawn), ('frame_difference_of_data', video)):
    changes = np.abs(np.diff(clips.astype(float), axis=1)).mean()
    np.testing.assert_allclose(metrics[name], changes, rtol=1e-4)


def test_psnr_of_the_input(task, monkeypatch):
  """The highest of frames that are what they were made of; of bilinear ones, rounded means."""
  rng = np.random.default_rng(0)
  drawn = rng.integers(256, size=(CLIPS, 8, 8, 8, 1)).astype(np.uint8)
  below = drawn[:, ::2, ::2, ::2].copy()
  monkeypatch.setattr(task, 'levels', lambda *args: [tf.constant(below), tf.constant(drawn)])
  measure = lambda: float(task.statistics(_batch(), SEED)['psnr_of_input']) / CLIPS
  np.testing.assert_allclose(measure(), 100, rtol=1e-6)
  below[:, :, 0, 0] = 255 - below[:, :, 0, 0]
  np.testing.assert_allclose(measure(), _psnr(drawn[:, ::2, ::2, ::2], below).mean(), rtol=1e-5)
  monkeypatch.setattr(task.model, 'downsample', resampling.bilinear)
  means = drawn[:, ::2].reshape(CLIPS, 4, 4, 2, 4, 2, 1).astype(float).mean((3, 5))
  below[:] = np.floor(means + 0.5)
  assert measure() > 60  # halves may be rounded either way


@once
def test_previews(changing):
  batch = _batch()
  previews = changing.previews(batch, SEED)
  below, drawn = changing.levels(batch, SEED)
  assert set(previews) == {'data', 'samples', 'input'}
  for name, expected in (('data', batch['video']), ('samples', drawn), ('input', below)):
    np.testing.assert_array_equal(previews[name], expected)


# --- the level below ---


@pytest.fixture(scope='module', name='trained')
def _trained(tiny, task, tmp_path_factory):
  """Model directories of a first and of a second level, with random weights; and the models."""
  first = tiny.first_level_task()
  first.build((FIRST, 4, 4, 1))
  spectral_weights.randomize(first.model, 1)
  made = {}
  for level, model in ((1, first.model), (2, task.model)):
    size = 2 * 2**level
    model_dir = str(tmp_path_factory.mktemp(f'level{level}'))
    tf.train.Checkpoint(model=model).save(os.path.join(model_dir, 'ckpt'))
    _describe(model_dir, (4, size, size, 1), level=level)
    made[level] = (model_dir, model)
  return made


def _clips(level):
  """What a level of three takes for real; only how it is made of videos is known."""
  source = clip_source.ClipSource(FIRST, 2**(3 - level), 'train')
  return downsampled.DownsampledClips(source, resampling.nearest, [2] * (3 - level))


def _describe(model_dir, shape, finished=1, level=1, **reduction):
  layout.save_spec({'video': tf.TensorSpec(shape, tf.uint8)}, model_dir,
                   {**_clips(level).reduction(), **reduction})
  layout.set_finished(model_dir, finished)


def _assert_same(level, source):
  for variable, expected in zip(level.variables, source.variables, strict=True):
    np.testing.assert_array_equal(variable, expected)


def _differ(level, source):
  return any(np.any(a != b) for a, b in zip(level.variables, source.variables, strict=True))


def test_the_first_level_is_loaded(changing, trained, monkeypatch):
  """Its averaged weights; nothing else changes."""
  model_dir, first = trained[1]
  task = changing
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  assert _differ(task.model.lower[0], first.averaged_generator)
  others = [task.model.generator, task.model.averaged_generator, task.model.discriminators]
  before = [[v.numpy() for v in part.variables] for part in others]
  task.initialize(_clips(2))
  _assert_same(task.model.lower[0], first.averaged_generator)
  assert _differ(first.generator, first.averaged_generator)
  for part, values in zip(others, before):
    for variable, value in zip(part.variables, values, strict=True):
      np.testing.assert_array_equal(variable, value)


def test_a_second_level_brings_the_first(changing_three, trained, monkeypatch):
  model_dir, second = trained[2]
  task = changing_three
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  assert _differ(task.model.lower[0], second.lower[0])
  assert _differ(task.model.lower[1], second.averaged_generator)
  task.initialize(_clips(3))
  _assert_same(task.model.lower[0], second.lower[0])
  _assert_same(task.model.lower[1], second.averaged_generator)


@pytest.fixture(name='copied')
def _copied(trained, tmp_path):
  """A copy of the first level's directory."""
  model_dir = str(tmp_path / 'level1')
  shutil.copytree(trained[1][0], model_dir)
  return model_dir


@pytest.mark.parametrize('folder', [None, '', 'empty', 'nowhere'])
def test_no_checkpoint(task, tmp_path, monkeypatch, folder):
  (tmp_path / 'empty').mkdir()
  monkeypatch.setattr(task, 'lower_dir', folder and str(tmp_path / folder))
  _wrong(FileNotFoundError, 'no checkpoint of the level below in .*: train it first, and name its '
                            '--model_dir here', lambda: task.initialize(_clips(2)))


def test_directories_that_do_not_suit(changing, trained, copied, monkeypatch):
  """Of frames of another size, of training that has not ended, of another architecture."""
  task = changing
  monkeypatch.setattr(task, 'lower_dir', copied)
  initialize = lambda: task.initialize(_clips(2))
  for shape, found in (((6, 8, 8, 1), '8 x 8 x 1'), ((6, 4, 4, 3), '4 x 4 x 3')):
    _describe(copied, shape)
    _wrong(ValueError, f'level1 was trained on frames of {found}, and this level upscales frames '
                       'of 4 x 4 x 1: name the directory of the level below', initialize)
  for name, value in (('frame_step', 2), ('frame_step', None), ('downsampled', []),
                      ('downsampled', [['bilinear', 2], ['bilinear', 2]])):
    _describe(copied, (6, 4, 4, 1), **{name: value})
    wanted = {'frame_step': '4', 'downsampled': "[['nearest', 4]]"}[name]
    _wrong(ValueError, re.escape(f'level1 was trained on clips with {name} = {value}, and this '
                                 f'level upscales those with {name} = {wanted}: name the'),
           initialize)
  _describe(copied, (6, 4, 4, 1), finished=None)
  _wrong(ValueError, r'the level below in .* is not trained to its end \(its latest checkpoint is '
                     r'of step 1\): the command that trains it goes on from there', initialize)
  os.remove(os.path.join(copied, 'clips.json'))
  _wrong(FileNotFoundError, 'level1 is not a model directory', initialize)
  _describe(copied, (9, 4, 4, 1))
  initialize()  # of any number of frames
  _assert_same(task.model.lower[0], trained[1][1].averaged_generator)


@pytest.mark.parametrize('change', [
    {'channels': 4}, {'latent': 6}, {'unit': recurrent_units.ConvLSTM},
    {'unit': recurrent_units.TSRUp}])
def test_of_another_architecture(tiny, task, tmp_path, monkeypatch, change):
  model_dir, other = str(tmp_path), tiny.first_level(**change)()
  other(tf.zeros([1, other.latent]), tf.zeros([1], tf.int32), None, 1)
  model = tf.train.Checkpoint(averaged_generator=other)
  tf.train.Checkpoint(model=model).save(os.path.join(model_dir, 'ckpt'))
  _describe(model_dir, (4, 4, 4, 1))
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  _wrong(ValueError, 'ckpt-1 was made by another configuration than the level below of this config',
         lambda: task.initialize(_clips(2)))


@pytest.mark.parametrize('level, other', [(2, 2), (3, 1)])
def test_of_another_level(request, trained, tmp_path, monkeypatch, level, other):
  """With one more or one less below it, though frames are as large."""
  model_dir, side = str(tmp_path / 'other'), 2**level
  shutil.copytree(trained[other][0], model_dir)
  _describe(model_dir, (4, side, side, 1), level=level - 1)
  task = request.getfixturevalue({2: 'changing', 3: 'changing_three'}[level])
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  _wrong(ValueError, 'was made by another configuration than the level below of this config',
         lambda: task.initialize(_clips(level)))


# --- tasks that cannot be ---


def test_more_than_two_levels_together(tiny):
  _wrong(ValueError, 'UpscalingTask.joint trains two levels, and there are 2 below this one',
         lambda: tiny.cascade_task(3, joint=True))


@pytest.mark.parametrize('more', [
    {'lower_dir': 'runs/level1'}, {'average_decay': 0.9}, {'orthogonality': 1e-4}])
def test_what_levels_that_are_trained_together_have_not(tiny, more):
  _wrong(ValueError, 'joint trains the level below from its first weights on, without average and',
         lambda: tiny.cascade_task(2, joint=True, **more))


@pytest.mark.parametrize('shape, message', [
    ((14, 8, 8, 1), 'windows of 14 frames must be a multiple of .*repeats, 2, and of at most 12'),
    ((3, 8, 8, 1), 'windows of 3 frames must be a multiple of .*repeats, 2, and of at most 12'),
    ((4, 16, 16, 1), 'makes frames of 8 pixels a side, and clips have 16 x 16')])
def test_clips_that_do_not_suit(tiny, shape, message):
  _wrong(ValueError, message, lambda: tiny.cascade_task(2).build(shape))
