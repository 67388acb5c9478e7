"""Convolutional recurrent units: TrIVD-GAN, sections 2.3 and 3.2, appendix F; those of Table 2.

ConvGRU, ConvLSTM, K-TrajGRU, the TSRUs, which warp their state by kernels that they predict, and
the Dynamic ConvLSTM (Xu et al., "Structure Preserving Video Prediction", CVPR 2018). All answer to
the same call, `outputs, weights = unit(x, state, training)`. Every kernel is spectrally normalized,
but for those that networks predict. The paper does not print the TSRUs' activation: ReLU, as in
the ConvGRU.

Parameters, of C channels, X channels of the input, kernels k x k and P of the hyper-network:
  ConvGRU       3 (k^2 (C + X) C + C)
  ConvLSTM      4 (k^2 (C / 2 + X) C / 2 + C / 2)
  KTrajGRU      3 (k^2 (C + X) C + C) + P
  TSRUc, TSRUp  2 (k^2 (C + X) C + C) + P
  TSRUs         k^2 (C + X) C + 2 k^2 C C + 2 C + P
"""

import tensorflow as tf

from tf_videogen.layers import hyper_networks
from tf_videogen.layers import kernel_warping
from tf_videogen.layers import recurrence
from tf_videogen.layers import rematerialization
from tf_videogen.layers import spectral_norm

_TIME_FIRST = [1, 0, 2, 3, 4]  # and back again


class RecurrentUnit(tf.keras.layers.Layer):
  """h_t from h_{t-1} and x_t: what the units have in common. A unit's own are `parts` and `step`.

  Args:
    channels: number of channels of the state and the outputs.
    kernel: k, of the k x k convolutions.
    activation: rho.
  """

  warps = False
  resumable = True  # whether its state is all that it needs to go on later

  def __init__(self, channels, kernel=3, activation=tf.nn.relu):
    super().__init__()
    if kernel % 2 == 0:
      raise ValueError(
          f'kernel is {kernel}, but k x k convolutions need a center: choose an odd number')
    self.channels = channels
    self.side = kernel
    self.activation = activation

  def call(self, x, state=None, training=False):
    """The states after all time steps.

    Args:
      x: [B, T, H, W, X].
      state: [B, H, W, channels], before the first step; zeros if None.
      training: whether the power iterations move on, by one step for all time steps.

    Returns:
      [B, T, H, W, channels] and, of units that warp, the weights of the warps, probabilities
      [B, T, H, W, 9] in float32, else None.
    """
    if len(x.shape) != 5:
      raise ValueError(f'x has the shape {list(x.shape)}, expected [B, T, H, W, channels]')
    h = self._initial(x, state)
    weights = tf.zeros([h.shape[0], *h.shape[1:3], 9]) if self.warps else tf.zeros([])
    x = tf.transpose(x, _TIME_FIRST)  # [B, T, H, W, X] -> [T, B, H, W, X]
    prepared = self.prepare(x, h, training)

    def next_state(before, given):
      h, weights = prepared.step(given, before[0])
      return h, before[1] if weights is None else weights

    outputs, weights = tf.scan(next_state, prepared.given, (h, weights), parallel_iterations=1)
    outputs = tf.transpose(outputs, _TIME_FIRST)
    return outputs, tf.transpose(weights, _TIME_FIRST) if self.warps else None

  def _initial(self, x, state):
    shape = [*x.shape[2:4], self.channels]
    if state is None:
      return tf.zeros([tf.shape(x)[0], *shape], x.dtype)
    state = tf.cast(state, x.dtype)
    if state.shape[1:] != shape:
      raise ValueError(f'state has the shape {list(state.shape)}, expected [B, {str(shape)[1:]}: H '
                       'and W of x, channels of the unit')
    return state

  def prepare(self, x, state, training):
    """What a time step is, a `recurrence.Prepared`; x [T, B, H, W, X], T first."""
    del state  # see DynamicConvLSTM
    return recurrence.joined(self.parts, self.step, x, training)

  def step(self, h, *layers):
    """One time step: next h, weights of the warp or None. `layers`: functions of h, as `parts`."""
    raise NotImplementedError

  def _gates(self, x_channels, gates=1):
    return recurrence.GateConvolution(
        self.channels, x_channels, self.channels, self.side, gates)


class ConvGRU(RecurrentUnit):
  """Eqs. 1-5, as DVD-GAN has it."""

  def build(self, shape):
    self.parts = [self._gates(shape[-1], 2), self._gates(shape[-1])]
    super().build(shape)

  def step(self, h, gates, content):
    """Eqs. 1 to 5: h [B, H, W, channels] -> the next one, None."""
    r, u = map(tf.sigmoid, gates(h))  # Eqs. 1, 4
    c = self.activation(content(r * h))  # Eqs. 2, 3
    return u * h + (1 - u) * c, None  # Eq. 5


class ConvLSTM(RecurrentUnit):
  """Appendix F.3: hidden state and memory cell, of half the channels each, are the state [h; c].

  Input, forget and output gate, intermediate state; no peepholes.
  """

  def __init__(self, channels, kernel=3, activation=tf.nn.relu):
    super().__init__(channels, kernel, activation)
    self.half = _half(channels)

  def build(self, shape):
    self.parts = [recurrence.GateConvolution(
        self.half, shape[-1], self.half, self.side, gates=4)]
    super().build(shape)

  def step(self, state, gates):
    """Gates of h, then the memory cell: [h; c] -> the next one, None."""
    h, c = tf.split(state, 2, axis=-1)
    return _lstm(c, *gates(h), self.activation), None


class WarpingUnit(RecurrentUnit):
  """A unit that warps its state.

  Args:
    channels: number of channels of the state and the outputs.
    kernel: k, of the k x k convolutions; warps are 3 x 3.
    activation: rho.
    kernels: class of the network that predicts the warps: hyper_networks.FactorizedKernels, which
      needs multiples of 4 as H and W, or PixelwiseKernels.
  """

  warps = True

  def __init__(self, channels, kernel=3, activation=tf.nn.relu,
               kernels=hyper_networks.FactorizedKernels):
    super().__init__(channels, kernel, activation)
    self.kernels = kernels


class KTrajGRU(WarpingUnit):
  """Eqs. 16-22: TrajGRU (Shi et al. 2017) with one warp, by kernels."""

  def __init__(self, channels, kernel=3, activation=tf.tanh,
               kernels=hyper_networks.FactorizedKernels):
    super().__init__(channels, kernel, activation, kernels)

  def build(self, shape):
    self.parts = [self.kernels(self.channels, shape[-1]), self._gates(shape[-1], 2),
                  self._gates(shape[-1])]
    super().build(shape)

  def step(self, h, f, gates, content):
    """Eqs. 16 to 22: h [B, H, W, channels] -> the next one, weights of the warp [B, H, W, 9]."""
    theta = f(h)  # Eq. 16
    warped = _warp(h, theta)  # Eq. 17
    r, u = map(tf.sigmoid, gates(warped))  # Eqs. 18, 21
    c = self.activation(content(r * warped))  # Eqs. 19, 20
    return u * h + (1 - u) * c, theta  # Eq. 22: of the state as it was


class TSRUc(WarpingUnit):
  """Eqs. 6-10: new content knows the warped state."""

  def build(self, shape):
    self.parts = [self.kernels(self.channels, shape[-1]), self._gates(shape[-1]),
                  self._gates(shape[-1])]
    super().build(shape)

  def step(self, h, f, content, gate):
    """Eqs. 6 to 10: h [B, H, W, channels] -> the next one, weights of the warp [B, H, W, 9]."""
    theta = f(h)  # Eq. 6
    warped = _warp(h, theta)  # Eq. 7
    c = self.activation(content(warped))  # Eq. 8
    u = tf.sigmoid(gate(h))  # Eq. 9
    return u * warped + (1 - u) * c, theta  # Eq. 10


class TSRUp(WarpingUnit):
  """Section 3.2.2: warp, content and gate in parallel, all from the state as it was."""

  def build(self, shape):
    self.parts = [self.kernels(self.channels, shape[-1]), self._gates(shape[-1], 2)]
    super().build(shape)

  def step(self, h, f, gates):
    """Eqs. 6 to 10, in parallel: h -> the next one, weights of the warp [B, H, W, 9]."""
    theta = f(h)  # Eq. 6
    warped = _warp(h, theta)  # Eq. 7
    c, u = gates(h)  # Eq. 8 with h in place of the warped state, Eq. 9
    c, u = self.activation(c), tf.sigmoid(u)
    return u * warped + (1 - u) * c, theta  # Eq. 10


class TSRUs(WarpingUnit):
  """Section 3.2.2: one after the other; content knows the warped state, the gate both."""

  def build(self, shape):
    gate = recurrence.Affine([self.side, self.side, 2 * self.channels, self.channels])
    self.parts = [self.kernels(self.channels, shape[-1]), self._gates(shape[-1]), gate]
    super().build(shape)

  def step(self, h, f, content, gate):
    """Eqs. 6 to 10, one after the other: h -> the next one, weights of the warp [B, H, W, 9]."""
    theta = f(h)  # Eq. 6
    warped = _warp(h, theta)  # Eq. 7
    c = self.activation(content(warped))  # Eq. 8
    u = tf.sigmoid(gate(tf.concat([warped, c], axis=-1)))  # Eq. 9, with [warped; c]
    return u * warped + (1 - u) * c, theta  # Eq. 10


class PTSRUs(TSRUs):
  """TSRUs whose warps have weights of their own at every position."""

  def __init__(self, channels, kernel=3, activation=tf.nn.relu,
               kernels=hyper_networks.PixelwiseKernels):
    super().__init__(channels, kernel, activation, kernels)


class DynamicConvLSTM(RecurrentUnit):
  """Appendix F.4: a ConvLSTM whose kernels are predicted for every sample and time step.

  Xu et al. 2018, without Fus-4. Hidden state and memory cell have c = channels / 2 channels, x has
  q c. F_t are the first c channels of x_t, before the first step those of the initial state. The
  Kernel CNN maps every difference F_t[i] - F_{t-1}[j], an image, to 4 (q + 1) kernels: for each of
  the four equations, from channels i, c + i, ... of x and from channel i of h, to channel j. A
  softmax over the input channels of x, and one over those of h, follow at every tap.

  These are c^2 images a sample and step, which is why the paper does not train the unit. They are
  not kept for the backward pass.

  The paper does not print the Kernel CNN's layers. Here: a 3x3 convolution to `features` channels,
  ReLU, adaptive max-pooling to 4x4, one dense layer. Parameters: 9 features + features +
  16 features K + K + 2 channels, K = 4 (q + 1) k^2.

  Args:
    channels: number of channels of the state and the outputs.
    kernel: k, of the predicted k x k kernels.
    activation: rho.
    features: channels of the Kernel CNN.
  """

  resumable = False  # F_{t-1} is of the last input

  def __init__(self, channels, kernel=3, activation=tf.nn.relu, features=4):
    super().__init__(channels, kernel, activation)
    self.half = _half(channels)
    self.features = features

  def build(self, shape):
    if shape[-1] % self.half:
      raise ValueError(f'x has {shape[-1]} channels, but a DynamicConvLSTM of {self.channels} '
                       f'channels needs a multiple of {self.half}: change one of them')
    self.q = shape[-1] // self.half
    kernels = 4 * (self.q + 1) * self.side**2
    self.convolution = spectral_norm.SpectralKernel([3, 3, 1, self.features])
    self.dense = spectral_norm.SpectralKernel(
        [hyper_networks.POOLED**2 * self.features, kernels])
    self.convolution_bias = self.add_weight(
        'convolution_bias', [self.features], initializer='zeros')
    self.dense_bias = self.add_weight('dense_bias', [kernels], initializer='zeros')
    self.bias = self.add_weight('bias', [4 * self.half], initializer='zeros')
    super().build(shape)

  def prepare(self, x, state, training):
    """Convolves all frames at once; kernels are predicted in the loop. See `RecurrentUnit`."""
    convolution, *tensors = [tf.cast(v, x.dtype) for v in (
        self.convolution.value(training), self.convolution_bias, self.dense.value(training),
        self.dense_bias, self.bias)]
    frames = tf.concat([state[tf.newaxis, ..., :self.half], x[..., :self.half]], axis=0)
    features = self._features(frames, convolution)
    step = rematerialization.rematerialize(self._step)
    return recurrence.Prepared(lambda given, state: (step(state, *given, *tensors), None),
                               (x, features[1:], features[:-1]))

  def _features(self, frames, convolution):
    """Every channel convolved for itself: [T, B, H, W, c] -> [T, B, H, W, features, c]."""
    time, batch, height, width, half = frames.shape
    patches = _patches(tf.reshape(frames, [-1, height, width, half]), 3)  # [T B, H, W, 9 c]
    patches = tf.reshape(patches, [time, batch, height, width, 9, half])
    # Channels stay last: TPUs pad the last axis to 128.
    return tf.einsum('...pc,pf->...fc', patches, tf.reshape(convolution, [9, self.features]))

  def _step(self, state, x, now, before, convolution_bias, dense, dense_bias, bias):
    """`now` and `before`: F_t and F_{t-1} convolved, [B, H, W, features, c]."""
    h, c = tf.split(state, 2, axis=-1)
    # A convolution of differences is a difference of convolutions: [B, H, W, features, j, i].
    images = tf.nn.relu(now[..., tf.newaxis, :] - before[..., tf.newaxis]
                        + convolution_bias[:, tf.newaxis, tf.newaxis])
    kernels = self._kernels(images, dense, dense_bias)
    patches = _patches(tf.concat([x, h], axis=-1), self.side)  # [B, H, W, k^2 (q + 1) c]
    gates = tf.einsum('bhwp,bop->bhwo', patches, kernels)
    return _lstm(c, *tf.split(gates + bias, 4, axis=-1), self.activation)

  def _kernels(self, images, dense, dense_bias):
    """Images [B, H, W, features, j, i] -> kernels [B, 4 c, k^2 (q + 1) c]."""
    half = self.half
    # [B, H, W, f, j, i] -> [B, H, W, f j i] -> [B, 4, 4, f j i] -> [B, 16 f, j i]
    pooled = hyper_networks.adaptive_max_pool(tf.reshape(images, [*images.shape[:3], -1]))
    pooled = tf.reshape(pooled, [-1, dense.shape[0], half * half])
    kernels = tf.einsum('bpn,pk->bkn', pooled, dense) + dense_bias[:, tf.newaxis]
    kernels = tf.cast(kernels, tf.float32)
    # [B, K, j i] -> [B, q + 1, 4, k^2, j, i] -> [B, 4, j, k^2, q + 1, i]
    kernels = tf.reshape(kernels, [-1, self.q + 1, 4, self.side**2, half, half])
    kernels = tf.transpose(kernels, [0, 2, 4, 3, 1, 5])
    kernels = tf.reshape(kernels, [-1, 4 * half, self.side**2, (self.q + 1) * half])
    of_x, of_h = tf.split(kernels, [self.q * half, half], axis=-1)
    kernels = tf.concat([tf.nn.softmax(of_x), tf.nn.softmax(of_h)], axis=-1)
    # [B, 4 c, k^2, (q + 1) c] -> [B, 4 c, k^2 (q + 1) c]
    kernels = tf.reshape(kernels, [-1, 4 * half, self.side**2 * (self.q + 1) * half])
    return tf.cast(kernels, dense.dtype)


def _half(channels):
  if channels % 2:
    raise ValueError(f'channels is {channels}, but hidden state and memory cell have half of them '
                     'each: choose an even number')
  return channels // 2


def _lstm(c, i, f, o, g, activation):
  """[h; c] after a step: from the memory cell before it, and gates without their activations."""
  c = tf.sigmoid(f) * c + tf.sigmoid(i) * activation(g)
  return tf.concat([tf.sigmoid(o) * activation(c), c], axis=-1)


def _warp(h, weights):
  return kernel_warping.warp(h, tf.cast(weights, h.dtype))


def _patches(x, side):
  """Every position's k x k neighbours, zeros beyond the edges: [B, H, W, C] -> [B, H, W, k^2 C]."""
  height, width = x.shape[1:3]
  reach = (side - 1) // 2
  x = tf.pad(x, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
  return tf.concat([x[:, m:m + height, n:n + width] for m in range(side) for n in range(side)], -1)
