"""Strategies by name, batches over their replicas, and what workers add up."""

import json
import os
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tf_videogen.data import clip_source
from tf_videogen.layers import randomness
from tf_videogen.training import strategies

# What each of two workers runs: sums of arrays that not all have, and numbers of workers.
ADDS_UP = """
import json
import numpy as np
import tensorflow as tf
from tf_videogen.evaluation import measuring
from tf_videogen.training import strategies
strategy = strategies.get('multi_worker', worker_timeout=60)
number, workers = strategies.worker(strategy)
mine = {'0/both': np.full([3, 2], 1.5 + number), f'of {number}': np.array(0.1 + number)}
if number == 1:
  mine['large'] = np.arange(70000) / 3
total = strategies.sum_over_workers(strategy, mine, measuring.add)
nothing = strategies.sum_over_workers(strategy, {}, measuring.add)
total = {name: value.tolist() for name, value in total.items()}
print(json.dumps([number, workers, total, nothing]))
"""


@pytest.mark.skipif(os.path.exists('/dev/accel0') or os.path.exists('/dev/vfio/0'), reason='a TPU')
@pytest.mark.parametrize('name, message', [
    ('gpus', "unknown strategy 'gpus'; there are: auto, cpu, mirrored, multi_worker, tpu"),
    ('tpu', "no TPU 'local' could be reached: "),
])
def test_errors_of_one_line(name, message):
  with pytest.raises(ValueError) as info:
    strategies.get(name)
  assert str(info.value).startswith(message) and '\n' not in str(info.value)


def test_processor_is_the_default():
  assert isinstance(strategies.get(), tf.distribute.OneDeviceStrategy)
  assert isinstance(strategies.get('cpu'), tf.distribute.OneDeviceStrategy)


@pytest.fixture(name='driver')
def _driver(tmp_path, monkeypatch):
  """Puts a driver of NVIDIA's on the path: a function of what it says and of its status."""
  def install(says, status=0):
    program = tmp_path / 'nvidia-smi'
    program.write_text(f'#!/bin/sh\nprintf "{says}"\nexit {status}\n')
    program.chmod(0o755)

  monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
  monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
  return install


@pytest.mark.parametrize('name', ['auto', 'mirrored', 'multi_worker'])
def test_a_gpu_that_tensorflow_does_not_see(driver, monkeypatch, name):
  monkeypatch.setenv('TF_CONFIG', json.dumps({
      'cluster': {'worker': ['localhost:1', 'localhost:2']},
      'task': {'type': 'worker', 'index': 0}}))
  driver(r'NVIDIA T4\nNVIDIA A100\n')
  with pytest.raises(ValueError) as info:
    strategies.get(name)
  message = str(info.value)
  assert message.startswith('TensorFlow sees no GPU, but this machine has 2 (NVIDIA T4): ')
  assert 'TF_VIDEOGEN_CUDA=yes launch/install.sh' in message and '\n' not in message
  assert isinstance(strategies.get('cpu'), tf.distribute.OneDeviceStrategy)


def test_a_gpu_that_is_hidden(driver, monkeypatch):
  driver(r'NVIDIA T4\n')
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '-1')
  assert isinstance(strategies.get(), tf.distribute.OneDeviceStrategy)


@pytest.mark.parametrize('says, status', [('', 0), (r'No devices were found\n', 6)])
def test_a_driver_without_a_gpu(driver, says, status):
  driver(says, status)
  assert isinstance(strategies.get(), tf.distribute.OneDeviceStrategy)


def test_every_name_has_a_maker(monkeypatch):
  for name in strategies.STRATEGIES:
    try:
      monkeypatch.setattr(strategies, '_mirrored', lambda: 'mirrored')
      monkeypatch.setattr(tf.distribute, 'MultiWorkerMirroredStrategy', lambda: 'workers')
      assert strategies.get(name)
    except ValueError as e:
      assert 'unknown strategy' not in str(e)


def test_processors_are_no_accelerators(cpu, two_replicas):
  assert not any(strategies.on_accelerators(strategy) for strategy in (cpu, two_replicas))


def test_batches_are_divided_in_order(tiny, two_replicas):
  make = lambda host, hosts: tiny.clips().evaluation('test', 4, None, host, hosts)
  whole = next(iter(make(0, 1)))
  batch = next(iter(strategies.distribute(two_replicas, make)))
  assert 'id' not in batch and set(batch) == set(whole) - {'id'}
  parts = two_replicas.experimental_local_results(batch['video'])
  assert [part.shape[0] for part in parts] == [2, 2]
  tf.debugging.assert_equal(tf.concat(parts, 0), whole['video'])


def test_no_part_of_the_pipeline_tunes_itself(two_replicas, monkeypatch):
  """Who frees an iterator whose datasets do waits for up to a minute, for each of its devices."""
  parts, untuned = [], clip_source.untuned
  monkeypatch.setattr(clip_source, 'untuned', lambda part: parts.append(untuned(part)) or parts[-1])
  rows = lambda host, hosts: tf.data.Dataset.from_tensors({'video': tf.zeros([4, 1])}).repeat()
  next(iter(strategies.distribute(two_replicas, rows)))
  assert len(parts) == 1 + 2  # the host's, and what feeds each device
  assert not any(part.options().autotune.enabled for part in parts)


# --- rows side by side ---


def _rows(count):
  return {'x': np.arange(count, dtype=np.float32).reshape(count, 1), 'label': np.arange(count)}


def test_rows_are_computed_side_by_side_in_order(cpu, two_replicas):
  function = lambda batch, seed: batch['x'] * 2 + tf.cast(batch['label'], tf.float32)[:, tf.newaxis]
  for strategy in (cpu, two_replicas):
    found = strategies.on_replicas(strategy, function)(_rows(6), randomness.seed_of(0))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, 3 * _rows(6)['x'])


def test_replicas_have_rows_and_seeds_of_their_own(two_replicas):
  shapes = []

  def draw(batch, seed):
    shapes.append(batch['x'].shape)
    return randomness.uniform([batch['x'].shape[0], 3], seed)

  function = strategies.on_replicas(two_replicas, draw)
  seed = randomness.seed_of(5)
  found = function(_rows(4), seed)
  assert {tuple(shape) for shape in shapes} == {(2, 1)}
  np.testing.assert_array_equal(found[:2], randomness.uniform([2, 3], seed))  # as of one replica
  np.testing.assert_array_equal(
      found[2:], randomness.uniform([2, 3], randomness.fold_in(seed, 1)))
  traced = len(shapes)
  assert (function(_rows(4), randomness.seed_of(6)) != found).all() and len(shapes) == traced


def test_workers_with_one_replica_each_have_seeds_of_their_own(cpu, monkeypatch):
  """The second worker draws what the second of two replicas draws."""
  draw = lambda batch, seed: randomness.uniform([batch['x'].shape[0], 3], seed)
  seed, found = randomness.seed_of(5), []
  for number in range(2):
    monkeypatch.setattr(strategies, 'worker', lambda strategy, number=number: (number, 2))
    found.append(strategies.on_replicas(cpu, draw)(_rows(2), seed))
  np.testing.assert_array_equal(found[0], randomness.uniform([2, 3], seed))
  np.testing.assert_array_equal(
      found[1], randomness.uniform([2, 3], randomness.fold_in(seed, 1)))


def test_rows_that_replicas_cannot_divide(cpu, two_replicas):
  """Some are computed twice; strings stay on the host."""
  function = lambda batch, seed: {'rows': batch['x'], 'names': tf.constant(len(batch))[None]}
  batch = {**_rows(5), 'id': tf.constant(list('abcde'))}
  for strategy in (cpu, two_replicas):
    found = strategies.on_replicas(strategy, function)(batch, randomness.seed_of(0))
    np.testing.assert_array_equal(found['rows'], batch['x'])
    assert set(found['names']) == {2}


# --- workers ---


def test_one_process_is_the_first_of_one(cpu, two_replicas):
  arrays = {'a': np.ones(3)}
  for strategy in (cpu, two_replicas):
    assert strategies.worker(strategy) == (0, 1)
    assert strategies.sum_over_workers(strategy, arrays, None) == arrays


@pytest.mark.slow
@pytest.mark.parametrize('jobs', [['worker', 'worker'], ['chief', 'worker']], ids=str)
def test_two_workers_add_up(jobs, tmp_path):
  with processes.cluster(sys.executable, '-c', ADDS_UP, folder=tmp_path, jobs=jobs) as tasks:
    assert [task.wait(120) for task in tasks] == [0, 0]
  said = [json.loads(processes.log_of(tmp_path, i).read_text().splitlines()[-1])
          for i in range(2)]
  assert [one[:2] for one in said] == [[0, 2], [1, 2]]
  for _, _, total, nothing in said:
    assert nothing == {} and total.keys() == {'0/both', 'of 0', 'of 1', 'large'}
    assert total['0/both'] == [[4.0, 4.0]] * 3 and (total['of 0'], total['of 1']) == (0.1, 1.1)
    np.testing.assert_array_equal(total['large'], np.arange(70000) / 3)
