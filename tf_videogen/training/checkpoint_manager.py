"""The checkpoint manager that Orbit's controller saves and restores by."""

import tensorflow as tf

from tf_videogen import files
from tf_videogen.model_directory import checkpoints


class CheckpointManager(tf.train.CheckpointManager):
  """Restores the latest checkpoint that can be read; saves each time a multiple is passed.

  Orbit counts the interval from the last save, so that a run that goes on would save at other steps
  than an unbroken one; here they are the multiples of the interval. No step is saved twice.

  Args:
    writes: whether this process saves; of several workers, the chief alone does.
    before_save: called before every save: what belongs to a checkpoint must not be later than it.
    checkpoint, directory, *args, **kwargs: those of tf.train.CheckpointManager.
  """

  _last = None

  def __init__(self, checkpoint, directory, *args, writes=True, before_save=lambda: None,
               **kwargs):
    if writes:
      checkpoints.mend_state(directory)
    super().__init__(checkpoint, directory, *args, **kwargs)
    self.writes = writes
    self.before_save = before_save
    _ = self.checkpoint.save_counter  # is made here: all workers make a variable, or none does

  def restore_or_initialize(self):
    """Restores, and returns the checkpoint's path; None in a new directory.

    Raises:
      ValueError: see `checkpoints.restore_latest`.
    """
    path = checkpoints.restore_latest(self.checkpoint, self.directory)
    self._last = checkpoints.step_of(path) if path else 0
    return path

  def save(self, checkpoint_number=None, check_interval=True, options=None):
    """As tf.train.CheckpointManager.save."""
    number, interval = int(checkpoint_number), self.checkpoint_interval
    early = self._last is not None and number // interval == self._last // interval
    if not self.writes or number == self._last or (check_interval and early):
      return None
    self.before_save()
    with files.told(self.directory, 'written into'):
      path = super().save(checkpoint_number, check_interval=False, options=options)
    self._last = number
    return path
