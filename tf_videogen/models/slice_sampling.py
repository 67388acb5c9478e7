"""Draws slices of a Video Transformer pixel by pixel; a pixel costs only what its blocks cost.

Each pixel passes through the decoder alone. A cache keeps what it needs of the pixels before it:
the embedded pixels, and every layer's keys and values (section 3.3).
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.layers import xla_context


class SliceSampler:
  """Runs a decoder one pixel at a time.

  Args:
    decoder: a built `video_transformer.SliceDecoder`.
  """

  def __init__(self, decoder):
    self.decoder = decoder

  def sample(self, given, first, z, seed, temperature=1.0):
    """Draws the pixels of a slice one after the other.

    Args:
      given: int32 [B, t, h, w, N_c]; only the pixels before `first` matter.
      first: int32 [], the first pixel to draw, in raster order.
      z: the encoder's output, [B, t, h, w, D], or None.
      seed: int32 [2].
      temperature: divides the logits.

    Returns:
      int32 [B, t, h, w, N_c], the given pixels and the drawn ones.
    """
    fixed, state = self.begin(given, z)

    def pixel(position, state, drawn):
      y, state = self.step(position, fixed, state)
      channels = self.decoder.predictor.draw(y, randomness.fold_in(seed, position), temperature)
      state = self.write(position, state, channels)
      drawn = xla_context.update_slice(drawn, channels[:, tf.newaxis], [0, position, 0])
      return position + 1, state, drawn

    pixels = np.prod(self.decoder.slice_shape)
    drawn = tf.reshape(given, [given.shape[0], pixels, given.shape[-1]])  # from [B, t, h, w, N_c]
    *_, drawn = tf.while_loop(
        lambda position, *_: position < pixels, pixel, (first, state, drawn))
    return tf.reshape(drawn, given.shape)

  def begin(self, given, z):
    """Prepares a slice for `step`: the tensors that stay fixed, and the state that pixels change.

    Args:
      given: int32 [B, t, h, w, N_c]. Steps may begin at any pixel, and then see the given pixels
        before it.
      z: the encoder's output, [B, t, h, w, D], or None.

    Returns:
      fixed: the offset of the masked convolution's output, [B, t, h, w, D]; and a list of every
        layer's biases of the scores, [heads, N, N].
      state: the embedded pixels with a border of zeros; and a list of every layer's keys and
        values, [B, blocks, heads, N, d_a] each.
    """
    embedded, offset = self.decoder.embedded(given), self.decoder.offset(z)
    _, caches = self.decoder.stack(self.decoder.convolution(embedded) + offset, caching=True)
    offset = tf.broadcast_to(offset, [*given.shape[:4], offset.shape[-1]])
    return (offset, self.decoder.stack.biases()), (self.decoder.convolution.pad(embedded), caches)

  def step(self, position, fixed, state):
    """Computes y^L of one pixel, given the pixels before it: int32 [] -> ([B, D], state)."""
    (offset, biases), (padded, caches) = fixed, state
    coordinates = self._coordinates(position)
    x = self.decoder.convolution.step(padded, coordinates)
    x += tf.slice(offset, [0, *coordinates, 0], x.shape)
    y, caches = self.decoder.stack.step(x, caches, position, biases)
    return y[:, 0, 0, 0], (padded, caches)

  def write(self, position, state, channels):
    """Returns the state with the channels of a pixel added: int32 [], state, int32 [B, N_c]."""
    padded, caches = state
    here = [i + extent // 2
            for i, extent in zip(self._coordinates(position), self.decoder.convolution.extent)]
    embedded = self.decoder.embedded(channels)[:, tf.newaxis, tf.newaxis, tf.newaxis]
    return xla_context.update_slice(padded, embedded, [0, *here, 0]), caches

  def _coordinates(self, position):
    _, h, w = self.decoder.slice_shape
    return position // (h * w), position // w % h, position % w
