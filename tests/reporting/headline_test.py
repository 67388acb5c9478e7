"""The top of a page: which number, beside what, its scale and its warnings."""

import re

import numpy as np
import pytest

from tests.reporting import full_runs
from tf_videogen.model_directory import results
from tf_videogen.reporting import comparison
from tf_videogen.reporting import headline
from tf_videogen.reporting import scale


def _row(metric='fvd', value=100., protocol='p', step=10, network='i3d@1a', **other):
  return results.Result(step, 'test', metric, value, examples=16, protocol=protocol,
                        network=network, **other)


def _top(**runs):
  """The headline of runs, a list of rows each."""
  return headline.headline([(name, f'/not/there/{name}', comparison.compare(rows, []))
                            for name, rows in runs.items()])


@pytest.mark.parametrize('rows,metric', [
    ([_row('ssim'), _row('fvd')], 'fvd'), ([_row('ssim'), _row('fid')], 'fid'),
    ([_row('ssim'), _row('fvd', network='random-network, x')], 'ssim'),
    ([_row('fvd', float('nan')), _row('ssim')], 'ssim'),
    ([_row('fvd', protocol='p_copy_last_frame'), _row('ssim')], 'ssim')])
def test_the_first_metric_that_can_be_compared(rows, metric):
  assert _top(run=rows).entries[0].compared.metric == metric


def test_the_best_run_comes_first():
  top = _top(a=[_row(value=100.)], b=[_row(value=90.)], c=[_row(value=80., protocol='other')])
  assert [entry.name for entry in top.entries] == ['b', 'a']
  top = _top(a=[_row('is', 7.)], b=[_row('is', 9.)])
  assert [entry.name for entry in top.entries] == ['b', 'a']


def test_several_sides_of_one_comparison_are_told_by_their_folders():
  rows = [_row(value=value, protocol=f'folders_{name}', gin_sha='ab')
          for name, value in (('one', 5.), ('two', 4.))]
  assert [entry.name for entry in _top(run=rows).entries] == ['two', 'one']


def test_nothing_is_no_headline():
  assert _top(run=[]).html() == _top(run=[_row('unknown')]).html() == ''


def test_values_of_training_do_without_a_protocol():
  rows = [_row('psnr', 20., '', 10), _row('psnr', 21., '', 20), _row('ssim', 0.5, '', 20)]
  top = headline.headline([('run', '/not/there', comparison.of_training(rows, {'ssim': 0.75}))])
  text = top.html()
  assert '>0.5 <' in text and '0.75' in text and 'given with --paper' in text


def test_of_many_runs_the_best_are_on_the_scale():
  top = _top(**{f'r{i}': [_row(value=100. - i)] for i in range(8)}).html()
  assert re.findall('(r\\d) <b>', top) == ['r7', 'r6', 'r5', 'r4', 'r3', 'r2']
  assert 'The best 6 of 8 are shown.' in top


def test_warnings_are_said_once():
  few = results.WARNINGS.join(['few', 'fvd is left out'])
  top = _top(a=[_row(warnings=few)], b=[_row(warnings='few')])
  assert re.findall('<li>(.*?)</li>', top.html()) == ['few', 'fvd is left out']
  random = _top(a=[_row(network='random-network, x')]).html()
  assert 'random weights' in random and 'not comparable' in random


def test_real_videos_stand_beside_those_of_two_runs(tmp_path):
  runs = {name: full_runs.make(tmp_path / name, fvd=fvd, size=16)
          for name, fvd in (('a', 120.), ('b', 110.), ('c', 130.))}
  text = headline.headline([
      (name, str(run), comparison.compare(results.read_results(str(run)), []))
      for name, run in runs.items()]).html()
  assert re.findall('<figcaption><b>(.*?)</b>', text) == ['Real', 'Generated: b', 'Generated: a']
  assert text.count('data-name') == 5 and text.count('data-against') == 10
  path = runs['b'] / 'evaluations' / 'videogpt_bair' / 'videos.npz'
  with np.load(path) as arrays:
    arrays = {name: arrays[name] for name in ('data', 'samples')}
  np.savez(path, **arrays)  # They are no pairs any more: nothing is subtracted.
  assert 'data-against' not in headline.headline([
      ('b', str(runs['b']), comparison.compare(results.read_results(str(runs['b'])), []))]).html()


def _places(text):
  """{class of a line, or name of an end: its place in per cent}."""
  dots = re.findall(r'<div class="(\w+)">.*?class="dot" style="left: ([\d.]+)%', text)
  ends = re.findall(r'<i style="left: ([\d.]+)%"></i><span[^>]*>([a-z ]+)', text)
  return {**{kind: float(x) for kind, x in dots},
          **{name.strip(): float(x) for x, name in ends}}


def test_a_scale_goes_from_the_floor_to_the_copies():
  rows = [_row(value=150., floor=50., low=140., high=160.),
          _row(value=250., protocol='p_copy_last_frame')]
  compared = comparison.compare(rows, [], {'fvd': 100.})
  text = scale.of(compared[:1], ['ours'], compared)
  assert _places(text) == {'ours': 50., 'paper': 25., 'real against real': 0.,
                           'last frame copied': 100.}
  assert 'left: 45.00%; width: 10.00%' in text  # the interval
  assert scale.of(compared[1:], ['ours'], compared) == ''  # a baseline needs no scale


def test_a_scale_ends_where_the_data_do():
  text = scale.scale([scale.Mark('a', 3.), scale.Mark('b', 5., 4., 7.),
                      scale.Mark('c', float('nan'))], 'FVD')
  assert re.findall(r'"dot" style="left: ([\d.]+)%', text) == ['0.00', '50.00']
  assert scale.scale([scale.Mark('a', 3.), scale.Mark('b', 3.)], 'FVD') == ''


def test_the_paper_prints_the_end_of_kinetics():
  protocol = 'trivd_gan_kinetics600_validation'
  compared = comparison.compare([_row(value=100., protocol=protocol)], [])
  ends = {mark.name: mark.value for mark in scale.ends(compared[0], compared)}
  assert ends == {'identical': 0., 'last frame copied': 330.}
