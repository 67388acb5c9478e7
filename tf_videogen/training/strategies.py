"""Distribution strategies by name, and functions by which workers share rows, sums and decisions.

A worker is a process. On one host, and on a TPU pod, there is one worker. With 'multi_worker' there
are several. They run the same program, each on its share of every batch, and only the chief writes
files.
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
LOST = files.PASSING  # errors that TensorFlow raises if a TPU or a worker is lost
STRATEGIES = ('auto', 'cpu', 'mirrored', 'multi_worker', 'tpu')


def _has_tpu():
  return os.path.exists('/dev/accel0') or os.path.exists('/dev/vfio/0')


def _tpu(tpu):
  no_tpu = (f'no TPU {tpu!r} could be reached: use --tpu=local on a TPU VM, or the name of a pod; '
            'elsewhere, --strategy=auto uses what the machine has')
  if tpu == 'local' and not _has_tpu():
    raise ValueError(no_tpu)
  try:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu)
    if tpu != 'local':
      tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)
  except LOST:
    raise  # there is such a TPU, or was
  except Exception as e:  # the resolver raises whatever its transport raises
    raise ValueError(f'{no_tpu} ({" ".join(str(e).split())[:200]})') from e


def _nvidia_gpus():
  """Names of the machine's GPUs, as NVIDIA's driver lists them: ['NVIDIA A100-SXM4-40GB', ...].

  The list is empty if the GPUs are hidden from this process.
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
  """TensorFlow's physical GPUs.

  Logical ones may not be listed yet: collective operations must be set up before.

  Raises:
    ValueError: if TensorFlow sees no GPU, but the machine has some.
  """
  gpus = tf.config.list_physical_devices('GPU')
  if not gpus and (there := _nvidia_gpus()):
    raise ValueError(f'TensorFlow sees no GPU, but this machine has {len(there)} ({there[0]}): '
                     'TF_VIDEOGEN_CUDA=yes launch/install.sh (or the extra tf-videogen[cuda]) '
                     'installs what is missing, and docs/gpu.md has other causes; '
                     '--strategy=cpu or CUDA_VISIBLE_DEVICES=-1 uses the processor')
  return gpus


def _mirrored():
  devices = tf.config.list_logical_devices('GPU' if _gpus() else 'CPU')
  return tf.distribute.MirroredStrategy([device.name for device in devices])


def _cpu():
  return tf.distribute.OneDeviceStrategy('/cpu:0')


# Ends a process that is still waiting after some seconds, and says so. This program runs in another
# process, because the wait for the other workers holds Python's lock and ignores signals.
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
    watch.stdin.close()  # the process ends when its input ends
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
  if not workers:
    raise ValueError('TF_CONFIG in the environment names no workers, which --strategy=multi_worker '
                     'needs as "cluster"; --strategy=auto uses this machine alone')
  _gpus()  # for its error alone: the strategy finds the GPUs itself
  with _deadline(timeout, f'not all of the {len(workers)} workers ({", ".join(workers)}) came '
                 f'within {timeout} s (launch.train --worker_timeout); this one gives up'):
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _auto(tpu):
  if tpu != 'local' or _has_tpu():
    return _tpu(tpu)
  return _mirrored() if _gpus() else _cpu()


def get(name='auto', tpu='local', worker_timeout=WORKER_TIMEOUT):
  """Creates the strategy of that name.

  Args:
    name: 'cpu', 'mirrored' (all GPUs; without GPUs, all logical CPUs), 'multi_worker' (as TF_CONFIG
      in the environment says), 'tpu', or 'auto': a TPU if there is one, else GPUs, else the CPU.
    tpu: 'local' on a TPU VM, else the TPU's name.
    worker_timeout: seconds after which a worker that waits for others ends its process.

  Raises:
    ValueError: if the name is unknown, if there is no such device, if TF_CONFIG is missing or
      cannot be read, or if the machine has a GPU that TensorFlow does not see.
    LOST: if a TPU does not answer at the moment.
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
  """Whether the replicas are TPU cores or GPUs."""
  if needs_programs(strategy):
    return True
  if strategy is tf.distribute.get_strategy() and not tf.distribute.has_strategy():
    return bool(tf.config.list_logical_devices('GPU'))  # TensorFlow's default strategy
  return not any('CPU' in device.upper() for device in strategy.extended.worker_devices)


def has_workers(strategy):
  """Whether several processes train together."""
  return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
  """Whether this process is the first worker: it writes checkpoints, results and summaries."""
  if not has_workers(strategy):
    return True
  resolver = strategy.cluster_resolver
  if resolver.task_type != 'chief' and 'chief' in resolver.cluster_spec().jobs:
    return False
  return resolver.task_id == 0


def needs_programs(strategy):
  """Whether only compiled programs of the strategy reach the variables: they are on a TPU."""
  return isinstance(strategy, tf.distribute.TPUStrategy)


@contextlib.contextmanager
def scope(strategy):
  """A context for creating variables and for all computation outside of programs.

  With a TPU, the host's CPU does this computation. The runtimes of later TPUs would move single
  operations to the device, compile each of them, and round their products.
  """
  on_host = tf.device('/cpu:0') if needs_programs(strategy) else contextlib.nullcontext()
  with strategy.scope(), on_host:
    yield


def program(strategy, function):
  """Returns a tf.function that runs `function` on every replica.

  It takes the arguments of `function`, per replica, and returns what `strategy.run` returns. The
  arguments must be tensors: a TPU turns numbers into tensors.
  """
  def of_replica(*args):  # a TPU needs a function with a name, and some have none
    return function(*args)

  def of_all(*args):
    return strategy.run(of_replica, args)

  return tf.function(of_all, autograph=False)


def rows_of_replicas(strategy, array):
  """Divides an array's rows among the replicas of this process, in the form for `strategy.run`.

  The number of rows must be divisible by the number of these replicas.
  """
  devices = len(strategy.extended.worker_devices)
  rows = len(array) // devices

  def of_replica(context):
    first = context.replica_id_in_sync_group % devices * rows
    return tf.constant(array[first:first + rows])

  return strategy.experimental_distribute_values_from_function(of_replica)


def joined_rows(strategy, values):
  """Concatenates the results of this process' replicas along the first axis: an array."""
  return np.concatenate(
      [np.asarray(value) for value in strategy.experimental_local_results(values)])


def _repeated(batch, divisor):
  """A batch whose first rows are repeated until the number of rows is divisible by `divisor`."""
  count = len(next(iter(batch.values())))
  rows = np.arange(-(-count // divisor) * divisor) % count
  return {name: array[rows] for name, array in batch.items()}


def on_replicas(strategy, function):
  """Distributes a function of a batch and a seed over the replicas of this process.

  Args:
    strategy: a tf.distribute.Strategy.
    function: takes a dict of tensors and a seed, int32 [2]. It returns tensors with one row per row
      of the batch.

  Returns:
    A function that takes a dict of arrays or tensors and a seed, and returns arrays. It ignores
    strings. The replicas divide the rows. If the rows are not divisible, some are computed twice.
    Every replica but the first, of all workers, folds its number into the seed.
  """
  devices = len(strategy.extended.worker_devices)
  side_by_side = devices > 1 or needs_programs(strategy)
  on_all = program(strategy, function) if side_by_side else None

  def alone(batch, seed):
    number, _ = worker(strategy)  # of several workers with one replica each
    seed = randomness.fold_in(seed, number) if number else seed
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
  """This worker's number, counted from 0, and the number of workers: (int, int)."""
  if not has_workers(strategy):
    return 0, 1
  jobs = strategy.cluster_resolver.cluster_spec().as_dict()
  workers = [(job, i) for job in ('chief', 'worker') for i in range(len(jobs.get(job, [])))]
  resolver = strategy.cluster_resolver
  return workers.index((resolver.task_type, resolver.task_id)), len(workers)


def sum_over_workers(strategy, arrays, add):
  """Adds up the dicts of arrays of all workers. All workers must call it together.

  Args:
    strategy: a tf.distribute.Strategy.
    arrays: this worker's dict of NumPy arrays. The workers' dicts may have different names.
    add: a function that takes two dicts and returns their sum.

  Returns:
    The sum, a dict that is the same on all workers.
  """
  if not has_workers(strategy):
    return arrays
  mine = np.frombuffer(files.packed(arrays), np.uint8).astype(np.int32)
  number, workers = worker(strategy)
  devices = len(strategy.extended.worker_devices)

  @tf.function
  def total(values):
    return strategy.reduce('SUM', values, axis=None)

  def summed(value):  # only the first replica of a worker contributes its value
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
  """Returns a function that takes a bool and returns whether it is true on any worker.

  All workers must call that function together.
  """
  if not has_workers(strategy):
    return lambda here: here

  @tf.function
  def number(here):
    return strategy.reduce('SUM', strategy.run(tf.identity, args=(here,)), axis=None)

  return lambda here: int(number(tf.constant(int(here)))) > 0


def distribute(strategy, make_dataset):
  """Distributes batches over the replicas. Strings are left out, because they stay on hosts.

  Args:
    strategy: a tf.distribute.Strategy.
    make_dataset: (host, hosts) -> tf.data.Dataset of that host's rows of every global batch, with
      static shapes.

  Returns:
    A distributed dataset. The first replica gets the first rows. At its end it starts again: shapes
    stay static only if TensorFlow knows that no worker runs out of batches before another.
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
