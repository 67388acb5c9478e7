"""Where the videos of a prepared data set lie in its files, so that clips are read by number.

TFDS's files have no index. Preparation writes one, `clip_index/<split>.npz` beside the shards: the
size of every record, and for every video its first record and its number of frames. For data that
was prepared without it, it is made at first use, from the lengths that stand before the records.

Builders of this suite store a video in pieces: consecutive records of `piece_frames` frames each,
the last with the rest (`preparation.piece_builder`). Other data sets have a record per video.
"""

import concurrent.futures
import os
import struct
import typing

import numpy as np
import tensorflow as tf
from tensorflow_datasets.core import writer
import tqdm

from tf_videogen import bars
from tf_videogen import files

FOLDER = 'clip_index'
FIRST_FRAME, VIDEO_FRAMES = 'first_frame', 'video_frames'  # features of pieces
_NOTES = '_records.npz'  # what the writer of a shard notes beside it
_HEADER, _OVERHEAD = 12, 16  # bytes before a record, and around it
_READERS = 16  # shards that are looked through at the same time


class Index(typing.NamedTuple):
  """The videos of one split, or of several, one after the other.

  Attributes:
    paths: list of the shards' paths.
    bases: int64 [shards + 1], number of each shard's first record; last, the number of all records.
    sizes: int64 [records], bytes of each record with what TFRecord files have around it.
    rows: int64 [videos + 1], number of each video's first record; last, the number of all records.
    frames: int64 [videos], number of frames of each video; 0 if it is not known.
  """
  paths: list
  bases: np.ndarray
  sizes: np.ndarray
  rows: np.ndarray
  frames: np.ndarray

  @property
  def videos_of_shards(self):
    """Number of the videos that begin in each shard, int64 [shards]."""
    return np.diff(np.searchsorted(self.rows[:-1], self.bases))


def joined(indexes):
  """Returns the Index of several splits, one after the other."""
  def after_each_other(name):
    lasts = np.cumsum([0] + [getattr(index, name)[-1] for index in indexes])
    return np.concatenate([getattr(index, name)[:-1] + last
                           for index, last in zip(indexes, lasts)] + [lasts[-1:]])

  return Index([path for index in indexes for path in index.paths], after_each_other('bases'),
               np.concatenate([index.sizes for index in indexes]), after_each_other('rows'),
               np.concatenate([index.frames for index in indexes]))


def key(order, piece, frames):
  """Returns the key of a piece, by which TFDS sorts: pieces of a video follow each other.

  Args:
    order: int of 64 bits that determines the place of the video among the others.
    piece: number of the piece in the video.
    frames: number of frames of the whole video.
  """
  return order << 64 | piece << 32 | frames


class Writer(writer.ExampleWriter):
  """Writes a shard as TFDS does, and notes beside it what the index needs."""

  def write(self, path, examples):
    """Writes (key, serialized example) into a shard. For keys, see `key`."""
    notes = []

    def noted():
      for number, example in examples:
        notes.append((len(example) + _OVERHEAD, number >> 32 & 0xffffffff, number & 0xffffffff))
        yield number, example

    super().write(path, noted())
    sizes, pieces, frames = np.array(notes, np.int64).reshape(-1, 3).T
    files.write_arrays(os.fspath(path) + _NOTES,
                       {'sizes': sizes, 'pieces': pieces, 'frames': frames})


def collect(split_info, piece_frames):
  """Makes the index of a split from what the writers noted, and removes their notes.

  Args:
    split_info: tfds.core.SplitInfo of the split.
    piece_frames: number of frames of a piece.

  Returns:
    The Index.

  Raises:
    ValueError: if a piece of a video is missing.
  """
  paths = _paths(split_info)
  with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
    notes = list(pool.map(lambda path: files.read_arrays(path + _NOTES), paths))
  index = _of_pieces(paths, [(note['sizes'], note['pieces'] == 0, note['frames'])
                             for note in notes], piece_frames, split_info.name)
  _write(split_info, index)
  for path in paths:
    tf.io.gfile.remove(path + _NOTES)
  return index


def of_split(split_info, piece_frames=None, video=None):
  """Returns the Index of a split of a prepared data set, which is made if it is missing.

  Args:
    split_info: tfds.core.SplitInfo of the split.
    piece_frames: number of frames of a piece; None if each video is one record.
    video: name of the feature whose frames are counted, if each video is one record and the numbers
      of frames are needed; else None.

  Raises:
    ValueError: if a shard is damaged.
  """
  index = _read(split_info)
  if index is None or video and not index.frames.all():
    index = _made(split_info, piece_frames, video)
    try:
      _write(split_info, index)
    except OSError as error:
      print(f'the index of {split_info.name} is made anew by every run: {error}', flush=True)
  return index


def _paths(split_info):
  return [os.fspath(path) for path in split_info.filepaths]


def _file(split_info):
  folder = os.path.dirname(_paths(split_info)[0])
  return os.path.join(folder, FOLDER, f'{split_info.name}.npz')


def _write(split_info, index):
  files.write_arrays(_file(split_info), {
      'bases': index.bases, 'sizes': index.sizes, 'rows': index.rows, 'frames': index.frames,
      'num_bytes': np.int64(split_info.num_bytes)})


def _read(split_info):
  """Returns the Index in the file beside the shards; None if there is none for these shards."""
  path = _file(split_info)
  if not tf.io.gfile.exists(path):
    return None
  try:
    arrays = files.read_arrays(path)
    found = Index(_paths(split_info), *(arrays[name] for name in Index._fields[1:]))
    fits = (np.array_equal(np.diff(found.bases), split_info.shard_lengths)
            and arrays['num_bytes'] == split_info.num_bytes)
  except (KeyError, ValueError):  # of another program, or damaged
    return None
  return found if fits else None


def _made(split_info, piece_frames, video):
  """Makes the Index from the shards. If frames are to be counted, whole shards are read."""
  paths, lengths = _paths(split_info), split_info.shard_lengths

  def looked_through(path):
    if piece_frames:
      return _parsed(path, lambda feature: (
          feature[FIRST_FRAME].int64_list.value[0] == 0,
          feature[VIDEO_FRAMES].int64_list.value[0]))
    if video:
      return _parsed(path, lambda feature: (True, len(feature[video].bytes_list.value)))
    sizes = _sizes(path)
    return sizes, np.ones(len(sizes), bool), np.zeros(len(sizes), np.int64)

  with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
    shards = list(tqdm.tqdm(pool.map(looked_through, paths), f'index of {split_info.name}',
                            len(paths), unit='shard', mininterval=bars.interval(), delay=2))
  for path, (sizes, *_), length in zip(paths, shards, lengths):
    if len(sizes) != length:
      raise _damaged(path, f'it has {len(sizes):,} of {length:,} records')
  return _of_pieces(paths, shards, piece_frames, split_info.name)


def _of_pieces(paths, shards, piece_frames, split):
  """Returns the Index of shards, each (sizes, whether a record begins a video, frames of it)."""
  sizes, begins, frames = (np.concatenate(columns) for columns in zip(*shards))
  bases = np.cumsum([0] + [len(shard[0]) for shard in shards])
  rows = np.append(np.flatnonzero(begins), len(sizes))
  frames = frames[rows[:-1]]
  if piece_frames:
    lost = np.count_nonzero(np.diff(rows) != -(-frames // piece_frames))
    if lost or rows[0]:
      raise ValueError(f'{max(lost, 1):,} videos of split {split} have not all their pieces: '
                       'prepare the data again')
  return Index(paths, bases, sizes.astype(np.int64), rows.astype(np.int64),
               frames.astype(np.int64))


def _sizes(path):
  """Returns the sizes of a shard's records, int64 [records]; reads only what tells lengths."""
  sizes, offset, end = [], 0, tf.io.gfile.stat(path).length
  opened = (tf.io.gfile.GFile(path, 'rb') if files.is_remote(path)
            else open(path, 'rb', buffering=0))
  with opened as file:
    while offset < end:
      file.seek(offset)
      header = file.read(_HEADER)
      if len(header) == _HEADER:
        sizes.append(struct.unpack('<Q', header[:8])[0] + _OVERHEAD)
        offset += sizes[-1]
      if len(header) < _HEADER or offset > end:
        raise _damaged(path, 'it ends in the middle of a record')
  return np.array(sizes, np.int64)


def _parsed(path, of_features):
  """Returns three arrays: the sizes of a shard's records, and two values of their features each."""
  found = []
  try:
    for record in tf.data.TFRecordDataset(path, buffer_size=8 << 20).as_numpy_iterator():
      features = tf.train.Example.FromString(record).features.feature
      found.append((len(record) + _OVERHEAD, *of_features(features)))
  except tf.errors.DataLossError as error:
    raise _damaged(path, error.message[:200]) from error
  sizes, begins, frames = np.array(found, np.int64).reshape(-1, 3).T
  return sizes, begins.astype(bool), frames


def _damaged(path, why):
  return ValueError(f'{path} is damaged ({why}): prepare the data again')
