"""Our numbers beside the paper's: what belongs together, which rows count, how it looks."""

import re

import pytest

from tf_videogen.model_directory import results
from tf_videogen.reporting import comparison
from tf_videogen.reporting import paper_numbers
from tf_videogen.reporting import summary

NETWORK, RANDOM = 'i3d@1a2b', 'random-network, not comparable'


def _ours(metric='fvd', value=1., step=10, protocol='p', network=NETWORK, split='test', **more):
  return results.Result(step, split, metric, value, protocol=protocol, network=network, **more)


def _printed(metric='fvd', value=2., protocol='p', **more):
  return paper_numbers.PaperNumber(
      protocol, metric, value, float('nan'), str(value), 'Table 1, Ours', **{'note': '', **more})


def _pairs(*arguments, **more):
  return [(row.protocol, row.metric, row.ours and row.ours.value, [n.value for n in row.paper])
          for row in comparison.compare(*arguments, **more)]


def test_only_the_same_protocol_and_metric_are_compared():
  rows = [_ours(protocol=''), _ours('ssim'), _ours(), _ours(protocol='q')]
  numbers = [_printed(protocol='r'), _printed(value=2.), _printed(value=3.), _printed('is')]
  assert _pairs(rows, numbers) == [
      ('p', 'ssim', 1., []), ('p', 'fvd', 1., [2., 3.]), ('p', 'is', None, [2.]),
      ('q', 'fvd', 1., []), ('r', 'fvd', None, [2.])]
  assert _pairs([], []) == []


def test_given_numbers_stand_in_for_the_papers():
  rows = [_ours(), _ours('ssim', split='valid'), _ours('psnr')]
  numbers = [_printed(), _printed('is')]
  given = {'fvd': 7., ('valid', 'ssim'): 8., ('test', 'psnr'): 0., 'is': 9., ('valid', 'fvd'): 1.}
  assert _pairs(rows, numbers, given) == [
      ('p', 'fvd', 1., [7.]), ('p', 'ssim', 1., [8.]), ('p', 'psnr', 1., [0.]),
      ('p', 'is', None, [9.])]
  assert 'given with --paper' in comparison.compare(rows, numbers, given)[0].paper_html()


@pytest.mark.parametrize('rows,kept', [
    ([_ours(value=1.), _ours(value=2.)], [2.]),
    ([_ours(value=1., step=20), _ours(value=2., step=10)], [1.]),
    ([_ours(value=1.), _ours(value=2., network='i3d@other')], [1., 2.]),
    ([_ours(value=1.), _ours(value=2., split='valid')], [1., 2.]),
    ([_ours(value=1.), _ours(value=2., network=RANDOM)], [1.]),
    ([_ours(value=1., network=RANDOM), _ours(value=2., step=20)], [2.]),
    ([_ours(value=1.), _ours(value=2., network=RANDOM, step=20)], [1., 2.]),
    ([_ours(value=1.), _ours(value=2., network=f'c3d@1a2b, {RANDOM}')], [1.]),
    ([_ours(value=1., network=RANDOM)], [1.]), ([_ours(protocol='')], [])])
def test_which_rows_count(rows, kept):
  assert [row.value for row in comparison.latest(rows)] == kept


def _cells(*compared):
  text = summary.Summary([summary.Run('my_run', '1-run', list(compared))]).html()
  return text, [dict(re.findall(r'data-column="(\w+)">(.*?)</td>', row))
                for row in re.findall(r'<tr[^>]* data-item.*?</tr>', text)]


def test_a_row_of_the_summary():
  text, (row,) = _cells(*comparison.compare(
      [_ours(value=104.23, std=3.456, step=2000, examples=256, note='20 <trials>')],
      [_printed(note='another <set>')], varied=('STEPS=3',)))
  assert list(row) == ['metric', 'ours', 'paper']
  assert '<b>FVD</b>' in row['metric'] and '<b>104.2 ± 3.5</b>' in row['ours']
  for part in ('<b>2.0</b>', 'Table 1, Ours', 'another &lt;set&gt;', 'varied: STEPS=3'):
    assert part in row['paper']
  assert ('All rows: run my_<wbr>run, protocol p, test split, step 2,000, 256 videos, network '
          'i3d<wbr>@1a2b, 20 &lt;trials&gt;.') in text
  assert 'badge' not in text and 'incomparable' not in text


def test_random_networks_say_so():
  text, rows = _cells(*comparison.compare([_ours(network=RANDOM)], [_printed()]))
  assert '<span class="badge">random-network, not comparable</span>' in rows[0]['ours']
  assert 'network' not in rows[0] and '<tr class="incomparable"' in text


def test_what_is_missing_is_a_dash():
  _, (ours, paper) = _cells(*comparison.compare([_ours()], [_printed('is')], varied=('STEPS=3',)))
  dash = '<span class="none">–</span>'
  assert ours['paper'] == dash and paper['ours'] == dash
  assert 'varied' not in ours['paper'] + paper['paper']


def test_columns_tell_what_rows_do_not_share():
  rows = [_ours(step=2000, examples=256), _ours(metric='is', examples=64, network='c3d@3c')]
  text, (fvd, inception) = _cells(*comparison.compare(rows, []))
  assert fvd['network'] == 'i3d<wbr>@1a2b' and inception['network'] == 'c3d<wbr>@3c'
  assert (fvd['videos'], inception['videos']) == ('256', '64') and 'protocol p' in text


def test_without_protocols_there_is_no_summary():
  assert summary.Summary([summary.Run('a', 'b', [])]).html() == ''
