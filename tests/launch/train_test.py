"""launch.train: mistakes are one line, and a killed run that goes on is the unbroken run."""

import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tests.launch import in_process
from tf_videogen import experiment
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import occupancy
from tf_videogen.model_directory import results

NAME = 'python -m launch.train'
MNIST = 'videogpt/moving_mnist_vqvae.gin'


def _run(*arguments):
  """Runs the program in this process; returns its exit status."""
  return in_process.run(train.main, *arguments, name=NAME)


def _started(*arguments):
  """The program in a process of its own."""
  return processes.started(*processes.program('train', *arguments), output=subprocess.PIPE)


@pytest.fixture(name='fails')
def _fails(tmp_path, capsys):
  """Checks that arguments end the program with status 1 and one line that has this in it."""

  def check(message, *arguments):
    arguments = [a for a in arguments if a]
    if not any(a.startswith('--model_dir') for a in arguments):
      arguments.append(f'--model_dir={tmp_path / "run"}')
    assert _run(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f'{NAME}: ') and captured.err.count('\n') == 1, captured.err
    assert message in captured.err and len(captured.err) < 600
    assert not captured.out

  return check


@pytest.mark.parametrize('message, arguments', [
    ('no config tiny_vqvea.gin; ', ['--gin_file=tiny_vqvea.gin']),
    ('--gin_file is missing, and ', []),
    ('--model_dir is missing', [f'--gin_file={MNIST}', '--model_dir=']),
    ('hiden', [f'--gin_file={MNIST}', '--gin_param=vqvae.VQVAE.hiden = 3']),
    ("unknown strategy 'gpus'; there are: auto, ", [f'--gin_file={MNIST}', '--strategy=gpus']),
    ('the config needs VQVAE_DIR: ', ['--gin_file=videogpt/moving_mnist_prior.gin']),
])
def test_mistakes_on_the_command_line(fails, message, arguments):
  fails(message, *arguments)


@pytest.mark.skipif(os.path.exists('/dev/accel0') or os.path.exists('/dev/vfio/0'), reason='a TPU')
def test_no_tpu(fails):
  fails("no TPU 'local' could be reached: ", f'--gin_file={MNIST}', '--strategy=tpu')


def test_data_that_is_not_prepared(fails, tmp_path):
  fails(f'prepare it with: python -m launch.prepare --dataset=moving_mnist_clips/mnist '
        f'--data_dir={tmp_path}', f'--gin_file={MNIST}', f'--data_dir={tmp_path}')


@pytest.mark.parametrize('message, arguments', [
    ('VQVAE.downsampling = (8, 2, 2) does not divide clips of 4 x 8 x 8',
     ['--gin_param=vqvae.VQVAE.downsampling = (8, 2, 2)']),
    ('VQVAE.downsampling must be three powers of two',
     ['--gin_param=vqvae.VQVAE.downsampling = (3, 2, 2)']),
    ('Experiment.batch_size = 3 is not divisible by the 2 replicas',
     ['--gin_param=experiment.Experiment.batch_size = 3', '--strategy=mirrored']),
    ('has 5 frames, but clips of frames=6', ['--gin_param=clips.FileClips.frames = 6']),
    ("Experiment.precision = 'float8': it must be one of ",
     ["--gin_param=experiment.Experiment.precision = 'float8'"]),
    ('there is no file nowhere.npz', ["--gin_param=clips.FileClips.train_path = 'nowhere.npz'"]),
])
def test_what_does_not_fit(fails, tiny_files, message, arguments):
  fails(message, f'--gin_file={tiny_files.vqvae_gin}', *arguments)


@pytest.mark.usefixtures('eagerly')
def test_longer_and_from_another_run(tiny_files, tmp_path, capsys):
  run, tuned = tmp_path / 'run', tmp_path / 'tuned'
  config = f'--gin_file={tiny_files.vqvae_gin}'
  assert _run(config, f'--model_dir={run}', '--mode=train') == 0
  assert f'trained to step 6, in {run}\n' in capsys.readouterr().out
  assert _run(config, f'--model_dir={run}', '--mode=train', '--gin_param=TRAIN_STEPS=8') == 0
  out = capsys.readouterr().out
  assert f'{run} resumes with a change: experiment.Experiment.train_steps was 6, now 8\n' in out
  assert 'from step 6 to 8\n' in out and f'trained to step 8, in {run}\n' in out
  assert _run(config, f'--model_dir={tuned}', '--mode=train', f'--init_from={run}',
              '--gin_param=TRAIN_STEPS=1', '--gin_param=optimizers.adam.learning_rate=1e-9') == 0
  ours, theirs = (checkpoints.paths(str(folder))[0] for folder in (tuned, run))
  kernel = next(name for name, _ in tf.train.list_variables(ours)
                if name.startswith('model/') and '/kernel/' in name and 'OPTIMIZER' not in name)
  assert checkpoints.step_of(ours) == 1
  np.testing.assert_allclose(tf.train.load_variable(ours, kernel),
                             tf.train.load_variable(theirs, kernel), atol=1e-7)
  texts = [value for path in (tuned / 'summaries').glob('events.out.tfevents.*')
           for event in tf.compat.v1.train.summary_iterator(str(path))
           for value in event.summary.value]
  assert {value.tag for value in texts} == {'configuration', '_hparams_/session_start_info'}
  shown = next(value for value in texts if value.tag == 'configuration')
  assert b'VQVAE' in shown.tensor.string_val[0]


@pytest.mark.usefixtures('eagerly')
def test_a_loss_that_is_not_finite(tiny_files, tmp_path, capsys):
  """The bar stands above the line."""
  assert _run(f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={tmp_path}',
              '--gin_param=optimizers.adam.learning_rate = 1e30') == 1
  last = capsys.readouterr().err.splitlines()[-1]
  assert last.startswith(f'{NAME}: ') and 'not finite at step' in last


def _same_run(model_dir, expected):
  """Checks steps, losses and results of a run against those of another."""
  losses, others = ({row['step']: row['loss'] for row in results.read_training_log(folder)}
                    for folder in (str(model_dir), str(expected)))
  assert losses.keys() == others.keys()
  for step, loss in others.items():
    np.testing.assert_allclose(losses[step], loss, 1e-5, err_msg=f'step {step}')
  rows, other_rows = (results.read_results(str(folder)) for folder in (model_dir, expected))
  assert [row[:3] for row in rows] == [row[:3] for row in other_rows]
  np.testing.assert_allclose([row.value for row in rows], [row.value for row in other_rows], 1e-5)


def _last_step(model_dir, since=0.0):
  """The last step of a training.csv that was written after `since`; 0 where there is none."""
  path = model_dir / results.TRAINING_FILE
  if not path.exists() or path.stat().st_mtime < since:
    return 0
  log = results.read_training_log(str(model_dir))
  return log[-1]['step'] if log else 0


@pytest.mark.usefixtures('eagerly')
def test_sigterm_saves_and_the_same_command_goes_on(tiny_files, tmp_path, capsys):
  arguments = [f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={tmp_path}']
  often = '--gin_param=experiment.train.checkpoint_interval = 1000000'
  with _started(*arguments, '--gin_param=TRAIN_STEPS = 1000000', often,
                '--gin_param=experiment.train.evaluation_interval = None') as process:
    processes.until(lambda: _last_step(tmp_path) >= 3, process=process)
    start = time.time()
    process.send_signal(signal.SIGTERM)
    stderr = process.communicate(timeout=30)[1]
  assert process.returncode == 143, stderr
  assert time.time() - start < 15
  assert 'stopped by SIGTERM, saved at step' in stderr and 'Traceback' not in stderr
  saved, = map(checkpoints.step_of, checkpoints.paths(str(tmp_path)))
  assert saved == _last_step(tmp_path)
  assert _run(*arguments, f'--gin_param=TRAIN_STEPS = {saved + 2}') == 0
  assert _last_step(tmp_path) == saved + 2
  assert {row.step for row in results.read_results(str(tmp_path))} >= {saved + 2}
  assert (tmp_path / 'operative_config.gin').exists()
  # The directory is now bound to its config.
  capsys.readouterr()
  assert _run(*arguments, '--gin_param=vqvae.VQVAE.hidden = 12') == 1
  err = capsys.readouterr().err
  assert err.startswith(f'{NAME}: {tmp_path} is the directory of another config (vqvae.VQVAE.hidden'
                        ' was 8, now 12)') and err.count('\n') == 1


@pytest.mark.slow
def test_ten_kills_change_nothing(tiny_files, tmp_path):
  steps, interval = 400, 10  # more than ten fast starts come to
  common = [f'--gin_file={tiny_files.vqvae_gin}', f'--gin_param=TRAIN_STEPS = {steps}',
            f'--gin_param=experiment.train.checkpoint_interval = {interval}',
            '--gin_param=experiment.train.evaluation_interval = 100',
            "--gin_param=experiment.Experiment.splits = ('test', 'train')"]
  broken, unbroken = tmp_path / 'broken', tmp_path / 'unbroken'
  draw = random.Random(7)
  for kill in range(10):
    found = checkpoints.paths(str(broken))
    saved = checkpoints.step_of(found[0]) if found else 0
    assert bool(found) == (kill > 2)  # the first kills come before the first checkpoint
    start = time.time()
    with _started(*common, f'--model_dir={broken}') as process:
      if kill in (0, 5):  # while it starts
        time.sleep(draw.uniform(0.5, 5))
      else:
        target = saved + (1 if kill < 2 else draw.randint(interval + 1, 14))
        processes.until(lambda start=start, target=target: _last_step(broken, start) >= target,
                        process=process)
        time.sleep(draw.uniform(0, 0.3) if found else 0)
      assert process.poll() is None, process.stderr.read()
    print(f'kill {kill}: saved {saved}, at step {_last_step(broken)}')
  for model_dir in (broken, unbroken):
    done = processes.run(*processes.program('train', *common, f'--model_dir={model_dir}'))
    assert done.returncode == 0, done.stderr
  assert _last_step(broken) == steps
  _same_run(broken, unbroken)


def test_one_process_trains_in_a_directory(fails, tiny_files, tmp_path):
  with occupancy.occupied(str(tmp_path / 'run')):
    fails(f'process {os.getpid()} of ',
          f'--gin_file={tiny_files.vqvae_gin}')
  assert not (tmp_path / 'run' / 'config.gin').exists()


@pytest.mark.slow
@pytest.mark.parametrize('remote', [False, True], ids=['locks', 'leases'])
def test_a_second_training_says_so_and_goes_on_when_the_first_is_killed(
    remote, tiny_files, tmp_path):
  """Two processes of one directory, also on a storage without locks."""
  folder = tmp_path / 'run'
  arguments = [f'--gin_file={tiny_files.vqvae_gin}', '--gin_param=TRAIN_STEPS = 1000000',
               f'--model_dir={"file://" * remote}{folder}',
               '--gin_param=experiment.train.evaluation_interval = None']
  with _started(*arguments) as first:
    processes.until(lambda: _last_step(folder) >= 3, process=first)
    second = processes.run(*processes.program('train', *arguments))
    assert second.returncode == 1 and f'process {first.pid} of ' in second.stderr
    log = tmp_path / 'log'
    with processes.started(*processes.program('train', *arguments, '--wait'), output=log) as third:
      processes.until(lambda: f'waiting for process {first.pid}' in log.read_text(), process=third)
      first.kill()
      killed = time.time()
      processes.until(lambda: _last_step(folder, killed) > 3, process=third)
      third.send_signal(signal.SIGTERM)
      assert third.wait(timeout=60) == 143
  log = [row['step'] for row in results.read_training_log(str(folder))]
  assert log == list(range(1, log[-1] + 1))  # each step once


def test_finished_is_said_of_what_can_be_restored_alone(tmp_path):
  with pytest.raises(OSError, match='the checkpoint of step 3 is missing'):
    experiment._set_finished(str(tmp_path), 3)
  assert not list(tmp_path.iterdir())
