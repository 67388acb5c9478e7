"""Prepares a data set: downloads or generates it and writes it in the form that training reads.

    python -m launch.prepare --dataset=moving_mnist_clips/optdigits_small
    python -m launch.prepare --dataset=ucf101_clips/64 --manual_dir=/path/to/UCF101

The name is that of a builder in `datasets/` or in TensorFlow Datasets, with its config if it has
any. Prepared data is left unchanged. Videos are decoded on all CPU cores. A resumed run decodes
only those that are missing. Damaged videos are left out and listed in preparation_report.json
beside the data. docs/data.md says how to prepare data on many machines.
"""

import importlib
import os
import pathlib

from absl import flags

import tf_videogen
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import tensorflow as tf
  import tensorflow_datasets as tfds
  from tf_videogen import files
  from tf_videogen.data import prepared
  from tf_videogen.preparation import outcomes
  from tf_videogen.preparation import reporting_builder

flags.DEFINE_string('dataset', None,
                    "What to prepare: 'name', 'name/config' or 'name/config:1.0.0'.")
flags.DEFINE_integer('num_processes', 0, 'Number of decoding processes; 0: one per processor.',
                     lower_bound=0)
flags.DEFINE_integer('time_limit', 120, 'Seconds after which decoding a video is given up.',
                     lower_bound=1)
flags.DEFINE_float('max_failed_share', None, 'The share of videos that may be missing or damaged; '
                   "above it, preparing stops. By default the data set's own, see its README.",
                   lower_bound=0, upper_bound=1)
flags.DEFINE_string('cache_dir', None, 'Folder for decoded videos, from which a stopped run '
                    'resumes; by default `decoded` in --data_dir.')
flags.DEFINE_bool('keep_decoded', False, 'Keep that folder when all is done.')
flags.DEFINE_string('beam_runner', None, 'Prepare on Beam with this runner, such as DirectRunner '
                    'or DataflowRunner.')
flags.DEFINE_multi_string('beam_option', None, "An option of Beam's pipeline, such as "
                          '"--project=my-project"; may be repeated.')
shared_flags.declare('data_dir', 'manual_dir')

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
    data_dir: str, the root of the prepared data sets; TFDS's default if None.

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


def main(argv):
  """Prepares the data set that the flags name."""
  del argv
  if not flags.FLAGS.dataset:
    raise ValueError(f'--dataset is missing; there are: {", ".join(own_builders())}')
  values = flags.FLAGS
  builder = make_builder(values.dataset, values.data_dir)
  if isinstance(builder, reporting_builder.ReportingBuilder):
    tfds.disable_progress_bar()  # TFDS's bar knows no total
    builder.options = outcomes.Options(
        values.num_processes, values.time_limit, values.max_failed_share, values.cache_dir,
        values.keep_decoded)
  if not builder.data_path.exists():
    files.check_writable(os.fspath(builder.data_dir_root))
  done = outcomes.prepare(
      builder, values.manual_dir, values.beam_runner, values.beam_option)
  splits = ', '.join(
      f'{name} {prepared.video_count(builder, name):,}' for name in builder.info.splits)
  print(f'{builder.info.full_name} is {"" if done else "already "}prepared in {builder.data_dir}: '
        f'{splits} ({builder.info.dataset_size})')
  report = os.path.join(builder.data_dir, outcomes.FILE_NAME)
  if tf.io.gfile.exists(report):
    print(f'{outcomes.summary(report)}; details in {report}')


if __name__ == '__main__':
  program.run(main)
