"""Progress of training: a bar, printed lines, rows of training.csv, and TensorBoard summaries."""

import contextlib
import html
import math
import sys
import time
from unittest import mock

from absl import logging
import orbit
from tensorboard.plugins.hparams import api as hparams
import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen import files


_SECONDS_A_LINE = 20.0


class Progress:
  """A bar over the steps of a whole training run, and lines with the terms of the loss.

  Lines are at least 20 seconds apart, but the last step always has one. `Progress` is a context:
  within it, printed text goes above the bar, and Orbit prints nothing.

  Args:
    step: step at which training starts.
    train_steps: step at which training ends.
    prints: whether lines are printed. With several workers, only one prints.
  """

  def __init__(self, step, train_steps, prints=True):
    self._bar = tqdm.tqdm(total=train_steps, initial=step, desc='train', unit='step',
                          dynamic_ncols=True, mininterval=bars.interval())
    self._train_steps = train_steps
    self._last_row = step, time.time()
    self._last_line = -math.inf
    self._prints = prints
    self._entered = contextlib.ExitStack()

  def __enter__(self):
    self._entered.enter_context(contextlib.redirect_stdout(_AboveBars(sys.stdout)))
    self._entered.enter_context(quiet())
    return self

  def __exit__(self, *error):
    self._entered.close()
    self._bar.close()

  def say(self, text):
    """Prints a line."""
    if self._prints:
      print(text, flush=True)

  def move(self, step):
    """Moves the bar to `step`."""
    self._bar.update(step - self._bar.n)

  def row(self, terms):
    """The row of training.csv for a loop; it is shown, too.

    Args:
      terms: dict of scalars, the terms of the loop's last step. Losses and learning rates are shown
        beside the bar.

    Returns:
      dict of floats: the terms, and 'steps_per_second' since the last row.
    """
    row = {name: float(value) for name, value in terms.items()}
    shown = {name: f'{value:.4g}' for name, value in row.items()
             if name.endswith(('loss', 'learning_rate'))}
    self._bar.set_postfix(shown, refresh=False)
    step, start = self._last_row
    self._last_row = self._bar.n, time.time()
    row['steps_per_second'] = (self._bar.n - step) / max(time.time() - start, 1e-9)
    if time.time() - self._last_line >= _SECONDS_A_LINE or self._bar.n == self._train_steps:
      self._last_line = time.time()
      self.say(f'step {self._bar.n:,} of {self._train_steps:,}: {listed(row)}')
    return row

  def skip_time(self):
    """Leaves the time since the last row out of the rate, because it was not spent on training."""
    self._last_row = self._bar.n, time.time()


class _AboveBars:
  """A stream that writes above the bars."""

  def __init__(self, stream):
    self._stream = stream

  def write(self, text):
    """Writes text."""
    with contextlib.redirect_stdout(self._stream):  # tqdm compares bars' streams with sys.stdout
      tqdm.tqdm.write(text, file=self._stream, end='')

  def flush(self):
    """Flushes the stream."""
    self._stream.flush()


def quiet():
  """A context in which Orbit logs (`--verbosity=0` shows it) and does not print."""
  return mock.patch.object(orbit.controller, '_log', logging.info)


def listed(values):
  """Formats numbers for a line: {'loss': 0.12345, ...} -> 'loss 0.1235, ...'."""
  return ', '.join(f'{name} {value:.4g}' for name, value in values.items())


class Summaries(orbit.utils.SummaryManager):
  """Writes terms of the loss, or metrics of splits, for TensorBoard.

  On remote storage it writes every half minute, see `files.ByTime`.

  Args:
    folder: folder of the summaries. If None, nothing is written.
    step: the global step, a variable.
  """

  def __init__(self, folder, step):
    super().__init__(folder, tf.summary.scalar, global_step=step)
    self._folder, self._step = folder, step
    self._rows = []  # not written yet
    self._writer = None if folder else tf.summary.create_noop_writer()
    self._by_time = files.ByTime(folder or '')

  def summary_writer(self, relative_path=''):
    """The only writer, created at the first call; `relative_path` is Orbit's and not used."""
    if self._writer is None:  # TensorFlow's own queue would write after every ten values
      with files.told(self._folder, 'written into'):
        self._writer = tf.summary.create_file_writer(
            self._folder, max_queue=10**6, flush_millis=10**8)
    return self._writer

  def write_summaries(self, summary_dict):
    """Holds terms, {name: scalar}, or metrics, {'<split>/<name>': scalar}, until `flush`."""
    self._rows.append((int(self._step.numpy()), dict(summary_dict)))

  def flush(self):
    """Writes what `write_summaries` holds, now or later, see `files.ByTime`."""
    self._by_time(self._write)

  def flush_now(self):
    """Writes at once what `flush` left for later."""
    self._by_time.flush()

  def _write(self):
    writer = self.summary_writer()
    with files.told(self._folder, 'written into'), writer.as_default():  # flushes at its end
      for step, terms in self._rows:
        for name, value in terms.items():
          tf.summary.scalar(name if '/' in name else f'{_group(name)}/{name}', value, step=step)
    self._rows = []


def _group(name):
  """TensorBoard's group of a term."""
  return 'rates' if name.endswith(('learning_rate', 'steps_per_second')) else 'train'


def write_configuration(folder, text, bindings):
  """Shows a configuration in TensorBoard: its text, and hyperparameters for comparing runs.

  Args:
    folder: folder of the summaries of a run.
    text: text of the configuration.
    bindings: hyperparameters, a dict of strings and numbers by name.
  """
  with files.told(folder, 'written into'), tf.summary.create_file_writer(folder).as_default():
    tf.summary.text('configuration', f'<pre>{html.escape(text)}</pre>', step=0)
    hparams.hparams(bindings)
