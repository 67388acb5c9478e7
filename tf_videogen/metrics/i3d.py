"""I3D, the Inception-v1 network inflated to three dimensions; FVD compares its outputs.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", CVPR
2017, figure 3. This is the RGB stream alone, for evaluation: it has no dropout, and batch norm uses
its moving averages. It has 12,704,544 parameters for 400 classes and 12,909,544 for 600. Of these,
14,560 are moving averages.

`I3D.by_name` returns the variables by their names in DeepMind's checkpoints, such as
`Conv3d_1a_7x7/conv_3d/w`. One name there is irregular: `Mixed_5b/Branch_2` calls its second
convolution `Conv3d_0a_3x3`.
"""

import tensorflow as tf

from tf_videogen.layers import full_precision

SIZE = 224  # height and width of the input, pixels
MIN_FRAMES = 9  # after down-sampling by 8, the last average pool needs two frames

# Channels of the convolutions: 1x1 of branch 0; 1x1 and 3x3 of branch 1; 1x1 and 3x3 of branch 2;
# 1x1 after the pool of branch 3.
_MIXED = {
    'Mixed_3b': (64, 96, 128, 16, 32, 32),
    'Mixed_3c': (128, 128, 192, 32, 96, 64),
    'Mixed_4b': (192, 96, 208, 16, 48, 64),
    'Mixed_4c': (160, 112, 224, 24, 64, 64),
    'Mixed_4d': (128, 128, 256, 24, 64, 64),
    'Mixed_4e': (112, 144, 288, 32, 64, 64),
    'Mixed_4f': (256, 160, 320, 32, 128, 128),
    'Mixed_5b': (256, 160, 320, 32, 128, 128),
    'Mixed_5c': (384, 192, 384, 48, 128, 128),
}


class ConvolutionUnit(tf.keras.layers.Layer):
  """Convolution without bias, batch norm without gain, ReLU.

  The norm is folded into the convolution: it divides the weights by the standard deviation, and the
  rest of it is a bias.

  Args:
    channels: number of output channels.
    kernel: side of the cubic kernel.
    stride: the same in time, height and width.
    epsilon: epsilon of batch norm.
    mantissa_bits: bits to which the factors of products are rounded; not rounded if None.
  """

  def __init__(self, channels, kernel, stride=1, epsilon=1e-3, mantissa_bits=None):
    super().__init__(dtype='float32')
    self.epsilon = epsilon
    self.mantissa_bits = mantissa_bits
    self.channels = channels
    self.kernel = kernel
    self.stride = stride

  def build(self, shape):
    kernel = (self.kernel,) * 3 + (shape[-1], self.channels)
    self.w = self.add_weight('w', kernel, initializer='he_normal')
    self.beta = self.add_weight('beta', [self.channels], initializer='zeros')
    self.moving_mean = self.add_weight(
        'moving_mean', [self.channels], initializer='zeros', trainable=False)
    self.moving_variance = self.add_weight(
        'moving_variance', [self.channels], initializer='ones', trainable=False)
    super().build(shape)

  def call(self, x):
    scale = tf.math.rsqrt(self.moving_variance + self.epsilon)
    w = self.w * scale
    if self.mantissa_bits:
      x, w = (rounded(factor, self.mantissa_bits) for factor in (x, w))
    x = full_precision.conv3d(x, w, self.stride)
    return tf.nn.relu(tf.nn.bias_add(x, self.beta - self.moving_mean * scale))

  def by_name(self):
    """Returns the variables by the ends of their names in the checkpoints."""
    return {'conv_3d/w': self.w, 'batch_norm/beta': self.beta,
            'batch_norm/moving_mean': self.moving_mean,
            'batch_norm/moving_variance': self.moving_variance}


class InceptionModule(tf.keras.layers.Layer):
  """Four branches side by side: 1x1; 1x1, 3x3; 1x1, 3x3; max-pool, 1x1.

  Args:
    channels: output channels of the six units, see `_MIXED`.
    names: names of the units in the same order, such as 'Branch_0/Conv3d_0a_1x1'.
    **options: `epsilon` and `mantissa_bits` of the units.
  """

  def __init__(self, channels, names, **options):
    super().__init__(dtype='float32')
    kernels = (1, 1, 3, 1, 3, 1)
    self.units = [ConvolutionUnit(*sizes, **options) for sizes in zip(channels, kernels)]
    self.names = names

  def call(self, x):
    branch_0, branch_1a, branch_1b, branch_2a, branch_2b, branch_3 = self.units
    pooled = tf.nn.max_pool3d(x, 3, 1, 'SAME')
    return tf.concat([branch_0(x), branch_1b(branch_1a(x)), branch_2b(branch_2a(x)),
                      branch_3(pooled)], axis=-1)

  def by_name(self):
    """Returns the variables by the ends of their names in the checkpoints."""
    return {f'{name}/{end}': variable for name, unit in zip(self.names, self.units)
            for end, variable in unit.by_name().items()}


class I3D(tf.keras.Model):
  """The network.

  Its variables are float32 under any precision policy, because a metric must not depend on how a
  model is trained.

  Args:
    classes: number of classes, 400 for Kinetics-400 or 600 for Kinetics-600.
    epsilon: epsilon of batch norm, 1e-3 in DeepMind's code.
    mantissa_bits: bits to which the factors of convolutions are rounded, 10 to see what
      TensorFloat-32 does; not rounded if None.
  """

  def __init__(self, classes=400, epsilon=1e-3, mantissa_bits=None):
    super().__init__(dtype='float32')
    self.classes = classes
    options = {'epsilon': epsilon, 'mantissa_bits': mantissa_bits}
    self.stem = {
        'Conv3d_1a_7x7': ConvolutionUnit(64, 7, stride=2, **options),
        'Conv3d_2b_1x1': ConvolutionUnit(64, 1, **options),
        'Conv3d_2c_3x3': ConvolutionUnit(192, 3, **options),
    }
    self.mixed = {name: InceptionModule(channels, _unit_names(name), **options)
                  for name, channels in _MIXED.items()}

  def build(self, shape=None):
    del shape
    self.w = self.add_weight('w', [1, 1, 1, 1024, self.classes], initializer='he_normal')
    self.b = self.add_weight('b', [self.classes], initializer='zeros')
    channels = 3
    for unit in self.stem.values():
      unit.build([None, None, None, None, channels])
      channels = unit.channels
    for module in self.mixed.values():
      for unit, inputs in zip(module.units, _inputs(channels, module.units)):
        unit.build([None, None, None, None, inputs])
      module.built = True
      channels = sum(module.units[i].channels for i in (0, 2, 4, 5))
    self.built = True

  def call(self, video):
    """Computes features and logits.

    Args:
      video: float32 [B, T, 224, 224, 3] in [-1, 1], T >= 9.

    Returns:
      A dict.
        logits: float32 [B, classes], before the softmax, mean over time. FVD compares them.
        features: float32 [B, 1024], the last average pool, mean over time.

    Raises:
      ValueError: if T is below 9.
    """
    if video.shape[1] is not None and video.shape[1] < MIN_FRAMES:
      raise ValueError(f'I3D needs clips of at least {MIN_FRAMES} frames, got {video.shape[1]}')
    x = self.stem['Conv3d_1a_7x7'](video)
    x = tf.nn.max_pool3d(x, (1, 3, 3), (1, 2, 2), 'SAME')
    x = self.stem['Conv3d_2c_3x3'](self.stem['Conv3d_2b_1x1'](x))
    x = tf.nn.max_pool3d(x, (1, 3, 3), (1, 2, 2), 'SAME')
    for name, module in self.mixed.items():
      if name == 'Mixed_4b':
        x = tf.nn.max_pool3d(x, 3, 2, 'SAME')
      elif name == 'Mixed_5b':
        x = tf.nn.max_pool3d(x, 2, 2, 'SAME')
      x = module(x)
    x = tf.nn.avg_pool3d(x, (2, 7, 7), 1, 'VALID')  # [B, T/8 - 1, 1, 1, 1024]
    features = tf.reduce_mean(x, axis=[1, 2, 3])
    # The last layer is linear, so the mean of its outputs is its output for the mean.
    logits = full_precision.matmul(features, self.w[0, 0, 0]) + self.b
    return {'features': features, 'logits': logits}

  def by_name(self):
    """Returns the variables by name in the checkpoints, without the prefix RGB/inception_i3d/."""
    found = {}
    for name, part in {**self.stem, **self.mixed}.items():
      found.update({f'{name}/{end}': variable for end, variable in part.by_name().items()})
    head = 'Logits/Conv3d_0c_1x1/conv_3d'
    return {**found, f'{head}/w': self.w, f'{head}/b': self.b}


def rounded(x, bits):
  """Rounds float32 numbers to `bits` bits after the leading one, ties to even."""
  dropped = 23 - bits
  whole = tf.bitcast(x, tf.int32)
  odd = tf.bitwise.bitwise_and(tf.bitwise.right_shift(whole, dropped), 1)
  whole += (1 << (dropped - 1)) - 1 + odd
  return tf.bitcast(tf.bitwise.bitwise_and(whole, -(1 << dropped)), tf.float32)


def _unit_names(module):
  second = 'Conv3d_0a_3x3' if module == 'Mixed_5b' else 'Conv3d_0b_3x3'
  return ('Branch_0/Conv3d_0a_1x1', 'Branch_1/Conv3d_0a_1x1', 'Branch_1/Conv3d_0b_3x3',
          'Branch_2/Conv3d_0a_1x1', f'Branch_2/{second}', 'Branch_3/Conv3d_0b_1x1')


def _inputs(channels, units):
  """Returns the number of input channels of each unit of a module."""
  return (channels, channels, units[1].channels, channels, units[3].channels, channels)
