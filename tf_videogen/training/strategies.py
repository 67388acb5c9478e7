"""Distribution strategies by name, and what the workers of one must agree on.

A worker is a process. On one host, and on a TPU pod, there is one; with 'multi_worker' there are
several, which run the same program, each on its share of every batch, and of which the chief alone
writes.
"""
import contextlib
import os
import subprocess
import sys

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.data import clip_source
from tf_videogen.layers import randomness
from tf_videogen.training import device_datasets

device_datasets.leave_untuned()

WORKER_TIMEOUT = 300  # seconds to wait for all workers
LOST = files.PASSING  # what is raised when a TPU or a worker went away
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
  except LOST:
    raise  # it is there, or was
  except Exception as e:  # the resolver raises whatever its transport raises
    raise ValueError(f'{no_tpu} ({" ".join(str(e).split())[:200]})') from e


def _nvidia_gpus():
  """The machine's GPUs, by NVIDIA's driver: names, such as 'NVIDIA A100-SXM4-40GB'.

  None where they are hidden from this process.
  """
  if os.environ.get('CUDA_VISIBLE_DEVICES') in ('', '-1'):
    return []
  try:
    found = subprocess.run(['nvidia-smi', '--query-gpu=name', '--format=csv,noheader'],
                           capture_output=True, text=True, timeout=60, check=True)
  except (OSError, subprocess.SubprocessError):
    return []
  return found.stdout.split('\n')[:-1]


def _gpus():
  """TensorFlow's GPUs, physical ones: collective operations must be set up before others are known.

  Raises:
    ValueError: if it sees none, and the machine has some.
  """
  gpus = tf.config.list_physical_devices('GPU')
  if not gpus and (there := _nvidia_gpus()):
    raise ValueError(f'TensorFlow sees no GPU, but this machine has {len(there)} ({there[0]}): '
                     'TF_VIDEOGEN_CUDA=yes launch/install.sh (or the extra tf-videogen[cuda]) '
                     'installs what it lacks, and docs/gpu.md says what else there may be; '
                     '--strategy=cpu or CUDA_VISIBLE_DEVICES=-1 takes the processor')
  return gpus


def _mirrored():
  devices = tf.config.list_logical_devices('GPU' if _gpus() else 'CPU')
  return tf.distribute.MirroredStrategy([device.name for device in devices])


def _cpu():
  return tf.distribute.OneDeviceStrategy('/cpu:0')


# Ends a process that is still waiting after some seconds, and says so. It is a process of its own:
# the wait for the other workers holds Python's lock and hears no signal.
_WATCH = """
import os, select, signal, sys
seconds, process = int(sys.argv[1]), int(sys.argv[2])
if not select.select([sys.stdin], [], [], seconds)[0]:
  print(sys.argv[3], file=sys.stderr, flush=True)
  os.kill(process, signal.SIGKILL)
"""


@contextlib.contextmanager
def _deadline(seconds, message):
  """Kills this process with a message on stderr if the context takes longer."""
  watch = subprocess.Popen(
      [sys.executable, '-IS', '-c', _WATCH, str(seconds), str(os.getpid()), message],
      stdin=subprocess.PIPE)
  try:
    yield
  finally:
    watch.stdin.close()  # it ends with its input
    watch.wait()


def _multi_worker(timeout):
  if 'TF_CONFIG' not in os.environ:
    raise ValueError('--strategy=multi_worker needs TF_CONFIG in the environment of every worker, '
                     'such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": '
                     '{"type": "worker", "index": 0}}')
  try:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    workers = [place for places in resolver.cluster_spec().as_dict().values() for place in places]
  except (ValueError, TypeError, KeyError) as e:
    raise ValueError(f'TF_CONFIG in the environment cannot be read: {e}') from e
  _gpus()  # it takes them by itself
  with _deadline(timeout, f'not all of the {len(workers)} workers ({", ".join(workers)}) came '
                 f'within {timeout} s (launch.train --worker_timeout); this one gives up'):
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _auto(tpu):
  if tpu != 'local' or _has_tpu():
    return _tpu(tpu)
  return _mirrored() if _gpus() else _cpu()


def get(name='auto', tpu='local', worker_timeout=WORKER_TIMEOUT):
  """The strategy of that name.

  Args:
    name: 'cpu', 'mirrored' (all GPUs, or all logical CPUs), 'multi_worker' (by TF_CONFIG), 'tpu',
      or 'auto': a TPU if there is one, else GPUs, else the processor.
    tpu: 'local' on a TPU VM, else the TPU's name.
    worker_timeout: seconds after which a worker that waits for others ends its process.

  Raises:
    ValueError: for an unknown name, where there is no such device, or for a GPU that TensorFlow
      does not see.
    LOST: where a TPU does not answer just now.
  """
  makers = {
      'auto': lambda: _auto(tpu),
      'cpu': _cpu,
      'mirrored': _mirrored,
      'multi_worker': lambda: _multi_worker(worker_timeout),
      'tpu': lambda: _tpu(tpu),
  }
  if name not in makers:
    raise ValueError(f'unknown strategy {name!r}; there are: {", ".join(STRATEGIES)}')
  return makers[name]()


def on_accelerators(strategy):
  """Whether replicas are TPU cores or GPUs."""
  if needs_programs(strategy):
    return True
  if strategy is tf.distribute.get_strategy() and not tf.distribute.has_strategy():
    return bool(tf.config.list_logical_devices('GPU'))  # TensorFlow's default: no strategy at all
  return not any('CPU' in device.upper() for device in strategy.extended.worker_devices)


def has_workers(strategy):
  """Whether several processes train together."""
  return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
  """Whether this process writes checkpoints, results and summaries: the first of all workers."""
  if not has_workers(strategy):
    return True
  resolver = strategy.cluster_resolver
  if resolver.task_type != 'chief' and 'chief' in resolver.cluster_spec().jobs:
    return False
  return resolver.task_id == 0


def needs_programs(strategy):
  """Whether variables live where only compiled programs of the strategy reach them: on a TPU."""
  return isinstance(strategy, tf.distribute.TPUStrategy)


@contextlib.contextmanager
def scope(strategy):
  """The context in which variables are made, and all is computed that is in no program.

  The latter by the host's processor: the runtimes of later TPUs would take single operations to
  the device, compile each, and round their products.
  """
  on_host = tf.device('/cpu:0') if needs_programs(strategy) else contextlib.nullcontext()
  with strategy.scope(), on_host:
    yield


def program(strategy, function):
  """What computes a function on every replica: takes and returns what `strategy.run` does.

  Tensors alone may go in: a TPU turns numbers into tensors.
  """
  def of_replica(*args):  # a TPU wants a name, which not every function has
    return function(*args)

  def of_all(*args):
    return strategy.run(of_replica, args)

  return tf.function(of_all, autograph=False)


def rows_of_replicas(strategy, array):
  """An array's rows, divided among the replicas of this process, as `strategy.run` takes them."""
  devices = len(strategy.extended.worker_devices)
  rows = len(array) // devices

  def of_replica(context):
    first = context.replica_id_in_sync_group % devices * rows
    return tf.constant(array[first:first + rows])

  return strategy.experimental_distribute_values_from_function(of_replica)


def joined_rows(strategy, values):
  """What the replicas of this process returned, one after the other: an array."""
  return np.concatenate(
      [np.asarray(value) for value in strategy.experimental_local_results(values)])


def _repeated(batch, divisor):
  """A batch with as many of its rows once more as make their number divisible."""
  count = len(next(iter(batch.values())))
  rows = np.arange(-(-count // divisor) * divisor) % count
  return {name: array[rows] for name, array in batch.items()}


def on_replicas(strategy, function):
  """A function of a batch and a seed, whose rows the replicas of this process compute side by side.

  Args:
    strategy: a tf.distribute.Strategy.
    function: of a dict of tensors and a seed, int32 [2]; returns tensors, a row a row of the batch.

  Returns:
    A function of a dict of arrays or tensors, of which strings are left out, and a seed; it returns
    arrays. The replicas divide the rows; where these are not divisible, some are computed twice.
    Replicas after the first have the seed folded with their number.
  """
  devices = len(strategy.extended.worker_devices)
  side_by_side = devices > 1 or needs_programs(strategy)
  on_all = program(strategy, function) if side_by_side else None

  def alone(batch, seed):
    with scope(strategy):
      return function({name: tf.constant(array) for name, array in batch.items()}, seed)

  def together(batch, seed):
    def seed_of_replica(context):
      number = context.replica_id_in_sync_group
      return randomness.fold_in(seed, number) if number else seed

    batch = _repeated(batch, devices)
    seeds = strategy.experimental_distribute_values_from_function(seed_of_replica)
    rows = {name: rows_of_replicas(strategy, array) for name, array in batch.items()}
    return on_all(rows, seeds)

  def call(batch, seed):
    arrays = {name: np.asarray(value) for name, value in batch.items()}
    arrays = {name: array for name, array in arrays.items() if array.dtype.kind not in 'OSU'}
    count = len(next(iter(arrays.values())))
    found = (together if side_by_side else alone)(arrays, seed)
    return tf.nest.map_structure(lambda x: joined_rows(strategy, x)[:count], found)

  return call


def worker(strategy):
  """This process' number among those that work together, and how many they are: (int, int)."""
  if not has_workers(strategy):
    return 0, 1
  jobs = strategy.cluster_resolver.cluster_spec().as_dict()
  workers = [(job, i) for job in ('chief', 'worker') for i in range(len(jobs.get(job, [])))]
  resolver = strategy.cluster_resolver
  return workers.index((resolver.task_type, resolver.task_id)), len(workers)


def sum_over_workers(strategy, arrays, add):
  """What all workers' dicts of arrays add up to; they may have different names.

  Args:
    strategy: a tf.distribute.Strategy.
    arrays: dict of NumPy arrays.
    add: a function of two dicts that returns their sum.

  Returns:
    A dict, the same on all workers, which must call this together.
  """
  if not has_workers(strategy):
    return arrays
  mine = np.frombuffer(files.packed(arrays), np.uint8).astype(np.int32)
  number, workers = worker(strategy)
  devices = len(strategy.extended.worker_devices)

  @tf.function
  def total(values):
    return strategy.reduce('SUM', values, axis=None)

  def summed(value):  # the first replica of a worker speaks for it
    of_replica = lambda context: tf.constant(
        value if context.replica_id_in_sync_group % devices == 0 else np.zeros_like(value))
    return total(strategy.experimental_distribute_values_from_function(of_replica)).numpy()

  sizes = np.zeros([workers], np.int32)
  sizes[number] = len(mine)
  sizes = summed(sizes)
  rows = np.zeros([workers, sizes.max()], np.int32)
  rows[number, :len(mine)] = mine
  merged = {}
  for row, size in zip(summed(rows), sizes):
    merged = add(merged, files.unpacked(row[:size].astype(np.uint8).tobytes()))
  return merged


def any_worker(strategy):
  """A function of a bool: whether it is true on any worker. All of them must call it together."""
  if not has_workers(strategy):
    return lambda here: here

  @tf.function
  def number(here):
    return strategy.reduce('SUM', strategy.run(tf.identity, args=(here,)), axis=None)

  return lambda here: int(number(tf.constant(int(here)))) > 0


def distribute(strategy, make_dataset):
  """Batches over the replicas, without the strings, which stay on hosts.

  Args:
    strategy: a tf.distribute.Strategy.
    make_dataset: (host, hosts) -> tf.data.Dataset of that host's rows of every global batch, of
      static shapes.

  Returns:
    A distributed dataset; the first rows are the first replica's. It starts over at its end: shapes
    stay static only where TensorFlow knows that no worker runs out of batches before another.
  """
  def of_host(context):
    dataset = make_dataset(context.input_pipeline_id, context.num_input_pipelines)
    replicas = context.num_replicas_in_sync // context.num_input_pipelines
    names = [name for name, spec in dataset.element_spec.items() if spec.dtype != tf.string]

    def split(batch):  # [B, ...] -> [replicas, B / replicas, ...]
      return {name: tf.reshape(batch[name], [replicas, -1, *batch[name].shape[1:]])
              for name in names}

    return clip_source.untuned(dataset.map(split).unbatch().repeat().prefetch(replicas))

  return strategy.distribute_datasets_from_function(of_host)
