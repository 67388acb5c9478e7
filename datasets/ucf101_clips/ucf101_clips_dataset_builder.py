"""Builder of UCF-101 with its three official splits; see the README.md beside this file."""

import dataclasses
import os

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder

_VIDEOS_URL = 'https://www.crcv.ucf.edu/data/UCF101/UCF101.rar'
_LISTS_URL = 'https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip'
_FIRST_LIST = 'trainlist01.txt'
_VIDEO_ARCHIVES = '^(?!.*(split|list|task|feature|flow)).*ucf.?101'


@dataclasses.dataclass
class Ucf101Config(video_builder.VideoConfig):
  """A resolution and one of the official splits.

  Attributes:
    split_list: number of the official split, 1, 2 or 3.
  """
  split_list: int = 1


def _configs():
  for short_side in (64, 128, 256):
    for split_list in (1, 2, 3):
      name = f'{short_side}' if split_list == 1 else f'{short_side}_split{split_list}'
      yield Ucf101Config(
          name=name, short_side=short_side, split_list=split_list,
          description=f'Shorter side {short_side}, official split {split_list}.')


class Builder(video_builder.VideoBuilder):
  """Videos of people who do things, with the name of the action."""

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      'UCF-101 is downloaded, unless this directory has it: UCF101.rar or another archive with '
      'UCF101 in its name, or the folder UCF-101 that is in it with <Class>/v_<Class>_gNN_cNN.avi; '
      'and the lists of the splits, UCF101TrainTestSplits-RecognitionTask.zip or the folder '
      'ucfTrainTestlist that is in it. '
      f'Both are at {os.path.dirname(_VIDEOS_URL)}/.')
  BUILDER_CONFIGS = list(_configs())

  def _more_features(self):
    return {'label': tfds.features.ClassLabel(
        names_file=tfds.core.tfds_path('video/ucf101_labels.txt'))}

  def _info(self):
    return self._video_info(homepage='https://www.crcv.ucf.edu/data/UCF101.php')

  def _sources(self, dl_manager):
    manual = raw_files.manual_dir(dl_manager)
    lists = self._folder_of_lists(dl_manager, manual)
    videos = self._videos(dl_manager, manual)
    # In names of files, the lists spell HandStandPushups, and some copies HandstandPushups.
    paths = {os.path.basename(name).lower(): path for name, path in videos.items()}
    labels = {name.lower(): i for i, name in enumerate(self.info.features['label'].names)}
    sources = {}
    for split in ('train', 'test'):
      path = os.path.join(lists, f'{split}list{self.builder_config.split_list:02d}.txt')
      sources[split] = []
      for line in _lines(path):
        name = line.split()[0]
        action, file_name = name.split('/')
        sources[split].append(video_builder.Source(
            os.path.splitext(file_name)[0], paths.get(file_name.lower(), name),
            {'label': labels[action.lower()]}))
    return sources

  def _folder_of_lists(self, dl_manager, manual):
    """Returns the folder with trainlist01.txt and the other lists, manual or downloaded."""
    if manual:
      for name in raw_files.find(manual, (_FIRST_LIST,)):
        return os.path.dirname(os.path.join(manual, name))
      found = self._belonging(raw_files.opened_archives(
          manual, 'RecognitionTask|ucfTrainTestlist', self._extract_dir(), (_FIRST_LIST,)))
      for path in found.values():
        return os.path.dirname(path)
    return os.path.join(raw_files.downloaded(dl_manager, _LISTS_URL), 'ucfTrainTestlist')

  def _videos(self, dl_manager, manual):
    """Returns {name: path} of the videos, manual or downloaded."""
    videos = self._belonging(raw_files.videos(
        manual, _VIDEO_ARCHIVES, self._extract_dir())) if manual else {}
    if not videos:
      folder = raw_files.downloaded(dl_manager, _VIDEOS_URL)
      videos = {name: os.path.join(folder, name) for name in raw_files.find(folder, ('.avi',))}
    return videos


def _lines(path):
  """Returns the lines of a list, which end with CR LF, without the empty ones."""
  with tf.io.gfile.GFile(path) as file:
    return [line.strip() for line in file.read().splitlines() if line.strip()]
