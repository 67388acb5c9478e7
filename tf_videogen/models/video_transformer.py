"""Video Transformer: autoregressive over slices and pixels (Weissenborn et al. 2020).

"Scaling Autoregressive Video Models" (https://arxiv.org/abs/1906.02634). The model predicts a video
slice by slice, and each slice pixel by pixel:

    a video, uint8 [B, T, H, W, C]
      -> channels of 4 bits, coarse before fine, [B, T, H, W, N_c] (section 3.3)
      -> slices by subscaling, one after the other, [B, t, h, w, N_c] (section 3.2, figure 1)

    slice encoder: the pixels of earlier slices around every pixel of this one, one-hot
      -> strided convolution to d_e (+ axis and slice embeddings [; actions]) -> linear map to d
      -> L layers of block-local self-attention, z^L (section 3.1, Eqs. 2-6)

    slice decoder: this slice's pixels, summed channel embeddings of d_e
      -> masked 3x3x3 convolution to d (+ axis embeddings) + linear map of z^L, y^0
      -> L layers of masked block-local self-attention, y^L
      -> channel after channel, an MLP of y^L and of the channels before it (Eqs. 7, 8;
         layers/channel_prediction.py)

The base model has 46.0M parameters and the large one 373.3M. The paper rounds them to 46M and 373M.

The paper leaves some points open. Here dense layers have no bias, because the equations have none.
Kernels are initialized with a standard deviation of 1 / sqrt(fan in), embeddings with 0.01, and
relative biases with 0. The encoder also adds a learned embedding of the slice's offsets (a, b, c).
If a slice is a frame, the convolution of its context has no taps on the frames after it, because it
never sees them. The actions of a frame are all actions since the frame before it in its slice.

The separate decoder of the first slice (Kinetics, section 4.3) is a VideoTransformer without an
encoder. It is trained on its own and then passed to the model of the other slices.

Gin files: `gin/video_transformer/*.gin`.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import block_attention
from tf_videogen.layers import channel_prediction
from tf_videogen.layers import linear
from tf_videogen.layers import masked_convolution
from tf_videogen.layers import pixel_bits
from tf_videogen.layers import positions
from tf_videogen.layers import rematerialization
from tf_videogen.layers import subscaling
from tf_videogen.layers import xla_context
from tf_videogen.models import slice_sampling


class TransformerLayer(tf.keras.layers.Layer):
  """A transformer layer, Eqs. 2 to 6: attention, then a pair of dense layers.

  Both parts have a layer norm before them and a residual connection.

  Args:
    attention: a BlockLocalAttention.
    width: d, number of channels.
  """

  def __init__(self, attention, width, name=None):
    super().__init__(name=name)
    self.attention = attention
    self.norms = [tf.keras.layers.LayerNormalization(epsilon=1e-6, name=f'norm_{i}')
                  for i in range(2)]
    self.t_1 = linear.linear(width, 't_1', activation='relu')
    self.t_2 = linear.linear(width, 't_2')

  def call(self, z, caching=False):
    """z [B, t, h, w, D] -> z' [B, t, h, w, D]; if `caching`, also the cache for `step`."""
    if not caching:
      return self._feedforward(z + self.attention(self.norms[0](z)))  # Eq. 5
    y, cache = self.attention(self.norms[0](z), caching=True)
    return self._feedforward(z + y), cache

  def step(self, z, cache, position, bias):
    """Computes one position of a call: z [B, 1, 1, 1, D] -> ([B, 1, 1, 1, D], cache)."""
    y, cache = self.attention.step(self.norms[0](z), cache, position, bias)
    return self._feedforward(z + y), cache

  def _feedforward(self, z):
    return z + self.t_2(self.t_1(self.norms[1](z)))  # Eq. 6


class LayerStack(tf.keras.layers.Layer):
  """L transformer layers, each with its own shape of blocks and number of heads (section 4.1).

  Args:
    causal: whether positions attend only to themselves and earlier positions, as in the decoder.
    blocks: list of (t, h, w), the shape of each layer's blocks. If there are more layers than
      entries, the list repeats.
    layers: L; if None, one layer per entry of `blocks`.
    heads: n_a; one number for all layers, or a list that is used like `blocks`.
    width: d, number of channels.
    attention: a class like BlockLocalAttention, called with a block, heads, `causal` and `dilated`.
    dilated: indices (from 0) of the layers that use the dual, dilated form of their blocks
      (appendix C).
    rematerialize: whether training keeps only a layer's input and computes the layer again in the
      backward pass.
  """

  def __init__(self, causal, blocks, layers=None, heads=8, width=512,
               attention=block_attention.BlockLocalAttention, dilated=(), rematerialize=False,
               name=None):
    super().__init__(name=name)
    self.width = width
    self.rematerialize = rematerialize
    heads = [heads] if isinstance(heads, int) else list(heads)
    self.layers = []
    for i in range(len(blocks) if layers is None else layers):
      of_layer = attention(blocks[i % len(blocks)], heads[i % len(heads)], causal=causal,
                           dilated=i in dilated)
      self.layers.append(TransformerLayer(of_layer, width, name=f'layer_{i}'))

  def call(self, z, caching=False):
    """z^0 [B, t, h, w, D] -> z^L [B, t, h, w, D]; if `caching`, also the caches for `step`."""
    caches = []
    for layer in self.layers:
      if caching:
        z, cache = layer(z, caching=True)
        caches.append(cache)
      elif self.rematerialize and layer.built:
        z = rematerialization.rematerialize(layer)(z)
      else:
        z = layer(z)
    return (z, caches) if caching else z

  def check(self, shape):
    """Raises a ValueError if the blocks of a layer do not divide slices of shape (t, h, w)."""
    for layer in self.layers:
      block_attention.Blocks(shape, layer.attention.block)

  def biases(self):
    """Returns the biases of the attention scores of all layers, for `step`."""
    return [layer.attention.bias() for layer in self.layers]

  def step(self, z, caches, position, biases):
    """Computes one position of a call: z [B, 1, 1, 1, D] -> ([B, 1, 1, 1, D], caches)."""
    new_caches = []
    for layer, cache, bias in zip(self.layers, caches, biases):
      z, cache = layer.step(z, cache, position, bias)
      new_caches.append(cache)
    return z, new_caches


class SliceEncoder(tf.keras.layers.Layer):
  """Encodes the earlier slices for every pixel of a slice (section 3.2, "Slice Encoder").

  Args:
    stack: a class like LayerStack, called with `causal`.
    embedding: d_e, number of channels of the convolution and the embeddings.
    context_kernel: k = (k_t, k_h, k_w), extent in pixels of the video that the convolution sees
      around a pixel; the subscale factors if None.
    actions: size of a frame's action, 0 for none. A frame is given the s_t actions since the frame
      before it in its slice.
  """

  def __init__(self, stack=LayerStack, embedding=128, context_kernel=None, actions=0,
               name='encoder'):
    super().__init__(name=name)
    self.stack = stack(causal=False)
    self.embedding = embedding
    self.context_kernel = context_kernel
    self.actions = actions

  def build_for(self, subscale, video_shape, channels, pixels):
    """Creates the layers.

    Args:
      subscale: the factors (s_t, s_h, s_w).
      video_shape: (T, H, W).
      channels: N_c, number of channels of a pixel.
      pixels: the PixelBits.
    """
    self.pixels = pixels
    self.subscaling = subscaling.Subscaling(subscale, video_shape, self.context_kernel)
    self.stack.check(self.subscaling.slice_shape)
    self.convolution = linear.linear(self.embedding, 'convolution')
    self.channels = channels
    self.convolution.build([None, np.prod(self.subscaling.window) * pixels.size(channels)])
    self.position_embedding = positions.SpatioTemporalEmbedding(
        self.subscaling.slice_shape, self.embedding, summed=True, name='position_embedding')
    self.slice_embedding = positions.SpatioTemporalEmbedding(
        self.subscaling.factors, self.embedding, summed=True, name='slice_embedding')
    self.projection = linear.linear(self.stack.width, 'projection')

  def call(self, video, index, actions=None):
    """Returns the encoder's output for one slice of each video.

    Args:
      video: channels, int32 [B, T, H, W, N_c]; pixels of this slice and of later ones are not read.
      index: int32 [B], the slice of each video.
      actions: float32 [B, T, A]; may be None if the encoder takes none.

    Returns:
      z^L, [B, t, h, w, D].
    """
    context = self.subscaling.context(video, index)
    # [B, t, h, w, k_t, k_h, k_w, N_c] -> [B, t, h, w, k_t * k_h * k_w * N_c]: the kernel's extent
    # has become channels, so the strided convolution is a matrix product.
    context = tf.reshape(context, [-1, *self.subscaling.slice_shape, np.prod(context.shape[4:])])
    z = self.convolution(self.pixels.features(context, self.compute_dtype, self.channels))
    slices = tf.reshape(self.slice_embedding.grid(), [-1, self.embedding])
    z += self.position_embedding.grid() + tf.gather(slices, index)[
        :, tf.newaxis, tf.newaxis, tf.newaxis]
    if self.actions:
      z = tf.concat([z, tf.cast(self._actions_of_slice(actions, index), z.dtype)], -1)
    return self.stack(self.projection(z))

  def _actions_of_slice(self, actions, index):
    """[B, T, A] -> [B, t, h, w, s_t * A]: the s_t actions that led to each frame."""
    s_t, (t, h, w) = self.subscaling.factors[0], self.subscaling.slice_shape
    before = tf.pad(actions, [[0, 0], [s_t, 0], [0, 0]])
    frames = self.subscaling.frames(index)[..., tf.newaxis] + tf.range(s_t)  # indices in `before`
    rows = tf.gather(before, frames, batch_dims=1)  # [B, t, s_t, A]
    rows = tf.reshape(rows, [-1, t, 1, 1, s_t * actions.shape[-1]])
    return tf.broadcast_to(rows, [tf.shape(rows)[0], t, h, w, rows.shape[-1]])


class SliceDecoder(tf.keras.layers.Layer):
  """Models a slice pixel by pixel (section 3.2, "Slice Decoder", and section 3.3).

  It is conditioned on the encoder's output.

  Args:
    stack: a class like LayerStack, called with `causal`.
    predictor: a class of `channel_prediction`: ChannelPredictor or IntensityPredictor.
    embedding: d_e, number of channels of the embedded pixels.
    kernel: extent (t, h, w) of the masked convolution.
  """

  def __init__(self, stack=LayerStack, predictor=channel_prediction.ChannelPredictor, embedding=128,
               kernel=(3, 3, 3), name='decoder'):
    super().__init__(name=name)
    self.stack = stack(causal=True)
    self.predictor = predictor()
    self.embedding = embedding
    self.extent = kernel

  def build_for(self, slice_shape, channels, pixels, conditional):
    """Creates the layers.

    Args:
      slice_shape: (t, h, w).
      channels: N_c, number of channels of a pixel.
      pixels: the PixelBits.
      conditional: whether there is an encoder.
    """
    self.slice_shape, self.pixels = tuple(slice_shape), pixels
    self.stack.check(self.slice_shape)
    # The sum of the embeddings of N_c channels is a matrix product with their one-hot vectors.
    self.embed = linear.linear(self.embedding, 'embed')
    self.embed.build([None, pixels.size(channels)])
    self.convolution = masked_convolution.MaskedConv3D(
        self.stack.width, self.extent, name='convolution')
    self.position_embedding = positions.SpatioTemporalEmbedding(
        slice_shape, self.stack.width, summed=True, name='position_embedding')
    if conditional:
      self.condition = linear.linear(self.stack.width, 'condition')
      self.condition.build([None, self.stack.width])
    self.predictor.build_for(self.stack.width, channels, pixels)

  def embedded(self, channels):
    """Embeds the channels of pixels: int32 [..., N_c] -> [..., d_e]."""
    return self.embed(self.pixels.features(channels, self.compute_dtype, channels.shape[-1]))

  def offset(self, z):
    """Returns the tensor that is added to the masked convolution's output.

    It is the position embedding, [t, h, w, D]. If z is not None, it also has the linear map of z,
    the encoder's output, and is [B, t, h, w, D].
    """
    offset = self.position_embedding.grid()
    return offset if z is None else offset + self.condition(z)

  def call(self, channels, z):
    """int32 [B, t, h, w, N_c], z^L [B, t, h, w, D] or None -> y^L [B, t, h, w, D].

    Of the slice's channels, y^L of a pixel sees only those of the pixels before it.
    """
    return self.stack(self.convolution(self.embedded(channels)) + self.offset(z))


class VideoTransformer(tf.keras.Model):
  """The distribution of a video's channels (Eq. 1), slice by slice.

  Args:
    subscale: the subscale factors s = (s_t, s_h, s_w).
    decoder: a SliceDecoder.
    encoder: a SliceEncoder; None for a model of the first slice alone.
    first_slice: a trained VideoTransformer without an encoder, which models the first slice and is
      never trained here. If None, this model treats the first slice like the others.
    pixels: a PixelBits; with 4 bits per channel if None.
  """

  def __init__(self, subscale, decoder, encoder=None, first_slice=None, pixels=None,
               name='video_transformer'):
    super().__init__(name=name)
    if first_slice is not None:
      first_slice.trainable = False
    self.subscale = tuple(subscale)
    self.encoder = encoder
    self.decoder = decoder
    self.first_slice = first_slice
    self.pixels = pixels or pixel_bits.PixelBits()

  def build(self, input_shape):
    """Creates the variables for videos [B, T, H, W, C]."""
    self.video_shape = tuple(input_shape[1:4])
    self.channels = input_shape[-1] * self.pixels.parts
    self.subscaling = subscaling.Subscaling(self.subscale, self.video_shape)
    if self.first_slice is not None and not self.first_slice.built:
      self.first_slice.build(input_shape)
    if self.encoder is not None:
      self.encoder.build_for(self.subscale, self.video_shape, self.channels, self.pixels)
    self.decoder.build_for(self.subscaling.slice_shape, self.channels, self.pixels,
                           self.encoder is not None)
    self.built = True  # Keras's own build would call the model with an unknown batch size
    actions = None
    if self.encoder is not None and self.encoder.actions:
      actions = tf.zeros([1, self.video_shape[0], self.encoder.actions])
    self(tf.zeros([1, *self.video_shape, self.channels], tf.int32), tf.zeros([1], tf.int32),
         actions)

  @property
  def slices(self):
    """The slices that this model itself predicts, a range of indices."""
    if self.encoder is None:
      return range(1)
    return range(0 if self.first_slice is None else 1, self.subscaling.slices)

  @property
  def generated_slices(self):
    """The slices that it predicts together with `first_slice`, a range of indices."""
    return range(1 if self.encoder is None else self.subscaling.slices)

  def call(self, video, index, actions=None):
    """Returns the negative log-likelihood of each pixel of one slice per video, in nats (Eq. 9).

    It is conditioned on the slices before this one.

    Args:
      video: channels, int32 [B, T, H, W, N_c], from `pixels.split`.
      index: int32 [B], the slice of each video, one of `slices`.
      actions: float32 [B, T, A] if the encoder takes actions.

    Returns:
      float32 [B, t, h, w].
    """
    channels = self.subscaling.slice(video, index)
    y = self.decoder(channels, self._encoded(video, index, actions))
    # [B, t, h, w, D], [B, t, h, w, N_c] -> [B * t * h * w, D], [B * t * h * w, N_c]
    y, channels = (tf.reshape(x, [-1, x.shape[-1]]) for x in (y, channels))
    nll = self.decoder.predictor.nll(y, channels)
    return tf.reshape(nll, [-1, *self.subscaling.slice_shape])

  def owner(self, index):
    """Returns the model that predicts a slice: this one, or `first_slice`."""
    return self if index in self.slices else self.first_slice

  def _encoded(self, video, index, actions):
    return None if self.encoder is None else self.encoder(video, index, actions)

  def sample_slice(self, video, index, first, seed, temperature=1.0, actions=None):
    """Draws one slice of each video, from its pixel `first` on.

    Args:
      video: channels, int32 [B, T, H, W, N_c]. Only the slices before `index`, and this slice's
        pixels before `first`, are read.
      index: int32 [], the slice, one of `slices`.
      first: int32 [], the first pixel to draw, in raster order of the slice.
      seed: int32 [2].
      temperature: divides the logits.
      actions: see `call`.

    Returns:
      int32 [B, T, H, W, N_c], the video with the drawn slice.
    """
    indices = tf.fill([video.shape[0]], index)
    given = self.subscaling.slice(video, indices)
    z = self._encoded(video, indices, actions)
    drawn = slice_sampling.SliceSampler(self.decoder).sample(given, first, z, seed, temperature)
    slices = xla_context.update_slice(
        self.subscaling.split(video), drawn[:, tf.newaxis], [0, index, 0, 0, 0, 0])
    return self.subscaling.join(slices)
