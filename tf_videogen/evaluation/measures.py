"""The measures of generated videos that papers print. `measuring` defines the term."""

import abc
import collections

import numpy as np
import tensorflow as tf

from tf_videogen.evaluation import measuring
from tf_videogen.metrics import feature_sets
from tf_videogen.metrics import frechet
from tf_videogen.metrics import frechet_sampling
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import inception_score
from tf_videogen.metrics import power_spectrum


class _OfClasses(measuring.Measure):
  """A measure of all videos together, or of each class and the mean over classes.

  Statistics have keys (class, part, name). The class '' stands for all videos together. A part is a
  window or a split.
  """

  classes = None

  def _groups(self, clips):
    """Pairs (class, indices of its clips), for the classes that have clips in the batch."""
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
    """(value, number of videos it rests on) of a class; None if it has no value."""

  def _numbers(self, totals, outcome):
    """Puts the values of all classes into a `measuring.Measured`, and returns it."""
    for of_class in [''] if self.classes is None else self.classes:
      found = self._number(totals, of_class, outcome)
      if found:
        metric = f'{self.name}_class_{of_class}' if of_class else self.name
        outcome.values[metric], outcome.examples[metric] = found
    if self.classes is None:
      outcome.examples.clear()  # the value rests on all videos
    elif outcome.values:
      mean = float(np.mean(list(outcome.values.values())))
      outcome.values = {f'{self.name}_class_mean': mean, **outcome.values}
    return outcome


class FrechetDistance(_OfClasses):
  """FVD, FID and the like: the Fréchet distance of Gaussians fitted to a network's outputs.

  Args:
    name: name of the metric.
    network: name of the network, see `metrics.networks`.
    output: 'logits' or 'features', the output of the network; 'frames' for the outputs of every
      single frame, of a network of images that is given (FID of frames).
    between: two streams, of 'real', 'generated' and 'reconstructed'.
    frames: frames of a window; all of a clip if None.
    windows: 'first', or 'all' for the mean and the curve over all contiguous windows.
    classes: dict of class names and labels, for one distance per class and their mean. If None,
      there is one distance of all videos together.
    sets: names of further measures of the same outputs, of SETS. Each is a metric of its own name,
      so they belong to one distance of a protocol.

  A distance of all videos and one window comes with a 90 % interval, a floor, a curve over numbers
  of videos and its value for infinitely many, the metric `<name>_infinity`; see
  `frechet_sampling`. For these, the outputs of all videos are kept: 1.6 KB per video for 400
  logits.
  """

  SETS = ('kvd', 'precision', 'recall', 'density', 'coverage')

  def __init__(self, name='fvd', network='i3d_kinetics400', output='logits',
               between=('real', 'generated'), frames=16, windows='first', classes=None, sets=()):
    if windows not in ('first', 'all') or (windows == 'all' and frames is None):
      raise ValueError(f"FrechetDistance.windows must be 'first', or 'all' with frames, got "
                       f'{windows!r} with frames = {frames}')
    if not set(sets) <= set(self.SETS):
      raise ValueError(f'FrechetDistance.sets must be some of {", ".join(self.SETS)}, got '
                       f'{", ".join(sets)}')
    self._keeps_rows = windows == 'first' and classes is None
    self.name = name
    self.networks = (network,)
    self.output = output
    self.streams = tuple(between)
    self.frames = frames
    self.windows = windows
    self.classes = classes
    self.sets = tuple(sets)

  def identity(self):
    """The settings on which the statistics of a stream depend."""
    return ['frechet', self.output, self.frames, self.windows, self.classes]

  def statistics(self, clips):
    """Sums of a batch of either stream, see `frechet.sums`; a part is a window's first frame.

    If the outputs are kept, there are `measuring.Rows` of them, too.
    """
    last = clips.video.shape[1] - self.frames if self.windows == 'all' else 0
    found = {}
    for start in range(last + 1):
      features = clips.outputs(self.networks[0], start, self.frames)[self.output]
      for of_class, which in self._groups(clips):
        rows = features[which].reshape([-1, features.shape[-1]])  # [N, D], or [N, T, D] of frames
        for name, value in frechet.sums(rows).items():
          found[of_class, start, name] = value
      if self._keeps_rows:
        found['', start, measuring.ROWS] = measuring.Rows(
            features.reshape([-1, features.shape[-1]]))
    return found

  def metrics(self, totals):
    """Makes a `measuring.Measured` of {stream: sums}."""
    outcome = self._numbers(totals, measuring.Measured(
        axis='videos' if self._keeps_rows else f'first frame of the window of {self.frames}'))
    if self.sets and not self._keeps_rows:
      outcome.warnings.append(
          f'{", ".join(self.sets)} are left out: they need a single window, and no classes')
    if self._keeps_rows and outcome.values:
      rows = [frechet_sampling.in_order(np.asarray(totals[stream]['', 0, measuring.ROWS]))
              for stream in self.streams]
      self._add_trust(rows, outcome)
      self._add_sets(rows, outcome)
    return outcome

  def _add_trust(self, rows, outcome):
    """Adds the interval, the floor, the curve and the value for infinitely many videos."""
    interval = frechet_sampling.interval(*rows)
    if interval:
      outcome.intervals[self.name] = interval
    floor = frechet_sampling.floor(rows[0], len(rows[1]))
    if floor is not None:
      outcome.floors[self.name] = floor
    curve = frechet_sampling.by_count(*rows)
    if curve and min(map(len, rows)) > rows[0].shape[1]:  # the law of fewer videos is another
      outcome.values[f'{self.name}_infinity'] = frechet_sampling.at_infinity(curve)
    if curve:
      outcome.curves[f'{self.name}_by_videos', self.name] = [
          (round(share * len(rows[1])), value, np.nan) for share, value in curve]

  def _add_sets(self, rows, outcome):
    """Adds the further measures of the same rows; says which need more videos."""
    functions = {('kvd',): feature_sets.kernel_distance,
                 ('precision', 'recall'): feature_sets.precision_recall,
                 ('density', 'coverage'): feature_sets.density_coverage}
    for names, function in functions.items():
      if not set(names) & set(self.sets):
        continue
      try:
        values = function(*rows)
      except ValueError as error:  # too few videos
        outcome.warnings.append(f'{" and ".join(names)}: {error}')
        continue
      found = dict(zip(names, np.atleast_1d(values).tolist()))
      outcome.values.update({name: found[name] for name in names if name in self.sets})

  def _number(self, totals, of_class, outcome):
    curve = self._curve(totals, of_class, outcome)
    if not curve:
      return None
    if self.classes is None and len(curve) > 1:
      outcome.curves[self.name, self.name] = curve
    return (float(np.mean([value for _, value, _ in curve])),
            int(totals[self.streams[1]][of_class, 0, 'count']))

  def _curve(self, totals, of_class, outcome):
    """[(start, distance, nan)] of every window of a class; adds warnings if videos are few."""
    sides = [self._parts(totals[stream], of_class) for stream in self.streams]
    counts = [int(side[0].get('count', 0)) for side in sides]
    where = f' of {of_class}' if of_class else ''
    if min(counts) < 2:
      outcome.warnings.append(f'{self.name}{where}: {counts[0]} {self.streams[0]} and {counts[1]} '
                              f'{self.streams[1]} videos: a distance needs at least 2')
      return []
    size = len(sides[0][0]['sum'])
    if min(counts) <= size:
      outcome.warnings.append(
          f'{self.name}{where}: {min(counts)} videos for {size} features: the covariance is '
          f'singular and the distance biased upwards; use at least {size + 1}, better '
          'thousands')
    return [(start, frechet.distance(*(frechet.gaussian(side[start]) for side in sides)), np.nan)
            for start in sides[0]]


class InceptionScore(_OfClasses):
  """The Inception Score of generated videos.

  Args:
    name: name of the metric.
    network: name of the network, see `metrics.networks`.
    frames: number of first frames of a clip that are used; all if None.
    splits: number of parts into which the videos are divided. The value is the mean of the parts'
      scores. Without classes, their standard deviation (n - 1) is reported, too.
    classes: dict of class names and labels, for one score per class and their mean. If None, there
      is one score of all videos together.
    stream: 'generated', or 'real' for the score of the data itself.
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
    """The settings on which the statistics of a stream depend."""
    return ['inception', self.frames, self.splits, self.classes]

  def statistics(self, clips):
    """Sums of a batch, see `inception_score.sums`; a part is a split."""
    logits = clips.outputs(self.networks[0], 0, self.frames)['logits']
    split = clips.part(self.splits)
    found = {}
    for of_class, which in self._groups(clips):
      for s in np.unique(split[which]).tolist():
        for name, value in inception_score.sums(logits[which[split[which] == s]]).items():
          found[of_class, s, name] = value
    return found

  def metrics(self, totals):
    """Makes a `measuring.Measured` of {stream: sums}."""
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
  """SSIM and PSNR of predicted frames, for the best of l samples per clip.

  The best sample of a clip has the highest mean over frames, as in SAVP (Lee et al., 2018) and in
  TrIVD-GAN, appendix C.1. For each l, there is the curve over frames of the best samples, averaged
  over clips, and the mean of that curve.

  Args:
    name: 'ssim' or 'psnr'.
    conditioning_frames: number of first frames that are given, and not compared.
    best_of: the values of l. The first one gives the metric `name`, every further one the metric
      `<name>_best_of_<l>`.
    frames: number of first frames of a clip that are used; all if None.
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

  def identity(self):
    """The settings on which the statistics depend."""
    return ['similarity', self.name, self.conditioning_frames, self.best_of, self.frames]

  def statistics(self, clips):
    """Sums of a batch: for each l, the similarities of predicted frames, [T]; number of clips."""
    if clips.real is None:
      raise ValueError(f'{self.name} compares samples with the clips that they continue, but there '
                       'are none')
    clips_count = len(clips.real)
    samples = len(clips.video) // clips_count
    if max(self.best_of) > samples:
      raise ValueError(f'{self.name} takes the best of {max(self.best_of)} samples, but there are '
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
    """Makes a `measuring.Measured` of {stream: sums}."""
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
  """Power spectral density of single frames, real and generated: SSW-GAN, appendix E.

  The videos are divided into subsets of about equal size. A curve is the mean of the subsets' means
  over videos, and has the standard deviation (n - 1) of these means.

  Args:
    frames: numbers of the frames, counted from 1.
    subsets: number of subsets.
  """

  name = 'power_spectrum'
  streams = ('real', 'generated')

  def __init__(self, frames=(1, 10, 25, 50), subsets=3):
    self.frames = tuple(frames)
    self.subsets = subsets

  def identity(self):
    """The settings on which the statistics of a stream depend."""
    return ['power_spectrum', self.frames, self.subsets]

  def needs_frames(self):
    """The least number of frames that clips must have."""
    return max(self.frames)

  def statistics(self, clips):
    """Sums of a batch of either stream.

    Args:
      clips: `measuring.Clips`.

    Returns:
      dict of 'power', [subsets, frames, K], see `power_spectrum.radial`; 'count', the number of
      videos, [subsets]; 'size', the larger of height and width in pixels, [1], summed over videos.
    """
    power = np.stack([power_spectrum.radial(clips.video[:, frame - 1]) for frame in self.frames], 1)
    subset = np.eye(self.subsets)[clips.part(self.subsets)]  # [N, subsets]
    return {'power': np.einsum('ns,nfk->sfk', subset, power), 'count': subset.sum(0),
            'size': np.array([max(clips.video.shape[2:4])]) * len(power)}

  def metrics(self, totals):
    """Makes a `measuring.Measured` of {stream: sums}."""
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
