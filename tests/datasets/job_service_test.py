"""Preparing on an engine that is not this process: Beam's job service, workers in their own."""

import contextlib
import os
import pathlib
import shutil
import signal
import sys

import pytest

from tests import processes
from tests import raw_data
from tests.datasets import building
from tf_videogen.datasets.kinetics600_clips import kinetics600_clips_dataset_builder
from tf_videogen.datasets.kinetics600_clips import kinetics600_clips_dataset_builder_test as k600
from tf_videogen.datasets.ucf101_clips import ucf101_clips_dataset_builder
from tf_videogen.datasets.ucf101_clips import ucf101_clips_dataset_builder_test as ucf101

pytestmark = pytest.mark.slow

VIDEOS = 40  # each takes a part of a second to decode


@pytest.fixture(name='engine')
def _engine(tmp_path):
  """A job service and a pool of workers; a function of flags that runs launch.prepare there."""
  job_port, pool_port = processes.free_ports(2)
  module = (sys.executable, '-m', 'apache_beam.runners')
  path = f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'  # a worker is "python"
  flags = ['--beam_runner=PortableRunner', f'--beam_option=--job_endpoint=localhost:{job_port}',
           '--beam_option=--environment_type=EXTERNAL',
           f'--beam_option=--environment_config=localhost:{pool_port}']

  @contextlib.contextmanager
  def prepare(*more):
    with processes.started(*processes.program('prepare', *flags, *more),
                           output=tmp_path / 'prepare.log') as process:
      yield process

  with processes.started(
      *module[:2], f'{module[2]}.portability.local_job_service_main', '--port', job_port,
      output=tmp_path / 'service.log'), processes.started(
          *module[:2], f'{module[2]}.worker.worker_pool_main', f'--service_port={pool_port}',
          output=tmp_path / 'pool.log', PATH=path) as prepare.pool:
    yield prepare


def _workers(pool):
  """Numbers of the processes that a pool has started."""
  found = []
  for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
    with contextlib.suppress(OSError):
      fields = path.read_text().rpartition(')')[2].split()
      if int(fields[3]) == pool.pid != int(path.parent.name):  # the pool's session
        found.append(int(path.parent.name))
  return found


def _write_ucf101(folder):
  """Two videos of each class of the small data set become many, and long."""
  ucf101.Ucf101ClipsTest.write(folder)
  raw_data.write_video(folder / 'long.avi', raw_data.moving_square(300, 240, 320), codec='mpeg4')
  with open(folder / 'ucfTrainTestlist' / 'trainlist01.txt', 'a', encoding='utf-8') as names:
    for i in range(VIDEOS):
      name = f'YoYo/v_YoYo_g{10 + i // 7}_c0{i % 7 + 1}.avi'
      shutil.copy(folder / 'long.avi', folder / 'UCF-101' / name)
      names.write(f'{name} 2\n')


def test_a_killed_worker_costs_no_video(engine, tmp_path):
  """The pipeline ends with one line; the same command goes on, and writes what a plain run does."""
  _write_ucf101(tmp_path / 'manual')
  flags = ['--dataset=ucf101_clips/64', f'--data_dir={tmp_path}/beam', '--keep_decoded',
           f'--manual_dir={tmp_path}/manual']
  decoded = lambda: {path: path.stat().st_mtime_ns
                     for path in (tmp_path / 'beam' / 'decoded').rglob('*.npz')}
  with engine(*flags) as process:
    processes.until(lambda: len(decoded()) >= VIDEOS // 4, process=process)
    for worker in _workers(engine.pool):
      os.kill(worker, signal.SIGKILL)
    assert process.wait(timeout=120) == 1
  before = decoded()
  assert len(before) < VIDEOS
  said = (tmp_path / 'prepare.log').read_text().splitlines()[-1]
  assert 'the pipeline of Beam failed: ' in said and 'the same command resumes from there' in said
  with engine(*flags) as process:
    assert process.wait(timeout=300) == 0, (tmp_path / 'prepare.log').read_text()
  assert {path: when for path, when in decoded().items() if path in before} == before
  on_engine = ucf101_clips_dataset_builder.Builder(data_dir=str(tmp_path / 'beam'), config='64')
  building.assert_same(
      building.prepare(ucf101_clips_dataset_builder.Builder, tmp_path, '64'), on_engine)
  assert building.videos(on_engine)['train'] == VIDEOS + 3


def test_kinetics600(engine, tmp_path):
  k600.Kinetics600ClipsTest.write(tmp_path / 'manual')
  with engine('--dataset=kinetics600_clips/64', f'--data_dir={tmp_path}/beam',
              f'--manual_dir={tmp_path}/manual') as process:
    assert process.wait(timeout=300) == 0, (tmp_path / 'prepare.log').read_text()
  builder = kinetics600_clips_dataset_builder.Builder
  building.assert_same(building.prepare(builder, tmp_path, '64'),
                       builder(data_dir=str(tmp_path / 'beam'), config='64'))
