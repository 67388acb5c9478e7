"""Losses as pure functions: tensors in, scalars (or one number an example) out.

All compute in float32.
"""
import tensorflow as tf


def squared_error(prediction, target):
  """Mean squared error an example: [B, ...] twice -> [B]."""
  error = tf.cast(prediction, tf.float32) - tf.cast(target, tf.float32)
  return tf.reduce_mean(error**2, axis=list(range(1, len(error.shape))))


def categorical_nll(logits, codes):
  """Negative log-likelihood of `codes` in nats: [B, N, K], int [B, N] -> [B].

  It is summed over the positions.
  """
  nll = tf.nn.sparse_softmax_cross_entropy_with_logits(codes, tf.cast(logits, tf.float32))
  return tf.reduce_sum(nll, axis=1)


def sum_of_valid(values, valid):
  """The sum over the examples that are no padding: numbers [B], bool [B] -> []."""
  return tf.reduce_sum(tf.where(valid, tf.cast(values, tf.float32), 0.0))


def hinge_discriminator(real, fake, mean=tf.reduce_mean):
  """Eq. 13 of TrIVD-GAN: mean of relu(1 + fake) + mean of relu(1 - real), over all outputs.

  Args:
    real, fake: outputs, [D] each.
    mean: function from numbers [D], one per output, to a scalar.
  """
  real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
  return mean(tf.nn.relu(1 + fake)) + mean(tf.nn.relu(1 - real))


def hinge_generator(fake, mean=tf.reduce_mean):
  """Eq. 14 of TrIVD-GAN: minus the mean of all outputs; see `hinge_discriminator`."""
  return -mean(tf.cast(fake, tf.float32))


def orthogonality(kernel):
  """What keeps the outputs of a kernel orthogonal, whatever their lengths (BigGAN, Eq. 3).

  TrIVD-GAN adds it to the generator's loss (appendix E.2), here of all normalized kernels.

  Args:
    kernel: [..., O], a matrix W [I, O] when all but its last axis are one.

  Returns:
    |W^T W * (1 - I)|^2, a scalar.
  """
  matrix = tf.reshape(tf.cast(kernel, tf.float32), [-1, kernel.shape[-1]])  # [..., O] -> [I, O]
  products = tf.matmul(matrix, matrix, transpose_a=True)
  # Not times 1 - I, which XLA would make a constant of O x O numbers.
  return tf.reduce_sum(tf.linalg.set_diag(products, tf.zeros([matrix.shape[1]]))**2)
