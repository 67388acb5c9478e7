"""Levels of a cascade trained one by one: what is frozen, resumed runs, replicas, a round trip.

Steps run eagerly here, but for the programs: the graph of one takes longer than ten steps.
"""

import copy
import functools
import hashlib
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.training import runs
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen import sampling
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results
from tf_videogen.tasks import lower_videos
from tf_videogen.training import optimizers

pytestmark = [pytest.mark.filterwarnings('ignore:Even though the `tf.config'),
              pytest.mark.usefixtures('eagerly')]

TERMS = {'discriminator_loss', 'real_score', 'fake_score', 'discriminator_gradient_norm',
         'generator_loss', 'generator_gradient_norm', 'discriminator_learning_rate',
         'generator_learning_rate'}
OF_A_STEP = {name for name in TERMS if not name.endswith('learning_rate')}  # in its program
METRICS = {'psnr_of_input', 'frame_difference', 'frame_difference_of_data'}


def _adam():
  return optimizers.TwoPlayers(optimizers.adam(1e-3, beta_1=0.5), optimizers.adam(2e-3), 1)


BLOCK = {'multipliers': (2,)}  # discriminators of one block


def _experiment(tiny, level, steps, **kwargs):
  """Of a level; `kwargs` are its task's. Samples have 4 frames, 8, 16."""
  task = tiny.first_level_task if level == 1 else functools.partial(
      tiny.cascade_task, level, first_frames=4)
  networks = BLOCK if level == 1 else {'views': ('F', 'M'), **BLOCK}
  task = functools.partial(task, discriminators=networks, standing_passes=1, **kwargs)
  return tiny.cascade_experiment(level, task, optimizer=_adam, train_steps=steps,
                                 evaluation_limit=4)


def _hashes(folder):
  return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
          for path in pathlib.Path(folder).rglob('*') if path.is_file()}


class _Cascade:
  """Model directories of two levels; the first one's was taken away after the second's training.

  Attributes:
    first: a copy of it.
    second: of the second level, trained without a stop.
    before, after: hashes of the first one's files, before and after the second's training.
  """

  def __init__(self, tiny, cpu, folder):
    self.first, self.second = str(folder / 'first'), str(folder / 'second')
    taken = str(folder / 'taken')
    assert experiments.train(
        _experiment(tiny, 1, 1, average_start=0), taken, cpu, evaluate_too=False, **runs.HOW)
    shutil.copytree(taken, self.first)
    self.before = _hashes(taken)
    second = _experiment(tiny, 2, runs.STEPS, lower_dir=taken)
    assert experiments.train(second, self.second, cpu, **runs.HOW)
    self.after = _hashes(taken)
    shutil.rmtree(taken)


@pytest.fixture(scope='module', name='cascade')
def _cascade(tiny, cpu, eager_scope, tmp_path_factory):
  with eager_scope(), spectral_weights.computed_once():
    return _Cascade(tiny, cpu, tmp_path_factory.mktemp('cascade'))


def _of(arrays, part):
  """Those of a part, by their names in it."""
  return {name[len(part):]: value for name, value in arrays.items() if name.startswith(part)}


def _assert_same(ours, theirs):
  assert ours.keys() == theirs.keys() and len(ours) > 20
  for name, value in theirs.items():
    np.testing.assert_array_equal(ours[name], value, err_msg=name)


def test_the_level_below_is_left_as_it_is(cascade):
  """Its files, to the byte; its averaged weights are in all of this level's checkpoints."""
  assert cascade.before == cascade.after and 'clips.json' in cascade.before
  assert layout.finished(cascade.second) == runs.STEPS
  first = runs.checkpoint(cascade.first, 1)
  averaged = _of(first, 'model/averaged_generator/')
  trained = _of(first, 'model/generator/')
  assert any((trained[name] != value).any() for name, value in averaged.items())
  second = [runs.checkpoint(cascade.second, step) for step in (1, runs.STEPS)]
  for arrays in second:
    _assert_same(_of(arrays, 'model/lower/0/'), averaged)
  for part in ('generator', 'averaged_generator', 'discriminators'):
    early, late = (_of(arrays, f'model/{part}/') for arrays in second)
    assert np.mean([(early[name] != late[name]).any() for name in late]) > 0.7
  assert {name for _, _, name, _ in runs.rows(cascade.second)} == METRICS
  log = results.read_training_log(cascade.second)
  assert [row['step'] for row in log] == [1, 2]
  previews = runs.previews(cascade.second)
  assert previews['data'].shape == (2, 4, 8, 8, 1) and previews['samples'].shape == (2, 8, 8, 8, 1)
  assert previews['input'].shape == (2, 4, 4, 4, 1)


def test_a_resumed_run_is_the_unbroken_one_to_the_bit(tiny, cpu, cascade, tmp_path):
  """The level below is in the checkpoint: its directory is gone."""
  experiment = _experiment(tiny, 2, runs.STEPS, lower_dir=str(tmp_path / 'nowhere'))
  with spectral_weights.computed_once():
    runs.assert_resumed(experiment, cascade.second, cpu, str(tmp_path / 'resumed'), 3,
                        {'data', 'samples', 'input', 'conditioning_frames'})


@pytest.mark.slow
def test_a_third_level_needs_the_second_ones_directory_alone(tiny, cpu, cascade, tmp_path):
  before = _hashes(cascade.second)
  experiment = _experiment(tiny, 3, 1, lower_dir=cascade.second)
  assert experiments.train(experiment, str(tmp_path), cpu, **runs.HOW)
  assert _hashes(cascade.second) == before
  third, second = runs.checkpoint(str(tmp_path), 1), runs.checkpoint(cascade.second, runs.STEPS)
  _assert_same(_of(third, 'model/lower/0/'), _of(second, 'model/lower/0/'))
  _assert_same(_of(third, 'model/lower/1/'), _of(second, 'model/averaged_generator/'))
  assert {name for _, _, name, _ in runs.rows(str(tmp_path))} == METRICS
  assert runs.previews(str(tmp_path))['samples'].shape == (2, 16, 16, 16, 1)


@pytest.mark.slow
def test_two_levels_trained_together(tiny, cpu, tmp_path):
  """No directory of the first one is asked for; its weights move, and have optimizers' numbers."""
  model_dir = str(tmp_path)
  assert experiments.train(
      _experiment(tiny, 2, 2, joint=True), model_dir, cpu, evaluate_too=False, **runs.HOW)
  early, late = (runs.checkpoint(model_dir, step) for step in (1, 2))
  moved = {}
  for part in ('lower/0', 'generator'):
    before, after = (_of(arrays, f'model/{part}/') for arrays in (early, late))
    weights = [name for name in after if name.split('/.ATTRIBUTES')[0].split('/')[-1] != 'u']
    moved[part] = [(before[name] != after[name]).any() for name in weights]
    assert len(weights) > 20 and np.mean(moved[part]) > 0.8
  optimizer = _of(late, 'optimizer/generator/_variables/')
  assert len(optimizer) == 2 * sum(map(len, moved.values()))  # Adam's


def test_a_level_that_is_not_trained_to_its_end(tiny, cpu, cascade, tmp_path):
  """Nothing is written that a later run would take for a beginning."""
  lower = str(tmp_path / 'first')
  shutil.copytree(cascade.first, lower)
  layout.set_finished(lower, None)
  model_dir = str(tmp_path / 'second')
  with pytest.raises(ValueError, match='is not trained to its end'):
    experiments.train(_experiment(tiny, 2, 1, lower_dir=lower), model_dir, cpu, **runs.HOW)
  assert not checkpoints.paths(model_dir) and layout.finished(model_dir) is None


# --- replicas ---


def _copies(strategy, variables):
  """Every replica's copy of every variable."""
  return [[copy.numpy() for copy in strategy.experimental_local_results(variable)]
          for variable in variables]


def _assert_alike(ours, theirs):
  for one, both in zip(ours, theirs, strict=True):
    for copy in both:
      np.testing.assert_allclose(copy, one[0], 1e-5, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('draws', [lower_videos.EachUpdate(), lower_videos.Bank(2, 2)])
def test_replicas_agree(tiny, cpu, two_replicas, draws):
  """Terms, all variables after two steps, standing statistics and samples."""
  task = lambda: tiny.cascade_task(2, discriminators={'views': ('F', 'M')}, first_frames=4,
                                   draws=copy.copy(draws))
  experiment = tiny.cascade_experiment(2, task, optimizer=lambda: tiny.two_players(1))
  trainers, built = {}, {}
  for strategy in (cpu, two_replicas):
    built[strategy] = building.build(experiment, strategy, experiment.clips.example_spec())
    with strategy.scope():
      built[strategy].standing.renew_frozen()
      trainers[strategy] = building.make_trainer(experiment, built[strategy])
  of_one, of_two = built[cpu], built[two_replicas]
  variables = lambda built: [
      *built.task.model.variables, *built.optimizer.generator.variables,
      *built.optimizer.discriminator.variables, *built.standing.variables]
  compare = lambda: _assert_alike(
      _copies(cpu, variables(of_one)), _copies(two_replicas, variables(of_two)))
  compare()
  start = [variable.numpy() for variable in of_one.task.model.generator.trainable_variables]
  for _ in range(2):
    terms, others = trainers[cpu].train(1), trainers[two_replicas].train(1)
    assert set(terms) == set(others) == TERMS
    for name, term in terms.items():
      np.testing.assert_allclose(others[name], term, 1e-5, 1e-5, err_msg=name)
    compare()
  assert np.mean([np.any(variable.numpy() != value) for variable, value in zip(
      of_one.task.model.generator.trainable_variables, start)]) > 0.7
  for strategy in (cpu, two_replicas):
    with strategy.scope():
      built[strategy].standing.renew()
  compare()
  passes = {float(norm.standing.passes.numpy().min()) for level in of_one.task.model.levels
            for norm in conditional_batch_norm.norms(level)}
  assert passes == {2.0}

  seed, batch = randomness.seed_of(1), {'video': tf.zeros([4, 4, 8, 8, 1], tf.uint8)}
  samples = [level.numpy().astype(int) for level in of_one.task.levels(batch, seed)]
  found = two_replicas.run(
      lambda: of_two.task.levels({'video': batch['video'][:2]}, seed))
  for both, expected in zip(found, samples, strict=True):
    both = np.concatenate(two_replicas.experimental_local_results(both))
    assert np.abs(both - expected).max() <= 1 and np.ptp(expected) > 20


# --- samples ---


def _assert_sampled(tiny, cpu, cascade, options, frames):
  experiment = _experiment(tiny, 2, runs.STEPS)
  experiment.clips = None
  videos = sampling.sample(experiment, cascade.second, cpu, num_samples=3, batch_size=2,
                           options=options)
  assert videos['samples'].shape == (3, frames, 8, 8, 1)
  assert (videos['samples'][0] != videos['samples'][1]).any()


@pytest.mark.slow
def test_longer_samples_from_noise(tiny, cpu, cascade):
  """No data is read, nor the level below's directory."""
  _assert_sampled(tiny, cpu, cascade, {'frames': 20, 'temperature': 0.5}, 20)


@pytest.mark.slow
@pytest.mark.parametrize('options, frames', [({}, 8), ({'window': True}, 4)])
def test_samples_from_noise(tiny, cpu, cascade, options, frames):
  """Whole videos, and windows."""
  _assert_sampled(tiny, cpu, cascade, options, frames)


@pytest.mark.slow
def test_a_round_trip(tiny, cpu, cascade, tmp_path):
  """Evaluated again, sampled, exported."""
  experiment = _experiment(tiny, 2, runs.STEPS)
  model_dir = str(tmp_path / 'model')
  shutil.copytree(cascade.second, model_dir)
  rows = {f'{split}/{metric}': value for _, split, metric, value in runs.rows(cascade.second)}
  again = experiments.evaluate(experiment, model_dir, cpu, preview_clips=0)
  assert again.pop('test/examples') == 4 and again.keys() == rows.keys()
  for name, value in rows.items():
    np.testing.assert_allclose(again[name], value, rtol=1e-4, err_msg=name)
  options = {'frames': 16, 'temperature': 0.5}
  videos = sampling.sample(experiment, model_dir, cpu, num_samples=2, batch_size=2, seed=3,
                           options=options)
  spec = sampling.export(experiment, model_dir, str(tmp_path / 'exported'), batch_size=2,
                         options=options)
  assert {name: list(of_one.shape) for name, of_one in spec.items()} == {'seed': []}
  exported = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = exported(seed=tf.constant(3))['videos']
  assert drawn.shape == (2, 16, 8, 8, 1)
  assert np.abs(drawn.numpy().astype(int) - videos['samples']).max() <= 1
  with pytest.raises(ValueError, match='be a multiple of 2, and at least 4, .*; got 7') as error:
    sampling.sample(experiment, model_dir, cpu, options={'frames': 7})
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('name', [
    'sample', *[pytest.param(name, marks=pytest.mark.slow) for name in ('train', 'evaluate')]])
def test_programs(tiny, name):
  """Those of a TPU's core, in its precision."""
  tf.config.run_functions_eagerly(False)
  experiment = _experiment(tiny, 2, runs.STEPS)
  experiment.precision = 'auto'
  function, inputs, parameters = building.program(
      experiment, experiment.clips.example_spec(), name, batch=2)
  assert inputs['video'].shape == [2, 4, 8, 8, 1]
  graph = tf.function(function, autograph=False).get_concrete_function(inputs)
  found = graph.structured_outputs
  if name == 'sample':
    assert found.shape == (2, 8, 8, 8, 1) and found.dtype == tf.uint8
  else:
    assert set(found) == (OF_A_STEP if name == 'train' else METRICS | {'examples'})
    assert {term.dtype for term in found.values()} == {tf.float32}
  assert parameters > 1000
