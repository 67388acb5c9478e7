"""How often a training step of an upscaling level draws videos of the frozen levels below.

A step has several updates: two of the discriminators, one of the generator. Each looks at windows
of generated videos, and takes no gradient of how they were made, so that updates can share them.
"""

import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.layers import replicas


class EachUpdate:
  """Every update draws videos of its own, of its batch's classes.

  Attributes:
    shares: whether several updates look at the same videos.
  """

  shares = False

  def begin_training(self, task, clips):
    """Makes variables, if need be; `clips`: of a replica's batch."""

  def kept(self, step):
    """Of which earlier steps something is kept when `step` begins, see `AdversarialTask.kept`."""
    del step
    return []

  def begin_step(self, task, batches, seed, step):
    """The batches as they are: see `UpscalingTask.fake`."""
    del task, seed, step
    return batches


class EachStep(EachUpdate):
  """A step draws once, of its last batch's classes; every update takes windows of its own."""

  shares = True

  def begin_step(self, task, batches, seed, step):
    """Batches with `below`, videos in [-1, 1], and `below_label`, their classes.

    Args:
      task: an `UpscalingTask`.
      batches: list of the step's batches, dicts.
      seed: int32 [2], of the step.
      step: its number, int64 [].
    """
    del step
    drawn = {'below': task.draw_below(batches[-1], seed), 'below_label': task.labels(batches[-1])}
    return [{**batch, **drawn} for batch in batches]


class Bank(EachUpdate):
  """Keeps videos and uses them again. Every `interval`-th step draws a batch for the oldest one.

  Clip i of a batch takes the i-th video of one of the batches that are kept, at random; each update
  takes a window of it. Before the first step, as many batches are drawn as are kept. The bank is in
  no checkpoint: a run that goes on draws it again, by the seeds of the steps that drew it and the
  classes of their batches. Its videos are float32; every step writes them all.

  Args:
    groups: how many batches are kept.
    interval: steps from one draw to the next.
  """

  shares = True

  def __init__(self, groups=16, interval=4):
    self.groups, self.interval = groups, interval

  def begin_training(self, task, clips):
    """Makes variables: a replica keeps videos of its own, for each of its `clips`."""
    variable = lambda value: tf.Variable(
        value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    with tf.init_scope():
      self._variables = [variable(tf.zeros([self.groups, clips, *task.shape_below])),
                         variable(tf.zeros([self.groups, clips], tf.int32))]

  def kept(self, step):
    """Steps of the draws that are kept, and of their batches; draws before step 0 borrow some."""
    end = -(-step // self.interval)
    return [(draw * self.interval, draw * self.interval if draw >= 0 else draw + self.groups)
            for draw in range(end - self.groups, end)]

  def draw(self, task, batch, seed, step):
    """Draws what the step of this number, a multiple of `interval`, is to draw."""
    fresh = self._drawn(task, batch, seed)
    replicas.assign(self._variables, self._with(fresh, step))

  def begin_step(self, task, batches, seed, step):
    """As of `EachStep`; every batch has videos of its own choice."""
    kept = tf.cond(
        step % self.interval == 0,
        lambda: self._with(self._drawn(task, batches[-1], seed), step),
        lambda: [tf.convert_to_tensor(variable) for variable in self._variables])
    replicas.assign(self._variables, kept)
    return [{**batch, **self._chosen(kept, randomness.fold_in(seed, number))}
            for number, batch in enumerate(batches, start=len(task.model.levels))]

  def _drawn(self, task, batch, seed):
    return [task.draw_below(batch, seed), task.labels(batch)]

  def _with(self, drawn, step):
    """All that is kept, with what a step has drawn: videos [groups, B, ...], labels [groups, B]."""
    group = tf.cast(step // self.interval % self.groups, tf.int32)
    return [tf.tensor_scatter_nd_update(tf.convert_to_tensor(variable), [[group]], [value])
            for variable, value in zip(self._variables, drawn, strict=True)]

  def _chosen(self, kept, seed):
    clips = kept[0].shape[1]
    draws = randomness.rows(randomness.uniform, clips, [1], seed)[:, 0]
    place = tf.stack([tf.cast(draws * self.groups, tf.int32), tf.range(clips)], 1)  # [B, 2]
    return dict(zip(('below', 'below_label'), (tf.gather_nd(values, place) for values in kept)))
