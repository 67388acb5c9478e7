"""Clips from any folder of video files, for people with data of their own.

    experiment.Experiment.clips = @video_folder.from_video_folder()
    video_folder.from_video_folder.folder = '/path/to/videos'

Files in folders called train, validation (or val) and test belong to these splits. A tenth of all
other files is for testing, with at least one file of each class that has two or more. If the files
lie in several folders, the names of the folders are the labels.

On first use, the folder is decoded into the data directory, as by `launch.prepare`. If the folder
changes, it is prepared anew. Files that are the same are not decoded again.
"""

import collections
import dataclasses
import functools
import hashlib
import os
import zlib

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen import files
from tf_videogen.data import clips
from tf_videogen.data import prepared
from tf_videogen.preparation import outcomes
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder

_FOLDERS = {'train': ('train', 'training'), 'validation': ('validation', 'val', 'valid'),
            'test': ('test', 'testing')}


@dataclasses.dataclass
class VideoFolderConfig(video_builder.VideoConfig):
  """A folder of videos at one resolution.

  Attributes:
    folder: path of the folder.
    names: paths of the videos, relative to the folder.
    test_share: share of the files outside folders of splits that is for testing, from 0 to 1.
  """
  folder: str = ''
  names: tuple = ()
  test_share: float = 0.1


class VideoFolder(video_builder.VideoBuilder, skip_registration=True):
  """The videos below a folder."""

  VERSION = tfds.core.Version('2.0.0')

  @functools.cached_property
  def _videos(self):
    """The videos of each split: split -> list of paths relative to the folder."""
    config = self.builder_config
    names = raw_files.of_split(config.names, _FOLDERS)
    of_class = collections.defaultdict(list)
    for name in names.pop(None):
      of_class[_label(name)].append(name)
    for found in of_class.values():
      test = _for_testing(found, config.test_share)
      names['test'] += [name for name in found if name in test]
      names['train'] += [name for name in found if name not in test]
    return {split: sorted(found) for split, found in names.items() if found}

  @functools.cached_property
  def _labels(self):
    """Sorted names of the folders that the files lie in; empty if all lie in one."""
    labels = {_label(name) for names in self._videos.values() for name in names}
    return sorted(labels) if len(labels) > 1 else []

  def _more_features(self):
    return {'label': tfds.features.ClassLabel(names=self._labels)} if self._labels else {}

  def _info(self):
    return tfds.core.DatasetInfo(
        builder=self, description=f'The videos below {self.builder_config.folder}.',
        **self._stored(self._features()))

  def _sources(self, dl_manager):
    del dl_manager
    return {split: [self._source(name) for name in names] for split, names in self._videos.items()}

  def _cache_name(self):
    return f'{self.builder_config.short_side}'

  def _log_download_bytes(self):  # replaces TFDS's two lines
    print(f'preparing the videos in {self.builder_config.folder}, once', flush=True)

  def _log_download_done(self):
    report = os.path.join(self.data_dir, outcomes.FILE_NAME)
    print(f'{outcomes.summary(report)}; details in {report}', flush=True)

  def _source(self, name):
    label = {'label': self._labels.index(_label(name))} if self._labels else {}
    return video_builder.Source(name, os.path.join(self.builder_config.folder, name), label)


def _label(name):
  """Returns the name of the folder that a file lies in; '' if it is the folder of a split."""
  folder = os.path.basename(os.path.dirname(name))
  return '' if any(folder.lower() in names for names in _FOLDERS.values()) else folder


def _for_testing(names, share):
  """Returns the videos of a class that are for testing, a set, drawn by a hash of their names.

  Of two or more videos, at least one is for testing and one for training, unless the share is 0 or
  1. A video that is drawn stays drawn when others are added, unless it was only taken because every
  class must have one.
  """
  chance = lambda name: zlib.crc32(name.encode()) / 2**32
  drawn = {name for name in names if chance(name) < share}
  if share > 0 and len(names) > 1 and not drawn:
    drawn = {min(names, key=chance)}
  if share < 1 and len(names) > 1 and len(drawn) == len(names):
    drawn.remove(max(names, key=chance))
  return drawn


class _FolderClips(clips.PreparedClips):
  """Clips of a VideoFolder, which is prepared when clips are first needed."""

  def __init__(self, make_builder, options, **kwargs):
    super().__init__(**kwargs)
    self._make_builder = make_builder
    self._options = options

  @functools.cached_property
  def _builder(self):
    builder = self._make_builder()
    builder.options = self._options
    tfds.disable_progress_bar()  # TFDS has one per short phase; decoding has its own
    try:
      outcomes.prepare(builder, wait=True)
    finally:
      tfds.enable_progress_bar()
    if 'label' in builder.info.features:
      self.features['label'] = 'label'
    return tfds.builder_from_directory(builder.data_dir)


def from_video_folder(folder, frames, size, frame_step=1, crop='random', drop_short=True,
                      test_share=0.1, data_dir=None, processes=0, max_failed_share=0.1):
  """Returns clips of the videos below a folder, a `clips.PreparedClips`.

  Args:
    folder: str, path of the folder, local or remote.
    frames: int, number of frames of a clip, T.
    size: int, height and width of the clips. The shorter side of a video is scaled to it, with
      Lanczos, and the longer side is cut.
    frame_step: int, distance between consecutive frames of a clip, in frames of the video.
    crop: 'random' or 'center', where clips are cut out for training.
    drop_short: bool, whether videos with too few frames are left out. If False, they are an error.
    test_share: float, share of the files outside folders of splits that is for testing.
    data_dir: str, root of the prepared videos; TFDS's default if None.
    processes: int, number of processes that decode; one per CPU core if 0.
    max_failed_share: float, the largest share of videos that may be unusable.

  Raises:
    FileNotFoundError: if `folder` is not a folder.
  """
  folder = os.path.expanduser(folder)
  if not tf.io.gfile.isdir(folder):
    raise FileNotFoundError(f'from_video_folder.folder = {folder!r} is not a folder')
  root = os.path.expanduser(data_dir) if data_dir else prepared.default_data_dir()

  def make_builder():
    names = raw_files.find(folder, raw_files.VIDEO_SUFFIXES)
    identity = repr((folder if files.is_remote(folder) else os.path.abspath(folder), test_share, [
        (name, files.size_and_time(os.path.join(folder, name))) for name in names]))
    config = VideoFolderConfig(
        name=f'{size}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}', short_side=size,
        min_frames=1, folder=folder, names=tuple(names), test_share=test_share)
    return VideoFolder(data_dir=root, config=config)

  options = outcomes.Options(
      processes=processes, max_failed_share=max_failed_share, keep_decoded=True)
  return _FolderClips(
      make_builder, options, dataset=f'the folder {folder}', frames=frames, frame_step=frame_step,
      data_dir=root, size=size, crop=crop, drop_short=drop_short)
