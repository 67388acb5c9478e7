"""Numbers as CSV, Markdown and LaTeX: every digit, or what is to be read."""

import csv
import io

from tests.launch import in_process
from tests.reporting import full_runs
from tf_videogen.launch import report
from tf_videogen.model_directory import results
from tf_videogen.reporting import comparison
from tf_videogen.reporting import paper_numbers
from tf_videogen.reporting import steps
from tf_videogen.reporting import summary
from tf_videogen.reporting import tables


def _row(metric, value, **other):
  return results.Result(10, 'test', metric, value, examples=16, protocol='p_q', **other)


def _run(*rows, name='a_run', paper=()):
  return summary.Run(name, '1-a', comparison.compare(list(rows), list(paper)))


PAPER = paper_numbers.PaperNumber('p_q', 'fvd', 94.5, 2., '94.5 ± 2', 'Table 1, ours', '')


def test_csv_has_every_digit_and_the_command():
  run = _run(_row('fvd', 1 / 3, low=0.25, command="python -m launch.some '--a=b c'"),
             paper=[PAPER])
  row, = csv.DictReader(io.StringIO(tables.csv_text([run])))
  assert float(row['value']) == 1 / 3 and float(row['low']) == 0.25
  assert row['std'] == row['high'] == '' and row['command'] == "python -m launch.some '--a=b c'"
  assert (row['run'], row['paper'], row['paper_std']) == ('a_run', '94.5', '2.0')


def test_markdown_leaves_out_what_is_empty_or_shared():
  run = _run(_row('fvd', 100., floor=40.), _row('ssim', 0.5), paper=[PAPER])
  assert tables.markdown([run]).splitlines() == [
      '| metric | ours | floor | paper |', '| --- | --- | --- | --- |',
      '| FVD ↓ | 100 | 40 | 94.5 ± 2 |', '| SSIM ↑ | 0.5 |  |  |', '',
      'All rows: run a_run, protocol p_q, test split, step 10, 16 videos.']


def test_latex_is_escaped():
  lines = tables.latex([_run(_row('fvd', 100., std=1.5), name='a_b & c%'),
                        _run(_row('fvd', 90., std=1.5), name='d')]).splitlines()
  assert lines[0] == r'\begin{tabular}{lll}' and lines[2] == r'run & metric & ours \\'
  assert lines[4] == r'a\_b \& c\% & FVD $\downarrow$ & 100.0 $\pm$ 1.5 \\'
  assert lines[-2] == r'\end{tabular}' and lines[-1].startswith('% All rows: protocol p_q')


def test_the_summary_has_no_empty_column_and_says_once_what_is_shared():
  text = summary.Summary([_run(_row('fvd', 100., note='5 trials'),
                               _row('ssim', 0.5, note='5 trials'))]).html()
  assert [word for word in tables.COLUMNS if f'<th>{word}</th>' in text] == ['metric', 'ours']
  assert 'run a_<wbr>run, protocol p_<wbr>q, test split, step 10, 16 videos, 5 trials.' in text
  assert text.count('<table') == 1 and text.split('<details>')[0].count('5 trials') == 1


def test_protocols_of_the_paper_alone_are_left_out():
  other = PAPER._replace(protocol='other')
  assert [row.protocol for row in _run(_row('fvd', 1.), paper=[other]).measured().comparisons] == [
      'p_q']
  assert _run(paper=[other]).measured().comparisons  # Nothing else is there.


def test_the_program_writes_tables(tmp_path):
  run = full_runs.make(tmp_path / 'run', size=16)
  assert in_process.run(report.main, f'--model_dir={run}', f'--tables={tmp_path / "tables"}') == 0
  found = {path.name: path.read_text(encoding='utf-8')
           for path in (tmp_path / 'tables').iterdir()}
  assert found.keys() == {'numbers.csv', 'numbers.md', 'numbers.tex'}
  assert 'launch.evaluate' in found['numbers.csv'] and '103.6 ± 2.0' in found['numbers.md']
  page = (run / 'report.html').read_text(encoding='utf-8')
  assert 'These numbers again' in page and 'launch.evaluate --gin_file=evaluation/' in page


def _plots(*rows):
  return [(plot.title, [name for name, _ in plot.legend])
          for plot in steps.plots_over_steps(list(rows), 'p_q')]


def test_a_metric_has_a_curve_over_checkpoints():
  first, second = _row('fvd', 200., floor=40.), _row('fvd', 100., floor=40.)._replace(step=20)
  assert _plots(first, second, _row('ssim', 0.5)) == [('FVD', ['ours', 'real against real'])]
  assert _plots(first, first._replace(value=150.)) == []
  train = [row._replace(split='train') for row in (first, second)]
  assert _plots(first, second, *train) == [('FVD', ['test', 'train'])]


def test_random_networks_have_no_point_on_the_curve_of_others():
  random = _row('fvd', 1e4, network='random-network, x')
  assert _plots(random, _row('fvd', 100.)._replace(step=20)) == []
  assert len(_plots(random, random._replace(step=20))) == 1
