"""Medians of times, and figures that are printed as soon as they are known."""

import statistics
import sys
import time


class Figures(dict):
  """Figures by name. Each is rounded to four digits and printed on stderr when it is set."""

  def __setitem__(self, name, value):
    super().__setitem__(name, float(f'{value:.4g}'))
    print(f'{name}: {self[name]}', file=sys.stderr, flush=True)


def seconds(function, repeats):
  """The median time of `repeats` calls, in seconds.

  Two more calls come first, which compile and warm up and are not counted. A slow function is
  called less often: three counted calls are enough if they took more than half a minute.
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
