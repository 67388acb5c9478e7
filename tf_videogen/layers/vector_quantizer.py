"""Vector quantization with EMA codebooks (VideoGPT, sections 2.1 and 4.1).

The codebook loss is replaced by exponential moving averages (section 2.1). Initialization and
restarts follow Jukebox. At the first training step, the codes are copies of random encoder outputs.
At every step, codes that are used less than once per step (on average) are replaced by random
encoder outputs of the batch. Counts, sums and the random rows come from the GLOBAL batch, so any
number of replicas keeps the same codebook.

With several codebooks (Table 7), the channels are sliced, and each slice has its own codebook.
"""
import typing

import tensorflow as tf

from tf_videogen.layers import full_precision
from tf_videogen.layers import randomness
from tf_videogen.layers import replicas


class Quantized(typing.NamedTuple):
  """The results of a VectorQuantizer.

  Attributes:
    vectors: vectors e of the codes, [B, ..., codebooks * dim], with straight-through gradients.
    codes: int32 [B, ..., codebooks].
    commitment: the commitment loss, a scalar: the mean of (z - sg(e))^2.
  """
  vectors: tf.Tensor
  codes: tf.Tensor
  commitment: tf.Tensor


class VectorQuantizer(tf.keras.layers.Layer):
  """Nearest codes, straight-through gradients, EMA updates.

  It always computes in float32; on a TPU this includes products. For GPUs see `full_precision`.

  Args:
    codes: K, number of codes of a codebook.
    dim: length of a code's vector.
    codebooks: C, number of codebooks; the input has C * dim channels.
    decay: decay of the moving averages of counts and sums.
    restart_threshold: a code whose average count per step falls below it is replaced; with 0, none
      is.
    epsilon: smoothing of the counts, N <- (N + epsilon) / (n + K epsilon) n, n the sum of counts.

  Call arguments:
    z: encoder outputs, [B, ..., C * dim].
    training: whether to update the codebooks.
    seed: int32 [2], for the random encoder outputs; only in training.

  Returns:
    Quantized.

  Raises:
    ValueError: if z does not have C * dim channels.
  """

  def __init__(self, codes=1024, dim=256, codebooks=1, decay=0.99, restart_threshold=1.0,
               epsilon=1e-7, name='vector_quantizer'):
    super().__init__(name=name, dtype='float32')
    self.codes = codes
    self.dim = dim
    self.codebooks = codebooks
    self.decay = decay
    self.restart_threshold = restart_threshold
    self.epsilon = epsilon

  def build(self, input_shape):
    if input_shape[-1] != self.codebooks * self.dim:
      raise ValueError(f'the quantizer needs {self.codebooks} x {self.dim} channels, '
                       f'got {input_shape[-1]}')
    def state(name, shape, initializer):
      return self.add_weight(name, shape, initializer=initializer, trainable=False,
                             aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
    vectors = [self.codebooks, self.codes, self.dim]
    self.codebook = state('codebook', vectors, tf.keras.initializers.RandomNormal(stddev=1.0))
    self.counts = state('counts', vectors[:2], 'ones')
    self.sums = state('sums', vectors, 'zeros')
    self.initialized = state('initialized', [], 'zeros')
    super().build(input_shape)

  def nearest(self, z, codebook):
    """Nearest codes of z [C, N, dim] in `codebook` [C, K, dim]: int32 [C, N]."""
    # |z - e|^2 = |z|^2 - 2 z e + |e|^2, and |z|^2 is the same for every code.
    distances = (tf.reduce_sum(codebook**2, -1)[:, None]
                 - 2 * full_precision.matmul(z, codebook, transpose_w=True))
    return tf.argmin(distances, axis=-1, output_type=tf.int32)

  def lookup(self, codes):
    """Vectors of codes: int32 [..., C] -> float32 [..., C * dim]."""
    return self._vectors(codes, self.codebook)

  def _vectors(self, codes, codebook):
    offsets = tf.range(self.codebooks) * self.codes
    rows = tf.reshape(codebook, [self.codebooks * self.codes, self.dim])
    vectors = tf.gather(rows, codes + offsets)  # [..., C, dim]
    return tf.reshape(vectors, codes.shape[:-1] + [self.codebooks * self.dim])

  def call(self, z, training=False, seed=None):
    z = tf.cast(z, tf.float32)
    flat = tf.reshape(z, [-1, self.codebooks, self.dim])
    flat = tf.stop_gradient(tf.transpose(flat, [1, 0, 2]))  # [B, ..., C * dim] -> [C, N, dim]
    codebook = tf.convert_to_tensor(self.codebook)
    if training:
      candidates = self._candidates(flat, seed)
      codebook = tf.where(self.initialized > 0, codebook, candidates)
    nearest = self.nearest(flat, codebook)  # [C, N]
    codes = tf.reshape(tf.transpose(nearest), z.shape[:-1] + [self.codebooks])
    vectors = self._vectors(codes, codebook)
    if training:
      self._update(flat, nearest, codebook, candidates)
    commitment = tf.reduce_mean((z - tf.stop_gradient(vectors))**2)
    return Quantized(z + tf.stop_gradient(vectors - z), codes, commitment)

  def _candidates(self, flat, seed):
    """Random encoder outputs of the global batch: [C, N, dim] -> [C, K, dim].

    If there are fewer than K, they are repeated, and small noise is added.
    """
    available = flat.shape[1] * replicas.count()
    copies = -(-self.codes // available)
    order = tf.math.top_k(randomness.uniform([copies * available], seed), self.codes).indices
    rows = tf.reshape(tf.transpose(flat, [1, 0, 2]), [flat.shape[1], -1])  # [N, C * dim]
    rows = replicas.global_rows(rows, order % available)
    rows = tf.transpose(tf.reshape(rows, [self.codes, self.codebooks, self.dim]), [1, 0, 2])
    if copies > 1:
      noise = randomness.normal(rows.shape, randomness.fold_in(seed, 1))
      rows += noise * 0.01 / self.dim**0.5
    return rows

  def _update(self, flat, nearest, codebook, candidates):
    """EMA of counts and sums, the codebook as their smoothed quotient, restarts of unused codes."""
    one_hot = tf.one_hot(nearest, self.codes)  # [C, N, K]
    counts, sums = replicas.total(
        [tf.reduce_sum(one_hot, 1), full_precision.matmul(one_hot, flat, transpose_x=True)])
    first = self.initialized <= 0
    old_counts = tf.where(first, tf.ones_like(counts), self.counts)
    old_sums = tf.where(first, codebook, self.sums)
    counts = self.decay * old_counts + (1 - self.decay) * counts
    sums = self.decay * old_sums + (1 - self.decay) * sums
    total = tf.reduce_sum(counts, axis=-1, keepdims=True)
    smoothed = (counts + self.epsilon) / (total + self.codes * self.epsilon) * total
    used = counts >= self.restart_threshold
    codebook = tf.where(used[..., None], sums / smoothed[..., None], candidates)
    replicas.assign([self.codebook, self.counts, self.sums, self.initialized],
                    [codebook, counts, sums, tf.constant(1.0)])
