"""No process outlives its test."""

import subprocess
import sys

import pytest

from tests import processes

# Starts a child, says its number, and waits.
_WITH_CHILD = ('import subprocess, sys; child = subprocess.Popen(["sleep", "600"]); '
               'print(child.pid, flush=True); child.wait()')
# A test's process that starts one, and is killed.
_KILLED = '''
import os, signal, subprocess
from tests import processes
with processes.started('sleep', '600') as process:
  print(process.pid, flush=True)
  os.kill(os.getpid(), signal.SIGKILL)
'''


def test_a_failing_test_ends_its_process_and_what_that_started():
  with pytest.raises(ZeroDivisionError):
    with processes.started(sys.executable, '-c', _WITH_CHILD, output=subprocess.PIPE) as process:
      child = int(process.stdout.readline())
      assert processes.runs(process.pid) and processes.runs(child)
      raise ZeroDivisionError
  processes.until(lambda: not processes.runs(process.pid) and not processes.runs(child), 10)


def test_a_killed_test_leaves_no_process():
  done = processes.run(sys.executable, '-c', _KILLED, PYTHONPATH=str(processes.ROOT))
  assert done.returncode == -9, done.stderr
  processes.until(lambda: not processes.runs(int(done.stdout)), 10)


def test_what_ended_is_not_killed_again():
  """Its number may be another process's."""
  with processes.started('true') as first, processes.started('sleep', '600') as second:
    first.wait()
    assert processes.runs(second.pid)
  assert first.returncode == 0 and second.returncode == -9


def test_run_gives_status_output_and_environment(tmp_path):
  done = processes.run('sh', '-c', 'cat; echo "$WORD" >&2; pwd; exit 3', cwd=tmp_path,
                       stdin='in\n', WORD='out')
  assert (done.returncode, done.stdout, done.stderr) == (3, f'in\n{tmp_path}\n', 'out\n')
  with pytest.raises(subprocess.TimeoutExpired):
    processes.run('sleep', '600', seconds=0.2)


def test_tasks_of_a_cluster(tmp_path):
  with processes.cluster('sh', '-c', 'echo "$TF_CONFIG $A"', folder=tmp_path,
                         jobs=('chief', 'worker'), environments=({'A': 'a'}, {})) as tasks:
    assert [task.wait(10) for task in tasks] == [0, 0]
  first, second = (processes.log_of(tmp_path, i).read_text() for i in range(2))
  assert '"task": {"type": "chief", "index": 0}' in first and first.endswith(' a\n')
  assert '"task": {"type": "worker", "index": 0}' in second and 'a\n' not in second


def test_waiting_fails_where_a_process_has_ended():
  with processes.started('sh', '-c', 'exit 5') as process:
    process.wait()
    with pytest.raises(AssertionError, match='ended with status 5'):
      processes.until(lambda: False, 10, process)
  with pytest.raises(AssertionError, match='nothing came within 0.05 seconds'):
    processes.until(lambda: False, 0.05)
