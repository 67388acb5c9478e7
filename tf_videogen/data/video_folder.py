"""Clips from any folder of video files, for people with data of their own.

    experiment.Experiment.clips = @video_folder.from_video_folder()
    video_folder.from_video_folder.folder = '/path/to/videos'

Files in folders called train, validation (or val) and test belong to these splits. A single such
folder beside others is a class. A tenth of all other files is for testing, with at least one file
of each class that has two or more. If the files lie in several folders, the names of the folders
are the labels. How a folder was read is printed whenever it is opened.

On first use, the folder is decoded into the data directory, as by `launch.prepare`. If the folder
changes, it is prepared anew. Files that are the same are not decoded again.
"""

import collections
import dataclasses
import functools
import hashlib
import os
import re
import urllib.parse
import zlib

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen import files
from tf_videogen.data import clips
from tf_videogen.data import prepared
from tf_videogen.preparation import archives
from tf_videogen.preparation import outcomes
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder

_FOLDERS = {'train': ('train', 'training'), 'validation': ('validation', 'val', 'valid'),
            'test': ('test', 'testing')}
_SPLIT_OF = {name: split for split, names in _FOLDERS.items() for name in names}
_LISTED = 20  # classes that are named when it is told how a folder was read


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
    names, of_class = collections.defaultdict(list), collections.defaultdict(list)
    for name, (split, label) in self._places.items():
      (names[split] if split else of_class[label]).append(name)
    for found in of_class.values():
      test = _for_testing(found, self.builder_config.test_share)
      names['test'] += [name for name in found if name in test]
      names['train'] += [name for name in found if name not in test]
    return {split: sorted(names[split]) for split in _FOLDERS if names[split]}

  @functools.cached_property
  def _labels(self):
    """Sorted names of the folders of classes; empty if there are less than two."""
    labels = {label for _, label in self._places.values() if label}
    return sorted(labels) if len(labels) > 1 else []

  @functools.cached_property
  def _places(self):
    """The videos: {path: (split, None if it is to be drawn; label, '' if there is none)}."""
    return _splits_and_labels(self.builder_config.names)

  def how_read(self):
    """Returns one line that says which splits and classes the folder has, and by which rule."""
    by_folder = {split is not None for split, _ in self._places.values()}
    drawn = f'{self.builder_config.test_share:.0%} drawn for testing'
    rule = ' and '.join((['by folders of splits'] if True in by_folder else [])
                        + ([drawn] if False in by_folder else []))
    counts = ', '.join(f'{split} {len(names):,}' for split, names in self._videos.items())
    shown = ', '.join(map(_escaped, self._labels[:_LISTED]))
    classes = f'{len(self._labels)} classes by folders: {shown}' if self._labels else 'no classes'
    more = ', ...' if len(self._labels) > _LISTED else ''
    like_splits = [label for label in self._labels if label.lower() in _SPLIT_OF]
    note = f' ({", ".join(like_splits)} too, since other folders lie beside)' if like_splits else ''
    return f'{self.builder_config.folder} has {counts} videos, {rule}; {classes}{more}{note}'

  def _more_features(self):
    return {'label': tfds.features.ClassLabel(
        names=list(map(_escaped, self._labels)))} if self._labels else {}

  def _info(self):
    return tfds.core.DatasetInfo(
        builder=self, description=f'The videos below {self.builder_config.folder}.',
        **self._stored(self._features()))

  def _sources(self, dl_manager):
    del dl_manager
    self._archives.update(
        dict.fromkeys(raw_files.find(self.builder_config.folder, archives.SUFFIXES), False))
    return {split: [self._source(name) for name in names] for split, names in self._videos.items()}

  def _cache_name(self):
    return f'{self.builder_config.short_side}'

  def _log_download_bytes(self):  # replaces TFDS's two lines
    print(f'preparing the videos in {self.builder_config.folder}, once', flush=True)

  def _log_download_done(self):
    report = os.path.join(self.data_dir, outcomes.FILE_NAME)
    print(f'{outcomes.summary(report)}; details in {report}', flush=True)

  def _source(self, name):
    number = {label: i for i, label in enumerate(self._labels)}
    label = {'label': number.get(self._places[name][1], -1)} if self._labels else {}
    return video_builder.Source(name, os.path.join(self.builder_config.folder, name), label)


def _splits_and_labels(names):
  """Returns the split and the label of videos: {path: (split or None, label or '')}.

  Folders with the name of a split are those of splits, unless it is one split's alone and other
  folders with videos lie beside it. The label is the name of the folder that a file lies in, unless
  that is the folder of its split.
  """
  beside = collections.defaultdict(set)  # folder -> its folders with videos
  for name in names:
    folders = name.split('/')[:-1]
    for i, folder in enumerate(folders):
      beside['/'.join(folders[:i])].add(folder)

  def is_split(outer, folder):
    found = {_SPLIT_OF.get(other.lower()) for other in beside[outer]}
    return folder.lower() in _SPLIT_OF and (len(found - {None}) > 1 or None not in found)

  places = {}
  for name in names:
    folders = name.split('/')[:-1]
    at = next((i for i, folder in enumerate(folders) if is_split('/'.join(folders[:i]), folder)),
              None)
    split = None if at is None else _SPLIT_OF[folders[at].lower()]
    inner = folders if at is None else folders[at + 1:]
    places[name] = split, inner[-1] if inner else ''
  return places


def _without_links(folder, names):
  """Returns one path per file: of links to the same one, the first with a label counts."""
  if files.is_remote(folder):
    return names
  label_of = {name: label for name, (_, label) in _splits_and_labels(names).items()}
  counting = {}
  for name in sorted(names, key=lambda name: (not label_of[name], name)):
    counting.setdefault(os.path.realpath(os.path.join(folder, name)), name)
  return sorted(counting.values())


def _escaped(label):
  """Returns a label as it survives in TFDS's file of names, a line each without outer spaces."""
  return re.sub(r'\A\s|\s\Z|[%\x00-\x1f\x7f-\x9f\u2028\u2029]',
                lambda found: urllib.parse.quote(found[0]), label)


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
    if builder.builder_config.names:
      print(builder.how_read(), flush=True)
    tfds.disable_progress_bar()  # TFDS has one per short phase; decoding has its own
    try:
      outcomes.prepare(builder, wait=True)
    finally:
      tfds.enable_progress_bar()
    if 'label' in builder.info.features:
      self.features['label'] = 'label'
    return tfds.builder_from_directory(builder.data_dir)

  def class_names(self):
    """See `ClipSource.class_names`."""
    return list(map(urllib.parse.unquote, super().class_names()))


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
    names = _without_links(folder, raw_files.find_videos(folder))
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
