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


def _drawn_by_pytest(folder, tests, *options):
  """What a pytest of its own prints of a folder's tests, by the command that CI uses."""
  (folder / 'conftest.py').write_text((processes.ROOT / 'conftest.py').read_text() + (
      f'\nslow_draw.TABLE = pathlib.Path({str(folder / "seconds.csv")!r})\n'
      'def pytest_sessionstart(session): pass\n'))
  (folder / 'a_test.py').write_text(tests)
  (folder / 'pytest.ini').write_text((processes.ROOT / 'pytest.ini').read_text())
  return processes.run(
      sys.executable, '-m', 'pytest', '-v', '-rs', '-p', 'no:cacheprovider', '-m', 'slow',
      '--draw=word', *options, str(folder), cwd=folder, PYTHONPATH=str(processes.ROOT)).stdout


def test_a_sample_is_drawn_and_recorded(tmp_path):
  said = _drawn_by_pytest(tmp_path, _OF_TWO, '--draw_minutes=1', '--record_seconds')
  assert '1 passed, 4 deselected' in said, said
  assert '\na_test.py::test_a,1,0.0\n' in (tmp_path / 'seconds.csv').read_text()


@pytest.mark.parametrize('options', [(), ('-n', '2')], ids=['one process', 'two'])
def test_no_test_is_begun_after_the_time_of_the_sample(table, tmp_path, options):
  slow_draw.record({f'a_test.py::test_a[{i}]': 0.1 for i in range(4)})
  table.rename(tmp_path / 'seconds.csv')
  said = _drawn_by_pytest(tmp_path, _OF_TWO.replace('  pass', '  __import__("time").sleep(1)'),
                          '--draw_minutes=0.01', *options)
  begun = len(options) or 1
  assert f'{begun} passed, {4 - begun} skipped' in said, said
  assert 'the 0.01 minutes of the sample are over' in said
