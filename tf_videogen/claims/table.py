"""claims.csv: what was measured of every run, the differences of arms, and the verdicts.

Rows are of four kinds. A 'run' is an arm trained from one seed; its value is the mean over clips.
A 'difference' is the first arm minus another one, with the interval that decides the verdict. A
'claim' has the verdict of all its differences. A 'cost' is what an arm's training takes, by the
TPU's compiler, if `launch.claims --costs` asked it. All numbers of the pages are from these rows.
"""

import csv
import io
import typing

import numpy as np

from tf_videogen import files
from tf_videogen.claims import statistics

FILE = 'claims.csv'
RUN, DIFFERENCE, CLAIM, COST = 'run', 'difference', 'claim', 'cost'
MEMORY, WORK = 'memory_mib', 'work_tflop'


class Row(typing.NamedTuple):
  """A row of claims.csv; fields that a kind has no use for are empty.

  Attributes:
    claim: name of the claim, its file's without the ending.
    kind: RUN, DIFFERENCE, CLAIM or COST.
    arm: name of the run's arm; in a difference, name of the arm that is subtracted from the first.
    seed: number of the run's seed.
    measure: name of the measure; in a cost, MEMORY, what the largest stage needs, in MiB; or WORK,
      of all steps of all stages, in 10^12 floating-point operations.
    better: 'lower' or 'higher'.
    value: the mean over clips; in a difference, over seeds and clips.
    low, high: the ends of a difference's interval.
    verdict: the verdict on a difference or a claim, see `statistics`.
    clips: number of clips; 1 for measures with one value per run.
    seconds: time of a run's training and measuring; in a claim, their sum.
    note: words of the measure about a run's result.
  """
  claim: str
  kind: str
  arm: str = ''
  seed: int | None = None
  measure: str = ''
  better: str = ''
  value: float | None = None
  low: float | None = None
  high: float | None = None
  verdict: str = ''
  clips: int | None = None
  seconds: float | None = None
  note: str = ''


def rows(name, claim, runs, cost_of=()):
  """The rows of a claim.

  Args:
    name: the claim's name.
    claim: a `claim.Claim`.
    runs: {arm's name: list of dicts, one per seed, with 'values', float [N], 'seconds' and,
      if there is one, 'note'}.
    cost_of: {arm's name: (MEMORY, WORK)}, of the arms that the compiler was asked about.

  Returns:
    A list of `Row`. With one seed there are only runs, because nothing can be said of differences.
  """
  of_claim = {'claim': name, 'measure': claim.measure.name, 'better': claim.better}
  found = [Row(kind=RUN, arm=arm.name, seed=seed, value=float(np.mean(run['values'])),
               clips=len(run['values']), seconds=round(float(run['seconds']), 1),
               note=str(run.get('note', '')), **of_claim)
           for arm in claim.arms for seed, run in enumerate(runs[arm.name])]
  found += [Row(name, COST, arm.name, measure=measure, better='lower', value=value)
            for arm in claim.arms if arm.name in cost_of
            for measure, value in zip((MEMORY, WORK), cost_of[arm.name])]
  values = {arm: np.stack([run['values'] for run in some]) for arm, some in runs.items()}
  first, *others = [values[arm.name] for arm in claim.arms]
  if len(first) < 2:
    return found
  verdicts = []
  for arm, other in zip(claim.arms[1:], others):
    difference = statistics.difference(first, other)
    verdicts.append(statistics.verdict(difference, claim.better))
    found.append(Row(kind=DIFFERENCE, arm=arm.name, value=difference.mean, low=difference.low,
                     high=difference.high, verdict=verdicts[-1], clips=first.shape[1],
                     **of_claim))
  seconds = sum(row.seconds for row in found if row.kind == RUN)
  return found + [Row(kind=CLAIM, verdict=statistics.joint(verdicts), seconds=round(seconds, 1),
                      **of_claim)]


def text(found):
  """The text of claims.csv. Numbers have six digits."""
  stream = io.StringIO()
  writer = csv.writer(stream, lineterminator='\n')
  writer.writerow(Row._fields)
  for row in found:
    writer.writerow(['' if field is None else f'{field:.6g}' if isinstance(field, float) else field
                     for field in row])
  return stream.getvalue()


def read(path):
  """The rows of claims.csv; [] if there is no such file.

  Raises:
    ValueError: if the file is not as `text` makes it.
  """
  try:
    lines = list(csv.DictReader(io.StringIO(files.read(path))))
  except FileNotFoundError:
    return []
  try:
    return [Row(**{name: _parsed(name, line[name]) for name in Row._fields}) for line in lines]
  except (KeyError, ValueError, AttributeError) as error:
    raise ValueError(f'{path} is damaged ({error}): delete it, and the same command writes it '
                     'again') from error


def _parsed(name, field):
  if name in ('seed', 'clips'):
    return int(field) if field else None
  if name in ('value', 'low', 'high', 'seconds'):
    return float(field) if field else None
  return field


def replaced(before, found):
  """Rows in which those of the same claims are replaced, sorted by claim."""
  claims = {row.claim for row in found}
  kept = [row for row in before if row.claim not in claims]
  return sorted([*kept, *found], key=lambda row: row.claim)


def markdown(found):
  """The table of verdicts in Markdown: one line per difference."""
  lines = ['| claim | measure | first arm | other arm | difference, 90 % interval | verdict |',
           '| --- | --- | ---: | ---: | ---: | --- |']
  for name in dict.fromkeys(row.claim for row in found):
    of_claim = [row for row in found if row.claim == name]
    runs = [row for row in of_claim if row.kind == RUN]
    first = runs[0].arm
    for row in of_claim:
      if row.kind == DIFFERENCE:
        lines.append(
            f'| `{name}` | {row.measure}, {row.better} is better | {first}: '
            f'{number(mean(runs, first))} | {row.arm}: {number(mean(runs, row.arm))} | '
            f'{number(row.value)} ({number(row.low)} to {number(row.high)}) | **{row.verdict}** |')
  return '\n'.join(lines) + '\n'


def costs(found):
  """What arms cost: a list of (arm's name, MEMORY, WORK), of rows of one claim."""
  known = {(row.arm, row.measure): row.value for row in found if row.kind == COST}
  return [(arm, value, known[arm, WORK]) for (arm, name), value in known.items() if name == MEMORY]


def costs_markdown(found):
  """The table of costs in Markdown, one line per arm that has them; '' if none has."""
  lines = [f'| `{name}` | {arm} | {memory:,.0f} | {number(work)} |'
           for name in dict.fromkeys(row.claim for row in found)
           for arm, memory, work in costs([row for row in found if row.claim == name])]
  head = ['| claim | arm | memory, MiB | all steps, TFLOP |', '| --- | --- | ---: | ---: |']
  return '\n'.join([*head, *lines, '']) if lines else ''


def mean(runs, arm):
  """The mean over seeds of an arm's runs, a list of Rows."""
  return float(np.mean([row.value for row in runs if row.arm == arm]))


def number(value):
  """A number of a table, three digits: 0.01234 -> '0.0123'."""
  return f'{value:.3g}'.replace('-', '−')
