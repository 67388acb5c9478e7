"""Prepared TFDS data sets on disk: where they are, what features they have, which files hold them.

Nothing here runs the code of a data set's builder. The files that TFDS wrote beside the data
describe it.
"""

import json
import os
import re

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen import files
from tf_videogen.preparation import outcomes

_NAME = re.compile(r'(?P<path>\w+(/[^/:]+)?)(:(?P<version>\d+\.\d+\.\d+))?')
_VERSION = re.compile(r'\d+\.\d+\.\d+')


def default_data_dir():
  """Returns the root directory of TFDS: $TFDS_DATA_DIR, or ~/tensorflow_datasets if not set."""
  return os.path.expanduser(os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets'))


def directory(dataset, data_dir=None):
  """Finds a prepared data set.

  Args:
    dataset: str, 'name' or 'name/config', with or without a version as in 'name:1.0.0'. Without a
      version, the newest is found.
    data_dir: str, root of the prepared data sets; `default_data_dir()` if None.

  Returns:
    str, the directory with the data set's files.

  Raises:
    ValueError: if the name isn't formed like that, or lacks a config that it needs.
    FileNotFoundError: if the data set isn't prepared there.
  """
  match = _NAME.fullmatch(dataset)
  if not match:
    raise ValueError(
        f"a data set must be 'name', 'name/config' or 'name/config:1.0.0', got {dataset!r}")
  root = os.path.expanduser(data_dir) if data_dir else default_data_dir()
  parent = os.path.join(root, match['path'])
  versions = _prepared_versions(parent)
  if match['version']:
    versions = [version for version in versions if version == match['version']]
  if versions:
    return os.path.join(parent, versions[-1])
  configs = sorted(
      name for name in _folders(parent) if _prepared_versions(os.path.join(parent, name)))
  if configs and '/' not in match['path']:
    raise ValueError(f'{dataset} needs a config; prepared in {root}: '
                     + ', '.join(f'{dataset}/{config}' for config in configs))
  option = f' --data_dir={data_dir}' if data_dir else ''
  raise FileNotFoundError(f'{dataset} is not prepared in {root}; prepare it with: '
                          f'python -m launch.prepare --dataset={dataset}{option}')


def _folders(path):
  """Returns the names of the entries of a folder; empty if there is no such folder."""
  if not tf.io.gfile.isdir(path):
    return []
  return [name.rstrip('/') for name in tf.io.gfile.listdir(path)]


def _prepared_versions(path):
  """Returns the prepared versions in a folder, the oldest first.

  While TFDS prepares a version, its folder has another name.
  """
  versions = [name for name in _folders(path) if _VERSION.fullmatch(name)
              and tf.io.gfile.exists(os.path.join(path, name, 'dataset_info.json'))]
  return sorted(versions, key=lambda version: [int(number) for number in version.split('.')])


def builder(dataset, data_dir=None):
  """Returns a read-only TFDS builder of a prepared data set.

  Args:
    dataset, data_dir: see `directory`.

  Raises:
    ValueError: as `directory` does, or if the data set is not stored as TFRecord files.
    FileNotFoundError: if the data set isn't prepared there.
  """
  found = tfds.builder_from_directory(directory(dataset, data_dir))
  file_format = found.info.file_format.value
  if file_format != 'tfrecord':
    raise ValueError(f'{dataset} is stored as {file_format}; prepare it with file_format tfrecord')
  return found


def split_names(read_only_builder, split):
  """Returns the names of the splits that an expression takes parts of, such as 'train[:70%]+test'.

  Args:
    read_only_builder: builder of a prepared data set, see `builder`.
    split: str, a split or an expression of several.

  Raises:
    ValueError: if there is no such split.
  """
  splits = read_only_builder.info.splits
  names = dict.fromkeys(part.partition('[')[0].strip() for part in split.split('+'))
  if 'all' in names and 'all' not in splits:
    return list(splits)
  for name in names:
    if name not in splits:
      raise _no_split(read_only_builder, split)
  return list(names)


def videos(read_only_builder, split, videos_of_shards):
  """Returns the numbers of a split's videos, in stored order, int64 [videos].

  Slices such as 'train[:-256]' count videos, whatever records there are.

  Args:
    read_only_builder: builder of a prepared data set, see `builder`.
    split: str, a split or an expression.
    videos_of_shards: dict, name -> number of the videos in each shard, for the splits whose videos
      are numbered one after the other.

  Raises:
    ValueError: if there is no such split or slice, or if it has no videos.
  """
  infos, first_of = [], {}
  total = 0
  for name, counts in videos_of_shards.items():
    info = read_only_builder.info.splits[name]
    infos.append(tfds.core.SplitInfo(
        name=name, shard_lengths=[int(count) for count in counts], num_bytes=0,
        filename_template=info.filename_template))
    for path, count in zip(info.filepaths, counts):
      first_of[os.path.basename(path)] = total
      total += int(count)
  try:
    parts = tfds.core.splits.SplitDict(infos)[split].file_instructions
  except (AssertionError, KeyError, ValueError) as error:
    raise _no_split(read_only_builder, split) from error
  found = [np.arange(part.take) + first_of[os.path.basename(part.filename)] + part.skip
           for part in parts]
  if not sum(map(len, found)):
    raise ValueError(f'split {split!r} of {read_only_builder.info.full_name} has no examples')
  return np.concatenate(found)


def _no_split(read_only_builder, split):
  info = read_only_builder.info
  return ValueError(
      f'{info.full_name} has no split {split!r}; there are: {", ".join(info.splits)}')


def piece_frames(read_only_builder):
  """Returns the number of frames of a piece; None if every video is one record."""
  return (read_only_builder.info.metadata or {}).get('piece_frames')


def video_count(read_only_builder, name):
  """Returns the number of videos of a split, however many records they are stored in.

  Args:
    read_only_builder: builder of a prepared data set, see `builder`.
    name: str, name of the split, not of a slice.
  """
  counts = (read_only_builder.info.metadata or {}).get('frame_counts', {})
  if piece_frames(read_only_builder):
    return sum(counts[name].values())
  return read_only_builder.info.splits[name].num_examples


def shortest(read_only_builder, names):
  """Returns the length of the shortest video of some splits, in frames; None if it is not known.

  Args:
    read_only_builder: builder of a prepared data set. Lengths are known if its metadata have
      `frame_counts`, as those of this suite's builders have.
    names: names of splits.
  """
  counts = (read_only_builder.info.metadata or {}).get('frame_counts', {})
  return min((int(frames) for name in names for frames in counts.get(name, ())), default=None)


def feature_shape(read_only_builder, name):
  """Returns shape and dtype of a feature, with the axis of a sequence in front: (tuple, np.dtype).

  Args:
    read_only_builder: builder of a prepared data set, see `builder`.
    name: str, name of the feature.

  Raises:
    ValueError: if there is no such feature, or if it is not one array.
  """
  infos = read_only_builder.info.features.get_tensor_info()
  infos = infos if isinstance(infos, dict) else {}
  if name not in infos or isinstance(infos[name], dict):
    raise ValueError(f'{read_only_builder.info.full_name} has no feature {name!r}; '
                     f'there are: {", ".join(infos)}')
  return tuple(infos[name].shape), infos[name].np_dtype


def class_names(read_only_builder, name):
  """Returns the names of a feature's classes, a list; empty if the data set has none."""
  features = read_only_builder.info.features
  feature = features[name] if isinstance(features, tfds.features.FeaturesDict) else None
  return list(feature.names) if isinstance(feature, tfds.features.ClassLabel) else []


def unlabelled(read_only_builder):
  """Returns the number of training videos whose label is -1; 0 if no report tells it."""
  path = os.path.join(os.fspath(read_only_builder.data_dir), outcomes.FILE_NAME)
  notes = json.loads(files.read(path)).get('notes', {}) if tf.io.gfile.exists(path) else {}
  return notes.get(outcomes.UNLABELLED, 0)


def image_of_frames(read_only_builder, name):
  """Returns the image feature that encodes each frame of a video; None if frames aren't images."""
  features = read_only_builder.info.features
  if isinstance(features, tfds.features.FeaturesDict):  # {'video': Video or Sequence(Image)}
    features = features[name]
    frame = features.feature if isinstance(features, tfds.features.Sequence) else None
  else:  # Sequence({'image': Image}), as in bair_robot_pushing_small
    frame = features.feature[name]
  return frame if isinstance(frame, tfds.features.Image) else None


def some_features(read_only_builder, names):
  """Returns a TFDS feature of the named features alone, which parses and decodes no others."""
  features = read_only_builder.info.features
  if isinstance(features, tfds.features.FeaturesDict):
    return tfds.features.FeaturesDict({name: features[name] for name in names})
  length = feature_shape(read_only_builder, names[0])[0][0]
  return tfds.features.Sequence({name: features.feature[name] for name in names}, length=length)


class Undecoded(tfds.decode.Decoder):
  """Leaves the frames of a video as encoded strings, [T], so that only those in use are decoded."""

  def decode_example(self, serialized_example):
    """Returns the encoded frames as they are, strings [T]."""
    return serialized_example

  def decode_batch_example(self, serialized_example):
    """Does the same, because the base class would walk through the frames."""
    return serialized_example
