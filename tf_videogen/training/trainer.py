"""The trainers that Orbit's controller calls: for one loss, and for adversarial training."""

import time

import orbit
import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.training import optimizers
from tf_videogen.training import step_record
from tf_videogen.training import strategies

_SECONDS_A_CALL = 5.0  # on accelerators; training can stop between two calls


def clip_by_global_norm(gradients, clip_norm):
  """Clips gradients to a global norm of at most `clip_norm`; returns them and their norm before.

  If `clip_norm` is None, gradients are not clipped.
  """
  norm = tf.linalg.global_norm(gradients)
  if clip_norm is None:
    return gradients, norm
  return tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)[0], norm


class Trainer(orbit.AbstractTrainer):
  """Base class of trainers. A subclass defines a step.

  On accelerators one call takes many steps, about five seconds long. On a CPU every step is one
  call. Training can stop between two calls.

  Args:
    task: a `tasks.task.Task`.
    optimizer: a built optimizer, see `optimizers`.
    step: the global step, an int64 variable.
    seed: seed of the run. Step s draws from (seed, s).
    clip_norm: the largest global norm of the gradients. If None, they are not clipped.
    make_dataset: (number, host, hosts) -> tf.data.Dataset of that host's rows of every batch, from
      batch `number` on. It is called at the first `train`.
    before_call: called with the step before every call; may raise.

  Attributes:
    batches: number of batches of clips that a step takes.
  """

  batches = 1

  def __init__(self, task, optimizer, step, seed, clip_norm, make_dataset,
               before_call=lambda step: None):
    self.task = task
    self.optimizer = optimizer
    self.step = step
    self.seed = seed
    self.clip_norm = clip_norm
    self.make_dataset = make_dataset
    self.before_call = before_call
    self.strategy = tf.distribute.get_strategy()
    self._loops = strategies.on_accelerators(self.strategy)
    self._record = step_record.StepRecord()
    # No model needs AutoGraph, and its conversion takes half the time of tracing.
    self._take_steps = tf.function(
        self._steps_in_a_loop if self._loops else self._single_step, autograph=False)
    self._steps_a_call = 1
    self._iterator = None

  def replica_step(self, *batches):
    """Takes one step on one replica.

    Args:
      *batches: the replica's rows of `self.batches` batches.

    Returns:
      The terms of the loss, a dict of scalars.
    """
    raise NotImplementedError

  def _step_seed(self, step):
    return randomness.fold_in(randomness.seed_of(self.seed), step)

  def _begin(self, start):
    """Called before the first step of this process, number `start`."""

  def _update(self, optimizer, variables, loss):
    """Makes one update: gradients are summed over the replicas, clipped and applied.

    Args:
      optimizer: a Keras optimizer.
      variables: the variables that it updates.
      loss: () -> dict of scalars, means over this replica's examples. 'loss' is minimized.

    Returns:
      The dict with means over all replicas, and the norm of the gradients before clipping.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      terms = loss()
      scaled = terms['loss'] / replicas.count()
    gradients = replicas.total(tape.gradient(scaled, variables))
    gradients, norm = clip_by_global_norm(gradients, self.clip_norm)
    optimizer.apply_gradients(zip(gradients, variables), skip_gradients_aggregation=True)
    return dict(replicas.total(
        {name: term / replicas.count() for name, term in terms.items()})), norm

  def _replica(self, *batches):
    """Takes one more step on a replica; counts and records it there."""
    step = tf.convert_to_tensor(self.step)
    terms = self.replica_step(*batches)
    self._record.write(step + 1, terms)
    replicas.assign([self.step], [step + 1])

  def _one_step(self, iterator):
    self.strategy.run(self._replica, args=tuple(next(iterator) for _ in range(self.batches)))

  def _single_step(self, iterator, num_steps):
    del num_steps
    self._one_step(iterator)

  def _steps_in_a_loop(self, iterator, num_steps):
    """Takes `num_steps` steps; the host counts them and does not wait for any."""
    def one_more(done):
      self._one_step(iterator)
      return done + 1

    tf.while_loop(lambda done: done < num_steps, one_more, [tf.constant(0)])

  def _batches_from(self, number):
    return iter(strategies.distribute(
        self.strategy, lambda host, hosts: self.make_dataset(number, host, hosts)))

  def train(self, num_steps):
    """Trains for `num_steps` steps; returns the last step's terms and the learning rates, a dict.

    Raises:
      FloatingPointError: after a call in which a term was not finite.
    """
    if self._iterator is None:
      start = int(self.step.numpy())
      self._begin(start)
      self._iterator = self._batches_from(start * self.batches)
    end = int(self.step.numpy()) + int(num_steps)
    while (step := int(self.step.numpy())) < end:
      self.before_call(step)
      start = time.time()
      steps = min(self._steps_a_call, end - step)
      self._take_steps(self._iterator, tf.constant(steps))
      failure = self._record.failure()  # waits for the steps
      if failure:
        self._fail(*failure)
      if self._loops:
        rate = steps / (time.time() - start)
        self._steps_a_call = max(1, int(rate * _SECONDS_A_CALL))
    return {**self._record.read(), **optimizers.learning_rates(self.optimizer)}

  def _fail(self, step, names):
    raise FloatingPointError(
        f'{", ".join(names)} not finite at step {step}. The last checkpoint is '
        'older; lower the learning rate, clip gradients (experiment.Experiment.clip_norm), or '
        'compute in float32 (experiment.Experiment.precision)')


class LossTrainer(Trainer):
  """Minimizes the `loss` of a `tasks.task.LossTask`."""

  def replica_step(self, batch):
    """Makes one update, see `Trainer`."""
    seed = self._step_seed(self.step)
    terms, norm = self._update(
        self.optimizer, self.task.trainable_variables, lambda: self.task.loss(batch, seed))
    return {**terms, 'gradient_norm': norm}


class AdversarialTrainer(Trainer):
  """Updates the discriminators several times, each time with another batch, then the generator.

  The generator takes its first frames or classes from the last of these batches. In TrIVD-GAN
  (appendix E) a step has two updates of the discriminators.

  Args: as in `Trainer`. The task is a `tasks.task.AdversarialTask`, and the optimizer is an
    `optimizers.TwoPlayers`.
  """

  @property
  def batches(self):
    """Number of batches of clips that a step takes."""
    return self.optimizer.discriminator_updates

  def _begin(self, start):
    """Recreates what the task keeps from earlier steps, from their batches and seeds."""
    kept = self.task.kept(start)
    if not kept:
      return
    keep = strategies.program(self.strategy, self.task.keep)
    batch = None
    for seed_step, of_batch in kept:
      self.before_call(start)
      if batch is None or self.task.conditional:
        batch = next(self._batches_from((of_batch + 1) * self.batches - 1))  # a step's last one
      number = tf.constant(seed_step, tf.int64)
      keep(batch, self._shared_seed(self._step_seed(number)), number)

  def _shared_seed(self, seed):
    return randomness.fold_in(seed, self.batches + 1)

  def replica_step(self, *batches):
    """Updates both players, see `Trainer`. The discriminators' terms are from their last update."""
    seed, players, found = self._step_seed(self.step), self.task.trainable_variables, {}
    discriminator = ('discriminator', self.task.discriminator_loss,
                     self.optimizer.discriminator, players.discriminator)
    generator = ('generator', self.task.generator_loss, self.optimizer.generator, players.generator)
    batches = self.task.begin_step(
        batches, self._shared_seed(seed), tf.convert_to_tensor(self.step))
    updates = [(batch, *discriminator) for batch in batches] + [(batches[-1], *generator)]
    for number, (batch, player, loss, optimizer, variables) in enumerate(updates):
      update_seed = randomness.fold_in(seed, number)
      terms, norm = self._update(
          optimizer, variables,
          lambda loss=loss, batch=batch, seed=update_seed: loss(batch, seed))
      found[f'{player}_loss'] = terms.pop('loss')
      found.update(terms, **{f'{player}_gradient_norm': norm})
    self.task.average(self.step)
    return found
