"""Evaluates the latest checkpoint of a model directory: prints, and appends to its results.csv.

  python -m launch.evaluate --model_dir=runs/vqvae

Without --gin_file the directory's own config is used.
"""

from absl import flags

from tf_videogen import experiment
from tf_videogen.launch import configs
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.training import strategies

shared_flags.declare(*configs.FLAGS)


def main(argv):
  """Evaluates."""
  del argv
  configs.parse_flags()
  strategy = strategies.get(flags.FLAGS.strategy, flags.FLAGS.tpu)
  config = configs.configured(experiment.Experiment)()
  evaluate = configs.configured(experiment.evaluate)
  program.print_results(evaluate(config, flags.FLAGS.model_dir, strategy))


if __name__ == '__main__':
  program.run(main)
