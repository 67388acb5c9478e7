"""The real TPUStrategy over logical processors: what stands around a core's program, without a TPU.

Two kinds, as a processor cannot run what a TPU runs on several cores at once:

    traced(cores)    creates variables and traces `strategy.run` as on a TPU; what is in it can't be
                     executed
    executed(patch)  one core, whose programs run where they are called: training, evaluation,
                     sampling and checkpoints go through the strategy's own code

Both need as many logical processors as cores; conftest.py makes two.
"""

import collections

import numpy as np
import tensorflow as tf
from tensorflow.python.distribute import tpu_strategy
from tensorflow.python.tpu import tpu_system_metadata
from tensorflow.python.util import nest

from tf_videogen.training import strategies

_TASK = '/job:localhost/replica:0/task:0/device:'


class Resolver:
  """What a TPUStrategy asks of a TPUClusterResolver."""

  tpu_hardware_feature = None

  def __init__(self, cores):
    self._cores = cores

  def get_tpu_system_metadata(self):
    """One host with all the cores."""
    devices = [_Device(f'{_TASK}TPU:{i}') for i in range(self._cores)]
    return tpu_system_metadata.TPUSystemMetadata(
        num_cores=self._cores, num_hosts=1, num_of_cores_per_host=self._cores, topology=None,
        devices=devices)

  def cluster_spec(self):
    """There is no cluster."""
    return None


class _Device:
  """What the strategy reads of a device."""

  device_type = 'TPU'

  def __init__(self, name):
    self.name = name


def traced(cores=2):
  """A TPUStrategy of one host with so many cores, each a logical processor.

  Its `extended.worker_devices` are processors, too; `strategies.needs_programs` knows it as a TPU.
  """
  strategy = tf.distribute.TPUStrategy(Resolver(cores))
  extended, names = strategy.extended, [f'{_TASK}CPU:{i}' for i in range(cores)]
  extended._tpu_devices = np.array([[name] for name in names], dtype=object)
  extended._host_device = names[0]
  extended._device_input_worker_devices = collections.OrderedDict({names[0]: names})
  extended._host_input_worker_devices = collections.OrderedDict({names[0]: [names[0]] * cores})
  return strategy


def _in_place(computation, inputs=None, **options):
  del options
  return [nest.flatten(computation(*of_core)) for of_core in inputs]


def executed(patch):
  """A TPUStrategy of one core, whose programs run where they are called.

  Args:
    patch: pytest's MonkeyPatch, by whose end TensorFlow is as before.
  """
  patch.setattr(tpu_strategy.tpu, 'replicate', _in_place)
  patch.setattr(tpu_strategy.tpu_ops, 'cross_replica_sum',
                lambda x, group_assignment=None, name=None: tf.identity(x))
  strategy = traced(1)
  # A packed variable gives another handle at every read, and gradients would be None.
  strategy._enable_packed_variable_in_eager_mode = False
  strategy.extended._enable_packed_variable_in_eager_mode = False
  return strategy


def executed_by_programs(patch):
  """What `executed` does, for programs that make their strategy by `--strategy=tpu`.

  Args:
    patch: pytest's MonkeyPatch.
  """
  patch.setattr(strategies, '_tpu', lambda tpu: executed(patch))
