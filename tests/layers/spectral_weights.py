"""Random weights whose largest singular values are known, and NumPy's use of them."""

import contextlib
import itertools
from unittest import mock

import numpy as np
import tensorflow as tf

from tf_videogen.layers import spectral_norm


def randomize(layer, seed=0):
  """Random numbers for all trainable variables; power iterations begin where they end."""
  rng = np.random.default_rng(seed)
  for variable in layer.trainable_variables:
    variable.assign(rng.normal(size=variable.shape))
  for kernel in spectral_norm.kernels(layer):
    kernel.u.assign(np.linalg.svd(_matrix(kernel.w.numpy()))[2][0])


_values = {}  # of kernels, by the numbers that they are made of


@contextlib.contextmanager
def computed_once():
  """In this context a kernel's value is computed once for the same numbers, where it is eager.

  That is, outside of training: there a kernel is a function of its variables, which are compared.
  Nothing has a gradient with respect to variables through a value that was computed before.
  """
  compute = spectral_norm.SpectralKernel.value

  def value(kernel, training=False):
    if training or not kernel.normalized or not tf.executing_eagerly():
      return compute(kernel, training)
    numbers = (kernel.epsilon, *kernel.w.shape, kernel.w.numpy().tobytes(),
               kernel.u.numpy().tobytes())
    if numbers not in _values:
      _values[numbers] = compute(kernel)
    return _values[numbers]

  with mock.patch.object(spectral_norm.SpectralKernel, 'value', value):
    yield


def dense(layer, x):
  """[..., I] -> [..., O] by the normalized kernel, and the bias."""
  return x @ _normalized(layer.kernel) + layer.bias.numpy()


def conv(layer, x):
  """[N, H, W, I] or [B, T, H, W, I] by the normalized kernel, tap by tap, and the bias."""
  kernel = _normalized(layer.kernel)
  sides, sizes = kernel.shape[:-2], x.shape[1:-1]
  padded = np.pad(x, [(0, 0)] + [(side // 2, side // 2) for side in sides] + [(0, 0)])
  y = 0.0
  for tap in itertools.product(*map(range, sides)):
    window = tuple(slice(start, start + size) for start, size in zip(tap, sizes))
    y = y + padded[(slice(None), *window)] @ kernel[tap]
  return y + (layer.bias.numpy() if layer.use_bias else 0.0)


def conv_over_time(layer, x):
  """[B, T, H, W, I] by a kernel [3, 1, I, O] over frames, tap by tap, and the bias."""
  kernel, frames = _normalized(layer.kernel), x.shape[1]
  assert kernel.shape[:2] == (3, 1)
  padded = np.pad(x, [(0, 0), (1, 1), (0, 0), (0, 0), (0, 0)])
  return sum(padded[:, t:t + frames] @ kernel[t, 0] for t in range(3)) + layer.bias.numpy()


def _matrix(w):
  return w.reshape(-1, w.shape[-1]).astype(np.float64)


def _normalized(kernel):
  w = kernel.w.numpy()
  return w.astype(np.float64) / np.linalg.svd(_matrix(w), compute_uv=False)[0]
