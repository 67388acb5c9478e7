"""Samples of all levels of a cascade: statistics, whole videos, windows; measures and previews."""

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
SHAPE = cascade_tasks.SHAPE
task, changing = cascade_tasks.task_fixture, cascade_tasks.changing_fixture  # fixtures
three, changing_three = cascade_tasks.three_fixture, cascade_tasks.changing_three_fixture
kernels_are_computed_once = cascade_tasks.kernels_are_computed_once
once = pytest.mark.usefixtures('once')


# --- samples ---


@once
@pytest.mark.parametrize('how, pieces, frames', [
    ({'frames': 14}, [2, 3], [8, 14]), ({'window': True}, [1, 1], [6, 4]),
    pytest.param({}, [1, 2], [6, 12], marks=pytest.mark.slow),
    pytest.param({'frames': 4}, [1, 1], [2, 4], marks=pytest.mark.slow),
    pytest.param({'frames': 28}, [3, 5], [15, 28], marks=pytest.mark.slow)])
def test_passes_of_all_levels(changing, how, pieces, frames):
  """What is recorded is what is sampled of the same numbers; every time step once, nothing else."""
  task, before = changing, cascade_tasks.values_of(changing.model)
  task.prepare_samples(**how)
  assert [recording.frozen for recording in task.recordings] == [True, False]
  assert [recording.pieces for recording in task.recordings] == pieces
  assert cascade_tasks.passes(task) == [[0] * count for count in frames]
  recorded = cascade_tasks.record(task, cascade_tasks.batch())
  assert cascade_tasks.passes(task) == [[1] * count for count in frames]
  for variable, value in zip(task.model.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)
  assert not any(norm.standing for norm in conditional_batch_norm.norms(task.model.generator))
  sampled = task.levels(cascade_tasks.batch(), SEED)
  for level, (video, expected) in enumerate(zip(sampled, recorded, strict=True)):
    if level == 0 and how.get('window'):
      expected, _ = cascade_tasks.window_by_hand(task, expected[:, :how.get('frames', 12) // 2], 2)
      expected = tf.constant(expected)
    expected = tasks.video_gan.to_uint8(expected[:, :video.shape[1]]).numpy()
    assert np.abs(video.numpy().astype(int) - expected).max() <= 1 and np.ptp(expected) > 20
  task.recordings[1].reset()
  assert cascade_tasks.passes(task) == [[1] * frames[0], [0] * frames[1]]


@once
@pytest.mark.parametrize('frames, traced', [
    (14, False),
    *[pytest.param(frames, traced, marks=pytest.mark.slow) for frames, traced in [
        (None, False), (None, True), (20, False), (20, True), (4, False), (4, True)]]])
def test_whole_samples(changing, frames, traced):
  """In pieces they are what the levels make at once; longer ones go on beyond training."""
  task, model, batch = changing, changing.model, cascade_tasks.batch()
  task.prepare_samples(frames)
  count = frames or 2 * FIRST
  assert task.sampled_frames == count
  cascade_tasks.record(task, cascade_tasks.batch(seed=1), randomness.seed_of(8))
  levels = tf.function(task.levels, autograph=False) if traced else task.levels
  below, drawn = levels(batch, SEED)
  assert below.shape == (CLIPS, count // 2, 4, 4, 1) and drawn.shape == (CLIPS, count, 8, 8, 1)
  assert below.dtype == drawn.dtype == tf.uint8
  latents = cascade_tasks.latents(task)
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
  cascade_tasks.record(task, cascade_tasks.batch(seed=1), randomness.seed_of(8))
  below, drawn = task.levels(cascade_tasks.batch(), SEED)
  assert below.shape == (CLIPS, 2, 4, 4, 1) and drawn.shape == (CLIPS, *SHAPE)
  latents = cascade_tasks.latents(task)
  low, _ = cascade_tasks.window_by_hand(task, model.lower[0](latents[0], LABELS, None, FIRST)[0], 2)
  upscaled, _ = model.averaged_generator(latents[1], LABELS, low, WINDOW)
  for found, expected in ((below, low), (drawn, upscaled)):
    expected = tasks.video_gan.to_uint8(tf.constant(expected)).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1 and np.ptp(expected) > 20


@pytest.mark.parametrize('frames', [13, 2, 0, -4, 3])
def test_numbers_of_frames_that_cannot_be(task, frames):
  cascade_tasks.wrong(
      ValueError, 'frames of a sample must be a multiple of 2, and at least 4, those of a '
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
  batch, count = cascade_tasks.batch(shape=(WINDOW, 16, 16, 1)), frames or 24
  assert [recording.frozen for recording in three.recordings] == [True, True, False]
  assert [recording.pieces for recording in three.recordings] == pieces
  recorded = cascade_tasks.record(three, batch)
  assert [video.shape[1] for video in recorded] == of_levels  # in whole pieces
  assert cascade_tasks.passes(three) == [[1] * (count // 4), [1] * (count // 2), [1] * count]
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
  assert cascade_tasks.passes(task) == [[0] * count for count in frames]
  assert not any(norm.standing for norm in conditional_batch_norm.norms(task.model.generator))
  for number, recording in enumerate(task.recordings):
    for level in task.model.levels:
      for norm in conditional_batch_norm.norms(level):
        norm.standing.passes.assign(tf.ones_like(norm.standing.passes))
    recording.reset()
    assert cascade_tasks.passes(task) == [
        [int(i != number)] * count for i, count in enumerate(frames)]


@once
def test_windows_of_the_third_level(three):
  """Of the second level's whole videos."""
  batch = cascade_tasks.batch(shape=(WINDOW, 16, 16, 1))
  fake = three.fake(batch, SEED)
  assert fake.video.shape == (CLIPS, WINDOW, 16, 16, 1) and fake.pair.shape == (CLIPS, 2, 8, 8, 2)
  latents = cascade_tasks.latents(three)
  first = three.model.lower[0](latents[0], LABELS, None, FIRST)[0]
  second, _ = three.model.lower[1](latents[1], LABELS, first, 2 * FIRST)
  low, _ = cascade_tasks.window_by_hand(three, second, 2)
  np.testing.assert_allclose(fake.pair[..., 1:], low, atol=1e-5)
  cascade_tasks.wrong(
      ValueError, 'must be a multiple of 4, and at least 4, those of a window; got 6',
      lambda: three.prepare_samples(6))


@once
def test_samples_of_windows_of_the_third_level(three):
  """All levels below show the same window."""
  batch = cascade_tasks.batch(shape=(WINDOW, 16, 16, 1))
  three.prepare_samples(window=True)
  cascade_tasks.record(three, batch, randomness.seed_of(8))
  *below, drawn = three.levels(batch, SEED)
  assert drawn.shape == (CLIPS, WINDOW, 16, 16, 1)
  whole = three.model.videos(cascade_tasks.latents(three), LABELS, FIRST, 2)
  assert [video.shape[1] for video in whole] == [FIRST, 2 * FIRST]
  for found, video, repeats in zip(below, whole, (2, 1), strict=True):
    shown, _ = cascade_tasks.window_by_hand(three, np.repeat(video, repeats, axis=1), 2)
    expected = tasks.video_gan.to_uint8(tf.constant(shown)).numpy().astype(int)
    assert np.abs(found.numpy() - expected).max() <= 1 and np.ptp(expected) > 20
  three.prepare_samples()


@once
def test_statistics_are_of_the_noise_that_samples_have(changing):
  batch = cascade_tasks.batch()
  latents = lambda: [of_level._latent(batch, SEED).numpy()  # pylint: disable=protected-access
                     for of_level in changing.recordings]
  changing.prepare_samples(WINDOW)
  plain, drawn = latents(), changing.sample(batch, SEED, temperature=0.5)
  changing.prepare_samples(temperature=0.5, window=True)
  for warm, halved in zip(plain, latents(), strict=True):
    np.testing.assert_array_equal(halved, 0.5 * warm)
  changing.prepare_samples(WINDOW, temperature=0.5)
  np.testing.assert_array_equal(changing.sample(batch, SEED), drawn)
  changing.prepare_samples(WINDOW, truncation=0.1)
  assert all(0 < np.abs(cut).max() <= 0.1 for cut in latents())
  changing.prepare_samples()


@once
def test_seeds_and_temperatures(changing):
  task = changing
  task.prepare_samples(WINDOW)
  batch, seeds = cascade_tasks.batch(), [randomness.seed_of(number) for number in range(2)]
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
    cascade_tasks.wrong(ValueError, 'temperature must be at least 0 and truncation above 0',
                        lambda how=how: task.sample(batch, SEED, **how))


@once
def test_z_of_every_level_matters(changing, monkeypatch):
  """The same video below becomes another one with another z of this level."""
  task = changing
  task.prepare_samples(WINDOW)
  latents = cascade_tasks.latents(task)
  monkeypatch.setattr(task, '_latents', lambda *args: latents)
  below, drawn = task.levels(cascade_tasks.batch(), SEED)
  latents[1] = latents[1] + 1
  same, other = task.levels(cascade_tasks.batch(), SEED)
  np.testing.assert_array_equal(same, below)
  assert (other != drawn).numpy().any(axis=(2, 3, 4)).all()
  latents[0] = latents[0] + 1
  another, _ = task.levels(cascade_tasks.batch(), SEED)
  assert (another != below).numpy().any(axis=(2, 3, 4)).all()


@once
def test_samples_are_the_averages(changing):
  """Of this level, and of the earlier ones as they are."""
  changing.prepare_samples(WINDOW)
  model, draw = changing.model, lambda: changing.sample(cascade_tasks.batch(), SEED).numpy()
  before = draw()
  for variable in model.generator.variables + model.discriminators.variables:
    variable.assign(variable + 1)
  np.testing.assert_array_equal(draw(), before)
  for level in model.levels:
    bias = level.to_image.bias
    bias.assign(bias + 0.5)
    assert (draw() != before).any(axis=(1, 2, 3, 4)).all()
    bias.assign(bias - 0.5)


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
  batches = [cascade_tasks.batch(seed=1),
             {**cascade_tasks.batch(seed=2), 'valid': tf.range(CLIPS) < 1}]
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
  measure = lambda: float(task.statistics(cascade_tasks.batch(), SEED)['psnr_of_input']) / CLIPS
  np.testing.assert_allclose(measure(), 100, rtol=1e-6)
  below[:, :, 0, 0] = 255 - below[:, :, 0, 0]
  np.testing.assert_allclose(measure(), _psnr(drawn[:, ::2, ::2, ::2], below).mean(), rtol=1e-5)
  monkeypatch.setattr(task.model, 'downsample', resampling.bilinear)
  means = drawn[:, ::2].reshape(CLIPS, 4, 4, 2, 4, 2, 1).astype(float).mean((3, 5))
  below[:] = np.floor(means + 0.5)
  assert measure() > 60  # halves may be rounded either way


@once
def test_previews(changing):
  batch = cascade_tasks.batch()
  previews = changing.previews(batch, SEED)
  below, drawn = changing.levels(batch, SEED)
  assert set(previews) == {'data', 'samples', 'input'}
  for name, expected in (('data', batch['video']), ('samples', drawn), ('input', below)):
    np.testing.assert_array_equal(previews[name], expected)
