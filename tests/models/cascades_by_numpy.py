"""Generators of cascades by NumPy: their layers, whole videos, numbers of parameters."""

import numpy as np
import tensorflow as tf

from tests.layers import spectral_weights
from tests.models import small_cascades
from tf_videogen.layers import temporal_blocks

B, LATENT = small_cascades.B, small_cascades.LATENT
CLASSES, COLORS = small_cascades.CLASSES, small_cascades.COLORS


def conv_of_frames(layer, x):
  """Of every frame: [B, T, H, W, I] -> [B, T, H, W, O]."""
  y = spectral_weights.conv(layer, x.reshape(-1, *x.shape[2:]))
  return y.reshape(*x.shape[:2], *y.shape[1:])


def separable(layer, x):
  """Over time, then over space."""
  return conv_of_frames(layer.over_space, spectral_weights.conv_over_time(layer.over_time, x))


def norm(layer, x, condition=None):
  """By the standing statistics, or those of the batch where there are none."""
  if layer.standing:
    mean, variance = (v.numpy()[:, None, None] for v in layer.standing.variables[:2])
  else:
    mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
  x = (x - mean) / np.sqrt(variance + 1e-5)
  if condition is None:
    return x * layer.gain.numpy() + layer.offset.numpy()
  gain, offset = (spectral_weights.dense(affine, condition)[:, None, None, None]
                  for affine in (layer.gain, layer.offset))
  return x * (1 + gain) + offset


def relu(x):
  """What is above 0."""
  return np.maximum(x, 0)


def residual_block(block, x, condition, upsample=False, conv=conv_of_frames):
  """Two convolutions, each after a norm and a ReLU, and the shortcut."""
  larger = (lambda x: x.repeat(2, 2).repeat(2, 3)) if upsample else (lambda x: x)
  h = conv(block.conv_1, larger(relu(norm(block.norm_1, x, condition))))
  h = conv(block.conv_2, relu(norm(block.norm_2, h, condition)))
  return h + (conv_of_frames(block.shortcut, larger(x)) if block.shortcut else x)


def _temporal(block, x, condition):
  if isinstance(block, temporal_blocks.ConvGRULayer):
    return block.unit(tf.constant(x, tf.float32))[0].numpy()
  if isinstance(block, temporal_blocks.SeparableLayer):
    return separable(block.conv, x)
  return residual_block(block, x, condition, conv=separable)


def _unit(unit, x, video, condition, upsample, each_block):
  """Every block, and what is added at its end: pixels of the input by nearest neighbours."""
  repeats, low = x.shape[1] // video.shape[1], video.shape[2]
  for i, block in enumerate(unit.blocks):
    if i == 0:
      x = _temporal(block, x, condition)
    else:
      x = residual_block(block, x, condition, upsample and i == 2)
    side = x.shape[2]
    if low >= side and (each_block or i == 2):
      smaller = video[:, :, ::low // side, ::low // side]
      x = x + conv_of_frames(unit.residuals[i].map, smaller).repeat(repeats, 1)
    else:
      assert unit.residuals[i] is None
  return x


def whole(generator, z, labels, video, stages, each_block):
  """The generator's video; `stages` units double the resolution."""
  kernel = generator.embed.kernel
  w = kernel.w.numpy().astype(np.float64)
  condition = np.concatenate([z, w[labels] / np.linalg.svd(w, compute_uv=False)[0]], 1)
  x = condition @ generator.first.kernel.w.numpy() + generator.first.bias.numpy()
  x = x.reshape(B, 1, 4, 4, -1).repeat(generator.repeats * video.shape[1], 1)
  for i, unit in enumerate(generator.units):
    x = _unit(unit, x, video, condition, i < stages, each_block)
  return np.tanh(conv_of_frames(generator.to_image, relu(norm(generator.norm, x))))


def conv_parameters(inputs, outputs, taps=9):
  """Of a convolution and its bias."""
  return taps * inputs * outputs + outputs


def parameters(widths, low, stages, temporal, each_block):
  """Of a whole generator."""
  affine = lambda outputs: 2 * LATENT * outputs + outputs
  total = CLASSES * LATENT + affine(16 * widths[0])
  inputs, side = widths[0], 4
  for i, width in enumerate(widths):
    if temporal is temporal_blocks.ConvGRULayer:
      total += 3 * conv_parameters(inputs + width, width)
    elif temporal is temporal_blocks.SeparableLayer:
      total += conv_parameters(inputs, width, taps=3) + conv_parameters(width, width)
    else:
      total += 2 * affine(inputs) + 2 * affine(width)
      total += conv_parameters(inputs, width, taps=3) + conv_parameters(width, width, taps=3)
      total += 2 * conv_parameters(width, width)
      total += conv_parameters(inputs, width, taps=1) if inputs != width else 0
    total += 4 * 2 * affine(width) + 4 * conv_parameters(width, width)
    total += conv_parameters(width, width, taps=1) if i < stages else 0
    ends = [side, side, 2 * side if i < stages else side]
    residuals = sum(end <= low for end in (ends if each_block else ends[2:]))
    total += residuals * conv_parameters(COLORS, width, taps=1)
    inputs, side = width, ends[2]
  return total + 2 * inputs + conv_parameters(inputs, COLORS)
