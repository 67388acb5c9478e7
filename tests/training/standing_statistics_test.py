"""Standing statistics: means over passes by hand, made anew, the same on any number of replicas."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import experiment as experiments
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.tasks import adversarial
from tf_videogen.training import standing_statistics

CLIP = (5, 16, 16, 1)


class _Task:
  """A task whose model is a norm of clips, and of noise where there are no conditions."""

  def __init__(self, passes=3, batch=4, conditional=True):
    self.standing_passes, self.standing_batch, self.conditional = passes, batch, conditional
    self.model = tf.keras.Sequential()
    self.model.norm = conditional_batch_norm.ConditionalBatchNorm(conditional=False)
    self.model.norm(tf.zeros([1, *CLIP]))
    self.model.reset_statistics = self.model.norm.reset_statistics

  def record(self, batch, seed):
    """A pass."""
    x = tf.cast(batch['video'], tf.float32) / 255
    noise = randomness.rows(randomness.normal, x.shape[0], CLIP, seed)
    self.model.norm(x if self.conditional else x + noise, training=True, record=True)


def _standing(strategy, clips, after_batch=lambda: None, **kwargs):
  with strategy.scope():
    task = _Task(**kwargs)
    return standing_statistics.StandingStatistics(task, clips, CLIP, after_batch), task.model.norm


def _mean_moments(passes):
  """Of the passes' batches: a mean and a variance of every time step and channel, then the mean."""
  moments = [(x.mean((0, 2, 3)), x.var((0, 2, 3))) for x in passes]
  return np.mean(moments, axis=0)


def _training(clips, batch, count):
  batches = clips.training(batch, 0).as_numpy_iterator()
  return [b['video'].astype(np.float64) / 255 for b in itertools.islice(batches, count)]


@pytest.mark.parametrize('replicas', [1, 2])
def test_means_over_passes(tiny, cpu, two_replicas, replicas):
  """Of clips of the training split; the same on two replicas; renewed, not added up."""
  clips, calls = tiny.shapes(), []
  strategy = cpu if replicas == 1 else two_replicas
  standing, norm = _standing(strategy, clips, lambda: calls.append(1))
  mean, variance = _mean_moments(_training(clips, batch=4, count=3))
  for number in (1, 2):
    norm.mean.assign(norm.mean + 5)
    standing.renew()
    for value in strategy.experimental_local_results(norm.mean):
      np.testing.assert_allclose(value, mean, rtol=1e-5, atol=1e-5)
    for value in strategy.experimental_local_results(norm.variance):
      np.testing.assert_allclose(value, variance, rtol=1e-5, atol=1e-5)
    assert norm.passes.numpy() == 3 and len(calls) == 3 * number


def test_without_conditions_no_data_is_read(cpu, two_replicas):
  """And every pass has other noise."""
  for strategy in (cpu, two_replicas):
    standing, norm = _standing(strategy, None, conditional=False)
    standing.renew()
    mean, variance = _mean_moments([randomness.normal(
        [4, *CLIP], randomness.fold_in(randomness.seed_of(0), i)).numpy() for i in range(3)])
    np.testing.assert_allclose(norm.mean, mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(norm.variance, variance, rtol=1e-5, atol=1e-5)


def test_a_stop_between_passes(tiny, cpu):
  def stop():
    raise KeyboardInterrupt
  standing, norm = _standing(cpu, tiny.shapes(), stop)
  with pytest.raises(KeyboardInterrupt):
    standing.renew()
  assert norm.passes.numpy() == 1


def test_a_pass_is_a_multiple_of_the_replicas(two_replicas):
  """Three clips a pass are four."""
  standing, _ = _standing(two_replicas, None, batch=3, conditional=False)
  batch = next(iter(standing._batches(0, 1)))
  assert batch['video'].shape[0] == 4


def test_tasks_without_statistics():
  class Other:
    """Of a task, nothing."""
  assert standing_statistics.StandingStatistics(Other(), None, CLIP).renew() is None


@pytest.mark.usefixtures('eagerly')
@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_those_of_a_video_gan(tiny, cpu, monkeypatch):
  """Every norm of the averaged generator, from what comes into it."""
  clips, asked = tiny.shapes(), []
  training = clips.training
  clips.training = lambda *args: asked.append(args) or training(*args)
  experiment = tiny.gan_experiment(lambda: tiny.video_gan(standing_passes=3), clips=clips)
  built = experiments.build(experiment, cpu, clips.example_spec())
  inputs = {}
  original = conditional_batch_norm.ConditionalBatchNorm.call

  def call(norm, x, *args, training=False, record=False, **kwargs):
    assert training and record
    inputs.setdefault(id(norm), []).append(x.numpy().astype(np.float64))
    return original(norm, x, *args, training=training, record=record, **kwargs)

  monkeypatch.setattr(conditional_batch_norm.ConditionalBatchNorm, 'call', call)
  latents = []
  rows = randomness.rows
  monkeypatch.setattr(adversarial.randomness, 'rows',
                      lambda *args: latents.append(rows(*args)) or latents[-1])
  built.standing.renew()
  assert asked == [(4, 0, 0, 0, 1)]
  assert len({latent.numpy().tobytes() for latent in latents}) == 3
  norms = [layer for layer in built.task.model.averaged_generator.submodules
           if isinstance(layer, conditional_batch_norm.ConditionalBatchNorm)]
  assert {id(norm) for norm in norms} == set(inputs) and len(norms) == 5
  for norm in norms:
    passes = inputs[id(norm)]
    assert len(passes) == 3 == norm.passes.numpy()
    mean, variance = _mean_moments(passes)
    np.testing.assert_allclose(norm.mean, mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.variance, variance, rtol=1e-4, atol=1e-5)
