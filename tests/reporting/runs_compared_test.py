"""Runs beside each other: the best numbers, what differs, the same colors, the same conditions."""

import numpy as np
import pytest

from tests.launch import in_process
from tests.reporting import page_test
from tf_videogen.launch import report
from tf_videogen.model_directory import results
from tf_videogen.reporting import runs_compared

CONFIG = '''
experiment.Experiment.task = @tasks.VQVAETask
experiment.Experiment.clips = @clips.FileClips()
experiment.Experiment.batch_size = {batch}
clips.FileClips.train_path = 'a/digits.npz'
'''


def _clips(seed, count=3):
  return np.random.default_rng(seed).integers(0, 256, [count, 2, 8, 8, 1]).astype(np.uint8)


def _make(model_dir, batch=8, loss=1., psnr=20., clips=3, seed=0, ids=('x', 'y', 'z'), **arrays):
  """A run's directory; its samples are all of one gray, its batch."""
  (model_dir / 'samples').mkdir(parents=True)
  (model_dir / 'config.gin').write_text(CONFIG.format(batch=batch))
  log = results.TrainingLog(str(model_dir))
  for step in range(1, 5):
    log.append(step, {'loss': loss / step, 'steps_per_second': 2.})
  for step in (2, 4):
    results.append_results(str(model_dir), step, {'test': ({'psnr': psnr + step}, 64)})
  order = [ord(name) - ord('x') for name in ids]
  np.savez(model_dir / 'samples' / 'samples.npz', data=_clips(0)[order], seed=seed,
           samples=np.full([len(ids), 2, 8, 8, 1], batch, np.uint8), ids=list(ids), **arrays)
  return model_dir


def _run(name, model_dir, **bindings):
  return runs_compared.Run(name, f'1-{name}', str(model_dir), bindings)


def _blocks(runs):
  return runs_compared.section(runs, 10**6).blocks


def test_the_page_begins_with_it(tmp_path):
  one, two = _make(tmp_path / 'one', 4), _make(tmp_path / 'two', 16, psnr=21.)
  page = tmp_path / 'page.html'
  assert in_process.run(report.main, f'--model_dir={one}', f'--model_dir={two}',
                        f'--model_dir={two}', f'--output={page}') == 0
  text = page.read_text(encoding='utf-8')
  page_test.assert_self_contained(page)
  anchors = [attributes['id'] for tag, attributes in page_test.elements(page) if tag == 'section']
  assert anchors == ['0-the-runs-compared', '1-one', '2-two']
  assert '<td>4</td><td>16</td>' in text.replace(' ', '') and '<b>25</b>' in text
  assert 'Experiment.' in text and text.count('not bound') == 0


@pytest.mark.parametrize('other', ['experiment.Experiment.task = @tasks.VideoGPTTask', ''])
def test_other_tasks_are_not_compared(tmp_path, other):
  one, two = _make(tmp_path / 'one'), _make(tmp_path / 'two')
  (two / 'config.gin').write_text(other)
  page = tmp_path / 'page.html'
  assert in_process.run(report.main, f'--model_dir={one}', f'--model_dir={two}',
                        f'--output={page}') == 0
  assert 'runs compared' not in page.read_text(encoding='utf-8')


def test_levels_are_compared_with_those_of_another_cascade(tmp_path):
  for cascade in ('one', 'two'):
    for level in ('level1', 'level2'):
      _make(tmp_path / cascade / level)
    (tmp_path / cascade / 'cascade.json').write_text('{"levels": ["a.gin", "b.gin"]}')
  page = tmp_path / 'page.html'
  flags = [f'--model_dir={tmp_path / "one"}', f'--output={page}']
  assert in_process.run(report.main, *flags) == 0
  assert 'runs compared' not in page.read_text(encoding='utf-8')
  assert in_process.run(report.main, *flags, f'--model_dir={tmp_path / "two"}') == 0
  text = page.read_text(encoding='utf-8')
  for level in ('level1', 'level2'):
    assert f'VQVAE {level}: the runs compared</h2>' in text


def test_numbers_and_differences(tmp_path):
  runs = [_run('one', _make(tmp_path / 'one'), a='1', b='2'),
          _run('two', _make(tmp_path / 'two', psnr=10.), a='1', b='3', c='4')]
  numbers, differences, *_ = _blocks(runs)
  assert [row[1:] for row in differences.rows] == [['2', '3'], ['not bound', '4']]
  steps, time, psnr = numbers.rows
  assert steps[1:] == ['4', '4'] and time[1:] == ['2 s', '2 s']
  assert psnr[1:] == ['<b>24</b>', '14'] and numbers.text == 'All values: step 4 · 64 clips.'


def test_of_other_numbers_of_clips_none_is_the_best(tmp_path):
  runs = [_run('one', _make(tmp_path / 'one')), _run('two', _make(tmp_path / 'two', psnr=10.))]
  results.append_results(runs[0].model_dir, 4, {'test': ({'psnr': 30.}, 32)})
  assert '<b>' not in ''.join(_blocks(runs)[0].rows[2][1:])


def test_every_network_has_a_row_of_its_own(tmp_path):
  """A later value of random weights does not stand where a published network's is compared."""
  runs = [_run(name, _make(tmp_path / name)) for name in ('one', 'two')]
  for run, value in zip(runs, (90., 80.)):
    results.append_rows(run.model_dir, [results.Result(
        4, 'test', 'fvd', value, examples=9, protocol='p', network='i3d_kinetics400@1a2b')])
  results.append_rows(runs[0].model_dir, [results.Result(
      4, 'test', 'fvd', 3., examples=9, protocol='p', network='random-network, not comparable')])
  published, random = _blocks(runs)[0].rows[3:]
  assert published[1].startswith('90<') and published[2].startswith('<b>80</b>')
  assert 'test · p · i3d_kinetics400@1a2b' in published[0]
  assert random[1].startswith('3<') and random[2] == '–' and 'random-network' in random[0]


@pytest.mark.parametrize('bindings, values', [
    ({'FileClips.test_path': 'other.npz'}, (20., 10.)), ({}, (float('nan'), 10.))])
def test_of_other_data_or_no_number_none_is_the_best(tmp_path, bindings, values):
  one, two = (_make(tmp_path / name, psnr=value) for name, value in zip(('one', 'two'), values))
  runs = [_run('one', one, **{'FileClips.test_path': 'a.npz'}),
          _run('two', two, **{'FileClips.test_path': 'a.npz', **bindings})]
  assert '<b>' not in ''.join(_blocks(runs)[0].rows[2][1:])


def test_curves_have_a_color_for_every_run(tmp_path):
  runs = [_run('one', _make(tmp_path / 'one')), _run('two', _make(tmp_path / 'two'))]
  plots = _blocks(runs)[2].plots
  assert [plot.title for plot in plots] == ['Loss', 'Steps per second', 'PSNR, dB, test']
  colors = {tuple(plot.legend) for plot in plots}
  assert len(colors) == 1 and [name for name, _ in colors.pop()] == ['one', 'two']


def test_rows_have_the_same_conditions(tmp_path):
  """Whatever their order, and as often as both have them."""
  one = _make(tmp_path / 'one', 4, ids=('x', 'y', 'x', 'z'))
  two = _make(tmp_path / 'two', 16, ids=('z', 'x', 'x', 'x'), conditioning_frames=1)
  gallery, = _blocks([_run('one', one), _run('two', two)])[3:]
  assert list(gallery.videos) == ['data', 'one', 'two']
  np.testing.assert_array_equal(gallery.videos['data'], _clips(0)[[0, 0, 2]])
  assert (gallery.videos['one'] == 4).all() and gallery.videos['two'].shape == (3, 2, 8, 8, 1)
  text = gallery.html()
  assert text.count('class="clip"') == 3 * 3 and text.count('class="pixels"') == 3
  assert '<b>one</b>' in text


def test_other_seeds_and_conditions_are_said(tmp_path):
  one = _make(tmp_path / 'one')
  for name, how, words in (('two', {'seed': 1}, 'different seeds'),
                           ('three', {'ids': ()}, 'different conditions')):
    said, = _blocks([_run('one', one), _run(name, _make(tmp_path / name, **how))])[3:]
    assert words in said.text


def test_previews_show_the_same_clips(tmp_path):
  runs = []
  for name in ('one', 'two', 'three'):
    folder = tmp_path / name / 'previews'
    folder.mkdir(parents=True)
    np.savez(folder / 'test.npz', data=_clips(int(name == 'three')), reconstructions=_clips(5))
    runs.append(_run(name, tmp_path / name))
  gallery, = _blocks(runs[:2])[3:]
  assert list(gallery.videos) == ['data', 'one', 'two']
  assert 'reconstructions of the test split' in gallery.title
  assert not _blocks(runs)[3:]
