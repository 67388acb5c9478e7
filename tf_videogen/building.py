"""Builds a configuration's task with its variables, its optimizer, its checkpoint and its trainer.

It also makes the programs that a TPU core runs. `experiment`, `sampling` and `evaluation` use these
parts.
"""

import contextlib
import dataclasses

from absl import logging
import numpy as np
import tensorflow as tf

from tf_videogen.layers import gradients
from tf_videogen.model_directory import checkpoints
from tf_videogen.tasks import task as task_lib
from tf_videogen.training import optimizers
from tf_videogen.training import precision as precisions
from tf_videogen.training import standing_statistics
from tf_videogen.training import strategies
from tf_videogen.training import trainer as trainers

PROGRAMS = ('train', 'evaluate', 'sample', 'record')


@dataclasses.dataclass
class Built:
  """The parts of an experiment that have variables, created under a strategy.

  Attributes:
    task: the task with its model.
    optimizer: a Keras optimizer, or `TwoPlayers` for an adversarial task.
    step: the global step, an int64 variable.
    checkpoint: holds the model, the optimizer and the step.
    standing: records the standing statistics that sampling needs; renew them after every change of
      the weights.
  """
  task: task_lib.Task
  optimizer: tf.keras.optimizers.Optimizer | optimizers.TwoPlayers
  step: tf.Variable
  checkpoint: tf.train.Checkpoint
  standing: standing_statistics.Recorder


def build(experiment, strategy, spec, precision=None):
  """Creates task, optimizer and step with all their variables under the strategy; restores nothing.

  Args:
    experiment: an Experiment.
    strategy: a tf.distribute.Strategy.
    spec: name -> TensorSpec of one example, without the batch axis.
    precision: used in place of the experiment's precision, if given.

  Returns:
    Built.

  Raises:
    ValueError: if the batch size is not divisible by the number of replicas, the model does not fit
      the clips, the optimizer does not fit the task, or a TPU's hosts cannot read the clips.
  """
  if experiment.batch_size % strategy.num_replicas_in_sync:
    raise ValueError(f'Experiment.batch_size = {experiment.batch_size} is not divisible by the '
                     f'{strategy.num_replicas_in_sync} replicas of the strategy; choose a multiple')
  if checkpoints.has_other_hosts(strategy) and (why := experiment.clips.unreachable()):
    raise ValueError(f'the hosts of the TPU read the clips themselves, but {why}')
  tf.keras.utils.set_random_seed(experiment.seed)
  with strategies.scope(strategy):
    policy = precisions.use(precision or experiment.precision, strategy)
    task = experiment.task()
    # Without AutoGraph: no model needs it, and it would double the time.
    with _in_a_graph(), tf.variable_creator_scope(_initialized_by_the_host):
      tf.autograph.experimental.do_not_convert(task.build)(tuple(spec['video'].shape))
    optimizer = experiment.optimizer()
    two_players = isinstance(task, task_lib.AdversarialTask)
    if two_players != isinstance(optimizer, optimizers.TwoPlayers):
      raise ValueError(f'{type(task).__name__} needs Experiment.optimizer to be '
                       f'{"optimizers.TwoPlayers" if two_players else "one optimizer"}')
    optimizer.build(task.trainable_variables)
    step = tf.Variable(0, dtype=tf.int64, trainable=False, name='step',
                       aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    standing = standing_statistics.Recorder(task, experiment.clips, spec['video'].shape)
  checkpoint = tf.train.Checkpoint(model=task.model, optimizer=optimizer, step=step)
  built = Built(task, optimizer, step, checkpoint, standing)
  logging.info('%s, %s', described(built), policy)
  return built


def described(built):
  """Describes in words what was built: the task's name, and the number of trained parameters."""
  return f'{type(built.task).__name__}, {_parameters(built.task):,} trainable parameters'


def warn_of_unlabelled(experiment, built):
  """Warns if the model is told the class of clips, and some that it trains on have none."""
  split = experiment.clips.train_split
  count = 'label' in built.task.conditions and experiment.clips.unlabelled(split)
  if count and strategies.is_chief(tf.distribute.get_strategy()):
    logging.warning(
        '%s clips of %s (%s) have no label (it is -1), and %s trains on them as clips of no class: '
        'give them labels, or leave them out of the data', f'{count:,}',
        experiment.clips.dataset or 'the training file', split, type(built.task).__name__)


@contextlib.contextmanager
def _in_a_graph():
  """A context in which models are called to find their shapes.

  Variables are created with their values, but the calls compute nothing.
  """
  with tf.__internal__.FuncGraph('build').as_default(), gradients.left_out():
    yield


def _initialized_by_the_host(next_creator, initial_value=None, **kwargs):
  """Creates a variable outside of the open graph; computes its initial value on the host's CPU.

  A TPUStrategy would leave the value in that graph. It would compute other initial values op by op
  on its first core.
  """
  def on_the_host():
    with tf.device('/cpu:0'):
      return initial_value()

  with tf.init_scope():
    return next_creator(
        initial_value=on_the_host if callable(initial_value) else initial_value, **kwargs)


def make_trainer(experiment, built, before_call=lambda step: None, clips=None):
  """Makes the trainer for `built`. Call it in the scope of the strategy.

  Args:
    experiment: the Experiment.
    built: Built.
    before_call: see `trainer.Trainer`.
    clips: clips of one replica's batch. If None, the experiment's batch size divided by the number
      of replicas.
  """
  two_players = isinstance(built.optimizer, optimizers.TwoPlayers)
  if two_players:
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    built.task.begin_training(clips or experiment.batch_size // replicas)
  trainer = trainers.AdversarialTrainer if two_players else trainers.LossTrainer
  return trainer(
      built.task, built.optimizer, built.step, experiment.seed, experiment.clip_norm,
      lambda start, host, hosts: experiment.clips.training(
          experiment.batch_size, experiment.seed, start, host, hosts), before_call)


def program(experiment, spec, name, batch):
  """Makes one of the programs that a TPU core runs, outside of any strategy.

  The programs are:

      'train'     a step of the trainer: forward and backward passes, optimizer, all updates
      'evaluate'  the task's statistics
      'sample'    the task's sampler
      'record'    one piece of a pass that records standing statistics of the trained generator,
                  with the computation that precedes it

  Args:
    experiment: an Experiment. Its precision 'auto' becomes mixed_bfloat16, a TPU's.
    spec: name -> TensorSpec of one example, as `clips.example_spec()` returns it.
    name: one of PROGRAMS.
    batch: clips per core.

  Returns:
    A function that takes a dict of tensors, the dict of their TensorSpecs, and the number of
    trainable parameters. For 'train', the tensors hold all batches of a step, one after the other.

  Raises:
    ValueError: if the experiment has no such program, or the model does not fit the clips.
  """
  if name not in PROGRAMS:
    raise ValueError(f'unknown program {name!r}; there are: {", ".join(PROGRAMS)}')
  precision = {'auto': 'mixed_bfloat16'}.get(experiment.precision, experiment.precision)
  built = build(experiment, tf.distribute.get_strategy(), spec, precision)
  inputs = {key: tf.TensorSpec([batch] + value.shape, value.dtype)
            for key, value in spec.items() if value.dtype != tf.string}
  if name == 'train':
    trainer = make_trainer(experiment, built, clips=batch)
    function = lambda clips: trainer.replica_step(*_parted(clips, trainer.batches))
    inputs = {key: tf.TensorSpec([batch * trainer.batches] + spec.shape[1:], spec.dtype)
              for key, spec in inputs.items()}
  else:
    inputs['valid'] = tf.TensorSpec([batch], tf.bool)
    # The seed is no tensor. If the task does not read it, it leaves nothing in the program.
    function = lambda batch: built.task.statistics(batch, np.zeros(2, np.int32))
  if name in ('sample', 'record'):
    inputs['seed'] = tf.TensorSpec([2], tf.int32)
    function = lambda batch: built.task.sample(batch, batch['seed'])
  if name == 'record':
    if not built.task.recordings:
      raise ValueError(f'{type(built.task).__name__} has no standing statistics to record')
    inputs['piece'] = tf.TensorSpec([], tf.int32)
    function = lambda batch: _recorded(built.task.recordings[-1], batch)
  return function, inputs, _parameters(built.task)


def _recorded(recording, batch):
  """Begins a pass and records one piece, in one program; `standing_statistics` has two programs."""
  carry = recording.begin(batch, batch['seed'])
  return recording.record(batch['piece'], batch, batch['seed'], carry)


def _parted(clips, parts):
  """Splits a dict of tensors into `parts` dicts of consecutive rows."""
  if parts == 1:
    return [clips]
  rows = {name: tf.split(value, parts) for name, value in clips.items()}
  return [{name: rows[name][i] for name in rows} for i in range(parts)]


def _parameters(task):
  return sum(variable.shape.num_elements()
             for variable in tf.nest.flatten(task.trainable_variables))


def restore(built, model_dir, checkpoint=None):
  """Restores a checkpoint into `built` and records standing statistics, so that it can sample.

  Args:
    built: Built.
    model_dir: a trained model's directory.
    checkpoint: path of a checkpoint. If None, the latest readable one of the directory.

  Returns:
    The path of the restored checkpoint; None if `checkpoint` is given and cannot be read.

  Raises:
    FileNotFoundError: if `checkpoint` is None and the directory has no checkpoint.
    ValueError: if the checkpoint is another configuration's, if none of the directory's can be
      read, or if a TPU's hosts cannot reach the directory.
  """
  checkpoints.check_reachable(model_dir)
  if checkpoint is None:
    checkpoint = checkpoints.restore_latest(built.checkpoint, model_dir)
    if checkpoint is None:
      raise FileNotFoundError(f'no checkpoint in {model_dir}: train first, or give another '
                              '--model_dir')
  elif not checkpoints.restore(built.checkpoint, checkpoint):
    return None
  built.standing.renew_frozen()
  built.standing.renew()
  return checkpoint
