"""The numbers that the papers print, of `paper_numbers.csv`, by the config that reproduces them.

The file has a row a printed number: paper, table, row, config, protocol, metric, value, std, note.
`config` is a name under gin/, as 'videogpt/bair_prior.gin', of a cascade the last level's, and ''
for a number that the paper quotes; `protocol` is a name under gin/evaluation/, without its ending.
"""

import csv
import functools
import math
import os
import typing

from tf_videogen import files

_FILE = os.path.join(os.path.dirname(__file__), 'paper_numbers.csv')
# Protocols that are others' as the authors' code has them: the same numbers belong to them.
_ALSO_BY = {'videogpt_bair': 'videogpt_bair_authors',
            'videogpt_bair_vqvae': 'videogpt_bair_vqvae_authors'}
BASELINES = ('_copy_last_frame', '_real_vs_real')  # What protocols of baselines end with.


class PaperNumber(typing.NamedTuple):
  """A printed number.

  Attributes:
    protocol: How it was measured; a name under gin/evaluation/.
    metric: As in `results.Result`.
    value: The number.
    std: The standard deviation that is printed with it; NaN if none is.
    printed: Both, as they are printed: '103.6 ± 2.0'.
    source: 'Table 4, 16 layers'; where else the same number stands follows after a semicolon.
    note: What else there is to know of it.
  """
  protocol: str
  metric: str
  value: float
  std: float
  printed: str
  source: str
  note: str


def for_baselines():
  """The numbers of baselines, which belong to no config but to protocols of their own."""
  return [_merged([row]) for row in _rows()
          if not row['config'] and row['protocol'].endswith(BASELINES)]


def for_config(config):
  """The numbers that a config reproduces.

  A number that stands in several tables is one `PaperNumber`, with the deviation if one has it.

  Args:
    config: A name under gin/; one that no paper's number belongs to is no error.

  Returns:
    A list of `PaperNumber`, in the order of the paper.
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
  """The `PaperNumber` of rows with one value: the first that has a deviation speaks for all."""
  row = next((row for row in rows if row['std']), rows[0])
  others = dict.fromkeys(
      other['row'] if other['table'] == row['table'] else other['table']
      for other in rows if other is not row)
  source = f'{row["table"]}, {row["row"]}' + (f'; also {", ".join(others)}' if others else '')
  notes = dict.fromkeys(row['note'] for row in rows if row['note'])
  return PaperNumber(
      row['protocol'], row['metric'], float(row['value']), float(row['std'] or math.nan),
      row['value'] + (f' ± {row["std"]}' if row['std'] else ''), source, '; '.join(notes))
