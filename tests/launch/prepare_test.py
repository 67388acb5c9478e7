"""Preparing data sets by name: what is built, what is left alone, and errors of one line."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from tests import processes
from tests import raw_data
from tests.launch import in_process
from tf_videogen.data import clips
from tf_videogen.datasets.moving_mnist_clips import moving_mnist_clips_dataset_builder
from tf_videogen.launch import prepare

Builder = moving_mnist_clips_dataset_builder.Builder
VERSION = str(Builder.VERSION)


@pytest.fixture(name='tiny', autouse=True)
def _tiny(monkeypatch):
  """A config 'tiny' of our builder, small enough for tests."""
  config = moving_mnist_clips_dataset_builder.MovingMnistConfig(
      name='tiny', train=4, validation=2, test=2, tiny=1)
  configs = {**Builder.builder_configs, 'tiny': config}
  monkeypatch.setattr(Builder, 'builder_configs', configs)


def _run(data_dir, dataset, *arguments):
  """Runs the program; returns its exit status."""
  return in_process.run(prepare.main, f'--dataset={dataset}', f'--data_dir={data_dir}', *arguments,
                        name='prepare')


def test_prepares_once(tmp_path, capsys):
  assert _run(tmp_path, 'moving_mnist_clips/tiny') == 0
  out = capsys.readouterr().out
  assert f'moving_mnist_clips/tiny/{VERSION} is prepared in {tmp_path}' in out
  assert 'train 4, validation 2, test 2, tiny 1' in out
  path, = (tmp_path / 'moving_mnist_clips' / 'tiny' / VERSION).glob('*train*')
  before = path.stat()
  assert _run(tmp_path, 'moving_mnist_clips/tiny') == 0
  assert 'is already prepared' in capsys.readouterr().out
  assert path.stat().st_mtime_ns == before.st_mtime_ns
  prepared = clips.PreparedClips('moving_mnist_clips/tiny', 20, data_dir=str(tmp_path))
  assert prepared.count('train') == 4
  assert sorted(found.name for found in (path.parent / 'clip_index').iterdir()) == [
      'test.npz', 'tiny.npz', 'train.npz', 'validation.npz']


def test_removes_what_a_killed_run_left(tmp_path, capsys):
  parent = tmp_path / 'moving_mnist_clips' / 'tiny'
  stale, other = parent / f'incomplete.ABC123_{VERSION}', parent / 'incomplete.ABC123_9.9.9'
  for folder in (stale, other):
    folder.mkdir(parents=True)
    (folder / 'part').write_text('half a file')
  assert _run(tmp_path, 'moving_mnist_clips/tiny') == 0
  assert f'removed {stale}, left by a run that did not finish' in capsys.readouterr().out
  assert not stale.exists() and other.exists() and (parent / VERSION).exists()


def test_two_processes(tmp_path, capsys):
  folder = tmp_path / 'moving_mnist_clips' / 'tiny'
  folder.mkdir(parents=True)
  hold = ('import fcntl, sys; lock = open(sys.argv[1], "w"); fcntl.flock(lock, fcntl.LOCK_EX); '
          'print("held", flush=True); sys.stdin.read()')
  with processes.started(sys.executable, '-c', hold, folder / 'preparing.lock',
                         output=subprocess.PIPE, stdin=subprocess.PIPE) as process:
    assert process.stdout.readline() == 'held\n'
    assert _run(tmp_path, 'moving_mnist_clips/tiny') == 1
    assert f'another process is preparing the data in {folder}' in capsys.readouterr().err
  assert _run(tmp_path, 'moving_mnist_clips/tiny') == 0


@pytest.mark.parametrize('dataset, message', [
    ('no_such_data', "no data set 'no_such_data'; there are: bair_clips, bdd100k_clips,"),
    ('', '--dataset is missing; there are: bair_clips, bdd100k_clips,'),
    ('moving_mnist_clips/huge', "has no config 'huge'; there are: optdigits, optdigits_small,"),
    ('moving_mnist_clips/tiny:7.0.0', 'cannot be loaded at version 7.0.0'),
    ('mnist/huge', "mnist has no config 'huge'; there are: none"),
])
def test_errors_are_one_line(tmp_path, capsys, dataset, message):
  assert _run(tmp_path, dataset) == 1
  err = capsys.readouterr().err
  assert message in err and len(err.strip().splitlines()) == 1


def test_manual_dir(tmp_path, capsys):
  assert _run(tmp_path, 'moving_mnist_clips/tiny', '--manual_dir=/no/such/folder') == 1
  assert '--manual_dir=/no/such/folder is not a folder' in capsys.readouterr().err
  assert _run(tmp_path, 'imagenet2012') == 1  # needs files, and nothing is there
  assert 'ILSVRC2012_img_train.tar' in capsys.readouterr().err.strip().splitlines()[-1]


def test_builders_of_tfds():
  assert 'moving_mnist_clips' in prepare.own_builders()
  builder = prepare.make_builder('bair_robot_pushing_small')
  assert isinstance(builder, tfds.core.DatasetBuilder)
  assert builder.name == 'bair_robot_pushing_small'


def _write_videos(root, count):
  for i in range(count):
    raw_data.write_video(root / ['train', 'val'][i % 5 == 0] / f'{i:011d}_000000_000010.mp4',
                         raw_data.moving_square(20, 48, 64, seed=i))


# Makes the tenth file, in the order of preparing, take for ever.
_STUCK = """
import sys
if 'decoder_process' in ' '.join(sys.orig_argv):
  import av, ctypes
  _open, _opened = av.open, []
  def open_or_hang(*args, **kwargs):
    _opened.append(args)
    if len(_opened) == 10:
      ctypes.PyDLL(None).pause()
    return _open(*args, **kwargs)
  av.open = open_or_hang
"""


@pytest.mark.slow
def test_kill_and_go_on(tmp_path):
  """Killed in the middle and started again, it ends with the very files of an unbroken run."""
  _write_videos(tmp_path / 'raw', 20)
  (tmp_path / 'raw' / 'train' / 'broken_____.mp4').write_bytes(b'not a video')
  (tmp_path / 'library').mkdir()
  (tmp_path / 'library' / 'sitecustomize.py').write_text(_STUCK)
  command = [sys.executable, '-m', 'tf_videogen.launch.prepare', '--dataset=kinetics600_clips/64',
             f'--manual_dir={tmp_path / "raw"}', '--num_processes=1']
  root = str(processes.ROOT)
  environment = {'PYTHONPATH': root, 'MARK': str(tmp_path)}
  stuck = {**environment, 'PYTHONPATH': f'{root}:{tmp_path / "library"}'}
  killed = tmp_path / 'killed'
  with processes.started(*command, f'--data_dir={killed}', **stuck) as process:
    processes.until(lambda: len(list(killed.glob('decoded/**/*.npz'))) > 5, process=process)
    assert _decoder_processes(tmp_path)
    process.kill()
    process.wait()
    assert not (killed / 'kinetics600_clips' / '64' / '2.0.0').exists()
    kept = {path: path.stat().st_mtime_ns for path in killed.glob('decoded/**/*.npz')}
    assert 5 < len(kept) < 20
    for pid in _decoder_processes(tmp_path):  # the stuck one, whose alarm would ring in two minutes
      os.kill(pid, signal.SIGALRM)

  again = [*command, f'--data_dir={killed}', '--keep_decoded']
  out = processes.run(*again, **environment).stdout
  assert 'left by a run that did not finish' in out
  assert '21 videos: 20 prepared, 1 unusable (undecodable 1); details in' in out
  assert {path: path.stat().st_mtime_ns for path in kept} == kept  # none was decoded again
  assert not _decoder_processes(tmp_path)

  unbroken = tmp_path / 'unbroken'
  assert not processes.run(*command, f'--data_dir={unbroken}', **environment).returncode
  files = sorted((unbroken / 'kinetics600_clips/64/2.0.0').glob('*.tfrecord*'))
  assert files and not list(unbroken.glob('decoded/**/*.npz'))
  for path in files:
    assert path.read_bytes() == (killed / path.relative_to(unbroken)).read_bytes()


def _decoder_processes(mark):
  """Numbers of the processes that decode for this test."""
  found = []
  for folder in pathlib.Path('/proc').glob('[0-9]*'):
    try:
      if (b'decoder_process' in (folder / 'cmdline').read_bytes()
          and os.fsencode(f'MARK={mark}') in (folder / 'environ').read_bytes()):
        found.append(int(folder.name))
    except OSError:
      pass  # it has ended, or is another user's
  return found


def test_on_beam(tmp_path, capsys):
  _write_videos(tmp_path / 'raw', 5)
  arguments = [f'--manual_dir={tmp_path / "raw"}', '--beam_runner=DirectRunner',
               '--beam_option=--direct_num_workers=1']
  assert _run(tmp_path, 'kinetics600_clips/64', *arguments) == 0
  assert '5 videos: 5 prepared, 0 unusable; details in' in capsys.readouterr().out


def test_too_many_failures(tmp_path, capsys):
  _write_videos(tmp_path / 'raw', 3)
  for i in range(6, 12):
    (tmp_path / 'raw' / 'train' / f'{i:011d}.mp4').write_bytes(b'')
  arguments = [f'--manual_dir={tmp_path / "raw"}', '--num_processes=1']
  assert _run(tmp_path, 'kinetics600_clips/64', *arguments) == 1
  err = capsys.readouterr().err.strip().splitlines()[-1]
  assert '(empty 5): more than the allowed 50% cannot be used' in err
  report = tmp_path / 'kinetics600_clips' / '64' / 'preparation_report.json'
  assert f'listed in {report}' in err
  failed = json.loads(report.read_text())['failed']
  assert {failure['reason'] for failure in failed} == {'empty'} and len(failed) == 5
  assert _run(tmp_path, 'kinetics600_clips/64', *arguments, '--max_failed_share=1') == 0
  assert '9 videos: 3 prepared, 6 unusable (empty 6)' in capsys.readouterr().out
