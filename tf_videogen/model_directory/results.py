"""The CSV files of a model directory: `results.csv`, `training.csv` and the curves of protocols.

`results.csv` has one row per value: step, split, metric, value, std, examples, protocol, network,
note, commit, gin_sha, time, low, high, floor, command, warnings. Older files lack some of these
columns. The next write adds them.
`training.csv` has one row per loop of the trainer: step, the terms of the loss, steps_per_second.
`evaluations/<protocol>/curves.csv` has one row per point: step, metric, series, position, axis,
value, std.

Every write replaces the whole file: the text goes to a temporary file, which is then renamed. A
reader finds either the old rows or the new ones, even after a process was killed at any moment.
This also works on gs://, where nothing can be appended to a file. If two processes write the same
file at the same instant, the later one wins. So only one process should write each file of a model
directory. On local disks `append_rows` locks the directory, so that training and evaluations can
share `results.csv`. Readers still drop a last line without its newline, which another program may
have left. Values are written with `repr`, so that reading them returns the same values. A missing
value is an empty field.
"""

import csv
import datetime
import hashlib
import io
import math
import os
import typing

import tensorflow as tf

from tf_videogen import files

RESULTS_FILE = 'results.csv'
TRAINING_FILE = 'training.csv'
CONFIG_FILE = 'config.gin'
EVALUATIONS = 'evaluations'  # A folder with one folder per protocol, each with the files below.
CURVES_FILE = 'curves.csv'
VIDEOS_FILE = 'videos.npz'
SPEED = 'steps_per_second'
WARNINGS = ' | '  # Stands between the warnings of a row.


class Result(typing.NamedTuple):
  """One row of `results.csv`."""
  step: int
  split: str
  metric: str
  value: float
  std: float = math.nan  # The standard deviation over trials; NaN without trials.
  examples: int = 0
  protocol: str = ''  # Empty for the task's own metrics, as training evaluates them.
  network: str = ''  # The network that computes the metric, as in 'i3d_kinetics400@1a2b3c4d'.
  note: str = ''  # As in 'temperature 0.9, 20 trials'.
  commit: str = ''  # The commit of the code; empty if unknown.
  gin_sha: str = ''  # The first 12 digits of the SHA-256 of config.gin; empty without that file.
  time: str = ''  # UTC, as in 2024-05-17T09:30:00+00:00.
  low: float = math.nan  # The ends of the value's 90 % interval; NaN if it has none.
  high: float = math.nan
  floor: float = math.nan  # The value of real videos against other real ones; NaN if unknown.
  command: str = ''  # The command line that made the value; empty if unknown.
  warnings: str = ''  # What the evaluation warned of, by WARNINGS apart.


class CurvePoint(typing.NamedTuple):
  """One row of `curves.csv`: a metric at a position, such as SSIM at a frame."""
  step: int
  metric: str
  series: str  # The curve of the metric to which the point belongs, as in 'best of 10'.
  position: float
  axis: str  # What the position counts, as in 'frame'.
  value: float
  std: float = math.nan


def append_results(model_dir, step, by_split):
  """Adds an evaluation to `results.csv` in one write. A killed process leaves all rows or none.

  Args:
    model_dir: The model directory, local or gs://; created if missing.
    step: The training step that was evaluated.
    by_split: A dict {split: (metrics, examples)}. A split is a name, as in 'test'. `metrics` is a
      dict of numbers by metric name. `examples` is the number of examples that were evaluated.
  """
  append_rows(model_dir, [
      Result(step, split, name, value, examples=examples)
      for split, (metrics, examples) in by_split.items() for name, value in metrics.items()])


def append_rows(model_dir, results):
  """Adds rows to `results.csv` in one write.

  Args:
    model_dir: The model directory, local or gs://; created if missing.
    results: A list of `Result`. An empty gin_sha or time is filled in.
  """
  sha = _config_sha(model_dir)
  now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')
  new = [result._replace(gin_sha=result.gin_sha or sha, time=result.time or now)
         for result in results]
  with files.exclusive(model_dir):  # training and evaluations write into the same file
    _write_records(os.path.join(model_dir, RESULTS_FILE), Result, read_results(model_dir) + new)


def read_results(model_dir):
  """A list of `Result`, in the order they were written; empty if there is no `results.csv`."""
  return _read_records(os.path.join(model_dir, RESULTS_FILE), Result)


def evaluated_steps(model_dir):
  """The steps that were evaluated without a protocol, as training does it: a set of int."""
  return {row.step for row in read_results(model_dir) if not row.protocol}


def write_curves(path, points):
  """Replaces a file of curves.

  Args:
    path: The file, `evaluations/<protocol>/curves.csv`; local or gs://.
    points: A list of `CurvePoint`.
  """
  _write_records(path, CurvePoint, points)


def read_curves(path):
  """A list of `CurvePoint`, in the order they were written; empty if there is no such file."""
  return _read_records(path, CurvePoint)


class TrainingLog:
  """Writes `training.csv`, one row per loop.

  A resumed run first calls `truncate(step)` with the step of its checkpoint. Otherwise the rows
  that a killed run logged after that checkpoint would be there twice. On remote storage such as
  gs://, where a write takes long, rows are written every half minute and at `flush`. Call `flush`
  before a checkpoint is saved.
  """

  def __init__(self, model_dir):
    """Reads the existing rows. `model_dir` is local or gs://; created with the first row."""
    self._path = os.path.join(model_dir, TRAINING_FILE)
    self._rows = read_training_log(model_dir)
    self._by_time = files.ByTime(self._path)

  def truncate(self, step):
    """Drops the rows of later steps than `step`, and a torn last line."""
    self._rows = [row for row in self._rows if row['step'] <= step]
    if tf.io.gfile.exists(self._path):
      self._write()

  def append(self, step, terms):
    """Adds a row.

    Args:
      step: The training step that the loop reached. It must be above the last row's.
      terms: A dict of numbers by name: terms of the loss, `steps_per_second`. A new name gets a
        column of its own, which is empty in earlier rows.

    Raises:
      ValueError: if the step is not above the last row's.
    """
    step = int(step)
    if self._rows and step <= self._rows[-1]['step']:
      raise ValueError(f'{self._path}: step must be beyond {self._rows[-1]["step"]}, got {step}; '
                       'call truncate(step) when a run resumes from a checkpoint.')
    self._rows.append({'step': step, **{name: float(value) for name, value in terms.items()}})
    self._by_time(self._write)

  def flush(self):
    """Writes the rows that are not written yet."""
    self._by_time.flush()

  def _write(self):
    names = dict.fromkeys(name for row in self._rows for name in row)  # In order of appearance.
    columns = ['step'] + [name for name in names if name not in ('step', SPEED)]
    columns += [SPEED] if SPEED in names else []
    rows = [[_text(row.get(name, '')) for name in columns] for row in self._rows]
    _write_csv(self._path, [columns] + rows)


def read_training_log(model_dir):
  """The rows of `training.csv` in order, each a dict of 'step' (int) and its terms (float).

  A term that a row lacks is absent from its dict. The list is empty if there is no `training.csv`.
  """
  path = os.path.join(model_dir, TRAINING_FILE)
  header, rows = _read_csv(path)
  if header and header[0] != 'step':
    raise ValueError(f'{path}: expected the first column to be step, got {header[0]}.')
  return [{name: _parse(int if name == 'step' else float, field, path, line)
           for name, field in zip(header, row) if field} for line, row in rows]


def _read_records(path, record):
  """The rows of a file as named tuples. A missing column or an empty field takes its default.

  Args:
    path: The file.
    record: The class of the tuples.

  Raises:
    ValueError: if the file has other columns, lacks one that has no default, or has a bad field.
  """
  header, rows = _read_csv(path)
  types, defaults = typing.get_type_hints(record), record._field_defaults
  if header and not set(types) - set(defaults) <= set(header) <= set(types):
    raise ValueError(f'{path}: expected the columns {", ".join(types)}, got {", ".join(header)}.')
  return [record(**{name: _parse(types[name], field, path, line)
                    for name, field in zip(header, row) if field or name not in defaults})
          for line, row in rows]


def _write_records(path, record, rows):
  """Replaces a file by named tuples of class `record`. In columns with a default, NaN is empty."""
  types, defaults = typing.get_type_hints(record), record._field_defaults
  def field(name, value):
    value = types[name](value)
    return '' if name in defaults and value != value else _text(value)  # NaN is not itself.
  _write_csv(path, [list(types)] + [[field(*pair) for pair in zip(types, row)] for row in rows])


def _read_csv(path):
  """The header and the (line number, fields) of every row; a torn last line is dropped."""
  if not tf.io.gfile.exists(path):
    return [], []
  text = files.read(path)
  whole_lines = text[:text.rfind('\n') + 1]
  rows = [(line, [files.from_spreadsheets(field) for field in row])
          for line, row in enumerate(csv.reader(io.StringIO(whole_lines)), start=1)]
  if not rows:
    return [], []
  header = rows[0][1]
  for line, row in rows[1:]:
    if len(row) != len(header):
      raise ValueError(f'{path}, line {line}: expected {len(header)} fields, got {len(row)}. '
                       'Correct or delete this line.')
  return header, rows[1:]


def _write_csv(path, rows):
  """Replaces the file by `rows` of text, in one step."""
  text = io.StringIO()
  csv.writer(text, lineterminator='\n').writerows(
      [files.for_spreadsheets(field) for field in row] for row in rows)
  files.write(path, text.getvalue())


def _text(value):
  return value if isinstance(value, str) else repr(value)


def _parse(kind, field, path, line):
  try:
    return kind(field)
  except ValueError:
    raise ValueError(f'{path}, line {line}: expected {kind.__name__}, got {field!r}. '
                     'Correct or delete this line.') from None


def _config_sha(model_dir):
  path = os.path.join(model_dir, CONFIG_FILE)
  if not tf.io.gfile.exists(path):
    return ''
  with tf.io.gfile.GFile(path, 'rb') as f:
    return hashlib.sha256(f.read()).hexdigest()[:12]
