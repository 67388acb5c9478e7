"""Draws of a training step of an upscaling level: one for all updates, one each, or a bank."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.tasks import cascade_tasks
from tf_videogen import building
from tf_videogen import tasks
from tf_videogen.layers import randomness
from tf_videogen.tasks import lower_videos

SEED, CLIPS, FIRST = cascade_tasks.SEED, cascade_tasks.CLIPS, cascade_tasks.FIRST
class_task = cascade_tasks.class_task_fixture
kernels_are_computed_once = cascade_tasks.kernels_are_computed_once
SEEDS = [randomness.fold_in(SEED, i) for i in (7, 8)]


@pytest.fixture(name='batches')
def _batches():
  """Two, of other clips and other classes."""
  first, last = cascade_tasks.batch(0), cascade_tasks.batch(1)
  return [first, {**last, 'label': tf.constant([1, 1, 2, 0])}]


@pytest.fixture(name='once_a_step')
def _once_a_step(class_task):
  """The task of three classes, whose steps draw once."""
  kept, class_task.draws = class_task.draws, lower_videos.EachStep()
  yield class_task
  class_task.draws = kept


def test_each_update(class_task, batches):
  assert class_task.begin_step(batches, SEED, 0) is batches


@pytest.mark.usefixtures('once')
def test_each_step(once_a_step, batches):
  """Whole videos of the level below, of the last batch's classes; the rest of batches stays."""
  task = once_a_step
  found = task.begin_step(batches, SEED, 0)
  z = cascade_tasks.latents(task)[0]
  expected = task.model.lower[0](z, batches[1]['label'], None, FIRST)[0]
  for before, after in zip(batches, found, strict=True):
    assert after.keys() == {*before, 'below', 'below_label'}
    assert all(after[name] is value for name, value in before.items())
    np.testing.assert_allclose(after['below'], expected, atol=1e-5)
    np.testing.assert_array_equal(after['below_label'], [1, 1, 2, 0])


@pytest.mark.usefixtures('once')
def test_windows_of_what_is_shared(once_a_step, batches):
  """Every update takes its own, with a z of its own, of the classes of what was drawn."""
  task, starts = once_a_step, []
  shared = task.begin_step(batches, SEED, 0)[0]
  for seed in SEEDS:
    fake = task.fake(shared, seed)
    low, start = cascade_tasks.window_by_hand(task, shared['below'], 2, seed)
    starts.append(tuple(start))
    z = cascade_tasks.latents(task, seed)[1]
    upscaled = task.model.generator(z, shared['below_label'], low, 4, training=True)[0]
    np.testing.assert_allclose(fake.video, upscaled, atol=1e-5)
    np.testing.assert_array_equal(fake.labels, [1, 1, 2, 0])
  assert starts[0] != starts[1]


@spectral_weights.computed_once()
def test_every_video_is_judged_by_its_class(once_a_step, batches):
  """Real clips by the batch's, generated ones by those that they were drawn of."""
  task = once_a_step
  shared = task.begin_step(batches, SEED, 0)[0]
  fake = task.fake(shared, randomness.fold_in(SEED, 0))
  judge = lambda video, labels, part: task.model.discriminators(
      [video] * 2, labels, 0, randomness.fold_in(SEED, 1))[part]
  real = judge(task.real(shared).video, shared['label'], 0)
  generated = judge(fake.video, shared['below_label'], 1)
  expected = tf.reduce_mean(tf.nn.relu(1 - real)) + tf.reduce_mean(tf.nn.relu(1 + generated))
  other = judge(fake.video, shared['label'], 1)
  assert np.abs(generated - other).max() > 1e-3
  np.testing.assert_allclose(task.discriminator_loss(shared, SEED)['loss'], expected, rtol=1e-4)


@pytest.mark.parametrize('draws, count', [
    (lower_videos.EachUpdate(), 3), (lower_videos.EachStep(), 1)])
@pytest.mark.usefixtures('eagerly')
def test_how_often_a_step_draws(tiny, cpu, monkeypatch, draws, count):
  task = lambda: tiny.cascade_task(2, discriminators={'views': ('F',), **cascade_tasks.BLOCK},
                                   draws=draws)
  config, drawn = tiny.cascade_experiment(2, task), []
  built = building.build(config, cpu, config.clips.example_spec())
  videos = built.task.model.videos
  monkeypatch.setattr(built.task.model, 'videos', lambda *args: drawn.append(1) or videos(*args))
  with cpu.scope():
    trainer = building.make_trainer(config, built)
    assert trainer.batches == 2
    terms = trainer.train(1)
  assert len(drawn) == count and all(np.isfinite(float(term)) for term in terms.values())


# --- a bank ---


@pytest.mark.parametrize('step, expected', [
    (0, [(-6, 0), (-4, 1), (-2, 2)]), (1, [(-4, 1), (-2, 2), (0, 0)]),
    (2, [(-4, 1), (-2, 2), (0, 0)]), (3, [(-2, 2), (0, 0), (2, 2)]), (5, [(0, 0), (2, 2), (4, 4)])])
def test_what_a_bank_keeps(step, expected):
  assert lower_videos.Bank(3, 2).kept(step) == expected


@pytest.fixture(name='of_a_bank')
def _of_a_bank(class_task):
  """The task of three classes, whose bank has two batches, of the steps 0 and 3."""
  kept, class_task.draws = class_task.draws, lower_videos.Bank(2, 3)
  class_task.begin_training(CLIPS)
  yield class_task
  class_task.draws = kept


@pytest.mark.usefixtures('once')
def test_a_bank(of_a_bank, batches):
  """A step that is due replaces the older half; updates choose for every clip."""
  task, whole = of_a_bank, {}
  for step, batch in ((0, batches[0]), (3, batches[1])):
    seed = randomness.fold_in(SEED, step)
    task.keep(batch, seed, tf.constant(step, tf.int64))
    whole[step] = (task.draw_below(batch, seed), batch['label'])
  read = lambda step: task.begin_step(batches, randomness.fold_in(SEED, step),
                                      tf.constant(step, tf.int64))
  for step, steps in ((4, (0, 3)), (6, (3, 6)), (7, (3, 6))):
    if step == 6:
      whole[6] = (task.draw_below(batches[1], randomness.fold_in(SEED, 6)), batches[1]['label'])
    found, seen = read(step), set()
    for before, after in zip(batches, found, strict=True):
      assert all(after[name] is value for name, value in before.items())
      for i, (video, label) in enumerate(zip(after['below'], after['below_label'], strict=True)):
        of, = [of for of in steps if np.allclose(whole[of][0][i], video, atol=1e-6)]
        assert label == whole[of][1][i]
        seen.add((of, bool(after is found[0])))
    assert len(seen) == 4  # both, in both updates


@pytest.mark.usefixtures('eagerly')
def test_a_bank_of_a_run_that_goes_on(tiny, cpu, monkeypatch):
  """It is that of the unbroken run, before any step; draws are as many as are told."""
  drawn = []

  def trainer_at(step):
    task = lambda: tiny.cascade_task(
        2, {'classes': 3}, {'views': ('F',), 'classes': 3, **cascade_tasks.BLOCK},
        [tiny.first_level(classes=3)], draws=lower_videos.Bank(2, 2))
    config = tiny.cascade_experiment(2, task, clips=tiny.clips())
    built = building.build(config, cpu, config.clips.example_spec())
    draw = built.task.draw_below
    monkeypatch.setattr(built.task, 'draw_below', lambda *args: drawn.append(1) or draw(*args))
    built.step.assign(step)
    return building.make_trainer(config, built), built

  kept = lambda built: [variable.numpy() for variable in built.task.draws._variables]
  with cpu.scope():
    unbroken, built = trainer_at(0)
    unbroken.train(3)
    assert len(drawn) == 2 + 2  # at first; at steps 0 and 2
    expected, drawn[:] = kept(built), []
    assert {*expected[1].flat} == {0, 1, 2}
    resumed, built = trainer_at(3)
    resumed._begin(3)
  assert len(drawn) == 2
  for found, value in zip(kept(built), expected, strict=True):
    np.testing.assert_array_equal(found, value)


def test_two_levels_that_train_together_draw_for_every_update(tiny):
  with pytest.raises(ValueError, match='UpscalingTask.joint .* leave draws out'):
    tiny.cascade_task(2, joint=True, draws=lower_videos.EachStep())
  assert isinstance(tiny.cascade_task(2, joint=True), tasks.UpscalingTask)
