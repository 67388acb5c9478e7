"""The TPU compiler, in a virtual environment of its own.

JAX and libtpu contain the compiler. They need newer packages than TensorFlow 2.15 allows. The first
use therefore makes a virtual environment for them in the cache folder. The compiler's answers are
kept in that folder, too. An answer is found by the program's digest, the TPU that it was compiled
for, and a hash of `compiler_process.py` and `compiler_requirements.txt`.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import typing

from tf_videogen import files
from tf_videogen.preflight import waiting

_HERE = pathlib.Path(__file__).parent
_REQUIREMENTS = _HERE / 'compiler_requirements.txt'
_PROCESS = _HERE / 'compiler_process.py'
_OLDEST_PYTHON = (3, 11)


class Compiled(typing.NamedTuple):
  """The compiler's answer for a program on one core.

  Attributes:
    compiled: whether the program compiled. A program that does not fit the memory may not compile.
    error: the compiler's reason in one line if the program did not compile, else ''.
    peak_bytes: memory that the program needs: arguments, results, temporaries and code.
    argument_bytes, temporary_bytes, code_bytes: parts of `peak_bytes`.
    flops: floating-point operations. The body of a loop counts as often as it runs.
    bytes_accessed: bytes moved to and from memory. Loops count as for `flops`.
    loops_of_unknown_length: number of loops whose trip count is unknown. Their bodies count once.
    loops_of_unknown_start: number of loops whose start depends on the data. They count from zero
      on, so that FLOPs and bytes are upper bounds.
  """
  compiled: bool
  error: str = ''
  peak_bytes: int = 0
  argument_bytes: int = 0
  temporary_bytes: int = 0
  code_bytes: int = 0
  flops: float = 0.0
  bytes_accessed: float = 0.0
  loops_of_unknown_length: int = 0
  loops_of_unknown_start: int = 0


class Unavailable(ValueError):
  """The compiler is missing or fails on this machine; the message says what is missing."""


def cache_dir():
  """The cache folder: $TF_VIDEOGEN_CACHE, or else tf_videogen in the user's cache folder."""
  default = os.path.join(os.environ.get('XDG_CACHE_HOME', '~/.cache'), 'tf_videogen')
  return pathlib.Path(os.environ.get('TF_VIDEOGEN_CACHE', default)).expanduser()


def compiled_dir():
  """The folder of the compiler's answers, whose file names begin with the programs' digests."""
  return cache_dir() / 'compiled'


def _python():
  """The path or name of a Python that can run the compiler's packages."""
  named = os.environ.get('TF_VIDEOGEN_COMPILER_PYTHON')
  candidates = [named] if named else [sys.executable, 'python3.11', 'python3.12', 'python3.13']
  check = f'import sys; sys.exit(sys.version_info[:2] < {_OLDEST_PYTHON})'
  for candidate in candidates:
    if shutil.which(candidate) and not subprocess.run(
        [candidate, '-c', check], capture_output=True, check=False).returncode:
      return candidate
  raise Unavailable('the TPU compiler needs Python 3.11 or later, but there is none: install one, '
                    'or give it with TF_VIDEOGEN_COMPILER_PYTHON=/path/to/python3.11')


@contextlib.contextmanager
def _one_at_a_time(path, say):
  """A context that one process of this machine holds at a time, by a lock on a file."""
  with open(path, 'w') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      say('waiting for another command on this machine')
      fcntl.flock(lock, fcntl.LOCK_EX)
    yield


def environment(say=print):
  """The path of the Python in the compiler's environment, which the first call makes.

  Args:
    say: function that is called with messages about long work.

  Raises:
    Unavailable: if the environment cannot be made. The message says what is missing and how to get
      it.
  """
  digest = hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
  place = cache_dir() / f'tpu_compiler_{digest}'
  python, done = place / 'bin' / 'python', place / 'installed'
  if done.exists() and python.exists():  # a link, whose target may be gone
    return str(python)
  place.mkdir(parents=True, exist_ok=True)
  with _one_at_a_time(place / 'lock', say):  # two commands at the same time make it once
    if not (done.exists() and python.exists()):
      what = f'making the environment of the TPU compiler in {place} (1.1 GB, once)'
      with waiting.told(say, what):
        _run([_python(), '-m', 'venv', '--clear', str(place)],
             'a virtual environment cannot be made')
        _run([str(python), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check',
              '--no-deps', '-r', str(_REQUIREMENTS)],
             'JAX and libtpu cannot be installed; is there a network and a package index?')
      done.touch()
  return str(python)


def _run(command, what):
  done = subprocess.run(command, capture_output=True, text=True, check=False)
  if done.returncode:
    lines = (done.stderr or done.stdout).strip().splitlines() or ['no reason given']
    raise Unavailable(f'no TPU compiler: {what} ({lines[-1][:200]}). The command was: '
                      f'{" ".join(command)}')


def compile_program(program, topology, say=print):
  """Compiles a program for one core, or reads the answer of an earlier compilation.

  Args:
    program: a programs.Program.
    topology: a hardware.Topology.
    say: function that is called with messages about long work.

  Returns:
    Compiled.

  Raises:
    Unavailable: see `environment`. Also if the compiler's process fails.
  """
  python = environment(say)
  code = hashlib.sha256(_PROCESS.read_bytes() + _REQUIREMENTS.read_bytes()).hexdigest()[:8]
  kept = compiled_dir() / (
      f'{program.digest}_{topology.compile_for.replace(":", "_")}_{code}.json')
  with contextlib.ExitStack() as alone:
    if not kept.exists():  # two compilations at once would need too much memory
      kept.parent.mkdir(parents=True, exist_ok=True)
      alone.enter_context(_one_at_a_time(kept.parent / 'lock', say))
    if kept.exists():  # another process may just have written it
      answer = json.loads(kept.read_text())
    else:
      what = f'compiling {program.name}, batch {program.batch}, for {topology.compile_for}'
      with waiting.told(say, what, expected_time(program.instructions)):
        answer = _compile(python, program.hlo, topology.compile_for)
      if answer['compiled']:  # failures are not kept: this machine may be the cause
        files.write(str(kept), json.dumps(answer))
  answer = {name: answer[name] for name in Compiled._fields if name in answer}
  if not answer['compiled']:
    answer['error'] = shortened(answer['error'])
  return Compiled(**answer)


def expected_time(instructions):
  """A phrase with the time to compile a program on two CPU cores of a cloud machine.

  Measured, beside other work: 38 s for 3,200 instructions, 125 s for 19,000, 405 s for 63,000.
  """
  seconds = 15 + 0.006 * instructions
  return f'about {seconds:.0f} s' if seconds < 90 else f'about {seconds / 60:.0f} minutes'


def _compile(python, hlo, topology_name):
  with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'program.hlo.pb')
    with open(path, 'wb') as f:
      f.write(hlo)
    # Without variables of this Python, and those that tell TensorFlow or libtpu which TPU to use.
    environ = {name: value for name, value in os.environ.items()
               if not name.startswith(('PYTHON', 'TPU_', 'TF_'))}
    done = subprocess.run([python, str(_PROCESS), path, topology_name],
                          capture_output=True, text=True, env=environ, check=False)
  lines = done.stdout.strip().splitlines()
  if done.returncode or not lines:
    words = (done.stderr.strip().splitlines() or ['no reason given'])[-1]
    raise Unavailable(f'the TPU compiler ended with status {done.returncode} ({words[:200]}); '
                      'status -9 means that memory ran out: a large program needs 20 GB')
  return json.loads(lines[-1])


def shortened(error):
  """The compiler's reason in one line, with the operation and our line of code if it names them."""
  lines = [line.strip() for line in error.splitlines() if line.strip()]
  reason = lines[0] if lines else 'no reason given'
  memory = re.search(r'\((\d[\d.]*\w)\) exceeds available (?:HBM )?\((\d[\d.]*\w)\)', error)
  if memory:
    reason = f'out of memory: required {memory.group(1)}, available {memory.group(2)}'
  operation = re.search(r'op_name="([^"]+)"', error)
  place = re.search(r'source_file="[^"]*?(tf_videogen/[^"]+)" source_line=(\d+)', error)
  details = [f'operation {operation.group(1)}'] if operation else []
  details += [f'{place.group(1)}:{place.group(2)}'] if place else []
  return reason[:300] + (f' ({", ".join(details)})' if details else '')
