"""The TPU compiler's answers for the suite's configs: paper_scale.csv, one row per program.

`python -m docs.evidence` makes the rows; docs/preflight/paper_scale.md shows them.
"""

import csv
import functools
import pathlib

from tf_videogen.preflight import amounts
from tf_videogen.preflight import hardware

PATH = pathlib.Path(__file__).with_name('paper_scale.csv')


@functools.lru_cache(maxsize=None)
def _rows():
  with open(PATH, newline='', encoding='utf-8') as f:
    return list(csv.DictReader(f))


def row(config, program):
  """The row of a program, {field: text}; None if there is none.

  Args:
    config: Name of a config, such as 'videogpt/bair_prior.gin'.
    program: 'train', 'evaluate' or 'sample'.
  """
  return next((found for found in _rows() if (
      found['config'], found['program'], found['bindings']) == (config, program, '')), None)


def short(found):
  """A phrase about a row: whether its program fits, and the least core-hours of its training."""
  cores = hardware.topology(found['topology']).cores
  hours = found['core_hours'] and f', {amounts.rounded(float(found["core_hours"]))} core-hours'
  return (f'{"fits" if found["fits"] == "yes" else "does not fit"} {cores} cores of '
          f'{found["topology"].partition(":")[0]}{hours}{" (stale)" * bool(found["stale"])}')


def sentence(found):
  """The figures of a row in words: memory, bound on a step, core-hours, day and commit."""
  topology = hardware.topology(found['topology'])
  memory = amounts.gib(int(found['peak_bytes']))
  bound = amounts.seconds(float(found['bound_s']))
  hours = found['core_hours'] and f', {amounts.rounded(float(found["core_hours"]))} core-hours'
  stale = found['stale'] and f', since then it has changed: {found["stale"]}'
  return (f'{found["program"]} on {topology.name}, {topology.cores} cores, batch '
          f'{found["batch"]} per core: {memory} of {amounts.gib(topology.generation.hbm_bytes)} '
          f'GiB, at least {bound} per step{hours} (compiled on {found["day"]} at commit '
          f'{found["commit"]}{stale})')
