"""Standing statistics of batch normalization: means over many passes of the weights as they are.

BigGAN, and TrIVD-GAN, appendix E.2: before every evaluation, over 100 batches of 256 clips.
"""

import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen.layers import randomness
from tf_videogen.training import strategies


class StandingStatistics:
  """Those of a task, made anew whenever its weights are others.

  The power iterations of spectral normalization go on meanwhile: they are the live generator's, and
  become those of the average.

  Args:
    task: see docs/design.md; one without a `record` has none.
    clips: the data; passes continue clips of its training split.
    clip_shape: (T, H, W, C).
    after_batch: called after every pass; may raise.
  """

  def __init__(self, task, clips, clip_shape, after_batch=lambda: None):
    self.task = task
    self.clips = clips
    self.clip_shape = tuple(clip_shape)
    self.after_batch = after_batch
    self.strategy = tf.distribute.get_strategy()
    self._record = tf.function(self._run, autograph=False)

  def _run(self, batch, seed):
    self.strategy.run(self.task.record, args=(batch, seed))

  def renew(self):
    """Forgets the statistics and makes new ones, where the task has any."""
    if not hasattr(self.task, 'record'):
      return
    self.task.model.reset_statistics()
    batches = iter(strategies.distribute(self.strategy, self._batches))
    for i in tqdm.trange(self.task.standing_passes, desc='standing statistics', leave=False,
                         unit='batch', mininterval=bars.interval()):
      self._record(next(batches), randomness.fold_in(randomness.seed_of(0), i))
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
