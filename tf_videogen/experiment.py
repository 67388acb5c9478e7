"""What is trained, on what and how: a configuration, its training and its evaluation.

These are the class and the functions that gin files bind. None of them knows a paper: they know
tasks (`tasks.task`). What draws samples from a trained model is in `sampling`.
"""

import errno
import functools
import os

from absl import logging
import orbit
import tensorflow as tf

from tf_videogen import building
from tf_videogen import previews
from tf_videogen.data import clip_source
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import following
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results
from tf_videogen.training import checkpoint_manager
from tf_videogen.training import evaluator as evaluators
from tf_videogen.training import optimizers
from tf_videogen.training import preemption
from tf_videogen.training import progress
from tf_videogen.training import strategies


class Experiment:
  """A configuration.

  Args:
    task: a callable (class) that makes the task, called inside the strategy's scope.
    clips: the data, see `data.clips`.
    optimizer: a callable that makes the optimizer: Keras's, or `optimizers.TwoPlayers`.
    batch_size: global batch size, over all replicas.
    train_steps: steps of the whole training.
    splits: splits that are evaluated; previews are of the first one.
    evaluation_limit: clips of each split that evaluation looks at, None for all.
    seed: of initial values, data order, dropout and codebook restarts.
    precision: 'float32', 'mixed_bfloat16', or 'auto': the latter where the hardware has units for
      it.
    clip_norm: bound of the gradients' global norm, or None.
  """

  def __init__(self, task, clips, optimizer, batch_size, train_steps, splits=('test',),
               evaluation_limit=None, seed=0, precision='auto', clip_norm=None):
    self.task = task
    self.clips = clips
    self.optimizer = optimizer
    self.batch_size = batch_size
    self.train_steps = train_steps
    self.splits = (splits,) if isinstance(splits, str) else tuple(splits)
    self.evaluation_limit = evaluation_limit
    self.seed = seed
    self.precision = precision
    self.clip_norm = clip_norm


def train(experiment, model_dir, strategy, evaluate_too=True, steps_per_loop=100,
          checkpoint_interval=1000, evaluation_interval=None, keep_checkpoints=3, preview_clips=8,
          init_from=None, actions=()):
  """Trains to `experiment.train_steps`, from the latest readable checkpoint of `model_dir`.

  Args:
    experiment: an Experiment.
    model_dir: where checkpoints, logs and results go.
    strategy: a tf.distribute.Strategy.
    evaluate_too: whether to evaluate at every multiple of `evaluation_interval` and at the end.
    steps_per_loop: steps between two rows of training.csv.
    checkpoint_interval: steps between two checkpoints, rounded up to whole loops.
    evaluation_interval: steps between two evaluations, None for one at the end.
    keep_checkpoints: how many are kept.
    preview_clips: clips shown at every evaluation, 0 for none.
    init_from: model directory whose weights a new run begins with; step, optimizer, statistics of
      the data and earlier stages are the new run's own. None: initial values.
    actions: callables that get the terms of the loss after every loop.

  Returns:
    True if training is complete, False if SIGTERM stopped it; the same call then goes on.

  Raises:
    FloatingPointError: if a term of the loss is not finite.
    ValueError: if a checkpoint is another configuration's, or the batch doesn't divide, or data or
      directory are out of reach of a TPU's hosts.
  """
  with strategy.scope():
    checkpoints.check_reachable(model_dir)
  spec = experiment.clips.example_spec()
  experiment.clips.check(experiment.splits if evaluate_too else ())
  chief = strategies.is_chief(strategy)
  with preemption.StopRequest(strategies.any_worker(strategy)) as stop:
    built = building.build(experiment, strategy, spec)
    built.standing.after_batch = stop.check
    if chief:
      layout.save_spec(
          spec, model_dir, experiment.clips.reduction(), experiment.clips.class_names())
    with strategies.scope(strategy):
      manager = checkpoint_manager.CheckpointManager(
          built.checkpoint, model_dir, keep_checkpoints, step_counter=built.step,
          checkpoint_interval=checkpoint_interval, writes=chief)
      _begin(experiment, built, model_dir, init_from)
      run = _Run(experiment, built, model_dir, stop, steps_per_loop, manager, actions)
      try:
        with run.bar, clip_source.errors_told():
          run.to_the_end(evaluation_interval if evaluate_too else 0, preview_clips)
      except preemption.Stopped:
        run.controller.save_checkpoint()
        run.flush()
        logging.warning('stopped by SIGTERM, saved at step %d; the same command goes on from there',
                        built.step.numpy())
        return False
      except Exception:
        run.flush_if_possible()
        raise
      run.flush()
    if chief:
      _set_finished(model_dir, int(built.step.numpy()))
  return True


def _begin(experiment, built, model_dir, init_from):
  """Gives a new run what it begins with; one that has checkpoints goes on from those."""
  if checkpoints.paths(model_dir):
    if init_from and strategies.is_chief(tf.distribute.get_strategy()):
      print(f'{model_dir} has begun, and goes on from its own checkpoint, not from {init_from}')
    return
  if init_from:
    checkpoints.load_part(init_from, 'the model to begin with', model=built.task.model)
  built.task.initialize(experiment.clips)  # statistics and earlier stages are this config's


def _set_finished(model_dir, step):
  if step not in map(checkpoints.step_of, checkpoints.paths(model_dir)):
    raise OSError(errno.EIO, f'the checkpoint of step {step} is not there', model_dir)
  layout.set_finished(model_dir, step)
  print(f'trained to step {step:,}, in {model_dir}', flush=True)


class _Run:
  """A training run: Orbit's controller, which restores, and what it does after loops.

  Every worker has one and does all that needs all of them; the chief alone writes.
  """

  def __init__(self, experiment, built, model_dir, stop, steps_per_loop, manager, actions):
    self.experiment = experiment
    self.built = built
    self.model_dir = model_dir
    self.stop = stop
    self.chief = strategies.is_chief(tf.distribute.get_strategy())
    summaries = lambda name: os.path.join(model_dir, 'summaries', name) if self.chief else None
    self.summaries = progress.Summaries(summaries('train'), built.step)
    self.evaluations = progress.Summaries(summaries('evaluation'), built.step)
    self.log = results.TrainingLog(model_dir)
    manager.before_save = self.flush
    trainer = building.make_trainer(experiment, built, self._before_call)
    rates = optimizers.constant_rates(built.optimizer)
    with progress.quiet():
      self.controller = orbit.Controller(
          trainer=trainer,
          evaluator=_evaluator(experiment, built, stop.check, limit=experiment.evaluation_limit),
          strategy=tf.distribute.get_strategy(), global_step=built.step,
          # Loops end at multiples, wherever the run goes on from.
          steps_per_loop=lambda step: steps_per_loop - int(step) % steps_per_loop,
          checkpoint_manager=manager, summary_manager=self.summaries,
          eval_summary_dir=summaries('evaluation'), eval_summary_manager=self.evaluations,
          train_actions=[self._after_loop, *(actions if self.chief else ())],
          eval_actions=[self._after_evaluation])
    for variable, rate in rates:
      variable.assign(rate)
    # How long to train until looking whether to stop: about from checkpoint to checkpoint.
    self._stretch = -(-manager.checkpoint_interval // steps_per_loop) * steps_per_loop
    self._any_worker = strategies.any_worker(tf.distribute.get_strategy())
    self._knows_of_zero = False  # that learning rates are 0
    self._has_frozen = False  # standing statistics of frozen levels
    if self.chief:
      self.log.truncate(self.step)
      if self.step < experiment.train_steps:
        layout.set_finished(model_dir, None)
    self.bar = progress.Progress(self.step, experiment.train_steps, prints=self.chief)

  @functools.cached_property
  def _previews(self):
    return previews.maker(self.built)

  @property
  def step(self):
    """The global step, an int."""
    return int(self.built.step.numpy())

  def flush(self):
    """Writes what is logged and not written yet."""
    self.log.flush()
    self.summaries.flush_now()
    self.evaluations.flush_now()

  def flush_if_possible(self):
    """The same where something has failed already, which is what shall be told."""
    try:
      self.flush()
    except (tf.errors.OpError, OSError) as error:
      logging.error('what was logged last could not be written: %s', error)

  def _before_call(self, step):
    self.bar.move(step)
    self.stop.check()

  def _after_loop(self, terms):
    self.bar.move(self.step)
    if self.chief:
      self.log.append(self.step, self.bar.row(terms))
      self._warn_of_zero(terms)

  def _warn_of_zero(self, terms):
    """Says once that nothing is learned; the first step of a warm-up is to have a rate of 0."""
    rates = [value for name, value in terms.items() if name.endswith('learning_rate')]
    if self.step > 1 and 0. in rates and not self._knows_of_zero:
      self._knows_of_zero = True
      logging.warning('the learning rate is 0 at step %d, and nothing is learned any more: its '
                      'schedule (decay_steps) ends before Experiment.train_steps = %d', self.step,
                      self.experiment.train_steps)

  def _after_evaluation(self, output):
    if self.chief:
      by_split = _append_results(self.model_dir, self.step, output)
      for split, (metrics, examples) in by_split.items():
        self.bar.say(f'step {self.step:,}, {split}, {examples:,} clips: '
                     f'{progress.listed(metrics)}')

  def _renew_frozen(self):
    """Before anything is computed: what is frozen has the same statistics all the time."""
    if not self._has_frozen:
      self.built.standing.renew_frozen()
      self._has_frozen = True

  def _end(self):
    """The step at which training ends: the config's last one, or this one, if it is to stop."""
    if not 0 < self.step < self.experiment.train_steps:
      return self.experiment.train_steps
    reason = layout.asked_to_stop(self.model_dir)
    if not self._any_worker(reason is not None):
      return self.experiment.train_steps
    self.bar.say(f'stopped early: {reason or "another worker was asked to"}; to train on, delete '
                 f'{layout.stop_file(self.model_dir)}, and evaluate with more --patience')
    self.controller.save_checkpoint()
    return self.step

  def to_the_end(self, evaluation_interval, preview_clips):
    """Trains from evaluation to evaluation; one that is due and not in results.csv is made up."""
    end = self.experiment.train_steps
    self.bar.say(f'{building.described(self.built)}, from step {self.step:,} to {end:,}')
    interval = evaluation_interval or end
    evaluated = results.evaluated_steps(self.model_dir)
    while True:
      end = self._end()
      due = self.step >= end or (self.step > 0 and self.step % interval == 0)
      if evaluation_interval != 0 and due and self.step not in evaluated:
        self._renew_frozen()
        self.built.standing.renew()
        if self.chief:
          videos = previews.made(self.experiment, self.built, preview_clips, self._previews)
          previews.write(videos, self.experiment, self.built, self.model_dir,
                         self.controller.eval_summary_manager.summary_writer)
        self.controller.evaluate()  # its rows come last: what they record is all done
        evaluated.add(self.step)
        self.bar.skip_time()
      if self.step >= end:
        return
      self._renew_frozen()
      until = min(end, (self.step // interval + 1) * interval)
      look = (self.step // self._stretch + 1) * self._stretch
      self.controller.train(min(until, look), checkpoint_at_completion=until <= look)


def measure(experiment, model_dir, strategy, checkpoint=None, splits=None, limit=None):
  """What the task measures of a checkpoint; nothing is written.

  Args:
    experiment: an Experiment.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    checkpoint: the path of one; None: the latest readable one of the directory.
    splits: which; None: those that the experiment evaluates.
    limit: clips of each split, at most; None: all.

  Returns:
    {'<split>/<metric>': value}.
  """
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  with strategies.scope(strategy):
    if building.restore(built, model_dir, checkpoint) is None:
      raise FileNotFoundError(f'{checkpoint} cannot be read any more: keep more checkpoints with '
                              '--gin_param=experiment.train.keep_checkpoints=...')
    return _evaluator(experiment, built, splits=splits, limit=limit).evaluate(None)


def evaluate(experiment, model_dir, strategy, preview_clips=8):
  """Evaluates the latest readable checkpoint, and appends to results.csv.

  Args:
    experiment: an Experiment.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    preview_clips: clips that are shown in previews/, 0 for none.

  Returns:
    {'<split>/<metric>': value}.
  """
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  with strategies.scope(strategy):
    building.restore(built, model_dir)
    output = _evaluator(experiment, built, limit=experiment.evaluation_limit).evaluate(None)
    if strategies.is_chief(strategy):
      _append_results(model_dir, int(built.step.numpy()), output)
      summaries = os.path.join(model_dir, 'summaries', 'evaluation')
      videos = previews.made(experiment, built, preview_clips, previews.maker(built))
      previews.write(videos, experiment, built, model_dir,
                     lambda: tf.summary.create_file_writer(summaries))
  return output


def evaluate_continuously(experiment, model_dir, strategy, timeout=3600, poll_seconds=10):
  """Evaluates every new checkpoint of `model_dir` as it comes, until the last step's.

  Args:
    experiment: an Experiment.
    model_dir: where another process trains.
    strategy: a tf.distribute.Strategy.
    timeout: seconds to wait for a new checkpoint before giving up.
    poll_seconds: between two looks.

  Returns:
    The last evaluation, {'<split>/<metric>': value}; None if there was none.

  Raises:
    preemption.Stopped: at SIGTERM.
    ValueError: with several workers, which would find new checkpoints at different times.
  """
  if strategies.has_workers(strategy):
    raise ValueError('evaluate_continuously is for one process: use another --strategy')
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  output = None
  with strategies.scope(strategy), preemption.StopRequest() as stop:
    built.standing.after_batch = stop.check
    evaluator = _evaluator(experiment, built, stop.check, limit=experiment.evaluation_limit)

    def evaluate_one(path):
      nonlocal output
      if building.restore(built, model_dir, path) is None:
        return False
      output = evaluator.evaluate(None)
      _append_results(model_dir, checkpoints.step_of(path), output)
      return True

    following.follow(model_dir, experiment.train_steps, lambda: results.evaluated_steps(model_dir),
                     evaluate_one, stop, timeout, poll_seconds)
  return output


def _evaluator(experiment, built, after_batch=lambda: None, splits=None, limit=None):
  return evaluators.TaskEvaluator(built.task, experiment.clips, splits or experiment.splits,
                                  experiment.batch_size, limit, after_batch)


def _append_results(model_dir, step, output):
  """Flat {'<split>/<metric>': value} -> rows of results.csv; {split: (metrics, examples)}."""
  by_split = {}
  for name, value in output.items():
    split, metric = name.rsplit('/', 1)
    by_split.setdefault(split, {})[metric] = float(value)
  by_split = {split: (metrics, int(metrics.pop('examples'))) for split, metrics in by_split.items()}
  results.append_results(model_dir, step, by_split)
  return by_split
