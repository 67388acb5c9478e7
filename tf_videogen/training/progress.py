"""Progress of training: a bar with rate and time left, and the rows of training.csv."""

import contextlib
import sys
import time

import tqdm

from tf_videogen import bars


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
