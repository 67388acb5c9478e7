"""The numbers of a page as CSV, Markdown and LaTeX.

CSV has every digit, and the command that makes a value again. Markdown and LaTeX are to be read:
columns without values, and columns with one value for all rows, are left out; the latter become a
sentence.
"""

import csv
import io
import math
import typing

from tf_videogen import files
from tf_videogen.reporting import glossary
from tf_videogen.reporting import page

COLUMNS = ('run', 'protocol', 'metric', 'split', 'ours', 'interval', 'floor', 'paper', 'step',
           'videos', 'network', 'note')
_SHARED = ('run', 'protocol', 'split', 'step', 'videos', 'network', 'note')  # may become a sentence
_ARROWS = {'lower': ' ↓', 'higher': ' ↑', '': ''}
_LATEX = {'\\': r'\textbackslash{}', '&': r'\&', '%': r'\%', '$': r'\$', '#': r'\#', '_': r'\_',
          '{': r'\{', '}': r'\}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}',
          '±': r'$\pm$', '↓': r'$\downarrow$', '↑': r'$\uparrow$', '−': '$-$', '∞': r'$\infty$',
          '–': '--', 'é': r"\'e"}
_CSV = ('run', 'protocol', 'split', 'metric', 'value', 'std', 'low', 'high', 'floor', 'paper',
        'paper_std', 'paper_source', 'step', 'videos', 'network', 'note', 'commit', 'time',
        'command', 'warnings')


class Narrow(typing.NamedTuple):
  """What columns say: those that are shown, and the values that all rows share, by column."""
  columns: list
  shared: dict


def cells(run, compared):
  """The text of every column: {column: str}, '' where there is nothing.

  Args:
    run: the name of the run.
    compared: a `comparison.Comparison`.
  """
  ours, entry = compared.ours, glossary.metric(compared.metric)
  found = {'run': run, 'protocol': compared.protocol,
           'metric': entry.title + _ARROWS[entry.better],
           'paper': '; '.join(number.printed for number in compared.paper)}
  if ours:
    interval = math.isfinite(ours.low) and math.isfinite(ours.high)
    found.update({
        'split': ours.split, 'ours': page.with_deviation(ours.value, ours.std),
        'interval': f'{page.number(ours.low)} to {page.number(ours.high)}' if interval else '',
        'floor': page.number(ours.floor) if math.isfinite(ours.floor) else '',
        'step': f'{ours.step:,}' if ours.step else '', 'videos': f'{ours.examples:,}',
        'network': ours.network, 'note': ours.note})
  return {column: found.get(column, '') for column in COLUMNS}


def narrow(rows):
  """Which columns a table of rows shows, and what all rows share, as `Narrow`.

  Args:
    rows: a list of results of `cells`. Rows without a value of ours don't count.
  """
  columns, shared = [], {}
  for column in COLUMNS:
    values = {row[column] for row in rows if row[column] and (row['ours'] or column != 'split')}
    if column in _SHARED and len(values) == 1 and all(
        row[column] for row in rows if row['ours'] or column in ('run', 'protocol')):
      shared[column] = values.pop()
    elif values:
      columns.append(column)
  return Narrow(columns, shared)


def sentence(shared):
  """'All rows: run a, test split, step 2,000, 16 videos, i3d@1a2b.'; '' if they share nothing."""
  words = {'run': 'run {}', 'protocol': 'protocol {}', 'split': '{} split', 'step': 'step {}',
           'videos': '{} videos', 'network': 'network {}', 'note': '{}'}
  parts = [words[column].format(value) for column, value in shared.items()]
  return f'All rows: {", ".join(parts)}.' if parts else ''


def csv_text(runs):
  """All values with all digits, a row each.

  Args:
    runs: a list of `summary.Run`.

  Returns:
    str, which begins with the names of the columns.
  """
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(_CSV)
  for run in runs:
    for compared in run.comparisons:
      writer.writerow([files.for_spreadsheets(field) for field in _fields(run.name, compared)])
  return text.getvalue()


def _fields(run, compared):
  ours, found = compared.ours, {'run': run, 'protocol': compared.protocol,
                                'metric': compared.metric}
  if ours:
    found.update({name: _plain(getattr(ours, name)) for name in (
        'split', 'value', 'std', 'low', 'high', 'floor', 'step', 'network', 'note', 'commit',
        'time', 'command', 'warnings')}, videos=str(ours.examples))
  for number in compared.paper[:1]:
    found.update(paper=_plain(number.value), paper_std=_plain(number.std),
                 paper_source=number.source)
  return [found.get(name, '') for name in _CSV]


def _plain(value):
  if isinstance(value, float) and math.isnan(value):
    return ''
  return value if isinstance(value, str) else repr(value)


def markdown(runs):
  """The table in Markdown; see `csv_text` for the arguments."""
  rows, found = _rows(runs)
  line = lambda fields: f'| {" | ".join(fields)} |\n'
  escaped = lambda text: text.replace('|', r'\|')
  text = line(found.columns) + line(['---'] * len(found.columns))
  text += ''.join(line([escaped(row[column]) for column in found.columns]) for row in rows)
  shared = sentence(found.shared)
  return text + (f'\n{shared}\n' if shared else '')


def latex(runs):
  """The table in LaTeX, for the package booktabs; see `csv_text` for the arguments."""
  rows, found = _rows(runs)
  escaped = lambda text: ''.join(_LATEX.get(letter, letter) for letter in text)
  line = lambda fields: f'{" & ".join(map(escaped, fields))} \\\\\n'
  shared = sentence(found.shared)
  return (f'\\begin{{tabular}}{{{"l" * len(found.columns)}}}\n\\toprule\n{line(found.columns)}'
          '\\midrule\n' + ''.join(line([row[column] for column in found.columns]) for row in rows)
          + '\\bottomrule\n\\end{tabular}\n' + (f'% {shared}\n' if shared else ''))


def _rows(runs):
  rows = [cells(run.name, compared) for run in runs for compared in run.comparisons]
  return rows, narrow(rows)
