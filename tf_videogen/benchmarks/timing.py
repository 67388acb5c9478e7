"""Medians of times, and figures that are printed as they come."""

import statistics
import sys
import time


class Figures(dict):
  """Figures by name, printed on stderr as they come."""

  def __setitem__(self, name, value):
    super().__setitem__(name, float(f'{value:.4g}'))
    print(f'{name}: {self[name]}', file=sys.stderr, flush=True)


def seconds(function, repeats):
  """The median time of a call; the first two, which compile and warm up, are not counted.

  Of calls that take long there are fewer: three, once they took half a minute.
  """
  times = []
  for i in range(repeats + 2):
    start = time.perf_counter()
    function()
    if i > 1:
      times.append(time.perf_counter() - start)
      if len(times) >= 3 and sum(times) > 30:
        break
  return round(statistics.median(times), 4)
