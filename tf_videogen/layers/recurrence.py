"""Parts of what recurs: each does at once, for all time steps, what does not need the state.

A recurrent unit's equations are of a state h and an input x_t; W * [h; x] is W_h * h + W_x * x. A
part's `prepare(x, training)` is called before the loop over time: there kernels are normalized and
x is convolved, and what is left to the loop is a `Prepared`.

The way of an equation such as Eq. 6 of TrIVD-GAN, theta = f(h, x): the unit has the part f among
its `parts`; `joined` prepares them; at a time step it binds to each what x_t gives it, so that the
unit's `step` calls f(h), and reads as the paper does. f itself is joined of its layers likewise.
"""

import functools
import typing

import tensorflow as tf

from tf_videogen.layers import spectral_norm


class Prepared(typing.NamedTuple):
  """What is left of a part to the loop over time.

  Attributes:
    step: a function of what a time step gives, and of the state h.
    given: that for all time steps: a tensor [T, ...], or a structure of them.
  """
  step: typing.Callable
  given: typing.Any


def joined(parts, function, x, training):
  """A part made of others.

  Args:
    parts: a list.
    function: of a state h and, for every part, of a function of h alone.
    x: [T, B, H, W, X], T first.
    training: whether the power iterations move on.

  Returns:
    Prepared.
  """
  prepared = [part.prepare(x, training) for part in parts]

  def step(given, h):
    return function(h, *[functools.partial(part.step, of_part)
                         for part, of_part in zip(prepared, given)])

  return Prepared(step, tuple(part.given for part in prepared))


class Affine(tf.keras.layers.Layer):
  """A part: W h + b. W is a matrix [I, O], or a convolution's kernel [k, k, I, O].

  Args:
    shape: of W.
  """

  def __init__(self, shape):
    super().__init__()
    self.kernel = spectral_norm.SpectralKernel(shape)
    self.bias = self.add_weight('bias', [shape[-1]], initializer='zeros')

  def prepare(self, x, training=False):
    """Prepared: h [B, ..., I] -> [B, ..., O]; a time step gives nothing."""
    kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel.value(training), self.bias))
    product = tf.matmul if len(kernel.shape) == 2 else _convolution
    return Prepared(lambda _, h: product(h, kernel) + bias, ())


class GateConvolution(tf.keras.layers.Layer):
  """A part: W * [h; x] + b, for one gate or for several that have the same inputs.

  Args:
    h_channels, x_channels: of the inputs.
    filters: outputs of a gate.
    side: k, of the k x k kernels [k, k, h_channels + x_channels, filters].
    gates: how many; each has a kernel of its own, and is normalized for itself.
  """

  def __init__(self, h_channels, x_channels, filters, side=3, gates=1):
    super().__init__()
    self.h_channels = h_channels
    self.gates = gates
    self.kernels = [spectral_norm.SpectralKernel([side, side, h_channels + x_channels, filters])
                    for _ in range(gates)]
    self.bias = self.add_weight('bias', [gates * filters], initializer='zeros')

  def prepare(self, x, training=False):
    """Prepared: h [B, H, W, h_channels] -> [B, H, W, filters], or a list of them if gates > 1."""
    kernel = tf.concat([k.value(training) for k in self.kernels], axis=-1)
    of_h, of_x = tf.split(tf.cast(kernel, x.dtype), [self.h_channels, x.shape[-1]], axis=2)
    convolved = _convolution(x, of_x) + tf.cast(self.bias, x.dtype)
    return Prepared(lambda of_x, h: self._split(_convolution(h, of_h) + of_x), convolved)

  def _split(self, y):
    return tf.split(y, self.gates, axis=-1) if self.gates > 1 else y


def _convolution(x, kernel):
  return tf.nn.convolution(x, kernel, padding='SAME')
