"""Learned spatio-temporal position embeddings: one table per axis, concatenated or summed.

Each table is broadcast over the other axes. VideoGPT uses one embedding in the VQ-VAE, shared by
all axial attention layers, and one in the prior (section 3). Both of the authors' codes concatenate
the axes, which the paper leaves open. The Video Transformer sums one table per axis (section 3.2).
"""
import tensorflow as tf


class SpatioTemporalEmbedding(tf.keras.layers.Layer):
  """Embeds every position of a grid. It has no input: `grid()` takes the place of a call.

  Args:
    shape: shape of the grid, for example (T, H, W), or (T, H, W, codebooks).
    width: channels of an embedding. Concatenated tables share them as evenly as possible (512 over
      3 axes: 171, 171, 170).
    stddev: standard deviation of the initial values.
    summed: whether the tables are summed instead of concatenated.
  """

  def __init__(self, shape, width, stddev=0.01, summed=False, name=None):
    super().__init__(name=name)
    self.shape = tuple(shape)
    self.summed = summed
    axes = len(self.shape)
    widths = [width if summed else width // axes + (i < width % axes) for i in range(axes)]
    self.tables = [
        self.add_weight(f'axis_{i}', [size, channels],
                        initializer=tf.keras.initializers.RandomNormal(stddev=stddev))
        for i, (size, channels) in enumerate(zip(self.shape, widths))]
    self.built = True

  def grid(self):
    """The embeddings [*shape, width], in the layer's compute type."""
    axes = len(self.shape)
    parts = []
    for i, table in enumerate(self.tables):
      size, channels = table.shape
      one_axis = [1] * i + [size] + [1] * (axes - 1 - i)
      table = tf.reshape(tf.cast(table, self.compute_dtype), one_axis + [channels])
      parts.append(tf.broadcast_to(table, self.shape + (channels,)))  # [*shape, channels of axis i]
    return tf.add_n(parts) if self.summed else tf.concat(parts, axis=-1)
