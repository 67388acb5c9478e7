"""Builder of Kinetics-600, as downloaders leave it on disk; see the README.md beside this file."""

import collections
import csv
import dataclasses
import io
import os
import pathlib
import re

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder

# "Scaling Autoregressive Video Models", appendix E.
COOKING = re.compile(r'.*(baking|barbequing|breading|cooking|cutting|pancake|vegetables|meat|cake|'
                     r' sandwich|pizza|sushi|tea|peeling|fruit|eggs|salad).*')

_LABELS_FILE = pathlib.Path(__file__).parent / 'labels.txt'
_FOLDERS = {
    'train': ('train', 'training'),
    'validation': ('val', 'valid', 'validate', 'validation'),
    'test': ('test', 'testing'),
}
# '<id>_<start>_<end>', or the id alone. An id of YouTube has 11 characters. It may begin with '-'
# or '_'.
_STEM = re.compile(r'(?P<id>[\w-]{11})(_(?P<start>\d{6})_(?P<end>\d{6}))?')


@dataclasses.dataclass
class Kinetics600Config(video_builder.VideoConfig):
  """A resolution, with all classes or some.

  Attributes:
    labels: regular expression that matches the names of the classes; all classes if None.
  """
  labels: re.Pattern | None = None


class Builder(video_builder.VideoBuilder):
  """Videos of people who do things, with the name of the action."""

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MAX_FAILED_SHARE = 0.5  # videos vanish from YouTube: a fifth is missing from fresh downloads
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      'Put the videos into this directory, as they are or in their archives: '
      '{train,val,test}/<id>_<start>_<end>.mp4, as the mirror of CVDF has them (the addresses of '
      'its parts are in https://s3.amazonaws.com/kinetics/600/{train,val,test}/'
      'k600_{train,val,test}_path.txt), or with a folder or archive of each label between. Put the '
      'lists beside them, kinetics-600_{train,val,test}.csv of ActivityNet. (Those of the mirror '
      'lack about half of its videos.) Lists give labels to files that are in no folder of a '
      'label, and tell what is missing.')
  BUILDER_CONFIGS = [
      *(Kinetics600Config(name=f'{short_side}', short_side=short_side,
                          description=f'Shorter side {short_side}, all classes.')
        for short_side in (64, 128, 256)),
      Kinetics600Config(
          name='cooking', short_side=64, labels=COOKING,
          description='Shorter side 64, the 29 classes of "Scaling Autoregressive Video Models", '
          'appendix E.'),
  ]

  def _more_features(self):
    return {'label': tfds.features.ClassLabel(names_file=_LABELS_FILE)}

  def _info(self):
    return self._video_info(homepage='https://github.com/cvdfoundation/kinetics-dataset')

  def _sources(self, dl_manager):
    root = os.fspath(dl_manager.manual_dir)
    videos = self._belonging(raw_files.videos(
        root, r'part_?\d+|k600|kinetics', self._extract_dir(),
        folders=raw_files.folder_names(_FOLDERS), is_class=lambda name: label_of(name) is not None))
    rows = _rows(root)
    names = raw_files.of_split(videos, _FOLDERS)
    sources, outside = {}, set(names[None])
    for split in _FOLDERS:
      # Files outside folders of splits belong to the split whose list has them.
      files = {name: videos[name] for name in names[split] + (names[None] if rows[split] else [])}
      found, used = _listed_sources(rows[split], files, root)
      unlisted = {name: videos[name] for name in names[split] if name not in used}
      outside -= used
      if rows[split] and unlisted:
        self._notes.setdefault('not_in_the_list', {})[split] = len(unlisted)
        print(f'{len(unlisted):,} videos of split {split} are not in its list, and are prepared '
              'with what their folder tells; the lists of ActivityNet are complete', flush=True)
      sources[split] = [
          video_builder.Source(name, path, {'label': self._number(label)})
          for name, path, label in found + _found_sources(unlisted) if self._wanted(label)]
    if outside:
      self._notes['in_no_split'] = len(outside)
      print(f'{len(outside):,} videos lie in no folder of a split and are in no list: they are '
            f'left out, such as {min(outside)}', flush=True)
    return sources

  def _wanted(self, label):
    pattern = self.builder_config.labels
    return pattern is None or label is not None and pattern.match(label)

  def _number(self, label):
    """Returns the number of a label; -1 for None."""
    return -1 if label is None else self.info.features['label'].str2int(label)


def _found_sources(files):
  """Returns (id, path, label or None) of files without a list. Their folder may be the label."""
  return [(_stem(name), path, _label_of_folder(name)) for name, path in files.items()]


def _listed_sources(rows, files, root):
  """Finds the files of a list's rows. Missing files get paths below the root.

  A video may have several files, such as links in folders of labels. If its row has no label, the
  first folder with one tells it.

  Returns:
    A list of (id, path, label or None), and the set of the names of the files that belong to rows.
  """
  by_clip = collections.defaultdict(list)
  for name in files:
    match = _STEM.fullmatch(_stem(name))
    if match:
      by_clip[match['id'], int(match['start'] or -1)].append(name)
  sources, used = [], set()
  for row in rows:
    start, end = _second(row['time_start']), _second(row['time_end'])
    clip = f'{row["youtube_id"]}_{start:06d}_{end:06d}'
    # A file without times in its name is the first clip in the list with that id.
    names = by_clip.get((row['youtube_id'], start)) or by_clip.pop((row['youtube_id'], -1), [])
    used.update(names)
    labels = [label_of(row.get('label')), *map(_label_of_folder, names)]
    path = files[names[0]] if names else os.path.join(root, f'{clip}.mp4')
    sources.append((clip, path, next((label for label in labels if label is not None), None)))
  return sources, used


def _rows(root):
  """Returns the rows of all lists below a folder, by split: {split: [{column: value}, ...]}."""
  split_of = {name: split for split, names in _FOLDERS.items() for name in names}
  rows = {split: {} for split in _FOLDERS}
  for name in raw_files.find(root, ('.csv', '.txt')):
    with tf.io.gfile.GFile(os.path.join(root, name), 'rb') as file:
      text = file.read().decode('utf-8-sig', 'replace')  # some editors add a byte order mark
    reader = csv.DictReader(io.StringIO(text))
    if not {'youtube_id', 'time_start', 'time_end', 'split'} <= set(reader.fieldnames or ()):
      continue
    for row in reader:
      split = split_of.get(row['split'])
      if split:
        rows[split][row['youtube_id'], row['time_start']] = row  # a clip may be in two lists
  return {split: list(found.values()) for split, found in rows.items()}


def _second(text):
  """Returns a time of a list in whole seconds; 0 if there is none."""
  try:
    return int(float(text))
  except (TypeError, ValueError):
    return 0


def _stem(name):
  return os.path.splitext(os.path.basename(name))[0]


def _label_of_folder(name):
  return label_of(os.path.basename(os.path.dirname(name)))


def _letters(text):
  return re.sub('[^a-z0-9]', '', text.lower())


_LABEL_OF_LETTERS = {
    _letters(label): label for label in _LABELS_FILE.read_text(encoding='utf-8').splitlines()}


def label_of(text):
  """Returns the class that a folder or a list's row names, or None if it names none.

  Only letters and digits are compared, whatever their case.
  """
  return _LABEL_OF_LETTERS.get(_letters(text or ''))
