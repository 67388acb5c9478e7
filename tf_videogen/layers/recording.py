"""What makes standing statistics of a generator: recorded passes over whole videos, piece by piece.

A pass sees every time step of its videos once, and takes no more memory than a piece, see `pieces`.
Weights and power iterations stay as they are: the same weights have the same statistics.
"""

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces


class Recording:
  """Passes of one generator. Its statistics are made here, of 0 and 1, and recorded by `record`.

  Args:
    generator: see `pieces`; `keep_statistics(frames, most)` makes its statistics.
    frames: of its videos.
    most: frames of a piece, at most.
    latent: (batch, seed) -> z, float32 [B, latent].
    labels: batch -> int32 [B].
    given: (batch, seed) -> [B, T', H', W', C], or None.
    frozen: whether its weights never change: those of a trained level below.
  """

  def __init__(self, generator, frames, most, latent, labels, given, frozen=False):
    self.generator = generator
    self.frames = frames
    self.frozen = frozen
    self.pieces, self._size = pieces.divided(frames, most)
    self._latent, self._labels, self._given = latent, labels, given
    generator.keep_statistics(frames, most)

  def reset(self):
    """Forgets what was recorded."""
    for norm in conditional_batch_norm.norms(self.generator):
      norm.standing.reset()

  def begin(self, batch, seed):
    """What a pass carries from piece to piece, tensors."""
    return self.generator.begin(self._latent(batch, seed), self._labels(batch),
                                self._given(batch, seed), self.frames)

  def record(self, number, batch, seed, carry):
    """Records a piece; `number` counts them from 0. Returns what it hands on to the next one."""
    return self.generator.piece(number, self._size, self._latent(batch, seed), self._labels(batch),
                                carry, self.frames, record=True)[1]
