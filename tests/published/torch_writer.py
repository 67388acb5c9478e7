"""Writes files as `torch.save` does, without PyTorch, and checkpoints of VideoGPT's code."""

import argparse
import collections
import io
import pickle
import sys
import types
from unittest import mock
import zipfile

import numpy as np

from tf_videogen.published import videogpt as published
from tf_videogen.published import videogpt_layout

_STORAGES = {'float32': 'FloatStorage', 'float64': 'DoubleStorage', 'float16': 'HalfStorage',
             'int64': 'LongStorage', 'uint16': 'BFloat16Storage'}


class _Storage:
  """What a pickle of torch refers to by a persistent id."""

  def __init__(self, key, array):
    self.key, self.array = key, array


def _rebuild_tensor_v2(*args):
  raise AssertionError(f'nothing may call it: {len(args)} arguments')


_rebuild_tensor_v2.__module__ = 'torch._utils'


def _modules():
  """Modules that pickle finds torch's names in while it writes."""
  torch, utils = types.ModuleType('torch'), types.ModuleType('torch._utils')
  utils._rebuild_tensor_v2 = _rebuild_tensor_v2
  for name in _STORAGES.values():
    setattr(torch, name, type(name, (), {'__module__': 'torch'}))
  return {'torch': torch, 'torch._utils': utils}


class _Pickler(pickle.Pickler):
  """A pickle in which arrays are tensors."""

  def __init__(self, file, modules, storages):
    super().__init__(file, protocol=2)
    self._torch, self._storages = modules['torch'], storages

  def persistent_id(self, obj):
    if not isinstance(obj, _Storage):
      return None
    kind = getattr(self._torch, _STORAGES[obj.array.dtype.name])
    return 'storage', kind, obj.key, 'cpu', obj.array.size

  def reducer_override(self, obj):
    if not isinstance(obj, np.ndarray):
      return NotImplemented
    obj = obj.copy(order='K')  # without gaps
    storage = _Storage(str(len(self._storages)), obj.ravel(order='K'))
    self._storages.append(storage)
    strides = tuple(step // obj.itemsize for step in obj.strides)
    return _rebuild_tensor_v2, (
        storage, 0, obj.shape, strides, False, collections.OrderedDict())


def save(path, values, name='archive', extra=()):
  """Writes values, arrays as tensors; `extra` are members (name, bytes) that replace others."""
  storages, data, modules = [], io.BytesIO(), _modules()
  with mock.patch.dict(sys.modules, modules):
    _Pickler(data, modules, storages).dump(values)
  members = {'data.pkl': data.getvalue(), 'version': b'3\n',
             **{f'data/{storage.key}': storage.array.tobytes() for storage in storages},
             **dict(extra)}
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
    for member, content in members.items():
      archive.writestr(f'{name}/{member}', content)


def _inverse(layout, value):
  """The arrays that a layout of `published` makes a value of."""
  if layout is videogpt_layout.gain_and_bias:
    return [half.T for half in np.split(value, 2, axis=1)]
  if layout is videogpt_layout.of_one_codebook:
    return [value[0]]
  if layout is videogpt_layout.kernel:
    return [value.T if value.ndim == 2 else value.transpose(4, 3, 0, 1, 2)]
  return [value]


def state_of(model, is_prior):
  """The state_dict that VideoGPT's code would have of a model's weights."""
  named = published.Weights('', {'fc_in.weight': None, 'attn_stack.right_shift.sos': None,
                                 'resnet.stem.1.norm.norm.weight': None}, {})
  pairs = videogpt_layout.of_prior(model, named) if is_prior else videogpt_layout.of_vqvae(model)
  state = collections.OrderedDict()
  for names, variable, layout in pairs:
    for name, value in zip(names, _inverse(layout, variable.numpy()), strict=True):
      state[name] = value
  return state


def checkpoint(state, **arguments):
  """What Lightning saves of a model."""
  return {'epoch': 1, 'global_step': 10, 'pytorch-lightning_version': '1.1.2', 'state_dict': state,
          'hparams_name': 'args', 'hyper_parameters': {'args': argparse.Namespace(**arguments)}}
