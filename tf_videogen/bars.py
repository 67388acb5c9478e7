"""How often progress bars are redrawn."""

import sys


def interval():
  """Seconds between two updates of a bar: 0.5 on a terminal, 20 in a log file."""
  return 0.5 if sys.stderr.isatty() else 20.0
