"""Small priors of VideoGPT, with random weights, codes and conditions."""

import functools

import numpy as np
import tensorflow as tf

from tf_videogen.layers import attention
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP, SMALL = (4, 4, 8, 1), (4, 4, 4, 1)  # latents 2 x 2 x 4, 2 x 2 x 2
PATTERNS = {
    'full': attention.CausalAttention,
    'sparse': functools.partial(attention.SparseCausalAttention, block=4, local_blocks=1),
}
CONDITIONS = {'frames': {'conditioning_frames': 2}, 'vector': {'classes': 3, 'actions': 8}}
ALL_CONDITIONS = {'conditioning_frames': 2, 'classes': 3, 'actions': 8}


def new(pattern='full', codebooks=1, layers=2, dropout=0.0, resnet=False, **conditions):
  """Not built yet; frames are encoded by one convolution, or by a ResNet."""
  quantizer = vector_quantizer.VectorQuantizer(codes=6, dim=4, codebooks=codebooks)
  stack = functools.partial(vqvae.ResidualStack, layers=1, units=4, attention=False)
  first_stage = vqvae.VQVAE(quantizer, (2, 2, 2), hidden=4, residual_stack=stack)
  prior = videogpt.LatentTransformer(layers, width=12, heads=2, feedforward=20, dropout=dropout,
                                     attention=PATTERNS[pattern])
  encoder = None
  if 'conditioning_frames' in conditions:
    encoder = (resnet3d.ResNet3D(18, units=16, width=8) if resnet else
               tf.keras.Sequential([tf.keras.layers.Conv2D(16, 4, 4)]))
  return videogpt.VideoGPT(first_stage, prior, encoder, **conditions)


def built(pattern='full', codebooks=1, layers=2, dropout=0.0, resnet=False, clip=CLIP,
          **conditions):
  """A prior of random weights, of which none is zero, and of random codes; tests change nothing."""
  return _built(clip, pattern, codebooks, layers, dropout, resnet, **conditions)


@functools.cache
def _built(clip, *how, **conditions):
  tf.keras.utils.set_random_seed(0)
  model = new(*how, **conditions)
  model.build((None,) + clip)
  prior, rng = model.prior, np.random.default_rng(1)
  for v in prior.trainable_variables:
    v.assign(v + 0.3 * rng.normal(size=v.shape))
  for table in prior.position.tables:
    table.assign(rng.normal(size=table.shape))  # so that the most likely codes differ
  return model


def codes_of(model, clips=2, seed=0):
  """Random codes."""
  shape = (clips,) + model.latent_shape + (model.prior.codebooks,)
  return np.random.default_rng(seed).integers(model.prior.codes, size=shape).astype(np.int32)


def conditions_of(model, clips=2, seed=0):
  """Random conditions of all kinds, of which a model takes its own."""
  rng = np.random.default_rng(seed)
  return model.conditions(
      video=tf.constant(rng.uniform(-0.5, 0.5, size=(clips,) + CLIP), tf.float32),
      label=rng.integers(3, size=clips),
      actions=rng.normal(size=(clips, 4, 2)).astype(np.float32))
