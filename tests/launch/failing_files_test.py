"""Every program on a disk that is full, read-only, slow, or full from its n-th write on.

One line says so, nothing that was there is lost, and the same command goes on when there is room.
"""

import errno
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

from tests import processes
from tests.launch import forks
from tests.launch import kills_test
from tf_videogen.model_directory import checkpoints

pytestmark = pytest.mark.needs('gcc')
_SOURCE = processes.ROOT / 'tests' / 'failing_files.c'


@pytest.fixture(scope='module', name='library')
def _library(tmp_path_factory):
  """The compiled tool."""
  path = tmp_path_factory.mktemp('failing_files') / 'failing_files.so'
  subprocess.run(['gcc', '-O1', '-shared', '-fPIC', '-o', path, _SOURCE, '-ldl'], check=True)
  return path


@pytest.fixture(name='run')
def _run(library, tmp_path):
  """Runs a program whose writes below a folder may fail; checks what it says where they did."""
  output = tmp_path / 'output'

  with forks.server(output, LD_PRELOAD=str(library)) as run:

    def checked(folder, name, *arguments, at=0, error=errno.ENOSPC, microseconds=0):
      output.write_text('')
      ended = run(name, *arguments, failing=[str(folder), at, error, microseconds])
      text = output.read_text()
      assert 'Traceback' not in text, text[-3000:]
      said = [line for line in text.splitlines() if line.startswith(f'{name}: ')
              and not re.match(rf'{name}: +\d+%\|', line)]  # which is the bar
      assert ended.status == (1 if said else 0) and len(said) <= 1, text[-3000:]
      return ended, said

    yield checked


def _jobs(folder, tiny_files):
  return kills_test.jobs(folder, tiny_files)


def _readable(folder):
  """Checkpoints that are listed can be read, and so can arrays."""
  for path in folder.rglob('ckpt-*.index'):
    assert checkpoints._is_readable(str(path).removesuffix('.index')), path
  for path in folder.rglob('*.npz'):
    with np.load(path) as arrays:
      assert all(arrays[name] is not None for name in arrays)


@pytest.mark.parametrize('error, words', [
    (errno.ENOSPC, 'No space left on device'), (errno.EROFS, 'Read-only file system')])
def test_a_disk_that_cannot_be_written_is_told_before_the_work(
    error, words, run, tiny_files, tmp_path):
  """Of training alone by default; of every program in the slow test."""
  folder = tmp_path / 'work'
  folder.mkdir()
  name, arguments = _jobs(folder, tiny_files)[0]
  ended, (line,) = run(folder, name, *arguments, at=1, error=error)
  assert words in line and str(folder) in line and ended.status == 1
  assert not [path for path in folder.rglob('*') if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize('error', [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_one_write_after_the_other(error, run, tiny_files, tmp_path):
  """The first writes fail, then every eighth or so, until a program gets through without.

  With no space all programs but the cascade's are tried, with the other errors some of them.
  """
  kills_test.write_raw(tmp_path / 'raw')
  unbroken, broken = tmp_path / 'unbroken', tmp_path / 'broken'
  unbroken.mkdir()
  broken.mkdir()
  some = slice(0, -1 if error == errno.ENOSPC else 4)
  for name, arguments in _jobs(unbroken, tiny_files)[some]:
    run(unbroken, name, *arguments)
  for name, arguments in _jobs(broken, tiny_files)[some]:
    at, failures = 1, 0
    while True:
      before = {path for path in broken.rglob('*') if path.is_file()}
      _, said = run(broken, name, *arguments, at=at, error=error)
      if not said:
        break
      failures += 1
      lost = [path for path in before if not path.exists() and _is_a_result(path)]
      assert not lost, (name, at, lost)
      _readable(broken)
      at += 1 + at // 8
    print(f'{name}: {failures} failures')
    assert failures
    run(broken, name, *arguments)
  kills_test.check_equal(unbroken, broken)


def _is_a_result(path):
  """Whether a file is what somebody could miss: no temporary one, nor an older checkpoint."""
  return not ('.tmp' in path.name or 'ckpt' in str(path) or 'decoded' in path.parts
              or 'incomplete' in str(path) or path.name in ('training.lock', 'finished.json'))


@pytest.mark.slow
def test_a_slow_disk(run, tiny_files, tmp_path):
  folder = tmp_path / 'work'
  folder.mkdir()
  name, arguments = _jobs(folder, tiny_files)[0]
  assert run(folder, name, *arguments, microseconds=20_000)[0].status == 0
  assert pathlib.Path(arguments[1].partition('=')[2], 'finished.json').exists()
  assert os.listdir(folder)
