"""Strategies by name, and batches over their replicas."""

import os

import pytest
import tensorflow as tf

from tf_videogen.training import strategies


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
