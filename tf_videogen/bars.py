"""Progress bars of all floors."""

import sys


def interval():
  """Seconds between two drawings of a bar: often on a terminal, seldom in a log file."""
  return 0.5 if sys.stderr.isatty() else 20.0
