"""The package: its requirements, what a wheel carries, and that a checkout works uninstalled."""

import importlib
import importlib.metadata
import os
import pathlib
import runpy
import shutil
import sys
import tarfile
import types
from unittest import mock
import zipfile

from packaging import markers
from packaging import requirements
from packaging import utils
import pytest
import setuptools

from tests import processes
from tests import raw_data
import tf_videogen
from tf_videogen.launch import cli
from tf_videogen.launch import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINKS = ('datasets', 'gin', 'launch')
# The lines of TensorFlow: their constraints, and the Pythons that these serve.
CONSTRAINTS = {'2.15': 'constraints.txt', '2.20': 'constraints-2.20.txt'}
PYTHONS = [('2.15', '3.10'), ('2.15', '3.11'), ('2.20', '3.11'), ('2.20', '3.12'), ('2.20', '3.13')]


def run_python(*arguments, cwd=ROOT, **environment):
  """Runs this Python to its end; it must succeed. Returns its output."""
  done = processes.run(sys.executable, *arguments, cwd=cwd, **environment)
  assert done.returncode == 0, done.stdout + done.stderr
  return done.stdout


# A checkout.


def test_gin_is_gin_config_in_the_root():
  path = run_python('-c', 'import gin; print(gin.__file__); gin.parse_config("")').strip()
  assert pathlib.Path(path).parent != ROOT / 'gin'


def test_gin_and_datasets_are_not_packages():
  assert not list((ROOT / 'gin').rglob('__init__.py'))
  assert not (ROOT / 'datasets' / '__init__.py').exists()


@pytest.mark.parametrize('name', LINKS)
def test_link(name):
  link = ROOT / 'tf_videogen' / name
  assert link.is_symlink() and link.resolve() == ROOT / name


def test_command_does_not_import_tensorflow():
  run_python('-c', 'import sys, tf_videogen.launch.cli; assert "tensorflow" not in sys.modules')


# Keras 2 is chosen by importing the package, also after TensorFlow, until `tf.keras` is used.
USES_KERAS = '''
import sys
order = sys.argv[1].split()
for word in order:
  if word == 'tensorflow':
    import tensorflow as tf
  else:
    import tf_videogen
print(tf.keras.layers.Layer.__module__)
'''


@pytest.mark.parametrize('order', ['tf_videogen tensorflow', 'tensorflow tf_videogen'])
def test_keras_2_is_chosen(order):
  found = run_python('-c', USES_KERAS, order, TF_USE_LEGACY_KERAS='0').split()[-1]
  assert found.endswith('keras.src.engine.base_layer')  # Keras 3 has none


@pytest.mark.parametrize('before, after', [(None, '0'), ('16', '16')])
def test_no_more_is_read_of_gs_than_is_asked_for(monkeypatch, before, after):
  """TensorFlow reads the variable when it is imported."""
  name = 'GCS_READ_CACHE_BLOCK_SIZE_MB'
  monkeypatch.setenv(name, before or '')  # so that it is restored
  if before is None:
    del os.environ[name]
  importlib.reload(tf_videogen)
  assert os.environ[name] == after


def test_keras_3_cannot_be_helped(monkeypatch):
  """Where `tf.keras` was used before."""
  monkeypatch.setenv('TF_USE_LEGACY_KERAS', '')  # so that it is restored
  monkeypatch.setattr(importlib.metadata, 'version', lambda name: '3.15.1')
  keras = types.SimpleNamespace(__version__='3.15.1')
  monkeypatch.setitem(sys.modules, 'tensorflow', types.SimpleNamespace(keras=keras))
  with pytest.raises(ImportError, match='needs Keras 2, but tf.keras is already Keras 3: import '
                     'tf_videogen before'):
    importlib.reload(tf_videogen)


# The command.


@pytest.mark.parametrize('arguments', [[], ['--help'], ['-h'], ['help']])
def test_commands_are_listed_on_a_screen(arguments, capsys):
  assert cli.main(['tf-videogen'] + arguments) == 0
  text = capsys.readouterr().out
  assert all(f'  {command} ' in text for command in cli.COMMANDS)
  assert fits(text, lines=24, columns=80)


def test_unknown_command(capsys):
  assert cli.main(['tf-videogen', 'trian']) == 2
  streams = capsys.readouterr()
  assert not streams.out and streams.err.count('\n') == 1 and "'trian'" in streams.err


@pytest.mark.parametrize('command', cli.COMMANDS)
def test_help_of_a_command_fits_a_screen(command, monkeypatch):
  """All in one process, so that no two programs define the same flag."""
  monkeypatch.setenv('COLUMNS', '80')
  module = importlib.import_module(f'tf_videogen.launch.{cli.MODULES.get(command, command)}')
  text = program.help_text(module.main)
  assert text.startswith(module.__doc__.strip()) and 'Flags:' in text
  assert fits(text, lines=40, columns=100)


def test_help_does_not_wait_for_tensorflow():
  """Nor for anything else that takes long."""
  run_python('-c', """
import importlib, sys
from tf_videogen.launch import cli, lazy
for command in cli.COMMANDS:
  program = importlib.import_module(f'tf_videogen.launch.{cli.MODULES.get(command, command)}')
waiting = ('tensorflow', 'tensorflow_datasets', 'numpy', 'matplotlib', 'tf_videogen.experiment')
assert not set(waiting) & set(sys.modules), set(waiting) & set(sys.modules)
from tf_videogen.launch import train
assert train.tf.__version__ and train.experiment.Experiment
import tensorflow, tf_videogen.experiment
assert type(tensorflow) is type(tf_videogen.experiment) is type(sys)
assert train.tf.Tensor is tensorflow.Tensor
""")


@pytest.mark.parametrize('command', ['train', 'train_cascade', 'evaluate', 'compare', 'sample'])
def test_mistakes_in_flags_do_not_wait_for_tensorflow(command):
  run_python('-c', """
import sys
from tf_videogen.launch import cli
try:
  cli.main(['tf-videogen', sys.argv[1]])
except SystemExit as end:
  assert end.code == 1 and not {'tensorflow', 'matplotlib'} & set(sys.modules)
""", command)


# Both from one process that has imported what takes long, as `python -m` and as a command do.
HELP_TWICE = '''
import os, runpy, sys, warnings
warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside threads
from tf_videogen.launch import cli
from tf_videogen import experiment
if not os.fork():
  sys.argv = ['train', '--help']
  runpy.run_module('launch.train', run_name='__main__', alter_sys=True)
print('status', os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
sys.exit(cli.main(['tf-videogen', 'train', '--help']))
'''


def test_help_is_the_same_in_a_checkout():
  both = processes.run(sys.executable, '-c', HELP_TWICE)
  assert (both.returncode, both.stderr) == (0, '')
  in_checkout, installed = both.stdout.split('status 0\n')
  assert in_checkout == installed
  assert '  --gin_file ' in installed and '  --model_dir ' in installed


@pytest.mark.slow
def test_help_is_the_same_in_a_checkout_and_quiet():
  """Each in a process of its own, from the start."""
  in_checkout = processes.run(sys.executable, '-m', 'launch.train', '--help')
  installed = processes.run(sys.executable, '-m', 'tf_videogen.launch.cli', 'train', '--help')
  assert (in_checkout.returncode, in_checkout.stderr) == (0, '')
  assert (installed.returncode, installed.stderr) == (0, '')
  assert in_checkout.stdout == installed.stdout
  assert '  --gin_file ' in installed.stdout and '  --model_dir ' in installed.stdout


def fits(text, lines, columns):
  """Whether a text fits a screen."""
  text = text.rstrip('\n').split('\n')
  return len(text) <= lines and max(map(len, text)) <= columns


# Requirements.


def setup_requirements(line):
  """The requirements in setup.py, those of all extras included; None: those of a wheel."""
  environment = {'TF_VIDEOGEN_TENSORFLOW': line} if line else {}
  with mock.patch.object(setuptools, 'setup') as setup, mock.patch.dict(os.environ, environment):
    if not line:
      os.environ.pop('TF_VIDEOGEN_TENSORFLOW', None)
    runpy.run_path(str(ROOT / 'setup.py'))
  asked = setup.call_args.kwargs
  lines = sum(asked['extras_require'].values(), asked['install_requires'])
  return list(map(requirements.Requirement, lines))


def environment_of(python_version):
  """Linux with a Python, for markers."""
  return {
      **markers.default_environment(),
      'python_version': python_version,
      'python_full_version': f'{python_version}.9',
      'sys_platform': 'linux',
      'platform_machine': 'x86_64',
  }


def constraints(line, python_version):
  """Returns {canonical name: version} of a line's constraints on Linux for a Python version."""
  environment = environment_of(python_version)
  pins = {}
  for text in (ROOT / CONSTRAINTS[line]).read_text().splitlines():
    if not text or text.startswith('#'):
      continue
    pin = requirements.Requirement(text)  # fails for options such as --index-url
    (specifier,) = pin.specifier
    assert specifier.operator == '==' and pin.url is None, text
    if pin.marker is None or pin.marker.evaluate(environment):
      name = utils.canonicalize_name(pin.name)
      assert name not in pins, f'{name} is there twice for Python {python_version}'
      pins[name] = specifier.version
  return pins


@pytest.mark.parametrize('line, python_version', PYTHONS)
def test_constraints_satisfy_setup(line, python_version):
  pins = constraints(line, python_version)
  assert {'pip', 'uv', 'wheel', 'setuptools'} <= set(pins)
  assert pins['tensorflow'].startswith(f'{line}.')
  for requirement in setup_requirements(line):
    name = utils.canonicalize_name(requirement.name)
    assert requirement.specifier.contains(pins.get(name, '0')), f'{requirement}: {pins.get(name)}'


@pytest.mark.parametrize('line', CONSTRAINTS)
def test_requirements_are_bounded(line):
  """A wheel is installed without constraints."""
  for requirement in setup_requirements(line):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {'>=', '<'}, str(requirement)


@pytest.mark.parametrize('python_version, line', [
    ('3.10', '2.15'), ('3.11', '2.15'), ('3.12', '2.20'), ('3.13', '2.20')])
def test_a_wheel_has_the_line_of_its_python(python_version, line):
  def texts(of):
    return sorted(f'{r.name}{sorted(r.extras)}{r.specifier}' for r in of)

  environment = environment_of(python_version)
  assert texts(r for r in setup_requirements(None)
               if not r.marker or r.marker.evaluate(environment)) == texts(setup_requirements(line))


def test_constraints_are_complete():
  """Each package that an installed requirement asks for, directly or not, is pinned."""
  line = '.'.join(importlib.metadata.version('tensorflow').split('.')[:2])
  pins = constraints(line, '.'.join(map(str, sys.version_info[:2])))
  waiting = [(utils.canonicalize_name(r.name), frozenset(r.extras))
             for r in setup_requirements(line)]
  seen = set()
  while waiting:
    name, extras = waiting.pop()
    if (name, extras) in seen:
      continue
    seen.add((name, extras))
    assert name in pins, f'{name} is not in {CONSTRAINTS[line]}'
    if name.startswith('nvidia-'):
      continue  # is not installed
    for text in importlib.metadata.requires(name) or []:
      needed = requirements.Requirement(text)
      if needed.marker is None or any(
          needed.marker.evaluate({'extra': extra}) for extra in extras or {''}):
        waiting.append((utils.canonicalize_name(needed.name), frozenset(needed.extras)))


# What is built.


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  """Builds a wheel and a source distribution from a copy, a wheel from the latter; no network."""
  folder = tmp_path_factory.mktemp('built')
  checkout = folder / 'check out'  # with a space
  shutil.copytree(
      ROOT, checkout, symlinks=True, ignore=shutil.ignore_patterns(
          '.*', '__pycache__', '*.egg-info', 'build', 'dist', 'runs'))
  pip_wheel = ('-m', 'pip', 'wheel', '--quiet', '--no-build-isolation', '--no-deps')
  run_python(*pip_wheel, '-w', folder / 'wheel', checkout, TF_VIDEOGEN_TENSORFLOW='')
  run_python('setup.py', '--quiet', 'sdist', '--dist-dir', folder / 'sdist', cwd=checkout)
  (sdist,) = (folder / 'sdist').iterdir()
  run_python(*pip_wheel, '-w', folder / 'wheel_of_sdist', sdist)
  (wheel,) = (folder / 'wheel').iterdir()
  (wheel_of_sdist,) = (folder / 'wheel_of_sdist').iterdir()
  return checkout, wheel, sdist, wheel_of_sdist


def files(checkout, *patterns):
  """Returns the files of the linked folders that match, as paths below the checkout."""
  return {
      path.relative_to(checkout).as_posix()
      for name in LINKS for pattern in patterns for path in (checkout / name).rglob(pattern)}


@pytest.mark.slow
def test_wheel_carries_the_linked_folders(built):
  checkout, wheel, sdist, wheel_of_sdist = built
  names = set(zipfile.ZipFile(wheel).namelist())
  assert {name.split('/')[0] for name in names if '.dist-info/' not in name} == {'tf_videogen'}
  needed = files(checkout, '*.py', '*.gin', '*.tsv', '*.bib', '*.css', '*.js', 'README.md',
                 'TAGS.txt')
  assert {f'tf_videogen/{name}' for name in needed} <= names
  assert any(name.endswith('.dist-info/licenses/LICENSE') for name in names)
  assert not [name for name in names if '__pycache__' in name]
  assert set(zipfile.ZipFile(wheel_of_sdist).namelist()) == names
  with tarfile.open(sdist) as archive:
    members = {name.partition('/')[2] for name in archive.getnames()}
    assert not [member.name for member in archive.getmembers() if member.issym()]
  assert {'setup.py', *CONSTRAINTS.values(), 'LICENSE'} <= members


@pytest.mark.slow
def test_installed_wheel_works_outside_the_checkout(built, tmp_path):
  checkout, wheel, _, _ = built
  site = tmp_path / 'site'
  run_python(
      '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', '--target', site, wheel)
  environment = {'PYTHONPATH': str(site)}
  where = run_python(
      '-c', 'import tf_videogen; print(tf_videogen.__file__)', cwd=tmp_path, **environment)
  assert pathlib.Path(where.strip()).is_relative_to(site)
  for path in files(checkout, '*.gin'):
    assert (site / 'tf_videogen' / path).is_file()
  builders = [pathlib.Path(path).with_suffix('').as_posix().replace('/', '.')
              for path in files(checkout, '*_dataset_builder.py')]
  assert builders
  code = '\n'.join(
      f'import tf_videogen.{name} as module; print(module.Builder.get_metadata())'
      for name in builders)
  run_python('-c', code, cwd=tmp_path, **environment)
  done = processes.run(
      sys.executable, site / 'bin' / 'tf-videogen', '--help', cwd=tmp_path, **environment)
  assert done.returncode == 0 and 'prepare' in done.stdout, done.stderr


# Decodes a video, as `launch.prepare` does.
DECODES = '''
import sys
from tf_videogen.preparation import raw_videos
print(len(raw_videos.read(sys.argv[1], short_side=32).frames))
'''


@pytest.mark.slow
@pytest.mark.parametrize('resolution', ['highest', 'lowest-direct'])
def test_wheel_without_constraints(built, tiny_files, tmp_path, resolution):
  """What the index has within the bounds of setup.py, at both ends; needs a network."""
  _, wheel, _, _ = built
  run_python('-m', 'venv', tmp_path / 'venv')
  python = tmp_path / 'venv' / 'bin' / 'python'
  run_python('-m', 'uv', 'pip', 'install', '--quiet', '--python', python,
             '--resolution', resolution, wheel)
  raw_data.write_video(tmp_path / 'a.mp4', raw_data.moving_square())

  def run(*command):
    done = processes.run(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

  assert run(python, '-c', DECODES, tmp_path / 'a.mp4') == '20\n'
  program_path = tmp_path / 'venv' / 'bin' / 'tf-videogen'
  run(program_path, 'train', f'--gin_file={tiny_files.vqvae_gin}', '--model_dir=run',
      '--gin_param=TRAIN_STEPS = 1')
  assert 'test/psnr' in run(program_path, 'evaluate', '--model_dir=run')
