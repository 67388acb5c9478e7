"""What all tests share, those of `tests/` and those beside the builders of `datasets/`.

Tests run on two logical processors, so that replicas can be tested anywhere. The markers `slow`,
`real_data` and `needs` are explained in pytest.ini, the options below in tests/slow_draw.py.
"""

import os
import pathlib
import re
import shutil
import sys
import time

import pytest

from tests import slow_draw
import tf_videogen.launch  # before TensorFlow: its Keras and kernels are as programs choose them

# Before TensorFlow is imported, too, and for the programs that tests start.
os.environ['CUDA_VISIBLE_DEVICES'] = '-1'

# A builder is imported as `tf_videogen.datasets.<builder>` or not at all: TFDS refuses to register
# it under a second name. pytest would find it through the root's `datasets` first.
sys.modules['datasets'] = None
collect_ignore = ['datasets']

_REAL_DATA = 'TF_VIDEOGEN_REAL_DATA'
_REQUIRED = 'TF_VIDEOGEN_REQUIRED'


def pytest_addoption(parser):
  """Options for slow tests."""
  parser.addoption('--draw', metavar='WORD', help='run a sample of the tests, drawn by a word')
  parser.addoption('--draw_minutes', type=float, default=20,
                   help='what the sample takes; after that, no test of it is begun')
  parser.addoption('--record_seconds', action='store_true',
                   help='keep what slow tests take in tests/slow_seconds.csv')


def pytest_configure(config):
  """Reads `pytest datasets/<builder>` as `pytest tf_videogen/datasets/<builder>`."""
  config.args = [
      re.sub(r'^(\./)?datasets(?=/|$)', 'tf_videogen/datasets', path) for path in config.args]
  if config.getoption('record_seconds') and not hasattr(config, 'workerinput'):
    config.pluginmanager.register(_Recorder())
  if config.getoption('draw'):
    config.pluginmanager.register(_Clock(config.getoption('draw_minutes')))


class _Clock:
  """Begins no test once so many minutes have passed since the first one."""

  def __init__(self, minutes):
    self._minutes, self._began = minutes, None

  @pytest.hookimpl(tryfirst=True)
  def pytest_runtest_setup(self):
    """Skips the test if it is late."""
    self._began = self._began or time.monotonic()
    if time.monotonic() - self._began > 60 * self._minutes:
      pytest.skip(f'the {self._minutes:g} minutes of the sample are over')


class _Recorder:
  """Keeps what slow tests take."""

  def __init__(self):
    self._seconds = {}

  def pytest_runtest_logreport(self, report):
    """Adds up the parts of a test."""
    if 'slow' in report.keywords and not report.skipped:
      self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0) + report.duration

  def pytest_sessionfinish(self):
    """Writes the table."""
    slow_draw.record(self._seconds)


def pytest_sessionstart(session):
  """Splits the processor in two, before any test module makes TensorFlow start."""
  if session.config.getoption('numprocesses', None):
    return  # pytest-xdist's workers run the tests
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  tf.config.set_logical_device_configuration(
      tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.hookimpl(trylast=True)  # after pytest has left out what -m and -k leave out
def pytest_collection_modifyitems(config, items):
  """Skips the tests on real data where there is none, and those whose programs are missing."""
  folder = os.environ.get(_REAL_DATA)
  if folder and not pathlib.Path(folder).is_dir():
    raise pytest.UsageError(f'{_REAL_DATA}={folder} is not a folder')
  for item in items:
    if item.get_closest_marker('real_data') and not folder:
      item.add_marker(pytest.mark.skip(reason=f'{_REAL_DATA} is not set'))
    for marker in item.iter_markers('needs'):
      required = marker.args[0] in os.environ.get(_REQUIRED, '').split()
      if not required and not any(map(shutil.which, marker.args)):
        item.add_marker(pytest.mark.skip(reason=f'{marker.args[0]} is not installed'))
  if config.getoption('draw'):
    drawn = slow_draw.draw([item.nodeid for item in items], config.getoption('draw'),
                           config.getoption('draw_minutes'))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in drawn])
    items[:] = [item for item in items if item.nodeid in drawn]


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
