"""launch/install.sh, with interpreters that install nothing: which packages a machine gets."""

import pathlib
import shutil
import sys
import types

import pytest

from tests import processes

INSTALL = pathlib.Path(__file__).resolve().parents[2] / 'launch' / 'install.sh'
TOOLS = ('bash', 'cat', 'cp', 'dirname', 'env', 'grep', 'head', 'mkdir', 'mktemp', 'rm', 'sed')
# An interpreter of a version: keeps what pip and uv are asked, makes environments with itself.
PYTHON = '''#!/usr/bin/env bash
case "$*" in
  *'print("%d.%d"'*) echo {version} ;;
  *'print("cp%d%d"'*) echo cp{version} | sed 's/[.]//' ;;
  '--version') echo Python {version}.0 ;;
  '-m venv'*) mkdir -p "${{@: -1}}/bin"; cp "$0" "${{@: -1}}/bin/python" ;;
  '-m pip config'*) ;;
  '-m pip install --quiet --target'*) {brings_uv} ;;
  '-m pip'* | '-m uv'*) echo "$TF_VIDEOGEN_TENSORFLOW $*" >> {folder}/asked ;;
  *'import tensorflow'*) cat {folder}/problem >&2; [[ ! -s {folder}/problem ]] ;;
  *) exec {python} "$@" ;;
esac
'''
UV = '''#!/usr/bin/env bash
case "$*" in
  'python install'*) echo "$*" >> {folder}/fetched; exit {status} ;;
  'python find'*) echo {folder}/fetched_python ;;
esac
'''


class _Machine:
  """What is on the path of a machine, and an environment that is made there.

  Args:
    folder: a `pathlib.Path`, empty.
  """

  def __init__(self, folder):
    self._folder, self._bin, self.venv = folder, folder / 'bin', folder / 'venv'
    self._bin.mkdir()
    (folder / 'wheels').mkdir()
    (folder / 'problem').touch()
    for tool in TOOLS:
      (self._bin / tool).symlink_to(shutil.which(tool))

  def _write(self, path, text):
    path.write_text(text)
    path.chmod(0o755)

  def python(self, name, version, brings_uv='exit 1'):
    """Puts an interpreter on the path."""
    self._write(self._bin / name, self._python(version, brings_uv))

  def _python(self, version, brings_uv='exit 1'):
    return PYTHON.format(version=version, folder=self._folder, python=sys.executable,
                         brings_uv=brings_uv)

  def uv(self, version, status=0, path=None):
    """Puts a uv on the path that fetches a Python."""
    self._write(path or self._bin / 'uv', UV.format(folder=self._folder, status=status))
    self._write(self._folder / 'fetched_python', self._python(version))

  def gpu(self, says, status=0):
    """Puts a driver of NVIDIA's on the path."""
    self._write(self._bin / 'nvidia-smi', f'#!/usr/bin/env bash\necho "{says}"\nexit {status}\n')

  def tpu(self, wheel=None, problem=''):
    """Gives it a TPU, and the image's wheel, which Python cannot import if there is a problem."""
    (self._folder / 'accel0').touch()
    (self._folder / 'problem').write_text(problem)
    if wheel:
      (self._folder / 'wheels' / wheel).touch()

  def install(self, **environment):
    """Runs it: status, the lines that it said, and what pip and uv were asked."""
    (self._folder / 'asked').write_text('')
    (self._folder / 'fetched').write_text('')
    done = processes.run(INSTALL, **{
        'PATH': str(self._bin), 'TF_VIDEOGEN_VENV': str(self.venv), 'TF_VIDEOGEN_TENSORFLOW': '',
        'TF_VIDEOGEN_TPU_WHEELS': str(self._folder / 'wheels'), 'TF_VIDEOGEN_CUDA': '',
        'TF_VIDEOGEN_TPU_DEVICES': f'{self._folder}/accel0', 'PYTHON': '', **environment})
    assert (self.venv / 'tf_videogen.installed').exists() == (done.returncode == 0), done.stderr
    return types.SimpleNamespace(
        status=done.returncode, said=done.stderr.splitlines(),
        asked=(self._folder / 'asked').read_text().splitlines(),
        fetched=(self._folder / 'fetched').read_text().splitlines())


@pytest.fixture(name='machine')
def _machine(tmp_path):
  """A machine without a Python."""
  return _Machine(tmp_path)


def _installed(done):
  """The line of TensorFlow, the constraints and the extras that were asked for."""
  assert done.status == 0, done.said
  (words,) = [line.split() for line in done.asked if ' -m uv pip install ' in line]
  assert words[words.index('--build-constraints') + 1] == words[words.index('-c') + 1]
  return words[0], words[words.index('-c') + 1], words[-1]


# --- which Python, and which line of TensorFlow ---


@pytest.mark.parametrize('version, line, constraints', [
    ('3.10', '2.15', 'constraints.txt'), ('3.11', '2.15', 'constraints.txt'),
    ('3.12', '2.20', 'constraints-2.20.txt'), ('3.13', '2.20', 'constraints-2.20.txt')])
@pytest.mark.parametrize('name', ['python{}', 'python3'])
def test_the_line_of_a_python(machine, name, version, line, constraints):
  machine.python(name.format(version), version)
  assert _installed(machine.install()) == (line, constraints, '.[test]')
  done = machine.install()
  assert (done.status, done.said, done.asked) == (0, [], [])


def test_a_line_that_is_asked_for(machine):
  for version in ('3.10', '3.11', '3.13'):
    machine.python(f'python{version}', version)
  assert _installed(machine.install())[0] == '2.15'
  assert _installed(machine.install(TF_VIDEOGEN_TENSORFLOW='2.20'))[0] == '2.20'
  (machine.venv / 'bin' / 'python').unlink()
  (machine.venv.parent / 'bin' / 'python3.13').unlink()
  asked = machine.install(TF_VIDEOGEN_TENSORFLOW='2.20')
  assert _installed(asked)[:2] == ('2.20', 'constraints-2.20.txt')
  assert asked.said[0].endswith('Python 3.11.0')
  assert machine.install().asked == []  # what was chosen stays
  back = machine.install(TF_VIDEOGEN_TENSORFLOW='2.15')
  assert _installed(back)[0] == '2.15' and 'making the virtual environment' in back.said[0]


def test_another_python_makes_another_environment(machine):
  for version in ('3.10', '3.12'):
    machine.python(f'python{version}', version)
  assert _installed(machine.install())[0] == '2.15'
  assert machine.install(PYTHON='python3.10').asked == []
  assert _installed(machine.install(PYTHON='python3.12'))[0] == '2.20'
  assert machine.install().asked == []


@pytest.mark.parametrize('environment, message', [
    ({'TF_VIDEOGEN_TENSORFLOW': '2.16'}, 'TF_VIDEOGEN_TENSORFLOW=2.16: there are 2.15 and 2.20'),
    ({'TF_VIDEOGEN_CUDA': '1'}, 'TF_VIDEOGEN_CUDA=1: there are yes and no'),
    ({'PYTHON': 'python3.10', 'TF_VIDEOGEN_TENSORFLOW': '2.20'},
     'PYTHON=python3.10 does not run, or is not Python 3.12, 3.13 or 3.11'),
    ({'PYTHON': 'python3.9'},
     'PYTHON=python3.9 does not run, or is not Python 3.11, 3.10, 3.12 or 3.13')])
def test_what_does_not_go_together(machine, environment, message):
  machine.python('python3.10', '3.10')
  done = machine.install(**environment)
  assert done.status == 1 and done.said == [f'install: {message}'] and not done.asked


# --- no Python that fits ---


@pytest.mark.parametrize('there', ['uv', 'python3 with pip'])
def test_a_python_is_fetched(machine, tmp_path, there):
  if there == 'uv':
    machine.uv('3.11')
  else:
    machine.uv('3.11', path=tmp_path / 'uv')
    machine.python('python3', '3.9', f'mkdir "$6/bin"; cp {tmp_path}/uv "$6/bin/uv"')
  done = machine.install()
  assert _installed(done)[0] == '2.15'
  assert done.fetched == ['python install --quiet 3.11']
  assert done.said[0] == ('install: found no Python 3.11, 3.10, 3.12 or 3.13: '
                          'fetching Python 3.11 with uv')


@pytest.mark.parametrize('there', ['nothing', 'a uv that cannot', 'an old python'])
def test_no_python_can_be_had(machine, there):
  if there == 'a uv that cannot':
    machine.uv('3.11', status=1)
  elif there == 'an old python':
    machine.python('python3', '3.9')
  done = machine.install()
  assert done.status == 1 and not done.asked
  assert done.said[-1].startswith('install: that failed. Install one, on Debian and Ubuntu: '
                                  'apt install python3 python3-venv; or name it: PYTHON=')


# --- GPUs ---


@pytest.mark.parametrize('environment, says, status, extras', [
    ({}, 'GPU 0: NVIDIA T4 (UUID: GPU-1)', 0, '.[test,cuda]'),
    ({}, 'No devices were found', 6, '.[test]'),
    ({'TF_VIDEOGEN_CUDA': 'no'}, 'GPU 0: NVIDIA T4 (UUID: GPU-1)', 0, '.[test]'),
    ({'TF_VIDEOGEN_CUDA': 'yes'}, None, 0, '.[test,cuda]')])
def test_cuda(machine, environment, says, status, extras):
  machine.python('python3.12', '3.12')
  if says:
    machine.gpu(says, status)
  done = machine.install(**environment)
  assert _installed(done)[2] == extras
  assert any('and CUDA' in line for line in done.said) == ('cuda' in extras)


def test_a_driver_that_came_later(machine):
  machine.python('python3.12', '3.12')
  assert _installed(machine.install())[2] == '.[test]'
  machine.gpu('GPU 0: NVIDIA T4 (UUID: GPU-1)\nGPU 1: NVIDIA T4 (UUID: GPU-2)')
  assert _installed(machine.install())[2] == '.[test,cuda]'
  machine.gpu('', 9)
  assert machine.install().asked == []  # an image that is built elsewhere
  assert _installed(machine.install(TF_VIDEOGEN_CUDA='no'))[2] == '.[test]'


# --- TPU VMs ---


@pytest.mark.parametrize('version, wheel', [
    ('3.10', 'tensorflow-2.15.1-cp310-cp310-linux_x86_64.whl'),
    ('3.12', 'tensorflow-2.20.0-cp312-cp312-linux_x86_64.whl')])
def test_the_wheel_of_the_image_is_taken(machine, version, wheel):
  machine.python('python3', version)
  machine.tpu(wheel)
  done = machine.install()
  assert done.status == 0 and done.asked[-1].endswith(wheel)


@pytest.mark.parametrize('wheel', [None, 'tensorflow-2.15.1-cp39-cp39-linux_x86_64.whl',
                                   'tensorflow-2.16.1-cp310-cp310-linux_x86_64.whl'])
def test_a_tpu_without_its_wheel_is_refused(machine, wheel):
  machine.python('python3', '3.10')
  machine.tpu(wheel)
  done = machine.install()
  assert done.status == 1 and 'linux' not in ' '.join(done.asked)
  assert done.said[-1].startswith('install: this machine has a TPU, and ')
  assert 'no TensorFlow 2.15 for cp310' in done.said[-1]
  assert 'name its folder with TF_VIDEOGEN_TPU_WHEELS' in done.said[-1]


def test_the_processor_alone(machine):
  machine.python('python3', '3.10')
  machine.tpu()
  assert machine.install(TF_VIDEOGEN_TPU_WHEELS='none').status == 0


def test_a_wheel_that_does_not_import_is_refused(machine):
  machine.python('python3', '3.10')
  machine.tpu('tensorflow-2.15.1-cp310-cp310-linux_x86_64.whl',
              problem='Traceback:\nImportError: ml_dtypes is too new')
  done = machine.install()
  assert done.status == 1
  assert done.said[-1].endswith('does not go with the packages of constraints.txt: '
                                'ImportError: ml_dtypes is too new')
