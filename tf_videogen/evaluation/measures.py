"""The measures of generated videos that papers print; what a measure is, is in `measuring`."""

import abc
import collections

import numpy as np
import tensorflow as tf

from tf_videogen.evaluation import measuring
from tf_videogen.metrics import frechet
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import inception_score
from tf_videogen.metrics import power_spectrum


class _OfClasses(measuring.Measure):
  """A measure of all videos, or of those of each class and the mean over classes.

  Statistics are under (class, part, name): '' is the class of all, and a part is a window or split.
  """

  classes = None

  def _groups(self, clips):
    """Pairs (class, which clips are of it), of classes that have some."""
    if self.classes is None:
      return [('', np.arange(len(clips.video)))]
    if clips.label is None:
      raise ValueError('a measure of classes needs clips with labels')
    groups = [(name, np.flatnonzero(clips.label == c)) for name, c in self.classes.items()]
    return [(name, which) for name, which in groups if len(which)]

  @staticmethod
  def _parts(total, of_class):
    """{part: {name: sum}} of a class."""
    parts = collections.defaultdict(dict)
    for (found, part, name), value in sorted(total.items()):
      if found == of_class:
        parts[part][name] = value
    return parts

  @abc.abstractmethod
  def _number(self, totals, of_class, outcome):
    """(value, how many videos it rests on) of a class; None where there is no such number."""

  def _numbers(self, totals, outcome):
    """Puts the numbers of all classes into a `measuring.Measured`."""
    for of_class in [''] if self.classes is None else self.classes:
      found = self._number(totals, of_class, outcome)
      if found:
        metric = f'{self.name}_class_{of_class}' if of_class else self.name
        outcome.values[metric], outcome.examples[metric] = found
    if self.classes is None:
      outcome.examples.clear()  # all there are
    elif outcome.values:
      mean = float(np.mean(list(outcome.values.values())))
      outcome.values = {f'{self.name}_class_mean': mean, **outcome.values}
    return outcome


class FrechetDistance(_OfClasses):
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

  def statistics(self, clips):
    """Sums of a batch of either stream; parts are first frames of windows; see `frechet.sums`."""
    last = clips.video.shape[1] - self.frames if self.windows == 'all' else 0
    found = {}
    for start in range(last + 1):
      features = clips.outputs(self.networks[0], start, self.frames)[self.output]
      for of_class, which in self._groups(clips):
        for name, value in frechet.sums(features[which]).items():
          found[of_class, start, name] = value
    return found

  def metrics(self, totals):
    """{stream: sums} -> measuring.Measured."""
    return self._numbers(totals, measuring.Measured(
        axis=f'first frame of the window of {self.frames}'))

  def _number(self, totals, of_class, outcome):
    curve = self._curve(totals, of_class, outcome)
    if not curve:
      return None
    if self.classes is None and len(curve) > 1:
      outcome.curves[self.name, self.name] = curve
    return (float(np.mean([value for _, value, _ in curve])),
            int(totals[self.streams[1]][of_class, 0, 'count']))

  def _curve(self, totals, of_class, outcome):
    """The distance of every window of a class, [(start, distance, nan)]; warns of few videos."""
    sides = [self._parts(totals[stream], of_class) for stream in self.streams]
    counts = [int(side[0].get('count', 0)) for side in sides]
    where = f' of {of_class}' if of_class else ''
    if min(counts) < 2:
      outcome.warnings.append(f'{self.name}{where}: {counts[0]} {self.streams[0]} and {counts[1]} '
                              f'{self.streams[1]} videos: there is no distance of less than 2')
      return []
    size = len(sides[0][0]['sum'])
    if min(counts) <= size:
      outcome.warnings.append(
          f'{self.name}{where}: {min(counts)} videos for {size} features: the covariance is '
          f'singular and the distance biased upwards; {size + 1} are the least, '
          'thousands are better')
    return [(start, frechet.distance(*(frechet.gaussian(side[start]) for side in sides)), np.nan)
            for start in sides[0]]


class InceptionScore(_OfClasses):
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

  def statistics(self, clips):
    """Sums of a batch; parts are splits; see `inception_score.sums`."""
    logits = clips.outputs(self.networks[0], 0, self.frames)['logits']
    split = clips.part(self.splits)
    found = {}
    for of_class, which in self._groups(clips):
      for s in np.unique(split[which]).tolist():
        for name, value in inception_score.sums(logits[which[split[which] == s]]).items():
          found[of_class, s, name] = value
    return found

  def metrics(self, totals):
    """{stream: sums} -> measuring.Measured."""
    return self._numbers(totals, measuring.Measured())

  def _number(self, totals, of_class, outcome):
    splits = self._parts(totals[self.streams[0]], of_class)
    scores = [inception_score.score(split) for split in splits.values()]
    if not scores:
      outcome.warnings.append(f'{self.name}: there are no videos of {of_class or "this kind"}')
      return None
    if self.classes is None and len(scores) > 1:
      outcome.spreads[self.name] = float(np.std(scores, ddof=1))
    return float(np.mean(scores)), int(sum(split['count'] for split in splits.values()))


class Similarity(measuring.Measure):
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
  _FUNCTIONS = {'ssim': image_quality.ssim, 'psnr': image_quality.psnr}

  def __init__(self, name='ssim', conditioning_frames=0, best_of=(1,), frames=None):
    if name not in self._FUNCTIONS:
      raise ValueError(f"Similarity.name must be 'ssim' or 'psnr', got {name!r}")
    self.name = name
    self.conditioning_frames = conditioning_frames
    self.best_of = tuple(best_of)
    self.frames = frames
    self._function = tf.function(self._FUNCTIONS[name], autograph=False)

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
      found['best_of', best_of] = values[best, np.arange(clips_count)].sum(0)
    return found

  def metrics(self, totals):
    """{stream: sums} -> measuring.Measured."""
    total = totals['generated']
    outcome = measuring.Measured(axis='frame')
    for best_of in self.best_of:
      curve = total['best_of', best_of] / total['count']
      name = self.name if best_of == self.best_of[0] else f'{self.name}_best_of_{best_of}'
      outcome.values[name] = float(curve.mean())
      outcome.curves[self.name, f'best of {best_of}' if max(self.best_of) > 1 else self.name] = [
          (self.conditioning_frames + 1 + t, float(value), np.nan) for t, value in enumerate(curve)]
    return outcome


class PowerSpectrum(measuring.Measure):
  """Power spectral density of some frames, real and generated: SSW-GAN, appendix E.

  The mean over videos, and the standard deviation of that mean over subsets of the videos.

  Args:
    frames: which, counted from 1.
    subsets: into how many the videos are divided.
  """

  name = 'power_spectrum'
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
    """{stream: sums} -> measuring.Measured."""
    outcome = measuring.Measured(axis='cycles per pixel')
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
