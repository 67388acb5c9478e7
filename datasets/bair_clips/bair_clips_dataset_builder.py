"""Builder of BAIR Robot Pushing with both evaluation splits; see the README.md beside this file."""

import dataclasses
import os
import re

from google.protobuf import message
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen.preparation import outcomes
from tf_videogen.preparation import png
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos
from tf_videogen.preparation import reporting_builder

_URL = 'http://rail.eecs.berkeley.edu/datasets/bair_robot_pushing_dataset_v0.tar'
_FRAMES, _SIZE = 30, 64
_FILE_NAME = re.compile(r'traj_(\d+)_to_(\d+)\.tfrecords$')
_TRAIN_SHARE = 0.7  # share of training videos that the balanced split, TrIVD-GAN's, keeps


@dataclasses.dataclass
class BairConfig(tfds.core.BuilderConfig):
  """A division into training and test videos.

  Attributes:
    balanced: whether the last 30 % of the training videos are moved to the test videos.
  """
  balanced: bool = False


@dataclasses.dataclass(frozen=True)
class Records:
  """Videos in one file of records.

  Attributes:
    path: path of the file, whose name ends in traj_<first>_to_<last>.tfrecords.
    folder: the file's folder, 'train' or 'test'.
    first: number of the file's first video in its folder.
    start: index in the file of the first of the videos.
    stop: index in the file after the last of the videos.
  """
  path: str
  folder: str
  first: int
  start: int
  stop: int

  @property
  def videos(self):
    """Number of the videos."""
    return self.stop - self.start

  def key(self, index):
    """Returns the id of the video at an index in the file."""
    return f'{self.folder}_{self.first + index:05d}'


class Builder(reporting_builder.ReportingBuilder):
  """Videos of a robot arm that pushes toys, with its actions and the gripper's positions."""

  FRAMEWISE = ('video', 'actions', 'positions')
  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      f'BAIR is downloaded (32 GB), unless this directory has {os.path.basename(_URL)}, or the '
      'folder softmotion30_44k that is in it, with {train,test}/traj_<first>_to_<last>.tfrecords.')
  BUILDER_CONFIGS = [
      BairConfig(name='original', description='43,264 training and 256 test videos.'),
      BairConfig(name='balanced', balanced=True, description=(
          'The first 70 % of the training videos; the others and the test videos to test on, as '
          'in "Transformation-based Adversarial Video Prediction on Large-Scale Data".')),
  ]

  def _info(self):
    return self.dataset_info_from_configs(
        homepage='https://sites.google.com/view/sna-visual-mpc/',
        **self._stored({
            'video': tfds.features.Video(shape=(None, _SIZE, _SIZE, 3)),
            'actions': tfds.features.Tensor(shape=(None, 4), dtype=tf.float32),
            'positions': tfds.features.Tensor(shape=(None, 3), dtype=tf.float32),
            'id': tfds.features.Text(),
        }))

  def _pieces(self, dl_manager):
    manual = raw_files.manual_dir(dl_manager)
    files = self._manual_files(manual) if manual else {}
    if not any(files.values()):  # the directory may have other data sets' files
      root = raw_files.downloaded(dl_manager, _URL)
      files = _record_files(
          {name: os.path.join(root, name) for name in raw_files.find(root, ('.tfrecords',))})
    train, test = files.get('train', []), files.get('test', [])
    if self.builder_config.balanced:
      kept = round(_TRAIN_SHARE * sum(piece.videos for piece in train))
      train, moved = _divided(train, kept)
      test = moved + test
    return {'train': train, 'test': test}

  def _manual_files(self, root):
    """Returns the files of records below a folder or in its archives, as `_record_files`."""
    loose = {name: os.path.join(root, name) for name in raw_files.find(root, ('.tfrecords',))}
    return _record_files(loose or self._belonging(raw_files.opened_archives(
        root, 'bair|softmotion', self._extract_dir(), ('.tfrecords',))))

  def _reader(self):
    return _Reader()


class _Reader:
  """Reads the videos of Records."""

  def __enter__(self):
    return self

  def __exit__(self, *error):
    pass

  def read(self, piece):
    """Yields (Outcome, example). All videos after damage to the file are lost."""
    records = iter(tf.data.TFRecordDataset(piece.path).skip(piece.start).take(piece.videos))
    damage = raw_videos.Unusable('truncated', 'the file ends before')
    for index in range(piece.start, piece.stop):
      name, unusable = piece.key(index), damage
      try:
        record = next(records, None) if records else None
        if record is not None:
          example, unusable = {**_parsed(record.numpy()), 'id': name}, None
      except raw_videos.Unusable as error:
        unusable = error
      except tf.errors.OpError as error:
        reason = 'missing' if isinstance(error, tf.errors.NotFoundError) else 'truncated'
        unusable = damage = raw_videos.Unusable(reason, error.message.splitlines()[0])
        records = None
      if unusable:
        yield outcomes.Outcome(
            name, piece.path, reason=unusable.reason, detail=unusable.detail), None
      else:
        yield outcomes.Outcome(name, piece.path, _FRAMES), example


def _parsed(record):
  """Returns a serialized record's video, actions, positions; raises Unusable if any is missing."""
  try:
    features = tf.train.Example.FromString(record).features.feature
  except message.DecodeError as error:
    raise raw_videos.Unusable('undecodable', 'not a tf.train.Example') from error

  def stacked(name, kind, shape):
    """Returns the array [frames, *shape] of the values that the frames have under a name."""
    values = []
    for t in range(_FRAMES):
      found = getattr(features[f'{t}/{name}'], kind).value
      array = np.frombuffer(b''.join(found), np.uint8) if kind == 'bytes_list' else (
          np.array(found, np.float32))
      if array.size != np.prod(shape):
        raise raw_videos.Unusable('incomplete', f'{t}/{name} has {array.size} numbers')
      values.append(array.reshape(shape))
    return np.stack(values)

  video = stacked('image_aux1/encoded', 'bytes_list', (_SIZE, _SIZE, 3))
  return {
      'video': [png.encode(frame) for frame in video],
      'actions': stacked('action', 'float_list', (4,)),
      'positions': stacked('endeffector_pos', 'float_list', (3,)),
  }


def _record_files(names):
  """Returns {split: [Records, ...]} of files, in the order of their videos.

  The splits are 'train', 'test' and None, whose list is always empty.

  Args:
    names: dict, relative path -> full path.
  """
  files = {}
  for folder, found in raw_files.of_split(names, {'train': ('train',), 'test': ('test',)}).items():
    matches = [(name, _FILE_NAME.search(name)) for name in found if folder]
    files[folder] = sorted(
        (Records(names[name], folder, int(match[1]), 0, int(match[2]) - int(match[1]) + 1)
         for name, match in matches if match), key=lambda piece: piece.first)
  return files


def _divided(pieces, count):
  """Returns the first `count` videos and the other videos, two lists of Records."""
  first, others = [], []
  for piece in pieces:
    middle = min(max(count, 0), piece.videos)
    count -= piece.videos
    if middle:
      first.append(dataclasses.replace(piece, stop=middle))
    if middle < piece.videos:
      others.append(dataclasses.replace(piece, start=middle))
  return first, others
