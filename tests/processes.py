"""Processes that tests start, and what they wait for. None outlives its test, whatever happens."""

import contextlib
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Reads "+ GROUP" and "- GROUP", and kills what is left when nobody can write any more: a test's
# process that is killed itself ends nothing.
_GUARD = '''
while read -r sign group; do
  case "$sign" in
    +) groups="$groups $group " ;;
    -) groups="${groups%% $group *}${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2> /dev/null
'''


def program(name, *arguments):
  """The command of a program of launch/."""
  return [sys.executable, '-m', f'launch.{name}', *map(str, arguments)]


def run(*command, cwd=ROOT, seconds=600, stdin=None, **environment):
  """Runs a command to its end.

  Args:
    *command: its words.
    cwd: where it runs.
    seconds: after which it is killed, and the test fails.
    stdin: what it reads, text.
    **environment: variables, beside those of this process.

  Returns:
    subprocess.CompletedProcess, with its output as text.
  """
  with started(*command, cwd=cwd, output=subprocess.PIPE, stdin=subprocess.PIPE,
               **environment) as process:
    stdout, stderr = process.communicate(stdin, timeout=seconds)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


@contextlib.contextmanager
def started(*command, cwd=ROOT, output=subprocess.DEVNULL, stdin=subprocess.DEVNULL, **environment):
  """Starts a command; at the end of the context, it and what it started are killed.

  Args:
    *command: its words.
    cwd: where it runs.
    output: where its output goes: a file's path, or `subprocess.PIPE` for text in two pipes.
    stdin: as of `subprocess.Popen`.
    **environment: variables, beside those of this process.

  Yields:
    subprocess.Popen.
  """
  with contextlib.ExitStack() as stack:
    streams = {'stdout': output, 'stderr': output}
    if isinstance(output, (str, os.PathLike)):
      file = stack.enter_context(open(output, 'w', encoding='utf-8'))
      streams = {'stdout': file, 'stderr': subprocess.STDOUT}
    process = stack.enter_context(subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdin=stdin, text=True, start_new_session=True,
        env={**os.environ, **environment}, **streams))
    _tell_guard('+', process.pid)
    stack.callback(_end, process)
    yield process


def _end(process):
  """Kills a process and its group."""
  with contextlib.suppress(ProcessLookupError):
    os.killpg(process.pid, signal.SIGKILL)
  process.wait()
  _tell_guard('-', process.pid)


@functools.cache
def _guard():
  return subprocess.Popen(['sh', '-c', _GUARD], stdin=subprocess.PIPE, text=True,
                          start_new_session=True)


def _tell_guard(sign, group):
  _guard().stdin.write(f'{sign} {group}\n')
  _guard().stdin.flush()


@contextlib.contextmanager
def cluster(*command, folder, jobs=('worker', 'worker'), absent=(), environments=({}, {})):
  """Starts the tasks of a cluster, each in a process of its own, on the loopback interface.

  Args:
    *command: of every task.
    folder: where `task<i>.log` has what a task said.
    jobs: of the tasks, such as 'chief' and 'worker'.
    absent: indices of tasks that never appear.
    environments: variables of each task.

  Yields:
    A list of subprocess.Popen.
  """
  places = [f'127.0.0.1:{port}' for port in free_ports(len(jobs))]
  members = {job: [place for place, of in zip(places, jobs) if of == job] for job in jobs}
  with contextlib.ExitStack() as stack:
    tasks = []
    for i, job in enumerate(jobs):
      task = {'type': job, 'index': members[job].index(places[i])}
      if i not in absent:
        tasks.append(stack.enter_context(started(
            *command, output=log_of(folder, i),
            TF_CONFIG=json.dumps({'cluster': members, 'task': task}), **environments[i])))
    yield tasks


def log_of(folder, i):
  """What a task of a `cluster` said, a path."""
  return pathlib.Path(folder) / f'task{i}.log'


def free_ports(count):
  """Ports on which nobody listens."""
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
    for one in sockets:
      one.bind(('127.0.0.1', 0))
    return [one.getsockname()[1] for one in sockets]


def runs(pid):
  """Whether a process is there and has not ended, by its number."""
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8') as f:
      return f.read().rpartition(')')[2].split()[0] != 'Z'
  except FileNotFoundError:
    return False


def until(condition, seconds=120, process=None):
  """Returns when a condition, a function, holds.

  Fails after so many seconds, and where a process has ended before.
  """
  deadline = time.time() + seconds
  while not condition():
    assert process is None or process.poll() is None, f'ended with status {process.returncode}'
    assert time.time() < deadline, f'nothing came within {seconds} seconds'
    time.sleep(0.02)


def until_saved(model_dir, after, log):
  """The step of the latest checkpoint, as soon as it is later than `after`.

  Fails after two minutes, with the end of the file `log`, in which the training's words are.
  """
  # Here, as it takes TensorFlow's seconds.
  from tf_videogen.model_directory import checkpoints  # pylint: disable=g-import-not-at-top
  deadline = time.time() + 120
  while True:
    paths = checkpoints.paths(str(model_dir))
    if paths and checkpoints.step_of(paths[0]) > after:
      return checkpoints.step_of(paths[0])
    assert time.time() < deadline, pathlib.Path(log).read_text()[-2000:]
    time.sleep(0.1)
