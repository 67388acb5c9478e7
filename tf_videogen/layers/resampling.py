"""Resampling of frames: nearest neighbours, bilinear interpolation, averages of boxes.

In TrIVD-GAN (appendix A), generator blocks up-sample by nearest neighbours, and BigGAN's
discriminator blocks average. Cascades use videos with fewer and smaller frames. Frames are made
smaller by nearest neighbours (SSW-GAN) or bilinear interpolation (CVG), both as in PyTorch, which
these papers used. Up-sampling is a broadcast, whose gradient is a sum, because TPUs have no
gradient of nearest resizing.
"""

import tensorflow as tf


def upsample(x, factor=2):
  """Repeats every position `factor` times, downwards and to the right.

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

  Raises:
    ValueError: if there are not two or three factors, or if one does not divide its side.
  """
  if len(factors) not in (2, 3):
    raise ValueError(f'factors must be two or three numbers, got {factors}')
  axes = len(factors) + 1
  if any(size % factor for size, factor in zip(x.shape[-axes:-1], factors)):
    raise ValueError(f'average_pool needs sizes that are multiples of its factors {factors}, got '
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


def nearest(x, factor):
  """Every `factor`-th row and column: [..., H, W, C] -> [..., H / factor, W / factor, C].

  This is the first pixel of each box of factor x factor.

  Raises:
    ValueError: if `factor` does not divide H and W.
  """
  _check_sides(x, factor)
  return x[..., ::factor, ::factor, :]


def bilinear(x, factor):
  """Bilinear interpolation in the middle of each box, without antialiasing.

  Pixels' centers are at half integers. For an even factor, the result is the mean of the middle
  2 x 2 pixels of each box of factor x factor. For an odd factor, it is the box's middle pixel.

  Args:
    x: floats [..., H, W, C].
    factor: int.

  Returns:
    [..., H / factor, W / factor, C].

  Raises:
    ValueError: if `factor` does not divide H and W.
  """
  _check_sides(x, factor)
  middle = (factor - 1) // 2
  if factor % 2:
    return x[..., middle::factor, middle::factor, :]
  rows = (x[..., middle::factor, :, :] + x[..., middle + 1::factor, :, :]) / 2
  return (rows[..., middle::factor, :] + rows[..., middle + 1::factor, :]) / 2


def shortened(steps):
  """Steps of down-sampling, as few as have the same effect: consecutive `nearest` steps are joined.

  Args:
    steps: pairs (name of the function, factor), in their order.

  Returns:
    list of [name, factor]; the factor of joined steps is the product of their factors.
  """
  joined = []
  for name, factor in steps:
    if joined and name == joined[-1][0] == nearest.__name__:
      joined[-1] = [name, joined[-1][1] * factor]
    else:
      joined.append([name, factor])
  return joined


def _check_sides(x, factor):
  if x.shape[-3] % factor or x.shape[-2] % factor:
    raise ValueError(f'frames of {x.shape[-3]} x {x.shape[-2]} cannot be made {factor} times '
                     f'smaller: choose sides that are multiples of {factor}')


def repeat_frames(video, times):
  """Repeats each frame `times` times in a row: [B, T, H, W, C] -> [B, times * T, H, W, C]."""
  batch, frames, *of_frame = video.shape
  video = tf.broadcast_to(video[:, :, tf.newaxis], [tf.shape(video)[0] if batch is None else batch,
                                                    frames, times, *of_frame])
  return tf.reshape(video, [-1, frames * times, *of_frame])
