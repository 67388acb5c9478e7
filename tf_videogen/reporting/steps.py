"""Curves of a protocol's metrics over the checkpoints that it evaluated."""

import math

from tf_videogen.reporting import comparison
from tf_videogen.reporting import glossary
from tf_videogen.reporting import plots


def plots_over_steps(results, protocol):
  """One plot per metric that a protocol has at two steps or more.

  Values of random networks count only if there are no others of the metric.

  Args:
    results: A list of `results.Result`.
    protocol: The name of the protocol.

  Returns:
    A list of `plots.Plot`: a line per split, with bands of intervals or deviations, and the floor.
  """
  found, of_random = {}, {}
  for row in (row for row in results if row.protocol == protocol):
    random = comparison.RANDOM in row.network
    (of_random if random else found).setdefault(row.metric, {}).setdefault(
        row.split, {})[row.step] = row  # of two at one step, the later row counts
  found = {**of_random, **found}
  drawn = []
  for metric, splits in found.items():
    if all(len(rows) < 2 for rows in splits.values()):
      continue
    lines = {split: [_point(rows[step]) for step in sorted(rows)]
             for split, rows in splits.items()}
    floors = [(step, row.floor) for rows in splits.values() for step, row in sorted(rows.items())
              if math.isfinite(row.floor)]
    if len(splits) == 1 and len(floors) > 1:
      lines = {'ours': next(iter(lines.values())),
               'real against real': [(step, floor, floor, floor) for step, floor in floors]}
    drawn.append(plots.band_plot(glossary.metric(metric).title, lines, 'step'))
  return drawn


def _point(row):
  """(step, value, low, high) of a `results.Result`; NaN without an interval or a deviation."""
  if math.isfinite(row.low) and math.isfinite(row.high):
    return row.step, row.value, row.low, row.high
  return row.step, row.value, row.value - row.std, row.value + row.std
