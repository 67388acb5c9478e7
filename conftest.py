"""What all tests share, those of `tests/` and those beside the builders of `datasets/`.

Tests run on two logical processors, so that replicas can be tested anywhere. The markers `slow` and
`real_data` are explained in pytest.ini.
"""

import os
import pathlib
import re
import sys

import pytest

import tf_videogen.launch  # before TensorFlow: its kernels are chosen as programs choose them

# Before TensorFlow is imported, too, and for the programs that tests start.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'

# A builder is imported as `tf_videogen.datasets.<builder>` or not at all: TFDS refuses to register
# it under a second name. pytest would find it through the root's `datasets` first.
sys.modules['datasets'] = None
collect_ignore = ['datasets']

_REAL_DATA = 'TF_VIDEOGEN_REAL_DATA'


def pytest_configure(config):
  """Reads `pytest datasets/<builder>` as `pytest tf_videogen/datasets/<builder>`."""
  config.args = [
      re.sub(r'^(\./)?datasets(?=/|$)', 'tf_videogen/datasets', path) for path in config.args]


def pytest_sessionstart():
  """Splits the processor in two, before any test module makes TensorFlow start."""
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  tf.config.set_logical_device_configuration(
      tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)


def pytest_collection_modifyitems(items):
  """Skips the tests on real data where there is none."""
  folder = os.environ.get(_REAL_DATA)
  if folder and not pathlib.Path(folder).is_dir():
    raise pytest.UsageError(f'{_REAL_DATA}={folder} is not a folder')
  if not folder:
    for item in items:
      if item.get_closest_marker('real_data'):
        item.add_marker(pytest.mark.skip(reason=f'{_REAL_DATA} is not set'))


@pytest.fixture
def real_data():
  """The folder of real samples, a `pathlib.Path`; for tests marked `real_data`."""
  return pathlib.Path(os.environ[_REAL_DATA])


@pytest.fixture(scope='session')
def two_replicas():
  """A strategy with two replicas, each on a logical processor of its own.

  One for all tests: the collective operations of a second MirroredStrategy in the same program have
  the keys of the first one's, and fail wherever the shapes differ.
  """
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  return tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'])
