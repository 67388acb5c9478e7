"""Networks that predict the kernels of a recurrent unit's warps: TrIVD-GAN, appendices B and F.1.

theta = f(h, x): from a state h and an input x, weights of every position's k x k neighbours. Both
networks end in softmaxes, so that weights are probabilities. All kernels are spectrally normalized.

What recurs is made of parts. A part's `prepare(x, training)` is called once, for all time steps: it
normalizes kernels, convolves x, and returns for every time step a function of h. So the loop over
time has no work but that on h.
"""

import tensorflow as tf
import tensorflow_addons as tfa

from tf_videogen.layers import kernel_warping
from tf_videogen.layers import spectral_norm

POOLED = 4  # rows and columns that the factorized network's pooling leaves


def prepare(parts, x, training):
  """For every time step, the functions of all parts."""
  return zip(*[part.prepare(x, training) for part in parts])


def adaptive_max_pool(x):
  """Maxima of 4 x 4 rectangles of equal size: [B, H, W, C] -> [B, 4, 4, C].

  Raises:
    ValueError: if H or W is no multiple of 4.
  """
  if x.shape[1] % POOLED or x.shape[2] % POOLED:
    raise ValueError(f'x has {x.shape[1]}x{x.shape[2]} positions, but adaptive max-pooling to 4x4 '
                     'needs multiples of 4: choose another resolution')
  return tfa.layers.AdaptiveMaxPooling2D((POOLED, POOLED), dtype=x.dtype)(x)


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
    """T functions: [B, ..., I] -> [B, ..., O], all the same."""
    kernel, bias = (tf.cast(v, x.dtype) for v in (self.kernel.value(training), self.bias))
    product = tf.matmul if len(kernel.shape) == 2 else _convolution
    return [lambda h: product(h, kernel) + bias] * x.shape[1]


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
    """T functions: h [B, H, W, h_channels] -> [B, H, W, filters], or a list of them for gates > 1.

    Args:
      x: [B, T, H, W, x_channels].
      training: whether the power iterations move on.
    """
    kernel = tf.concat([k.value(training) for k in self.kernels], axis=-1)
    of_h, of_x = tf.split(tf.cast(kernel, x.dtype), [self.h_channels, x.shape[-1]], axis=2)
    convolved = _convolution(x, of_x) + tf.cast(self.bias, x.dtype)
    return [lambda h, x=x: self._split(_convolution(h, of_h) + x)
            for x in tf.unstack(convolved, axis=1)]

  def _split(self, y):
    return tf.split(y, self.gates, axis=-1) if self.gates > 1 else y


class FactorizedKernels(tf.keras.layers.Layer):
  """A part: weights from k^2 kernels a sample, and from how much of each a position takes (Eq. 12).

  With C = h_channels + x_channels and c = C // 2, over [h; x]: the kernels by a 3x3 convolution to
  c channels, adaptive max-pooling to 4x4, and an MLP 16 c -> 8 c -> k^4; the map by one 3x3
  convolution to k^2. ReLU between.
  Parameters: 9 C c + c + 128 c^2 + 8 c + 8 c k^4 + k^4 + 9 C k^2 + k^2.

  Args:
    h_channels, x_channels: of the inputs.
    side: k.
  """

  def __init__(self, h_channels, x_channels, side=3):
    super().__init__()
    self.taps = side**2
    width = (h_channels + x_channels) // 2
    pooled = POOLED**2 * width
    self.parts = [GateConvolution(h_channels, x_channels, width),
                  Affine([pooled, pooled // 2]),
                  Affine([pooled // 2, self.taps**2]),
                  GateConvolution(h_channels, x_channels, self.taps)]

  def prepare(self, x, training=False):
    """T functions: h [B, H, W, h_channels] -> probabilities [B, H, W, k * k], float32.

    Raises:
      ValueError: if H or W is no multiple of 4.
    """
    return [lambda h, layers=layers: self._weights(h, *layers)
            for layers in prepare(self.parts, x, training)]

  def _weights(self, h, convolution, hidden, kernels, selection):
    pooled = adaptive_max_pool(tf.nn.relu(convolution(h)))
    pooled = tf.reshape(pooled, [-1, POOLED**2 * pooled.shape[-1]])  # [B, 4, 4, c] -> [B, 16 c]
    logits = tf.cast(kernels(tf.nn.relu(hidden(pooled))), tf.float32)
    logits = tf.reshape(logits, [-1, self.taps, self.taps])  # [B, k^2 N] -> [B, k^2, N]
    return kernel_warping.factorized_weights(
        tf.nn.softmax(logits, axis=1), tf.nn.softmax(tf.cast(selection(h), tf.float32)))


class PixelwiseKernels(tf.keras.layers.Layer):
  """A part: weights for every position, by three 3x3 convolutions over [h; x].

  C -> c -> c -> k^2 channels, C = h_channels + x_channels, c = C // 2. ReLU between.
  Parameters: 9 C c + c + 9 c^2 + c + 9 c k^2 + k^2.

  Args:
    h_channels, x_channels: of the inputs.
    side: k.
  """

  def __init__(self, h_channels, x_channels, side=3):
    super().__init__()
    width = (h_channels + x_channels) // 2
    self.parts = [GateConvolution(h_channels, x_channels, width),
                  Affine([3, 3, width, width]),
                  Affine([3, 3, width, side**2])]

  def prepare(self, x, training=False):
    """T functions: h [B, H, W, h_channels] -> probabilities [B, H, W, k * k], float32."""
    return [lambda h, layers=layers: self._weights(h, *layers)
            for layers in prepare(self.parts, x, training)]

  def _weights(self, h, first, second, last):
    return tf.nn.softmax(tf.cast(last(tf.nn.relu(second(tf.nn.relu(first(h))))), tf.float32))


def _convolution(x, kernel):
  return tf.nn.convolution(x, kernel, padding='SAME')
