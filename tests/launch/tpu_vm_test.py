"""launch/tpu_vm.sh: the commands that it prints, what it asks for; shellcheck reads it, too."""

import contextlib
import os
import pathlib
import shlex
import subprocess
import time

import pytest

from tests import processes

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / 'launch'
NAMED = ['--name=bair', '--zone=europe-west4-a', '--dry_run']


def _run(*arguments):
  return processes.run(LAUNCH / 'tpu_vm.sh', *NAMED, *arguments)


@pytest.fixture(name='gcloud')
def _gcloud(tmp_path):
  """A gcloud that writes down what it is asked; returns a function of the states that it tells."""
  script = tmp_path / 'gcloud'
  script.write_text('''#!/usr/bin/env bash
echo "$*" >> "$(dirname "$0")/asked"
if [[ "$*" == *describe* ]]; then
  states="$(dirname "$0")/states"
  state="$(head -n 1 "$states")"
  sed -i 1d "$states"
  [[ "$state" != none ]] || exit 1
  echo "$state"
fi
''')
  script.chmod(0o755)

  def run(*states):
    (tmp_path / 'states').write_text('\n'.join(states) + '\n')
    done = processes.run(
        LAUNCH / 'tpu_vm.sh', *NAMED[:2], '--type=v3-8', 'create', seconds=20,
        PATH=f'{tmp_path}:{os.environ["PATH"]}', TF_VIDEOGEN_POLL_SECONDS='0')
    asked = [line.split()[3] for line in (tmp_path / 'asked').read_text().splitlines()]
    return done.returncode, asked, done.stderr

  return run


def test_a_tpu_is_requested_and_waited_for(gcloud):
  status, asked, _ = gcloud('none', 'WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE')
  assert status == 0 and asked == ['describe', 'create', 'describe', 'describe', 'describe']


def test_a_tpu_that_is_there_is_taken(gcloud):
  assert gcloud('ACTIVE', 'ACTIVE')[:2] == (0, ['describe', 'describe'])


def test_a_preempted_tpu_is_requested_again(gcloud):
  status, asked, _ = gcloud('SUSPENDED', 'SUSPENDED', 'ACTIVE')
  assert status == 0 and asked == ['describe', 'describe', 'delete', 'create', 'describe']


@pytest.mark.parametrize('states, message', [
    (['PROVISIONING', 'FAILED'], 'the request failed: see'),
    (['DELETING', 'DELETING', 'none'], 'cannot be asked for')])
def test_what_waiting_does_not_mend(gcloud, states, message):
  status, asked, error = gcloud(*states)
  assert status == 2 and message in error and 'create' not in asked


@pytest.fixture(name='machine')
def _machine(tmp_path):
  """A home with a checkout whose training ends with a file `end`; returns what runs commands."""
  python = tmp_path / 'tf_videogen' / '.venv' / 'bin' / 'python'
  python.parent.mkdir(parents=True)
  python.write_text('#!/usr/bin/env bash\necho "$@"\n'
                    'until [ -e ~/end ]; do sleep 0.1; done\necho trained\n')
  python.chmod(0o755)

  with contextlib.ExitStack() as stack:  # what a shell leaves behind runs until the test's end

    def ssh(words):
      command, = (word.partition('=')[2] for word in words if word.startswith('--command='))
      shell = stack.enter_context(processes.started(
          'bash', '-c', command, cwd=tmp_path, output=subprocess.PIPE, HOME=str(tmp_path)))
      stdout, stderr = shell.communicate(timeout=20)
      return subprocess.CompletedProcess(command, shell.returncode, stdout, stderr)

    yield ssh


def test_training_goes_on_without_its_shell(machine, tmp_path):
  step = lambda *words: _commands('--type=v3-8', '--bucket=gs://b', *words)[-1]
  run = step('run', '--', '--gin_file=x.gin', "--gin_param=A='a b'")
  assert machine(run).returncode == 0
  while not (tmp_path / 'train.log').read_text():
    time.sleep(0.1)  # until the program has started, and holds the lock
  again = machine(run)
  assert again.returncode == 1 and 'training runs there: see the step follow' in again.stderr
  assert machine(step('install')).returncode == 1 and (tmp_path / 'tf_videogen').exists()
  (tmp_path / 'end').touch()
  followed = machine(step('follow'))
  assert "--gin_file=x.gin --gin_param=A='a b'\ntrained\n" in followed.stdout


def _commands(*arguments):
  done = _run(*arguments)
  assert done.returncode == 0, done.stderr
  return [shlex.split(line) for line in done.stdout.splitlines() if not line.startswith('#')]


def test_every_step():
  commands = _commands(
      '--type=v3-8', '--bucket=gs://b/', '--dataset=bair_clips/original', '--project=p',
      '--', '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'")
  verbs = [' '.join(words[3:5]) for words in commands if words[0] == 'gcloud']
  assert verbs == ['queued-resources create', 'queued-resources delete', 'queued-resources create',
                   'tpu-vm scp', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh']
  assert all('--zone=europe-west4-a' in words and '--project=p' in words
             for words in commands if words[0] == 'gcloud')
  prepare, train, follow = (
      next(word for word in words if word.startswith('--command=')) for words in commands[-3:])
  assert 'launch.prepare --dataset=bair_clips/original --data_dir=gs://b/data' in prepare
  start = train.partition('nohup flock -n ~/train.lock ')[2].partition('> ~')[0]
  assert shlex.split(start) == [
      '.venv/bin/python', '-m', 'launch.restarts', '--', '--model_dir=gs://b/runs/bair',
      '--data_dir=gs://b/data', '--strategy=tpu', '--tpu=local',
      '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'"]
  assert follow.startswith('--command=tail -n 100 -F train.log')


@pytest.mark.parametrize('kind, runtime', [
    ('v3-8', 'tpu-vm-tf-2.15.0'), ('v3-32', 'tpu-vm-tf-2.15.0-pod'),
    ('v5litepod-8', 'tpu-vm-tf-2.15.0-pjrt'), ('v6e-16', 'tpu-vm-tf-2.15.0-pod-pjrt')])
def test_runtime_of_a_type(kind, runtime):
  create = _commands(f'--type={kind}', '--spot', 'create')[0]
  assert f'--accelerator-type={kind}' in create and f'--runtime-version={runtime}' in create
  assert '--spot' in create and '--spot' not in _commands(f'--type={kind}', 'create')[0]


@pytest.mark.parametrize('kind, tpu, environment', [
    ('v3-8', 'local', ''),
    ('v3-32', 'bair', ' TPU_LOAD_LIBRARY=0'),
    ('v5litepod-4', 'local', ' NEXT_PLUGGABLE_DEVICE_USE_C_API=true '
     'TF_PLUGGABLE_DEVICE_LIBRARY_PATH=/lib/libtpu.so')])
def test_training_on_a_type(kind, tpu, environment):
  """A pod is trained by its name, from one host; later generations need the PJRT runtime."""
  train, = _commands(f'--type={kind}', '--bucket=gs://b', 'run', '--', '--gin_file=x.gin')
  train = ' '.join(train)
  assert f'--tpu={tpu} --gin_file=x.gin' in train
  assert f'export TFDS_DATA_DIR=gs://b/data{environment} && {{ flock' in train


def test_samples_of_another_run():
  draw, copy = _commands('--type=v3-8', '--bucket=gs://b', '--run=prior', 'sample')
  assert 'launch.sample --model_dir=gs://b/runs/prior --strategy=tpu' in ' '.join(draw)
  draw, _ = _commands('--type=v3-8', '--bucket=gs://b', 'sample', '--', '--num_samples=64')
  assert '--strategy=tpu --num_samples=64' in ' '.join(draw)
  assert copy == 'gcloud storage cp --recursive gs://b/runs/prior/samples .'.split()


@pytest.mark.parametrize('message, arguments', [
    ("--type is missing: the step 'create' needs it", ['create']),
    ("--bucket is missing: the step 'run' needs it", ['run', '--', '--gin_file=x']),
    ("--type is missing: the step 'run' needs it",
     ['--bucket=gs://b', 'run', '--', '--gin_file=x']),
    ("--dataset is missing: the step 'prepare' needs it",
     ['--type=v3-8', '--bucket=gs://b', '--', '--gin_file=x']),
    ('--type=v3 must end in a number', ['--type=v3', 'create']),
    ('--bucket=b must begin with gs://', ['--bucket=b', 'prepare']),
    ("--dataset is missing: the step 'prepare' needs it", ['--bucket=gs://b', 'prepare']),
    ("the step 'run' needs what launch.train is to do",
     ['--type=v3-8', '--bucket=gs://b', 'run']),
    ("the step 'sample' is for one host", ['--type=v3-32', '--bucket=gs://b', 'sample']),
    ('unknown argument destroy (see --help)', ['destroy']),
    ('--name is missing', ['--name=', 'delete'])])
def test_mistakes(message, arguments):
  done = _run(*arguments)
  assert done.returncode == 2 and f'tpu_vm: {message}' in done.stderr and not done.stdout


def test_help():
  done = _run('--help')
  assert done.returncode == 0 and 'launch/tpu_vm.sh --name=bair' in done.stdout
  assert not any(line.startswith(('#', 'set')) for line in done.stdout.splitlines())


@pytest.mark.needs('shellcheck')
def test_shellcheck():
  scripts = [str(path) for path in LAUNCH.glob('*.sh')] + [str(LAUNCH.parent / '.ci' / 'run')]
  done = processes.run('shellcheck', *scripts)
  assert done.returncode == 0, done.stdout
