"""Two workers, real processes on the loopback interface: one run, and what becomes of the other."""

import signal
import time

import numpy as np
import pytest

from tests import processes
from tests.launch import in_process
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results

def _workers(folder, *arguments, absent=()):
  """Two workers that train in `folder / 'run'`."""
  return processes.cluster(
      *processes.program('train', f'--model_dir={folder / "run"}', '--strategy=multi_worker',
                         *arguments), folder=folder, absent=absent)


def _wait(workers, seconds):
  return [worker.wait(seconds) for worker in workers]


@pytest.mark.slow
def test_two_workers_train_as_one(tiny_files, tmp_path):
  arguments = [f'--gin_file={tiny_files.vqvae_gin}', '--gin_param=TRAIN_STEPS=20']
  with _workers(tmp_path, *arguments) as workers:
    assert _wait(workers, 200) == [0, 0]
  alone = tmp_path / 'alone'
  assert in_process.run(train.main, f'--model_dir={alone}', '--strategy=cpu', *arguments) == 0
  ours, theirs = (results.read_training_log(str(d)) for d in (tmp_path / 'run', alone))
  assert [row['step'] for row in ours] == list(range(1, 21))
  for name in ('loss', 'nmse', 'commitment', 'gradient_norm'):
    np.testing.assert_allclose(
        [row[name] for row in ours], [row[name] for row in theirs], rtol=1e-4)
  ours, theirs = (results.read_results(str(d)) for d in (tmp_path / 'run', alone))
  assert [(r.step, r.split, r.metric, r.examples) for r in ours] == [
      (r.step, r.split, r.metric, r.examples) for r in theirs]
  np.testing.assert_allclose([r.value for r in ours], [r.value for r in theirs], rtol=1e-4)
  assert sorted(p.name for p in (tmp_path / 'run').iterdir()) == sorted(
      p.name for p in alone.iterdir())


@pytest.mark.slow
def test_a_killed_worker_ends_the_other(tiny_files, tmp_path):
  arguments = [f'--gin_file={tiny_files.vqvae_gin}', '--gin_param=TRAIN_STEPS=100000']
  log = processes.log_of(tmp_path, 0)
  with _workers(tmp_path, *arguments) as workers:
    processes.until_saved(tmp_path / 'run', 0, log)
    workers[1].kill()
    assert _wait(workers[:1], 30) == [75]
  last = log.read_text().strip().splitlines()[-1]
  assert 'no longer answers; the same command, on all workers, resumes from' in last
  done = checkpoints.step_of(checkpoints.paths(str(tmp_path / 'run'))[0])
  with _workers(tmp_path, *arguments) as workers:
    goes_on = processes.until_saved(tmp_path / 'run', done, log)
    workers[0].send_signal(signal.SIGTERM)  # one is told; both stop and save
    assert _wait(workers, 60) == [143, 143]
  assert checkpoints.step_of(checkpoints.paths(str(tmp_path / 'run'))[0]) >= goes_on > done >= 3


@pytest.mark.slow
def test_a_worker_that_never_appears(tiny_files, tmp_path):
  start = time.time()
  with _workers(tmp_path, f'--gin_file={tiny_files.vqvae_gin}', '--worker_timeout=8',
                absent=[1]) as workers:
    assert _wait(workers, 60) == [-signal.SIGKILL]
  assert 8 < time.time() - start < 30
  said = processes.log_of(tmp_path, 0).read_text().strip()
  assert said.startswith('not all of the 2 workers (127.0.0.1:')
  assert said.endswith('came within 8 s (launch.train --worker_timeout); this one gives up')


@pytest.mark.parametrize('config, message', [
    (None, '--strategy=multi_worker needs TF_CONFIG in the environment of every worker'),
    ('{', 'TF_CONFIG in the environment cannot be read'),
    ('[]', 'TF_CONFIG in the environment names no workers'),
    ('{}', 'TF_CONFIG in the environment names no workers'),
    ('{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}', 'names no workers')])
def test_no_cluster(config, message, tiny_files, tmp_path, monkeypatch, capsys):
  monkeypatch.delenv('TF_CONFIG', raising=False)
  if config is not None:
    monkeypatch.setenv('TF_CONFIG', config)
  assert in_process.run(train.main, f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={tmp_path}',
                        '--strategy=multi_worker') == 1
  error = capsys.readouterr().err
  assert message in error and error.count('\n') == 1
