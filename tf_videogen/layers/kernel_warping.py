"""Kernel-based warping of features, and its motion: TrIVD-GAN, appendix B and section 4.4.

Every position becomes a weighted average of its k x k neighbours. It has its own weights, which are
the same for all channels. Weights are probabilities, so they can be read as motion.
"""

import tensorflow as tf

from tf_videogen.layers import resampling


def warp(h, weights):
  """Eq. 11: a dynamic, locally connected, depth-wise layer.

  Args:
    h: features, [B, H, W, C]; they are 0 beyond the edges.
    weights: [B, H, W, k * k], k odd. Entry m k + n is the weight of the neighbour at the offset
      (m, n) - (k - 1) / 2.

  Returns:
    [B, H, W, C].
  """
  height, width = h.shape[1:3]
  side = _side(weights)
  reach = (side - 1) // 2
  padded = tf.pad(h, [[0, 0], [reach, reach], [reach, reach], [0, 0]])
  return tf.add_n([
      padded[:, m:m + height, n:n + width] * weights[..., m * side + n, tf.newaxis]
      for m in range(side) for n in range(side)])


def factorized_weights(kernels, selection):
  """Eq. 12: the weights of every position, averages of N kernels weighted by `selection`.

  Args:
    kernels: [B, k * k, N], probabilities over the k * k taps.
    selection: [B, H, W, N], probabilities over the N kernels.

  Returns:
    [B, H, W, k * k], probabilities.
  """
  return tf.einsum('bhwl,bql->bhwq', selection, kernels)


def motion(weights):
  """The motion of a warp's features: minus the expected offset that it reads from (section 4.4).

  Args:
    weights: probabilities [B, H, W, k * k], as `warp` takes them.

  Returns:
    [B, H, W, 2]: motion downwards and to the right, in positions.
  """
  side = _side(weights)
  offsets = [[m - (side - 1) / 2, n - (side - 1) / 2] for m in range(side) for n in range(side)]
  return -tf.einsum('bhwq,qd->bhwd', weights, tf.constant(offsets, weights.dtype))


def compose(fields):
  """The motion of all resolutions together, at the finest (section 4.4).

  A coarse field is repeated at the next resolution and multiplied by the factor between the two,
  and the finer field is added.

  Args:
    fields: list of [B, H, W, 2], the coarsest first. A side is a multiple of the side before.

  Returns:
    [B, H, W, 2], of the last field's resolution.
  """
  total = fields[0]
  for field in fields[1:]:
    factor = field.shape[1] // total.shape[1]
    total = resampling.upsample(total, factor) * factor + field
  return total


def motion_of_video(warps):
  """The motion of all resolutions together (section 4.4), in pixels of the last one.

  Args:
    warps: list of the warps' weights [B, T, H_i, W_i, k * k], at least one, the coarsest first.

  Returns:
    [B, T, H, W, 2], float32: motion downwards and to the right.
  """
  fields = []
  for weights in warps:
    frames = weights.shape[1]
    fields.append(motion(tf.reshape(weights, [-1, *weights.shape[2:]])))  # -> [B * T, H_i, W_i, 2]
  total = compose(fields)
  return tf.reshape(total, [-1, frames, *total.shape[1:]])  # [B * T, ...] -> [B, T, H, W, 2]


def _side(weights):
  side = round(weights.shape[-1]**0.5)
  if side**2 != weights.shape[-1] or side % 2 == 0:
    raise ValueError('a warp needs k x k weights per position, with odd k; got '
                     f'{weights.shape[-1]}')
  return side
