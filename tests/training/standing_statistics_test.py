"""Standing statistics: means over passes by hand, made anew, the same on any number of replicas."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen import building
from tf_videogen import tasks
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.training import standing_statistics

CLIP = (5, 16, 16, 1)


class _Recording:
  """Of one norm: clips, or noise where there are no conditions; brighter in every recording."""

  def __init__(self, number, task, pieces, frozen):
    self.number, self.task, self.frozen = number, task, frozen
    self._pieces, self._norm = pieces, task.model.norms[number]
    self._norm.keep(CLIP[0])

  def reset(self):
    """Forgets what was recorded."""
    self.task.calls.append(('reset', self.number))
    self._norm.standing.reset()

  @property
  def pieces(self):
    """As many for every recording."""
    self.task.calls.append(('pieces', self.number))
    return self._pieces

  def begin(self, batch, seed):
    """Clips or noise, and how many pieces there were."""
    x = tf.cast(batch['video'], tf.float32) / 255 + float(self.number)
    noise = randomness.rows(randomness.normal, x.shape[0], CLIP, seed)
    return {'video': x if self.task.conditional else x + noise, 'number': tf.constant(0)}

  def record(self, number, batch, seed, carry):
    """A piece, which follows the one before."""
    del batch, seed
    with tf.control_dependencies([tf.debugging.assert_equal(number, carry['number'])]):
      size = CLIP[0] // self._pieces
      x = tf.slice(carry['video'], [0, number * size, 0, 0, 0], [-1, size, -1, -1, -1])
    x = tf.ensure_shape(x, [carry['video'].shape[0], size, *CLIP[1:]])
    self._norm(x, steps=conditional_batch_norm.Steps(number * size, tf.ones([size], tf.bool)))
    return {**carry, 'number': number + 1}


class _Task(tiny_lib.FakeTask):
  """A task whose model has a norm for every recording, and one that is of training alone."""

  def __init__(self, passes=3, batch=4, conditional=True, of_pass=1, recordings=1, frozen=0):
    super().__init__()
    self.standing_passes, self.standing_batch = passes, batch
    self.conditions = ['label'] if conditional else []
    self.calls = []
    self.model.norms = [conditional_batch_norm.ConditionalBatchNorm(conditional=False)
                        for _ in range(recordings + 1)]
    for norm in self.model.norms:
      norm(tf.zeros([1, *CLIP]))
    self.recordings = [_Recording(i, self, of_pass, i < frozen) for i in range(recordings)]


def _standing(strategy, clips, after_batch=lambda: None, **kwargs):
  with strategy.scope():
    task = _Task(**kwargs)
    standing = standing_statistics.Recorder(task, clips, CLIP, after_batch)
  return standing, task.model.norms[0].standing


def _mean_moments(passes):
  """Of the passes' batches: a mean and a variance of every time step and channel, then the mean."""
  moments = [(x.mean((0, 2, 3)), x.var((0, 2, 3))) for x in passes]
  return np.mean(moments, axis=0)


def _training(clips, batch, count):
  batches = clips.training(batch, 0).as_numpy_iterator()
  return [b['video'].astype(np.float64) / 255 for b in itertools.islice(batches, count)]


@pytest.mark.parametrize('replicas, of_pass', [
    (1, 1), (2, 5), *[pytest.param(*of, marks=pytest.mark.slow) for of in [(1, 5), (2, 1)]]])
def test_means_over_passes(tiny, cpu, two_replicas, replicas, of_pass):
  """Of clips of the training split; the same on two replicas, and piece by piece; made anew."""
  clips, calls = tiny.shapes(), []
  strategy = cpu if replicas == 1 else two_replicas
  standing, kept = _standing(strategy, clips, lambda: calls.append(1), of_pass=of_pass)
  mean, variance = _mean_moments(_training(clips, batch=4, count=3))
  for number in (1, 2):
    kept.mean.assign(kept.mean + 5)
    standing.renew()
    for value in strategy.experimental_local_results(kept.mean):
      np.testing.assert_allclose(value, mean, rtol=1e-5, atol=1e-5)
    for value in strategy.experimental_local_results(kept.variance):
      np.testing.assert_allclose(value, variance, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(kept.passes, [3] * CLIP[0])
    assert len(calls) == 3 * of_pass * number


def test_recordings_are_made_one_after_the_other(tiny, cpu):
  """The frozen ones for themselves; each of the same batches; the others stay what they were."""
  clips = tiny.shapes()
  standing, _ = _standing(cpu, clips, recordings=3, frozen=1)
  task = standing.task
  kept = [norm.standing for norm in task.model.norms[:3]]
  mean, variance = _mean_moments(_training(clips, batch=4, count=3))

  def check(numbers):
    for number, statistics in enumerate(kept):
      made = number in numbers
      np.testing.assert_array_equal(statistics.passes, [3 * made] * CLIP[0])
      np.testing.assert_allclose(statistics.mean, mean + number if made else 0 * mean, atol=1e-4)
      np.testing.assert_allclose(statistics.variance, variance if made else 1 + 0 * variance,
                                 rtol=1e-3)

  check([])
  standing.renew_frozen()
  check([0])
  assert [number for call, number in task.calls if call == 'reset'] == [0]
  del task.calls[:]
  standing.renew()
  check([0, 1, 2])
  assert [number for call, number in task.calls if call == 'reset'] == [1, 2]
  assert [number for _, number in task.calls] == sorted(number for _, number in task.calls)


def test_recordings_that_are_made_anew(tiny, cpu):
  """As `prepare_samples` does it: other statistics, of the same norm."""
  standing, old = _standing(cpu, tiny.shapes())
  standing.renew()
  old_mean, task = old.mean.numpy(), standing.task
  old.mean.assign(old.mean + 1)
  task.recordings = [_Recording(0, task, 5, False)]
  new = task.model.norms[0].standing
  standing.renew()
  np.testing.assert_array_equal(new.passes, [3] * CLIP[0])
  np.testing.assert_allclose(new.mean, old_mean, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(old.mean, old_mean + 1, rtol=1e-5)


def test_all_variables_that_there_are(cpu):
  """Of norms that keep statistics; those are no variables of the model."""
  standing, _ = _standing(cpu, None, recordings=2)
  model = standing.task.model
  expected = [v for norm in model.norms[:2] for v in norm.standing.variables]
  assert len(expected) == 6 and model.norms[2].standing is None
  assert {v.ref() for v in standing.variables} == {v.ref() for v in expected}
  assert not {v.ref() for v in expected} & {v.ref() for v in model.variables}
  model.norms[1].keep(99)  # what there is now, not what there was
  assert sorted(v.shape[0] for v in standing.variables) == 3 * [CLIP[0]] + 3 * [99]


def test_without_conditions_no_data_is_read(cpu, two_replicas):
  """And every pass has other noise."""
  for strategy in (cpu, two_replicas):
    standing, kept = _standing(strategy, None, conditional=False)
    standing.renew()
    mean, variance = _mean_moments([randomness.normal(
        [4, *CLIP], randomness.fold_in(randomness.seed_of(0), i)).numpy() for i in range(3)])
    np.testing.assert_allclose(kept.mean, mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(kept.variance, variance, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('of_pass', [1, 5])
def test_a_stop_between_pieces(tiny, cpu, of_pass):
  def stop():
    raise KeyboardInterrupt
  standing, kept = _standing(cpu, tiny.shapes(), stop, of_pass=of_pass)
  with pytest.raises(KeyboardInterrupt):
    standing.renew()
  assert kept.passes.numpy().sum() == CLIP[0] // of_pass


def test_a_pass_is_a_multiple_of_the_replicas(two_replicas):
  """Three clips a pass are four."""
  standing, _ = _standing(two_replicas, None, batch=3, conditional=False)
  batch = next(iter(standing._batches(0, 1)))
  assert batch['video'].shape[0] == 4


def test_tasks_without_statistics():
  standing = standing_statistics.Recorder(tiny_lib.FakeTask(), None, CLIP)
  assert standing.renew() is None and standing.renew_frozen() is None


def test_models_without_statistics(cpu, tiny):
  """Nothing is exported besides their own variables."""
  with cpu.scope():
    built = building.build(tiny.experiment(), cpu, tiny.clips().example_spec())
  assert built.standing.variables == []


@pytest.mark.usefixtures('eagerly')
@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
@pytest.mark.parametrize('frames, pieces', [
    (6, 2), *[pytest.param(*of, marks=pytest.mark.slow) for of in [(None, 1), (7, 3)]]])
def test_those_of_a_video_gan(tiny, cpu, monkeypatch, frames, pieces):
  """Every norm of the averaged generator, from what comes into it; of more frames, in pieces."""
  clips, asked = tiny.shapes(), []
  training = clips.training
  clips.training = lambda *args: asked.append(args) or training(*args)
  task = lambda: tiny.video_gan(discriminators={'views': ('dF',), 'multipliers': (1,)},
                                standing_passes=2, sampled_frames=frames)
  built = building.build(tiny.gan_experiment(task, clips=clips), cpu, clips.example_spec())
  inputs = {}
  original = conditional_batch_norm.ConditionalBatchNorm.call

  def call(norm, x, *args, training=False, steps=None, **kwargs):
    assert not training and steps.recorded.numpy().all()
    inputs.setdefault(id(norm), []).append((int(steps.first), x.numpy().astype(np.float64)))
    return original(norm, x, *args, training=training, steps=steps, **kwargs)

  monkeypatch.setattr(conditional_batch_norm.ConditionalBatchNorm, 'call', call)
  latents = []
  rows = randomness.rows
  monkeypatch.setattr(tasks.video_gan.randomness, 'rows',
                      lambda *args: latents.append(rows(*args)) or latents[-1])
  model = built.task.model
  weights = [variable.numpy() for variable in model.variables]
  built.standing.renew()
  for variable, value in zip(model.variables, weights, strict=True):
    np.testing.assert_array_equal(variable, value)  # power iterations stand still, too
  assert asked == [(4, 0, 0, 0, 1)]
  assert len({latent.numpy().tobytes() for latent in latents}) == 2  # one a pass
  norms = conditional_batch_norm.norms(model.averaged_generator)
  assert {id(norm) for norm in norms} == set(inputs) and len(norms) == 5
  assert all(norm.standing is None for norm in conditional_batch_norm.norms(model.generator))
  assert len(built.standing.variables) == 15
  for norm in norms:
    seen = inputs[id(norm)]
    assert [first for first, _ in seen] == 2 * [3 * number for number in range(pieces)]
    passes = [np.concatenate([x for _, x in seen[i:i + pieces]], axis=1)
              for i in range(0, 2 * pieces, pieces)]
    np.testing.assert_array_equal(norm.standing.passes, [2] * 3 * pieces)
    mean, variance = _mean_moments(passes)
    np.testing.assert_allclose(norm.standing.mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.standing.variance, variance, rtol=1e-4, atol=1e-5)
