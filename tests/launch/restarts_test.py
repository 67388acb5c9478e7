"""launch.restarts: what is started again, and when it gives up."""

import os
import runpy
import signal
import sys

from absl import flags
import pytest
import tensorflow as tf

from tests import processes
from tests.launch import in_process
from tf_videogen.launch import cascades
from tf_videogen.launch import restarts
from tf_videogen.model_directory import checkpoints


@pytest.fixture(name='job')
def _job(tmp_path, monkeypatch):
  """A command that ends with the statuses of a list, and saves a step where one is given."""
  steps = tmp_path / 'steps'
  monkeypatch.setattr(restarts, 'latest_step',
                      lambda model_dir, unknown: int(steps.read_text()) if steps.exists() else -1)

  def command(*ends):
    plan = tmp_path / 'plan'
    plan.write_text('\n'.join(f'{status} {step}' for status, step in ends))
    code = ('import pathlib, sys\nplan = pathlib.Path(sys.argv[1])\n'
            'first, *rest = plan.read_text().splitlines()\nplan.write_text("\\n".join(rest))\n'
            'status, step = map(int, first.split())\n'
            'step < 0 or pathlib.Path(sys.argv[2]).write_text(str(step))\nsys.exit(status)')
    return [sys.executable, '-c', code, str(plan), str(steps)]

  command.left = lambda: len((tmp_path / 'plan').read_text().splitlines())
  return command


def test_starts_again_until_it_is_done(job):
  assert restarts.run(job((75, 10), (137, 20), (75, -1), (0, 30)), 'run', 2, 0.0) == 0
  assert job.left() == 0


def test_gives_up_without_progress(job, capsys):
  assert restarts.run(job((75, 10), (75, -1), (134, -1), (0, 30)), 'run', 2, 0.0) == 134
  assert job.left() == 1
  assert '2 ends in a row without a new checkpoint' in capsys.readouterr().err


@pytest.mark.parametrize('status', [1, 2, 130])
def test_mistakes_are_final(job, status):
  assert restarts.run(job((status, -1), (0, 30)), 'run', 5, 0.0) == status
  assert job.left() == 1


def test_storage_that_gives_no_answer_is_no_end(monkeypatch, capsys):
  def fail(model_dir):
    raise tf.errors.UnavailableError(None, None, f'no {model_dir}')
  monkeypatch.setattr(checkpoints, 'paths', fail)
  assert restarts.latest_step('gs://b/run', 70) == 70
  assert 'gs://b/run cannot be read just now (no gs://b/run)' in capsys.readouterr().err


def test_the_training_has_the_environment_and_the_tpu(monkeypatch):
  """Its parent has no TPU library: only one process can have the TPU."""
  monkeypatch.setenv('TPU_LOAD_LIBRARY', '1')
  for kind in ('integer', 'float', 'bool'):  # the module's flags are defined already
    monkeypatch.setattr(flags, f'DEFINE_{kind}', lambda *args, **kwargs: None)
  imported = runpy.run_path(restarts.__file__)
  assert os.environ['TPU_LOAD_LIBRARY'] == '0'
  child = 'import os, sys; sys.exit(os.environ["TPU_LOAD_LIBRARY"] != "1")'
  assert imported['run']([sys.executable, '-c', child], 'nowhere', 1, 0.0) == 0


@pytest.mark.slow
def test_a_process_of_its_own_has_no_tpu_library():
  """As above, from the start."""
  code = ('import os, sys\nfrom tf_videogen.launch import restarts\n'
          'assert os.environ["TPU_LOAD_LIBRARY"] == "0"\n'
          'child = "import os, sys; sys.exit(os.environ[\'TPU_LOAD_LIBRARY\'] != \'1\')"\n'
          'sys.exit(restarts.run([sys.executable, "-c", child], "nowhere", 1, 0.0))')
  assert not processes.run(sys.executable, '-c', code, TPU_LOAD_LIBRARY='1').returncode


@pytest.mark.slow
def test_a_killed_training_is_trained_to_its_end(tiny_files, tmp_path):
  """The real thing: the training inside is killed, and then told to stop."""
  model_dir = tmp_path / 'run'
  command = processes.program(
      'restarts', '--pause=0', '--', f'--model_dir={model_dir}',
      f'--gin_file={tiny_files.vqvae_gin}', '--gin_param=TRAIN_STEPS=100000', '--mode=train',
      '--strategy=cpu')
  with processes.started(*command, output=tmp_path / 'log') as process:
    first = processes.until_saved(model_dir, 0, tmp_path / 'log')
    assert not processes.run('pkill', '-KILL', '-P', process.pid).returncode
    processes.until_saved(model_dir, first + 10, tmp_path / 'log')
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
  assert ('restarts: launch.train ended with status 137; the latest checkpoint is of step'
          in (tmp_path / 'log').read_text())


def test_no_model_dir(capsys):
  assert in_process.run(restarts.main, '--', '--gin_file=x') == 1
  assert 'give the model directory after --' in capsys.readouterr().err


def test_progress_of_a_cascade_is_that_of_all_levels(tmp_path):
  cascades.save(str(tmp_path), cascades.Cascade(['a.gin', 'b.gin']))
  steps = lambda: restarts.latest_step(str(tmp_path), directories=cascades.directories)
  assert steps() == -1
  for level, step in ((1, 7), (1, 9), (2, 3)):
    folder = tmp_path / f'level{level}'
    folder.mkdir(exist_ok=True)
    (folder / f'ckpt-{step}.index').write_text('')
  assert steps() == 12
