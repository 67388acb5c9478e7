"""The pairs of real and generated videos that agree least and most, kept while pairs go by."""

import numpy as np

from tf_videogen.metrics import image_quality

PAIRS = 4  # at either end


class Extremes:
  """The pairs with the least and the largest SSIM, the mean over frames that were not given.

  Args:
    given: number of first frames of generated videos that were given.
  """

  def __init__(self, given=0):
    self._given = given
    self._kept = []  # (SSIM, real video, generated video), the least first

  def add(self, real, generated):
    """Sees pairs: uint8 [N, T, H, W, C] of either side."""
    scores = np.mean(image_quality.ssim(generated[:, self._given:], real[:, self._given:]), axis=1)
    new = [(float(score), *pair) for score, *pair in zip(scores, real, generated)]
    self._kept = sorted(self._kept + new, key=lambda pair: pair[0])
    if len(self._kept) > 2 * PAIRS:
      self._kept = self._kept[:PAIRS] + self._kept[-PAIRS:]

  def arrays(self):
    """What the file of videos gets: 'worst_data', 'worst_samples', 'worst_ssim', 'best_data', ...

    Videos are uint8 [n, T, H, W, C], SSIM float [n], the worst or the best first. No pair is in
    both.
    """
    half = min(PAIRS, len(self._kept) // 2)
    found = {}
    for name, pairs in (('worst', self._kept[:half]), ('best', self._kept[::-1][:half])):
      if pairs:
        scores, real, generated = zip(*pairs)
        found.update({f'{name}_data': np.stack(real), f'{name}_samples': np.stack(generated),
                      f'{name}_ssim': np.array(scores)})
    return found
