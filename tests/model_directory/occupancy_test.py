"""One process trains in a directory: others say who it is, or go on when it has ended."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests import processes
from tf_videogen.model_directory import occupancy

# Takes a directory under the name of another host, says so, and stays until it is killed.
HOLDER = '''
import sys, time
from tf_videogen.model_directory import occupancy
occupancy.socket.gethostname = lambda: sys.argv[2]
occupancy.RENEWED = 0.2
with occupancy.occupied(sys.argv[1]):
  print('taken', flush=True)
  time.sleep(600)
'''


@pytest.fixture(name='holder')
def _holder():
  """A function that starts such a process."""
  started = []

  def start(model_dir, host='host-1'):
    process = subprocess.Popen(
        [sys.executable, '-c', HOLDER, str(model_dir), host], stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': str(processes.ROOT)})
    started.append(process)
    assert process.stdout.readline() == 'taken\n'
    return process

  yield start
  for process in started:
    process.kill()
    process.wait()


@pytest.fixture(name='quick')
def _quick(monkeypatch):
  """Leases expire soon."""
  monkeypatch.setattr(occupancy, 'RENEWED', 0.2)
  monkeypatch.setattr(occupancy, 'EXPIRED', 3.0)


@pytest.fixture(params=['locks', 'leases'], name='model_dir')
def _model_dir(request, tmp_path):
  """A directory on a file system with locks, and one on a storage without."""
  return str(tmp_path / 'run') if request.param == 'locks' else f'file://{tmp_path}/run'


@pytest.mark.usefixtures('quick')
def test_a_second_process_says_who_has_it_and_takes_over_when_that_is_killed(
    model_dir, holder, capsys):
  first = holder(model_dir)
  start = time.monotonic()
  with pytest.raises(occupancy.Occupied) as error:
    with occupancy.occupied(model_dir):
      pass
  assert time.monotonic() - start < 2
  message = str(error.value)
  assert message.startswith(f'process {first.pid} of ')
  assert f' is training in {model_dir}: ' in message
  assert ' on host-1 (since 20' in message and '--wait' in message and '\n' not in message

  def look():  # once a second while waiting
    if first.poll() is None:
      first.send_signal(signal.SIGKILL)

  with occupancy.occupied(model_dir, wait=True, look=look):
    assert first.poll() is not None
    assert f'waiting for process {first.pid}' in capsys.readouterr().out
    with pytest.raises(occupancy.Occupied, match=f'process {os.getpid()} of'):
      with occupancy.occupied(model_dir):
        pass


@pytest.mark.usefixtures('quick')
def test_it_is_given_back(model_dir):
  for _ in range(2):
    with occupancy.occupied(model_dir):
      pass
  with pytest.raises(RuntimeError):
    with occupancy.occupied(model_dir):
      raise RuntimeError
  with occupancy.occupied(model_dir):
    pass


@pytest.mark.usefixtures('quick')
def test_a_lease_of_a_dead_process_of_this_host_counts_for_nothing(tmp_path, holder):
  dead = holder(f'file://{tmp_path}', occupancy.socket.gethostname())
  dead.kill()
  dead.wait()
  start = time.monotonic()
  with occupancy.occupied(f'file://{tmp_path}'):
    assert time.monotonic() - start < 2


@pytest.mark.usefixtures('quick')
def test_a_lease_that_another_takes_in_the_same_moment_is_left_to_it(tmp_path, monkeypatch):
  path = tmp_path / occupancy.FILE
  other = {**occupancy._me(), 'host': 'host-1', 'id': 'other'}
  monkeypatch.setattr(occupancy.time, 'sleep', lambda seconds: path.write_text(json.dumps(other)))
  with pytest.raises(occupancy.Occupied, match='on host-1'):
    with occupancy.occupied(f'file://{tmp_path}'):
      pass


@pytest.mark.usefixtures('quick')
@pytest.mark.parametrize('content', ['', 'garbage', '{}', '[1]', '{"host": 3}'])
def test_a_damaged_file_is_nobodys(model_dir, content, tmp_path):
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / occupancy.FILE).write_text(content)
  with occupancy.occupied(model_dir):
    pass


def test_a_file_in_the_way(tmp_path):
  (tmp_path / 'run').write_text('mine')
  with pytest.raises(OSError, match='cannot be written into'):
    with occupancy.occupied(str(tmp_path / 'run')):
      pass
  assert (tmp_path / 'run').read_text() == 'mine'
