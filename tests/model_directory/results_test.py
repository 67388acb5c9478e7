"""The CSV files of a model directory: exact values, crashes, resumes, late columns."""

import hashlib
import os

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.model_directory import results


def _write(path, text):
  with open(path, 'w') as f:
    f.write(text)


def _read(path):
  with open(path) as f:
    return f.read()


def test_results_come_back_exactly(tmp_path):
  model_dir = str(tmp_path / 'new' / 'run')
  assert results.read_results(model_dir) == []
  metrics = {'psnr': np.float32(0.1), 'nmse': tf.constant(1 / 3), 'a, "b"': 1e-300,
             'nan': float('nan'), 'infinite': float('inf')}
  results.append_results(model_dir, np.int64(10), {'test': (metrics, 64)})
  results.append_results(model_dir, 20, {'valid': ({'psnr': 0.1 + 0.2}, 8)})
  rows = results.read_results(model_dir)
  assert [(r.step, r.split, r.metric, r.examples) for r in rows] == [
      *((10, 'test', name, 64) for name in metrics), (20, 'valid', 'psnr', 8)]
  np.testing.assert_array_equal([r.value for r in rows],
                                [float(v) for v in metrics.values()] + [0.1 + 0.2])
  assert rows[0].time.endswith('+00:00') and rows[0].gin_sha == ''
  assert _read(os.path.join(model_dir, 'results.csv')).startswith(
      'step,split,metric,value,std,examples,protocol,network,note,commit,gin_sha,time,low,high,'
      'floor,command,warnings\n10,test,psnr,0.10000000149011612,,64,,,,,,')
  assert os.listdir(model_dir) == ['results.csv']  # No temporary files stay.


def test_results_name_the_configuration(tmp_path):
  _write(tmp_path / 'config.gin', 'steps = 3\n')
  results.append_results(str(tmp_path), 1, {'test': ({'psnr': 1}, 2)})
  sha = hashlib.sha256(b'steps = 3\n').hexdigest()
  assert results.read_results(str(tmp_path))[0].gin_sha == sha[:12]


def test_an_evaluation_of_several_splits_is_one_write(tmp_path, monkeypatch):
  written = []
  write = results._write_csv  # pylint: disable=protected-access
  monkeypatch.setattr(results, '_write_csv', lambda *a: written.append(write(*a)))
  results.append_results(str(tmp_path), 5, {'test': ({'psnr': 1}, 2), 'train': ({'psnr': 3}, 4)})
  rows = results.read_results(str(tmp_path))
  assert [(row.step, row.split, row.value, row.examples) for row in rows] == [
      (5, 'test', 1.0, 2), (5, 'train', 3.0, 4)]
  assert len(written) == 1


def test_no_metrics_make_an_empty_table(tmp_path):
  results.append_results(str(tmp_path), 1, {'test': ({}, 0)})
  assert results.read_results(str(tmp_path)) == []


def test_rows_of_protocols_come_back_exactly(tmp_path):
  row = results.Result(
      np.int64(10), 'test', 'fvd', np.float32(103.6), std=tf.constant(0.5), examples=256,
      protocol='videogpt_bair', network='i3d@1a2b', note='temperature 0.9, 20 trials',
      commit='c0ffee')
  earlier = results.Result(5, 'test', 'ssim', 0.5, gin_sha='abc', time='2024-05-17T09:30:00+00:00')
  results.append_rows(str(tmp_path), [row, earlier])
  first, second = results.read_results(str(tmp_path))
  assert first._replace(time='') == row._replace(value=float(np.float32(103.6)), std=0.5)
  assert type(first.step) is int and first.time.endswith('+00:00')
  assert second == earlier  # A NaN that was not there is the default's own.
  results.append_rows(str(tmp_path), [])
  assert results.read_results(str(tmp_path)) == [first, second]


def test_an_older_file_is_read_and_upgraded(tmp_path):
  _write(tmp_path / 'results.csv', 'step,split,metric,value,examples,gin_sha,time\n'
         '10,test,psnr,21.5,64,0123,2024-05-17T09:30:00+00:00\n')
  old = results.Result(10, 'test', 'psnr', 21.5, examples=64, gin_sha='0123',
                       time='2024-05-17T09:30:00+00:00')
  assert results.read_results(str(tmp_path)) == [old]
  results.append_results(str(tmp_path), 20, {'test': ({'psnr': 22.}, 64)})
  assert _read(tmp_path / 'results.csv').startswith(
      ','.join(results.Result._fields) + '\n10,test,psnr,21.5,,64,,,,,0123,2024-')
  rows = results.read_results(str(tmp_path))
  assert rows[0] == old and rows[1].value == 22.


@pytest.mark.parametrize('header', ['step,split,metric', 'step,split,metric,value,colour'])
def test_other_columns_are_an_error(tmp_path, header):
  _write(tmp_path / 'results.csv', header + '\n')
  with pytest.raises(ValueError, match=f'expected the columns step, .*, got .*{header[-5:]}'):
    results.read_results(str(tmp_path))


def test_what_protocols_measured_is_no_evaluated_step(tmp_path):
  assert results.evaluated_steps(str(tmp_path)) == set()
  results.append_results(str(tmp_path), 10, {'test': ({'psnr': 1, 'ssim': 1}, 2)})
  results.append_rows(str(tmp_path), [results.Result(20, 'test', 'fvd', 1., protocol='some')])
  assert results.evaluated_steps(str(tmp_path)) == {10}


def test_curves_come_back_exactly(tmp_path):
  path = str(tmp_path / 'evaluations' / 'some' / 'curves.csv')
  assert results.read_curves(path) == []
  points = [
      results.CurvePoint(10, 'ssim', 'best of 10', 1., 'frame', 0.1 + 0.2, 0.01),
      results.CurvePoint(10, 'power_spectrum', 'real, frame 1', 1 / 64, 'cycles per pixel', 3.)]
  for _ in range(2):  # The second replaces the first.
    results.write_curves(path, points)
    assert results.read_curves(path) == points
  assert _read(path).splitlines()[2] == (
      '10,power_spectrum,"real, frame 1",0.015625,cycles per pixel,3.0,')


def test_training_log_comes_back_exactly(tmp_path):
  log = results.TrainingLog(str(tmp_path))
  assert results.read_training_log(str(tmp_path)) == []
  log.append(100, {'loss': np.float32(0.7), 'steps_per_second': 2})
  log.append(200, {'loss': 0.1 + 0.2, 'steps_per_second': 1 / 3})
  expected = [{'step': 100, 'loss': float(np.float32(0.7)), 'steps_per_second': 2.},
              {'step': 200, 'loss': 0.1 + 0.2, 'steps_per_second': 1 / 3}]
  assert results.read_training_log(str(tmp_path)) == expected
  assert os.listdir(tmp_path) == ['training.csv']


def test_a_new_term_gets_a_column(tmp_path):
  log = results.TrainingLog(str(tmp_path))
  log.append(1, {'loss': 1., 'steps_per_second': 9.})
  log.append(2, {'loss': 2., 'penalty': 5., 'steps_per_second': 8.})
  log.append(3, {'penalty': 6.})
  assert _read(tmp_path / 'training.csv') == (
      'step,loss,penalty,steps_per_second\n1,1.0,,9.0\n2,2.0,5.0,8.0\n3,,6.0,\n')
  assert results.read_training_log(str(tmp_path)) == [
      {'step': 1, 'loss': 1., 'steps_per_second': 9.},
      {'step': 2, 'loss': 2., 'penalty': 5., 'steps_per_second': 8.}, {'step': 3, 'penalty': 6.}]


def test_truncate_drops_later_steps(tmp_path):
  log = results.TrainingLog(str(tmp_path))
  log.truncate(0)  # Nothing there yet: nothing to write.
  assert os.listdir(tmp_path) == []
  for step in (10, 20, 30):
    log.append(step, {'loss': step})
  resumed = results.TrainingLog(str(tmp_path))
  resumed.truncate(20)
  assert [row['step'] for row in results.read_training_log(str(tmp_path))] == [10, 20]
  resumed.append(25, {'loss': 0.})
  assert [row['step'] for row in results.read_training_log(str(tmp_path))] == [10, 20, 25]


def test_a_step_twice_is_an_error(tmp_path):
  log = results.TrainingLog(str(tmp_path))
  log.append(10, {'loss': 1.})
  with pytest.raises(ValueError, match='step must be beyond 10, got 10'):
    log.append(10, {'loss': 1.})


@pytest.mark.parametrize('torn', ['30,0.12', '30', '30,0.125'])
def test_a_torn_last_line_is_dropped(tmp_path, torn):
  """Even where it would parse: 0.125 may have been the beginning of 0.1257."""
  path = tmp_path / 'training.csv'
  _write(path, 'step,loss\n10,1.0\n20,2.0\n' + torn)
  assert [row['step'] for row in results.read_training_log(str(tmp_path))] == [10, 20]
  log = results.TrainingLog(str(tmp_path))
  log.truncate(20)
  assert _read(path) == 'step,loss\n10,1.0\n20,2.0\n'


def test_a_file_torn_in_its_header_is_empty(tmp_path):
  _write(tmp_path / 'training.csv', 'step,lo')
  log = results.TrainingLog(str(tmp_path))
  log.append(1, {'loss': 1.})
  assert _read(tmp_path / 'training.csv') == 'step,loss\n1,1.0\n'


def test_a_damaged_line_is_named(tmp_path):
  _write(tmp_path / 'training.csv', 'step,loss\n10,1.0\n20\n30,1.0\n')
  with pytest.raises(ValueError, match='line 3: expected 2 fields, got 1'):
    results.read_training_log(str(tmp_path))
  _write(tmp_path / 'training.csv', 'step,loss\n10,1.0\n20,x\n')
  with pytest.raises(ValueError, match="line 3: expected float, got 'x'"):
    results.read_training_log(str(tmp_path))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
  log = results.TrainingLog(str(tmp_path))
  log.append(1, {'loss': 1.})

  def fail(*unused_args, **unused_kwargs):
    raise OSError('disk full')

  monkeypatch.setattr(tf.io.gfile, 'rename', fail)
  with pytest.raises(OSError, match='disk full'):
    log.append(2, {'loss': 1.})
  assert os.listdir(tmp_path) == ['training.csv']
  assert _read(tmp_path / 'training.csv') == 'step,loss\n1,1.0\n'
