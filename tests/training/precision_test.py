"""Precisions by name."""

import pytest
import tensorflow as tf

from tf_videogen.training import precision


@pytest.fixture(autouse=True)
def _policy():
  yield
  tf.keras.mixed_precision.set_global_policy('float32')


@pytest.mark.parametrize('has_bfloat16, name', [(True, 'mixed_bfloat16'), (False, 'float32')])
def test_auto_follows_the_processor(monkeypatch, cpu, has_bfloat16, name):
  monkeypatch.setattr(precision, '_processor_has_bfloat16', lambda: has_bfloat16)
  assert precision.use('auto', cpu) == name
  assert tf.keras.layers.Dense(1).dtype_policy.name == name


def test_processors_sample_in_float32(monkeypatch, cpu):
  monkeypatch.setattr(precision, '_processor_has_bfloat16', lambda: True)
  assert precision.for_sampling('auto', cpu) == 'float32'
  assert precision.for_sampling('mixed_bfloat16', cpu) == 'mixed_bfloat16'
  monkeypatch.setattr(precision.strategies, 'on_accelerators', lambda strategy: True)
  monkeypatch.setattr(precision, '_gpus_have_bfloat16', lambda: True)
  assert precision.for_sampling('auto', cpu) == 'mixed_bfloat16'


@pytest.mark.parametrize('name', ['float32', 'mixed_bfloat16'])
def test_by_name(cpu, name):
  assert precision.use(name, cpu) == tf.keras.mixed_precision.global_policy().name == name


def test_unknown(cpu):
  with pytest.raises(ValueError, match=r"^unknown precision 'float8'; there are: auto, float32, "
                                       r'mixed_bfloat16$'):
    precision.resolve('float8', cpu)
