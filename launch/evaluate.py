"""Evaluates a trained model: prints the results, and adds them to its results.csv.

  python -m launch.evaluate --model_dir=runs/vqvae
  python -m launch.evaluate --model_dir=runs/bair_prior --gin_file=evaluation/videogpt_bair.gin

The first command measures the metrics of the model's task, the second one those of a paper's table.
launch.get_networks gets the networks; metrics without theirs are reported as missing.
launch.compare takes videos without a model.
"""

import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import evaluations
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import gin
  from tf_videogen import experiment
  from tf_videogen import files
  from tf_videogen import trained_model
  from tf_videogen.evaluation import best
  from tf_videogen.evaluation import records
  from tf_videogen.evaluation import run
  from tf_videogen.evaluation import videos
  from tf_videogen.model_directory import following
  from tf_videogen.model_directory import layout
  from tf_videogen.training import preemption
  from tf_videogen.training import strategies

flags.DEFINE_string('keep_best', None, 'Metric by which <model_dir>/best is chosen.')
flags.DEFINE_bool('follow', False, 'Evaluate every checkpoint when it is written.')
flags.DEFINE_integer('patience', None, 'With --follow and --keep_best: ask training to stop when '
                     'this many checkpoints in a row were no better.', lower_bound=1)
flags.DEFINE_integer('follow_timeout', 3600, 'Seconds to wait for a new checkpoint.', lower_bound=1)
shared_flags.declare(*configs.FLAGS, *evaluations.FLAGS)


def main(argv):
  """Evaluates the model in --model_dir."""
  del argv
  values = flags.FLAGS
  configs.parse_flags()
  strategy = strategies.get(values.strategy, values.tpu)
  config = configs.configured(experiment.Experiment)()
  if not evaluations.is_bound():
    evaluations.refuse(('keep_best', 'follow', 'follow_timeout', 'patience'),
                       'protocols: add one with --gin_file=evaluation/...')
    files.check_writable(values.model_dir)
    evaluate = configs.configured(experiment.evaluate)
    program.print_results(evaluate(config, values.model_dir, strategy))
    return
  if not values.keep_best:
    evaluations.refuse(('patience',), '--keep_best')
  evaluation = ProtocolOfModel(config, evaluations.configured(), strategy)
  if values.follow:
    evaluation.follow()
  else:
    evaluations.refuse(('follow_timeout', 'patience'), '--follow')
    evaluation.latest()


class ProtocolOfModel:
  """The evaluation of --model_dir's checkpoints by a protocol.

  Args:
    config: the model's Experiment.
    protocol: a Protocol.
    strategy: a tf.distribute.Strategy.
  """

  def __init__(self, config, protocol, strategy):
    values = flags.FLAGS
    self.config, self.protocol, self.strategy = config, protocol, strategy
    self.model_dir = values.model_dir
    self.directory = values.output or values.model_dir
    self.batch_size = shared_flags.batch_size(strategy)
    self.real = videos.DataVideos(
        protocol.clips or config.clips, protocol.split, protocol.videos, protocol.real_windows,
        protocol.seed)
    files.check_writable(self.directory)
    if values.keep_best:
      best.check(values.keep_best, protocol)

  def _opened(self, after_batch=lambda: None):
    rows = self.batch_size // strategies.worker(self.strategy)[1]
    return trained_model.TrainedModel(
        self.config, self.model_dir, self.strategy, self.protocol.sampling or None, rows,
        after_batch)

  def latest(self):
    """Evaluates the latest readable checkpoint."""
    model = self._opened()
    model.restore()
    self._evaluate(model)

  def follow(self):
    """Evaluates every checkpoint when it appears."""
    if strategies.has_workers(self.strategy):
      raise ValueError('--follow runs in one process only: use another --strategy')
    model = None

    def evaluate_one(path):
      nonlocal model
      model = model or self._opened(stop.check)
      if not model.restore(path):
        return False
      print(f'step {model.step}')
      self._evaluate(model, stop.check)
      if model.step < self.config.train_steps and layout.finished(self.model_dir) is None:
        self._ask_to_stop()
      return True

    def done():
      steps = records.evaluated_steps(
          self.directory, self.protocol.name, evaluations.random_networks())
      metric = flags.FLAGS.keep_best
      return steps & best.judged(self.model_dir, self.protocol.name, metric) if metric else steps

    try:
      with preemption.StopRequest() as stop:
        following.follow(self.model_dir, self.config.train_steps, done, evaluate_one, stop,
                         flags.FLAGS.follow_timeout)
    except preemption.Stopped:
      sys.exit(program.STOPPED)

  def _ask_to_stop(self):
    """Asks the training to stop if --patience is at its end."""
    patience, metric = flags.FLAGS.patience, flags.FLAGS.keep_best
    if not patience or layout.asked_to_stop(self.model_dir):
      return
    reason = best.no_better_since(self.directory, self.protocol.name, metric, patience)
    if reason:
      layout.ask_to_stop(self.model_dir, reason)
      print(f'asked the training to stop: {reason}', flush=True)

  def _evaluate(self, model, after_batch=lambda: None):
    """Evaluates the checkpoint that a TrainedModel has restored."""
    protocol, metric, kept, said = self.protocol, flags.FLAGS.keep_best, None, None
    if not strategies.has_workers(self.strategy):
      kept = records.Trials(self.directory, protocol.name, [gin.config_str(), model.identity])
    of_task = []
    if protocol.task_metrics:
      of_task = run.task_values(
          self.config, protocol, self.model_dir, self.strategy, model.checkpoint)
    found = run.run(protocol, self.real, model, self.strategy, self.batch_size,
                    evaluations.random_networks(), kept=kept, after_batch=after_batch)
    found.values += of_task
    ranked = [value for value in found.values if value.metric == metric]
    if ranked and strategies.is_chief(self.strategy):
      # Before its rows are written: a step with rows counts as done.
      said = best.keep(self.model_dir, self.directory, protocol.name, ranked[0], model)
    evaluations.finish(
        protocol.name, protocol.split, model.step, found, self.strategy, self.directory)
    if kept:
      kept.remove()
    if said:
      print(said, flush=True)
    if metric and not ranked:
      there = ', '.join(value.metric for value in found.values)
      raise ValueError(f'--keep_best={metric}: not measured; '
                       + found.missing.get(metric, f'there are: {there}'))


if __name__ == '__main__':
  program.run(main)
