"""Our numbers beside the paper's: which belong together, and how a page shows them.

A value of a protocol is compared only with the numbers that the paper prints for the same config,
protocol and metric.
"""

import html
import math
import typing

from tf_videogen.reporting import page
from tf_videogen.reporting import paper_numbers

RANDOM = 'random-network'  # Part of the name of a network of random weights.
_BADGE = '<span class="badge">random-network, not comparable</span>'


class Comparison(typing.NamedTuple):
  """A metric of a protocol: our number, and the numbers that the paper prints.

  Attributes:
    protocol: The name of the protocol.
    metric: The name of the metric.
    ours: A `results.Result`; None if it was not measured.
    paper: A list of `paper_numbers.PaperNumber`; empty if the paper prints none.
    varied: How our run differs from the config of these numbers, a tuple of str, see
      `origin.Origin.varied`.
  """
  protocol: str
  metric: str
  ours: typing.Any
  paper: list
  varied: tuple = ()

  @property
  def comparable(self):
    """Whether our number was not made by random networks."""
    return self.ours is None or RANDOM not in self.ours.network

  def ours_html(self, with_note=True):
    """Our value, its deviation and, if wanted, its note, as HTML."""
    if self.ours is None:
      return '<span class="none">–</span>'
    value = f'<b>{page.with_deviation(self.ours.value, self.ours.std)}</b>'
    note = _quiet(self.ours.note) if with_note else ''
    return value + ('' if self.comparable else _BADGE) + note

  def paper_html(self):
    """The paper's numbers, where they are printed, and how our run differs, as HTML."""
    if not self.paper:
      return '<span class="none">–</span>'
    numbers = ''.join(f'<b>{html.escape(number.printed)}</b>{_quiet(number.source)}'
                      f'{_quiet(number.note)}' for number in self.paper)
    varied = f'varied: {"; ".join(self.varied)}' if self.varied and self.ours else ''
    return numbers + (f'<span class="varied">{html.escape(varied)}</span>' if varied else '')


def compare(results, numbers, given=None, varied=()):
  """Puts the values of protocols beside the paper's numbers.

  Args:
    results: A list of `results.Result`; rows of training's own evaluations are left out.
    numbers: A list of `paper_numbers.PaperNumber`, of the config of the run.
    given: A dict of numbers that replace the paper's, by metric or by (split, metric); none if
      None.
    varied: How the run differs from that config, a tuple of str.

  Returns:
    A list of `Comparison`, grouped by protocol. In a group, the measured metrics come first, with
    one row per split and network, then the metrics that only the paper has.
  """
  given, found = given or {}, []
  rows, keys = {}, {}
  for row in latest(results):
    rows.setdefault((row.protocol, row.metric), []).append(row)
  for key in [*rows, *((number.protocol, number.metric) for number in numbers)]:
    keys.setdefault(key[0], {})[key] = None
  for protocol, metric in (key for of_protocol in keys.values() for key in of_protocol):
    printed = [number for number in numbers
               if (number.protocol, number.metric) == (protocol, metric)]
    for row in rows.get((protocol, metric), [None]):
      found.append(Comparison(
          protocol, metric, row, _given(given, protocol, metric, row) or printed, tuple(varied)))
  return found


def of_training(results, given=None):
  """The latest values that training has evaluated, without a protocol: a list of `Comparison`.

  Args:
    results: A list of `results.Result`; rows of protocols are left out.
    given: As in `compare`.
  """
  rows = {}
  for row in (row for row in results if not row.protocol):
    key = (row.metric, row.split)
    if key not in rows or row.step >= rows[key].step:
      rows[key] = row
  return [Comparison('', row.metric, row, _given(given or {}, '', row.metric, row))
          for row in rows.values()]


def latest(results):
  """The rows of protocols that count, a list of `results.Result`.

  For every protocol, metric and split, the latest step counts, and of this step the last row of
  every network. A random network counts only if no other network has its step or a later one.
  """
  steps, rows = {}, {}
  for row in results:
    if row.protocol:
      key = (row.protocol, row.metric, row.split, RANDOM in row.network)
      steps[key] = max(steps.get(key, row.step), row.step)
      rows[row.protocol, row.metric, row.split, row.network, row.step] = row

  def counts(row):
    key, random = (row.protocol, row.metric, row.split), RANDOM in row.network
    superseded = random and steps.get((*key, False), -1) >= row.step
    return row.step == steps[(*key, random)] and not superseded

  return [row for row in rows.values() if counts(row)]


def _given(given, protocol, metric, row):
  """The number of the command line that replaces the paper's, in a list; [] if there is none."""
  value = given.get(metric) if row is None else given.get((row.split, metric), given.get(metric))
  if value is None:
    return []
  return [paper_numbers.PaperNumber(
      protocol, metric, value, math.nan, page.number(value), 'given with --paper', '')]


def _quiet(text):
  return f'<span class="quiet">{html.escape(text)}</span>' if text else ''
