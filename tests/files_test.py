"""Files are whole or as before, read with care, and by time where every write takes a while."""

import os
import subprocess
import sys
import time
import zipfile

import pytest
import tensorflow as tf

from tests import processes
from tf_videogen import files
from tf_videogen.model_directory import results
from tf_videogen.training import progress


@pytest.fixture(name='clock')
def _clock(monkeypatch):
  """A time that a test moves; everything is as slow as gs://."""
  now = [1000.0]
  monkeypatch.setattr(files.time, 'monotonic', lambda: now[0])
  monkeypatch.setattr(files, 'is_remote', lambda path: True)
  return now


def test_paths_of_other_machines():
  assert files.is_remote('gs://bucket/run') and not files.is_remote('/data/run')


def test_at_once_where_that_is_cheap():
  written = []
  by_time = files.ByTime('/data/run')
  for i in range(3):
    by_time(lambda i=i: written.append(i))
  assert written == [0, 1, 2]


def test_the_last_state_every_half_minute(clock):
  written = []
  by_time = files.ByTime('gs://bucket/run')
  for i in range(7):  # at 0, 10, ... seconds
    by_time(lambda i=i: written.append(i))
    clock[0] += 10
  assert written == [0, 3, 6]
  by_time(lambda: written.append(7))
  by_time.flush()
  by_time.flush()
  assert written == [0, 3, 6, 7]


@pytest.mark.usefixtures('clock')
def test_rows_of_training_are_all_there_after_a_flush(tmp_path):
  log = results.TrainingLog(str(tmp_path))
  for step in range(1, 5):
    log.append(step, {'loss': 1.0})
  assert [row['step'] for row in results.read_training_log(str(tmp_path))] == [1]
  log.flush()
  assert [row['step'] for row in results.read_training_log(str(tmp_path))] == [1, 2, 3, 4]


@pytest.mark.usefixtures('clock')
def test_summaries(tmp_path):
  step = tf.Variable(0, dtype=tf.int64)
  summaries = progress.Summaries(str(tmp_path), step)
  size = lambda: sum(os.path.getsize(path) for path in tmp_path.iterdir())

  def write():
    step.assign_add(1)
    summaries.write_summaries({'loss': 1.0})
    summaries.flush()
    return size()

  first, second = write(), write()
  assert second == first > 0
  summaries.flush_now()
  assert size() > first


def test_a_file_is_replaced_or_stays(tmp_path):
  path = tmp_path / 'deep' / 'a.txt'
  files.write(str(path), 'old')
  files.write(str(path), b'new')
  assert path.read_text() == 'new' and [p.name for p in path.parent.iterdir()] == ['a.txt']


@pytest.mark.parametrize('make, path, reason', [
    (lambda folder: (folder / 'in_the_way').write_text(''), 'in_the_way/a.txt', 'in_the_way'),
    (lambda folder: (folder / 'a.txt').mkdir(), 'a.txt', 'directory'),
    (lambda folder: (folder / 'link').symlink_to(folder / 'nowhere'), 'link/a.txt', ''),
])
def test_what_cannot_be_written_is_told_in_a_line(tmp_path, make, path, reason):
  make(tmp_path)
  path = str(tmp_path / path)
  with pytest.raises(OSError) as error:
    files.write(path, 'new')
  assert error.value.filename == path
  assert error.value.strerror.startswith('cannot be written (') and reason in error.value.strerror
  assert '\n' not in error.value.strerror
  assert not [left for left in tmp_path.rglob('*') if left.name.endswith('.tmp')]


def test_temporary_files_of_dead_processes_go_and_those_of_live_ones_stay(tmp_path):
  def left(process, host, age=0.0):
    path = tmp_path / f'a.csv.{process}@{host}.01234567.tmp'
    path.touch()
    os.utime(path, (time.time() - age,) * 2)
    return path

  dead = processes.run(sys.executable, '-c', 'import os; print(os.getpid())')
  here, number = files.place(), int(dead.stdout)
  kept = [left(os.getpid(), here), left(number, 'elsewhere'), tmp_path / 'notes.tmp']
  kept[-1].touch()
  gone = [left(number, here), left(number, 'elsewhere-1', age=90_000)]
  folder = tmp_path / 'deep' / f'.sample.{number}@{here}.01234567.tmp'
  folder.mkdir(parents=True)
  (folder / 'a').touch()
  files.remove_left(str(tmp_path))
  assert all(path.exists() for path in kept)
  assert not any(path.exists() for path in [*gone, folder])


def test_a_header_that_speaks_of_more_than_there_is(tmp_path):
  header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (200, 1000000, 1000000), }"
  content = b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header + b'0' * 100
  (tmp_path / 'a.npy').write_bytes(content)
  with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
    archive.writestr('video.npy', content)
  for name in ('a.npy', 'a.npz'):
    with pytest.raises(ValueError, match=f'{name} cannot be read as arrays .*its header promises'):
      files.read_arrays(str(tmp_path / name))


@pytest.mark.parametrize('text', ['', '{', '[]', 'null', '{"step": "3"}', '{"step": true}',
                                  '{"steps": 3}', '{"step": 1.5}', '[' * 100_000])
def test_json_of_another_form(tmp_path, text):
  path = str(tmp_path / 'finished.json')
  files.write(path, text)
  with pytest.raises(ValueError) as error:
    files.read_json(path, {'step': int}, 'write it anew')
  assert str(error.value).startswith(f'{path} is damaged') and 'write it anew' in str(error.value)


def test_text_in_another_encoding(tmp_path):
  (tmp_path / 'a.gin').write_bytes('Café'.encode('latin-1'))
  with pytest.raises(ValueError, match='a.gin is not text in UTF-8 .byte 3.'):
    files.read(str(tmp_path / 'a.gin'))


@pytest.mark.parametrize('field, quoted', [
    ('=1+2', "'=1+2"), ('@SUM(A1)', "'@SUM(A1)"), ('-cmd', "'-cmd"), ('+x', "'+x"),
    ('-1.5', '-1.5'), ('-inf', '-inf'), ('1e-3', '1e-3'), ('fvd', 'fvd'), ('', ''), ("'a", "'a")])
def test_no_cell_is_a_formula(field, quoted):
  assert files.for_spreadsheets(field) == quoted
  assert files.from_spreadsheets(quoted) == field


def test_what_is_changed_by_many_processes_at_once_loses_nothing(tmp_path):
  """Rows that training and evaluations add to results.csv at the same time."""
  code = ('import sys\nfrom tf_videogen.model_directory import results\nfor i in range(10):\n'
          '  results.append_results(sys.argv[1], i, {sys.argv[2]: ({"psnr": 1}, 2)})')
  started = [subprocess.Popen(
      [sys.executable, '-c', code, str(tmp_path), split],
      env={**os.environ, 'PYTHONPATH': str(processes.ROOT)}) for split in ('train', 'test')]
  assert [process.wait() for process in started] == [0, 0]
  rows = results.read_results(str(tmp_path))
  assert sorted((row.split, row.step) for row in rows) == sorted(
      (split, i) for split in ('train', 'test') for i in range(10))


def test_a_folder_of_this_user_alone(tmp_path):
  folder = files.private_folder(str(tmp_path / 'a' / 'mine'))
  assert files.private_folder(folder) == folder and os.stat(folder).st_mode & 0o777 == 0o700
  os.chmod(folder, 0o770)
  (tmp_path / 'link').symlink_to(tmp_path / 'a')
  for path in (folder, str(tmp_path / 'link')):
    with pytest.raises(ValueError, match='is not a private folder of this user'):
      files.private_folder(path)
