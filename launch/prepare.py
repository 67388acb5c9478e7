"""Prepares a data set: downloads or generates it and writes it in the form that training reads.

    python -m launch.prepare --dataset=moving_mnist_clips/optdigits_small

The name is that of a builder in `datasets/`, or of one that comes with TensorFlow Datasets, with
its config where it has some. Prepared data is left as it is. What a killed run left behind is
removed, and the next run starts over.
"""

import contextlib
import fcntl
import importlib
import os
import pathlib
import shutil

from absl import flags
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

import tf_videogen
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

flags.DEFINE_string('dataset', None,
                    "What to prepare: 'name', 'name/config' or 'name/config:1.0.0'.")
flags.DEFINE_string('manual_dir', None,
                    'Folder with the files of this data set that you downloaded yourself.')
shared_flags.declare('data_dir')

_BUILDERS = pathlib.Path(tf_videogen.__file__).parent / 'datasets'


def own_builders():
  """Returns the names of the builders in `datasets/`, sorted."""
  return sorted(path.parent.name for path in _BUILDERS.glob('*/*_dataset_builder.py')
                if path.name == f'{path.parent.name}_dataset_builder.py')


def builder_class(name):
  """Returns a TFDS builder's class: the one of that name in `datasets/`, or else TFDS's own.

  Raises:
    ValueError: if there is neither.
  """
  if name in own_builders():
    return importlib.import_module(f'tf_videogen.datasets.{name}.{name}_dataset_builder').Builder
  try:
    return tfds.builder_cls(name)
  except tfds.core.DatasetNotFoundError as error:
    raise ValueError(
        f'no data set {name!r}; there are: {", ".join(own_builders())}, and those of TensorFlow '
        'Datasets (https://www.tensorflow.org/datasets/catalog)') from error


def make_builder(dataset, data_dir=None):
  """Returns the builder of a data set.

  Args:
    dataset: str, 'name', 'name/config' or 'name/config:1.0.0'.
    data_dir: str, the root of the prepared data sets; None: TFDS's default.

  Raises:
    ValueError: if there is no such data set, config or version.
  """
  name, kwargs = tfds.core.naming.parse_builder_name_kwargs(dataset)
  found = builder_class(str(name))
  config, configs = kwargs.get('config'), found.builder_configs
  if config is not None and config not in configs:
    raise ValueError(f'{name} has no config {config!r}; there are: {", ".join(configs) or "none"}')
  try:
    return found(data_dir=os.path.expanduser(data_dir) if data_dir else None, **kwargs)
  except AssertionError as error:  # about the version
    raise ValueError(f'{dataset}: {error}') from error


def prepare(builder, manual_dir=None):
  """Downloads or generates a data set, unless it is there.

  Args:
    builder: tfds.core.DatasetBuilder.
    manual_dir: str, folder with files that the user downloaded, or None.

  Returns:
    Whether there was something to do.

  Raises:
    FileNotFoundError: if the folder of such files isn't there, or misses them.
    ValueError: if another process is preparing the same data set, or a download fails.
  """
  if builder.data_path.exists():
    return False
  if manual_dir is not None and not tf.io.gfile.isdir(manual_dir):
    raise FileNotFoundError(f'--manual_dir={manual_dir} is not a folder')
  with _sole_process(builder.data_path.parent):
    _remove_incomplete(builder)
    try:
      builder.download_and_prepare(
          download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    except AssertionError as error:
      if 'anual dir' not in str(error):
        raise
      raise FileNotFoundError(' '.join(str(error).split())) from error  # says what belongs there
    except requests.exceptions.RequestException as error:
      raise ValueError(f'{builder.name} cannot be downloaded ({type(error).__name__}); is there a '
                       'network, and is the address still right?') from error
  return True


@contextlib.contextmanager
def _sole_process(folder):
  """Holds a lock on a local folder, which ends with the process, however that ends."""
  if '://' in os.fspath(folder):  # on cloud storage there are no locks
    yield
    return
  os.makedirs(folder, exist_ok=True)
  descriptor = os.open(folder, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield
  except BlockingIOError as error:
    raise ValueError(
        f'another process is preparing the data in {folder}; wait until it is done') from error
  finally:
    os.close(descriptor)


def _remove_incomplete(builder):
  """Removes what killed runs left of this version; called while no other process prepares it."""
  if '://' in os.fspath(builder.data_path):
    return  # without a lock, it may be another process's
  for path in builder.data_path.parent.glob(f'incomplete.*_{builder.data_path.name}'):
    shutil.rmtree(path)
    print(f'removed {path}, left by a run that did not finish', flush=True)


def main(argv):
  """Prepares the data set that the flags name."""
  del argv
  if not flags.FLAGS.dataset:
    raise ValueError(f'--dataset is missing; there are: {", ".join(own_builders())}')
  builder = make_builder(flags.FLAGS.dataset, flags.FLAGS.data_dir)
  done = prepare(builder, flags.FLAGS.manual_dir)
  splits = ', '.join(f'{name} {info.num_examples:,}' for name, info in builder.info.splits.items())
  print(f'{builder.info.full_name} is {"" if done else "already "}prepared in {builder.data_dir}: '
        f'{splits} ({builder.info.dataset_size})')


if __name__ == '__main__':
  program.run(main)
