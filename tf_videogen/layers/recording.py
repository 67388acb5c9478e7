"""Recorded passes over whole videos, piece by piece, that make a generator's standing statistics.

A pass sees every time step of its videos once. It takes no more memory than a piece, see `pieces`.
Weights and power iterations stay as they are, so the same weights have the same statistics.
"""

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces


class Recording:
  """Recorded passes of one generator.

  The constructor makes the generator's standing statistics, means of 0 and variances of 1. `record`
  fills them.

  Args:
    generator: see `pieces`; its `keep_statistics(frames, most)` makes its statistics.
    frames: number of frames of its videos.
    most: the most frames of a piece.
    latent: function (batch, seed) -> z, float32 [B, latent].
    labels: function batch -> int32 [B].
    given: function (batch, seed) -> [B, T', H', W', C] or None.
    frozen: whether the generator's weights never change, as in a trained level below.

  Attributes:
    pieces: number of pieces of a pass.
  """

  def __init__(self, generator, frames, most, latent, labels, given, frozen=False):
    self.generator = generator
    self.frames = frames
    self.frozen = frozen
    self.pieces, self._size = pieces.divided(frames, most)
    self._latent, self._labels, self._given = latent, labels, given
    generator.keep_statistics(frames, most)

  def reset(self):
    """Forgets all recorded passes."""
    for norm in conditional_batch_norm.norms(self.generator):
      norm.standing.reset()

  def begin(self, batch, seed):
    """The first carry of a pass, tensors that it hands from piece to piece."""
    return self.generator.begin(self._latent(batch, seed), self._labels(batch),
                                self._given(batch, seed), self.frames)

  def record(self, number, batch, seed, carry):
    """Records the piece `number`, counted from 0. Returns the carry for the next piece."""
    return self.generator.piece(number, self._size, self._latent(batch, seed), self._labels(batch),
                                carry, self.frames, record=True)[1]
