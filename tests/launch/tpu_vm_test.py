"""launch/tpu_vm.sh: the commands that it prints, what it asks for; shellcheck reads it, too."""

import contextlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from tests import processes

LAUNCH = pathlib.Path(__file__).resolve().parents[2] / 'launch'
GUIDE = LAUNCH.parent / 'docs' / 'tpu.md'
TYPED = 'v2-alpha-tpuv6e'
SMOKE = '--gin_file=videogpt/smoke.gin'
NAMED = ['--name=bair', '--zone=europe-west4-a', '--dry_run']


def _run(*arguments):
  return processes.run(LAUNCH / 'tpu_vm.sh', *NAMED, *arguments)


# What gcloud's commands take, of what is used here.
PLACE = {'--zone', '--project'}
GCLOUD = {
    'compute tpus queued-resources create': {
        '--node-id', '--accelerator-type', '--runtime-version', '--spot', *PLACE},
    'compute tpus queued-resources describe': {'--format', *PLACE},
    'compute tpus queued-resources delete': {'--force', '--quiet', *PLACE},
    'compute tpus tpu-vm versions list': {'--format', *PLACE},
    'compute tpus tpu-vm scp': {'--worker', *PLACE},
    'compute tpus tpu-vm ssh': {'--worker', '--command', *PLACE},
    'storage cp': {'--recursive'},
}
RUNTIMES = [f'tpu-vm-tf-2.15.1{pod}-{kind}' for pod in ('', '-pod') for kind in ('se', 'pjrt')]
# It writes down what it is asked, and what of it is no command or flag of gcloud's.
STUB = '''#!{python}
import pathlib, sys
here, known = pathlib.Path(__file__).parent, {known!r}
words = sys.argv[1:]
flags = set(word.partition('=')[0] for word in words if word.startswith('--'))
command = next((name for name in known if words[:len(name.split())] == name.split()), None)
with open(here / 'asked', 'a') as f:
  f.write(' '.join(words) + '\\n')
if command is None or flags - known[command]:
  sys.exit(f'gcloud: unknown: {{words}}')
if 'versions' in words:
  print((here / 'runtimes').read_text())
elif 'describe' in words:
  state, *rest = (here / 'states').read_text().splitlines()
  (here / 'states').write_text('\\n'.join(rest) + '\\n')
  if state == 'none':
    sys.exit(1)
  print(state)
'''


@pytest.fixture(name='gcloud')
def _gcloud(tmp_path):
  """A gcloud that writes down what it is asked; returns a function of the states that it tells."""
  script = tmp_path / 'gcloud'
  script.write_text(STUB.format(python=sys.executable, known=GCLOUD))
  script.chmod(0o755)

  def run(*states, arguments=('create',), kind='v3-8', runtimes=RUNTIMES):
    (tmp_path / 'states').write_text('\n'.join(states) + '\n')
    (tmp_path / 'runtimes').write_text('\n'.join(runtimes))
    done = processes.run(
        LAUNCH / 'tpu_vm.sh', *NAMED[:2], f'--type={kind}', *arguments, seconds=20, cwd=tmp_path,
        PATH=f'{tmp_path}:{os.environ["PATH"]}', TF_VIDEOGEN_POLL_SECONDS='0')
    asked = [line.split()[3] for line in (tmp_path / 'asked').read_text().splitlines()]
    return done.returncode, [verb for verb in asked if verb != 'versions'], done.stderr

  return run


def test_a_tpu_is_requested_and_waited_for(gcloud):
  status, asked, _ = gcloud('none', 'WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE')
  assert status == 0 and asked == ['describe', 'create', 'describe', 'describe', 'describe']


def test_every_step_asks_what_gcloud_knows(gcloud, tmp_path):
  steps = ['create', 'install', 'prepare', 'run', 'follow', 'sample', 'delete']
  status, asked, error = gcloud('ACTIVE', 'ACTIVE', arguments=[
      '--bucket=gs://b', '--dataset=x', '--project=p', '--spot', *steps, '--', SMOKE])
  assert (status, asked[:2]) == (0, ['describe', 'describe']), error
  verbs = [line.split()[:5] for line in (tmp_path / 'asked').read_text().splitlines()]
  assert len(verbs) == 11 and verbs[-2][:2] == ['storage', 'cp']


RUN = ['--bucket=gs://b', '--type=v3-8', 'run', '--']


def test_own_files_are_copied(tmp_path):
  """Before training begins, into the folder where it runs."""
  (tmp_path / 'mine').mkdir()
  (tmp_path / 'mine' / 'own.gin').touch()
  done = processes.run(LAUNCH / 'tpu_vm.sh', *NAMED, '--copy=mine', *RUN, '--gin_file=mine/own.gin',
                       cwd=tmp_path)
  commands = [shlex.split(line) for line in done.stdout.splitlines()]
  assert [command[0] for command in commands] == ['tar', 'gcloud', 'gcloud', 'gcloud']
  assert commands[0][-2:] == ['--', 'mine'] and 'scp' in commands[1]
  assert any(word.endswith(' && tar -xzf copies.tar.gz -C tf_videogen') for word in commands[2])
  assert any('--gin_file=mine/own.gin' in word for word in commands[3])


def test_what_a_config_includes_must_be_there_too(tmp_path):
  (tmp_path / 'gin' / 'mine').mkdir(parents=True)
  (tmp_path / 'gin' / 'mine' / 'own.gin').write_text("include 'mine/base.gin'\n")
  run = lambda *words: processes.run(LAUNCH / 'tpu_vm.sh', *NAMED, *words, *RUN, '--gin_file',
                                     'mine/own.gin', cwd=tmp_path)
  copied = run('--copy=gin/mine/own.gin')
  assert copied.returncode == 2 and 'the config mine/base.gin is not' in copied.stderr
  assert run('--copy=./gin').returncode == 0
  assert 'the config mine/own.gin is not' in run().stderr


@pytest.mark.parametrize('arguments, message', [
    (['--gin_file=own.gin'], 'the config own.gin is not in the last commit, which is what goes to '
     'the TPU: commit it, or add --copy=own.gin'),
    (['--gin_file=videogpt/bair_vqvae.gin'], ''),
    (['--gin_file=gin/videogpt/bair_vqvae.gin'], ''),
    (['--gin_file=gs://b/own.gin'], '')])
def test_a_config_that_would_not_be_there(arguments, message):
  done = _run(*RUN, *arguments)
  assert (done.returncode, done.stderr.removeprefix('tpu_vm: ').strip()) == (
      (2, message) if message else (0, 'run'))


@pytest.mark.parametrize('path, message', [
    ('/etc/passwd', 'must be below the current folder'), ('a/../../b', 'must be below'),
    ('nowhere', 'is not there')])
def test_what_cannot_be_copied(path, message):
  done = _run(f'--copy={path}', *RUN, '--gin_file=gs://b/own.gin')
  assert done.returncode == 2 and f'--copy={path}' in done.stderr and message in done.stderr


def test_a_runtime_that_google_does_not_list(gcloud):
  status, asked, error = gcloud('none', runtimes=['tpu-vm-tf-2.16.1-se', 'v2-alpha'])
  assert (status, asked) == (2, [])
  assert error.strip().endswith('europe-west4-a has no runtime tpu-vm-tf-2.15.1-se; name one of '
                                'these with --runtime: tpu-vm-tf-2.16.1-se')


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


# What a service manager does with the unit that it is given.
SYSTEMCTL = '''#!/usr/bin/env bash
of_unit() { sed -n "s/^$1=//p" "$TF_VIDEOGEN_UNITS/tf_videogen.service"; }
cd "$TF_VIDEOGEN_UNITS"
case "$*" in
  enable*) touch enabled ;;
  is-enabled*) [[ -e enabled ]] && echo enabled ;;
  start*)
    log="$(of_unit StandardOutput)"
    touch running
    { $(of_unit ExecStart); echo $? > status; rm enabled running; } >> "${log#append:}" 2>&1 \\
        < /dev/null & ;;
  *ActiveState*) [[ -e running ]] && echo active || echo inactive ;;
  *ExecMainStatus*) cat status ;;
esac
'''


@pytest.fixture(name='machine')
def _machine(tmp_path):
  """A home with a checkout whose training ends with a file `end`, by the status that is in it.

  Returns what runs commands there.
  """
  files = {
      'tf_videogen/.venv/bin/python': '#!/usr/bin/env bash\necho "$TPU_LOAD_LIBRARY" "$@"\n'
                                      'until [ -e ~/end ]; do sleep 0.1; done\n'
                                      'echo trained\nexit "$(cat ~/end)"\n',
      'tf_videogen/launch/training_service.sh': (LAUNCH / 'training_service.sh').read_text(),
      'bin/systemctl': SYSTEMCTL, 'bin/sudo': '#!/usr/bin/env bash\nexec "$@"\n'}
  for name, text in files.items():
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
  environment = {'HOME': str(tmp_path), 'TF_VIDEOGEN_UNITS': str(tmp_path),
                 'PATH': f'{tmp_path}/bin:{os.environ["PATH"]}'}

  with contextlib.ExitStack() as stack:  # what a shell leaves behind runs until the test's end

    def ssh(words):
      command, = (word.partition('=')[2] for word in words if word.startswith('--command='))
      shell = stack.enter_context(processes.started(
          'bash', '-c', command, cwd=tmp_path, output=subprocess.PIPE, **environment))
      stdout, stderr = shell.communicate(timeout=20)
      return subprocess.CompletedProcess(command, shell.returncode, stdout, stderr)

    yield ssh


@pytest.mark.parametrize('status', [0, 1, 75])
def test_training_goes_on_without_its_shell(machine, tmp_path, status):
  step = lambda *words: _commands('--type=v3-32', '--bucket=gs://b', *words)[-1]
  nothing = machine(step('follow'))
  assert nothing.returncode == 1 and 'nothing was trained there' in nothing.stderr
  run = step('run', '--', '--gin_file=videogpt/smoke.gin', "--gin_param=A='a b'")
  started = machine(run)
  assert started.returncode == 0, started.stderr
  again = machine(run)
  assert again.returncode == 1 and 'training runs there: see the step follow' in again.stderr
  assert machine(step('install')).returncode == 1 and (tmp_path / 'tf_videogen').exists()
  (tmp_path / 'end').write_text(str(status))
  followed = machine(step('follow'))
  assert followed.returncode == status
  assert ('training ended with status' in followed.stderr) == (status != 0)
  log, = [line for line in followed.stdout.splitlines() if 'gin_file' in line]
  assert log.startswith('0 -m launch.restarts ')
  assert log.endswith("--tpu=bair --gin_file=videogpt/smoke.gin --gin_param=A='a b'")
  assert followed.stdout.endswith('\ntrained\n')


def _commands(*arguments):
  done = _run(*arguments)
  assert done.returncode == 0, done.stderr
  return [shlex.split(line) for line in done.stdout.splitlines() if not line.startswith('#')]


def test_every_step():
  commands = _commands(
      '--type=v3-8', '--bucket=gs://b/', '--dataset=bair_clips/original', '--project=p',
      '--', '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'")
  verbs = [' '.join(words[3:5]) for words in commands if words[0] == 'gcloud']
  assert verbs == ['tpu-vm versions', 'queued-resources create', 'queued-resources delete',
                   'queued-resources create',
                   'tpu-vm scp', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh', 'tpu-vm ssh']
  assert all('--zone=europe-west4-a' in words and '--project=p' in words
             for words in commands if words[0] == 'gcloud')
  prepare, train, follow = (
      next(word for word in words if word.startswith('--command=')) for words in commands[-3:])
  assert 'launch.prepare --dataset=bair_clips/original --data_dir=gs://b/data' in prepare
  start = train.partition('launch/training_service.sh start ')[2]
  assert shlex.split(start) == [
      '.venv/bin/python', '-m', 'launch.restarts', '--', '--model_dir=gs://b/runs/bair',
      '--data_dir=gs://b/data', '--strategy=tpu', '--tpu=local',
      '--gin_file=videogpt/bair_prior.gin', "--gin_param=VQVAE_DIR='gs://b/a b'"]
  assert follow == '--command=tf_videogen/launch/training_service.sh follow'


def _documented():
  """The rows of the page's table: (type, hosts, runtime, environment)."""
  rows = re.findall(r'^\| `(v\w+-\d+)` \| (.*) \| (.*) \| (.*) \|$', GUIDE.read_text(), re.M)
  return [tuple(cell.replace('`', '') for cell in row) for row in rows]


@pytest.mark.parametrize('kind, hosts, runtime, environment', _documented())
def test_runtime_and_environment_of_a_type(kind, hosts, runtime, environment):
  """A pod is trained by its name, from one host; later generations need the PJRT runtime."""
  words = f'--type={kind}', '--bucket=gs://b', '--spot', 'create', 'run', '--', SMOKE
  if runtime.startswith('refused: '):
    done = _run(*words)
    assert done.returncode == 2 and not done.stdout
    assert f'nobody has tried TensorFlow 2.15 on {kind}' in done.stderr
    assert f'--runtime-version={TYPED}' in _commands(f'--runtime={TYPED}', *words)[1]
    return
  _, create, *_, train = _commands(*words)
  assert f'--accelerator-type={kind}' in create and f'--runtime-version={runtime}' in create
  assert '--spot' in create and '--spot' not in _commands(f'--type={kind}', 'create')[1]
  train, tpu = ' '.join(train), 'local' if hosts == '1' else 'bair'
  assert f'--tpu={tpu} --gin_file=videogpt/smoke.gin' in train
  told = f'TFDS_DATA_DIR=gs://b/data {environment}'.strip()
  assert f'export {told} && launch/training_service.sh start' in train


def test_the_page_has_every_generation():
  assert [row[0] for row in _documented()] == [
      'v2-8', 'v3-8', 'v3-32', 'v4-8', 'v5litepod-8', 'v5litepod-16', 'v5p-8', 'v6e-8']


def test_samples_of_another_run():
  draw, copy = _commands('--type=v3-8', '--bucket=gs://b', '--run=prior', 'sample')
  assert 'launch.sample --model_dir=gs://b/runs/prior --strategy=tpu' in ' '.join(draw)
  draw, _ = _commands('--type=v3-8', '--bucket=gs://b', 'sample', '--', '--num_samples=64')
  assert '--strategy=tpu --num_samples=64' in ' '.join(draw)
  assert copy == 'gcloud storage cp --recursive gs://b/runs/prior/samples .'.split()


@pytest.mark.parametrize('message, arguments', [
    ("--type is missing: the step 'create' needs it", ['create']),
    ("--bucket is missing: the step 'run' needs it", ['run', '--', SMOKE]),
    ("--type is missing: the step 'run' needs it",
     ['--bucket=gs://b', 'run', '--', '--gin_file=videogpt/smoke.gin']),
    ("--dataset is missing: the step 'prepare' needs it",
     ['--type=v3-8', '--bucket=gs://b', '--', '--gin_file=videogpt/smoke.gin']),
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
