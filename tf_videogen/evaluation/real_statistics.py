"""Keeps the statistics of real videos, which are the same for every model that is evaluated.

The cache has one file per data set, split, selection of videos, measure and network. The name of a
file is a hash of these.
"""

import hashlib
import json
import os
import zipfile

import tensorflow as tf

from tf_videogen import files
from tf_videogen.metrics import pretrained


FORMAT = 3  # to be raised if the statistics of the same videos change


def path(videos, measure, labels, frames, classes=None, truncated=False):
  """Path of the file in which the statistics of a measure are kept.

  Args:
    videos: source of the real videos, see `videos`.
    measure: a Measure.
    labels: list of the labels of its networks.
    frames: number of frames to which videos are cut; None if they are not cut.
    classes: dict of names and labels of the classes whose videos are used; all videos if None.
    truncated: see `Protocol.real_truncated`.
  """
  parts = [FORMAT, videos.identity(), measure.identity(), labels, frames, classes]
  identity = json.dumps(parts + ['truncated'] * truncated, sort_keys=True)
  name = hashlib.sha256(identity.encode()).hexdigest()[:20]
  return os.path.join(pretrained.cache_dir(), 'real_statistics', f'{name}.npz')


def load(where):
  """The statistics in a file, a dict of arrays; None if it is missing or cannot be read."""
  if not tf.io.gfile.exists(where):
    return None
  try:
    with tf.io.gfile.GFile(where, 'rb') as f:
      return files.unpacked(f.read())
  except (zipfile.BadZipFile, EOFError, OSError, ValueError):
    return None


def keep(where, statistics):
  """Writes statistics, a dict of arrays, to a file."""
  files.write(where, files.packed(statistics))
