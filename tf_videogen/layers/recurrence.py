"""What recurs is made of parts, which leave to the loop over time what needs the state.

A part's `prepare(x, training)` is called once for all time steps, with x [T, B, H, W, X], T first:
there kernels are normalized and x is convolved. It returns a function of a state h and of what it
is given at a time step, and that for all time steps, tensors (or a structure of them) [T, ...].
"""

import tensorflow as tf

from tf_videogen.layers import spectral_norm


def joined(parts, function, x, training):
  """A part made of others: `function(h, f_1, f_2, ...)`, the f_i being functions of h.

  Args:
    parts: a list.
    function: of a state and of a function for every part.
    x: [T, B, H, W, X].
    training: whether the power iterations move on.

  Returns:
    What `prepare` returns.
  """
  functions, given = zip(*[part.prepare(x, training) for part in parts])

  def of_step(h, given):
    bound = [lambda h, f=f, values=values: f(h, values) for f, values in zip(functions, given)]
    return function(h, *bound)

  return of_step, given


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
    """A function: h [B, ..., I] -> [B, ..., O]; it is given nothing."""
    kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel.value(training), self.bias))
    product = tf.matmul if len(kernel.shape) == 2 else _convolution
    return lambda h, _: product(h, kernel) + bias, ()


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
    """A function: h [B, H, W, h_channels] -> [B, H, W, filters], or a list of them if gates > 1."""
    kernel = tf.concat([k.value(training) for k in self.kernels], axis=-1)
    of_h, of_x = tf.split(tf.cast(kernel, x.dtype), [self.h_channels, x.shape[-1]], axis=2)
    convolved = _convolution(x, of_x) + tf.cast(self.bias, x.dtype)
    return lambda h, of_step: self._split(_convolution(h, of_h) + of_step), convolved

  def _split(self, y):
    return tf.split(y, self.gates, axis=-1) if self.gates > 1 else y


def _convolution(x, kernel):
  return tf.nn.convolution(x, kernel, padding='SAME')
