"""Trains a config, evaluates it, or both; goes on from where the model directory stands.

  python -m launch.train --gin_file=videogpt/moving_mnist_vqvae.gin --model_dir=runs/vqvae

SIGTERM and Ctrl-C save and exit with 143; the same command then goes on.
"""

import sys

from absl import flags

from tf_videogen import experiment
from tf_videogen.launch import configs
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.training import preemption
from tf_videogen.training import strategies

flags.DEFINE_enum(
    'mode', 'train_and_evaluate',
    ['train', 'evaluate', 'train_and_evaluate', 'evaluate_continuously'],
    'What to do; evaluate_continuously follows another process that trains.')
shared_flags.declare(*configs.FLAGS)

_STOPPED = 143  # the exit status of a process that SIGTERM ended


def _train(config, model_dir, strategy, evaluate_too):
  kept = []

  def keep_operative(_):
    if not kept:
      kept.append(configs.keep_operative(model_dir))

  complete = configs.configured(experiment.train)(
      config, model_dir, strategy, evaluate_too=evaluate_too, actions=(keep_operative,))
  if not complete:
    sys.exit(_STOPPED)


def main(argv):
  """Does what --mode says."""
  del argv
  mode, model_dir = flags.FLAGS.mode, flags.FLAGS.model_dir
  configs.parse_flags()
  strategy = strategies.get(flags.FLAGS.strategy, flags.FLAGS.tpu)
  config = configs.configured(experiment.Experiment)()
  if mode in ('train', 'train_and_evaluate'):
    configs.keep(model_dir)
    _train(config, model_dir, strategy, mode == 'train_and_evaluate')
    return
  function = {'evaluate': experiment.evaluate,
              'evaluate_continuously': experiment.evaluate_continuously}[mode]
  try:
    output = configs.configured(function)(config, model_dir, strategy)
  except preemption.Stopped:
    sys.exit(_STOPPED)
  program.print_results(output or {})


if __name__ == '__main__':
  program.run(main)
