"""Files that change often are written by time where every write takes a while."""

import os

import pytest
import tensorflow as tf

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
