"""LPIPS of predicted frames, see `metrics.lpips`."""

import numpy as np

from tf_videogen.evaluation import measuring


class PerceptualDistance(measuring.Measure):
  """LPIPS between samples and the clips that they continue, the mean over samples; lower is nearer.

  Args:
    name: name of the metric.
    network: name of the network, see `metrics.networks`.
    conditioning_frames: number of first frames that are given, and not compared.
    frames: number of first frames of a clip that are used; all if None.
  """

  paired = True

  def __init__(self, name='lpips', network='lpips_alexnet', conditioning_frames=0, frames=None):
    self.name = name
    self.networks = (network,)
    self.conditioning_frames = conditioning_frames
    self.frames = frames

  def identity(self):
    """The settings on which the statistics depend."""
    return ['perceptual', self.conditioning_frames, self.frames]

  def statistics(self, clips):
    """Sums of a batch: distances of predicted frames, [T], and the number of samples."""
    if clips.real is None:
      raise ValueError(f'{self.name} compares samples with the clips that they continue, but there '
                       'are none')
    frames = slice(self.conditioning_frames, self.frames)
    samples = len(clips.video) // len(clips.real)
    real = np.tile(clips.real[:, frames], [samples, 1, 1, 1, 1])
    pairs = np.concatenate([clips.video[:, frames], real], 1)  # [N, 2 T, H, W, C]
    distances = clips.extract(self.networks[0], pairs)['distances'].astype(np.float64)
    return {'count': np.float64(len(pairs)), 'distances': distances.sum(0)}

  def metrics(self, totals):
    """Makes a `measuring.Measured` of {stream: sums}."""
    total = totals['generated']
    curve = total['distances'] / total['count']
    outcome = measuring.Measured({self.name: float(curve.mean())}, axis='frame')
    outcome.curves[self.name, self.name] = [
        (self.conditioning_frames + 1 + t, float(value), np.nan) for t, value in enumerate(curve)]
    return outcome
