"""What is measured of an arm: one value per clip of the test split, or one per run.

A measure has a `name`, the metric that tables show; a `note`, words about the latest result, often
''; and

    measure(model, clips) -> float64 [N]

for a `trained_model.TrainedModel` with its weights and a `data.clip_source.ClipSource`. Clip n is
the same for all arms and seeds, and so is the noise of its samples. Metrics of samples need to know
nothing of networks: they look at moving shapes, whose true number, color and place are known.
"""

import itertools

import numpy as np
from scipy import ndimage
import tensorflow as tf

from tf_videogen.claims import classifier
from tf_videogen.layers import randomness
from tf_videogen.metrics import frechet
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import motion
from tf_videogen.training import strategies

SPLIT = 'test'


class Measure:
  """The base of measures."""

  name = note = ''
  needs_shapes = False  # whether it is for moving shapes only, whose truth is known

  @property
  def identity(self):
    """What values depend on, a list of plain values: the class and the arguments."""
    return [type(self).__name__, *sorted((name, value) for name, value in vars(self).items()
                                         if name != 'note')]

  def measure(self, model, clips):
    """One value per clip, or one in all: float64 [N] or [1], see the module."""
    raise NotImplementedError


class TaskMetric(Measure):
  """A metric of the task's own, computed for every clip by itself.

  Args:
    metric: the name of the metric, as `launch.evaluate` prints it.
    videos: number of clips, N.
  """

  def __init__(self, metric, videos=64):
    self.name = metric
    self.videos = videos

  def measure(self, model, clips):
    """float64 [N].

    Raises:
      ValueError: if the task has no such metric.
    """
    function = tf.function(model.task.statistics, autograph=False)
    values = []
    with strategies.scope(model.strategy):
      for number, batch in enumerate(clips.evaluation(SPLIT, 1, limit=self.videos)):
        batch = {name: value for name, value in batch.items() if name != 'id'}
        sums = function(batch, randomness.seed_of(number))
        metrics = model.task.metrics({name: np.asarray(value, np.float64)
                                      for name, value in sums.items()})
        values.append(float(self.value(metrics)))
    return np.array(values, np.float64)

  def value(self, metrics):
    """The value of a clip, from the task's metrics of it; raises a ValueError if it is missing."""
    if self.name not in metrics:
      raise ValueError(f'TaskMetric.metric = {self.name!r}: the task has the metrics '
                       f'{", ".join(metrics)}')
    return metrics[self.name]


class NatsAboveBound(TaskMetric):
  """Nats per frame above those of a perfect prediction, of a Video Transformer of gray intensities.

  Args:
    videos: number of clips, N.
  """

  def __init__(self, videos=64):
    super().__init__('nats_above_bound', videos)

  def value(self, metrics):
    """The value of a clip; raises a ValueError if the task knows no bound."""
    if 'least_nats_per_frame' not in metrics:
      raise ValueError('NatsAboveBound needs a Video Transformer whose predictor is an '
                       'IntensityPredictor; bind SliceDecoder.predictor')
    return metrics['nats_per_frame'] - metrics['least_nats_per_frame']


class OfSamples(Measure):
  """The base of measures of samples.

  Args:
    videos: number of clips that give conditions, N.
    samples_per_condition: number of samples for each of them, S.
    first: number of the first frame that counts, from 0 on.
    last: number of the frame after the last that counts; the end if None.
    batch_size: samples that are made at once.
  """

  reconstructs = False  # whether `values` gets data['reconstruction'], clips encoded and decoded

  def __init__(self, videos=64, samples_per_condition=1, first=0, last=None, batch_size=16):
    self.videos = videos
    self.samples_per_condition = samples_per_condition
    self.first = first
    self.last = last
    self.batch_size = batch_size

  def measure(self, model, clips):
    """float64 [N]."""
    given = list(clips.evaluation(SPLIT, self.batch_size, limit=self.videos))
    made = []
    for number in range(self.samples_per_condition):
      seeds = (randomness.fold_in(randomness.seed_of(number), i) for i in itertools.count())
      made.append(np.concatenate([
          model.sample({name: value for name, value in batch.items() if name != 'valid'}, seed)
          for batch, seed in zip(given, seeds)])[:self.videos])
    data = {name: np.concatenate([batch[name].numpy() for batch in given])[:self.videos]
            for name in given[0]}
    if self.reconstructs:
      data['reconstruction'] = np.concatenate(
          [model.reconstruct(batch) for batch in given])[:self.videos]
    # S x [N, T, H, W, C] -> [N, S, T', H, W, C]
    window = np.stack(made, 1)[:, :, self.first:self.last]
    return np.asarray(self.values(window, data, clips), np.float64)

  def values(self, samples, data, clips):
    """One value per clip.

    Args:
      samples: uint8 [N, S, T', H, W, C], the frames that count.
      data: dict of arrays, the clips that gave the conditions, whole.
      clips: the ClipSource.

    Returns:
      float [N].
    """
    raise NotImplementedError

  def _came(self, data):
    """What really came in the frames that count: uint8 [N, T', H, W, C]."""
    return data['video'][:, self.first:self.last]


class BestOf(OfSamples):
  """PSNR or SSIM of the best of S samples, the mean over the frames that count.

  Args:
    metric: 'psnr' or 'ssim'.
    videos, samples_per_condition, first, last, batch_size: see `OfSamples`.
  """

  def __init__(self, metric='psnr', videos=64, samples_per_condition=1, first=0, last=None,
               batch_size=16):
    super().__init__(videos, samples_per_condition, first, last, batch_size)
    self.name = metric

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    function, came = getattr(image_quality, self.name), self._came(data)
    found = [tf.reduce_mean(function(samples[:, i], came), axis=1).numpy()
             for i in range(samples.shape[1])]
    return np.max(found, axis=0)


class CentroidError(OfSamples):
  """How far the shapes' common center of mass is from the true one, in pixels."""

  name = 'centroid_error'
  needs_shapes = True

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    came = motion.centroids(self._came(data))  # [N, T, 2]
    found = []
    for made in samples.swapaxes(0, 1):  # [N, T, H, W, C]
      distance = np.linalg.norm(motion.centroids(made) - came, axis=-1)  # [N, T]
      found.append(np.where(np.isnan(distance), made.shape[2] / 2, distance).mean(1))
    return np.mean(found, axis=0)


class MotionError(OfSamples):
  """How far the motion of the shapes' common center is from the true motion, in pixels per frame.

  Motion is what the center moves from one of the frames that count to the next. A frame that shows
  no shape makes an error of half of the frame's side. A pattern of the ground does not count, see
  `metrics.motion`. Give `first` as the number of the last given frame: the first prediction's
  motion then counts.
  """

  name = 'motion_error'
  needs_shapes = True

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    came = np.diff(motion.centroids(self._came(data)), axis=1)  # [N, T - 1, 2]
    found = []
    for made in samples.swapaxes(0, 1):  # [N, T, H, W, C]
      error = np.linalg.norm(np.diff(motion.centroids(made), axis=1) - came, axis=-1)  # [N, T - 1]
      found.append(np.where(np.isnan(error), made.shape[2] / 2, error).mean(1))
    return np.mean(found, axis=0)


class WholeShapes(OfSamples):
  """The share of frames that show as many shapes as clips have: none lost, split or added.

  A shape is a connected region of pixels that differ from the ground by half of the faintest
  shape's difference, and has at least `least` pixels. It is for clips of one shape: two may touch.
  """

  name = 'whole_shapes'
  needs_shapes = True
  least = 3

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    return [np.mean([self._shapes(frame) == 1 for video in of_clip
                     for frame in self._shown(video)]) for of_clip in samples]

  def _shown(self, video):
    """Whether a pixel shows a shape: uint8 [T, H, W, C] -> bool [T, H, W]."""
    ground = np.median(video, axis=(0, 1, 2))
    return np.abs(video - ground).max(-1) > 56

  def _shapes(self, shown):
    labels, count = ndimage.label(shown)
    return int((np.bincount(labels.ravel(), minlength=count + 1)[1:] >= self.least).sum())


class Diversity(OfSamples):
  """How much two samples of the same conditions differ: a pixel's mean difference, in gray levels.

  Of S samples, all pairs count.
  """

  name = 'diversity'

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    samples = samples.astype(np.float32)
    pairs = list(itertools.combinations(range(samples.shape[1]), 2))
    return np.mean([np.abs(samples[:, i] - samples[:, j]).mean((1, 2, 3, 4)) for i, j in pairs],
                   axis=0)


class ColorObeyed(OfSamples):
  """The share of samples whose shapes have the color of their class, see `MovingShapes.classes`."""

  name = 'color_obeyed'
  needs_shapes = True

  def values(self, samples, data, clips):
    """float [N], see `OfSamples.values`."""
    return [np.mean([clips.class_of(video) == label for video in of_clip])
            for of_clip, label in zip(samples, data['label'])]


class FeatureDistance(OfSamples):
  """How far apart samples and test clips are as normal distributions of features.

  The features are those of `classifier`, trained on clips of as many frames as count. There is one
  value per run. Give more videos than there are features, 16.
  """

  name = 'frechet_distance'
  needs_shapes = True

  def values(self, samples, data, clips):
    """float [1], see `OfSamples.values`."""
    network = self._network(samples.shape[2], clips)
    return [_distance(_together(samples), network.real, network)]

  def _network(self, frames, clips):
    network = classifier.trained(clips, frames)
    self.note = f'accuracy of the classifier: {network.accuracy:.1%}'
    return network


class ModellingDistance(FeatureDistance):
  """How far apart samples and reconstructed test clips are, by the same features.

  It tells how well a prior models its codes, whatever the codes lose. VideoGPT calls it FVD*.
  """

  name = 'modelling_distance'
  reconstructs = True

  def values(self, samples, data, clips):
    """float [1], see `OfSamples.values`."""
    network = self._network(samples.shape[2], clips)
    reconstructed = data['reconstruction'][:, self.first:self.last]
    return [_distance(_together(samples), network.features(reconstructed), network)]


class Decline(FeatureDistance):
  """How much farther the last frames are from test clips than the first: a difference of distances.

  It compares as many frames at the end of those that count as at their beginning.

  Args:
    window: number of frames of either end.
    videos, samples_per_condition, first, last, batch_size: see `OfSamples`.
  """

  name = 'decline'

  def __init__(self, window=8, videos=256, samples_per_condition=1, first=0, last=None,
               batch_size=16):
    super().__init__(videos, samples_per_condition, first, last, batch_size)
    self.window = window

  def values(self, samples, data, clips):
    """float [1], see `OfSamples.values`.

    Raises:
      ValueError: if samples have fewer frames than two windows.
    """
    if samples.shape[2] < 2 * self.window:
      raise ValueError(f'Decline.window = {self.window}: samples have {samples.shape[2]} frames, '
                       'which are less than two windows')
    network, video = self._network(self.window, clips), _together(samples)
    early, late = (_distance(of_window, network.real, network)
                   for of_window in (video[:, :self.window], video[:, -self.window:]))
    return [late - early]


def _together(samples):
  """[N, S, T, ...] -> [N * S, T, ...]."""
  return samples.reshape(-1, *samples.shape[2:])


def _distance(video, features, network):
  """The Fréchet distance of videos uint8 [N, T, H, W, C] and features [M, F]."""
  made, other = (frechet.gaussian(frechet.sums(rows))
                 for rows in (network.features(video), features))
  return frechet.distance(made, other)
