"""Trains with launch.train, and starts it again after the loss of a TPU or a worker.

  python -m launch.restarts --max_failures=5 -- --gin_file=... --model_dir=gs://bucket/run

Arguments after -- are those of launch.train (launch.train_cascade with --cascade), which resumes
from its latest checkpoint at every start.
Mistakes of the user and SIGTERM end it at once. So does the last of --max_failures ends in a row
without a new checkpoint. The exit status is that of the last launch.train.
"""

import os
import signal
import subprocess
import sys
import time

from absl import flags

_ENVIRONMENT = dict(os.environ)  # for launch.train
# This process reads checkpoints with TensorFlow, which would take the TPU from launch.train.
os.environ['TPU_LOAD_LIBRARY'] = '0'
os.environ.pop('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', None)

# pylint: disable=g-import-not-at-top,wrong-import-position

from tf_videogen.launch import cascades
from tf_videogen.launch import lazy
from tf_videogen.launch import program

with lazy.imports():
  import tensorflow as tf
  from tf_videogen.model_directory import checkpoints
# pylint: enable=g-import-not-at-top,wrong-import-position

flags.DEFINE_integer('max_failures', 5, 'Give up after this many ends in a row without a new '
                     'checkpoint.', lower_bound=1)
flags.DEFINE_float('pause', 30.0, 'Seconds before the next start, times the number of ends in a '
                   'row without a new checkpoint.', lower_bound=0.0)

flags.DEFINE_bool('cascade', False, 'Train with launch.train_cascade.')

_FINAL = (0, 1, 2, 130)  # done, a mistake of the user, a mistake in the flags, Ctrl-C


def latest_step(model_dir, unknown=-1, directories=lambda model_dir: [model_dir]):
  """The step of the latest checkpoint, -1 if there is none, `unknown` if storage doesn't answer.

  Args:
    model_dir: the directory.
    unknown: the value to return if storage does not answer.
    directories: function that returns the model directories in it, whose steps are added: the
      levels of a cascade.
  """
  try:
    latest = [checkpoints.paths(level)[:1] for level in directories(model_dir)]
  except (tf.errors.OpError, OSError) as error:
    said = error.message if isinstance(error, tf.errors.OpError) else str(error)
    _say(f'{model_dir} cannot be read just now ({said[:200]})')
    return unknown
  steps = [checkpoints.step_of(path) for paths in latest for path in paths]
  return sum(steps) if steps else -1


def run(command, model_dir, max_failures, pause, **progress):
  """Runs a command until it is done, was told to stop, or fails without progress.

  Args:
    command: a list, the command of launch.train.
    model_dir: directory whose new checkpoints are progress.
    max_failures: number of ends in a row without a new checkpoint after which to give up.
    pause: seconds, see --pause.
    **progress: `directories`, see `latest_step`.

  Returns:
    The exit status of the last run; 143 if SIGTERM comes between two runs.
  """
  failures, told, after = 0, [], -1
  previous = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
  try:
    while True:
      before = latest_step(model_dir, after, **progress)
      status = _status(command, told)
      if status in _FINAL or told:
        return status
      after = latest_step(model_dir, before, **progress)
      failures = 0 if after > before else failures + 1
      _say(f'launch.train ended with status {status}; the latest checkpoint is of step {after}')
      if failures >= max_failures:
        _say(f'{failures} ends in a row without a new checkpoint (--max_failures), giving up')
        return status
      _sleep(pause * max(failures, 1), told)
      if told:
        return program.STOPPED
  finally:
    signal.signal(signal.SIGTERM, previous)


def _status(command, told):
  """Runs the command and passes SIGTERM on; its status, 128 + number if a signal ended it."""
  process, passed = subprocess.Popen(command, env=_ENVIRONMENT), False
  try:
    while process.poll() is None:
      if told and not passed:
        process.terminate()
        passed = True
      time.sleep(0.1)
  except KeyboardInterrupt:  # launch.train got it, too, and saves
    process.wait()
    raise
  return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _sleep(seconds, told):
  end = time.time() + seconds
  while time.time() < end and not told:
    time.sleep(min(0.1, seconds))


def _say(words):
  print(f'restarts: {words}', file=sys.stderr, flush=True)


@program.takes_arguments
def main(argv):
  """Runs launch.train with the arguments after --."""
  arguments = argv[1:]
  model_dir = [a.partition('=')[2] for a in arguments if a.lstrip('-').startswith('model_dir=')]
  if not model_dir:
    raise ValueError('give the model directory after --: python -m launch.restarts -- '
                     '--gin_file=... --model_dir=...')
  trained_by, progress = 'train', {}
  if flags.FLAGS.cascade:
    trained_by, progress = 'train_cascade', {'directories': cascades.directories}
  # --wait: on cloud storage, a lost machine's hold on the directory expires within a minute.
  command = [sys.executable, '-m', 'tf_videogen.launch.cli', trained_by, '--wait', *arguments]
  sys.exit(run(command, model_dir[-1], flags.FLAGS.max_failures, flags.FLAGS.pause, **progress))


if __name__ == '__main__':
  program.run(main)
