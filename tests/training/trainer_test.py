"""The trainer: replicas agree, loops equal single steps, what is not finite stops training."""

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen import tasks
from tf_videogen.model_directory import checkpoints
from tf_videogen.training import trainer as trainers

pytestmark = pytest.mark.filterwarnings('ignore:Even though the `tf.config')

STEPS = 2


def _trainer(experiment, strategy, before=lambda task: None):
  """A trainer of the experiment, built under the strategy, and what was built."""
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  with strategy.scope():
    before(built.task)
    trainer = building.make_trainer(experiment, built)
  return trainer, built


def _values(built):
  """The model's variables, numbered: names differ from strategy to strategy."""
  return {f'{i} {variable.name.split("/")[-1]}': variable.numpy()
          for i, variable in enumerate(built.task.model.variables)}


def _trajectory(experiment, strategy, before):
  """Terms of the loss and all the model's variables, after every step and before the first."""
  trainer, built = _trainer(experiment, strategy, before)
  found = [({}, _values(built))]
  for _ in range(STEPS):
    terms = {name: float(term) for name, term in trainer.train(1).items()}
    found.append((terms, _values(built)))
  return found


def _assert_alike(ours, theirs):
  for (terms, variables), (other_terms, other_variables) in zip(ours, theirs, strict=True):
    assert terms.keys() == other_terms.keys() and variables.keys() == other_variables.keys()
    for name in terms:
      np.testing.assert_allclose(terms[name], other_terms[name], 1e-5, 1e-5, err_msg=name)
    for name in variables:
      np.testing.assert_allclose(variables[name], other_variables[name], 1e-5, 1e-5, err_msg=name)


def _sgd():
  """Its updates are the gradients; Adam would blow up the rounding of those that are near 0."""
  return tf.keras.optimizers.SGD(0.1)


@pytest.mark.usefixtures('maybe_eagerly')
@pytest.mark.parametrize('codes, threshold, clip_norm, traced', [
    (150, 1.0, 0.05, False),
    *[pytest.param(*how, marks=pytest.mark.slow) for how in (
        (6, 10.0, None, False), (6, 10.0, None, True), (150, 1.0, 0.05, True))]])
def test_replicas_agree_on_a_vqvae(tiny, cpu, two_replicas, codes, threshold, clip_norm):
  """With 128 vectors a step: 6 codes of which some restart, and 150, which need repeated rows."""
  vqvae = lambda: tiny.vqvae(codes, decay=0.5, restart_threshold=threshold)
  task = lambda: tasks.VQVAETask(vqvae(), data_variance=0.05)
  experiment = tiny.experiment(task, optimizer=_sgd, clip_norm=clip_norm)
  prepare = lambda task: task.initialize(experiment.clips)
  one = _trajectory(experiment, cpu, prepare)
  two = _trajectory(experiment, two_replicas, prepare)
  _assert_alike(one, two)
  variables = [values for _, values in one]
  codebook, = [name for name in variables[0] if 'codebook' in name]
  counts, = [name for name in variables[0] if 'counts' in name]
  moved = [np.abs(after[codebook] - before[codebook]).max(-1)
           for before, after in zip(variables, variables[1:])]
  assert moved[0].min() > 0  # initialized by data
  restarted = [values[counts] < threshold for values in variables[1:]]
  assert all(r.any() and not r.all() for r in restarted)
  assert all(m[r].min() > 0 for m, r in zip(moved, restarted))


@pytest.mark.slow
@pytest.mark.usefixtures('maybe_eagerly')
@pytest.mark.parametrize('traced', [False, True])
def test_replicas_agree_on_a_prior(tiny, cpu, two_replicas):
  task = lambda: tiny.prior('', classes=3)
  experiment = tiny.experiment(task, optimizer=_sgd)
  one = _trajectory(experiment, cpu, lambda task: None)
  two = _trajectory(experiment, two_replicas, lambda task: None)
  _assert_alike(one, two)
  assert one[-1][0]['loss'] < one[1][0]['loss']


@pytest.mark.usefixtures('maybe_eagerly')
@pytest.mark.parametrize('traced', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_replicas_agree_on_a_video_transformer(tiny, cpu, two_replicas):
  """They draw the slices that one replica would."""
  experiment = tiny.experiment(tiny.video_transformer, optimizer=_sgd)
  one = _trajectory(experiment, cpu, lambda task: None)
  two = _trajectory(experiment, two_replicas, lambda task: None)
  _assert_alike(one, two)
  assert one[-1][0]['loss'] < one[1][0]['loss']


class _OfClips(tiny_lib.OneNumberTask):
  """A task whose loss is a mean over clips."""

  def loss(self, batch, seed):
    """Squares; also of the seed."""
    of_clips = tf.reduce_mean(tf.cast(batch['video'], tf.float32), [1, 2, 3, 4]) / 255
    noise = tf.cast(seed[1] % 5, tf.float32) / 5
    return {'loss': tf.reduce_mean((self.model.w - of_clips - noise)**2)}


def test_replicas_agree_in_a_graph(tiny, cpu, two_replicas):
  """The step as it is traced, of one variable; clips differ, and so do the replicas' gradients."""
  experiment = tiny.experiment(_OfClips, optimizer=_sgd, clip_norm=0.1)
  (one, of_one), (two, of_two) = (
      _trainer(experiment, strategy) for strategy in (cpu, two_replicas))
  for _ in range(STEPS):
    before = of_one.task.model.w.numpy()
    terms, others = one.train(1), two.train(1)
    assert set(terms) == set(others) == {'loss', 'gradient_norm', 'learning_rate'}
    for name, term in terms.items():
      np.testing.assert_allclose(others[name], term, 1e-5, err_msg=name)
    w = of_one.task.model.w.numpy()
    assert abs(w - before) > 1e-3 and terms['gradient_norm'] > 0.1
    for copy in two_replicas.experimental_local_results(of_two.task.model.w):
      np.testing.assert_allclose(copy, w, 1e-5)


class _Hopeless(tiny_lib.OneNumberTask):
  """A task whose loss is NaN in step 4; `fine` never is."""

  def loss(self, batch, seed):
    """-w, so that SGD of rate 1 adds 1 at every step."""
    del batch, seed
    return {'loss': -self.model.w * tf.where(self.model.w < 3, 1.0, np.nan),
            'fine': tf.abs(self.model.w)}


def test_a_loop_is_as_many_single_steps(tiny, cpu, monkeypatch):
  """Also, a loop as on accelerators: the same function, but for XLA."""
  experiment = tiny.experiment(tiny_lib.OneNumberTask, optimizer=_sgd)
  single, built = _trainer(experiment, cpu)
  terms = [float(single.train(1)['loss']) for _ in range(STEPS)][-1]
  monkeypatch.setattr(trainers.strategies, 'on_accelerators', lambda strategy: True)
  looped, other = _trainer(experiment, cpu)
  looped._steps_a_call = STEPS  # pylint: disable=protected-access
  calls = []
  looped.before_call = calls.append
  np.testing.assert_allclose(looped.train(STEPS)['loss'], terms, 1e-6)
  assert calls == [0] and int(built.step.numpy()) == int(other.step.numpy()) == STEPS
  np.testing.assert_allclose(built.task.model.w, other.task.model.w, 1e-6)
  assert abs(built.task.model.w.numpy() - 0.5) > 1e-3
  looped.train(2)
  looped._steps_a_call = 1  # pylint: disable=protected-access
  looped.train(2)
  assert calls[:2] == [0, STEPS] and int(other.step.numpy()) == STEPS + 4


@pytest.mark.parametrize('loop', [False, True])
def test_a_loss_that_is_not_finite_stops(tiny, cpu, monkeypatch, loop):
  monkeypatch.setattr(trainers.strategies, 'on_accelerators', lambda strategy: loop)
  experiment = tiny.experiment(_Hopeless, optimizer=lambda: tf.keras.optimizers.SGD(1.0))
  trainer, built = _trainer(experiment, cpu)
  built.task.model.w.assign(0.0)
  trainer._steps_a_call = 10 if loop else 1  # pylint: disable=protected-access
  with pytest.raises(FloatingPointError) as info:
    trainer.train(10)
  message = str(info.value)
  assert message.startswith('loss, gradient_norm not finite at step 4. ')
  assert '\n' not in message and built.step.numpy() == (10 if loop else 4)


def test_what_is_not_finite_is_not_saved(tiny, cpu, monkeypatch, tmp_path):
  """Not by a loop either, which goes on for some steps."""
  monkeypatch.setattr(trainers.strategies, 'on_accelerators', lambda strategy: True)
  experiment = tiny.experiment(_Hopeless, optimizer=lambda: tf.keras.optimizers.SGD(1.0))
  with pytest.raises(FloatingPointError, match='not finite at step 4'):
    experiments.train(experiment, str(tmp_path), cpu, evaluate_too=False, steps_per_loop=3,
                      checkpoint_interval=1)
  assert [checkpoints.step_of(path) for path in checkpoints.paths(str(tmp_path))] == [3]


@pytest.mark.parametrize('clip_norm', [None, 0.5, 100.0])
def test_clip_by_global_norm(clip_norm):
  rng = np.random.default_rng(0)
  gradients = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 4), (5,), ())]
  norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
  scale = 1.0 if clip_norm is None else min(1.0, clip_norm / norm)
  clipped, found = trainers.clip_by_global_norm([tf.constant(g) for g in gradients], clip_norm)
  np.testing.assert_allclose(found, norm, rtol=1e-6)
  for ours, gradient in zip(clipped, gradients, strict=True):
    np.testing.assert_allclose(ours, scale * gradient, rtol=1e-5)


def test_batches_go_on_where_training_does(tiny, cpu):
  experiment = tiny.experiment(tiny_lib.OneNumberTask)
  trainer, built = _trainer(experiment, cpu)
  started = []
  make_dataset = trainer.make_dataset
  trainer.make_dataset = lambda start, *host: started.append(start) or make_dataset(start, *host)
  built.step.assign(7)
  trainer.train(1)
  trainer.train(2)
  assert started == [7] and built.step.numpy() == 10


def test_strings_stay_on_the_host(tiny, two_replicas):
  experiment = tiny.experiment(tiny_lib.OneNumberTask)
  trainer, _ = _trainer(experiment, two_replicas)
  seen = []
  trainer.replica_step = lambda batch: seen.append(
      {name: x.shape.as_list()[0] for name, x in batch.items()}) or {'loss': tf.constant(1.0)}
  trainer.train(1)
  assert seen[0] == {'video': 2, 'label': 2, 'actions': 2}
