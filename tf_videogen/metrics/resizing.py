"""Bilinear resizing as in TensorFlow 1, the basis of most published FVDs and scores.

Output pixel i is read at the input's coordinate i * scale. The legacy convention, of
`tf.compat.v1.image.resize_bilinear`, has scale = n_in / n_out. It moves the picture by half a pixel
towards the corner at 0. Later libraries use the half-pixel convention, (i + 0.5) scale - 0.5. On a
64-pixel frame, values of the two conventions differ by 7 of 255 on average. With aligned corners,
scale = (n_in - 1) / (n_out - 1).

Under XLA we compute this ourselves. TensorFlow's operation repeats the last row and column beyond
the edge, but XLA's translation of it takes the values there as 0.
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
    half_pixels: whether to use the half-pixel convention. If both are False, the legacy convention
      is used.

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
  """Returns the indices below and above output pixels, int [n_out], and the latter's weights.

  The weights are float32 [n_out].
  """
  scale = np.float32(n_in) / np.float32(n_out)
  if align_corners and n_out > 1:
    scale = np.float32(n_in - 1) / np.float32(n_out - 1)
  places = np.arange(n_out, dtype=np.float32) * scale
  if half_pixels:
    places = np.maximum(places + scale / 2 - np.float32(0.5), 0)
  low = np.floor(places).astype(np.int32)
  return low, np.minimum(low + 1, n_in - 1), (places - low).astype(np.float32)
