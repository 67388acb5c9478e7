"""launch.claims: what gin/claims/ says, what is trained, stopped, skipped and written."""

import os
import random
import re
import signal
import time

import numpy as np
import pytest

from tests import processes
from tests.launch import in_process
from tf_videogen.claims import table
from tf_videogen.data import video_io
from tf_videogen.launch import claims
from tf_videogen.launch import configs
from tf_videogen.preflight import compiler

pytestmark = pytest.mark.usefixtures('no_config_left', 'environment_left')

NAMES = sorted(path.stem for path in claims.FOLDER.glob('*.gin'))
TINY = """
from __gin__ import dynamic_registration
from tf_videogen.claims import claim
from tf_videogen.claims import clip_measures

claim.Claim:
  statement = 'A longer training lowers the error.'
  source = 'no paper'
  paper = 'none'
  measure = @clip_measures.TaskMetric()
  better = 'lower'
  arms = [@long/claim.Arm(), @short/claim.Arm()]

clip_measures.TaskMetric:
  metric = 'nmse'
  videos = 8

claim.Arm.config = 'claims/arms/vqvae.gin'

long/claim.Arm:
  name = 'long'
  bindings = %LONG

short/claim.Arm:
  name = 'short'
  bindings = %SHORT
"""
SMALL = ['vqvae.VQVAE.hidden = 4', 'vqvae.ResidualStack.layers = 1',
         'vqvae.ResidualStack.attention = False', 'experiment.Experiment.batch_size = 4',
         'experiment.train.checkpoint_interval = 1', 'experiment.train.steps_per_loop = 1']


@pytest.fixture(name='environment_left')
def environment_left_fixture(monkeypatch):
  """The command sets the number of threads for its process."""
  monkeypatch.setenv('TF_NUM_INTRAOP_THREADS', 'as before')


@pytest.fixture(name='tiny_claim')
def tiny_claim_fixture(tmp_path):
  """The path of a claim whose runs take moments, but for tracing."""
  path = tmp_path / 'tiny_claim.gin'
  path.write_text(f'{TINY}LONG = {[*SMALL, "TRAIN_STEPS = 6"]}\n'
                  f'SHORT = {[*SMALL, "TRAIN_STEPS = 2"]}\n')
  return path


@pytest.mark.parametrize('name', NAMES)
def test_every_claim_says_what_it_must(name):
  """In its header; and all arms parse, with the same data in all trainings of a claim."""
  text = (claims.FOLDER / f'{name}.gin').read_text()
  header = text.partition('\nfrom ')[0]
  for part in ('# Claim, ', '# The paper: ', '# Measured: ', '# The verdict: seen if the 90 %'):
    assert part in header
  claim = claims.read(name)
  side = {'lower': 'below', 'higher': 'above'}[claim.better]
  assert re.search(rf'lies\n?#? ?wholly\n?#? ?{side}', header.partition('# The verdict')[2])
  data = set()
  for arm in claim.arms:
    for _, _, model_dir, config in claims._trainings(claims.Run(name, claim, arm, 1), 'out'):
      bound = configs._bindings(config)
      assert bound['experiment.Experiment.seed'] == '1' and model_dir.endswith('_seed1')
      data.add(tuple(sorted(item for item in bound.items() if 'MovingShapes' in item[0]
                            and not item[0].endswith(('.frames', '.frame_step')))))
  assert len(data) == 1


class _Faked:
  """Stands in for training and measuring: counts both, and fails where it is told to."""

  def __init__(self, monkeypatch):
    self.trained, self.fails = [], {}
    monkeypatch.setattr(claims, '_train', self._train)
    monkeypatch.setattr(claims, '_measure', self._measure)

  def _train(self, names, params, model_dir, strategy):
    del names, params, strategy
    self.trained.append(model_dir)
    if len(self.trained) in self.fails:
      raise self.fails[len(self.trained)]

  def _measure(self, run, model_dir, strategy):
    del model_dir, strategy
    rng = np.random.default_rng(run.seed)
    videos = np.full((2, 3, 8, 8, 1), 9 * run.seed, np.uint8)
    return {'values': (run.arm.name == 'short') + .1 * rng.random(8), 'data': videos,
            'videos': videos}


def _run(*arguments):
  return in_process.run(claims.main, *arguments, name='claims')


def _numbers(folder):
  """The rows of claims.csv without seconds."""
  return [row._replace(seconds=None) for row in table.read(str(folder / table.FILE))]


def test_stopped_anywhere_it_ends_with_the_same_numbers(tiny_claim, tmp_path, monkeypatch, capsys):
  faked = _Faked(monkeypatch)
  whole, stopped = tmp_path / 'whole', tmp_path / 'stopped'
  assert _run(tiny_claim, f'--output={whole}') == 0
  assert len(faked.trained) == 6
  assert '**seen**' in capsys.readouterr().out
  faked.trained = []
  faked.fails = {3: SystemExit(143), 5: KeyboardInterrupt()}
  assert [_run(tiny_claim, f'--output={stopped}') for _ in range(3)] == [143, 130, 0]
  assert len(faked.trained) == 6 + 2  # what was stopped is trained again
  assert _numbers(stopped) == _numbers(whole)
  assert _run(tiny_claim, f'--output={stopped}') == 0
  assert len(faked.trained) == 6 + 2  # all is done
  page = (stopped / claims.PAGE).read_text()
  assert 'A longer training lowers the error.' in page and page.count('<img') > 4


def test_a_claim_that_fails_is_told_and_the_others_are_done(tiny_claim, tmp_path, monkeypatch,
                                                            capsys):
  faked = _Faked(monkeypatch)
  other = tmp_path / 'other.gin'
  other.write_text(tiny_claim.read_text())
  faked.fails = {2: FloatingPointError('loss is nan')}
  assert _run(tiny_claim, other, f'--output={tmp_path / "out"}', '--seeds=2') == 1
  assert {row.claim for row in _numbers(tmp_path / 'out')} == {'other'}
  assert '1 claims are not done: tiny_claim, short, seed 0: loss is nan' in capsys.readouterr().err


def test_a_claim_of_another_folder_is_kept_though_it_is_not_shown(tiny_claim, tmp_path,
                                                                  monkeypatch):
  """claims.csv has its name alone, so that a later run does not find its file."""
  _Faked(monkeypatch)
  other, out = tmp_path / 'other.gin', tmp_path / 'out'
  other.write_text(tiny_claim.read_text().replace('A longer', 'A much longer'))
  for name in (tiny_claim, other):
    assert _run(name, f'--output={out}', '--seeds=1') == 0
  assert {row.claim for row in _numbers(out)} == {'tiny_claim', 'other'}
  page = (out / claims.PAGE).read_text()
  assert 'A much longer' in page and 'A longer' not in page
  assert (out / claims.PICTURES / 'other.gif').exists()


def test_the_page_has_the_measure_in_training_where_training_logs_it(tiny_claim, tmp_path,
                                                                      monkeypatch):
  _Faked(monkeypatch)
  monkeypatch.setattr(claims.results, 'read_training_log', lambda model_dir: [
      {'step': step, 'loss': 7., 'nmse': 1 / step} for step in (1, 2)])
  out = tmp_path / 'out'
  assert _run(tiny_claim, f'--output={out}', '--seeds=1') == 0
  drawing = (out / claims.PICTURES / 'tiny_claim.svg').read_text()
  assert 'nmse of batches in training' in drawing
  assert 'NMSE of batches in training' in (out / claims.PAGE).read_text()


def test_parts_share_the_runs(tiny_claim, tmp_path, monkeypatch):
  faked = _Faked(monkeypatch)
  for part in ('0/2', '1/2'):
    assert _run(tiny_claim, f'--output={tmp_path / "out"}', f'--part={part}') == 0
  assert len(set(faked.trained)) == len(faked.trained) == 6 and not _numbers(tmp_path / 'out')
  assert _run(tiny_claim, f'--output={tmp_path / "out"}') == 0
  assert len(faked.trained) == 6 and len(_numbers(tmp_path / 'out')) == 8


def test_numbers_are_of_one_number_of_threads_whatever_the_machine(tiny_claim, tmp_path,
                                                                   monkeypatch):
  """Sums over more threads are rounded differently; training makes other weights of that."""
  faked, seen = _Faked(monkeypatch), []
  monkeypatch.setattr(claims, '_train', lambda *args: seen.append(
      os.environ['TF_NUM_INTRAOP_THREADS']) or faked._train(*args))
  assert _run(tiny_claim, f'--output={tmp_path / "out"}', '--seeds=1') == 0
  assert seen == [str(claims.THREADS)] * 2


def test_costs_are_asked_once_for_all_seeds(tiny_claim, tmp_path, monkeypatch):
  """A claim whose arm the compiler refuses is told, and trained all the same."""
  _Faked(monkeypatch)
  asked, answers = [], [compiler.Compiled(True, peak_bytes=3 * 2**20, flops=5e11),
                        compiler.Compiled(False, 'it has no heart')]
  monkeypatch.setattr(claims.tpu_programs, 'export_apart', asked.append)
  monkeypatch.setattr(claims.compiler, 'compile_program', lambda *_: answers.pop(0))
  out = tmp_path / 'out'
  assert _run(tiny_claim, f'--output={out}', '--costs') == 1
  assert [request.batch for request in asked] == [4, 4]
  costs = [row for row in _numbers(out) if row.kind == table.COST]
  assert [(row.arm, row.measure, row.value) for row in costs] == [
      ('long', table.MEMORY, 3), ('long', table.WORK, 3)]  # 6 steps
  answers.append(compiler.Compiled(True, peak_bytes=2**20, flops=1e12))
  assert _run(tiny_claim, f'--output={out}', '--costs') == 0
  assert len(asked) == 3
  assert _run(tiny_claim, f'--output={out}') == 0
  assert len([row for row in _numbers(out) if row.kind == table.COST]) == 4


def test_claims_of_shapes_are_not_for_videos(tiny_claim, tmp_path, monkeypatch, capsys):
  """Those that are named are refused, of all others those that suit are trained."""
  faked = _Faked(monkeypatch)
  videos = [f'--video_folder={tmp_path}', '--seeds=1']
  assert _run('trivd_gan_units', *videos, f'--output={tmp_path / "a"}') == 1
  assert ('trivd_gan_units cannot be put to the test on --video_folder: it measures '
          'centroid_error') in capsys.readouterr().err
  monkeypatch.setattr(claims, 'FOLDER', tmp_path)
  (tmp_path / 'far.gin').write_text(
      (configs.GIN_DIR / 'claims' / 'video_transformer_far.gin').read_text())
  assert _run(*videos, f'--output={tmp_path / "b"}') == 0
  assert {row.claim for row in _numbers(tmp_path / 'b')} == {'tiny_claim'}
  assert len(faked.trained) == 2


@pytest.mark.parametrize('name, owner', [
    ('ssw_gan_joint', 'downsampled.DownsampledClips'), ('videogpt_depth', 'experiment.Experiment'),
    ('trivd_gan_truncation', 'downsampled.DownsampledClips')])
def test_videos_have_the_extents_of_shapes(name, owner):
  """In all stages of an arm; and generators make colors."""
  claim = claims.read(name)
  stages = claims._trainings(claims.Run(name, claim, claim.arms[0], 1), 'out', '/videos')
  bound = configs._bindings(stages[0][3])
  assert bound[f'{owner}.clips'] == '@video_folder.from_video_folder()'
  for _, _, _, text in stages:
    bound = configs._bindings(text)
    assert {value for key, value in bound.items() if key.endswith('image_channels')} <= {'3'}
    assert "VIDEOS = '/videos'" in text and 'VIDEO_SIZE = 16' in text


@pytest.mark.slow
def test_a_claim_on_real_videos(tiny_claim, tmp_path):
  """Decodes, trains and measures; half a minute."""
  for number in range(10):
    video = np.random.default_rng(number).integers(0, 255, (8, 32, 32, 3)).astype(np.uint8)
    video_io.write_mp4(str(tmp_path / 'videos' / f'{number}.mp4'), video)
  ended = processes.run(*processes.program(
      'claims', tiny_claim, f'--video_folder={tmp_path / "videos"}', f'--output={tmp_path / "out"}',
      '--seeds=1'), TFDS_DATA_DIR=str(tmp_path / 'data'))
  assert ended.returncode == 0, ended.stderr
  assert [row.clips for row in _numbers(tmp_path / 'out')] == [1, 1]


def test_a_part_is_a_fraction(tiny_claim, tmp_path, capsys):
  assert _run(tiny_claim, f'--output={tmp_path}', '--part=2') == 1
  assert '--part=2: write I/N' in capsys.readouterr().err


def test_the_list_and_names_that_are_wrong(capsys):
  assert _run('--list', NAMES[0]) == 0
  assert capsys.readouterr().out.startswith(NAMES[0])
  assert _run('videogpt_atention') == 1
  assert 'no claim videogpt_atention; there are: videogpt_attention' in capsys.readouterr().err


@pytest.mark.slow
def test_killed_ten_times_it_ends_with_the_same_numbers(tiny_claim, tmp_path):
  """By SIGKILL, at moments that a seed draws, and in two jobs at last; minutes, mostly imports."""
  command = lambda folder: processes.program(
      'claims', tiny_claim, f'--output={tmp_path / folder}', '--seeds=2', '--strategy=cpu')
  began = time.time()
  whole = processes.run(*command('whole'))
  assert whole.returncode == 0, whole.stderr
  seconds, rng = time.time() - began, random.Random(0)
  for _ in range(10):
    with processes.started(*command('killed')) as process:
      time.sleep(rng.uniform(.2, .8) * seconds)
      process.send_signal(signal.SIGKILL)
  ended = processes.run(*command('killed'), '--jobs=2')
  assert ended.returncode == 0, ended.stderr
  assert _numbers(tmp_path / 'killed') == _numbers(tmp_path / 'whole') != []
