"""Decomposed discriminators of videos: each network judges one view of a clip.

Luc et al., "Transformation-based Adversarial Video Prediction on Large-Scale Data" (TrIVD-GAN),
2020: section 3.1, Table 1, appendix A. The views, in the table's symbols, are K random frames at
full resolution (F) or down-sampled (dF), the whole clip (clV), the down-sampled clip (dV), and a
random crop of the clip (crV). F and dF contain only predicted frames. Views of clips also contain
the conditioning frames.

The rows of Table 1 as values of `Discriminators.views`:

    Clip                    ('clV',)
    Downsampled             ('dV',)
    Cropped                 ('crV',)
    Cropped + Downsampled   ('dV', 'crV')
    MoCoGAN-like            ('F', 'clV')           frames = 1 and 8
    DVD-GAN-FP              ('F', 'dV')
    DVD-GAN-FP, faster      ('dF', 'crV')
    DVD-GAN-FP, stronger    ('dF', 'dV', 'crV')    TrIVD-GAN-FP's

CVG and SSW-GAN (appendix B) add the matching discriminator (M) to F and dV. It judges pairs: an
upscaled video, reduced to the size and length of the video that it was made from, and that video.

The paper leaves two points open. Here the networks pool over space only, so they judge the features
of each frame, whatever the number of frames. With `pool_time`, their 3-D blocks also pool over
time, as in public code. The outputs of all networks go into one mean.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from tf_videogen.layers import non_local as non_local_block
from tf_videogen.layers import projection
from tf_videogen.layers import randomness
from tf_videogen.layers import resampling
from tf_videogen.layers import residual_blocks


class View(NamedTuple):
  """What a network sees of a video.

  Attributes:
    temporal: whether the network sees clips; if False, it sees single frames.
    scale: which pixels it sees: 'full', 'down' (down-sampled) or 'crop'; 'pair' if it sees pairs of
      videos.
  """
  temporal: bool
  scale: str


VIEWS = {
    'F': View(temporal=False, scale='full'),
    'dF': View(temporal=False, scale='down'),
    'clV': View(temporal=True, scale='full'),
    'dV': View(temporal=True, scale='down'),
    'crV': View(temporal=True, scale='crop'),
    'M': View(temporal=True, scale='pair'),
}


def view_shape(name, video_shape, frames, factor, crop_size=None):
  """Returns the shape (T', H', W') of a view.

  Args:
    name: a key of VIEWS.
    video_shape: (T, H, W, ...) of the clips; of the pairs for the view M.
    frames, factor, crop_size: see `view`.
  """
  temporal, scale = VIEWS[name]
  time, height, width = video_shape[:3]
  if scale == 'pair':
    return time, height, width
  if scale == 'crop' and crop_size is not None:
    height = width = crop_size
  elif scale != 'full':
    height, width = height // factor, width // factor
  return time if temporal else frames, height, width


def pixels(name, video_shape, frames, factor, crop_size=None):
  """Returns how many pixels of a clip a view judges (section 3.1); arguments as in `view_shape`."""
  return math.prod(view_shape(name, video_shape, frames, factor, crop_size))


def view(video, name, conditioning_frames, frames, factor, crop_size, seed):
  """Returns a view of videos.

  Args:
    video: [B, T, H, W, C].
    name: a key of VIEWS.
    conditioning_frames: number of frames at the beginning that are given, not predicted.
    frames: K, number of predicted frames that a view of frames has.
    factor: s, factor of down-sampling, and of crops if `crop_size` is None.
    crop_size: side of square crops, in pixels; if None, crops have H / s x W / s pixels.
    seed: int32 [2], the same on all replicas.

  Returns:
    [B, T', H', W', C] (see `view_shape`).
  """
  temporal, scale = VIEWS[name]
  if not temporal:
    video = _random_frames(video[:, conditioning_frames:], frames, seed)
  if scale == 'down':
    return resampling.average_pool(video, (factor, factor))
  if scale == 'crop':
    _, height, width = view_shape(name, video.shape[1:], frames, factor, crop_size)
    return _random_crop(video, height, width, seed)
  return video


def _random_frames(video, frames, seed):
  """Draws distinct frames of each clip, in order: [B, T, H, W, C] -> [B, frames, H, W, C]."""
  keys = randomness.rows(randomness.uniform, video.shape[0], [video.shape[1]], seed)
  chosen = tf.sort(tf.math.top_k(keys, frames).indices)
  return tf.gather(video, chosen, axis=1, batch_dims=1)


def _random_crop(video, height, width, seed):
  """Crops each clip at a random place: [B, T, H, W, C] -> [B, T, height, width, C]."""
  draws = randomness.rows(randomness.uniform, video.shape[0], [2], seed)
  for axis, side, draw in ((2, height, draws[:, :1]), (3, width, draws[:, 1:])):
    start = tf.cast(draw * (video.shape[axis] - side + 1), tf.int32)  # [B, 1]
    video = tf.gather(video, start + tf.range(side), axis=axis, batch_dims=1)
  return video


class Network(tf.keras.layers.Layer):
  """A discriminator network of BigGAN's residual blocks, frame by frame (appendix A).

  Each stage has one block, and every block but the last down-samples by 2. A ReLU, the sum over
  space, and the head follow.

  Args:
    channels: ch, the base number of channels.
    multipliers: multiples of ch, one per stage.
    temporal: whether the first two blocks have 3-D convolutions.
    head: a layer of `projection`, from features [B, T, C] to outputs.
    pool_time: whether the blocks with 3-D convolutions also pool over two frames. The last stage
      never pools.
    non_local: indices (from 0) of stages that a non-local block follows, as in BigGAN.
  """

  def __init__(self, channels, multipliers, temporal, head, pool_time=False, non_local=(),
               name=None):
    super().__init__(name=name)
    self.head = head
    self.blocks = []
    for stage, multiplier in enumerate(multipliers):
      deep, last = temporal and stage < 2, stage == len(multipliers) - 1
      self.blocks.append(residual_blocks.DiscriminatorBlock(
          channels * multiplier, downsample=not last, preactivation=stage > 0,
          sides=(3, 3, 3) if deep else (3, 3), pool_time=pool_time and deep and not last))
      if stage in non_local:
        self.blocks.append(non_local_block.NonLocalBlock())

  def call(self, x, labels=None, parts=1, training=False):
    """Returns the head's outputs, a list of one tensor per part of the batch.

    Args:
      x: [parts * B, T, H, W, C].
      labels: int32 [B], the same for every part; or [parts * B], all parts one after the other. May
        be None if there is one class.
      parts: number of equal parts that the batch consists of.
      training: whether spectral normalization does a step of its power iteration.
    """
    for block in self.blocks:
      x = block(x, training=training)
    x = tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), [2, 3])  # [B, T, H, W, C] -> [B, T, C]
    return self.head(x, labels, parts, training)


class Discriminators(tf.keras.layers.Layer):
  """The discriminator networks, one per view of the videos.

  Args:
    views: names of the views, keys of VIEWS.
    channels: ch, the base number of channels of the networks.
    multipliers: multiples of ch, one per stage of the networks.
    frames: K, number of predicted frames that views of frames have.
    factor: s, factor of down-sampled views, and of crops if `crop_size` is None.
    crop_size: side of square crops, in pixels; if None, the frame's sides divided by `factor`.
    head: class of the networks' heads, from `projection`.
    classes: number of classes, 1 if there are none.
    pool_time: whether blocks with 3-D convolutions also pool over two frames.
    non_local: indices of stages, see `Network`; the same for all networks.

  Raises:
    ValueError: if views are unknown or repeated, or if there are none.
  """

  def __init__(self, views, channels=48, multipliers=(2, 4, 8, 16, 16), frames=8, factor=2,
               crop_size=None, head=projection.MixedProjection, classes=1, pool_time=False,
               non_local=()):
    super().__init__(name='discriminators')
    self.views = tuple(views)
    self.multipliers = tuple(multipliers)
    self.frames = frames
    self.factor = factor
    self.crop_size = crop_size
    self.classes = classes
    self.pool_time = pool_time
    self._check_views()
    self.networks = [
        Network(channels, multipliers, VIEWS[name].temporal, head(classes=classes), pool_time,
                non_local, name)
        for name in self.views]

  def call(self, videos, labels, conditioning_frames, seed, training=False, pairs=None):
    """Returns the outputs of the networks for videos.

    Args:
      videos: list of [B, T, H, W, C] in [-1, 1], such as [real, fake] or [fake].
      labels: int32 [B], the same for every entry of `videos`; or the labels of all entries, one
        after the other. May be None if there is one class.
      conditioning_frames: number of frames at the beginning that are given, not predicted.
      seed: int32 [2] for random frames and crops, the same on all replicas.
      training: whether spectral normalization does a step of its power iteration.
      pairs: for the view M, list of [B, T', H', W', 2 C], one per video; not read without this
        view.

    Returns:
      A list of float32 vectors, one per entry of `videos`, with the outputs of all networks.
    """
    outputs, sizes = [[] for _ in videos], []
    for place, (name, network) in enumerate(zip(self.views, self.networks)):
      seen = pairs if VIEWS[name].scale == 'pair' else [
          view(video, name, conditioning_frames, self.frames, self.factor, self.crop_size,
               randomness.fold_in(randomness.fold_in(seed, part), place))
          for part, video in enumerate(videos)]
      judged = network(tf.concat(seen, 0), labels, len(videos), training=training)
      sizes.append(judged[0].shape.num_elements())
      for vectors, output in zip(outputs, judged):
        vectors.append(tf.reshape(output, [-1]))  # [B, T] or [B, B', T] -> [D]
    self._sizes = sizes
    return [tf.concat(vectors, 0) for vectors in outputs]

  def sum_of_means(self, numbers):
    """Sums the means over each network's numbers: [D], as in the latest call's outputs -> []."""
    return tf.add_n([tf.reduce_mean(part) for part in tf.split(numbers, self._sizes)])

  def check(self, video_shape, conditioning_frames, pair_shape=None):
    """Raises a ValueError if clips do not suit the views or the networks.

    Args:
      video_shape: (T, H, W, C) of the clips.
      conditioning_frames: number of frames at the beginning that are given, not predicted.
      pair_shape: (T', H', W', 2 C) of the pairs; None if there are none.
    """
    time, height, width = video_shape[:3]
    if not 0 <= conditioning_frames < time:
      raise ValueError(
          'Discriminators.conditioning_frames must be below the number of frames of a clip, '
          f'{time}; got {conditioning_frames}')
    for name in self.views:
      if VIEWS[name].scale == 'pair':
        self._check_pairs(name, pair_shape)
        continue
      self._check_view(name, time - conditioning_frames, height, width)
      self._check_stages(name, view_shape(
          name, video_shape, self.frames, self.factor, self.crop_size))

  def _check_views(self):
    known = ', '.join(VIEWS)
    if not self.views or not set(self.views) <= set(VIEWS):
      raise ValueError(f'Discriminators.views must be one or more of {known}; got {self.views}')
    if len(set(self.views)) < len(self.views):
      raise ValueError(f'Discriminators.views must differ from each other; got {self.views}')

  def _check_view(self, name, predicted, height, width):
    temporal, scale = VIEWS[name]
    if not temporal and not 1 <= self.frames <= predicted:
      raise ValueError(
          f'Discriminators.frames must be 1 to {predicted}, the number of predicted frames, for '
          f'the view {name}; got {self.frames}')
    if scale == 'crop' and self.crop_size is not None:
      if not 1 <= self.crop_size <= min(height, width):
        raise ValueError(
            f'Discriminators.crop_size must be 1 to {min(height, width)} for frames of '
            f'{height}x{width}; got {self.crop_size}')
    elif scale != 'full' and (self.factor < 1 or height % self.factor or width % self.factor):
      raise ValueError(
          f'Discriminators.factor must divide the sides of frames of {height}x{width} for the '
          f'view {name}; got {self.factor}')

  def _check_pairs(self, name, pair_shape):
    if pair_shape is None:
      raise ValueError(f'the view {name} of Discriminators.views needs upscaled videos, but this '
                       'model upscales none: leave it out')
    self._check_stages(name, pair_shape[:3])

  def _check_stages(self, name, shape):
    time, height, width = shape
    stages = len(self.multipliers)
    multiple = 2**(stages - 1)
    if height % multiple or width % multiple:
      raise ValueError(
          f'Discriminators.multipliers, {stages} of them, halve sides {stages - 1} times: sides of '
          f'the view {name} must be multiples of {multiple}; got {height}x{width}')
    multiple = 2**min(2, stages - 1)
    if self.pool_time and VIEWS[name].temporal and time % multiple:
      raise ValueError(
          'Discriminators.pool_time must be False unless the number of frames of a clip is a '
          f'multiple of {multiple}; got {time} frames')
