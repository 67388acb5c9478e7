"""Keeps the statistics of real videos, which are the same for every model that is evaluated.

A file in the cache for each data set, split, choice of videos, measure and network; what they are
is in its name, as a hash.
"""

import hashlib
import json
import os
import zipfile

import tensorflow as tf

from tf_videogen import files
from tf_videogen.metrics import pretrained


_FORMAT = 2  # to be raised where statistics of the same videos become others


def path(videos, measure, labels, frames, classes=None, truncated=False):
  """Where the statistics of a measure are kept.

  Args:
    videos: source of the real videos.
    measure: whose statistics.
    labels: of its networks.
    frames: to which videos are cut.
    classes: dict of names and labels, of which alone videos are; None: of all.
    truncated: see `Protocol.real_truncated`.
  """
  parts = [_FORMAT, videos.identity(), measure.identity(), labels, frames, classes]
  identity = json.dumps(parts + ['truncated'] * truncated, sort_keys=True)
  name = hashlib.sha256(identity.encode()).hexdigest()[:20]
  return os.path.join(pretrained.cache_dir(), 'real_statistics', f'{name}.npz')


def load(where):
  """The statistics, a dict of arrays; None if they aren't there or cannot be read."""
  if not tf.io.gfile.exists(where):
    return None
  try:
    with tf.io.gfile.GFile(where, 'rb') as f:
      return files.unpacked(f.read())
  except (zipfile.BadZipFile, EOFError, OSError, ValueError):
    return None


def keep(where, statistics):
  """Writes them."""
  files.write(where, files.packed(statistics))
