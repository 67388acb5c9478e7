"""VideoGPT's released weights: what a checkpoint of the authors' code has, and a model of it here.

Such a checkpoint has the weights of a VQ-VAE, or of a prior with its VQ-VAE, and the arguments of
the program that trained it. Sizes are taken from the shapes of the weights; heads, dropout and
factors, which no shape tells, from the arguments. The factors of a prior's VQ-VAE follow from the
clip's size and the position embeddings.

`videogpt_layout` tells which weight is which variable.
"""

import os
import re
import reprlib
import typing

import numpy as np

from tf_videogen.published import torch_files
from tf_videogen.published import videogpt_layout as layout
from tf_videogen.tasks import videogpt as task

IMPORTS = (  # that `bindings` need
    'from tf_videogen import tasks', 'from tf_videogen.layers import attention',
    'from tf_videogen.layers import batch_norm', 'from tf_videogen.layers import conditional_norm',
    'from tf_videogen.layers import layer_norm', 'from tf_videogen.layers import resnet3d',
    'from tf_videogen.layers import vector_quantizer', 'from tf_videogen.models import videogpt',
    'from tf_videogen.models import vqvae')
_UNUSED = re.compile(r'(num_batches_tracked|\.attn\.mask)$')  # what no weight is
_VQVAE, _PRIOR = 'encoder.conv_last.conv.weight', 'fc_in.weight'  # that every such model has


class Weights(typing.NamedTuple):
  """A checkpoint of the authors' code.

  Attributes:
    path: of the file.
    tensors: {name: torch_files.Tensor}, without those that are no weights.
    arguments: those of the program that trained it, a dict.
  """
  path: str
  tensors: dict
  arguments: dict

  @property
  def is_prior(self):
    """Whether it is a prior, which has its VQ-VAE in it."""
    return _PRIOR in self.tensors

  def shape(self, name, rank):
    """The shape of a weight of so many axes; ValueError if it is not there, or another."""
    if name not in self.tensors:
      raise ValueError(f'{self.path} has no {name}: it is no complete VideoGPT')
    shape = self.tensors[name].shape
    if len(shape) != rank or 0 in shape:
      raise ValueError(f'{self.path}: {name} has the shape {shape}, not {rank} axes of numbers')
    return shape

  def count(self, pattern):
    """How many there are in a row of the weights of a pattern with one number, from 0 on."""
    numbers = {int(found.group(1)) for name in self.tensors
               if (found := re.fullmatch(pattern, name))}
    return next(i for i in range(len(numbers) + 1) if i not in numbers)

  def argument(self, name, accepts, words):
    """An argument; ValueError if there is none, or one that is not accepted."""
    value = self.arguments.get(name)
    if value is None or not accepts(value):
      raise ValueError(f'{self.path}: its argument {name} is {reprlib.repr(value)}, and must be '
                       f'{words}')
    return value


def open_weights(path):
  """Reads a checkpoint of the authors' code.

  Args:
    path: of the file.

  Returns:
    Weights.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is no such checkpoint, in one line.
  """
  found = torch_files.read(path)
  if not isinstance(found, dict):
    raise ValueError(f'{path} has a {type(found).__name__}, not the parts of a checkpoint')
  if any(str(name) in ('module', 'ds_config', 'ds_version', 'dp_world_size') for name in found):
    raise ValueError(f'{path} is a checkpoint of DeepSpeed: make one file of it with its '
                     'zero_to_fp32.py first')
  if 'hp' in found and 'dset_configs' in found:
    raise ValueError(f'{path} is a checkpoint of wilson1yan/VideoGPT-Paper, which has other names: '
                     'only those of wilson1yan/VideoGPT can be imported')
  state, parameters = found.get('state_dict'), found.get('hyper_parameters')
  if not isinstance(state, dict) or not all(
      isinstance(value, torch_files.Tensor) for value in state.values()):
    raise ValueError(f'{path} has no state_dict of weights: it is no checkpoint of VideoGPT')
  tensors = {str(name): value for name, value in state.items() if not _UNUSED.search(str(name))}
  if sum(tensor.size for tensor in tensors.values()) > os.path.getsize(path):
    raise ValueError(f'{path} is refused: its weights are larger than the file')
  if _VQVAE not in tensors and _PRIOR not in tensors:
    raise ValueError(f'{path} is another model: it has no {_VQVAE} and no {_PRIOR}, but '
                     f'{next(iter(tensors), "nothing")}')
  arguments = parameters.get('args', parameters) if isinstance(parameters, dict) else parameters
  if isinstance(arguments, torch_files.Values):
    arguments = arguments.state
  if not isinstance(arguments, dict):
    raise ValueError(f'{path} does not say what it was trained with (hyper_parameters)')
  return Weights(path, tensors, arguments)


def _is_size(value):
  return type(value) is int and 0 < value < 2**20


def clip_shape(weights):
  """(T, H, W, 3) of the clips that it was trained on."""
  frames = weights.argument('sequence_length', _is_size, 'the number of frames of a clip')
  side = weights.argument('resolution', _is_size, 'the height and width of a clip')
  return frames, side, side, 3


def classes(weights):
  """Number of classes that a prior is conditioned on, 0 for none."""
  name = 'norm.w.weight'
  return weights.shape(name, 2)[1] if name in weights.tensors else 0


def bindings(weights, vqvae=None):
  """What a config must bind for the model of a checkpoint: {'vqvae.VQVAE.hidden': 240, ...}.

  Args:
    weights: Weights.
    vqvae: Weights of the file of a prior's VQ-VAE, for its factors; None: they follow from the
      position embeddings.

  Raises:
    ValueError: if the checkpoint contradicts itself, or the two each other.
  """
  if not weights.is_prior:
    return _of_vqvae(weights, '', _factors(weights))
  if vqvae is not None:
    factors = _factors(vqvae)
    _check_same(weights, vqvae)
  else:
    factors = _factors_of_positions(weights)
  return {**_of_vqvae(weights, 'vqvae.', factors), **_of_prior(weights),
          **(_of_frames(weights) if _reads_frames(weights) else {})}


def _factors(weights):
  if weights.is_prior:
    raise ValueError(f'{weights.path} is a prior, not a VQ-VAE')
  factors = weights.argument(
      'downsample', lambda value: isinstance(value, (list, tuple)) and len(value) == 3 and
      all(map(_is_size, value)), 'three factors')
  return _checked(weights, tuple(factors), '')


def _factors_of_positions(weights):
  latents = [weights.shape(f'attn_stack.pos_embd.emb.d_{axis}', 2)[0] for axis in range(3)]
  clip = clip_shape(weights)[:3]
  if any(size % n for size, n in zip(clip, latents)):
    raise ValueError(f'{weights.path} has positions of {latents} latents, which do not divide '
                     f'clips of {clip}: name the file of its VQ-VAE by --vqvae')
  return _checked(weights, tuple(size // n for size, n in zip(clip, latents)), 'vqvae.')


def _checked(weights, factors, prefix):
  """Factors that fit the number of strided convolutions."""
  convolutions = weights.count(re.escape(prefix) + r'encoder\.convs\.(\d+)\.conv\.weight')
  if any(n & (n - 1) for n in factors) or max(factors) != 2**convolutions:
    raise ValueError(f'{weights.path} divides clips by {factors}, and its VQ-VAE has '
                     f'{convolutions} strided convolutions, of a factor of {2**convolutions}')
  return factors


def _check_same(prior, vqvae):
  for name, tensor in vqvae.tensors.items():
    inside = prior.tensors.get(f'vqvae.{name}')
    if inside is None or inside.shape != tensor.shape or not np.array_equal(
        inside.numpy(), tensor.numpy()):
      raise ValueError(f'{vqvae.path} is not the VQ-VAE of {prior.path}: {name} differs')


def _of_vqvae(weights, prefix, factors):
  block = f'{prefix}encoder.res_stack.0.block.'
  codes, dim = weights.shape(f'{prefix}codebook.embeddings', 2)
  return {
      'tasks.VQVAETask.data_variance': task.AUTHORS_VARIANCE,
      'vqvae.VQVAE.downsampling': factors,
      'vqvae.VQVAE.hidden': weights.shape(f'{prefix}{_VQVAE}', 5)[0],
      'vqvae.VQVAE.residual_stack': '@vqvae.ResidualStack',
      'vqvae.VQVAE.strided_kernel': 4,
      'vqvae.VQVAE.latent_kernel': 1,
      'vqvae.VQVAE.mirrored': False,
      'vqvae.ResidualStack.attention': True,
      'vqvae.ResidualStack.position_embedding': False,
      'vqvae.ResidualStack.norm': '@batch_norm.SyncBatchNorm',
      'vqvae.ResidualStack.layers': weights.count(
          re.escape(prefix) + r'encoder\.res_stack\.(\d+)\.block\.0\.weight'),
      'vqvae.ResidualStack.units': weights.shape(f'{block}2.conv.weight', 5)[0],
      'vector_quantizer.VectorQuantizer.codes': codes,
      'vector_quantizer.VectorQuantizer.dim': dim,
      'vector_quantizer.VectorQuantizer.codebooks': 1,
  }


def _of_prior(weights):
  width = weights.shape(_PRIOR, 2)[0]
  is_rate = lambda value: type(value) in (int, float) and 0 <= value < 1
  heads = weights.argument('heads', lambda n: _is_size(n) and width % n == 0,
                           f'a number that divides the width {width}')
  pattern = weights.argument('attn_type', lambda name: name in ('full', 'sparse'),
                             "'full' or 'sparse'")
  found = {
      'videogpt.VideoGPT.classes': classes(weights),
      'videogpt.LatentTransformer.layers': weights.count(
          r'attn_stack\.attn_nets\.(\d+)\.fc_block\.0\.weight'),
      'videogpt.LatentTransformer.width': width,
      'videogpt.LatentTransformer.heads': heads,
      'videogpt.LatentTransformer.feedforward': weights.shape(
          'attn_stack.attn_nets.0.fc_block.0.weight', 2)[0],
      'videogpt.LatentTransformer.dropout': weights.argument('dropout', is_rate, 'a rate'),
      'videogpt.LatentTransformer.codebook_axis': False,
      'videogpt.LatentTransformer.norm': '@conditional_norm.ConditionalLayerNorm',
      'conditional_norm.ConditionalLayerNorm.epsilon_outside': True,
      'videogpt.LatentTransformer.attention': {
          'full': '@attention.CausalAttention', 'sparse': '@attention.SparseCausalAttention'
      }[pattern],
  }
  if pattern == 'full':
    found['attention.CausalAttention.dropout'] = weights.argument('attn_dropout', is_rate, 'a rate')
  return found


def _reads_frames(weights):
  return 'resnet.stem.0.weight' in weights.tensors


def _of_frames(weights):
  blocks = tuple(1 + weights.count(rf'resnet\.group{group}\.blocks\.(\d+)\.conv1\.weight')
                 for group in (1, 2, 3, 4))
  has_batch_norm = any(name.startswith('resnet.') and name.endswith('running_mean')
                       for name in weights.tensors)
  return {
      'videogpt.VideoGPT.frame_encoder': '@resnet3d.ResNet3D()',
      'videogpt.VideoGPT.conditioning_frames': weights.shape('cond_pos_embd.emb.d_0', 2)[0],
      'videogpt.LatentTransformer.cross_values': weights.shape(
          'attn_stack.attn_nets.0.enc_attn.w_vs.weight', 2)[0],
      'resnet3d.ResNet3D.depth': blocks,
      'resnet3d.ResNet3D.width': weights.shape('resnet.stem.0.weight', 5)[0],
      'resnet3d.ResNet3D.units': weights.shape('resnet.group4.start_block.conv1.weight', 5)[0],
      'resnet3d.ResNet3D.norm': (
          '@batch_norm.SyncBatchNorm' if has_batch_norm else '@layer_norm.LayerNorm'),
  }


def assign(weights, model):
  """Gives a model the weights of a checkpoint.

  Args:
    weights: Weights.
    model: a VQVAE or VideoGPT, built, as the checkpoint's `bindings` want it.

  Raises:
    ValueError: if a weight is missing or left over, or has another shape; with its name.
  """
  pairs = list(layout.of_prior(model, weights) if weights.is_prior else layout.of_vqvae(model))
  wanted = [name for names, _, _ in pairs for name in names]
  missing = [name for name in wanted if name not in weights.tensors]
  if missing:
    raise ValueError(f'{weights.path} has no {missing[0]}, which the model has')
  extra = [name for name in weights.tensors if name not in set(wanted)]
  if extra:
    raise ValueError(f'{weights.path} has {extra[0]}, which the model has not')
  for names, variable, laid_out in pairs:
    arrays = [weights.tensors[name].numpy() for name in names]
    try:
      value = laid_out(*arrays)
    except ValueError:  # of other axes than a layout has
      value = arrays[0]
    if value.shape != tuple(variable.shape):
      shape = weights.tensors[names[0]].shape
      raise ValueError(f'{weights.path}: {names[0]} has the shape {shape}, and the model wants '
                       f'{tuple(variable.shape)} (as laid out here)')
    if not np.isfinite(value).all():
      raise ValueError(f'{weights.path}: {names[0]} has values that are not finite')
    variable.assign(value)
  vqvae = model.vqvae if weights.is_prior else model
  vqvae.quantizer.initialized.assign(1.0)
  vqvae.data_variance.assign(task.AUTHORS_VARIANCE)
  if weights.is_prior and 'attn_stack.right_shift.sos' not in weights.tensors:
    model.prior.start.assign(np.zeros(model.prior.start.shape, np.float32))
