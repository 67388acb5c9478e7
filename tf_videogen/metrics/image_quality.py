"""How close one video is to another, frame by frame: PSNR and SSIM.

Both compare 8-bit frames (peak value 255) and return one number per frame. The caller decides how
to average: over all frames, or for each time step, as video prediction papers plot it. Both compile
under XLA.

SSIM: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE Transactions on Image Processing 13(4), 2004.
"""

import numpy as np
import tensorflow as tf

MAX_VALUE = 255.
MAX_PSNR = 100.
SSIM_WINDOW = 11


def psnr(a, b):
  """Computes the peak signal-to-noise ratio of each frame, 10 log10(255^2 / MSE), in decibels.

  Identical frames have an infinite ratio, which would spoil every mean. Ratios are therefore capped
  at `MAX_PSNR` = 100 dB. This is more than the ratio of two 8-bit frames of up to 150,000 values
  (223 x 223 x 3) that differ by one in a single value.

  Args:
    a: uint8 [B, T, H, W, C].
    b: uint8 of the same shape. The ratio is symmetric: either may be the reference.

  Returns:
    float32 [B, T] in [0, 100]; higher is closer.
  """
  a, b = _checked(a, b)
  difference = tf.cast(a, tf.float32) - tf.cast(b, tf.float32)
  error = tf.reduce_mean(tf.square(difference), axis=[2, 3, 4])
  least_error = MAX_VALUE**2 * 10.**(-MAX_PSNR / 10.)
  return 10. / tf.math.log(10.) * tf.math.log(MAX_VALUE**2 / tf.maximum(error, least_error))


def ssim(a, b):
  """Computes the structural similarity of each frame, the mean over pixels and channels.

  The constants are the paper's: K1 = 0.01, K2 = 0.03, and a Gaussian window of 11 x 11 pixels with
  a standard deviation of 1.5, placed only where it fits. Frames with a side below 11 pixels get the
  largest odd window that fits (same standard deviation). Their values are not comparable with the
  values of larger frames.

  Args:
    a: uint8 [B, T, H, W, C], H and W static.
    b: uint8 of the same shape. The similarity is symmetric.

  Returns:
    float32 [B, T] in [-1, 1]; 1 for identical frames.
  """
  a, b = _checked(a, b)
  height, width, channels = a.shape[2:]
  if None in (height, width, channels):
    raise ValueError(f'ssim: a must have static H, W and C, got shape {a.shape}.')
  batch_and_time = tf.shape(a)[:2]
  # [B, T, H, W, C] -> [B*T, H, W, C]
  a, b = (tf.reshape(tf.cast(x, tf.float32), [-1, height, width, channels]) for x in (a, b))
  weights = _gaussian(_window(height, width))
  mean_a, mean_b, product, squares = (
      _blurred(x, weights) for x in (a, b, a * b, tf.square(a) + tf.square(b)))
  means, mean_squares = mean_a * mean_b, tf.square(mean_a) + tf.square(mean_b)
  c1, c2 = (0.01 * MAX_VALUE)**2, (0.03 * MAX_VALUE)**2
  luminance = (2. * means + c1) / (mean_squares + c1)
  structure = (2. * (product - means) + c2) / (squares - mean_squares + c2)
  values = tf.reduce_mean(luminance * structure, axis=[1, 2, 3])
  return tf.reshape(values, batch_and_time)  # [B*T] -> [B, T]


def _window(height, width):
  """Returns the side of the SSIM window: 11, or the largest odd number that fits the frame."""
  size = min(SSIM_WINDOW, height, width)
  return size if size % 2 else size - 1


def _gaussian(size):
  """Returns the Gaussian weights along a side of the window, float32 [size]; they sum to 1."""
  weights = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / 1.5)**2)
  return (weights / weights.sum()).astype(np.float32)


def _blurred(x, weights):
  """Weighted means over windows that fit: [N, H, W, C] -> [N, H - size + 1, W - size + 1, C].

  They are sums of shifted images, because a TPU would round a convolution's products to bfloat16.
  """
  for axis in (1, 2):
    fits = x.shape[axis] - len(weights) + 1
    shifted = (x[:, i:i + fits] if axis == 1 else x[:, :, i:i + fits] for i in range(len(weights)))
    x = tf.add_n([weight * part for weight, part in zip(weights, shifted)])
  return x


def _checked(a, b):
  """Returns both videos as tensors; raises a ValueError if type or shape is wrong."""
  a, b = tf.convert_to_tensor(a), tf.convert_to_tensor(b)
  for name, video in (('a', a), ('b', b)):
    if video.dtype != tf.uint8 or video.shape.rank != 5:
      raise ValueError(f'{name} must be uint8 [B, T, H, W, C], got {video.dtype.name} of shape '
                       f'{video.shape}.')
  if not a.shape.is_compatible_with(b.shape):
    raise ValueError(f'a and b must have the same shape, got {a.shape} and {b.shape}.')
  return a, b
