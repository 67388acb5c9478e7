"""Spatio-temporal subscaling: a video as small slices, each with the slices before it as context.

Section 3.2 and figure 1 of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634), after Menick
and Kalchbrenner 2019 (https://arxiv.org/abs/1812.01608).
"""

import numpy as np
import tensorflow as tf


class Subscaling:
  """Cuts videos into slices, joins them again, and shows a slice its context of earlier slices.

  With factors s = (s_t, s_h, s_w), slice (a, b, c) has pixels (a + i s_t, b + j s_h, c + k s_w).
  The slices are generated in raster order of (a, b, c); a slice's `index` is its place in this
  order.

  Args:
    factors: s, the subscale factors along T, H and W.
    video_shape: (T, H, W) of the videos.
    kernel: (k_t, k_h, k_w), extent of the context around every pixel of a slice, in pixels of the
      video; s if None.

  Raises:
    ValueError: if the factors don't divide the video.
  """

  def __init__(self, factors, video_shape, kernel=None):
    self.factors, self.video_shape = tuple(factors), tuple(video_shape)
    self.kernel = self.factors if kernel is None else tuple(kernel)
    if any(size % factor for size, factor in zip(self.video_shape, self.factors)):
      raise ValueError(f'the subscale factors {self.factors} must divide the shape of the video, '
                       f'{self.video_shape}')
    self.slices = int(np.prod(self.factors))
    self.slice_shape = tuple(n // s for n, s in zip(self.video_shape, self.factors))
    # The part of the kernel that `context` shows. A slice that is a frame sees no later frames.
    self.window = self.kernel
    if self.factors == (self.video_shape[0], 1, 1):
      self.window = (max(self.kernel[0] // 2, 1),) + self.kernel[1:]

  def split(self, video):
    """[B, T, H, W, C] -> [B, slices, t, h, w, C]."""
    (s_t, s_h, s_w), (t, h, w), channels = self.factors, self.slice_shape, video.shape[-1]
    x = tf.reshape(video, [-1, t, s_t, h, s_h, w, s_w, channels])
    x = tf.transpose(x, [0, 2, 4, 6, 1, 3, 5, 7])
    return tf.reshape(x, [-1, self.slices, t, h, w, channels])

  def join(self, slices):
    """The inverse of `split`: [B, slices, t, h, w, C] -> [B, T, H, W, C]."""
    (s_t, s_h, s_w), (t, h, w), channels = self.factors, self.slice_shape, slices.shape[-1]
    x = tf.reshape(slices, [-1, s_t, s_h, s_w, t, h, w, channels])
    x = tf.transpose(x, [0, 4, 1, 5, 2, 6, 3, 7])
    return tf.reshape(x, [-1, *self.video_shape, channels])

  def offsets(self, index):
    """The offsets (a, b, c) of slices: index, int [...] -> three int [...]."""
    _, s_h, s_w = self.factors
    return index // (s_h * s_w), index // s_w % s_h, index % s_w

  def place(self, pixel):
    """For a pixel (t, h, w) of the video, the index of its slice and its number in the slice."""
    offsets = [i % s for i, s in zip(pixel, self.factors)]
    inside = [i // s for i, s in zip(pixel, self.factors)]
    return (int(np.ravel_multi_index(offsets, self.factors)),
            int(np.ravel_multi_index(inside, self.slice_shape)))

  def slice(self, video, index):
    """Slice `index` of every video: [B, T, H, W, C], int32 [B] -> [B, t, h, w, C]."""
    return tf.gather(self.split(video), index, batch_dims=1)

  def frames(self, index):
    """The numbers of the video's frames that slices have: index, int32 [B] -> int32 [B, t]."""
    return self.offsets(index)[0][:, tf.newaxis] + tf.range(self.slice_shape[0]) * self.factors[0]

  def context(self, video, index):
    """The pixels of earlier slices around every pixel of a slice.

    Along an axis with offset a, the window of pixel i begins at i s + a - floor(k / 2). So the
    window is centered on the pixel, and the padding of the axis is floor(k / 2) - a.

    Args:
      video: int32 [B, T, H, W, C], values of at least 0.
      index: index of every video's slice, int32 [B].

    Returns:
      int32 [B, t, h, w, k_t, k_h, k_w, C]. It is -1 outside of the video, and for the pixels of
      this slice and of later ones. If slices are frames, it shows only the frames before: in place
      of k_t the axis has floor(k_t / 2) frames, but at least 1.
    """
    x = tf.where(self._before(index), video, -1)
    x = tf.pad(x, [[0, 0]] + [[k // 2, k - 1 - k // 2] for k in self.kernel] + [[0, 0]],
               constant_values=-1)
    for axis, offset in enumerate(self.offsets(index), 1):
      first = offset[:, tf.newaxis] + self._window_starts(axis)  # [B, n * k]
      x = tf.gather(x, first, axis=axis, batch_dims=1)
    sizes = [size for pair in zip(self.slice_shape, self.window) for size in pair]
    x = tf.reshape(x, [-1, *sizes, video.shape[-1]])
    return tf.transpose(x, [0, 1, 3, 5, 2, 4, 6, 7])

  def _window_starts(self, axis):
    n, s, k = self.slice_shape[axis - 1], self.factors[axis - 1], self.window[axis - 1]
    return tf.reshape(tf.range(n)[:, tf.newaxis] * s + tf.range(k), [n * k])

  def _before(self, index):
    """Whether a pixel is in a slice before `index`: int32 [B] -> bool [B, T, H, W, 1]."""
    (s_t, s_h, s_w), (frames, height, width) = self.factors, self.video_shape
    a, b, c = tf.range(frames) % s_t, tf.range(height) % s_h, tf.range(width) % s_w
    order = ((a[:, tf.newaxis] * s_h + b)[..., tf.newaxis] * s_w + c)[..., tf.newaxis]
    return order < index[:, tf.newaxis, tf.newaxis, tf.newaxis, tf.newaxis]
