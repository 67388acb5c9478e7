"""Projection heads: from a discriminator's features to its outputs, given a class.

Miyato and Koyama, "cGANs with Projection Discriminator", ICLR 2018. TrIVD-GAN (Luc et al., 2020),
appendix E.1, mixes the outputs over the batch. Without classes there is one dummy class, a learned
vector.

A head has a linear map with C + 1 parameters and an embedding with classes x C parameters. Both are
spectrally normalized. Heads compute in float32. A batch consists of equal parts, such as real and
fake, one after the other.
"""

import tensorflow as tf

from tf_videogen.layers import replicas
from tf_videogen.layers import spectral_norm


class Projection(tf.keras.layers.Layer):
  """One output per clip and time step: r_x + r_xy.

  Frames are judged one by one, as in the mixed variant; `ClipProjection` judges a clip. The label
  -1 is for a clip of unknown class; its embedding is zero.

  Args:
    classes: number of classes. If it is 1, labels are ignored and may be None.
  """

  def __init__(self, classes=1, name=None):
    super().__init__(name=name, dtype='float32')
    self.classes = classes

  def build(self, shape):
    self.linear = spectral_norm.SpectralKernel([shape[-1], 1], name='linear')
    self.bias = self.add_weight('bias', [], initializer='zeros')
    self.embedding = spectral_norm.SpectralKernel([self.classes, shape[-1]], name='embedding')
    super().build(shape)

  def call(self, features, labels=None, parts=1, training=False):
    """Outputs of every part.

    Args:
      features: [parts * B, T, C].
      labels: int32 [B], the same for every part; or [parts * B], for all parts one after the other.
      parts: number of parts of the batch.
      training: whether the power iterations of spectral normalization move on.

    Returns:
      A list of `parts` tensors, float32 [B, T].
    """
    r_x, r_xy = self._scores(features, labels, parts, training)
    return tf.split(r_x + r_xy, parts)

  def _scores(self, features, labels, parts, training):
    """r_x of the features alone and r_xy of features and class: [parts * B, T] each."""
    # Sums of products, not matrix products, whose factors a TPU rounds to bfloat16.
    linear = self.linear.value(training)[:, 0]
    embedding = self.embedding.value(training)  # [classes, C]
    if self.classes > 1:
      labels = tf.convert_to_tensor(labels)
      if labels.shape[0] != features.shape[0]:
        labels = tf.tile(labels, [parts])
      known = tf.cast(labels >= 0, tf.float32)[:, tf.newaxis]
      embedding = known * tf.gather(embedding, tf.maximum(labels, 0))  # [parts * B, C]
    r_x = tf.reduce_sum(features * linear, -1) + self.bias
    return r_x, tf.reduce_sum(features * embedding[:, tf.newaxis], -1)


class ClipProjection(Projection):
  """One output per clip, the plain projection of appendix E.1: r_x + r_xy of sums over time.

  "The discriminator output o_b, consisting of a single scalar per sample b."
  """

  def call(self, features, labels=None, parts=1, training=False):
    """See `Projection.call`, but the outputs are [B, 1]."""
    return super().call(
        tf.reduce_sum(features, 1, keepdims=True), labels, parts=parts, training=training)


class MixedProjection(Projection):
  """Eq. 15: outputs for all pairs of clips of a part, r_x of one clip and r_xy of the other.

  o[b, b', t] = r_x[b, t] + sum over t' of r_xy[b', t']. The loss is a mean over the outputs
  (Eq. 13). Their number D is B x B x T of the global batch.

  Args:
    classes: number of classes. If it is 1, labels are ignored and may be None.
    gather: whether b' runs over the clips of all replicas. If not, it runs over the replica's own.
  """

  def __init__(self, classes=1, gather=True, name=None):
    super().__init__(classes, name=name)
    self.gather = gather

  def call(self, features, labels=None, parts=1, training=False):
    """See `Projection.call`, but the outputs are [B, B', T].

    With `gather`, B' counts the clips of all replicas, in the order of the replicas. Without it, B'
    is B.
    """
    r_x, r_xy = self._scores(features, labels, parts, training)
    others = tf.stack(tf.split(tf.reduce_sum(r_xy, 1), parts), 1)  # [parts * B] -> [B, parts]
    if self.gather:
      others = replicas.gathered(others)  # [B', parts]
    return [own[:, tf.newaxis] + other[:, tf.newaxis]  # [B, 1, T] + [B', 1]
            for own, other in zip(tf.split(r_x, parts), tf.unstack(others, axis=1))]
