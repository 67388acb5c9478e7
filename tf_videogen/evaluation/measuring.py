"""Base class of measures: statistics of clips that add up, and metrics made of the sums.

A measure looks at streams of clips: 'real', 'generated' or 'reconstructed'. Its `statistics` of a
batch of a stream are sums. They are added over batches, replicas and hosts. A measure that compares
videos pair by pair has statistics of the stream 'generated'; each batch then also has the real
clips to which its videos belong. `metrics` makes a `Measured` of the sums of all its streams.
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
    share: float [N], in [0, 1): the position of each clip in its stream. It decides to which split
      or subset the clip belongs.
    label: int [N], the classes; None if clips have no labels.
    real: the clips that `video` has samples of, uint8 [n, T, H, W, C]. N = samples * n, and the
      first samples of all clips come first. None if there are no such clips.
    extract: an `extraction.Extractor`.
  """
  video: np.ndarray
  share: np.ndarray
  label: np.ndarray = None
  real: np.ndarray = None
  extract: object = None
  _outputs: dict = dataclasses.field(default_factory=dict)

  def outputs(self, network, start, frames):
    """A network's outputs for the frames from `start` on; computed once for all measures.

    Args:
      network: name of the network.
      start: index of the first frame.
      frames: number of frames; all from `start` on if None.
    """
    end = self.video.shape[1] if frames is None else start + frames
    key = (network, start, end)
    if key not in self._outputs:
      self._outputs[key] = self.extract(network, self.video[:, start:end])
    return self._outputs[key]

  def part(self, parts):
    """The index of each clip's part, if the stream is divided into `parts` equal ones: int [N]."""
    return np.floor(self.share * parts + 1e-9).astype(int)  # 1/49 * 49 is below 1


@dataclasses.dataclass
class Measured:
  """The results of a measure in one trial, or merged over trials.

  Attributes:
    values: {metric: float}.
    spreads: {metric: float}, the standard deviation of a value over splits or trials, if there are
      several.
    curves: {(metric, series): [(position, value, standard deviation or nan)]}.
    axis: name of the quantity that positions of curves have, such as 'frame'.
    examples: {metric: int}, the number of generated videos that a value rests on, if it isn't all.
    warnings: list of sentences.
    intervals: {metric: (low, high)}, 90 % intervals of values, where they are known.
    floors: {metric: float}, the value of real videos against other real ones, where it is known.
  """
  values: dict = dataclasses.field(default_factory=dict)
  spreads: dict = dataclasses.field(default_factory=dict)
  curves: dict = dataclasses.field(default_factory=dict)
  axis: str = ''
  examples: dict = dataclasses.field(default_factory=dict)
  warnings: list = dataclasses.field(default_factory=list)
  intervals: dict = dataclasses.field(default_factory=dict)
  floors: dict = dataclasses.field(default_factory=dict)


class Rows:
  """Rows of several batches, which are joined instead of added; `np.asarray` makes one array.

  Statistics whose name is ROWS, or ends with it, are such rows. Rows that come from a file or from
  another worker are plain arrays.

  Args:
    *parts: arrays [n, D] of the same D, or Rows.
  """

  def __init__(self, *parts):
    self._parts = [array for part in parts
                   for array in (part._parts if isinstance(part, Rows) else [part])]

  def __array__(self, dtype=None, copy=None):
    del copy
    return np.concatenate(self._parts).astype(dtype or self._parts[0].dtype)


ROWS = 'rows'


def add(total, more):
  """Adds statistics, a dict of arrays, to `total`, and returns it; a missing name counts as 0."""
  for name, value in more.items():
    if name not in total:
      total[name] = value
    elif name == ROWS or name[-1] == ROWS:
      total[name] = Rows(total[name], value)
    else:
      total[name] = total[name] + value
  return total


class Measure(abc.ABC):
  """A measure of generated videos.

  Attributes:
    name: name of its metric.
    streams: names of the streams that it looks at.
    networks: names of the networks whose outputs it needs, see `metrics.networks`.
    paired: whether it compares videos pair by pair.
    frames: number of first frames of a clip that are used; all if None.
    conditioning_frames: number of first frames that are left out.
  """

  streams = ('generated',)
  networks = ()
  paired = False
  frames = None
  conditioning_frames = 0

  def identity(self):
    """The settings on which the statistics of a stream depend, a list of plain values."""
    return [type(self).__name__, self.frames]

  def needs_frames(self):
    """The least number of frames that clips must have."""
    return self.frames or 1 + self.conditioning_frames

  @abc.abstractmethod
  def statistics(self, clips):
    """Sums of a batch of a stream, `Clips`: {a name, or a tuple of names and numbers: array}."""

  @abc.abstractmethod
  def metrics(self, totals):
    """Makes a `Measured` of {stream: sums}."""


def over_trials(outcomes, ddof=1):
  """Merges the outcomes of several trials into means, with standard deviations (n - ddof).

  Args:
    outcomes: list of Measured, one per trial. A single one is returned unchanged.
    ddof: 1 or 0, subtracted from the number of trials in the divisor of variances.

  Returns:
    Measured: `spreads` has the standard deviations of values, the points of curves have their own.
    Ends of intervals, and floors, are means over trials.
    `examples` and `warnings` are from the first trial.
  """
  if len(outcomes) == 1:
    return outcomes[0]
  first = outcomes[0]
  merged = Measured(axis=first.axis, examples=first.examples, warnings=first.warnings)
  for name in first.values:
    values = [outcome.values[name] for outcome in outcomes if name in outcome.values]
    merged.values[name] = float(np.mean(values))
    merged.spreads[name] = float(np.std(values, ddof=ddof)) if len(values) > 1 else np.nan
    for found in ('intervals', 'floors'):
      every = [getattr(o, found)[name] for o in outcomes if name in getattr(o, found)]
      if every:
        getattr(merged, found)[name] = np.mean(every, 0).tolist()
  points = collections.defaultdict(list)
  for outcome in outcomes:
    for key, curve in outcome.curves.items():
      points[key].append(curve)
  for key, curves in points.items():
    values = np.array([[value for _, value, _ in curve] for curve in curves])
    if np.ptp(values, axis=0).max() == 0:  # of real videos: the same in all trials
      merged.curves[key] = curves[0]
      continue
    merged.curves[key] = [(position, float(mean), float(spread)) for (position, _, _), mean, spread
                          in zip(curves[0], values.mean(0), values.std(0, ddof=ddof))]
  return merged
