"""Spectral normalization of weights: dense layers and convolutions of Lipschitz constant about 1.

Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018. TrIVD-GAN
(appendix E.2) normalizes only the first singular value, by one power iteration per training pass.
W / sigma(W) is a reparametrization: gradients flow through sigma. All kernels begin orthogonal.
"""

import tensorflow as tf

from tf_videogen.layers import full_precision
from tf_videogen.layers import replicas


class SpectralKernel(tf.keras.layers.Layer):
  """A kernel, and the power iteration that normalizes it.

  It always computes in float32; on a TPU this includes products. For GPUs see `full_precision`.

  `value` returns the kernel divided by its largest singular value. The kernel is seen as a matrix
  [inputs, outputs], with all axes but the last merged. In training, `value` moves the iteration on
  by one step. So call it once for all uses in a training step, such as the time steps of a
  recurrent unit.

  Args:
    shape: shape of the kernel, outputs last.
    normalized: whether to normalize at all.
    epsilon: the least length that a vector is divided by.
  """

  def __init__(self, shape, normalized=True, epsilon=1e-12, name='kernel'):
    super().__init__(name=name, dtype='float32')
    self.normalized = normalized
    self.epsilon = epsilon
    self.w = self.add_weight('w', shape, initializer=tf.keras.initializers.Orthogonal())
    if normalized:
      self.u = self.add_weight(
          'u', [shape[-1]], initializer='random_normal', trainable=False,
          aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

  def value(self, training=False):
    """The normalized kernel, or the kernel itself if not `normalized`; float32."""
    if not self.normalized:
      return tf.convert_to_tensor(self.w)
    return self.w / self.sigma(training)

  def sigma(self, training=False):
    """The iteration's estimate of the largest singular value, a float32 scalar."""
    matrix = tf.reshape(self.w, [-1, self.w.shape[-1]])  # [..., O] -> [I, O]
    fixed = tf.stop_gradient(matrix)
    u = self._unit(tf.convert_to_tensor(self.u))
    v = self._unit(full_precision.matvec(fixed, u))
    if training:
      u = self._unit(full_precision.matvec(fixed, v, transpose=True))
      replicas.assign([self.u], [u])
    return tf.reduce_sum(v * tf.reduce_sum(matrix * u, -1))  # v W u, a sum that has gradients

  def _unit(self, x):
    return x / tf.maximum(tf.norm(x), self.epsilon)


def kernels(layer):
  """The normalized kernels among a layer's submodules, in the order of its weights."""
  owners = {id(module.w): module for module in layer.submodules
            if isinstance(module, SpectralKernel) and module.normalized}
  return [owners[id(weight)] for weight in layer.weights if id(weight) in owners]


class Dense(tf.keras.layers.Layer):
  """A dense layer with a spectrally normalized kernel: [..., I] -> [..., units].

  Args:
    units: number of output channels.
    use_bias: whether there is a bias.
    normalized: whether the kernel is normalized.
  """

  def __init__(self, units, use_bias=True, normalized=True, name=None):
    super().__init__(name=name)
    self.units = units
    self.use_bias = use_bias
    self.normalized = normalized

  def build(self, shape):
    self.kernel = SpectralKernel([shape[-1], self.units], self.normalized)
    if self.use_bias:
      self.bias = self.add_weight('bias', [self.units], initializer='zeros')
    super().build(shape)

  def call(self, x, training=False):
    x = tf.tensordot(x, tf.cast(self.kernel.value(training), x.dtype), 1)
    return x + self.bias if self.use_bias else x


class Conv(tf.keras.layers.Layer):
  """A convolution with a spectrally normalized kernel, padded by zeros, of stride 1.

  With a kernel of two sides it maps [..., H, W, I] to [..., H, W, filters], so it maps
  [B, T, H, W, I] frame by frame. With three sides it maps [..., T, H, W, I] to
  [..., T, H, W, filters].

  Args:
    filters: number of output channels.
    sides: sides of the kernel, two or three numbers, such as (3, 3) or (3, 3, 3).
    use_bias: whether there is a bias.

  Raises:
    ValueError: if there are not two or three sides.
  """

  def __init__(self, filters, sides=(3, 3), use_bias=True, name=None):
    super().__init__(name=name)
    if len(sides) not in (2, 3):
      raise ValueError(f'sides must be two or three numbers, got {sides}')
    self.filters = filters
    self.sides = tuple(sides)
    self.use_bias = use_bias

  def build(self, shape):
    self.kernel = SpectralKernel([*self.sides, shape[-1], self.filters])
    if self.use_bias:
      self.bias = self.add_weight('bias', [self.filters], initializer='zeros')
    super().build(shape)

  def call(self, x, training=False):
    # Not tf.nn.convolution, whose eager 3-D convolutions have no gradient.
    convolve = tf.nn.conv2d if len(self.sides) == 2 else tf.nn.conv3d
    kernel = tf.cast(self.kernel.value(training), x.dtype)
    x = convolve(x, kernel, [1] * (len(self.sides) + 2), 'SAME')
    return x + self.bias if self.use_bias else x


class SeparableConv(tf.keras.layers.Layer):
  """A convolution over three frames, then one over 3 x 3 positions, both spectrally normalized.

  SSW-GAN, appendix B.2: [B, T, H, W, I] -> [B, T, H, W, filters], padded by zeros. The paper
  doesn't give the number of channels between the two; here it is `filters`, too.

  Args:
    filters: number of output channels of both convolutions.
  """

  def __init__(self, filters, name=None):
    super().__init__(name=name)
    self.over_time = Conv(filters, (3, 1), name='over_time')
    self.over_space = Conv(filters, (3, 3), name='over_space')

  def call(self, x, training=False):
    batch, time, height, width, channels = x.shape
    batch = -1 if batch is None else batch
    # Positions become one axis, so the convolution over time has two dimensions, which every
    # device computes well: [B, T, H, W, I] -> [B, T, H*W, I]
    h = tf.reshape(x, [batch, time, height * width, channels])
    h = self.over_time(h, training=training)
    h = tf.reshape(h, [batch, time, height, width, h.shape[-1]])
    return self.over_space(h, training=training)
