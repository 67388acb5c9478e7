"""Weights of a small network in the files that weights come in, and the index of a checkpoint."""

import os
import pathlib
import struct
import tarfile

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import tensor_bundle_pb2

PREFIX = 'RGB/inception_i3d/'


def arrays(seed=0):
  """Variables of a network that isn't there: a unit and a head."""
  rng = np.random.default_rng(seed)
  shapes = {'Conv3d_1a_7x7/conv_3d/w': [3, 3, 3, 2, 4], 'Conv3d_1a_7x7/batch_norm/beta': [4],
            'Conv3d_1a_7x7/batch_norm/moving_mean': [4],
            'Conv3d_1a_7x7/batch_norm/moving_variance': [4],
            'Logits/Conv3d_0c_1x1/conv_3d/w': [1, 1, 1, 4, 5],
            'Logits/Conv3d_0c_1x1/conv_3d/b': [5]}
  return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def c3d_arrays(seed=0):
  """Variables of two layers in Chainer's layout, and a mean clip."""
  rng = np.random.default_rng(seed)
  return {'conv1a/W': rng.normal(size=[2, 3, 3, 3, 3]).astype(np.float32),
          'conv1a/b': rng.normal(size=[2]).astype(np.float32),
          'mean': rng.uniform(0, 255, [3, 16, 128, 171]).astype(np.float32)}


def save_checkpoint(prefix, variables):
  """Writes a checkpoint of a part, <prefix>.index and <prefix>.data-00000-of-00001."""
  os.makedirs(os.path.dirname(prefix), exist_ok=True)
  tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=list(variables),
                    shape_and_slices=[''] * len(variables), tensors=list(variables.values()))


def save_hub_module(folder, variables):
  """Writes TF-Hub's kind of folder: prefixed names, batch norm of rank 5."""
  save_checkpoint(folder / 'variables' / 'variables', {
      PREFIX + name: value.reshape([1, 1, 1, 1, -1]) if '/batch_norm/' in name else value
      for name, value in variables.items()})
  (folder / 'saved_model.pb').write_bytes(b'a graph')
  return folder


def save_hub_archive(path, variables):
  """Writes TF-Hub's kind of archive of that folder."""
  folder = save_hub_module(path.with_name(f'{path.name}.unpacked'), variables)
  with tarfile.open(path, 'w:gz') as archive:
    archive.add(folder, '.')
  return path


def save_deepmind_checkpoint(folder, variables, prefix=''):
  """Writes DeepMind's kind of folder: model.ckpt, with what the optimizer keeps of variables."""
  momentum = {f'{name}/Momentum': np.ones_like(value) for name, value in variables.items()}
  save_checkpoint(folder / 'model.ckpt', {
      prefix + name: value for name, value in {**variables, **momentum}.items()})
  (folder / 'checkpoint').write_text('model_checkpoint_path: "model.ckpt"\n')
  (folder / 'model.ckpt.meta').write_bytes(b'a graph')
  return folder


def save_npz(path, variables):
  """Writes an .npz; its folder is made."""
  path.parent.mkdir(parents=True, exist_ok=True)
  np.savez(path, **variables)
  return path


def save_listing(path, variables, checksums=None):
  """Writes what is known of a network: names, shapes and, maybe, checksums."""
  path.parent.mkdir(parents=True, exist_ok=True)
  lines = [f'{name},{"x".join(map(str, value.shape))},{checksums[name] if checksums else ""}'
           for name, value in variables.items()]
  path.write_text('\n'.join(['variable,shape,crc32c', *lines]) + '\n')


def checksums_of_index(path):
  """Name -> checksum, 8 hex digits, as the index of a checkpoint has it: a table of LevelDB's."""
  data = pathlib.Path(path).read_bytes()
  footer = data[-48:]  # places of two blocks: of meta data, and of the index of blocks
  at = _varint(footer, _varint(footer, 0)[1])[1]
  found = {}
  for _, place in _block(data, footer[at:]):
    for key, value in _block(data, place):
      entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
      found[key.decode()] = f'{entry.crc32c:08x}'
  return found


def _block(data, place):
  """The keys and values of a block; of a key there is what differs from the one before."""
  start, at = _varint(place, 0)
  size, _ = _varint(place, at)
  assert data[start + size] == 0, 'the block is compressed'
  block = data[start:start + size]
  restarts, = struct.unpack('<I', block[-4:])
  at, key = 0, b''
  while at < size - 4 - 4 * restarts:
    shared, at = _varint(block, at)
    own, at = _varint(block, at)
    length, at = _varint(block, at)
    key = key[:shared] + block[at:at + own]
    yield key, block[at + own:at + own + length]
    at += own + length


def _varint(data, at):
  """A number, seven bits a byte, and the place after it."""
  number = shift = 0
  while True:
    number |= (data[at] & 127) << shift
    at, shift = at + 1, shift + 7
    if data[at - 1] < 128:
      return number, at
