"""Small generators of cascades, what they make videos of, and what holds for all of them."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.models import cascade

B, LATENT, CLASSES, COLORS = 2, 3, 3, 2
SMALL = {'channels': 2, 'image_channels': COLORS, 'latent': LATENT, 'classes': CLASSES}


def maker(level=cascade.UpscalingGenerator, **kwargs):
  """A callable that makes a small generator of a level."""
  return functools.partial(level, **{**SMALL, **kwargs})


def draw(*shape, seed=0):
  """Numbers between -1 and 1."""
  return np.random.default_rng(seed).uniform(-1, 1, size=shape).astype(np.float32)


def inputs(generator, frames, seed=0):
  """z, labels, and a video to be upscaled."""
  side = generator.resolution // generator.factor
  return (2 * draw(B, LATENT, seed=seed + 1), np.array([2, 1], np.int32),
          draw(B, frames, side, side, COLORS, seed=seed + 2))


def made(generator, z, labels, given, **kwargs):
  """What an upscaling generator makes of a video."""
  video, warps = generator(z, labels, given, generator.repeats * given.shape[1], **kwargs)
  assert warps == []
  return video


@pytest.fixture(autouse=True)
def kernels_are_computed_once():
  """A kernel's value is computed once for the same numbers."""
  with spectral_weights.computed_once():
    yield


@functools.cache
def _built(policy, **kwargs):
  """Made once; whoever takes it sets all of its variables, and has no standing statistics yet."""
  assert policy == tf.keras.mixed_precision.global_policy().name
  generator = cascade.UpscalingGenerator(**kwargs)
  made(generator, *inputs(generator, 1))
  return generator


def upscaling(frames, multipliers=(2, 1), standing=True, **kwargs):
  """Random weights; standing statistics that differ from time step to time step."""
  kwargs = {'channels': 2, 'factor': 2, 'image_channels': COLORS, 'latent': LATENT,
            'classes': CLASSES, **kwargs}
  generator = _built(tf.keras.mixed_precision.global_policy().name, multipliers=multipliers,
                     **kwargs)
  rng = np.random.default_rng(0)
  spectral_weights.randomize(generator, rng)
  for norm in conditional_batch_norm.norms(generator):
    norm.standing = None
  if standing:
    generator.keep_statistics(generator.repeats * frames, 4)
    for norm in conditional_batch_norm.norms(generator):
      norm.standing.mean.assign(rng.normal(size=norm.standing.mean.shape))
      norm.standing.variance.assign(rng.uniform(0.5, 4, size=norm.standing.variance.shape))
  return generator


def count(layer):
  """Parameters of a layer."""
  return sum(variable.shape.num_elements() for variable in layer.trainable_variables)


def assert_pieces_are_the_whole(generator, inputs, sizes, expected, frames):
  """Checks that pieces of each of these sizes make the expected video."""
  for most in sizes:
    found = pieces.unroll(generator, *inputs, frames, most)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=f'{most} frames a piece')


def wrong(message, call):
  """Checks that a call fails with one line that has this in it."""
  with pytest.raises(ValueError, match=message) as error:
    call()
  assert '\n' not in str(error.value)
