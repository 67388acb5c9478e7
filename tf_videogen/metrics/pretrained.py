"""Weights of the networks that metrics are computed with: where they are, and if they are the ones.

FVD, IS and FID are comparable between papers only if the weights are the same to the last bit. For
both I3Ds the checksum of every variable is known (`known_networks/<name>.csv`), so weights are
recognized whatever file they come in: TF-Hub's module, DeepMind's checkpoint, or the cache. For C3D
there is the file of TGANv2's authors; no checksum of it is known to us, its shapes are checked, and
`fingerprint` says which one was used.

Weights are kept in a cache, an .npz a network: `$TF_VIDEOGEN_CACHE/networks`, or
`~/.cache/tf_videogen/networks`. `python -m launch.get_networks` fills it.
"""

import csv
import dataclasses
import hashlib
import io
import os
import pathlib
import shutil
import struct
import tarfile
import tempfile
import zlib

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

from tf_videogen import files
from tf_videogen.metrics import c3d

_LISTINGS = pathlib.Path(__file__).parent / 'known_networks'
_PREFIX = 'RGB/inception_i3d/'  # of variables in TF-Hub's module and in rgb_scratch
_IGNORED = '/Momentum'  # slots of the optimizer, in rgb_scratch_kin600
_CHECKPOINTS = 'https://github.com/google-deepmind/kinetics-i3d/raw/master/data/checkpoints'
_TGAN2 = 'https://github.com/rezoo/tgan2/releases/download/v1.0'


@dataclasses.dataclass(frozen=True)
class Known:
  """A network that published numbers are computed with.

  Attributes:
    name: ours.
    title: what its publishers call it.
    sources: places to fetch it from, tried in order; each a tuple of addresses of files that belong
      together.
  """
  name: str
  title: str
  sources: tuple


KNOWN = {known.name: known for known in (
    Known('i3d_kinetics400', "TF-Hub's deepmind/i3d-kinetics-400/1, the same as rgb_scratch",
          (tuple(f'{_CHECKPOINTS}/rgb_scratch/model.ckpt.{end}'
                 for end in ('index', 'data-00000-of-00001')),
           ('https://tfhub.dev/deepmind/i3d-kinetics-400/1?tf-hub-format=compressed',))),
    Known('i3d_kinetics600', "DeepMind's rgb_scratch_kin600",
          (tuple(f'{_CHECKPOINTS}/rgb_scratch_kin600/model.ckpt.{end}'
                 for end in ('index', 'data-00000-of-00001')),)),
    Known('c3d_ucf101', "TGANv2's conv3d_deepnetA_ucf.npz and mean2.npz",
          ((f'{_TGAN2}/conv3d_deepnetA_ucf.npz', f'{_TGAN2}/mean2.npz'),)),
)}


class Missing(FileNotFoundError):
  """A network's weights are not in the cache."""


def cache_dir():
  """Where weights and statistics of real videos are kept."""
  return os.environ.get('TF_VIDEOGEN_CACHE') or os.path.expanduser('~/.cache/tf_videogen')


def cached_path(name):
  """Where the weights of a network are kept."""
  return os.path.join(cache_dir(), 'networks', f'{name}.npz')


def get_command(name):
  """The command that puts a network into the cache."""
  return f'python -m launch.get_networks --network={name}'


def load(name):
  """The weights of a network of KNOWN, from the cache and verified.

  Returns:
    A dict of arrays by their names in the listing; for C3D as in the .npz, and 'mean'.

  Raises:
    Missing: if they aren't there; says how to get them.
    ValueError: if what is there is something else.
  """
  path = cached_path(name)
  if not tf.io.gfile.exists(path):
    raise Missing(f'the network {name} ({KNOWN[name].title}) is not there; get it with '
                  f'{get_command(name)}')
  try:
    arrays = _read_npz(path)
    verify(name, arrays, path)
  except ValueError as error:
    raise ValueError(f'{error}; delete it and get it again with {get_command(name)}') from error
  return arrays


def keep(name, path):
  """Puts the weights of a network that somebody has into the cache, if they are its weights.

  Args:
    name: of KNOWN.
    path: of an I3D, TF-Hub's module (a folder, its .tar.gz or its handle) or a checkpoint (its
      prefix or its folder); of C3D, a folder with the two .npz; or what was in another cache.

  Raises:
    FileNotFoundError: if there is nothing.
    ValueError: if they are others.
  """
  arrays = read(path)
  verify(name, arrays, path)
  files.write_arrays(cached_path(name), arrays)


def read(path):
  """The arrays of a file or folder, by the names of the listings; see `keep`."""
  if path.startswith('https://'):
    try:
      path = hub.resolve(path)
    except (OSError, tf.errors.OpError) as error:
      raise FileNotFoundError(f'{path} could not be fetched ({_first_line(error)})') from error
  if tf.io.gfile.isdir(path):
    for inside in ('variables/variables', 'model.ckpt'):
      if tf.io.gfile.exists(os.path.join(path, f'{inside}.index')):
        return _read_checkpoint(os.path.join(path, inside))
    found = sorted(tf.io.gfile.glob(os.path.join(path, '*.npz')))
    if found:
      return {name: array for one in found for name, array in _read_npz(one).items()}
  elif tf.io.gfile.exists(f'{path}.index'):
    return _read_checkpoint(path)
  elif path.endswith('.npz') and tf.io.gfile.exists(path):
    return _read_npz(path)
  elif tf.io.gfile.exists(path) and path.endswith(('.tar.gz', '.tgz')):
    return _read_archive(path)
  raise FileNotFoundError(f'{path} is no TF-Hub module, checkpoint, or folder of .npz files')


def _read_npz(path):
  arrays = files.read_arrays(path)
  if list(arrays) == ['']:
    raise ValueError(f'{path} cannot be read as arrays (it has one alone, without a name)')
  return {name.lstrip('/'): array for name, array in arrays.items()}


def _read_checkpoint(prefix, path=None):
  """The variables of a checkpoint; `path` is what messages call it."""
  try:
    reader = tf.train.load_checkpoint(prefix)
    names = [name for name in reader.get_variable_to_shape_map() if not name.endswith(_IGNORED)]
    arrays = {name.removeprefix(_PREFIX): reader.get_tensor(name) for name in names}
  except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:  # Index: too short
    raise ValueError(f'{path or prefix} cannot be read as a checkpoint ({_first_line(error)})'
                     ) from error
  # Batch norm is [C] or [1, 1, 1, 1, C].
  return {name: array.reshape(-1) if '/batch_norm/' in name else array
          for name, array in arrays.items()}


def _read_archive(path):
  """The variables of TF-Hub's module in a .tar.gz; nothing else is unpacked."""
  with tempfile.TemporaryDirectory() as scratch:
    try:
      with tf.io.gfile.GFile(path, 'rb') as f, tarfile.open(fileobj=f, mode='r:gz') as archive:
        for member in archive:
          folder, name = os.path.split(os.path.normpath(member.name))
          if member.isfile() and folder == 'variables':
            with open(os.path.join(scratch, name), 'wb') as copy:
              shutil.copyfileobj(archive.extractfile(member), copy)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
      raise ValueError(f'{path} cannot be read as .tar.gz ({_first_line(error)})') from error
    if not os.path.exists(os.path.join(scratch, 'variables.index')):
      raise FileNotFoundError(f'{path} is no TF-Hub module: it has no variables/variables.index')
    return _read_checkpoint(os.path.join(scratch, 'variables'), path)


def _first_line(error):
  """What an error says, in one line."""
  return str(error).strip().partition('\n')[0] or type(error).__name__


def listing(name):
  """What is known of a network's variables: name -> (shape, checksum), 8 hex digits or ''."""
  text = (_LISTINGS / f'{name}.csv').read_text(encoding='utf-8')
  return {row['variable']: (tuple(map(int, row['shape'].split('x'))), row['crc32c'])
          for row in csv.DictReader(io.StringIO(text))}


def checksum(array):
  """The checksum of an array as TensorFlow's checkpoints keep it: masked CRC-32C, 8 hex digits."""
  with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, 'record')
    with tf.io.TFRecordWriter(path) as writer:
      writer.write(np.ascontiguousarray(array).tobytes())
    with open(path, 'rb') as f:
      return f'{struct.unpack("<I", f.read()[-4:])[0]:08x}'  # a record ends with its checksum


def fingerprint(arrays):
  """Eight hex digits that tell weights from others, whatever file they come in."""
  digest = hashlib.sha256()
  for name in sorted(arrays):
    digest.update(f'{name} {checksum(arrays[name])}\n'.encode())
  return digest.hexdigest()[:8]


def verify(name, arrays, path):
  """Raises a ValueError unless the arrays are the weights of a network of KNOWN.

  Args:
    name: of the network.
    arrays: as of `read`.
    path: where they are from, for the message.
  """
  known = listing(name)
  wrong = [variable for variable, (shape, _) in known.items()
           if variable not in arrays or arrays[variable].shape != shape]
  if name == 'c3d_ucf101':
    wrong += [] if _has_mean(arrays) else ['mean (of mean2.npz)']
  else:
    wrong += sorted(set(arrays) - set(known))
  if wrong:
    raise ValueError(f'{path} is no {name}: {wrong[0]} is missing, unknown, or of another shape; '
                     f'wanted is {KNOWN[name].title}')
  others = [variable for variable, (_, crc) in known.items()
            if crc and checksum(arrays[variable]) != crc]
  if others:
    imagenet = ('; rgb_imagenet, which some ports use, is another network'
                if name == 'i3d_kinetics400' else '')
    raise ValueError(
        f'{path} has other weights than {KNOWN[name].title}: {len(others)} of {len(known)} '
        f'variables differ, {others[0]} the first{imagenet}')


def _has_mean(arrays):
  """Whether C3D's mean clip is there, in a shape that it is known in."""
  try:
    return bool(c3d.crop_of_mean(arrays['mean']).size)
  except (KeyError, ValueError):
    return False
