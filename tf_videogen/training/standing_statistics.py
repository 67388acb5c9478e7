"""Standing statistics of batch normalization: means over many passes of the weights as they are.

BigGAN, and TrIVD-GAN, appendix E.2: before every evaluation, over 100 batches of 256 clips.
"""

import functools

import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.training import strategies


class StandingStatistics:
  """Those of a task, made anew whenever its weights are others.

  A task that has any makes them of one part after the other, the frozen generators of earlier
  levels first, and a pass piece by piece, so that long videos take no more memory than short ones:

      recorded_parts, frozen_parts    how many parts there are, and how many of them never change
      reset_statistics(part)          forgets them
      pieces(part)                    how many pieces a pass has
      begin_pass(batch, seed, part)   -> carry, tensors that go from piece to piece
      record(number, batch, seed, carry, part) -> carry

  Weights and power iterations stay as they are: the same weights have the same statistics.

  Args:
    task: see docs/design.md; one without a `record` has none.
    clips: the data; passes continue clips of its training split, or have their classes.
    clip_shape: (T, H, W, C).
    after_batch: called after every piece of a pass; may raise.
  """

  def __init__(self, task, clips, clip_shape, after_batch=lambda: None):
    self.task = task
    self.clips = clips
    self.clip_shape = tuple(clip_shape)
    self.after_batch = after_batch
    self.strategy = tf.distribute.get_strategy()
    self._traced = []  # the statistics that _begin and _record know

  @property
  def variables(self):
    """All statistics that there are, variables."""
    return [variable for norm in conditional_batch_norm.norms(self.task.model) if norm.standing
            for variable in norm.standing.variables]

  def renew(self):
    """Forgets the statistics of what is trained and makes new ones, where the task has any."""
    if hasattr(self.task, 'record'):
      self._renew(range(self.task.frozen_parts, self.task.recorded_parts))

  def renew_frozen(self):
    """The same of what is frozen."""
    if hasattr(self.task, 'record'):
      self._renew(range(self.task.frozen_parts))

  def _trace(self):
    """Makes functions of the task, anew if it has other statistics than when they were made."""
    now = self.variables
    if [id(v) for v in now] == [id(v) for v in self._traced]:
      return
    self._begin, self._record = (
        functools.cache(functools.partial(self._of_part, function))
        for function in (self.task.begin_pass, self.task.record))
    self._traced = now

  def _of_part(self, function, part):
    return strategies.program(self.strategy, functools.partial(function, part=part))

  def _renew(self, parts):
    self._trace()
    for part in parts:
      self.task.reset_statistics(part)
      batches = iter(strategies.distribute(self.strategy, self._batches))
      name = f'standing statistics of level {part + 1}' if part else 'standing statistics'
      for i in tqdm.trange(self.task.standing_passes, desc=name, leave=False, unit='batch',
                           mininterval=bars.interval()):
        batch, seed = next(batches), randomness.fold_in(randomness.seed_of(0), i)
        carry = self._begin(part)(batch, seed)
        for number in range(self.task.pieces(part)):
          carry = self._record(part)(tf.constant(number), batch, seed, carry)
          self.after_batch()

  @property
  def _size(self):
    """Clips in a pass: as many as the task says, or up to the next multiple of the replicas."""
    replicas = self.strategy.num_replicas_in_sync
    return -(-self.task.standing_batch // replicas) * replicas

  def _batches(self, host, hosts):
    if self.task.conditional:
      return self.clips.training(self._size, 0, 0, host, hosts)
    shape = (self._size // hosts,) + self.clip_shape
    return tf.data.Dataset.from_tensors({'video': tf.zeros(shape, tf.uint8)}).repeat()
