"""Frames made larger and smaller: nearest neighbours, averages of boxes.

TrIVD-GAN (section 2.2): generator blocks up-sample by nearest neighbours, BigGAN's discriminator
blocks average. Up-sampling is broadcasting, whose gradient is a sum: TPUs have none of nearest
resizing.
"""

import tensorflow as tf


def upsample(x, factor=2):
  """Every position `factor` times, downwards and to the right.

  Args:
    x: [..., H, W, C].
    factor: int.

  Returns:
    [..., factor * H, factor * W, C].
  """
  *leading, height, width, channels = x.shape
  x = tf.reshape(x, [*leading, height, 1, width, 1, channels])  # [..., H, 1, W, 1, C]
  x = tf.broadcast_to(x, [*leading, height, factor, width, factor, channels])
  return tf.reshape(x, [*leading, height * factor, width * factor, channels])


def average_pool(x, factors):
  """Means of boxes that do not overlap.

  Args:
    x: [..., H, W, C], or [B, T, H, W, C] for boxes over time, too.
    factors: sides of a box, (h, w) or (t, h, w).

  Returns:
    [..., H / h, W / w, C], or [B, T / t, H / h, W / w, C].
  """
  if len(factors) not in (2, 3):
    raise ValueError(f'factors must be two or three numbers, got {factors}')
  axes = len(factors) + 1
  if any(size % factor for size, factor in zip(x.shape[-axes:-1], factors)):
    raise ValueError(f'average_pool takes sizes that are multiples of its factors {factors}, got '
                     f'{tuple(x.shape[-axes:-1])}')
  *leading, height, width, channels = x.shape
  sides = list(factors[-2:])
  frames = tf.reshape(x, [-1, height, width, channels])  # [..., H, W, C] -> [N, H, W, C]
  frames = tf.nn.avg_pool2d(frames, sides, sides, 'VALID')
  if len(factors) == 2:
    return tf.reshape(frames, [*leading, *frames.shape[1:]])
  batch, time = leading
  # [B*T, H/h, W/w, C] -> [B, T/t, t, H/h, W/w, C]
  groups = tf.reshape(frames, [batch, time // factors[0], factors[0], *frames.shape[1:]])
  return tf.reduce_mean(groups, axis=2)
