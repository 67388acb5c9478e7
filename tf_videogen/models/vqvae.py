"""VQ-VAE for videos: VideoGPT, section 3 ("Learning Latent Codes") and Table 8.

    video [B, T, H, W, C] in [-0.5, 0.5]
      -> encoder: strided 3-D convolutions, residual blocks -> 1x1x1
      -> z [B, t, h, w, codebooks * dim] -> nearest codes -> 1x1x1
      -> decoder: residual blocks, transposed convolutions -> video

Figure 3's attention residual block is read as: norm, ReLU, 3x3x3 to the residual units, norm, ReLU,
1x1x1 back to the hidden units, and, with attention, norm, ReLU, axial attention over W, H and T
(two heads); added to the block's input.

Where the public code differs from the paper, the paper's value is the default and the code's is an
option: layer norm (code: batch norm, `norm=@batch_norm.SyncBatchNorm`), 128 residual units (code:
half the hidden units), encoder kernel 3 (code: 4). The position embedding, shared by all axial
attention layers of encoder and decoder, is added to what each of them reads.

Where the factors differ, the decoder takes the encoder's strides in reverse, which halves its work
for (8, 4, 4); the public code takes them in the same order. The paper doesn't say.

Gin files: every `gin/videogpt/*_vqvae*.gin`.
"""
import tensorflow as tf

from tf_videogen.layers import attention as attention_layers
from tf_videogen.layers import positions


def _halvings(factors):
  """[(4, 2, 1)] -> the strides of each stage: [(2, 2, 1), (2, 1, 1)]."""
  stages, left = [], list(factors)
  while max(left) > 1:
    stages.append(tuple(2 if n > 1 else 1 for n in left))
    left = [max(n // 2, 1) for n in left]
  return stages


class AttentionResidualBlock(tf.keras.layers.Layer):
  """Figure 3. [B, t, h, w, hidden] -> the same shape.

  Args:
    hidden: channels in and out.
    units: channels of the 3x3x3 convolution.
    norm: a callable that makes a normalization layer.
    position: the shared SpatioTemporalEmbedding, or None for a block without attention.
  """

  def __init__(self, hidden, units, norm, position=None, name=None):
    super().__init__(name=name)
    self.norm_1 = norm(name='norm_1')
    self.convolution_1 = tf.keras.layers.Conv3D(units, 3, padding='same', name='convolution_1')
    self.norm_2 = norm(name='norm_2')
    self.convolution_2 = tf.keras.layers.Conv3D(hidden, 1, name='convolution_2')
    self.position = position
    if position is not None:
      self.norm_3 = norm(name='norm_3')
      self.attention = attention_layers.AxialAttention(heads=2)

  def call(self, x, training=False):
    h = self.convolution_1(tf.nn.relu(self.norm_1(x, training=training)))
    h = self.convolution_2(tf.nn.relu(self.norm_2(h, training=training)))
    if self.position is not None:
      h = tf.nn.relu(self.norm_3(h, training=training))
      h = self.attention(h + tf.cast(self.position.grid(), h.dtype))
    return x + h


class VQVAE(tf.keras.Model):
  """The first stage of VideoGPT.

  Args:
    quantizer: a VectorQuantizer; its codebooks and dim set the latent channels.
    downsampling: factors (time, height, width), powers of two, that the video's shape must be
      divisible by.
    hidden: channels of encoder and decoder.
    residual_units: channels inside the residual blocks.
    residual_layers: residual blocks of the encoder, and of the decoder.
    attention: whether the residual blocks have axial attention.
    norm: a callable that makes the normalization layers.
    encoder_kernel: size of the strided convolutions.
    upsampling_kernel: size of the transposed convolutions.
  """

  def __init__(self, quantizer, downsampling=(4, 4, 4), hidden=240, residual_units=128,
               residual_layers=4, attention=True, norm=tf.keras.layers.LayerNormalization,
               encoder_kernel=3, upsampling_kernel=4, name='vqvae'):
    super().__init__(name=name)
    if any(n < 1 or n & (n - 1) for n in downsampling) or max(downsampling) == 1:
      raise ValueError('VQVAE.downsampling takes three powers of two, one above 1; '
                       f'got {tuple(downsampling)}')
    self.quantizer = quantizer
    self.downsampling = tuple(downsampling)
    self.hidden = hidden
    self.residual_units = residual_units
    self.residual_layers = residual_layers
    self.attention = attention
    self.norm = norm
    self.encoder_kernel = encoder_kernel
    self.upsampling_kernel = upsampling_kernel

  def latent_shape(self, clip_shape):
    """(T, H, W, C) of a clip -> (t, h, w) of its latents.

    Raises:
      ValueError: where the factors do not divide it.
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
    position = (
        positions.SpatioTemporalEmbedding(latent_shape, self.hidden) if self.attention else None)
    # No other variable tells factors apart, and a prior must not read codes of other factors.
    self.stored_downsampling = self.add_weight(
        name='downsampling', shape=[3], dtype=tf.int32, trainable=False,
        initializer=lambda shape, dtype: tf.constant(self.downsampling, dtype),
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    strides = _halvings(self.downsampling)
    self.encoder = self._encoder(strides, position)
    self.to_latents = tf.keras.layers.Conv3D(
        self.quantizer.codebooks * self.quantizer.dim, 1, name='to_latents')
    self.from_latents = tf.keras.layers.Conv3D(self.hidden, 1, name='from_latents')
    self.decoder = self._decoder(strides[::-1], position, clip_shape[-1])
    self.built = True  # Keras's own build would call the model with an unknown batch size
    self(tf.zeros((1,) + clip_shape))

  def _residual_stack(self, position, name):
    blocks = [AttentionResidualBlock(self.hidden, self.residual_units, self.norm, position,
                                     name=f'{name}_block_{i}')
              for i in range(self.residual_layers)]
    return blocks + [self.norm(name=f'{name}_norm'), tf.keras.layers.ReLU()]

  def _encoder(self, strides, position):
    stages = [tf.keras.layers.Conv3D(self.hidden, self.encoder_kernel, s, 'same',
                                     activation='relu', name=f'down_{i}')
              for i, s in enumerate(strides)]
    last = tf.keras.layers.Conv3D(self.hidden, 3, padding='same', name='encoder_convolution')
    return stages + [last] + self._residual_stack(position, 'encoder')

  def _decoder(self, strides, position, channels):
    stages = []
    for i, s in enumerate(strides):
      last = i == len(strides) - 1
      stages.append(tf.keras.layers.Conv3DTranspose(
          channels if last else self.hidden, self.upsampling_kernel, s, 'same', name=f'up_{i}',
          activation=None if last else 'relu'))
    return self._residual_stack(position, 'decoder') + stages

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
    """Codes' vectors [B, t, h, w, codebooks * dim] -> float32 [B, T, H, W, C] about [-0.5, 0.5]."""
    h = self.from_latents(vectors)
    for layer in self.decoder:
      h = layer(h, training=training)
    return tf.cast(h, tf.float32)

  def decode_codes(self, codes):
    """int32 [B, t, h, w, codebooks] -> float32 [B, T, H, W, C], about [-0.5, 0.5]."""
    return self.decode(self.quantizer.lookup(codes))

  def call(self, video, training=False, seed=None):
    """Reconstruction float32 [B, T, H, W, C], and the quantizer's `Quantized`."""
    quantized = self.quantizer(self.encode(video, training=training), training=training, seed=seed)
    return self.decode(quantized.vectors, training=training), quantized
