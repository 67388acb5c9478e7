"""What a measure is: statistics of clips that add up, and numbers made of them.

A measure looks at streams of clips, 'real', 'generated' or 'reconstructed'. Its `statistics` of a
batch of one of them are sums, which are added over batches, replicas and hosts. A measure that
compares videos pair by pair has those of the stream 'generated', beside the real clips that each
belongs to. `metrics` makes a `Measured` of the sums of all its streams.
"""

import abc
import collections
import dataclasses

import numpy as np


@dataclasses.dataclass
class Clips:
  """A batch of a stream.

  Attributes:
    video: uint8 [N, T, H, W, C].
    share: float [N], in [0, 1): where each is in its stream, which splits and subsets go by.
    label: int [N], or None.
    real: the clips that `video` are samples of, uint8 [n, T, H, W, C]; N = samples * n, all first
      samples first; None where there are none.
    extract: an `extraction.Extractor`.
  """
  video: np.ndarray
  share: np.ndarray
  label: np.ndarray = None
  real: np.ndarray = None
  extract: object = None
  _outputs: dict = dataclasses.field(default_factory=dict)

  def outputs(self, network, start, frames):
    """What a network says of the frames from `start` on; computed once for all measures."""
    end = self.video.shape[1] if frames is None else start + frames
    key = (network, start, end)
    if key not in self._outputs:
      self._outputs[key] = self.extract(network, self.video[:, start:end])
    return self._outputs[key]

  def part(self, parts):
    """In which of so many equal parts of the stream each clip is: int [N]."""
    return np.floor(self.share * parts + 1e-9).astype(int)  # 1/49 * 49 is below 1


@dataclasses.dataclass
class Measured:
  """What a measure found in a trial.

  Attributes:
    values: {metric: float}.
    spreads: {metric: float}, the standard deviation of a value over splits, where there are some.
    curves: {(metric, series): [(position, value, standard deviation or nan)]}.
    axis: what positions of curves are.
    examples: {metric: int}, how many generated videos a value rests on, where it isn't all.
    warnings: list of sentences.
  """
  values: dict = dataclasses.field(default_factory=dict)
  spreads: dict = dataclasses.field(default_factory=dict)
  curves: dict = dataclasses.field(default_factory=dict)
  axis: str = ''
  examples: dict = dataclasses.field(default_factory=dict)
  warnings: list = dataclasses.field(default_factory=list)


def add(total, more):
  """Adds up statistics, dicts of arrays; a name that one of them lacks counts as 0."""
  for name, value in more.items():
    total[name] = total[name] + value if name in total else value
  return total


class Measure(abc.ABC):
  """A measure of generated videos.

  Attributes:
    name: of its metric.
    streams: which it looks at.
    networks: whose outputs it needs, see `metrics.networks`.
    paired: whether it compares videos pair by pair.
    frames: of a clip that are looked at, the first ones; None: all.
    conditioning_frames: how many first frames are left out.
  """

  streams = ('generated',)
  networks = ()
  paired = False
  frames = None
  conditioning_frames = 0

  def identity(self):
    """What its statistics of a stream depend on, plain values."""
    return [type(self).__name__, self.frames]

  def needs_frames(self):
    """How many frames clips must have."""
    return self.frames or 1 + self.conditioning_frames

  @abc.abstractmethod
  def statistics(self, clips):
    """Sums of a batch of a stream, Clips: {a name, or a tuple of names and numbers: array}."""

  @abc.abstractmethod
  def metrics(self, totals):
    """{stream: sums} -> Measured."""


def over_trials(outcomes, ddof=1):
  """The means of several trials' outcomes, their standard deviations (n - ddof) in `spreads`."""
  if len(outcomes) == 1:
    return outcomes[0]
  first = outcomes[0]
  merged = Measured(axis=first.axis, examples=first.examples, warnings=first.warnings)
  for name in first.values:
    values = [outcome.values[name] for outcome in outcomes if name in outcome.values]
    merged.values[name] = float(np.mean(values))
    merged.spreads[name] = float(np.std(values, ddof=ddof)) if len(values) > 1 else np.nan
  points = collections.defaultdict(list)
  for outcome in outcomes:
    for key, curve in outcome.curves.items():
      points[key].append(curve)
  for key, curves in points.items():
    values = np.array([[value for _, value, _ in curve] for curve in curves])
    if np.ptp(values, axis=0).max() == 0:  # of real videos, which are the same in all trials
      merged.curves[key] = curves[0]
      continue
    merged.curves[key] = [(position, float(mean), float(spread)) for (position, _, _), mean, spread
                          in zip(curves[0], values.mean(0), values.std(0, ddof=ddof))]
  return merged
