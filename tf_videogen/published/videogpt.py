"""Imports VideoGPT's released weights: reads a checkpoint, configures a model, assigns the weights.

A checkpoint of the authors' code has the weights of a VQ-VAE, or of a prior with its VQ-VAE, and
the arguments of the program that trained it. The shapes of the weights give most sizes. The number
of heads, dropout, the attention pattern, the factors and the clip's size come from the arguments,
because no shape shows them. The factors of a prior's VQ-VAE follow from the clip's size and the
position embeddings.

`videogpt_layout` maps weights to variables.
"""

import os
import re
import reprlib
import typing

import numpy as np

from tf_videogen.published import torch_files
from tf_videogen.published import videogpt_layout as layout
from tf_videogen.tasks import videogpt as task

IMPORTS = (  # that a config with `bindings` needs
    'from tf_videogen import tasks', 'from tf_videogen.layers import attention',
    'from tf_videogen.layers import batch_norm', 'from tf_videogen.layers import conditional_norm',
    'from tf_videogen.layers import layer_norm', 'from tf_videogen.layers import resnet3d',
    'from tf_videogen.layers import vector_quantizer', 'from tf_videogen.models import videogpt',
    'from tf_videogen.models import vqvae')
_UNUSED = re.compile(r'(num_batches_tracked|\.attn\.mask)$')  # tensors that are not weights
_VQVAE, _PRIOR = 'encoder.conv_last.conv.weight', 'fc_in.weight'  # of every such model


class Weights(typing.NamedTuple):
  """A checkpoint of the authors' code.

  Attributes:
    path: path of the file.
    tensors: {name: torch_files.Tensor}, the weights alone.
    arguments: dict of the arguments of the program that trained the model.
  """
  path: str
  tensors: dict
  arguments: dict

  @property
  def is_prior(self):
    """Whether the checkpoint is of a prior, which includes its VQ-VAE."""
    return _PRIOR in self.tensors

  def shape(self, name, rank):
    """Returns the shape of a weight.

    Args:
      name: name of the weight.
      rank: number of axes that it must have.

    Raises:
      ValueError: if there is no such weight, or it has another rank or no numbers.
    """
    if name not in self.tensors:
      raise ValueError(f'{self.path} has no {name}: it is not a complete VideoGPT')
    shape = self.tensors[name].shape
    if len(shape) != rank or 0 in shape:
      raise ValueError(f'{self.path}: {name} has the shape {shape}, not {rank} axes of numbers')
    return shape

  def count(self, pattern):
    """Counts the consecutive numbers, from 0 on, in names of weights.

    Args:
      pattern: a regular expression of whole names, with one group for the number.
    """
    numbers = {int(found.group(1)) for name in self.tensors
               if (found := re.fullmatch(pattern, name))}
    return next(i for i in range(len(numbers) + 1) if i not in numbers)

  def argument(self, name, accepts, words):
    """Returns an argument of the program that trained the model.

    Args:
      name: name of the argument.
      accepts: a function that returns whether a value is valid.
      words: description of valid values, for the error message.

    Raises:
      ValueError: if the argument is missing or not valid.
    """
    value = self.arguments.get(name)
    if value is None or not accepts(value):
      raise ValueError(f'{self.path}: its argument {name} is {reprlib.repr(value)}, but must be '
                       f'{words}')
    return value


def open_weights(path):
  """Reads a checkpoint of the authors' code.

  Args:
    path: path of the file.

  Returns:
    Weights.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: if it is not such a checkpoint; the message has one line.
  """
  found = torch_files.read(path)
  if not isinstance(found, dict):
    raise ValueError(f'{path} has a {type(found).__name__}, not the parts of a checkpoint')
  if any(str(name) in ('module', 'ds_config', 'ds_version', 'dp_world_size') for name in found):
    raise ValueError(f'{path} is a checkpoint of DeepSpeed: convert it to one file with its '
                     'zero_to_fp32.py first')
  if 'hp' in found and 'dset_configs' in found:
    raise ValueError(f'{path} is a checkpoint of wilson1yan/VideoGPT-Paper, which has other names: '
                     'only those of wilson1yan/VideoGPT can be imported')
  state, parameters = found.get('state_dict'), found.get('hyper_parameters')
  if not isinstance(state, dict) or not all(
      isinstance(value, torch_files.Tensor) for value in state.values()):
    raise ValueError(f'{path} has no state_dict of weights: it is not a checkpoint of VideoGPT')
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
  """Returns the shape (T, H, W, 3) of the clips that the model was trained on."""
  frames = weights.argument('sequence_length', _is_size, 'the number of frames of a clip')
  side = weights.argument('resolution', _is_size, 'the height and width of a clip')
  return frames, side, side, 3


def classes(weights):
  """Returns the number of classes that a prior is conditioned on, 0 for none."""
  name = 'norm.w.weight'
  return weights.shape(name, 2)[1] if name in weights.tensors else 0


def bindings(weights, vqvae=None):
  """Returns a config's bindings for the model of a checkpoint: {'vqvae.VQVAE.hidden': 240, ...}.

  Args:
    weights: Weights of a VQ-VAE, or of a prior.
    vqvae: Weights from the separate file of a prior's VQ-VAE, for its factors. If None, the factors
      follow from the position embeddings.

  Raises:
    ValueError: if the checkpoint contradicts itself, or the two checkpoints contradict each other.
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
                     f'clips of {clip}: give the file of its VQ-VAE with --vqvae')
  return _checked(weights, tuple(size // n for size, n in zip(clip, latents)), 'vqvae.')


def _checked(weights, factors, prefix):
  """Returns the factors if they fit the number of strided convolutions; else a ValueError."""
  convolutions = weights.count(re.escape(prefix) + r'encoder\.convs\.(\d+)\.conv\.weight')
  if any(n & (n - 1) for n in factors) or max(factors) != 2**convolutions:
    raise ValueError(f'{weights.path} divides clips by {factors}, but its VQ-VAE has '
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
  """Assigns the weights of a checkpoint to a model: all of them, or none.

  Args:
    weights: Weights.
    model: a built VQVAE or VideoGPT, configured by the checkpoint's `bindings`.

  Raises:
    ValueError: if a weight is missing or left over, has another shape, or is not finite. The
      message names the weight.
  """
  pairs = list(layout.of_prior(model, weights) if weights.is_prior else layout.of_vqvae(model))
  wanted = [name for names, _, _ in pairs for name in names]
  missing = [name for name in wanted if name not in weights.tensors]
  if missing:
    raise ValueError(f'{weights.path} has no {missing[0]}, which the model has')
  extra = [name for name in weights.tensors if name not in set(wanted)]
  if extra:
    raise ValueError(f'{weights.path} has {extra[0]}, which the model does not have')
  values = [_value(weights, *pair) for pair in pairs]
  for (_, variable, _), value in zip(pairs, values):
    variable.assign(value)
  vqvae = model.vqvae if weights.is_prior else model
  vqvae.quantizer.initialized.assign(1.0)
  vqvae.data_variance.assign(task.AUTHORS_VARIANCE)
  if weights.is_prior and 'attn_stack.right_shift.sos' not in weights.tensors:
    model.prior.start.assign(np.zeros(model.prior.start.shape, np.float32))


def _value(weights, names, variable, laid_out):
  """The value that a variable gets, a NumPy array; see `assign` for errors."""
  arrays = [weights.tensors[name].numpy() for name in names]
  try:
    value = laid_out(*arrays)
  except ValueError:  # if the array has other axes than the layout
    value = arrays[0]
  if value.shape != tuple(variable.shape):
    shape = weights.tensors[names[0]].shape
    raise ValueError(f'{weights.path}: {names[0]} has the shape {shape}, but the model needs '
                     f'{tuple(variable.shape)} (as laid out here)')
  if not np.isfinite(value).all():
    raise ValueError(f'{weights.path}: {names[0]} has values that are not finite')
  return value
