"""A scale for one metric: ours and the paper's between real videos and copies of the last frame.

The ends are the values of baselines, as far as they were measured or the paper prints them. A scale
ends where its values do.
"""

import html
import math
import typing

from tf_videogen.reporting import glossary
from tf_videogen.reporting import page
from tf_videogen.reporting import paper_numbers

_COPIES, _REAL = paper_numbers.BASELINES  # Endings of protocols, and of metrics.


class Mark(typing.NamedTuple):
  """A value on a scale: its name, the value, its interval (NaN if it has none), and its kind.

  `kind` is 'ours', 'paper' or 'end'. Ends are the floor and the copies of the last frame.
  """
  name: str
  value: float
  low: float = math.nan
  high: float = math.nan
  kind: str = 'ours'


def of(compared, names, others):
  """The scale of values of one metric, as HTML; '' if there is nothing to compare them with.

  Args:
    compared: A list of `comparison.Comparison` with values of ours, the best one first.
    names: Their names.
    others: A list of comparisons among which are those of baselines.
  """
  if compared[0].protocol.endswith(paper_numbers.BASELINES):
    return ''
  marks = [Mark(name, one.ours.value, one.ours.low, one.ours.high)
           for name, one in zip(names, compared)]
  marks += [Mark('the paper', number.value, number.value - number.std, number.value + number.std,
                 'paper') for number in compared[0].paper[:1]]
  return scale(marks + ends(compared[0], others), glossary.metric(compared[0].metric).title)


def ends(compared, others):
  """Real against real, and copies of the last frame, as a list of `Mark`; see `of`."""
  ours, metric, protocol = compared.ours, compared.metric, compared.protocol
  rows = [row.ours for row in others if row.ours and row.ours.network == ours.network]
  of_baseline = lambda ending: [row.value for row in rows if row.metric == metric and
                                row.protocol.endswith(ending)]
  printed = [number.value for number in paper_numbers.for_baselines()
             if (number.protocol, number.metric) == (protocol + _COPIES, metric)]
  copies = [*of_baseline(_COPIES),
            *(row.value for row in rows
              if (row.protocol, row.metric) == (protocol, metric + _COPIES)),
            *(printed if compared.comparable else [])]
  floors = [ours.floor] * math.isfinite(ours.floor) + of_baseline(_REAL)
  marks = [Mark('real against real', value, kind='end') for value in floors[:1]]
  if not marks and copies and glossary.metric(metric).better == 'lower':
    marks = [Mark('identical', 0., kind='end')]
  return marks + [Mark('last frame copied', value, kind='end') for value in copies[:1]]


def scale(marks, label):
  """The scale as HTML: one line per value, between the least and the largest of all.

  Args:
    marks: a list of `Mark`; values that are not finite are left out.
    label: the name of the metric, text.

  Returns:
    str; empty if there are not two different values.
  """
  marks = [mark for mark in marks if math.isfinite(mark.value)]
  reached = [x for mark in marks for x in (mark.value, mark.low, mark.high) if math.isfinite(x)]
  if len({mark.value for mark in marks}) < 2:
    return ''
  low, high = min(reached), max(reached)
  place = lambda value: 100 * (value - low) / (high - low)
  lines = ''.join(_line(mark, place) for mark in marks if mark.kind != 'end')
  ends = ''.join(_end(mark, place(mark.value)) for mark in marks if mark.kind == 'end')
  spoken = ', '.join(f'{mark.name} {page.number(mark.value)}' for mark in marks)
  return (f'<div class="scale" role="img" aria-label="{html.escape(f"{label}: {spoken}")}">'
          f'{lines}<div class="axis">{ends}</div></div>')


def _line(mark, place):
  """One value: its interval, its dot, and its name on the side that has more room."""
  band = ''
  if math.isfinite(mark.low) and math.isfinite(mark.high):
    left, right = place(mark.low), place(mark.high)
    band = f'<i class="band" style="left: {left:.2f}%; width: {right - left:.2f}%"></i>'
  else:
    left = right = place(mark.value)
  before = left > 100 - right
  side = f'right: {100 - left:.2f}%' if before else f'left: {right:.2f}%'
  return (f'<div class="{mark.kind}">{band}<i class="dot" style="left: {place(mark.value):.2f}%">'
          f'</i><span class="{"before" if before else "after"}" style="{side}">'
          f'{html.escape(mark.name)} <b>{page.number(mark.value)}</b></span></div>')


def _end(mark, position):
  """A tick with its name below the axis; the text stays within the scale."""
  side = f'right: {100 - position:.2f}%' if position > 50 else f'left: {position:.2f}%'
  return (f'<i style="left: {position:.2f}%"></i><span class="'
          f'{"before" if position > 50 else "after"}" style="{side}">{html.escape(mark.name)} '
          f'{page.number(mark.value)}</span>')
