"""Samples of video GANs: seeds and temperatures, other numbers of frames, measures, previews."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks import video_gan_tasks
from tf_videogen import tasks
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.metrics import image_quality

SEED, SHAPE, GIVEN = video_gan_tasks.SEED, video_gan_tasks.SHAPE, video_gan_tasks.GIVEN
task, changing = video_gan_tasks.task_fixture, video_gan_tasks.changing_fixture  # fixtures
class_task = video_gan_tasks.class_task_fixture
kernels_are_computed_once = video_gan_tasks.kernels_are_computed_once
once = pytest.mark.usefixtures('once')


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
  batch, seeds = video_gan_tasks.batch(), [randomness.seed_of(number) for number in range(2)]
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


def test_statistics_are_of_the_noise_that_samples_have(changing):
  """Recordings see z as samples do; samples that are told nothing have what was prepared."""
  batch = video_gan_tasks.batch()
  told = changing.sample(batch, SEED, temperature=0.5, truncation=0.8).numpy()
  plain = changing.sample(batch, SEED).numpy()
  changing.prepare_samples(temperature=0.5, truncation=0.8)
  np.testing.assert_array_equal(changing.sample(batch, SEED), told)
  np.testing.assert_array_equal(changing.sample(batch, SEED, temperature=1.0), plain)
  recorded = changing.recordings[0]
  many = {'video': tf.zeros([5000, 1])}
  z = recorded._latent(many, SEED).numpy()  # pylint: disable=protected-access
  assert 0.39 < np.abs(z).max() <= 0.4
  with pytest.raises(ValueError, match='truncation above 0'):
    changing.prepare_samples(truncation=-1.0)


@pytest.mark.parametrize('how', [
    {'temperature': -0.1}, {'truncation': 0}, {'truncation': -1.0}, {'truncation': 0.0}])
def test_options_that_cannot_be_meant(task, how):
  with pytest.raises(ValueError, match='temperature must be at least 0 and truncation above 0'):
    task.sample(video_gan_tasks.batch(), SEED, **how)


@once
def test_samples_are_the_averages(changing):
  """By its own weights and its standing statistics."""
  model, batch = changing.model, video_gan_tasks.batch()
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
  batch = video_gan_tasks.batch()
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
  task, batch = changing, video_gan_tasks.batch()
  task.prepare_samples(frames)
  video_gan_tasks.record(task, batch, SEED)
  video_gan_tasks.record(task, video_gan_tasks.batch(seed=1), SEED)
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
  batch = video_gan_tasks.batch(shape=(4, 8, 8, 1))
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
  assert video_gan_tasks.passes(task.model.averaged_generator) == [[0] * 9] * 5
  task.prepare_samples(4, temperature=0.5)
  assert task.sampled_frames == 4
  task.prepare_samples(temperature=0.5)
  assert task.sampled_frames == 7
  task.prepare_samples(window=True)  # as in training
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
  batches = [video_gan_tasks.batch(seed=1), _padded(video_gan_tasks.batch(seed=2), 1)]
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
  batch, both = video_gan_tasks.batch(seed=1), min(frames, 3)
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
  batch = {**video_gan_tasks.batch(shape=(4, 8, 8, 1)), 'valid': tf.range(4) < 3}
  sums = class_task.statistics(batch, SEED)
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
  previews = changing.previews(video_gan_tasks.batch(), SEED)
  assert previews['samples'].shape == previews['data'].shape == (4, *SHAPE)
  assert previews['motion'].shape == (4, 5, 8, 8, 2)


def test_previews_of_units_that_do_not_warp(class_task):
  assert class_task.model.generator.stages[0].unit.warps is False
  previews = class_task.previews(video_gan_tasks.batch(shape=(4, 8, 8, 1)), SEED)
  assert set(previews) == {'data', 'samples'} and previews['samples'].shape == (4, 4, 8, 8, 1)


def test_what_a_sample_is_conditioned_on(tiny, task, class_task):
  spec = {'video': tf.TensorSpec([5, 16, 16, 1], tf.uint8), 'label': tf.TensorSpec([], tf.int32)}
  assert task.conditional and task.classes == 1 and class_task.classes == 3
  assert task.condition_spec(spec) == {'video': tf.TensorSpec([2, 16, 16, 1], tf.uint8)}
  assert class_task.conditional and class_task.condition_spec(spec) == {'label': spec['label']}
  noise = tiny.video_gan({'encoder': None, 'unit': recurrent_units.ConvGRU}, conditioning_frames=0)
  assert not noise.conditional and not noise.condition_spec(spec)


def test_no_frames_cannot_be_sampled():
  with pytest.raises(ValueError, match='VideoGANTask.sampled_frames must be at least 1, got 0'):
    tasks.VideoGANTask(tf.keras.layers.Layer(), sampled_frames=0)
