"""Trains a config, evaluates it, or both; resumes from the latest checkpoint.

  python -m launch.train --gin_file=videogpt/moving_mnist_vqvae.gin --model_dir=runs/vqvae

SIGTERM and Ctrl-C save and exit with 143; the loss of a worker or of the TPU exits with 75. The
same command then resumes the training.
"""

import contextlib
import os
import re
import sys
import traceback

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import experiment
  from tf_videogen import files
  from tf_videogen.model_directory import checkpoints
  from tf_videogen.model_directory import occupancy
  from tf_videogen.training import preemption
  from tf_videogen.training import strategies

flags.DEFINE_enum(
    'mode', 'train_and_evaluate',
    ['train', 'evaluate', 'train_and_evaluate', 'evaluate_continuously'],
    'What to do; evaluate_continuously follows another process that trains.')
flags.DEFINE_string('init_from', None, 'Model directory from whose weights a new --model_dir '
                    'starts, for fine-tuning.')
flags.DEFINE_bool('wait', False, 'If another process trains in --model_dir, resume after it.')
flags.DEFINE_integer('worker_timeout', 300, 'Seconds that a worker of '
                     '--strategy=multi_worker waits for the others.', lower_bound=1)
shared_flags.declare(*configs.FLAGS)

_LOST = 75  # "try again" in sysexits.h: a worker or the TPU was lost


@contextlib.contextmanager
def sole(model_dir, strategy):
  """Holds a model directory, see `occupancy.occupied`; removes what killed processes left there."""
  if not strategies.is_chief(strategy):
    yield
    return
  with occupancy.occupied(model_dir, flags.FLAGS.wait):
    files.remove_left(model_dir)
    checkpoints.remove_left(model_dir)
    yield


def train(config, model_dir, strategy, evaluate_too):
  """Trains as `experiment.train` is configured; exits with 143 if SIGTERM stopped it.

  Args:
    config: an Experiment.
    model_dir: the model directory, in which the config is kept already.
    strategy: a tf.distribute.Strategy.
    evaluate_too: see `experiment.train`.
  """
  kept = []

  def keep_operative(_):
    if not kept:
      kept.append(configs.keep_operative(model_dir))

  complete = configs.configured(experiment.train)(
      config, model_dir, strategy, evaluate_too=evaluate_too, actions=(keep_operative,))
  if not complete:
    sys.exit(program.STOPPED)


def _say_what_was_lost(error):
  """Prints a line about a lost device or worker, with a traceback if our code may be wrong."""
  if not isinstance(error, (tf.errors.UnavailableError, tf.errors.AbortedError)):
    traceback.print_exception(error)
    print('train: an error of the device, the network or this program; the same command '
          'resumes from the latest checkpoint', file=sys.stderr, flush=True)
    return
  text = ' '.join(str(error).split())
  worker = re.search(r'/job:worker/replica:\d+/task:(\d+) heartbeat timeout', text)
  lost = f'worker {worker.group(1)}' if worker else 'a worker or the TPU'
  reason = text.rpartition('aborted by: ')[2][:200]  # before it stands the place in the graph
  print(f'train: {lost} no longer answers; the same command, on all workers, resumes from the '
        f'latest checkpoint ({reason})', file=sys.stderr, flush=True)


def guarded(run):
  """Calls a function without arguments; exits with 75 if a worker or the TPU was lost."""
  try:
    run()
  except Exception as error:  # pylint: disable=broad-exception-caught
    if 'tensorflow' not in sys.modules or not isinstance(error, strategies.LOST):
      raise
    _say_what_was_lost(error)
    # Not sys.exit: collective operations that wait for the lost worker would delay it.
    os._exit(_LOST)


def main(argv):
  """Does what --mode says; see the module."""
  del argv
  guarded(_run)


def _run():
  if flags.FLAGS.init_from:  # as a binding, it is kept with the config
    flags.FLAGS.gin_param = [
        *flags.FLAGS.gin_param, f'experiment.train.init_from={flags.FLAGS.init_from!r}']
  configs.parse_flags()
  mode, model_dir = flags.FLAGS.mode, flags.FLAGS.model_dir
  strategy = strategies.get(
      flags.FLAGS.strategy, flags.FLAGS.tpu, flags.FLAGS.worker_timeout)
  config = configs.configured(experiment.Experiment)()
  if mode in ('train', 'train_and_evaluate'):
    with sole(model_dir, strategy):
      configs.keep(model_dir, writes=strategies.is_chief(strategy))
      train(config, model_dir, strategy, mode == 'train_and_evaluate')
    return
  function = {'evaluate': experiment.evaluate,
              'evaluate_continuously': experiment.evaluate_continuously}[mode]
  try:
    output = configs.configured(function)(config, model_dir, strategy)
  except preemption.Stopped:
    sys.exit(program.STOPPED)
  program.print_results(output or {})


if __name__ == '__main__':
  program.run(main)
