"""Networks that predict the kernels of a recurrent unit's warps: TrIVD-GAN, appendices B and F.1.

theta = f(h, x): a state h and an input x give the weights of every position's k x k neighbours.
Both networks end in softmaxes, so the weights are probabilities. All kernels of the networks are
spectrally normalized.

The networks are parts of recurrent units, see `recurrence`.
"""

import tensorflow as tf

from tf_videogen.layers import kernel_warping
from tf_videogen.layers import recurrence

POOLED = 4  # rows and columns after the pooling of the factorized network


def adaptive_max_pool(x):
  """Maxima of 4 x 4 rectangles of equal size: [B, H, W, C] -> [B, 4, 4, C].

  Raises:
    ValueError: if H or W is not a multiple of 4.
  """
  height, width, channels = x.shape[1:]
  if height % POOLED or width % POOLED:
    raise ValueError(f'x has {height}x{width} positions, but adaptive max-pooling to 4x4 '
                     'needs multiples of 4: choose another resolution')
  # [B, H, W, C] -> [B, 4, H/4, 4, W/4, C]
  rectangles = [-1, POOLED, height // POOLED, POOLED, width // POOLED, channels]
  return tf.reduce_max(tf.reshape(x, rectangles), [2, 4])


class FactorizedKernels(tf.keras.layers.Layer):
  """A part: k^2 kernels per sample, of which every position takes a weighted average (Eq. 12).

  With C = h_channels + x_channels and c = C // 2, the kernels come from [h; x] by a 3x3 convolution
  to c channels, adaptive max-pooling to 4x4, and an MLP 16 c -> c -> k^4. The map of averaging
  weights comes from [h; x] by one 3x3 convolution to k^2 channels. ReLUs are in between. Appendix
  F.1 sets hidden units "to half the number of input channels", which is read as the channels of
  [h; x]. The number of parameters is

      9 C c + c + 16 c^2 + c + c k^4 + k^4 + 9 C k^2 + k^2

  Args:
    h_channels, x_channels: channels of the state h and of the input x.
    side: k, side of the predicted kernels.
  """

  def __init__(self, h_channels, x_channels, side=3):
    super().__init__()
    self.taps = side**2
    width = (h_channels + x_channels) // 2
    pooled = POOLED**2 * width
    self.parts = [recurrence.GateConvolution(h_channels, x_channels, width),
                  recurrence.Affine([pooled, width]),
                  recurrence.Affine([width, self.taps**2]),
                  recurrence.GateConvolution(h_channels, x_channels, self.taps)]

  def prepare(self, x, training=False):
    """Prepares the step from h [B, H, W, h_channels] to probabilities, float32 [B, H, W, k * k].

    Args:
      x: inputs of all time steps, [T, B, H, W, x_channels].
      training: whether the power iterations move on.

    Returns:
      Prepared. Its step raises a ValueError if H or W is not a multiple of 4.
    """
    return recurrence.joined(self.parts, self._weights, x, training)

  def _weights(self, h, convolution, hidden, kernels, selection):
    pooled = adaptive_max_pool(tf.nn.relu(convolution(h)))
    pooled = tf.reshape(pooled, [-1, POOLED**2 * pooled.shape[-1]])  # [B, 4, 4, c] -> [B, 16 c]
    logits = tf.cast(kernels(tf.nn.relu(hidden(pooled))), tf.float32)
    # In a loop of XLA, only a softmax over the last axis has a gradient.
    taps = tf.nn.softmax(
        tf.reshape(logits, [-1, self.taps, self.taps]))  # [B, N k^2] -> [B, N, k^2]
    return kernel_warping.factorized_weights(
        tf.transpose(taps, [0, 2, 1]), tf.nn.softmax(tf.cast(selection(h), tf.float32)))


class PixelwiseKernels(tf.keras.layers.Layer):
  """A part: weights for every position, by three 3x3 convolutions over [h; x].

  C -> c -> c -> k^2 channels with ReLUs in between, C = h_channels + x_channels, c = C // 2. The
  number of parameters is

      9 C c + c + 9 c^2 + c + 9 c k^2 + k^2

  Args:
    h_channels, x_channels: channels of the state h and of the input x.
    side: k, side of the predicted kernels.
  """

  def __init__(self, h_channels, x_channels, side=3):
    super().__init__()
    width = (h_channels + x_channels) // 2
    self.parts = [recurrence.GateConvolution(h_channels, x_channels, width),
                  recurrence.Affine([3, 3, width, width]),
                  recurrence.Affine([3, 3, width, side**2])]

  def prepare(self, x, training=False):
    """Prepares the step from h [B, H, W, h_channels] to probabilities, float32 [B, H, W, k * k].

    Args:
      x: inputs of all time steps, [T, B, H, W, x_channels].
      training: whether the power iterations move on.

    Returns:
      Prepared.
    """
    return recurrence.joined(self.parts, self._weights, x, training)

  def _weights(self, h, first, second, last):
    return tf.nn.softmax(tf.cast(last(tf.nn.relu(second(tf.nn.relu(first(h))))), tf.float32))


