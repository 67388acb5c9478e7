"""Statistics of real videos in a file that others can compare their samples with.

    reference_statistics.write('ucf101.npz', about, {...})
    real = reference_statistics.ReferenceVideos('ucf101.npz')   # in the place of the videos

A file has the sums of each measure and its network's label, the protocol, the shape and the number
of clips, and a digest of all this, by which a changed file is noticed. It has no pixels, so nothing
that compares videos pair by pair can use it. The outputs of networks are in it, one row per video.
"""

import hashlib
import json
import zipfile

import numpy as np

from tf_videogen import files
from tf_videogen.evaluation import real_statistics

_KIND = 'statistics of real videos, tf_videogen'


def write(path, about, sums):
  """Writes a file.

  Args:
    path: str, local or remote; it ends with .npz.
    about: dict of plain values: 'protocol', 'split', 'shape' [T, H, W, C], 'videos', a number, and
      'commit'.
    sums: list of (`measuring.Measure`, labels of its networks, its sums of the real videos).
  """
  arrays, measures = {}, []
  for number, (measure, labels, of_measure) in enumerate(sums):
    measures.append({'name': measure.name, 'identity': _plain(measure.identity()),
                     'networks': list(labels)})
    for name, value in of_measure.items():
      arrays[('sums', number, json.dumps(name))] = np.asarray(value)
  text = json.dumps({'kind': _KIND, 'format': real_statistics.FORMAT, **about,
                     'measures': measures}, sort_keys=True)
  arrays['about'] = np.array(text)
  arrays['digest'] = np.array(_digest(arrays))
  files.write(path, files.packed(arrays))


def is_one(path):
  """Whether a file has statistics, and not videos."""
  try:
    with zipfile.ZipFile(path) as archive:
      return {'"about".npy', '"digest".npy'} <= set(archive.namelist())
  except (OSError, zipfile.BadZipFile):
    return False


class ReferenceVideos:
  """A file of statistics in the place of the real videos; a source without videos, see `videos`.

  Attributes:
    about: the dict that `write` got, and 'measures'.
    count: number of real videos.
    shape: (T, H, W, C) of their clips.

  Args:
    path: str, a local file.

  Raises:
    ValueError: if it is damaged, was changed, or is of another format.
  """

  def __init__(self, path):
    self._path = path
    try:
      with open(path, 'rb') as file:
        self._arrays = files.unpacked(file.read())
      digest = str(self._arrays.pop('digest'))
      self.about = json.loads(str(self._arrays['about']))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError) as error:
      raise ValueError(f'{path} cannot be read as statistics ({str(error)[:150]})') from error
    if digest != _digest(self._arrays):
      raise ValueError(f'{path} was changed or damaged: its digest is another than the one in it')
    if self.about['format'] != real_statistics.FORMAT:
      raise ValueError(f'{path} has statistics of format {self.about["format"]}, but this version '
                       f'reads {real_statistics.FORMAT}: export them again')
    self.count, self.shape = self.about['videos'], tuple(self.about['shape'])

  def with_channels(self, channels):
    """Itself: there are no videos that could get other channels."""
    del channels
    return self

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self.about, _digest(self._arrays)]

  def sums(self, measure, labels):
    """The sums of a measure with these labels of networks; None if the file does not have them."""
    wanted = (_plain(measure.identity()), list(labels))
    for number, there in enumerate(self.about['measures']):
      if (there['identity'], there['networks']) == wanted:
        return {_name(json.loads(key[2])): value for key, value in self._arrays.items()
                if key[:2] == ('sums', number)}
    return None

  def lacks(self, measure, labels):
    """A sentence that says what the file has instead of the sums of a measure."""
    there = '; '.join(f'{m["name"]} by {", ".join(m["networks"]) or "no network"}'
                      for m in self.about['measures'])
    return (f'{self._path} has no statistics for {measure.name} by '
            f'{", ".join(labels) or "no network"} as asked for here, and it is left out; it has '
            f'{there}')


def _plain(value):
  """A value as it comes back from JSON."""
  return json.loads(json.dumps(value))


def _name(plain):
  return tuple(plain) if isinstance(plain, list) else plain


def _digest(arrays):
  """SHA-256 over names, dtypes, shapes and bytes of all arrays."""
  digest = hashlib.sha256()
  for name in sorted(arrays, key=str):
    value = np.ascontiguousarray(arrays[name])
    digest.update(f'{name} {value.dtype.str} {value.shape}\n'.encode())
    digest.update(value.tobytes())
  return digest.hexdigest()
