"""Self-attention within a frame, the non-local block of BigGAN.

Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019; keys and values are
max-pooled, as in BigGAN (Brock et al., ICLR 2019).
"""

import tensorflow as tf

from tf_videogen.layers import spectral_norm


class NonLocalBlock(tf.keras.layers.Layer):
  """x + gamma o(softmax(theta(x) phi(x)^T) g(x)), separately in every frame: [..., H, W, C].

  theta and phi have C / 8 channels, g has C / 2; phi and g are max-pooled 2x2. theta, phi, g and o
  are spectrally normalized 1x1 convolutions without a bias. gamma is learned and begins at 0, so
  the block begins as the identity. H and W must be even, C a multiple of 8.
  """

  def build(self, shape):
    height, width, channels = shape[-3:]
    if height % 2 or width % 2 or channels % 8:
      raise ValueError('NonLocalBlock needs an even height and width and a multiple of 8 channels, '
                       f'got {height} x {width} and {channels}')
    conv = lambda filters, name: spectral_norm.Conv(filters, (1, 1), use_bias=False, name=name)
    self.theta = conv(channels // 8, 'theta')
    self.phi = conv(channels // 8, 'phi')
    self.g = conv(channels // 2, 'g')
    self.o = conv(channels, 'o')
    self.gamma = self.add_weight('gamma', [], initializer='zeros')
    super().build(shape)

  def call(self, x, training=False):
    height, width, channels = x.shape[-3:]
    frames = tf.reshape(x, [-1, height, width, channels])  # [..., H, W, C] -> [N, H, W, C]
    def rows(conv, pooled):
      y = conv(frames, training=training)
      y = tf.nn.max_pool2d(y, 2, 2, 'VALID') if pooled else y
      return tf.reshape(y, [-1, y.shape[1] * y.shape[2], y.shape[3]])  # [N, H, W, D] -> [N, HW, D]
    theta, phi, g = rows(self.theta, False), rows(self.phi, True), rows(self.g, True)
    logits = tf.cast(tf.matmul(theta, phi, transpose_b=True), tf.float32)  # [N, HW, HW / 4]
    attended = tf.matmul(tf.cast(tf.nn.softmax(logits), x.dtype), g)  # [N, HW, C / 2]
    attended = tf.reshape(attended, [*x.shape[:-1], channels // 2])  # -> [..., H, W, C / 2]
    return x + self.gamma * self.o(attended, training=training)
