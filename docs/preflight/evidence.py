"""Tables of the TPU compiler's answers for programs, and checks whether a row is still true.

A program takes minutes to compile. A row is therefore kept as long as the program's arithmetic
stays the same, which `fingerprint.of_hlo` tells. `python -m docs.evidence` checks rows, and makes
them again.
"""

import csv
import datetime
import io
import re
import subprocess
import typing

from docs import shipped_configs
from tf_videogen import experiment
from tf_videogen import files
from tf_videogen.launch import configs
from tf_videogen.launch import tpu_programs
from tf_videogen.preflight import compiler
from tf_videogen.preflight import costs
from tf_videogen.preflight import fingerprint
from tf_videogen.preflight import hardware

TOLERANCE = 0.02  # a stale row still tells the cost if FLOPs and bytes changed by no more
_FINGERPRINT_FIELDS = ('operations', 'exported_flops', 'exported_bytes')
# The fields of every row; all values are text. They are the program, the compiler's answer, figures
# that follow from it, the fingerprint, the commit and the day of the compilation, and how the
# program has changed since then.
_FIELDS = ('topology', 'batch', 'parameters', 'digest', 'fits', 'peak_bytes', 'argument_bytes',
           'temporary_bytes', 'code_bytes', 'flops', 'bytes_accessed', 'loops_of_unknown_length',
           'loops_of_unknown_start', 'bound_s', 'train_steps', 'core_hours', 'error',
           *_FINGERPRINT_FIELDS, 'commit', 'day', 'stale')


class Wanted(typing.NamedTuple):
  """A program that a table should have.

  Attributes:
    key: the values of the table's keys in the program's row, a tuple of text.
    config: name of the config.
    bindings: tuple of bindings 'NAME=VALUE' on top of the config.
    program: name of the program, see `tpu_programs.Request`.
    topology: a hardware.Topology, over whose cores the config's batch is divided.
  """
  key: tuple
  config: str
  bindings: tuple
  program: str
  topology: hardware.Topology

  @property
  def name(self):
    """The name of the program in commands."""
    return ' '.join(self.key)

  def configured(self):
    """Parses its config and bindings alone, and returns the Experiment."""
    configs.parse([self.config], self.bindings, needs_all=False)
    return configs.configured(experiment.Experiment)()

  def export(self):
    """(Experiment, programs.Program); takes seconds to minutes, but computes nothing."""
    config = self.configured()
    return config, tpu_programs.export_apart(tpu_programs.Request(
        (self.config,), self.bindings, None, self.program,
        config.batch_size // self.topology.cores, *shipped_configs.unprepared(config.clips)))


class Table:
  """A CSV file of rows, each with the evidence of a program.

  Args:
    path: path of the file, a `pathlib.Path`.
    keys: names of the fields that identify a row.
    wanted: the programs that the table should have, a list of `Wanted` in the order of the rows.
  """

  def __init__(self, path, keys, wanted):
    self.path, self.wanted = path, wanted
    self._keys = keys
    self._fields = tuple(dict.fromkeys((*keys, 'config', 'bindings', 'program', *_FIELDS)))

  def read(self):
    """The rows, {key: {field: text}}."""
    if not self.path.exists():
      return {}
    with open(self.path, newline='', encoding='utf-8') as f:
      return {tuple(row[field] for field in self._keys): row for row in csv.DictReader(f)}

  def write(self, rows):
    """Writes the rows of wanted programs, in their order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, self._fields, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows[wanted.key] for wanted in self.wanted if wanted.key in rows)
    files.write(str(self.path), text.getvalue())

  def check(self, wanted, exported):
    """Checks whether a program's row is still true, and writes the answer into the row.

    Args:
      wanted: the program, a `Wanted`.
      exported: its programs.Program.

    Returns:
      See `staleness`; 'missing' if there is no row.
    """
    rows = self.read()
    row = rows.get(wanted.key)
    if row is None:
      return 'missing'
    stale = staleness(row, fingerprint.of_hlo(exported.hlo))
    if row['stale'] != stale:
      row['stale'] = stale
      self.write(rows)
    return row['stale']

  def compile(self, wanted, config, exported, say=print):
    """Makes a program's row again, from another row of the same program or else by the compiler.

    Args:
      wanted: the program, a `Wanted`.
      config: its Experiment.
      exported: its programs.Program.
      say: function that is called with messages about long work.

    Returns:
      The row, {field: text}.
    """
    rows = self.read()
    row = _same(rows, wanted, exported)
    if row is None:
      row = compiled(wanted, exported, say)
    row = {**row, **dict(zip(self._keys, wanted.key)), 'config': wanted.config,
           'bindings': '; '.join(wanted.bindings), 'program': wanted.program}
    rows[wanted.key] = with_hours(row, config.train_steps)
    self.write(rows)
    return rows[wanted.key]


def staleness(row, now):
  """How a program has changed since its row was made.

  Args:
    row: a row of a table.
    now: the program's Fingerprint.

  Returns:
    '' if the row has this fingerprint, else a phrase with the changes of FLOPs and bytes.
  """
  if fingerprint_fields(now).items() <= row.items():
    return ''
  flops, moved_bytes = fingerprint.moved(of_row(row), now)
  return f'{flops:+.1%} FLOPs, {moved_bytes:+.1%} bytes'


def of_row(row):
  """The Fingerprint in a row."""
  return fingerprint.Fingerprint(
      row['operations'], float(row['exported_flops']), float(row['exported_bytes']))


def fingerprint_fields(found):
  """A Fingerprint as fields of a row, FLOPs and bytes with six digits."""
  values = found.operations, f'{found.flops:.6g}', f'{found.bytes:.6g}'
  return dict(zip(_FINGERPRINT_FIELDS, values))


def _same(rows, wanted, exported):
  """Another row with the same program and topology, of any config; None if there is none."""
  key = (wanted.program, exported.digest, wanted.topology.name)
  return next((row for of, row in rows.items() if of != wanted.key
               and (row['program'], row['digest'], row['topology']) == key), None)


def compiled(wanted, exported, say=print):
  """Compiles a program and returns its row, without the fields that depend on the config."""
  answer = compiler.compile_program(exported, wanted.topology, say=say)
  cost = costs.cost(exported, answer, wanted.topology)
  values = {**cost._asdict(), 'digest': exported.digest, 'fits': 'yes' if cost.fits else 'no',
            'peak_bytes': cost.peak_bytes or required_bytes(cost.error),
            'flops': f'{cost.flops:.6g}', 'bytes_accessed': f'{cost.bytes_accessed:.6g}',
            'bound_s': f'{cost.bound_s:.5g}', 'train_steps': '', 'core_hours': '',
            **fingerprint_fields(fingerprint.of_hlo(exported.hlo)),
            'commit': commit(), 'day': datetime.date.today().isoformat(), 'stale': ''}
  return {field: str(values[field]) for field in _FIELDS}


def with_hours(row, train_steps):
  """A row of training with the core-hours of `train_steps` steps; any other row unchanged."""
  if row['program'] != 'train':
    return row
  cores = hardware.topology(row['topology']).cores
  hours = costs.core_hours(float(row['bound_s']), train_steps, cores)
  return {**row, 'train_steps': str(train_steps), 'core_hours': f'{hours:.1f}'}


def required_bytes(error):
  """The bytes that a program needs, from the compiler's error; 0 if the error does not tell."""
  found = re.search(r'out of memory: required (\d[\d.]*)([KMGT])', error)
  return round(float(found.group(1)) * 1024**(' KMGT'.index(found.group(2)))) if found else 0


def commit():
  """The checkout's commit, ten digits, with a '+' if code or configs have changed since then."""
  git = lambda *arguments: subprocess.run(
      ['git', *arguments], capture_output=True, text=True, check=True).stdout.strip()
  changed = git('status', '--porcelain', '--untracked-files=no', '--', 'tf_videogen', 'gin')
  return git('rev-parse', '--short=10', 'HEAD') + '+' * bool(changed)
