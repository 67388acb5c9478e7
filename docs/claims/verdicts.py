"""The verdicts on claims of the papers, as `launch.claims` printed them into claims.csv.

verdicts.md is made from claims.csv, which a run of the command wrote, with differences.svg and
pictures/. What a claim says is read from its gin file.
"""

import pathlib

import gin

from tf_videogen.claims import table
from tf_videogen.launch import claims

PAGE = pathlib.Path(__file__).with_suffix('.md')
PICTURES = PAGE.with_name(claims.PICTURES)


def read():
  """The rows of claims.csv."""
  return table.read(str(PAGE.with_name(table.FILE)))


def page(rows):
  """The text of verdicts.md."""
  verdicts = [row for row in rows if row.kind == table.CLAIM]
  counts = {verdict: sum(row.verdict == verdict for row in verdicts)
            for verdict in dict.fromkeys(row.verdict for row in verdicts)}
  hours = sum(row.seconds for row in verdicts) / 3600
  seeds = len({row.seed for row in rows if row.kind == table.RUN})
  lines = [
      '# Verdicts on claims of the papers, in miniature', '',
      '<!-- Made by `python -m docs.pages` from claims.csv. -->', '',
      f'{len(verdicts)} claims, {seeds} seeds per arm, {hours:.1f} hours: '
      + ', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items())) + '.', '',
      '[claims.md](../claims.md) says what they mean. A difference is the first arm minus the '
      'other one.', '', table.markdown(rows)]
  if costs := table.costs_markdown(rows):
    lines += ['## What the arms cost', '',
              "The TPU's compiler says so of one core that has the whole batch "
              '(`launch.claims --costs`): the memory of the largest stage, and the operations of '
              'all steps of all stages.', '', costs]
  lines += ['## Claim by claim', '',
            'Numbers of the papers are of models thousands of times larger and of other data. They '
            'cannot be compared with ours.', '']
  for row in verdicts:
    lines += _section(row, {run.note for run in rows if run.kind == table.RUN and run.note
                            and run.claim == row.claim})
  return '\n'.join(lines)


def _section(row, notes):
  """The lines of a claim: what the paper says, and the picture."""
  claim = claims.read(row.claim)
  gin.clear_config()
  lines = [f'### {row.claim}', '', f'{claim.statement} **{row.verdict.capitalize()}.**', '',
           f'{claim.source}. The paper, at its own scale: {claim.paper}', '']
  if notes:
    lines += [f'In this measure: {"; ".join(sorted(notes))}.', '']
  if (PICTURES / f'{row.claim}.gif').exists():
    columns = '; '.join(['data', *(arm.name for arm in claim.arms)])
    lines += [f'![Samples of {row.claim}]({claims.PICTURES}/{row.claim}.gif)', '',
              f'Columns: {columns}. Each row is one test clip, seed 0.', '']
  if (PICTURES / f'{row.claim}.svg').exists():
    lines += [f'![The measure in training]({claims.PICTURES}/{row.claim}.svg)', '',
              f'{"; ".join(arm.name for arm in claim.arms)}: {claim.measure.name} of batches in '
              'training, seed 0, against the step.', '']
  return lines
