"""The checkpoint manager with which Orbit's controller saves and restores."""

import tensorflow as tf

from tf_videogen import files
from tf_videogen.model_directory import checkpoints


class CheckpointManager(tf.train.CheckpointManager):
  """Restores the latest readable checkpoint; saves whenever a multiple of the interval is passed.

  Orbit counts the interval from the last save. A resumed run would then save at other steps than an
  unbroken one. Here a checkpoint is due at every multiple of the interval. No step is saved twice.

  Args:
    checkpoint, directory, *args, **kwargs: as in tf.train.CheckpointManager.
    writes: whether this process saves. With several workers, only the chief does.
    before_save: called before every save. It writes logs that must not be later than the
      checkpoint.
  """

  _last = None

  def __init__(self, checkpoint, directory, *args, writes=True, before_save=lambda: None,
               **kwargs):
    if writes:
      checkpoints.mend_state(directory)
    super().__init__(checkpoint, directory, *args, **kwargs)
    self.writes = writes
    self.before_save = before_save
    _ = self.checkpoint.save_counter  # created here: all workers create a variable, or none does

  def restore_or_initialize(self):
    """Restores and returns the checkpoint's path, or None in a new directory.

    Raises:
      ValueError: see `checkpoints.restore_latest`.
    """
    path = checkpoints.restore_latest(self.checkpoint, self.directory)
    self._last = checkpoints.step_of(path) if path else 0
    return path

  def save(self, checkpoint_number=None, check_interval=True, options=None):
    """Saves as tf.train.CheckpointManager.save; returns the path, or None if nothing is saved."""
    number, interval = int(checkpoint_number), self.checkpoint_interval
    early = self._last is not None and number // interval == self._last // interval
    if not self.writes or number == self._last or (check_interval and early):
      return None
    self.before_save()
    with files.told(self.directory, 'written into'):
      path = super().save(checkpoint_number, check_interval=False, options=options)
    self._last = number
    return path
