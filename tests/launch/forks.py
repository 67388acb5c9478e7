"""Programs of launch/ in forked processes: started in a moment, killed at a stated one.

The process that is forked has imported everything and computed nothing.
"""

import contextlib
import json
import subprocess
import sys
import typing

from tests import processes

_SERVER = '''
import ctypes, importlib, json, os, signal, sys, time, traceback

from tf_videogen.launch import lazy
from tf_videogen.launch import program as programs

PROGRAMS = ('train', 'train_cascade', 'evaluate', 'sample', 'export', 'report', 'prepare')
modules = {name: importlib.import_module(f'tf_videogen.launch.{name}') for name in PROGRAMS}
for module in modules.values():
  lazy.load(module)


def child(name, arguments, output):
  os.setsid()
  ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # it ends with the process that forks
  number = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
  os.dup2(number, 1)
  os.dup2(number, 2)
  status = 1
  try:
    programs.run(modules[name].main, [name, *arguments])
  except SystemExit as error:
    status = error.code if isinstance(error.code, int) else int(error.code is not None)
  except BaseException:
    traceback.print_exc()
  sys.stdout.flush()
  os._exit(status)


for line in sys.stdin:
  name, arguments, seconds, output, failing = json.loads(line)
  if failing:
    ctypes.CDLL(None).failing_files(failing[0].encode(), ctypes.c_long(failing[1]), *failing[2:])
  start, process, status = time.monotonic(), os.fork(), None
  if not process:
    child(name, arguments, output)
  while status is None:
    done, found = os.waitpid(process, os.WNOHANG)
    if done:
      status = os.waitstatus_to_exitcode(found)
    elif seconds is not None and time.monotonic() - start >= seconds:
      try:
        os.killpg(process, signal.SIGKILL)
      except ProcessLookupError:  # it has no group of its own yet
        os.kill(process, signal.SIGKILL)
      seconds = None
    else:
      time.sleep(0.002)
  print(json.dumps([status, time.monotonic() - start]), flush=True)
'''


class Ended(typing.NamedTuple):
  """How a program ended: its status, -9 if it was killed, and after how many seconds."""
  status: int
  seconds: float


@contextlib.contextmanager
def server(output, **environment):
  """A function that runs a program: (name, *arguments, kill_after=None, failing=None) -> Ended.

  `kill_after` is in seconds; `failing` has the arguments of the function in failing_files.c, which
  is loaded where the environment says so.

  Args:
    output: a file that what programs print is added to.
    **environment: variables of their environment.
  """
  with processes.started(sys.executable, '-c', _SERVER, output=subprocess.PIPE,
                         stdin=subprocess.PIPE, **environment) as process:

    def run(name, *arguments, kill_after=None, failing=None):
      process.stdin.write(json.dumps(
          [name, list(map(str, arguments)), kill_after, str(output), failing]) + '\n')
      process.stdin.flush()
      line = process.stdout.readline()
      assert line, process.stderr.read()
      return Ended(*json.loads(line))

    yield run
