"""Bilinear resizing: as TensorFlow 1 does it, on which most published FVDs and scores rest.

Output pixel i is read at the input's coordinate i * scale. The legacy convention, that of
`tf.compat.v1.image.resize_bilinear`, has scale = n_in / n_out: the picture moves by half a pixel
towards the corner at 0, and on a 64-pixel frame values differ by 7 of 255, on average, from the
half-pixel convention of later libraries, (i + 0.5) scale - 0.5. With aligned corners scale =
(n_in - 1) / (n_out - 1).

Under XLA this is arithmetic of our own: XLA's translation of TensorFlow's operation takes what is
beyond the last row and column for 0, where the operation repeats them.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import xla_context


def bilinear(images, size, align_corners=False, half_pixels=False):
  """Resizes images.

  Args:
    images: uint8 or float32 [N, H, W, C], H and W static.
    size: (height, width) of the output.
    align_corners: whether the corners' pixels stay at the corners.
    half_pixels: whether it is the half-pixel convention. With neither it is the legacy one.

  Returns:
    float32 [N, height, width, C], in the range of the input.
  """
  images = tf.cast(images, tf.float32)  # the operation itself is slower with uint8
  if not xla_context.compiled_by_xla():
    return tf.raw_ops.ResizeBilinear(
        images=images, size=size, align_corners=align_corners, half_pixel_centers=half_pixels)
  for axis in (1, 2):
    low, high, share = _places(images.shape[axis], size[axis - 1], align_corners, half_pixels)
    share = share.reshape([-1, 1, 1] if axis == 1 else [-1, 1])
    low, high = (tf.gather(images, places, axis=axis) for places in (low, high))
    images = low + (high - low) * share
  return images


def _places(n_in, n_out, align_corners, half_pixels):
  """Where output pixels lie: indices below and above, int [n_out]; share of the latter, float32."""
  scale = np.float32(n_in) / np.float32(n_out)
  if align_corners and n_out > 1:
    scale = np.float32(n_in - 1) / np.float32(n_out - 1)
  places = np.arange(n_out, dtype=np.float32) * scale
  if half_pixels:
    places = np.maximum(places + scale / 2 - np.float32(0.5), 0)
  low = np.floor(places).astype(np.int32)
  return low, np.minimum(low + 1, n_in - 1), (places - low).astype(np.float32)
