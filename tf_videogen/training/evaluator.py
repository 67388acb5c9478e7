"""The evaluator that Orbit's controller calls: exact statistics of any task over whole splits."""

import itertools

import numpy as np
import orbit
import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen.layers import full_precision
from tf_videogen.layers import randomness
from tf_videogen.training import strategies


class TaskEvaluator(orbit.AbstractEvaluator):
  """Adds up `task.statistics` over splits and computes metrics from the sums.

  The seed of a batch depends only on its number. Every evaluation draws the same noise.

  Args:
    task: a `tasks.task.Task`.
    clips: the data, see `data.clips`.
    splits: names of the splits.
    batch_size: global batch size.
    limit: number of examples of each split that are evaluated; all if None.
    after_batch: called after every batch; may raise.
  """

  def __init__(self, task, clips, splits, batch_size, limit=None, after_batch=lambda: None):
    self.task = task
    self.clips = clips
    self.splits = splits
    self.batch_size = batch_size
    self.limit = limit
    self.after_batch = after_batch
    self.strategy = tf.distribute.get_strategy()
    self._sums_of_batch = tf.function(self._run, autograph=False)

  def _run(self, batch, number):
    sums = self.strategy.run(self.task.statistics, args=(batch, randomness.seed_of(number)))
    return {name: self.strategy.reduce('SUM', value, axis=None) for name, value in sums.items()}

  def sums(self, split):
    """Statistics of a split, summed over its batches: dict of float64 arrays."""
    with full_precision.without_tensor_float_32():
      return self._sums(split)

  def _sums(self, split):
    batches = strategies.distribute(self.strategy, lambda host, hosts: self.clips.evaluation(
        split, self.batch_size, self.limit, host, hosts))
    examples = min(self.clips.count(split), self.limit or self.clips.count(split))
    count = -(-examples // self.batch_size)
    bar = tqdm.tqdm(itertools.islice(batches, count), f'evaluate {split}', count, leave=False,
                    unit='batch', mininterval=bars.interval())
    total = None
    for number, batch in enumerate(bar):
      sums = {name: np.asarray(value, np.float64)
              for name, value in self._sums_of_batch(batch, tf.constant(number)).items()}
      total = sums if total is None else {name: total[name] + sums[name] for name in total}
      self.after_batch()
    return total

  def evaluate(self, num_steps):
    """Makes one exact pass over every split and returns {'<split>/<metric>': float}.

    `num_steps` is an argument of Orbit's interface and is not used. '<split>/examples' is the
    number of clips.
    """
    del num_steps
    results = {}
    for split in self.splits:
      sums = self.sums(split)
      results[f'{split}/examples'] = float(sums['examples'])
      for name, value in self.task.metrics(sums).items():
        results[f'{split}/{name}'] = float(value)
    return results
