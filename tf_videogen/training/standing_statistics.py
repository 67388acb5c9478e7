"""Standing statistics of batch normalization: means over many passes with fixed weights.

BigGAN and TrIVD-GAN (appendix E.2) use them: before every evaluation, over 100 batches of 256
clips.
"""

import functools

import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import randomness
from tf_videogen.training import strategies


class Recorder:
  """Records the standing statistics of a task's `recordings`. Most tasks have none.

  Call `renew` whenever the weights have changed.

  Args:
    task: a `tasks.task.Task`.
    clips: the data. A conditional task's passes use first frames or classes of its training split.
    clip_shape: (T, H, W, C).
    after_batch: called after every piece of a pass; may raise.
  """

  def __init__(self, task, clips, clip_shape, after_batch=lambda: None):
    self.task = task
    self.clips = clips
    self.clip_shape = tuple(clip_shape)
    self.after_batch = after_batch
    self.strategy = tf.distribute.get_strategy()
    self._programs = functools.cache(self._programs_of)

  @property
  def variables(self):
    """All standing statistics of the model, a list of variables."""
    return [variable for norm in conditional_batch_norm.norms(self.task.model) if norm.standing
            for variable in norm.standing.variables]

  def renew(self):
    """Records anew the statistics of generators that are trained."""
    self._renew(frozen=False)

  def renew_frozen(self):
    """Records anew the statistics of frozen generators: trained levels below."""
    self._renew(frozen=True)

  def _programs_of(self, recording):
    return [strategies.program(self.strategy, function)
            for function in (recording.begin, recording.record)]

  def _renew(self, frozen):
    for number, recording in enumerate(self.task.recordings, start=1):
      if recording.frozen != frozen:
        continue
      begin, record = self._programs(recording)
      recording.reset()
      batches = iter(strategies.distribute(self.strategy, self._batches))
      name = f'standing statistics of level {number}' if number > 1 else 'standing statistics'
      for i in tqdm.trange(self.task.standing_passes, desc=name, leave=False, unit='batch',
                           mininterval=bars.interval()):
        batch, seed = next(batches), randomness.fold_in(randomness.seed_of(0), i)
        carry = begin(batch, seed)
        for piece in range(recording.pieces):
          carry = record(tf.constant(piece), batch, seed, carry)
          self.after_batch()

  @property
  def _size(self):
    """Clips in a pass: the task's `standing_batch`, rounded up to a multiple of the replicas."""
    replicas = self.strategy.num_replicas_in_sync
    return -(-self.task.standing_batch // replicas) * replicas

  def _batches(self, host, hosts):
    if self.task.conditional:
      return self.clips.training(self._size, 0, 0, host, hosts)
    shape = (self._size // hosts,) + self.clip_shape
    return tf.data.Dataset.from_tensors({'video': tf.zeros(shape, tf.uint8)}).repeat()
