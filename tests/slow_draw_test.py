"""The sample of slow tests: its length, that a word draws it, and that all get their turn."""

import sys

import pytest

from tests import processes
from tests import slow_draw

TESTS = [f'a_test.py::test_{i}' for i in range(20)] + [
    f'a_test.py::test_cases[{i}]' for i in range(10)]
_OF_TWO = '''
import pytest
@pytest.mark.slow
@pytest.mark.parametrize('i', range(4))
def test_a(i):
  pass
def test_b():
  pass
'''


@pytest.fixture(name='table', autouse=True)
def _table(tmp_path, monkeypatch):
  monkeypatch.setattr(slow_draw, 'TABLE', tmp_path / 'seconds.csv')
  slow_draw.record({test: 100.0 for test in TESTS[:10] + TESTS[20:]})
  return slow_draw.TABLE


def _seconds(drawn):
  return sum(60.0 if test in TESTS[10:20] else 100.0 for test in drawn)


def test_a_sample_fills_its_time_and_its_word_draws_it():
  first = slow_draw.draw(TESTS, 'first', 10)
  assert first == slow_draw.draw(TESTS[::-1], 'first', 10) != slow_draw.draw(TESTS, 'second', 10)
  assert 540 < _seconds(first) <= 600


def test_all_get_their_turn():
  """Also one that takes longer than the sample: alone."""
  slow_draw.record({TESTS[0]: 5000.0})
  drawn = [slow_draw.draw(TESTS, f'word {i}', 10) for i in range(200)]
  assert set().union(*drawn) == set(TESTS)
  assert {len(sample) for sample in drawn if TESTS[0] in sample} == {1}


def test_times_are_kept_by_function(table):
  assert slow_draw.read()['a_test.py::test_cases'] == slow_draw.Times(10, 1000.0)
  slow_draw.record({'a_test.py::test_cases[0]': 1.5, 'a_test.py::test_cases[1]': 2.0})
  assert slow_draw.read()['a_test.py::test_cases'] == slow_draw.Times(2, 3.5)
  assert slow_draw.read()['a_test.py::test_0'] == slow_draw.Times(1, 100.0)
  lines = table.read_text().splitlines()
  assert lines[0] == 'test,cases,seconds' and lines[1:] == sorted(lines[1:])


def test_every_test_of_the_committed_table_exists(monkeypatch):
  monkeypatch.undo()
  for test in slow_draw.read():
    path, *names = test.split('::')  # of a function, or of a class and its function, its own or not
    kind = 'def' if len(names) == 1 else 'class'
    assert f'{kind} {names[0]}(' in (processes.ROOT / path).read_text(), test


def test_the_options_of_pytest(tmp_path):
  """A sample of one test, drawn and recorded by the command that CI uses."""
  (tmp_path / 'conftest.py').write_text((processes.ROOT / 'conftest.py').read_text() + (
      f'\nslow_draw.TABLE = pathlib.Path({str(tmp_path / "seconds.csv")!r})\n'
      'def pytest_sessionstart(session): pass\n'))
  (tmp_path / 'a_test.py').write_text(_OF_TWO)
  (tmp_path / 'pytest.ini').write_text((processes.ROOT / 'pytest.ini').read_text())
  done = processes.run(
      sys.executable, '-m', 'pytest', '-v', '-p', 'no:cacheprovider', '-m', 'slow', '--draw=word',
      '--draw_minutes=1', '--record_seconds', str(tmp_path), cwd=tmp_path,
      PYTHONPATH=str(processes.ROOT))
  assert '1 passed, 4 deselected' in done.stdout, done.stdout + done.stderr
  assert '\na_test.py::test_a,1,0.0\n' in (tmp_path / 'seconds.csv').read_text()
