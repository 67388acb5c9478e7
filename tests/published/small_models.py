"""Small models of VideoGPT's released kind, with random weights, and their files."""

import functools

import numpy as np
import tensorflow as tf

from tests.published import torch_writer
from tf_videogen.layers import attention
from tf_videogen.layers import batch_norm
from tf_videogen.layers import conditional_norm
from tf_videogen.layers import layer_norm
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP = (8, 16, 16, 3)


def vqvae_of(downsampling=(4, 2, 2), codes=32, dim=16, hidden=24, layers=2):
  """A VQ-VAE as in the authors' code; not built."""
  stack = functools.partial(vqvae.ResidualStack, layers, hidden // 2, position_embedding=False,
                            norm=batch_norm.SyncBatchNorm)
  return vqvae.VQVAE(vector_quantizer.VectorQuantizer(codes, dim), downsampling, hidden, stack,
                     mirrored=False)


def prior_of(first_stage, layers=2, width=48, classes=0, blocks=None, norm=layer_norm.LayerNorm,
             pattern=attention.CausalAttention, units=24, resnet_width=4):
  """A prior on it, with frames where there are `blocks` of a ResNet; not built."""
  prior = videogpt.LatentTransformer(
      layers, width, heads=4, feedforward=4 * width, attention=pattern,
      norm=functools.partial(conditional_norm.ConditionalLayerNorm, epsilon_outside=True),
      codebook_axis=False, cross_values=blocks and units)
  encoder = blocks and resnet3d.ResNet3D(blocks, units, resnet_width, norm)
  return videogpt.VideoGPT(first_stage, prior, encoder, conditioning_frames=1 if blocks else 0,
                           classes=classes)


def built(model, clip=CLIP):
  """The model, built for clips."""
  model.build((None,) + clip)
  return model


@functools.cache
def files(kind):
  """A state_dict of a small model of random weights, the arguments of its program, the model."""
  tf.keras.utils.set_random_seed(1)
  arguments = {'sequence_length': 8, 'resolution': 16}
  if kind == 'vqvae':
    model = built(vqvae_of())
    arguments['downsample'] = (4, 2, 2)
  else:
    conditions = {'prior': {}, 'classes': {'classes': 5}, 'frames': {'blocks': (2, 1, 1, 1)},
                  'batch_norm': {'blocks': (1, 1, 1, 2), 'norm': batch_norm.SyncBatchNorm}}
    model = built(prior_of(vqvae_of(), **conditions[kind]))
    arguments |= {'heads': 4, 'attn_type': 'full', 'attn_dropout': 0.3, 'dropout': 0.2}
  rng = np.random.default_rng(sum(map(ord, kind)))
  for variable in model.variables:
    if variable.dtype.is_floating:
      variable.assign(rng.uniform(0.5, 1.5, variable.shape))
  return torch_writer.state_of(model, kind != 'vqvae'), arguments, model


def write(path, kind, changed=None, without=(), **arguments):
  """Writes the file of a model, with other weights or arguments (None: without); returns path."""
  state, given, _ = files(kind)
  state = {name: value for name, value in {**state, **(changed or {})}.items()
           if name not in without}
  given = {name: value for name, value in {**given, **arguments}.items() if value is not None}
  torch_writer.save(path, torch_writer.checkpoint(state, **given))
  return str(path)
