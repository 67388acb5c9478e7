"""What is measured of generated videos, as statistics that add up and metrics made of them.

A measure looks at streams of clips, 'real', 'generated' or 'reconstructed'. Its `statistics` of a
batch of one of them are sums, which are added over batches, replicas and hosts. A measure that
compares videos pair by pair has those of the stream 'generated', beside the real clips that each
belongs to. `metrics` makes an `Outcome` of the sums of all its streams.
"""

import collections
import dataclasses

import numpy as np
import tensorflow as tf

from tf_videogen.metrics import frechet
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import inception_score
from tf_videogen.metrics import power_spectrum


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
class Outcome:
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


def _part(total, prefix):
  """The statistics whose names begin so, without it."""
  return {name[len(prefix):]: value for name, value in total.items() if name.startswith(prefix)}


def _groups(clips, classes):
  """Pairs (prefix of names, which clips): all, or those of each class."""
  if classes is None:
    return [('', np.arange(len(clips.video)))]
  if clips.label is None:
    raise ValueError('a measure of classes needs clips with labels')
  groups = [(f'{name}/', np.flatnonzero(clips.label == c)) for name, c in classes.items()]
  return [(prefix, which) for prefix, which in groups if len(which)]


def _numbers_of_groups(measure, outcome, number):
  """Puts a measure's number into an Outcome: of all videos, or of each class and their mean.

  Args:
    measure: with `name` and `classes`.
    outcome: an Outcome.
    number: a function of a prefix of names, see `_groups`: (value, how many videos), or None.
  """
  prefixes = [''] if measure.classes is None else [f'{name}/' for name in measure.classes]
  found = {prefix: number(prefix) for prefix in prefixes}
  found = {prefix: pair for prefix, pair in found.items() if pair is not None}
  if found:
    mean = measure.name if measure.classes is None else f'{measure.name}_class_mean'
    outcome.values[mean] = float(np.mean([value for value, _ in found.values()]))
  for prefix, (value, examples) in found.items():
    if prefix:
      metric = f'{measure.name}_class_{prefix[:-1]}'
      outcome.values[metric], outcome.examples[metric] = value, examples


class FrechetDistance:
  """FVD, FID and their kin: the distance of Gaussians fitted to a network's outputs.

  Args:
    name: of the metric.
    network: see `metrics.networks`.
    output: 'logits' or 'features'.
    between: two streams.
    frames: of a window; None: all of a clip.
    windows: 'first', or 'all': the mean over all contiguous windows, and the curve of them.
    classes: dict of names and labels, for a distance each and their mean; None: of all together.
  """

  paired = False

  def __init__(self, name='fvd', network='i3d_kinetics400', output='logits',
               between=('real', 'generated'), frames=16, windows='first', classes=None):
    if windows not in ('first', 'all') or (windows == 'all' and frames is None):
      raise ValueError(f"FrechetDistance.windows must be 'first' or, of so many frames, 'all', got "
                       f'{windows!r} with frames = {frames}')
    self.name = name
    self.networks = (network,)
    self.output = output
    self.streams = tuple(between)
    self.frames = frames
    self.windows = windows
    self.classes = classes

  def identity(self):
    """What its statistics of a stream depend on."""
    return ['frechet', self.output, self.frames, self.windows, self.classes]

  def needs_frames(self):
    """How many frames clips must have."""
    return self.frames or 1

  def statistics(self, clips):
    """Sums of a batch of either stream; see `frechet.sums`."""
    last = clips.video.shape[1] - self.frames if self.windows == 'all' else 0
    found = {}
    for start in range(last + 1):
      features = clips.outputs(self.networks[0], start, self.frames)[self.output]
      for prefix, which in _groups(clips, self.classes):
        for key, value in frechet.sums(features[which]).items():
          found[f'{prefix}{start}/{key}'] = value
    return found

  def metrics(self, totals):
    """{stream: sums} -> Outcome."""
    outcome = Outcome(axis=f'first frame of the window of {self.frames}')

    def distance(prefix):
      curve = self._curve(totals, prefix, outcome)
      if not curve:
        return None
      if self.classes is None and len(curve) > 1:
        outcome.curves[self.name, self.name] = curve
      return (float(np.mean([value for _, value, _ in curve])),
              int(totals[self.streams[1]][f'{prefix}0/count']))

    _numbers_of_groups(self, outcome, distance)
    return outcome

  def _curve(self, totals, prefix, outcome):
    """The distance of every window of a class, [(start, distance, nan)]; warns of few videos."""
    sides = [_part(totals[stream], prefix) for stream in self.streams]
    starts = sorted({int(name.split('/')[0]) for side in sides for name in side
                     if name.split('/')[0].isdigit()})
    counts = [int(side.get('0/count', 0)) for side in sides]
    where = f' of {prefix[:-1]}' if prefix else ''
    if min(counts) < 2:
      outcome.warnings.append(f'{self.name}{where}: {counts[0]} {self.streams[0]} and {counts[1]} '
                              f'{self.streams[1]} videos: there is no distance of less than 2')
      return []
    size = len(sides[0]['0/sum'])
    if min(counts) <= size:
      outcome.warnings.append(
          f'{self.name}{where}: {min(counts)} videos for {size} features: the covariance is '
          f'singular and the distance biased upwards; {size + 1} are the least, '
          'thousands are better')
    return [(start, frechet.distance(*(frechet.gaussian(_part(side, f'{start}/'))
                                       for side in sides)), np.nan) for start in starts]


class InceptionScore:
  """The Inception Score of generated videos.

  Args:
    name: of the metric.
    network: see `metrics.networks`.
    frames: of a clip that are looked at, the first ones; None: all.
    splits: in how many parts the videos are scored; their mean and standard deviation (n - 1) are
      told.
    classes: dict of names and labels, for a score each and their mean; None: of all together.
    stream: 'generated'; 'real', for what the data itself scores.
  """

  paired = False

  def __init__(self, name='is', network='i3d_kinetics400', frames=None, splits=1, classes=None,
               stream='generated'):
    self.name = name
    self.networks = (network,)
    self.frames = frames
    self.splits = splits
    self.classes = classes
    self.streams = (stream,)

  def identity(self):
    """What its statistics of a stream depend on."""
    return ['inception', self.frames, self.splits, self.classes]

  def needs_frames(self):
    """How many frames clips must have."""
    return self.frames or 1

  def statistics(self, clips):
    """Sums of a batch; see `inception_score.sums`."""
    logits = clips.outputs(self.networks[0], 0, self.frames)['logits']
    split = clips.part(self.splits)
    found = {}
    for prefix, which in _groups(clips, self.classes):
      for s in np.unique(split[which]):
        for key, value in inception_score.sums(logits[which[split[which] == s]]).items():
          found[f'{prefix}{s}/{key}'] = value
    return found

  def metrics(self, totals):
    """{stream: sums} -> Outcome."""
    outcome, total = Outcome(), totals[self.streams[0]]

    def score(prefix):
      of_group = _part(total, prefix)
      splits = sorted({name.split('/')[0] for name in of_group if name.split('/')[0].isdigit()})
      scores = [inception_score.score(_part(of_group, f'{s}/')) for s in splits]
      if not scores:
        outcome.warnings.append(f'{self.name}: there are no videos of {prefix[:-1] or "this kind"}')
        return None
      if self.classes is None and len(scores) > 1:
        outcome.spreads[self.name] = float(np.std(scores, ddof=1))
      return float(np.mean(scores)), int(sum(of_group[f'{s}/count'] for s in splits))

    _numbers_of_groups(self, outcome, score)
    return outcome


class Similarity:
  """SSIM and PSNR of predicted frames, of l samples a clip the one that is best on its mean.

  As SAVP does it (Lee et al., 2018), and TrIVD-GAN in its appendix C.1: of each l, the curve over
  frames of the best samples, and its mean.

  Args:
    name: 'ssim' or 'psnr'.
    conditioning_frames: how many first frames are given, and not compared.
    best_of: numbers of samples; the first is the metric's value.
    frames: of a clip that are looked at; None: all.
  """

  paired = True
  networks = ()
  streams = ('generated',)
  _FUNCTIONS = {'ssim': image_quality.ssim, 'psnr': image_quality.psnr}

  def __init__(self, name='ssim', conditioning_frames=0, best_of=(1,), frames=None):
    if name not in self._FUNCTIONS:
      raise ValueError(f"Similarity.name must be 'ssim' or 'psnr', got {name!r}")
    self.name = name
    self.conditioning_frames = conditioning_frames
    self.best_of = tuple(best_of)
    self.frames = frames
    self._function = tf.function(self._FUNCTIONS[name], autograph=False)

  def needs_frames(self):
    """How many frames clips must have."""
    return self.frames or 1 + self.conditioning_frames

  def statistics(self, clips):
    """Sums of a batch: for each l, similarities of frames [T] and how many clips."""
    if clips.real is None:
      raise ValueError(f'{self.name} compares samples with the clips that they continue, and there '
                       'are none')
    clips_count = len(clips.real)
    samples = len(clips.video) // clips_count
    if max(self.best_of) > samples:
      raise ValueError(f'{self.name} is the best of {max(self.best_of)} samples, and there are '
                       f'{samples}: raise Protocol.samples_per_condition')
    values = []
    for i in range(samples):
      video = clips.video[i * clips_count:(i + 1) * clips_count]
      values.append(self._function(video[:, :self.frames], clips.real[:, :self.frames]).numpy())
    values = np.stack(values)[:, :, self.conditioning_frames:].astype(np.float64)  # [l, n, T]
    found = {'count': np.float64(clips_count)}
    for best_of in self.best_of:
      best = values[:best_of].mean(-1).argmax(0)  # [n]
      found[f'{best_of}'] = values[best, np.arange(clips_count)].sum(0)
    return found

  def metrics(self, totals):
    """{stream: sums} -> Outcome."""
    total = totals['generated']
    outcome = Outcome(axis='frame')
    for best_of in self.best_of:
      curve = total[f'{best_of}'] / total['count']
      name = self.name if best_of == self.best_of[0] else f'{self.name}_best_of_{best_of}'
      outcome.values[name] = float(curve.mean())
      outcome.curves[self.name, f'best of {best_of}' if max(self.best_of) > 1 else self.name] = [
          (self.conditioning_frames + 1 + t, float(value), np.nan) for t, value in enumerate(curve)]
    return outcome


class PowerSpectrum:
  """Power spectral density of some frames, real and generated: SSW-GAN, appendix E.

  The mean over videos, and the standard deviation of that mean over subsets of the videos.

  Args:
    frames: which, counted from 1.
    subsets: into how many the videos are divided.
  """

  name = 'power_spectrum'
  paired = False
  networks = ()
  streams = ('real', 'generated')

  def __init__(self, frames=(1, 10, 25, 50), subsets=3):
    self.frames = tuple(frames)
    self.subsets = subsets

  def identity(self):
    """What its statistics of a stream depend on."""
    return ['power_spectrum', self.frames, self.subsets]

  def needs_frames(self):
    """How many frames clips must have."""
    return max(self.frames)

  def statistics(self, clips):
    """Sums of a batch of either stream: [subsets, frames, K] and how many videos, [subsets]."""
    power = np.stack([power_spectrum.radial(clips.video[:, frame - 1]) for frame in self.frames], 1)
    subset = np.eye(self.subsets)[clips.part(self.subsets)]  # [N, subsets]
    return {'power': np.einsum('ns,nfk->sfk', subset, power), 'count': subset.sum(0),
            'size': np.array([max(clips.video.shape[2:4])]) * len(power)}

  def metrics(self, totals):
    """{stream: sums} -> Outcome."""
    outcome = Outcome(axis='cycles per pixel')
    for stream in self.streams:
      total = totals[stream]
      there = total['count'] > 0
      size = int(total['size'][0] / total['count'].sum())
      power = total['power'][there] / total['count'][there, np.newaxis, np.newaxis]
      mean, spread = power.mean(0), np.full(power.shape[1:], np.nan)
      if len(power) > 1:
        spread = power.std(0, ddof=1)
      for i, frame in enumerate(self.frames):
        outcome.curves[self.name, f'{stream}, frame {frame}'] = list(zip(
            power_spectrum.frequencies(size, size).tolist(), mean[i].tolist(), spread[i].tolist()))
    return outcome


def over_trials(outcomes):
  """The means of several trials' outcomes, their standard deviations (n - 1) in `spreads`."""
  if len(outcomes) == 1:
    return outcomes[0]
  first = outcomes[0]
  merged = Outcome(axis=first.axis, examples=first.examples, warnings=first.warnings)
  for name in first.values:
    values = [outcome.values[name] for outcome in outcomes if name in outcome.values]
    merged.values[name] = float(np.mean(values))
    merged.spreads[name] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
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
                          in zip(curves[0], values.mean(0), values.std(0, ddof=1))]
  return merged
