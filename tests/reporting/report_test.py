"""`launch.report` on synthetic model directories, as a user starts it and in parts."""

import json
import os
import pathlib
import re
from xml.etree import ElementTree

from absl import flags
from absl.testing import flagsaver
import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tests.launch import in_process
from tests.reporting import page_test
from tf_videogen.launch import cascades
from tf_videogen.launch import config_text
from tf_videogen.launch import configs
from tf_videogen.launch import report
from tf_videogen.model_directory import results
from tf_videogen.reporting import comparison
from tf_videogen.reporting import runs

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = '''from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen.data import clips

# Macros:
# ==============================================================================
SIZE = 8
BATCH_SIZE = %SIZE

experiment.Experiment.batch_size = %BATCH_SIZE
experiment.Experiment.clips = @clips.PreparedClips()
experiment.Experiment.splits = ('test', %SIZE)
experiment.Experiment.task = @tasks.VQVAETask
experiment.Experiment.train_steps = 12000
clips.PreparedClips.data_dir = '/elsewhere'
clips.PreparedClips.dataset = 'moving_digits'
'''


def _make(model_dir):
  """A model directory as training, evaluation and sampling leave it."""
  (model_dir / 'previews').mkdir(parents=True)
  (model_dir / 'samples').mkdir()
  rng = np.random.default_rng(0)
  videos = (rng.integers(0, 5, [4, 6, 16, 16, 3]) * 60).astype(np.uint8)
  np.savez(model_dir / 'previews' / 'test.npz', data=videos, reconstructions=videos)
  np.savez(model_dir / 'samples' / 'samples.npz', data=videos, samples=videos, fps=8,
           conditioning_frames=np.int32(2))
  log = results.TrainingLog(str(model_dir))
  for step in range(100, 2100, 100):
    log.append(step, {'loss': 1 / step, 'steps_per_second': 4.})
  for step in (1000, 2000):
    results.append_results(str(model_dir), step, {'test': ({'nmse': 0.25, 'psnr': 21.5}, 64)})
  (model_dir / 'config.gin').write_text(CONFIG)
  (model_dir / 'clips.json').write_text(json.dumps({
      'video': {'shape': [6, 16, 16, 3], 'dtype': 'uint8'}}))
  model = tf.Module()
  model.kernel = tf.Variable(tf.zeros([30, 41]))
  checkpoint = tf.train.Checkpoint(model=model, optimizer=tf.Variable(tf.zeros([7])))
  checkpoint.write(str(model_dir / 'ckpt-2000'))


def test_the_program_writes_a_page_of_two_runs(tmp_path, capsys):
  _make(tmp_path / 'first')
  (tmp_path / 'second').mkdir()
  results.TrainingLog(str(tmp_path / 'second')).append(1, {'loss': 1.})
  output = tmp_path / 'new' / 'page.html'
  assert in_process.run(
      report.main, f'--model_dir={tmp_path / "first"}', f'--model_dir={tmp_path / "second"}',
      f'--output={output}', '--title=My title', '--note=A note & more', '--paper=test/nmse=0.125',
      '--command=make it', f'--curves={tmp_path / "curves"}') == 0
  assert capsys.readouterr().out == f'the report is {output}\n'
  page_test.assert_self_contained(output)
  videos = [frames for _, frames in page_test.clips(output)]
  assert {len(frames) for frames in videos} == {6}
  assert len(videos) == 2 * 4 + 4 * 4  # on top, and of both galleries
  text = output.read_text(encoding='utf-8')
  for expected in ('My title', 'A note &amp; more', 'make it', '<h2>first</h2>', '<h2>second</h2>',
                   'VQVAE on moving_digits: clips of 6 frames, 16 × 16 pixels, color.',
                   '<b>1.23 k</b>', '<b>2,000</b>', '<b>8 min</b>', 'Clips of the test split',
                   '<dd>12,000</dd>', '<dd>test, 8</dd>', '0.125', 'BATCH_SIZE = %SIZE',
                   'The first 2 frames of each generated video were given'):
    assert expected in text, expected
  assert 'PreparedClips.data_dir</dt>' not in text
  assert output.stat().st_size < 1_000_000
  curves = {path.name: ElementTree.fromstring(path.read_text()).tag
            for path in (tmp_path / 'curves').iterdir()}
  assert curves == dict.fromkeys(
      ['loss.svg', 'nmse.svg', 'psnr_db.svg', 'steps_per_second.svg'],
      '{http://www.w3.org/2000/svg}svg')


def _evaluated(model_dir):
  """A run of the config of a paper, evaluated by a protocol: numbers, curves, videos."""
  _make(model_dir)
  (model_dir / 'config.gin').write_text(
      '# config: videogpt/bair_prior.gin\n# with: TRAIN_STEPS=100; VQVAE_DIR=\'a\'\n' + CONFIG)
  protocol = {'examples': 256, 'protocol': 'videogpt_bair', 'note': '20 trials', 'commit': 'c0ffee'}
  results.append_rows(str(model_dir), [
      results.Result(2000, 'test', 'fvd', 150., std=2.5, network='i3d@1a2b', **protocol),
      results.Result(2000, 'test', 'is', 7.5, network=f'{comparison.RANDOM}, no', **protocol)])
  folder = model_dir / results.EVALUATIONS / 'videogpt_bair'
  results.write_curves(str(folder / results.CURVES_FILE), [
      results.CurvePoint(2000, 'fvd_unrolled', '', i, 'first frame of the window', 100. + i)
      for i in range(3)])
  with np.load(model_dir / 'samples' / 'samples.npz') as arrays:
    videos = arrays['samples'][:1]
  np.savez(folder / results.VIDEOS_FILE, data=videos, samples=videos, samples_2=videos,
           motion=videos, conditioning_frames=1)


def test_protocols_stand_on_top_and_beside_the_paper(tmp_path):
  first, second, output = tmp_path / 'a' / 'run', tmp_path / 'b' / 'run', tmp_path / 'page.html'
  _evaluated(first)
  results.append_results(str(second), 1, {'test': ({'psnr': 20.}, 4)})
  assert in_process.run(report.main, f'--model_dir={first}', f'--model_dir={second}',
                        f'--output={output}') == 0
  page_test.assert_self_contained(output)
  text = output.read_text(encoding='utf-8')
  order = ['id="summary"', 'id="1-a-run"', 'Protocol</span> videogpt_bair',
           'Curves of videogpt_bair', 'Videos of videogpt_bair', 'Clips of the test split',
           'evaluations during training', 'id="2-b-run"']
  assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
  rows = re.findall(r'<tr[^>]* data-item data-protocol="videogpt_bair">.*?</tr>', text)
  fvd, inception, *of_paper = rows
  for part in ('150.0 ± 2.5', '103.6 ± 2.0', 'Table 4, 16 layers',
               'varied: TRAIN_STEPS=100<'):
    assert part in fvd, part
  assert 'badge' in inception and '–' in inception
  assert [re.search(r'<b>(.*?)</b>', row).group(1) for row in of_paper] == [
      'Bits per latent code', 'FVD*']
  assert 'fvd' not in re.search(r'Numbers of the evaluations.*?</table>', text).group().lower()


def test_a_cascade_in_training(tmp_path, capsys):
  """Levels that have not begun are left out; without any, there is nothing to report."""
  cascades.save(str(tmp_path), cascades.Cascade(['a.gin', 'b.gin', 'c.gin']))
  output = tmp_path / 'page.html'
  assert in_process.run(report.main, f'--model_dir={tmp_path}', f'--output={output}') == 1
  assert 'there is no model directory' in capsys.readouterr().err
  for level in (1, 2):
    results.append_results(
        cascades.directory(str(tmp_path), level), 1, {'test': ({'psnr': 20.}, 4)})
  assert in_process.run(report.main, f'--model_dir={tmp_path}', f'--output={output}') == 0
  assert re.findall('<h2>(level.)</h2>', output.read_text(encoding='utf-8')) == ['level1', 'level2']


def test_given_numbers_replace_the_papers(tmp_path):
  _evaluated(tmp_path)
  rows = {row.metric: row.paper_html() for row in report.comparisons(str(tmp_path), {'fvd': 99.5})}
  assert '99.5' in rows['fvd'] and '103.6' not in rows['fvd'] and '94.6' in rows['fvd_star']


@pytest.mark.parametrize('model_dirs,names', [
    (['runs/a'], ['a']), (['runs/a/', 'runs/b'], ['a', 'b']),
    (['x/1/run', 'x/2/run', 'x/2/other'], ['1/run', '2/run', '2/other']),
    (['a/b', 'a/b'], ['b', 'b'])])
def test_titles_tell_runs_apart(model_dirs, names):
  assert report.titles(model_dirs) == names


def test_a_mistake_is_one_line(capsys):
  assert in_process.run(report.main, '--model_dir=/not/there') == 1
  said = capsys.readouterr()
  assert said.out == '' and 'there is no model directory /not/there' in said.err
  assert len(said.err.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_process_of_its_own(tmp_path):
  """As users start it: what is said is the page, or the mistake."""
  report_on = lambda model_dir: processes.run(
      *processes.program('report', f'--model_dir={model_dir}'), CUDA_VISIBLE_DEVICES='')
  _make(tmp_path / 'run')
  run = report_on(tmp_path / 'run')
  assert (run.returncode, run.stderr) == (0, '')
  assert run.stdout == f'the report is {tmp_path / "run" / "report.html"}\n'
  page_test.assert_self_contained(tmp_path / 'run' / 'report.html')
  run = report_on('/not/there')
  assert run.returncode == 1 and run.stdout == '' and len(run.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize('flag_values,error,message', [
    ({}, ValueError, '--model_dir is missing'),
    ({'model_dir': str(ROOT / 'docs')}, FileNotFoundError, 'docs is not a model directory'),
    ({'model_dir': 'a', 'paper': ['nmse']}, ValueError, 'write METRIC=VALUE')])
def test_what_users_can_do_wrong(flag_values, error, message):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  with flagsaver.flagsaver(**flag_values):
    with pytest.raises(error, match=message):
      report.main(['report'])


def test_a_config_that_is_no_gin_is_named():
  with pytest.raises(ValueError, match='some/config.gin is not a gin config'):
    config_text.read_bindings('a b c', 'some/config.gin')


def test_bindings_are_read_without_imports():
  bindings = config_text.read_bindings("""
      import not_there
      A = 3
      B = [%A, @not_there.Layer()]
      scope/not_there.Model.sizes = %B
      not_there.Model.name = 'x'
      not_there.Model.unknown = %C""")
  assert bindings == {'scope/Model.sizes': '3, Layer', 'Model.name': 'x', 'Model.unknown': 'C'}


def test_a_page_is_small(tmp_path):
  """The rules of a kept config don't make it large."""
  configs.parse(['trivd_gan/kinetics600_table1_stronger.gin'], [])
  run = tmp_path / 'run'
  configs.keep(str(run), True, ['trivd_gan/kinetics600_table1_stronger.gin'], [])
  assert in_process.run(report.main, f'--model_dir={run}') == 0
  assert 10_000 < (run / 'report.html').stat().st_size < 60_000


def test_what_nothing_uses_is_not_said():
  config = """
      Experiment.clips = @scope/downsampled.DownsampledClips()
      Experiment.task = @tasks.VQVAETask
      scope/downsampled.DownsampledClips.clips = @video_folder.from_video_folder()
      from_video_folder.folder = '/some/own_videos/'
      PreparedClips.dataset = 'ucf101_clips/64'
      train.steps_per_loop = 10"""
  used = config_text.read_bindings(config, used_by=('Experiment', 'train'))
  assert 'PreparedClips.dataset' not in used
  assert list(used) == [
      'Experiment.clips', 'Experiment.task', 'scope/DownsampledClips.clips',
      'from_video_folder.folder', 'train.steps_per_loop']
  assert report._subject(used) == 'VQVAE on own_videos'  # pylint: disable=protected-access


def test_model_dir_may_be_given_once_or_repeatedly():
  values = flags.FlagValues()
  flags.DEFINE_flag(report._OneOrMore(  # pylint: disable=protected-access
      flags.ArgumentParser(), None, 'model_dir', None, ''), values)
  values(['program', '--model_dir=a'])
  assert values.model_dir == 'a'
  values.unparse_flags()
  values(['program', '--model_dir=a', '--model_dir=b', '--model_dir', 'c'])
  assert values.model_dir == ['a', 'b', 'c']


def test_a_run_section_of_a_full_directory(tmp_path):
  _make(tmp_path / 'run')
  section = runs.run_section(str(tmp_path / 'run') + '/')
  assert section.title == 'run'
  assert runs.stored_parameters(str(tmp_path / 'run')) == (1230, 2000)
  assert all(isinstance(block.html(), str) for block in section.blocks)


def test_an_unreadable_checkpoint_counts_nothing(tmp_path):
  (tmp_path / 'ckpt-5.index').write_bytes(b'nothing')
  assert runs.stored_parameters(str(tmp_path)) == (0, 0)


def test_only_the_newest_galleries_are_shown(tmp_path):
  (tmp_path / 'samples').mkdir()
  for i in range(6):
    path = tmp_path / 'samples' / f'{i}.npz'
    np.savez(path, samples=np.zeros([1, 2, 8, 8, 1], np.uint8))
    os.utime(path, (1000 - i, 1000 - i))
  found = runs.read_galleries(str(tmp_path), 1000)
  assert [gallery.title for gallery in found] == ['0', '1', '2', '3']


@pytest.mark.parametrize('seconds,text', [
    (0.2, '1 s'), (59, '59 s'), (720, '12 min'), (12000, '3 h 20 min'), (7200, '2 h'),
    (187200, '2 d 4 h')])
def test_duration(seconds, text):
  assert runs.duration(seconds) == text


@pytest.mark.parametrize('number,text', [(950, '950'), (12345, '12.3 k'), (1.25e6, '1.25 M')])
def test_rounded(number, text):
  assert runs.rounded(number) == text


def test_a_baseline_stands_beside_the_papers(tmp_path):
  """It has no config: its protocol tells it."""
  protocol = 'trivd_gan_kinetics600_validation_copy_last_frame'
  results.append_rows(str(tmp_path), [results.Result(
      0, 'validation', 'fvd', 331.5, examples=30, protocol=protocol, network='i3d@1a2b')])
  row, = report.comparisons(str(tmp_path), {})
  assert (row.protocol, row.ours.value, [n.value for n in row.paper]) == (protocol, 331.5, [330])
