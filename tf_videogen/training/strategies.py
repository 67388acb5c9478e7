"""Distribution strategies by name."""
import os

import tensorflow as tf

STRATEGIES = ('auto', 'cpu', 'mirrored', 'multi_worker', 'tpu')


def _has_tpu():
  return os.path.exists('/dev/accel0') or os.path.exists('/dev/vfio/0')


def _tpu(tpu):
  no_tpu = (f'no TPU {tpu!r} could be reached: on a TPU VM use --tpu=local, for a pod its name; '
            'elsewhere --strategy=auto takes what the machine has')
  if tpu == 'local' and not _has_tpu():
    raise ValueError(no_tpu)
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
    if tpu != 'local':
      tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)
  except Exception as e:  # the resolver raises whatever its transport raises
    raise ValueError(f'{no_tpu} ({str(e).splitlines()[0][:200]})') from e


def _mirrored():
  gpus = tf.config.list_logical_devices('GPU')
  devices = gpus or tf.config.list_logical_devices('CPU')
  return tf.distribute.MirroredStrategy([device.name for device in devices])


def _cpu():
  return tf.distribute.OneDeviceStrategy('/cpu:0')


def _auto(tpu):
  if tpu != 'local' or _has_tpu():
    return _tpu(tpu)
  return _mirrored() if tf.config.list_logical_devices('GPU') else _cpu()


def get(name='auto', tpu='local'):
  """The strategy of that name.

  Args:
    name: 'cpu', 'mirrored' (all GPUs, or all logical CPUs), 'multi_worker' (by TF_CONFIG), 'tpu',
      or 'auto': a TPU if there is one, else GPUs, else the processor.
    tpu: 'local' on a TPU VM, else the TPU's name.

  Raises:
    ValueError: for an unknown name, or where there is no such device.
  """
  makers = {
      'auto': lambda: _auto(tpu),
      'cpu': _cpu,
      'mirrored': _mirrored,
      'multi_worker': tf.distribute.MultiWorkerMirroredStrategy,
      'tpu': lambda: _tpu(tpu),
  }
  if name not in makers:
    raise ValueError(f'unknown strategy {name!r}; there are: {", ".join(STRATEGIES)}')
  return makers[name]()


def on_accelerators(strategy):
  """Whether replicas are TPU cores or GPUs."""
  if strategy is tf.distribute.get_strategy() and not tf.distribute.has_strategy():
    return bool(tf.config.list_logical_devices('GPU'))  # TensorFlow's default: no strategy at all
  return not any('CPU' in device.upper() for device in strategy.extended.worker_devices)


def distribute(strategy, dataset):
  """The dataset of global batches over the replicas, without the strings, which stay on hosts."""
  names = [name for name, spec in dataset.element_spec.items() if spec.dtype != tf.string]
  dataset = dataset.map(lambda batch: {name: batch[name] for name in names})
  return strategy.experimental_distribute_dataset(dataset)
