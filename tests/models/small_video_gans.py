"""Small generators of TrIVD-GAN and DVD-GAN, what they make videos of, numbers of parameters."""

import functools

import numpy as np
import pytest

from tests.layers import spectral_weights
from tf_videogen.layers import recurrent_units
from tf_videogen.models import dvd_gan
from tf_videogen.models import trivd_gan

B, GIVEN, FRAMES, LATENT = 2, 2, 3, 4
ENCODER = functools.partial(trivd_gan.Encoder, multipliers=(1, 2, 3))


@pytest.fixture(autouse=True)
def kernels_are_computed_once():
  """A kernel's value is computed once for the same numbers."""
  with spectral_weights.computed_once():
    yield


def generator(unit=recurrent_units.ConvGRU, channels=2, multipliers=(2,), encoder=ENCODER, start=4,
              **kwargs):
  """TrIVD-GAN's; without an encoder, DVD-GAN's."""
  make = functools.partial(trivd_gan.Generator, encoder=encoder) if encoder else dvd_gan.Generator
  return make(unit, channels, multipliers, start=start, image_channels=1, latent=LATENT, **kwargs)


def draw(*shape, seed=0):
  """Numbers between -1 and 1."""
  return np.random.default_rng(seed).uniform(-1, 1, size=shape).astype(np.float32)


def inputs(generator, seed=0):
  """z, labels, given frames."""
  side = generator.resolution
  given = draw(B, GIVEN, side, side, 1, seed=seed) if generator.continues else None
  labels = np.arange(B, dtype=np.int32) % generator.classes
  return 2 * draw(B, LATENT, seed=seed + 1), labels, given


def count(variables):
  """Numbers in variables."""
  return sum(variable.shape.num_elements() for variable in variables)


def conv_parameters(inputs, outputs, side=3):
  """Of a convolution and its bias."""
  return side**2 * inputs * outputs + outputs


def _unit_parameters(unit, channels, inputs):
  """Section 2.3 and appendix B: gates over [h; x], and the network that predicts warps."""
  gate = conv_parameters(channels + inputs, channels)
  if unit is recurrent_units.ConvGRU:
    return 3 * gate
  width = (channels + inputs) // 2
  hyper = (conv_parameters(channels + inputs, width) + 16 * width * width + width
           + width * 81 + 81 + conv_parameters(channels + inputs, 9))
  return 2 * gate + hyper


def generator_parameters(unit, widths, doubled, start, classes):
  """Of a generator without its encoder; stages that double the resolution are the first ones."""
  condition = 2 * LATENT
  affine = lambda outputs: condition * outputs + outputs
  total = classes * LATENT + affine(start**2 * widths[0])
  inputs = widths[0]
  for stage, width in enumerate(widths):
    norms = 4 * 2 * affine(width)  # two a block, gain and offset
    shortcut = conv_parameters(width, width, side=1) if stage < doubled else 0
    total += _unit_parameters(unit, width, inputs) + 5 * conv_parameters(width, width)
    total += norms + shortcut
    inputs = width
  return total + 2 * inputs + conv_parameters(inputs, 1)


def encoder_parameters(widths, blocks):
  """Of an encoder, by the widths of the generator's stages and those of its own blocks."""
  total, inputs = 0, 1
  for outputs, state in zip(blocks, reversed(widths)):
    total += conv_parameters(inputs, outputs) + conv_parameters(outputs, outputs)
    total += conv_parameters(inputs, outputs, side=1)
    total += conv_parameters(GIVEN * outputs, state)
    inputs = outputs
  return total
