"""A scale for one metric: ours and the paper's between real videos and copies of the last frame."""

import html
import math
import typing

from tf_videogen.reporting import page


class Mark(typing.NamedTuple):
  """A value on a scale: its name, the value, its interval (NaN if it has none), and its kind.

  `kind` is 'ours', 'paper' or 'end'. Ends are the floor and the copies of the last frame.
  """
  name: str
  value: float
  low: float = math.nan
  high: float = math.nan
  kind: str = 'ours'


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
