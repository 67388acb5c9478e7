"""Progress of training: a bar with rate and time left, rows of training.csv, and summaries."""

import contextlib
import sys
import time

import orbit
import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen import files


class Progress:
  """A bar over the steps of a whole training.

  A context: within it, what is printed goes above the bar.

  Args:
    step: where training starts.
    train_steps: where it ends.
  """

  def __init__(self, step, train_steps):
    self._bar = tqdm.tqdm(total=train_steps, initial=step, desc='train', unit='step',
                          dynamic_ncols=True, mininterval=bars.interval())
    self._last_row = step, time.time()
    self._printing = contextlib.redirect_stdout(_AboveBars(sys.stdout))

  def __enter__(self):
    self._printing.__enter__()
    return self

  def __exit__(self, *error):
    self._printing.__exit__(*error)
    self._bar.close()

  def move(self, step):
    """Moves the bar to `step`."""
    self._bar.update(step - self._bar.n)

  def row(self, terms):
    """What training.csv keeps of a loop: the terms of its last step, and its rate.

    Args:
      terms: dict of scalars; 'loss', and what ends so, is shown beside the bar.

    Returns:
      dict of floats.
    """
    row = {name: float(value) for name, value in terms.items()}
    shown = {name: f'{value:.4g}' for name, value in row.items() if name.endswith('loss')}
    self._bar.set_postfix(shown, refresh=False)
    step, start = self._last_row
    self._last_row = self._bar.n, time.time()
    return {**row, 'steps_per_second': (self._bar.n - step) / max(time.time() - start, 1e-9)}

  def skip_time(self):
    """Leaves out the time since the last row, which was not training."""
    self._last_row = self._bar.n, time.time()


class _AboveBars:
  """A stream that writes where no bar is."""

  def __init__(self, stream):
    self._stream = stream

  def write(self, text):
    """Writes text."""
    tqdm.tqdm.write(text, file=self._stream, end='')

  def flush(self):
    """Writes what is held back."""
    self._stream.flush()


class Summaries(orbit.utils.SummaryManager):
  """Writes the terms of the loss for TensorBoard, see `files.ByTime`.

  Args:
    folder: where; None: nowhere.
    step: the global step, a variable.
  """

  def __init__(self, folder, step):
    super().__init__(folder, tf.summary.scalar, global_step=step)
    self._folder, self._step = folder, step
    self._rows = []  # that are not written yet
    if folder:  # TensorFlow's own queue would write after every ten values
      with files.told(folder, 'written into'):
        self._writer = tf.summary.create_file_writer(folder, max_queue=10**6, flush_millis=10**8)
    else:
      self._writer = tf.summary.create_noop_writer()
    self._by_time = files.ByTime(folder or '')

  def summary_writer(self, relative_path=''):
    """The one writer; terms of a loss are not nested."""
    return self._writer

  def write_summaries(self, summary_dict):
    """Keeps terms of the loss, {name: scalar}, for `flush`."""
    self._rows.append((int(self._step.numpy()), dict(summary_dict)))

  def flush(self):
    """Writes what is kept, now or later."""
    self._by_time(self._write)

  def flush_now(self):
    """Writes what `flush` left for later."""
    self._by_time.flush()

  def _write(self):
    with files.told(self._folder, 'written into'), self._writer.as_default():  # its end writes
      for step, terms in self._rows:
        for name, value in terms.items():
          tf.summary.scalar(name, value, step=step)
    self._rows = []
