"""launch/tpu_vm.sh: the commands that it prints, what it asks for, and how it reads to shellcheck."""

import pathlib
import shlex
import shutil
import subprocess

import pytest

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / 'launch'
NAMED = ['--name=bair', '--zone=europe-west4-a', '--dry_run']


def _run(*arguments):
  return subprocess.run([LAUNCH / 'tpu_vm.sh', *NAMED, *arguments], capture_output=True, text=True,
                        check=False)


def _commands(*arguments):
  done = _run(*arguments)
  assert done.returncode == 0, done.stderr
  return [shlex.split(line) for line in done.stdout.splitlines() if not line.startswith('#')]


def test_every_step():
  commands = _commands(
      '--type=v3-8', '--bucket=gs://b/', '--dataset=bair_robot_pushing_small', '--project=p',
      '--', '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'")
  verbs = [' '.join(words[3:5]) for words in commands if words[0] == 'gcloud']
  assert verbs == ['queued-resources create', 'queued-resources delete', 'queued-resources create',
                   'tpu-vm scp', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh']
  assert all('--zone=europe-west4-a' in words and '--project=p' in words
             for words in commands if words[0] == 'gcloud')
  prepare, train, follow = (
      next(word for word in words if word.startswith('--command=')) for words in commands[-3:])
  assert 'launch.prepare --dataset=bair_robot_pushing_small --data_dir=gs://b/data' in prepare
  start = train.partition('nohup ')[2].partition(' > ')[0]
  assert shlex.split(start) == [
      '.venv/bin/python', '-m', 'launch.restarts', '--', '--model_dir=gs://b/runs/bair',
      '--data_dir=gs://b/data', '--strategy=tpu', '--tpu=local',
      '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'"]
  assert follow == '--command=tail -n 100 -F train.log'


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
  assert f'export TFDS_DATA_DIR=gs://b/data{environment} && nohup' in train


@pytest.mark.parametrize('message, arguments', [
    ("--type is missing: the step 'create' needs it", ['create']),
    ("--bucket is missing: the step 'run' needs it", ['run', '--', '--gin_file=x']),
    ("--type is missing: the step 'run' needs it",
     ['--bucket=gs://b', 'run', '--', '--gin_file=x']),
    ("--dataset is missing: the step 'prepare' needs it", ['--bucket=gs://b', 'prepare']),
    ("the step 'run' needs what launch.train is to do", ['--bucket=gs://b', 'run']),
    ('unknown argument destroy (see --help)', ['destroy']),
    ('--name is missing', ['--name=', 'delete'])])
def test_mistakes(message, arguments):
  done = _run(*arguments)
  assert done.returncode == 2 and f'tpu_vm: {message}' in done.stderr and not done.stdout


def test_help():
  done = _run('--help')
  assert done.returncode == 0 and 'launch/tpu_vm.sh --name=bair' in done.stdout
  assert not any(line.startswith(('#', 'set')) for line in done.stdout.splitlines())


@pytest.mark.skipif(shutil.which('shellcheck') is None, reason='shellcheck is not installed')
def test_shellcheck():
  scripts = [str(path) for path in LAUNCH.glob('*.sh')] + [str(LAUNCH.parent / '.ci' / 'run')]
  done = subprocess.run(['shellcheck', *scripts], capture_output=True, text=True, check=False)
  assert done.returncode == 0, done.stdout
