"""Clips in which only far pixels tell: every row of noise is repeated in the other half of a frame.

The left half of each frame is noise, black or white with equal probability, drawn anew for every
pixel and frame. The right half repeats it. A model that sees the pixel half a frame to the left
knows a pixel of the right half. One that does not can only guess. Half of the bits are noise that
nobody predicts, so that the bound is `LEAST` bits per dimension of one channel.
"""

import tensorflow as tf

from tf_videogen.data import clip_source

LEAST = .5  # bits per dimension of a model that sees all pixels
GUESSED = 1.  # of one that sees none of those that tell
TEST_EXAMPLES = 1_000
_SPLITS = ('train', 'test')


class FarPixels(clip_source.ClipSource):
  """Clips of one channel, with splits 'train' and 'test'. An example of an `id` is 'test/17'.

  Args:
    frames: number of frames of a clip, T.
    size: height and width in pixels, an even number.
    examples: number of examples of the split 'train'; 'test' has 1,000.

  Raises:
    ValueError: if the size is not even.
  """

  def __init__(self, frames=2, size=16, examples=100_000):
    super().__init__(frames, 1, 'train')
    if size < 2 or size % 2:
      raise ValueError(f'size must be even, because halves are repeated; got {size!r}')
    self.size = size
    self.examples = examples

  def count(self, split):
    """Returns the number of examples of a split."""
    if split not in _SPLITS:
      raise ValueError(f'FarPixels has no split {split!r}; there are: {", ".join(_SPLITS)}')
    return self.examples if split == 'train' else TEST_EXAMPLES

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    shape = [self.frames, self.size, self.size, 1]
    return {'video': tf.TensorSpec(shape, tf.uint8), 'id': tf.TensorSpec([], tf.string)}

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    return ['far_pixels', split, self.count(split), self.frames, self.size]

  def _read(self, split, number, place):
    seed = tf.stack([tf.constant(_SPLITS.index(split), tf.int64), number])
    half = tf.random.stateless_uniform(
        [self.frames, self.size, self.size // 2, 1], seed, alg='philox')
    white = tf.tile(half < .5, [1, 1, 2, 1])  # [T, H, W, 1]
    return {'video': 255 * tf.cast(white, tf.uint8),
            'id': tf.strings.join([split, tf.strings.as_string(number)], '/')}
