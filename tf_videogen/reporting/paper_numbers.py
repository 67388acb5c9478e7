"""The numbers that the papers print, from `paper_numbers.csv`, by the config that reproduces them.

The file has one row per printed number: paper, table, row, config, protocol, metric, value, std,
note. `config` is a name under gin/, such as 'videogpt/bair_prior.gin'. For a cascade, it is the
config of the last level. It is '' for a number that no config reproduces, such as a quoted one or a
baseline's. `protocol` is a name under gin/evaluation/, without its ending.
"""

import csv
import functools
import math
import os
import typing

from tf_videogen import files

_FILE = os.path.join(os.path.dirname(__file__), 'paper_numbers.csv')
# Protocols that also exist as the authors' code has them. The same numbers belong to both.
_ALSO_BY = {'videogpt_bair': 'videogpt_bair_authors',
            'videogpt_bair_vqvae': 'videogpt_bair_vqvae_authors'}
BASELINES = ('_copy_last_frame', '_real_vs_real')  # Endings of baselines' protocols.


class PaperNumber(typing.NamedTuple):
  """A printed number.

  Attributes:
    protocol: The protocol by which it was measured: a name under gin/evaluation/, for baselines
      with one of the endings `BASELINES`.
    metric: The name of the metric, as in `results.Result`.
    value: The number.
    std: The standard deviation that is printed with it; NaN if none is.
    printed: The number and its deviation as they are printed: '103.6 ± 2.0'.
    source: The place, such as 'Table 4, 16 layers'; other places of the same number follow after a
      semicolon.
    note: Further remarks; empty if there are none.
  """
  protocol: str
  metric: str
  value: float
  std: float
  printed: str
  source: str
  note: str


def for_baselines():
  """The numbers of baselines: they belong to no config, but to protocols of their own."""
  return [_merged([row]) for row in _rows()
          if not row['config'] and row['protocol'].endswith(BASELINES)]


def for_config(config):
  """The numbers that a config reproduces.

  A number that is printed in several tables is one `PaperNumber`, with a deviation if one of them
  has it.

  Args:
    config: A name under gin/.

  Returns:
    A list of `PaperNumber`, in the order of the paper; empty if no number belongs to the config.
  """
  groups = {}
  for row in _rows():
    if config and row['config'] == config:
      groups.setdefault((row['protocol'], row['metric'], float(row['value'])), []).append(row)
  return [_merged(rows) for rows in groups.values()]


@functools.lru_cache(maxsize=None)
def _rows():
  rows = list(csv.DictReader(files.read(_FILE).splitlines()))
  as_well = [{**row, 'protocol': _ALSO_BY[row['protocol']]} for row in rows
             if row['protocol'] in _ALSO_BY]
  return rows + as_well


def _merged(rows):
  """The `PaperNumber` of rows with the same value; the first with a deviation stands for all."""
  row = next((row for row in rows if row['std']), rows[0])
  others = dict.fromkeys(
      other['row'] if other['table'] == row['table'] else other['table']
      for other in rows if other is not row)
  source = f'{row["table"]}, {row["row"]}' + (f'; also {", ".join(others)}' if others else '')
  notes = dict.fromkeys(row['note'] for row in rows if row['note'])
  return PaperNumber(
      row['protocol'], row['metric'], float(row['value']), float(row['std'] or math.nan),
      row['value'] + (f' ± {row["std"]}' if row['std'] else ''), source, '; '.join(notes))
