"""A configuration of an experiment, its training and its evaluation.

Gin files bind this class and these functions. They know nothing of a single paper, only of tasks
(`tasks.task`). Sampling from a trained model is in `sampling`.
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
  """A configuration: task, data, optimizer, and how to train and evaluate.

  Args:
    task: a callable, such as a class, that makes the task. It is called in the strategy's scope.
    clips: the data, see `data.clips`.
    optimizer: a callable that makes the optimizer: a Keras optimizer, or `optimizers.TwoPlayers`.
    batch_size: global batch size, over all replicas.
    train_steps: number of steps of the whole training.
    splits: names of the splits that are evaluated, or one name. Previews are from the first one.
    evaluation_limit: number of clips of each split that are evaluated; all if None.
    seed: seed of initial values, data order, and all random draws in training, such as dropout and
      codebook restarts.
    precision: 'float32', 'mixed_bfloat16', or 'auto': mixed_bfloat16 if the hardware has units for
      it, else float32.
    clip_norm: the largest global norm of the gradients. If None, they are not clipped.
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
    model_dir: model directory, for checkpoints, logs and results.
    strategy: a tf.distribute.Strategy.
    evaluate_too: whether to evaluate at every multiple of `evaluation_interval` and at the end.
    steps_per_loop: steps between two rows of training.csv.
    checkpoint_interval: steps between two checkpoints; others are before evaluations, and at stops.
    evaluation_interval: steps between two evaluations. If None, there is one at the end.
    keep_checkpoints: number of checkpoints that are kept, the latest ones.
    preview_clips: number of clips in the previews of every evaluation, 0 for none.
    init_from: model directory with the weights from which a new run starts, if not None. Step,
      optimizer, statistics of the data and earlier stages are the new run's own.
    actions: callables that take the terms of the loss after every loop.

  Returns:
    True if training ended, also by `layout.ask_to_stop`; False if a signal stopped it: call again.

  Raises:
    FloatingPointError: if a term of the loss is not finite.
    ValueError: see `building.build` and `building.restore`; or if clips cannot be read.
    OSError: if something cannot be written into `model_dir`.
  """
  with strategy.scope():
    checkpoints.check_reachable(model_dir)
  spec = experiment.clips.example_spec()
  experiment.clips.check((experiment.clips.train_split,) + experiment.splits * evaluate_too)
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
        logging.warning('stopped by SIGTERM, saved at step %d; the same command resumes from there',
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
  """Sets the initial state of a new run; does nothing if the run has checkpoints."""
  if checkpoints.paths(model_dir):
    if init_from and strategies.is_chief(tf.distribute.get_strategy()):
      print(f'{model_dir} has begun, and resumes from its own checkpoint, not from {init_from}')
    return
  building.warn_of_unlabelled(experiment, built)
  if init_from:
    checkpoints.load_part(init_from, 'the model to begin with', model=built.task.model)
  built.task.initialize(experiment.clips)  # statistics and earlier stages are this config's


def _set_finished(model_dir, step):
  if step not in map(checkpoints.step_of, checkpoints.paths(model_dir)):
    raise OSError(errno.EIO, f'the checkpoint of step {step} is missing', model_dir)
  layout.set_finished(model_dir, step)
  print(f'trained to step {step:,}, in {model_dir}', flush=True)


class _Run:
  """A training run: Orbit's controller, which restores the checkpoint, and the actions after loops.

  Every worker has one, for operations in which all must take part. Only the chief writes.
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
          # Loops end at multiples, wherever the run resumes.
          steps_per_loop=lambda step: steps_per_loop - int(step) % steps_per_loop,
          checkpoint_manager=manager, summary_manager=self.summaries,
          eval_summary_dir=summaries('evaluation'), eval_summary_manager=self.evaluations,
          train_actions=[self._after_loop, *(actions if self.chief else ())],
          eval_actions=[self._after_evaluation])
    for variable, rate in rates:
      variable.assign(rate)
    # Steps until it looks whether training was asked to stop: about the checkpoint interval.
    self._stretch = -(-manager.checkpoint_interval // steps_per_loop) * steps_per_loop
    self._any_worker = strategies.any_worker(tf.distribute.get_strategy())
    self._knows_of_zero = False  # whether it has warned that a learning rate is 0
    self._has_frozen = False  # whether it has standing statistics of frozen levels
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
    """Writes all rows and summaries that are not written yet."""
    self.log.flush()
    self.summaries.flush_now()
    self.evaluations.flush_now()

  def flush_if_possible(self):
    """Flushes after an error. Logs its own error, so that the first error is the one raised."""
    try:
      self.flush()
    except (tf.errors.OpError, OSError) as error:
      logging.error('the last logged values could not be written: %s', error)

  def _before_call(self, step):
    self.bar.move(step)
    self.stop.check()

  def _after_loop(self, terms):
    self.bar.move(self.step)
    if self.chief:
      self.log.append(self.step, self.bar.row(terms))
      self._warn_of_zero(terms)

  def _warn_of_zero(self, terms):
    """Warns once if a learning rate is 0, except in the first step, where a warm-up begins at 0."""
    rates = [value for name, value in terms.items() if name.endswith('learning_rate')]
    if self.step > 1 and 0. in rates and not self._knows_of_zero:
      self._knows_of_zero = True
      logging.warning('the learning rate is 0 at step %d, so nothing is learned any more: its '
                      'schedule (decay_steps) ends before Experiment.train_steps = %d', self.step,
                      self.experiment.train_steps)

  def _after_evaluation(self, output):
    if self.chief:
      by_split = _append_results(self.model_dir, self.step, output)
      for split, (metrics, examples) in by_split.items():
        self.bar.say(f'step {self.step:,}, {split}, {examples:,} clips: '
                     f'{progress.listed(metrics)}')

  def _renew_frozen(self):
    """Records the statistics of frozen levels once, before any computation; they never change."""
    if not self._has_frozen:
      self.built.standing.renew_frozen()
      self._has_frozen = True

  def _end(self):
    """The step at which training ends: the config's last one; or this one, if asked to stop."""
    if not 0 < self.step < self.experiment.train_steps:
      return self.experiment.train_steps
    reason = layout.asked_to_stop(self.model_dir)
    if not self._any_worker(reason is not None):
      return self.experiment.train_steps
    self.bar.say(f'stopped early: {reason or "another worker was asked to"}; to resume, delete '
                 f'{layout.stop_file(self.model_dir)}, and evaluate with more --patience')
    self.controller.save_checkpoint()
    return self.step

  def to_the_end(self, evaluation_interval, preview_clips):
    """Trains and evaluates until the end.

    An evaluation that is due at the current step and not in results.csv is done first.

    Args:
      evaluation_interval: steps between two evaluations; None for one at the end, 0 for none.
      preview_clips: number of clips in the previews, 0 for none.
    """
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
        self.controller.evaluate()  # its rows come last, when everything else is written
        evaluated.add(self.step)
        self.bar.skip_time()
      if self.step >= end:
        return
      self._renew_frozen()
      until = min(end, (self.step // interval + 1) * interval)
      look = (self.step // self._stretch + 1) * self._stretch
      self.controller.train(min(until, look), checkpoint_at_completion=until <= look)


def measure(experiment, model_dir, strategy, checkpoint=None, splits=None, limit=None):
  """Computes the task's metrics for a checkpoint; writes nothing.

  Args:
    experiment: an Experiment.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    checkpoint: path of a checkpoint. If None, the latest readable one of the directory.
    splits: names of the splits; the experiment's if None.
    limit: the most clips of each split that are evaluated; all if None.

  Returns:
    {'<split>/<metric>': value}.

  Raises:
    FileNotFoundError: if `checkpoint` cannot be read, or if the directory has no checkpoint.
    ValueError: see `building.restore`.
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
    preview_clips: number of clips in previews/, 0 for none.

  Returns:
    {'<split>/<metric>': value}.

  Raises:
    FileNotFoundError: if the directory has no checkpoint.
    ValueError: see `building.restore`.
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
  """Evaluates every new checkpoint of `model_dir` until the last one; appends to results.csv.

  Args:
    experiment: an Experiment.
    model_dir: model directory in which another process trains.
    strategy: a tf.distribute.Strategy.
    timeout: seconds to wait for a new checkpoint. After that the function warns and returns.
    poll_seconds: seconds between two looks for new checkpoints.

  Returns:
    The last evaluation, {'<split>/<metric>': value}; None if there was none.

  Raises:
    preemption.Stopped: at SIGTERM or Ctrl-C.
    ValueError: with several workers, because they would find new checkpoints at different times; or
      if clips of a split cannot be read, before it waits for a checkpoint.
  """
  if strategies.has_workers(strategy):
    raise ValueError('evaluate_continuously runs in one process only: use another --strategy')
  experiment.clips.check(experiment.splits)
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
  """Appends {'<split>/<metric>': value} to results.csv; returns {split: (metrics, examples)}."""
  by_split = {}
  for name, value in output.items():
    split, metric = name.rsplit('/', 1)
    by_split.setdefault(split, {})[metric] = float(value)
  by_split = {split: (metrics, int(metrics.pop('examples'))) for split, metrics in by_split.items()}
  results.append_results(model_dir, step, by_split)
  return by_split
