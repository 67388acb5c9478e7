"""The trainer that Orbit's controller drives: likelihood training of any task."""

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


class LikelihoodTrainer(orbit.AbstractTrainer):
  """Minimizes `task.loss`.

  On accelerators many steps are one call, of about five seconds; on a processor every step is a
  call of its own. A stop is heard between two calls.

  Args:
    task: see docs/design.md.
    optimizer: a Keras optimizer, built.
    step: the global step, an int64 variable.
    seed: of the run; step s draws from (seed, s).
    clip_norm: bound of the global norm of the gradients, or None.
    make_dataset: (step, host, hosts) -> tf.data.Dataset of that host's rows of every batch from
      that step on; called at the first `train`.
    before_call: called with the step before every call; may raise.
  """

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

  def replica_step(self, batch):
    """One update, as one replica runs it: gradients summed over the replicas, clipped, applied."""
    seed = randomness.fold_in(randomness.seed_of(self.seed), self.step)
    variables = self.task.trainable_variables
    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(variables)
      terms = self.task.loss(batch, seed)
      loss = terms['loss'] / replicas.count()
    gradients = replicas.total(tape.gradient(loss, variables))
    gradients, norm = clip_by_global_norm(gradients, self.clip_norm)
    self.optimizer.apply_gradients(zip(gradients, variables), skip_gradients_aggregation=True)
    terms = dict(replicas.total({name: term / replicas.count() for name, term in terms.items()}))
    terms['gradient_norm'] = norm
    return terms

  def _one_step(self, iterator):
    """The terms of the loss after one more step, and whether they are finite."""
    # Nothing in a model needs AutoGraph, whose conversion takes half the time of tracing.
    step = tf.autograph.experimental.do_not_convert(self.replica_step)
    terms = self.strategy.run(step, args=(next(iterator),))
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
          self.strategy, lambda host, hosts: self.make_dataset(start, host, hosts)))
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
