"""VideoGPT's VQ-VAE for videos: section 3 ("Learning Latent Codes") and Table 8.

The network, from a video to its reconstruction:

    video [B, T, H, W, C] in [-0.5, 0.5]
      -> encoder: strided 3-D convolutions, a 3x3x3 convolution, residual stack -> 1x1x1
      -> z [B, t, h, w, codebooks * dim] -> nearest codes -> convolution
      -> decoder: residual stack, transposed convolutions -> video

We read Figure 3's attention residual block as: norm, ReLU, 3x3x3 to the residual units, norm, ReLU,
1x1x1 back to the hidden units. A block with attention continues with norm, ReLU, and axial
attention over W, H and T (two heads). The result is added to the block's input. All axial attention
layers of encoder and decoder share one position embedding, which is added to the input of each.

Where the paper is silent, we follow the authors' code. The convolutions of a block have no bias.
Layer norm has an epsilon of 1e-5. An odd number of padding zeros of a strided convolution has the
extra zero in front (`layers.convolution`). We read Table 8's "encoder filter size 3" as the size of
the unstrided convolution. The strided and the transposed convolutions mirror each other. Both have
size 4, as in the code, so that every input has the same weight. If paper and code contradict each
other, the paper's value is the default, and the code's value is an option (docs/videogpt.md).

If the factors of the axes differ, the decoder has the encoder's strides in reverse ("the
architecture for the decoder is the reverse of the encoder"). This halves the decoder's work for
(8, 4, 4). The authors' code has them in the same order (`mirrored=False`).

Gin files: `gin/videogpt/*_vqvae*.gin`.
"""
import tensorflow as tf

from tf_videogen.layers import attention as attention_layers
from tf_videogen.layers import convolution
from tf_videogen.layers import layer_norm
from tf_videogen.layers import positions


def _halvings(factors):
  """Factors -> strides of each stage, for example (4, 2, 1) -> [(2, 2, 1), (2, 1, 1)]."""
  stages, left = [], list(factors)
  while max(left) > 1:
    stages.append(tuple(2 if n > 1 else 1 for n in left))
    left = [max(n // 2, 1) for n in left]
  return stages


class AttentionResidualBlock(tf.keras.layers.Layer):
  """The block of Figure 3. [B, t, h, w, hidden] -> the same shape.

  Args:
    hidden: number of input and output channels.
    units: number of output channels of the 3x3x3 convolution.
    norm: a callable that makes a normalization layer.
    attention: whether the block has axial attention.
    position: the shared SpatioTemporalEmbedding, added to the input of attention; or None.
  """

  def __init__(self, hidden, units, norm, attention=False, position=None, name=None):
    super().__init__(name=name)
    self.norm_1 = norm(name='norm_1')
    self.convolution_1 = tf.keras.layers.Conv3D(
        units, 3, padding='same', use_bias=False, name='convolution_1')
    self.norm_2 = norm(name='norm_2')
    self.convolution_2 = tf.keras.layers.Conv3D(hidden, 1, use_bias=False, name='convolution_2')
    self.position = position
    self.attention = None
    if attention:
      self.norm_3 = norm(name='norm_3')
      self.attention = attention_layers.AxialAttention(heads=2)

  def call(self, x, training=False):
    h = self.convolution_1(tf.nn.relu(self.norm_1(x, training=training)))
    h = self.convolution_2(tf.nn.relu(self.norm_2(h, training=training)))
    if self.attention is not None:
      h = tf.nn.relu(self.norm_3(h, training=training))
      if self.position is not None:
        h += tf.cast(self.position.grid(), h.dtype)
      h = self.attention(h)
    return x + h


class ResidualStack(tf.keras.layers.Layer):
  """Residual blocks, a norm and a ReLU. [B, t, h, w, hidden] -> the same shape.

  Args:
    layers: number of residual blocks.
    units: number of channels inside the blocks.
    attention: whether the blocks have axial attention.
    position_embedding: whether attention has a position embedding. The released code has none.
    norm: a callable that makes the normalization layers.
  """

  def __init__(self, layers=4, units=128, attention=True, position_embedding=True,
               norm=layer_norm.LayerNorm, name=None):
    super().__init__(name=name)
    self.layers = layers
    self.units = units
    self.attention = attention
    self.position_embedding = position_embedding
    self.norm = norm

  def build_for(self, latent_shape, hidden, position=None):
    """Creates the blocks for [B, *latent_shape, hidden].

    Args:
      latent_shape: (t, h, w).
      hidden: number of channels.
      position: the position embedding of another stack, to be shared. If None, the stack creates
        one if its attention has one.
    """
    self.position = position
    if position is None and self.attention and self.position_embedding:
      self.position = positions.SpatioTemporalEmbedding(latent_shape, hidden)
    self.blocks = [AttentionResidualBlock(hidden, self.units, self.norm, self.attention,
                                          self.position, name=f'block_{i}')
                   for i in range(self.layers)]
    self.last_norm = self.norm(name='norm')

  def call(self, x, training=False):
    for block in self.blocks:
      x = block(x, training=training)
    return tf.nn.relu(self.last_norm(x, training=training))


class VQVAE(tf.keras.Model):
  """The first stage of VideoGPT.

  Args:
    quantizer: a VectorQuantizer. It has codebooks * dim channels of latents.
    downsampling: factors (time, height, width), powers of two. They must divide the video's shape.
    hidden: number of channels of encoder and decoder.
    residual_stack: a callable that makes a residual stack; called for the encoder and the decoder.
    strided_kernel: size of the strided and of the transposed convolutions.
    latent_kernel: size of the convolution from codes to the decoder.
    mirrored: whether the decoder has the encoder's strides in reverse; if False, in the same order.

  Raises:
    ValueError: if factors are not powers of two, or all are 1.
  """

  def __init__(self, quantizer, downsampling=(4, 4, 4), hidden=240, residual_stack=ResidualStack,
               strided_kernel=4, latent_kernel=1, mirrored=True, name='vqvae'):
    super().__init__(name=name)
    if any(n < 1 or n & (n - 1) for n in downsampling) or max(downsampling) == 1:
      raise ValueError('VQVAE.downsampling must be three powers of two, one above 1; '
                       f'got {tuple(downsampling)}')
    self.quantizer = quantizer
    self.downsampling = tuple(downsampling)
    self.hidden = hidden
    self.residual_stack = residual_stack
    self.strided_kernel = strided_kernel
    self.latent_kernel = latent_kernel
    self.mirrored = mirrored

  def latent_shape(self, clip_shape):
    """(T, H, W, C) of a clip -> (t, h, w) of its latents.

    Raises:
      ValueError: if the factors do not divide the clip's shape.
    """
    shape = tuple(clip_shape[:3])
    if any(n % f for n, f in zip(shape, self.downsampling)):
      raise ValueError(
          'VQVAE.downsampling = {} does not divide clips of {} x {} x {}; choose factors that '
          'divide frames, height and width, or other clips'.format(self.downsampling, *shape))
    return tuple(n // f for n, f in zip(shape, self.downsampling))

  def build(self, input_shape):
    """Creates the variables for clips [B, T, H, W, C]."""
    clip_shape = tuple(input_shape[1:])
    latent_shape = self.latent_shape(clip_shape)
    self.data_variance = self.add_weight(
        name='data_variance', shape=[], initializer='ones', trainable=False, dtype=tf.float32,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    # No other variable shows the factors, and a prior must not read codes of other factors.
    self.stored_downsampling = self.add_weight(
        name='downsampling', shape=[3], dtype=tf.int32, trainable=False,
        initializer=lambda shape, dtype: tf.constant(self.downsampling, dtype),
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    strides = _halvings(self.downsampling)
    self.encoder = self._encoder(strides, latent_shape)
    self.to_latents = tf.keras.layers.Conv3D(
        self.quantizer.codebooks * self.quantizer.dim, 1, name='to_latents')
    self.from_latents = tf.keras.layers.Conv3D(
        self.hidden, self.latent_kernel, padding='same', name='from_latents')
    self.decoder = self._decoder(
        strides[::-1] if self.mirrored else strides, latent_shape, clip_shape[-1])
    self.built = True  # Keras's own build would call the model with an unknown batch size
    self(tf.zeros((1,) + clip_shape))

  def _encoder(self, strides, latent_shape):
    stages = [convolution.SamePadConv3D(self.hidden, self.strided_kernel, s, activation='relu',
                                        name=f'down_{i}')
              for i, s in enumerate(strides)]
    last = tf.keras.layers.Conv3D(self.hidden, 3, padding='same', name='encoder_convolution')
    stack = self.residual_stack(name='encoder_stack')
    stack.build_for(latent_shape, self.hidden)
    return stages + [last, stack]

  def _decoder(self, strides, latent_shape, channels):
    stack = self.residual_stack(name='decoder_stack')
    stack.build_for(latent_shape, self.hidden, self.encoder[-1].position)
    stages = []
    for i, s in enumerate(strides):
      last = i == len(strides) - 1
      stages.append(tf.keras.layers.Conv3DTranspose(
          channels if last else self.hidden, self.strided_kernel, s, 'same', name=f'up_{i}',
          activation=None if last else 'relu'))
    return [stack] + stages

  def encode(self, video, training=False):
    """float [B, T, H, W, C] in [-0.5, 0.5] -> encoder outputs z [B, t, h, w, codebooks * dim]."""
    h = video
    for layer in self.encoder:
      h = layer(h, training=training)
    return self.to_latents(h)

  def codes(self, video):
    """float [B, T, H, W, C] in [-0.5, 0.5] -> int32 [B, t, h, w, codebooks]."""
    return self.quantizer(self.encode(video)).codes

  def decode(self, vectors, training=False):
    """Codes' vectors [B, t, h, w, codebooks * dim] -> video float32 [B, T, H, W, C].

    The video's values are about in [-0.5, 0.5]; they are not clipped.
    """
    h = self.from_latents(vectors)
    for layer in self.decoder:
      h = layer(h, training=training)
    return tf.cast(h, tf.float32)

  def decode_codes(self, codes):
    """Codes int32 [B, t, h, w, codebooks] -> video float32 [B, T, H, W, C], see `decode`."""
    return self.decode(self.quantizer.lookup(codes))

  def call(self, video, training=False, seed=None):
    """Encodes, quantizes and decodes a video.

    Args:
      video: float [B, T, H, W, C] in [-0.5, 0.5].
      training: whether the codebooks and the statistics of batch norms are updated.
      seed: int32 [2], needed in training.

    Returns:
      The reconstruction, float32 [B, T, H, W, C], and the quantizer's `Quantized`.
    """
    quantized = self.quantizer(self.encode(video, training=training), training=training, seed=seed)
    return self.decode(quantized.vectors, training=training), quantized
