"""The programs of TPUStrategy on two cores: what is in their graphs."""

import numpy as np
import pytest
import tensorflow as tf

from tests import fake_tpu
from tests.tpu import families as families_lib
from tests.tpu import graphs
from tf_videogen import building
from tf_videogen.evaluation import extraction
from tf_videogen.layers import randomness
from tf_videogen.training import evaluator as evaluators
from tf_videogen.training import strategies


@pytest.fixture(scope='module', name='strategy')
def _strategy():
  return fake_tpu.traced(2)


@pytest.mark.parametrize('name', families_lib.parameters('vqvae', 'prior'))
def test_programs(name, families, strategy):
  experiment = families.experiment(name)
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  with strategies.scope(strategy), graphs.only_tensors(strategy):
    _check_training(experiment, built, strategy)
    _check_evaluation(experiment, built, strategy)
    _check_standing_statistics(built, strategy)
    task = built.task
    for function, is_there in ((task.sample, not task.cannot_sample),
                               (lambda batch, seed: task.reconstruct(batch), task.reconstructs),
                               (task.previews, True)):
      if is_there:
        _check_on_replicas(experiment, strategy, function)


def _check(traced):
  """Checks what holds of every program."""
  graphs.assert_runs_on_cores(traced)
  graphs.assert_bridge_takes(traced)
  assert len(graphs.operations(traced, graphs.PROGRAM)) == 1
  assert not graphs.operations(traced, graphs.ALL_TO_ALL)


def _check_training(experiment, built, strategy):
  trainer = building.make_trainer(experiment, built)
  iterator = iter(strategies.distribute(
      strategy, lambda host, hosts: trainer.make_dataset(0, host, hosts)))
  traced = trainer._take_steps.get_concrete_function(iterator, tf.constant(2))
  _check(traced)
  graphs.assert_host_waits_for_nothing(traced)
  assert graphs.operations(traced, graphs.ALL_REDUCE)


def _check_evaluation(experiment, built, strategy):
  evaluator = evaluators.TaskEvaluator(
      built.task, experiment.clips, experiment.splits, experiment.batch_size)
  batch = next(iter(strategies.distribute(strategy, lambda host, hosts: experiment.clips.evaluation(
      'test', experiment.batch_size, None, host, hosts))))
  _check(evaluator._sums_of_batch.get_concrete_function(batch, tf.constant(0)))


def _check_standing_statistics(built, strategy):
  """Of every level, and of the second piece of a pass as well as of the first one."""
  if not built.task.recordings:
    return
  standing, seed = built.standing, randomness.seed_of(0)
  batch = next(iter(strategies.distribute(strategy, standing._batches)))
  for recording in built.task.recordings:
    begin, record = standing._programs(recording)
    begin = begin.get_concrete_function(batch, seed)
    _check(begin)
    carry = tf.nest.map_structure(
        lambda spec: strategy.experimental_distribute_values_from_function(
            lambda _, spec=spec: tf.zeros(spec.shape, spec.dtype)),
        tf.nest.map_structure(lambda x: _of_one(x, strategy), begin.structured_outputs))
    _check(record.get_concrete_function(tf.constant(0), batch, seed, carry))


def _of_one(value, strategy):
  return strategy.experimental_local_results(value)[0]


def _check_on_replicas(experiment, strategy, function):
  """What `strategies.on_replicas` would run."""
  batch = next(iter(experiment.clips.evaluation('test', 4)))
  rows = {key: strategies.rows_of_replicas(strategy, value.numpy())
          for key, value in batch.items() if value.dtype != tf.string}
  seeds = strategy.experimental_distribute_values_from_function(
      lambda context: randomness.seed_of(context.replica_id_in_sync_group))
  _check(strategies.program(strategy, function).get_concrete_function(rows, seeds))


@pytest.mark.slow
def test_networks_of_metrics(strategy):
  extract = extraction.Extractor(strategy, ['i3d_kinetics400'], random=True)
  video = strategies.rows_of_replicas(strategy, np.zeros([8, 16, 64, 64, 3], np.uint8))
  _check(extract._programs['i3d_kinetics400'].get_concrete_function(video))


def test_what_no_core_has_is_found(strategy):
  """The checks are none that everything passes."""
  def lengths(x):
    return tf.strings.length(tf.strings.as_string(x))

  def in_python(x):
    return tf.numpy_function(np.square, [x], tf.float32)

  def exchanged(x):
    variable.assign(x)
    return x

  with strategy.scope():
    variable = tf.Variable(0.0, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
  trace = lambda function, x: strategies.program(strategy, function).get_concrete_function(x)
  if graphs.HAS_CHECK:
    with pytest.raises(tf.errors.OpError, match='AsString.*found invalid op'):
      graphs.assert_bridge_takes(trace(lengths, tf.constant(1.0)))
  with pytest.raises(AssertionError):
    graphs.assert_bridge_takes(trace(in_python, tf.constant(1.0)))
  with pytest.raises(AssertionError):
    graphs.assert_runs_on_cores(trace(tf.identity, tf.constant('text')))
  assert graphs.operations(trace(exchanged, tf.constant(1.0)), graphs.ALL_TO_ALL)
