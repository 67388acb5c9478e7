"""What tests of launch.evaluate and launch.compare share: runs of them, networks, protocols."""

import textwrap

import gin
import pytest

from tests import processes
from tests.evaluation import fakes
from tests.launch import in_process
from tf_videogen.model_directory import results


@pytest.fixture(name='networks')
def networks_fixture(monkeypatch, tmp_path):
  """Tiny networks with published weights instead of I3D and C3D."""
  fakes.install(monkeypatch, tmp_path / 'cache')


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
  """A cache of the test's own; nothing is bound when it ends."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  yield
  gin.clear_config()


class Program:
  """Runs a program of launch/ in this process.

  Args:
    module: the program's.
    capsys: of pytest.
  """

  def __init__(self, module, capsys):
    self._main, self._capsys = module.main, capsys
    self.name = f'python -m launch.{module.__name__.rpartition(".")[2]}'

  def __call__(self, *arguments):
    """The numbers that it printed, {metric: line}, and stderr."""
    assert in_process.run(self._main, *arguments, name=self.name) == 0
    said = self._capsys.readouterr()
    lines = [line for line in said.out.splitlines() if not line.startswith('written into ')]
    return {line.split()[0]: line for line in lines}, said.err

  def fails(self, message, *arguments):
    """Checks that it ends with status 1 and one line that has this in it."""
    assert in_process.run(self._main, *arguments, name=self.name) == 1
    said = self._capsys.readouterr()
    lines = [line for line in said.err.split('\r')[-1].splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith(f'{self.name}: '), said.err
    assert message in lines[0] and len(lines[0]) < 600, lines[0]
    assert not said.out


@pytest.fixture(name='run')
def run_fixture(request, capsys):
  """The Program that the test's module calls PROGRAM."""
  return Program(request.module.PROGRAM, capsys)


@pytest.fixture(name='fails')
def fails_fixture(run):
  """Its `fails`."""
  return run.fails


FIXTURES = networks_fixture, clean, run_fixture, fails_fixture  # for a module to have them, too


def protocol_file(folder, tiny_files, name, frames=4, **kwargs):
  """A protocol of the suite on the tiny clips, as a user changes one."""
  text = f'''
      from __gin__ import dynamic_registration
      from tf_videogen.data import clips
      from tf_videogen.evaluation import measures
      from tf_videogen.evaluation import protocols
      include 'evaluation/{name}.gin'
      protocols.Protocol.clips = @evaluation/clips.FileClips()
      evaluation/clips.FileClips.train_path = '{tiny_files.train}'
      evaluation/clips.FileClips.test_path = '{tiny_files.test}'
      evaluation/clips.FileClips.frames = {frames}
      measures.FrechetDistance.frames = 4
      protocols.Protocol.videos = 10
      '''
  lines = [f'protocols.Protocol.{key} = {value!r}' for key, value in kwargs.items()]
  path = folder / f'{name}.gin'
  path.write_text(textwrap.dedent(text) + '\n'.join(lines) + '\n')
  return path


def two_workers(program, folder, *arguments):
  """Runs the program in two processes that work together; returns what the chief said."""
  command = processes.program(program, '--strategy=multi_worker', *arguments)
  caches = [{'TF_VIDEOGEN_CACHE': str(folder / f'cache{i}')} for i in range(2)]
  with processes.cluster(*command, folder=folder, environments=caches) as workers:
    statuses = [worker.wait(200) for worker in workers]
  said = [processes.log_of(folder, i).read_text() for i in range(2)]
  assert statuses == [0, 0], said
  assert 'written into' in said[0] and 'written into' not in said[1]
  return said[0]


def rows(folder):
  """{(metric, examples): value} of a results.csv."""
  return {(row.metric, row.examples): row.value for row in results.read_results(str(folder))}
