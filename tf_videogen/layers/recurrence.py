"""Parts of recurrent units: each computes at once, for all time steps, all that needs no state.

The equations of a recurrent unit have a state h and an input x_t, and W * [h; x] is
W_h * h + W_x * x. A part's `prepare(x, training)` is called before the loop over time. It
normalizes kernels, convolves x, and returns a `Prepared`, the work that is left to the loop.

An example is Eq. 6 of TrIVD-GAN, theta = f(h, x). The unit has the part f among its `parts`, and
`joined` prepares them. At a time step, it binds to each part the results that the part has for x_t.
So the unit's `step` calls f(h) and reads like the paper. f itself is joined from its layers in the
same way.
"""

import functools
import typing

import tensorflow as tf

from tf_videogen.layers import spectral_norm


class Prepared(typing.NamedTuple):
  """The work of a part that is left to the loop over time.

  Attributes:
    step: a function of two arguments, the part's results for x_t and the state h.
    given: the part's results for all time steps: a tensor [T, ...], or a structure of such tensors.
  """
  step: typing.Callable
  given: typing.Any


def joined(parts, function, x, training):
  """Prepares a part that is made of others.

  Args:
    parts: list of the other parts.
    function: the step of the new part. Its arguments are the state h and one function per part,
      which takes h alone.
    x: inputs of all time steps, [T, B, H, W, X], T first.
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
    shape: shape of W.
  """

  def __init__(self, shape):
    super().__init__()
    self.kernel = spectral_norm.SpectralKernel(shape)
    self.bias = self.add_weight('bias', [shape[-1]], initializer='zeros')

  def prepare(self, x, training=False):
    """Prepares the step from h [B, ..., I] to [B, ..., O]; x gives only the compute type."""
    kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel.value(training), self.bias))
    product = tf.matmul if len(kernel.shape) == 2 else _convolution
    return Prepared(lambda _, h: product(h, kernel) + bias, ())


class GateConvolution(tf.keras.layers.Layer):
  """A part: W * [h; x] + b, for one gate or for several that have the same inputs.

  Args:
    h_channels, x_channels: channels of the state h and of the input x.
    filters: output channels of a gate.
    side: k; kernels are [k, k, h_channels + x_channels, filters].
    gates: number of gates. Each has its own kernel, which is normalized separately.
  """

  def __init__(self, h_channels, x_channels, filters, side=3, gates=1):
    super().__init__()
    self.h_channels = h_channels
    self.gates = gates
    self.kernels = [spectral_norm.SpectralKernel([side, side, h_channels + x_channels, filters])
                    for _ in range(gates)]
    self.bias = self.add_weight('bias', [gates * filters], initializer='zeros')

  def prepare(self, x, training=False):
    """Prepares the step from h [B, H, W, h_channels] to the gates, [B, H, W, filters] each.

    Args:
      x: inputs of all time steps, [T, B, H, W, x_channels].
      training: whether the power iterations move on.

    Returns:
      Prepared. Its step returns a list of gates, or a single gate itself.
    """
    kernel = tf.concat([k.value(training) for k in self.kernels], axis=-1)
    of_h, of_x = tf.split(tf.cast(kernel, x.dtype), [self.h_channels, x.shape[-1]], axis=2)
    convolved = _convolution(x, of_x) + tf.cast(self.bias, x.dtype)
    return Prepared(lambda of_x, h: self._split(_convolution(h, of_h) + of_x), convolved)

  def _split(self, y):
    return tf.split(y, self.gates, axis=-1) if self.gates > 1 else y


def _convolution(x, kernel):
  return tf.nn.convolution(x, kernel, padding='SAME')
