"""VideoGPT's second stage: a GPT over the VQ-VAE's codes (section 3, "Learning a Prior"; Table 9).

The network, from codes to logits:

    codes [B, t, h, w, codebooks], in raster order, codebooks innermost
      -> their codebook vectors -> linear map -> shifted right by a learned start symbol
      -> + position embedding
      -> `layers` x (norm, causal attention [, norm, cross-attention to conditioning frames],
                     norm, feed-forward), each residual
      -> norm -> logits over the codes, from a map that starts at zero

The blocks follow Image-GPT: pre-norm, and the activation x sigmoid(1.702 x). Dropout follows each
attention and feed-forward layer. The paper trains Sparse Transformers (section 4.1), so
`SparseCausalAttention` is the default pattern. `CausalAttention` is the full one.

Conditioning frames enter through a 3-D ResNet and cross-attention. Classes and actions enter
through conditional layer norm. The actions of a clip are one flattened vector.

With several codebooks (Table 7), the sequence has t * h * w * codebooks tokens, and its positions
have a fourth axis. All codebooks share the input map and the output map, as in the authors' code.
The epsilon of the norms and the activation are also from this code.

Gin files: `gin/videogpt/*_prior*.gin`.
"""

import typing

import tensorflow as tf

from tf_videogen.layers import attention as attention_layers
from tf_videogen.layers import conditional_norm
from tf_videogen.layers import positions
from tf_videogen.layers import randomness
from tf_videogen.layers import rematerialization


class Conditions(typing.NamedTuple):
  """The conditions that a clip is generated from; None if the model does not take them.

  Attributes:
    frames: [B, M, D], the encoded conditioning frames.
    vector: [B, C], classes (one-hot) and actions (flattened), concatenated.
  """
  frames: typing.Optional[tf.Tensor] = None
  vector: typing.Optional[tf.Tensor] = None


def quick_gelu(x):
  """Computes x sigmoid(1.702 x), Image-GPT's activation."""
  return x * tf.sigmoid(1.702 * x)


class TransformerBlock(tf.keras.layers.Layer):
  """Self-attention, cross-attention if there are frames, feed-forward; pre-norm, all residual.

  Args:
    pattern: a causal attention pattern of `layers.attention`.
    width: D, number of channels.
    heads: number of attention heads.
    feedforward: hidden width of the feed-forward layer.
    dropout: dropout rate, after each of the two or three layers.
    depth: L, number of blocks of the network. The output map of self-attention is initialized with
      a standard deviation of 1 / sqrt(D L).
    cross_attention: a layer that reads conditioning frames, or None.
    condition_size: size of the conditional vector, 0 for none.
    norm: a callable that makes a ConditionalLayerNorm.
  """

  def __init__(self, pattern, width, heads, feedforward, dropout, depth, cross_attention=None,
               condition_size=0, norm=conditional_norm.ConditionalLayerNorm, name=None):
    super().__init__(name=name)
    self.dropout = dropout
    self.condition_size = condition_size
    self.attention = attention_layers.MultiHeadAttention(
        heads, pattern, output_stddev=(width * depth)**-0.5)
    self.cross_attention = cross_attention
    self.norms = [norm(name=f'norm_{i}') for i in range(2 if cross_attention is None else 3)]
    self.expand = tf.keras.layers.Dense(feedforward, activation=quick_gelu, name='expand')
    self.contract = tf.keras.layers.Dense(width, name='contract')

  def build(self, input_shape):
    for norm in self.norms:
      norm.build(input_shape)
      if self.condition_size:
        norm.build_condition(self.condition_size)
    super().build(input_shape)

  def call(self, x, conditions, seed=None):
    """x [B, N, D] -> [B, N, D]; a `seed`, int32 [2], turns dropout on."""
    seeds = [None if seed is None else randomness.fold_in(seed, i) for i in range(4)]
    h = self.attention(self.norms[0](x, conditions.vector), seed=seeds[3])
    x += randomness.dropout(h, self.dropout, seeds[0])
    if self.cross_attention is not None:
      h = self.cross_attention(self.norms[1](x, conditions.vector), conditions.frames)
      x += randomness.dropout(h, self.dropout, seeds[1])
    h = self.contract(self.expand(self.norms[-1](x, conditions.vector)))
    return x + randomness.dropout(h, self.dropout, seeds[2])

  def step(self, x, cache, t, conditions, frames_kv):
    """Computes the block at position t alone: x [B, 1, D] -> ([B, 1, D], cache)."""
    h, cache = self.attention.step(self.norms[0](x, conditions.vector), cache, t)
    x += h
    if self.cross_attention is not None:
      x += self.cross_attention.step_context(self.norms[1](x, conditions.vector), frames_kv)
    return x + self.contract(self.expand(self.norms[-1](x, conditions.vector))), cache


class LatentTransformer(tf.keras.layers.Layer):
  """The prior: the distribution of each code, given the codes before it.

  Args:
    layers: number of transformer blocks.
    width: D, number of channels.
    heads: number of attention heads.
    feedforward: hidden width of the feed-forward layers.
    dropout: dropout rate after attention and feed-forward layers, in training.
    attention: a class of causal attention patterns, called with the shape of the latents.
    norm: a callable that makes a ConditionalLayerNorm.
    codebook_axis: whether positions have an axis for codebooks even if there is only one codebook.
      With several codebooks they always have it.
    cross_values: number of channels of cross-attention's values, all heads together; the width if
      None.
    rematerialize: whether training keeps only a block's input and computes the block again in the
      backward pass. This takes less memory and a third more arithmetic.
  """

  def __init__(self, layers=16, width=512, heads=4, feedforward=2048, dropout=0.2,
               attention=attention_layers.SparseCausalAttention,
               norm=conditional_norm.ConditionalLayerNorm, codebook_axis=True, cross_values=None,
               rematerialize=False, name='prior'):
    super().__init__(name=name)
    self.layers = layers
    self.width = width
    self.heads = heads
    self.feedforward = feedforward
    self.dropout = dropout
    self.attention = attention
    self.make_norm = norm
    self.codebook_axis = codebook_axis
    self.cross_values = cross_values
    self.rematerialize = rematerialize

  def build_for(self, latent_shape, quantizer, cross_attention, condition_size):
    """Creates the layers.

    Args:
      latent_shape: (t, h, w) of the codes of each codebook.
      quantizer: the VQ-VAE's VectorQuantizer.
      cross_attention: whether the blocks read conditioning frames.
      condition_size: size of the conditional vector, 0 for none.
    """
    self.codebooks, self.codes = quantizer.codebooks, quantizer.codes
    codebook_axis = (self.codebooks,) if self.codebook_axis or self.codebooks > 1 else ()
    self.shape = tuple(latent_shape) + codebook_axis
    self.tokens = int(tf.TensorShape(self.shape).num_elements())
    normal = tf.keras.initializers.RandomNormal
    self.embedding = self.add_weight(
        'embedding', [quantizer.dim, self.width], initializer=normal(stddev=0.02))
    self.start = self.add_weight('start', [self.width], initializer=normal(stddev=0.02))
    self.position = positions.SpatioTemporalEmbedding(self.shape, self.width, name='position')
    pattern = self.attention(self.shape)
    self.blocks = [
        TransformerBlock(pattern, self.width, self.heads, self.feedforward, self.dropout,
                         self.layers, self._cross_attention() if cross_attention else None,
                         condition_size, self.make_norm, name=f'block_{i}')
        for i in range(self.layers)]
    self.norm = self.make_norm(name='norm')
    self.norm.build((None, None, self.width))
    if condition_size:
      self.norm.build_condition(condition_size)
    self.output_map = self.add_weight(
        'output_map', [self.width, self.codes], initializer='zeros')

  def _cross_attention(self):
    return attention_layers.MultiHeadAttention(
        self.heads, output_stddev=(self.width * self.layers)**-0.5, value_width=self.cross_values)

  def call(self, vectors, conditions, seed=None):
    """Computes the logits of whole clips.

    Args:
      vectors: [B, N, dim], codebook vectors of the N tokens.
      conditions: Conditions.
      seed: int32 [2], which turns dropout on; off if None.

    Returns:
      float32 [B, N, K]. Row t depends only on the tokens before t.
    """
    x = tf.matmul(tf.cast(vectors, self.compute_dtype),
                  tf.cast(self.embedding, self.compute_dtype))
    start = tf.broadcast_to(tf.cast(self.start, x.dtype), [tf.shape(x)[0], 1, self.width])
    x = tf.concat([start, x[:, :-1]], axis=1)
    # [t, h, w, C, D] -> [N, D]
    x += tf.reshape(self.position.grid(), [self.tokens, self.width])
    for i, block in enumerate(self.blocks):
      x = self._block(block, x, conditions, None if seed is None else randomness.fold_in(seed, i))
    x = self.norm(x, conditions.vector)
    return tf.cast(tf.matmul(x, tf.cast(self.output_map, x.dtype)), tf.float32)

  def _block(self, block, x, conditions, seed):
    if not self.rematerialize or not block.built:
      return block(x, conditions, seed)
    given = [c for c in conditions if c is not None]

    def again(x, *given):
      given = iter(given)
      return block(x, Conditions(*(None if c is None else next(given) for c in conditions)), seed)

    return rematerialization.rematerialize(again)(x, *given)

  def initial_caches(self, batch_size, tokens=None):
    """Returns empty keys and values for each block, with room for `tokens`, N by default."""
    return [block.attention.initial_cache(batch_size, tokens) for block in self.blocks]

  def extend_caches(self, caches, tokens):
    """Returns the caches with room for `tokens` in total."""
    return [block.attention.extend_cache(cache, tokens)
            for block, cache in zip(self.blocks, caches)]

  def frames_kv(self, conditions):
    """Returns each block's keys and values of the conditioning frames, None if there are none."""
    if conditions.frames is None:
      return [None] * self.layers
    return [block.cross_attention.project_context(conditions.frames) for block in self.blocks]

  def step(self, previous, t, caches, conditions, frames_kv):
    """Computes the logits of token t alone, given the codebook vector of token t - 1.

    Args:
      previous: [B, dim], codebook vector of token t - 1; ignored if t is 0.
      t: int32 scalar.
      caches: from `initial_caches` or the previous step, filled up to token t - 1.
      conditions: Conditions.
      frames_kv: from `frames_kv`.

    Returns:
      (float32 logits [B, K], caches)
    """
    embedding = tf.cast(self.embedding, self.compute_dtype)
    x = tf.matmul(tf.cast(previous, self.compute_dtype), embedding)
    x = tf.where(t > 0, x, tf.cast(self.start, x.dtype))
    x += tf.gather(tf.reshape(self.position.grid(), [self.tokens, self.width]), t)
    x, new_caches = x[:, None], []
    for block, cache, kv in zip(self.blocks, caches, frames_kv):
      x, cache = block.step(x, cache, t, conditions, kv)
      new_caches.append(cache)
    x = self.norm(x, conditions.vector)
    logits = tf.matmul(x[:, 0], tf.cast(self.output_map, x.dtype))
    return tf.cast(logits, tf.float32), new_caches


class VideoGPT(tf.keras.Model):
  """VQ-VAE (frozen) and prior.

  Args:
    vqvae: a trained VQVAE; it is never trained here.
    prior: a LatentTransformer.
    frame_encoder: a layer that encodes the conditioning frames, [B, T, H, W, C] ->
      [B, T, h, w, D], such as ResNet3D; None if there are none. It is called with `training`.
    conditioning_frames: number of first frames that are given, 0 for none.
    classes: number of classes of the clips' labels; 0 if the model takes no labels.
    actions: size of a clip's flattened actions; 0 if the model takes none (BAIR: 16 frames x 4 =
      64; ViZDoom: 15 x 4 = 60, one action between each two frames).

  Raises:
    ValueError: if only one of `frame_encoder` and `conditioning_frames` is given.
  """

  def __init__(self, vqvae, prior, frame_encoder=None, conditioning_frames=0, classes=0, actions=0,
               name='videogpt'):
    super().__init__(name=name)
    if (frame_encoder is None) != (conditioning_frames == 0):
      raise ValueError('VideoGPT.frame_encoder and VideoGPT.conditioning_frames go together: '
                       'give both or neither')
    self.vqvae = vqvae
    self.vqvae.trainable = False
    self.prior = prior
    self.frame_encoder = frame_encoder
    self.conditioning_frames = conditioning_frames
    self.classes = classes
    self.actions = actions

  def build(self, input_shape):
    """Creates the variables for clips [B, T, H, W, C]."""
    clip_shape = tuple(input_shape[1:])
    if not self.vqvae.built:
      self.vqvae.build(input_shape)
    self.latent_shape = self.vqvae.latent_shape(clip_shape)
    self.prior.build_for(self.latent_shape, self.vqvae.quantizer, self.frame_encoder is not None,
                         self.classes + self.actions)
    if self.frame_encoder is not None:
      frames = self.frame_encoder(tf.zeros((1, self.conditioning_frames) + clip_shape[1:]))
      self.frame_position = positions.SpatioTemporalEmbedding(
          frames.shape[1:4], frames.shape[4], name='frame_position')
    self.built = True  # Keras's own build would call the model with an unknown batch size
    conditions = self.conditions(
        tf.zeros((1,) + clip_shape), tf.zeros([1], tf.int32), tf.zeros([1, self.actions]))
    self(tf.zeros((1,) + self.latent_shape + (self.vqvae.quantizer.codebooks,), tf.int32),
         conditions)

  def conditions(self, video=None, label=None, actions=None, training=False):
    """Encodes the conditions of clips. Those that the model does not take are ignored.

    Args:
      video: float [B, T, H, W, C] in [-0.5, 0.5]; only the first `conditioning_frames` are read.
      label: int [B].
      actions: float [B, T, A], or flattened [B, T * A].
      training: whether the frame encoder is in training, which matters to batch normalization.

    Returns:
      Conditions.

    Raises:
      ValueError: if a condition that the model takes is missing, or the actions have another size.
    """
    wanted = {'video': self.frame_encoder, 'label': self.classes, 'actions': self.actions}
    given = {'video': video, 'label': label, 'actions': actions}
    for name in wanted:
      if wanted[name] and given[name] is None:
        raise ValueError(f'this VideoGPT is conditioned on {name}, but the batch has none')
    frames, parts = None, []
    if self.frame_encoder is not None:
      frames = self.frame_encoder(video[:, :self.conditioning_frames], training=training)
      frames += tf.cast(self.frame_position.grid(), frames.dtype)
      # [B, T, h, w, D] -> [B, T * h * w, D]
      frames = tf.reshape(frames, [-1, frames.shape[1:4].num_elements(), frames.shape[4]])
    if self.classes:
      parts.append(tf.one_hot(label, self.classes))
    if self.actions:
      parts.append(self._flat_actions(tf.cast(actions, tf.float32)))
    return Conditions(frames, tf.concat(parts, axis=1) if parts else None)

  def _flat_actions(self, actions):
    """[B, T, A] or [B, actions] -> [B, actions]; drops the last frame's action if it is extra."""
    shape = actions.shape[1:]
    size, per_frame = shape.num_elements(), shape[1] if shape.rank == 2 else 0
    if self.actions not in (size, size - per_frame):
      raise ValueError(f'VideoGPT.actions = {self.actions}, but the clips have '
                       f'{" x ".join(map(str, shape))} numbers of actions')
    return tf.reshape(actions, [-1, size])[:, :self.actions]  # [B, T, A] -> [B, T * A]

  def call(self, codes, conditions, seed=None):
    """Codes int32 [B, t, h, w, C] -> float32 logits [B, N, K]; a `seed` turns dropout on."""
    vectors = self.vqvae.quantizer.lookup(codes)
    # [B, t, h, w, C * dim] -> [B, N, dim]
    vectors = tf.reshape(vectors, [-1, self.prior.tokens, self.vqvae.quantizer.dim])
    return self.prior(vectors, conditions, seed)

  def sample_codes(self, batch_size, conditions, seed, temperature=1.0, top_k=None, top_p=None,
                   segments=4):
    """Draws codes token by token with cached keys and values.

    Args:
      batch_size: B, number of clips, a Python integer.
      conditions: Conditions of B clips.
      seed: int32 [2].
      temperature: divides the logits.
      top_k: number of the most likely codes that are kept; all if None.
      top_p: probability of the smallest set of most likely codes that is kept; 1 if None.
      segments: number of segments of the loop over tokens. The caches grow from segment to segment,
        so that a token's cost grows with the number of tokens before it.

    Returns:
      int32 [B, t, h, w, codebooks].
    """
    prior, quantizer = self.prior, self.vqvae.quantizer
    frames_kv = prior.frames_kv(conditions)
    rows = tf.reshape(quantizer.codebook, [-1, quantizer.dim])  # [C, K, dim] -> [C * K, dim]

    def draw(t, code, caches):
      previous = tf.gather(rows, (t - 1) % prior.codebooks * prior.codes + code)
      logits, caches = prior.step(previous, t, caches, conditions, frames_kv)
      logits = randomness.truncate_logits(logits / temperature, top_k, top_p)
      return randomness.categorical(logits, randomness.fold_in(seed, t)), caches

    segments = min(segments, prior.tokens)
    bounds = [prior.tokens * i // segments for i in range(segments + 1)]
    caches = prior.initial_caches(batch_size, bounds[1])
    code, drawn = tf.zeros([batch_size], tf.int32), []
    for start, end in zip(bounds, bounds[1:]):
      def token(t, code, caches, codes, start=start):
        code, caches = draw(t, code, caches)
        return t + 1, code, caches, codes.write(t - start, code)

      caches = prior.extend_caches(caches, end)
      codes = tf.TensorArray(tf.int32, end - start, element_shape=[batch_size])
      _, code, caches, codes = tf.while_loop(
          lambda t, *_, end=end: t < end, token, (tf.constant(start), code, caches, codes),
          maximum_iterations=end - start)
      drawn.append(codes.stack())
    codes = tf.transpose(tf.concat(drawn, axis=0))  # [N, B] -> [B, N]
    return tf.reshape(codes, (batch_size,) + self.latent_shape + (quantizer.codebooks,))
