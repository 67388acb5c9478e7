"""Trains the levels of a cascade one after the other, each from the frozen levels below it.

  python -m launch.train_cascade --gin_file=cvg/ucf101.gin --model_dir=runs/cvg_ucf101

The config names the configs of the levels. Level n goes to <model_dir>/level<n>. The same command
skips trained levels and resumes a level that was stopped. With --level, one level is trained alone,
for example on another machine. `launch.sample` and `launch.evaluate` take the cascade's directory.

SIGTERM and Ctrl-C save and exit with 143; the loss of a worker or the TPU exits with 75.
"""

import gc
import re
import time

from absl import flags

from tf_videogen.launch import cascades
from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.launch import train

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import experiment
  from tf_videogen.evaluation import best
  from tf_videogen.model_directory import checkpoints
  from tf_videogen.model_directory import layout
  from tf_videogen.training import strategies

flags.DEFINE_integer('level', None, 'Train only this level, counted from 1.', lower_bound=1)
flags.DEFINE_multi_string(
    'level_param', [], 'A binding for one level, e.g. 2:TRAIN_STEPS=1000; may be repeated. '
    '--gin_param is for all of them.')
flags.DEFINE_bool('from_best', False, 'Train a level from best/ of the level below, which '
                  'launch.evaluate --follow --keep_best writes; with --wait, wait until it has '
                  'evaluated the last checkpoint.')
flags.DEFINE_bool('evaluate', True, 'Whether to evaluate the levels, too.')
shared_flags.declare(*configs.FLAGS)
flags.declare_key_flag('wait')
flags.declare_key_flag('worker_timeout')


def main(argv):
  """Trains the levels that are not trained yet; see the module."""
  del argv
  train.guarded(_run)


def _run():
  values = flags.FLAGS
  if not values.model_dir:
    raise ValueError('--model_dir is missing: give the folder of the run')
  if values.init_from:
    raise ValueError('--init_from is for launch.train, which trains the config of one level')
  levels = _levels()
  strategy = strategies.get(values.strategy, values.tpu, values.worker_timeout)
  wanted = [(number, name) for number, name in enumerate(levels, start=1)
            if values.level in (None, number)]
  for level in wanted:  # errors of later levels are raised before the first is trained
    config, _ = _configured(*level)
    if not _is_trained(level[0], config):
      _check_above(level[0])
      config.clips.check([config.clips.train_split, *(config.splits if values.evaluate else ())])
  if strategies.is_chief(strategy):
    cascades.save(values.model_dir, cascades.Cascade(levels))
  for level in wanted:
    _train_level(*level, strategy)


def _levels():
  if len(flags.FLAGS.gin_file) > 1:
    raise ValueError('give one --gin_file, the config of a cascade; bind everything else with '
                     '--gin_param or --level_param')
  configs.parse(flags.FLAGS.gin_file, [])
  levels = configs.configured(cascades.Cascade)().levels
  if flags.FLAGS.level and flags.FLAGS.level > len(levels):
    raise ValueError(f'--level={flags.FLAGS.level}: the cascade has {len(levels)} levels')
  for param in flags.FLAGS.level_param:
    number = re.match(r'(\d+):', param)
    if not number or not 1 <= int(number.group(1)) <= len(levels):
      raise ValueError(f'--level_param={param} must be N:NAME=VALUE, N from 1 to {len(levels)}')
  return levels


def _configured(number, name):
  """The Experiment of a level, and the tuple of the command line's bindings for it."""
  values = flags.FLAGS
  params = list(values.gin_param)
  params += [param.partition(':')[2] for param in values.level_param
             if param.startswith(f'{number}:')]
  below = _below(number)
  lower = [f'{cascades.LOWER_DIR}={below!r}'] if below else []
  configs.parse([name], params + lower, values.data_dir)
  return configs.configured(experiment.Experiment)(), tuple(params)


def _below(number):
  """The model directory below, from which a level is trained; None for the first level."""
  if number == 1:
    return None
  below = cascades.directory(flags.FLAGS.model_dir, number - 1)
  return best.directory_of(below) if flags.FLAGS.from_best else below


def _is_trained(number, config):
  return layout.is_trained(
      cascades.directory(flags.FLAGS.model_dir, number), config.train_steps)


def _wait_for_best(number):
  """Waits until the process that keeps a level's best checkpoint has evaluated the last one."""
  model_dir, told = cascades.directory(flags.FLAGS.model_dir, number), False
  while not best.is_final(model_dir):
    said = (f'the last checkpoint of {model_dir} is not evaluated yet with --keep_best: python -m '
            'launch.evaluate --gin_file=evaluation/cascade_level.gin --follow --keep_best=fvd '
            f'--model_dir={model_dir}')
    if not flags.FLAGS.wait:
      raise ValueError(f'{said}; then the same command resumes')
    if not told:
      print(f'waiting: {said}', flush=True)
    told = True
    time.sleep(10)


def _check_above(number):
  """Refuses to continue a finished level from which the next one has been trained already."""
  done = layout.finished(cascades.directory(flags.FLAGS.model_dir, number))
  above = cascades.directory(flags.FLAGS.model_dir, number + 1)
  if done is not None and checkpoints.paths(above):
    raise ValueError(f'{above} was trained from step {done:,} of level {number}, which would be '
                     f'trained further: move {above} away to train it again')


def _train_level(number, name, strategy):
  values = flags.FLAGS
  config, params = _configured(number, name)
  model_dir = cascades.directory(values.model_dir, number)
  below = _below(number)
  if values.from_best and below and not checkpoints.paths(model_dir):
    _wait_for_best(number - 1)
  with train.sole(model_dir, strategy):
    trained = _is_trained(number, config)
    writes = strategies.is_chief(strategy) and not trained
    configs.keep(model_dir, writes, (name,), params)
    if below:
      cascades.keep_below(model_dir, below, writes)
    if trained:
      reason = layout.asked_to_stop(model_dir)
      done = layout.finished(model_dir)
      early = f', stopped early: {reason}' if done < config.train_steps else ''
      print(f'level {number} ({name}) is trained, {done:,} steps{early}', flush=True)
      return
    print(f'level {number} ({name}): {config.train_steps:,} steps, in {model_dir}', flush=True)
    train.train(config, model_dir, strategy, values.evaluate)
  del config
  tf.keras.backend.clear_session()
  gc.collect()  # frees what the level had on the devices


if __name__ == '__main__':
  program.run(main)
