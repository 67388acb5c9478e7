"""Slow tests: how long they take, and a sample of them that is drawn by a word.

    launch/test.sh -m slow --draw=WORD --draw_minutes=20
    launch/test.sh -m slow --record_seconds

The first command draws as many slow tests as take so many minutes one after the other. Another
word, such as another commit's hash, draws another sample. Once so many minutes have passed, as on a
slow machine, no further test is begun: those that are left are skipped, and say so. The second
command runs all slow tests and keeps their times in slow_seconds.csv.
"""

import collections
import csv
import hashlib
import io
import pathlib
import typing

TABLE = pathlib.Path(__file__).with_name('slow_seconds.csv')
_UNKNOWN = 60.0  # seconds of a test that the table doesn't have


class Times(typing.NamedTuple):
  """What the cases of a test function take: how many there are, and seconds of all."""
  cases: int
  seconds: float


def function_of(test):
  """The test function of a test's id, without the parameters of a case."""
  return test.partition('[')[0]


def read():
  """The table: {test function: Times}."""
  if not TABLE.exists():
    return {}
  with open(TABLE, newline='', encoding='utf-8') as f:
    return {row['test']: Times(int(row['cases']), float(row['seconds']))
            for row in csv.DictReader(f)}


def draw(tests, word, minutes):
  """A sample of tests that takes so many minutes, one test after the other.

  A test that takes longer than that counts as the whole time: it has its turn alone.

  Args:
    tests: ids.
    word: what draws.
    minutes: of the sample.

  Returns:
    The ids that are drawn, a set.
  """
  times, left, drawn = read(), 60.0 * minutes, set()
  for test in sorted(tests, key=lambda test: hashlib.sha256(f'{word} {test}'.encode()).digest()):
    known = times.get(function_of(test), Times(1, _UNKNOWN))
    seconds = min(known.seconds / known.cases, 60.0 * minutes)
    if seconds <= left:
      left -= seconds
      drawn.add(test)
  return drawn


def record(seconds):
  """Keeps what tests took, {id: seconds}, in place of what the table has of their functions."""
  found = collections.defaultdict(list)
  for test, taken in seconds.items():
    found[function_of(test)].append(taken)
  rows = {**read(), **{test: Times(len(taken), sum(taken)) for test, taken in found.items()}}
  text = io.StringIO()
  writer = csv.writer(text, lineterminator='\n')
  writer.writerow(('test', *Times._fields))
  for test, times in sorted(rows.items()):
    writer.writerow((test, times.cases, f'{times.seconds:.1f}'))
  TABLE.write_text(text.getvalue(), encoding='utf-8')
