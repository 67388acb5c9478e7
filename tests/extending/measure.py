"""A toy of a measure: by how much generated videos are brighter than real ones."""

import numpy as np

from tf_videogen.evaluation import measuring


class BrightnessDifference(measuring.Measure):
  """Mean gray level of generated videos minus that of real ones, in [-255, 255].

  Args:
    frames: of a clip that are looked at, the first ones; None: all.
  """

  name = 'brightness_difference'
  streams = ('real', 'generated')

  def __init__(self, frames=None):
    self.frames = frames

  def statistics(self, clips):
    """Sums of a batch of either stream: of the videos' mean gray levels, and how many videos."""
    levels = clips.video[:, :self.frames].mean((1, 2, 3, 4), np.float64)  # [N, T, H, W, C] -> [N]
    return {'sum': levels.sum(), 'count': np.float64(len(levels))}

  def metrics(self, totals):
    """{stream: sums} -> Measured."""
    real, generated = (totals[stream]['sum'] / totals[stream]['count'] for stream in self.streams)
    return measuring.Measured({self.name: float(generated - real)})
