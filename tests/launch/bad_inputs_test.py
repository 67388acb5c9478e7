"""The rule for bad inputs: one line, a status that is not 0, and nothing lost. See `bad_inputs`."""

import importlib
import os
import shutil

import gin
import pytest

from tests.evaluation import fakes
from tests.launch import bad_inputs
from tests.launch import in_process
from tf_videogen import experiment
from tf_videogen.launch import configs

# Those that only read flags and configs are quick; the others build models.
QUICK = [row for row in bad_inputs.ROWS if row.status == 2 or ' = ' in row.words]


@pytest.fixture(scope='module', name='model_dir')
def _model_dir(tiny_files, tmp_path_factory, cpu):
  """The directory of a VQ-VAE, untrained, as after two steps."""
  folder = tmp_path_factory.mktemp('bad_inputs') / 'model'
  configs.parse([tiny_files.vqvae_gin], [])
  configs.keep(str(folder), True, [tiny_files.vqvae_gin], [])
  config = configs.configured(experiment.Experiment)()
  fakes.save(config, folder, cpu, step=2, change=lambda task: task.initialize(config.clips))
  gin.clear_config()
  return folder


def _prepare(folder, state, tiny_files, model_dir):
  for path in (tiny_files.vqvae_gin, tiny_files.train, tiny_files.test):
    shutil.copy(path, folder)
  shutil.copytree(model_dir, folder / 'model')
  for name, content in state.items():
    path = folder / name
    if path.is_file():
      path.unlink()
    if content is bad_inputs.GONE:
      continue
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is bad_inputs.FOLDER:
      path.mkdir()
    elif content is bad_inputs.LINK:
      path.symlink_to(folder / 'nowhere')
    else:
      path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _snapshot(folder):
  """What is there: paths and contents, but of what every start writes anew."""
  found = {}
  for inner, folders, names in os.walk(folder):
    for name in [*folders, *names]:
      path = os.path.join(inner, name)
      found[path] = None
      if os.path.isfile(path) and name not in ('training.lock', 'config.gin', 'clips.json'):
        found[path] = open(path, 'rb').read()
  return found


def _check(row, folder, capsys, tiny_files, model_dir):
  _prepare(folder, row.state, tiny_files, model_dir)
  before = _snapshot(folder)
  program = importlib.import_module(f'tf_videogen.launch.{row.program}')
  arguments = row.arguments.replace('{tmp}', str(folder)).split()
  capsys.readouterr()
  status = in_process.run(program.main, *arguments, name=row.program)
  gin.clear_config()
  lines = [line for line in capsys.readouterr().err.splitlines()
           if line.startswith(f'{row.program}: ') and '%|' not in line]  # that is a bar
  assert status == row.status and len(lines) == 1, lines
  assert row.words in lines[0] and len(lines[0]) < 900, lines
  after = _snapshot(folder)
  lost = {path for path, content in before.items() if after.get(path, 0) != content}
  assert not lost, lost


def _name(row):
  return f'{row.program} {row.arguments} {sorted(row.state)}'


@pytest.mark.usefixtures('without_xla')
@pytest.mark.parametrize('row', QUICK[::4], ids=_name)
def test_bad_input(row, tmp_path, capsys, tiny_files, model_dir):
  _check(row, tmp_path, capsys, tiny_files, model_dir)


@pytest.mark.slow
@pytest.mark.usefixtures('without_xla')
def test_all_bad_inputs(tmp_path, capsys, tiny_files, model_dir, subtests):
  for i, row in enumerate(bad_inputs.ROWS):
    with subtests.test(msg=_name(row)):
      folder = tmp_path / str(i)
      folder.mkdir()
      _check(row, folder, capsys, tiny_files, model_dir)


def test_there_are_enough():
  assert len(bad_inputs.ROWS) == len(set(map(repr, bad_inputs.ROWS))) >= 150
