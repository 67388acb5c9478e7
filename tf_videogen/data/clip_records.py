"""Reads records of a prepared data set by their numbers, several at the same time.

TensorFlow's op for TFRecord files begins at any byte of a file. Its buffer gets the size of what a
clip needs, so that this is one read. For files on gs:// alone the op would enlarge the buffer to
64 MB and more. An empty name among the names, which it never opens, keeps it from that.
"""

import os

import numpy as np
import tensorflow as tf

READS = max(16, os.cpu_count())  # clips that are read at the same time, which mostly is waiting


class Tables:
  """An Index as tensors, which are made where a dataset is made: on a pod, each host has its own.

  Args:
    index: a clip_index.Index.
  """

  def __init__(self, index):
    bases = index.bases
    places = np.concatenate([[0], np.cumsum(index.sizes)])  # bytes before each record, in all files
    self._paths = tf.constant([*index.paths, ''])
    self._bases, self._places = tf.constant(bases), tf.constant(places)
    self.rows, self.frames = tf.constant(index.rows), tf.constant(index.frames)

  def records(self, first, count):
    """Returns a tf.data.Dataset of one element: `count` records from number `first` on.

    Args:
      first, count: int64 [] tensors.

    Returns:
      Dataset of strings [count]. The records may lie in several files.
    """
    last = self._file_of(first + count - 1)
    of_first = self._file_of(first)
    files = tf.range(of_first, last + 1)
    start = self._places[first] - self._places[self._bases[of_first]]
    offsets = tf.concat([[start], tf.zeros_like(files)], 0)  # of the empty name, too
    paths = tf.concat([tf.gather(self._paths, files), self._paths[-1:]], 0)
    size = self._places[first + count] - self._places[first]
    return _Records(paths, size, offsets).take(count).batch(count)

  def name(self, row):
    """Returns a name for a record, string []: its file's name and its number in the file."""
    file = self._file_of(row)
    name = tf.strings.split(self._paths[file], os.sep)[-1]
    return tf.strings.join([name, tf.strings.as_string(row - self._bases[file])], ':')

  def _file_of(self, row):
    """Returns the number of the file with a record, int64 []."""
    return tf.searchsorted(self._bases, [row], 'right', tf.int64)[0] - 1


class _Records(tf.data.Dataset):
  """Records of TFRecord files, read with a buffer from given bytes of the files on."""

  def __init__(self, paths, buffer_size, offsets):
    super().__init__(tf.raw_ops.TFRecordDatasetV2(
        filenames=paths, compression_type='', buffer_size=buffer_size, byte_offsets=offsets))

  def _inputs(self):
    return []

  @property
  def element_spec(self):
    """Strings []."""
    return tf.TensorSpec([], tf.string)


def parsed(records, features, framewise):
  """Parses the pieces of a video.

  Args:
    records: serialized pieces, one after the other, strings [pieces].
    features: dict, name -> the tf.DType that the feature is stored as.
    framewise: names of those features that have an entry per frame.

  Returns:
    dict of tensors: of `framewise` features all values of all pieces in one axis, of others the
    first piece's.
  """
  specs = {name: tf.io.RaggedFeature(dtype) if name in framewise
                 else tf.io.FixedLenFeature([], dtype) for name, dtype in features.items()}
  found = tf.io.parse_example(records, specs)
  return {name: value.flat_values if name in framewise else value[0]
          for name, value in found.items()}
