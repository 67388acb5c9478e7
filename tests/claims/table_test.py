"""claims.csv: its rows, and the table of verdicts that is made of them."""

import numpy as np
import pytest

from tf_videogen.claims import claim as claim_lib
from tf_videogen.claims import clip_measures
from tf_videogen.claims import table


def _claim():
  arms = [claim_lib.Arm(name, 'a.gin') for name in ('one', 'two')]
  measure = clip_measures.TaskMetric('nmse')
  return claim_lib.Claim('It is so.', 'A paper, Table 1', '1 and 2', measure, 'lower', arms)


def _runs(seeds=3):
  return {name: [{'values': np.array([value, value + .02]) + .001 * seed, 'seconds': 60.}
                 for seed in range(seeds)] for name, value in (('one', .1), ('two', .3))}


def test_rows():
  *runs, difference, verdict = table.rows('a_claim', _claim(), _runs())
  assert [(row.arm, row.seed) for row in runs] == [
      ('one', 0), ('one', 1), ('one', 2), ('two', 0), ('two', 1), ('two', 2)]
  assert [row.value for row in runs[:2]] == pytest.approx([.11, .111])
  assert (difference.arm, difference.verdict) == ('two', 'seen')
  assert difference.value == pytest.approx(-.2)
  assert (verdict.kind, verdict.verdict, verdict.seconds) == ('claim', 'seen', 360)


def test_one_seed_has_no_verdict():
  assert {row.kind for row in table.rows('a_claim', _claim(), _runs(1))} == {'run'}


def test_what_is_written_is_read(tmp_path):
  path, rows = tmp_path / 'claims.csv', table.rows('b', _claim(), _runs())
  path.write_text(table.text(rows))
  assert table.text(table.read(str(path))) == path.read_text()
  assert table.read(str(tmp_path / 'none.csv')) == []
  newer = table.replaced(table.read(str(path)), table.rows('a', _claim(), _runs(1)))
  assert [row.claim for row in newer] == ['a'] * 2 + ['b'] * 8
  path.write_text('claim,kind\na,run\n')
  with pytest.raises(ValueError, match='is damaged'):
    table.read(str(path))


def test_the_table_of_verdicts():
  assert table.markdown(table.rows('a_claim', _claim(), _runs())).splitlines()[2:] == [
      '| `a_claim` | nmse, lower is better | one: 0.111 | two: 0.311 | −0.2 (−0.2 to −0.2) '
      '| **seen** |']


def test_costs_are_rows_and_a_table_of_their_own():
  rows = table.rows('a_claim', _claim(), _runs(), {'two': (1234.5, 6.789)})
  assert [(row.arm, row.measure, row.value) for row in rows if row.kind == table.COST] == [
      ('two', 'memory_mib', 1234.5), ('two', 'work_tflop', 6.789)]
  assert len(rows) == 10 and table.markdown(rows) == table.markdown(
      table.rows('a_claim', _claim(), _runs()))
  assert table.costs_markdown(rows).splitlines()[2:] == ['| `a_claim` | two | 1,234 | 6.79 |']
  assert table.costs_markdown([row for row in rows if row.kind != table.COST]) == ''
