"""The verdicts on claims of the papers, as `launch.claims` printed them into claims.csv.

verdicts.md is made from claims.csv, which a run of the command wrote, with differences.svg.
"""

import pathlib

from tf_videogen.claims import table

PAGE = pathlib.Path(__file__).with_suffix('.md')


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
  return '\n'.join([
      '# Verdicts on claims of the papers, in miniature', '',
      '<!-- Made by `python -m docs.pages` from claims.csv. -->', '',
      f'{len(verdicts)} claims, {seeds} seeds per arm, {hours:.1f} hours: '
      + ', '.join(f'{count} {verdict}' for verdict, count in sorted(counts.items())) + '.', '',
      '[claims.md](../claims.md) says what they mean. A difference is the first arm minus the '
      'other one.', '', table.markdown(rows)])

