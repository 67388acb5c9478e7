"""The trainers that Orbit's controller drives: likelihood training, and adversarial training."""

import time

import orbit
import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.layers import replicas
from tf_videogen.training import strategies

_SECONDS_A_CALL = 5.0  # on accelerators; a stop is heard between two calls


def clip_by_global_norm(gradients, clip_norm):
  """Gradients of a global norm of at most `clip_norm` (None: any), and their norm before."""
  norm = tf.linalg.global_norm(gradients)
  if clip_norm is None:
    return gradients, norm
  return tf.clip_by_global_norm(gradients, clip_norm, use_norm=norm)[0], norm


class Trainer(orbit.AbstractTrainer):
  """Takes steps; what a step is, a subclass says.

  On accelerators many steps are one call, of about five seconds; on a processor every step is a
  call of its own. A stop is heard between two calls.

  Attributes:
    batches: how many batches of clips a step takes.

  Args:
    task: see docs/design.md.
    optimizer: built, see `optimizers`.
    step: the global step, an int64 variable.
    seed: of the run; step s draws from (seed, s).
    clip_norm: bound of the global norm of the gradients, or None.
    make_dataset: (batch, host, hosts) -> tf.data.Dataset of that host's rows of every batch from
      that number on; called at the first `train`.
    before_call: called with the step before every call; may raise.
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
    # A loop holds the step twice: on a processor, one step is a graph of half the size.
    self._call_function = tf.function(
        self._loop if self._loops else lambda iterator, num_steps: self._one_step(iterator))
    self._steps_a_call = 1
    self._iterator = None

  def replica_step(self, *batches):
    """One step, as one replica runs it, on its rows of so many batches; returns terms, scalars."""
    raise NotImplementedError

  def _step_seed(self):
    return randomness.fold_in(randomness.seed_of(self.seed), self.step)

  def _update(self, optimizer, variables, loss):
    """One update: gradients summed over the replicas, clipped, applied.

    Args:
      optimizer: a Keras optimizer.
      variables: what it updates.
      loss: () -> dict of scalars, means over this replica's examples, of which 'loss' is minimized.

    Returns:
      The dict, means over all replicas; and the norm of the gradients.
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

  def _one_step(self, iterator):
    """The terms of the loss after one more step, and whether they are finite."""
    # Nothing in a model needs AutoGraph, whose conversion takes half the time of tracing.
    step = tf.autograph.experimental.do_not_convert(self.replica_step)
    terms = self.strategy.run(step, args=tuple(next(iterator) for _ in range(self.batches)))
    terms = {name: self.strategy.experimental_local_results(term)[0]
             for name, term in terms.items()}
    self.step.assign_add(1)
    return terms, tf.reduce_all([tf.math.is_finite(term) for term in terms.values()])

  def _loop(self, iterator, num_steps):
    """Up to `num_steps` steps; ends after one whose terms are not finite."""
    terms, finite = self._one_step(iterator)
    done = tf.constant(1)
    while done < num_steps and finite:
      terms, finite = self._one_step(iterator)
      done += 1
    return terms, finite

  def train(self, num_steps):
    """Trains `num_steps` steps and returns the terms of the last one.

    Raises:
      FloatingPointError: at the first step with a term that is not finite.
    """
    if self._iterator is None:
      start = int(self.step.numpy())
      self._iterator = iter(strategies.distribute(
          self.strategy, lambda host, hosts: self.make_dataset(start * self.batches, host, hosts)))
    end = int(self.step.numpy()) + int(num_steps)
    while (step := int(self.step.numpy())) < end:
      self.before_call(step)
      start = time.time()
      steps = min(self._steps_a_call, end - step)
      terms, finite = self._call_function(self._iterator, tf.constant(steps))
      if not finite:
        self._fail(terms)
      if self._loops:
        rate = steps / (time.time() - start)
        self._steps_a_call = max(1, int(rate * _SECONDS_A_CALL))
    return terms

  def _fail(self, terms):
    bad = [name for name, term in terms.items() if not tf.math.is_finite(term)]
    raise FloatingPointError(
        f'{", ".join(bad)} not finite at step {self.step.numpy()}. The last checkpoint is from '
        'before; lower the learning rate, clip gradients (experiment.Experiment.clip_norm), or '
        'compute in float32 (experiment.Experiment.precision)')


class LikelihoodTrainer(Trainer):
  """Minimizes `task.loss`."""

  def replica_step(self, batch):
    """One update, see `Trainer`."""
    seed = self._step_seed()
    terms, norm = self._update(
        self.optimizer, self.task.trainable_variables, lambda: self.task.loss(batch, seed))
    return {**terms, 'gradient_norm': norm}


class AdversarialTrainer(Trainer):
  """Updates the discriminators several times, each with a batch of its own, then the generator.

  The generator continues the clips of the last of these batches. TrIVD-GAN, appendix E: two updates
  of the discriminators.

  Args: as of `Trainer`; the task is an `AdversarialTask`, the optimizer an `optimizers.TwoPlayers`.
  """

  @property
  def batches(self):
    """How many batches of clips a step takes."""
    return self.optimizer.discriminator_updates

  def replica_step(self, *batches):
    """Updates of both players, see `Trainer`. Discriminators' terms are of their last update."""
    seed, players, found = self._step_seed(), self.task.trainable_variables, {}
    losses = [(batch, 'discriminator') for batch in batches] + [(batches[-1], 'generator')]
    for number, (batch, player) in enumerate(losses):
      update_seed = randomness.fold_in(seed, number)
      loss = getattr(self.task, f'{player}_loss')
      terms, norm = self._update(
          getattr(self.optimizer, player), getattr(players, player),
          lambda loss=loss, batch=batch, seed=update_seed: loss(batch, seed))
      found[f'{player}_loss'] = terms.pop('loss')
      found.update(terms, **{f'{player}_gradient_norm': norm})
    self.task.average(self.step)
    return found
