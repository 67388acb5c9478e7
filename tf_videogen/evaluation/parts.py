"""Keeps the sums of a pass over files from time to time, so that a stopped pass resumes there.

A file of the cache has the sums of the first batches, and how many these are. Its name is a hash of
what they depend on. It is removed at the end of the pass, or of the last of several passes.
"""

import hashlib
import json
import os
import time
import zipfile

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.evaluation import records
from tf_videogen.metrics import pretrained

EVERY = 60  # seconds between two writes


class Parts:
  """The sums of the first batches of a pass, a list of dicts of arrays, one per measure.

  Args:
    identity: plain values on which the sums depend.
    kept: whether anything is read and written; only the pass of a single worker is kept.
  """

  def __init__(self, identity, kept=True):
    name = hashlib.sha256(
        json.dumps([identity, records.commit()], sort_keys=True, default=str).encode()).hexdigest()
    self._path = os.path.join(pretrained.cache_dir(), 'parts', f'{name[:20]}.npz') if kept else None
    self._written = False
    self._last = time.monotonic()

  def read(self):
    """(number of batches that are done, {number of the measure: sums}, further arrays)."""
    if not (self._path and tf.io.gfile.exists(self._path)):
      return 0, {}, {}
    try:
      with tf.io.gfile.GFile(self._path, 'rb') as f:
        found = files.unpacked(f.read())
    except (zipfile.BadZipFile, EOFError, OSError, ValueError):
      return 0, {}, {}
    self._written = True
    done = int(found.pop('batches'))
    totals, more = {}, {}
    for (kind, number, *name), value in found.items():
      if kind == 'more':
        more[number] = value
      else:
        totals.setdefault(number, {})[_name(json.loads(name[0]))] = value
    print(f'{done} batches are done already ({self._path})')
    return done, totals, more

  def keep(self, batches, totals, more, last=False):
    """Writes the sums, unless the latest write was less than EVERY seconds ago.

    Args:
      batches: number of batches that are done.
      totals: {number of the measure: sums}.
      more: dict of further arrays.
      last: whether the pass is at its end, whose sums are written at any time.
    """
    if self._path is None or not last and time.monotonic() - self._last < EVERY:
      return
    arrays = {('sums', number, json.dumps(name)): np.asarray(value)
              for number, sums in totals.items() for name, value in sums.items()}
    arrays.update({('more', name): value for name, value in more.items()})
    files.write(self._path, files.packed({**arrays, 'batches': np.int64(batches)}))
    self._written = True
    self._last = time.monotonic()

  def remove(self):
    """Removes the file, when its sums are no longer needed."""
    if self._written:
      tf.io.gfile.remove(self._path)


def _name(plain):
  return tuple(plain) if isinstance(plain, list) else plain
