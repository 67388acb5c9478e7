"""Discriminators of videos, decomposed: each network judges a view of the clip (TrIVD-GAN, 3.1).

Luc et al., "Transformation-based Adversarial Video Prediction on Large-Scale Data", 2020: section
3.1, Table 1, appendix A. Views, by the table's symbols: K random frames at full resolution (F) or
down-sampled (dF), the whole clip (clV), the clip down-sampled (dV), a random crop of it (crV).
Frames are predicted ones; clips have their conditioning frames, too.

Table 1, by `Discriminators.views`:

    Clip                    ('clV',)
    Downsampled             ('dV',)
    Cropped                 ('crV',)
    Cropped + Downsampled   ('dV', 'crV')
    MoCoGAN-like            ('F', 'clV')           frames = 1 and 8
    DVD-GAN-FP              ('F', 'dV')
    DVD-GAN-FP, faster      ('dF', 'crV')
    DVD-GAN-FP, stronger    ('dF', 'dV', 'crV')    TrIVD-GAN-FP's

CVG and SSW-GAN (appendix B) add the matching discriminator (M) to F and dV: it judges pairs of an
upscaled video, made as small and short again as what it was upscaled from, and the latter.

What the paper leaves open: networks pool over space alone, so that a frame's features are judged
whatever the number of frames (`pool_time` pools as the 3-D blocks of public code do); the
outputs of all networks go into one mean.
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
  """What a network sees: clips or single frames, and which of their pixels."""
  temporal: bool
  scale: str  # 'full', 'down', 'crop', or 'pair': of pairs, not of the video


VIEWS = {
    'F': View(temporal=False, scale='full'),
    'dF': View(temporal=False, scale='down'),
    'clV': View(temporal=True, scale='full'),
    'dV': View(temporal=True, scale='down'),
    'crV': View(temporal=True, scale='crop'),
    'M': View(temporal=True, scale='pair'),
}


def view_shape(name, video_shape, frames, factor, crop_size=None):
  """(T', H', W') of a view of clips, or of pairs, of [T, H, W, ...]; arguments as of `view`."""
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
  """How many pixels of a clip of [T, H, W, ...] a view judges (section 3.1)."""
  return math.prod(view_shape(name, video_shape, frames, factor, crop_size))


def view(video, name, conditioning_frames, frames, factor, crop_size, seed):
  """What a network sees of videos.

  Args:
    video: [B, T, H, W, C].
    name: a key of VIEWS.
    conditioning_frames: how many frames at the beginning are not predicted.
    frames: K, how many of the predicted frames a view of frames has.
    factor: s, of down-sampling, and of crops unless they have a `crop_size`.
    crop_size: side of crops; None: H / s x W / s.
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
  """Distinct frames of every clip, in their order: [B, T, H, W, C] -> [B, frames, H, W, C]."""
  keys = randomness.rows(randomness.uniform, video.shape[0], [video.shape[1]], seed)
  chosen = tf.sort(tf.math.top_k(keys, frames).indices)
  return tf.gather(video, chosen, axis=1, batch_dims=1)


def _random_crop(video, height, width, seed):
  """A place for every clip: [B, T, H, W, C] -> [B, T, height, width, C]."""
  draws = randomness.rows(randomness.uniform, video.shape[0], [2], seed)
  for axis, side, draw in ((2, height, draws[:, :1]), (3, width, draws[:, 1:])):
    start = tf.cast(draw * (video.shape[axis] - side + 1), tf.int32)  # [B, 1]
    video = tf.gather(video, start + tf.range(side), axis=axis, batch_dims=1)
  return video


class Network(tf.keras.layers.Layer):
  """A discriminator network of BigGAN's residual blocks, frame by frame (appendix A).

  A block a stage, all but the last down-sample by 2; then ReLU, the sum over space, the head.

  Args:
    channels: what the multipliers multiply.
    multipliers: of the channels, one a stage.
    temporal: whether the first two blocks have 3-D convolutions.
    head: layer of `projection`, from features [B, T, C] to outputs.
    pool_time: whether the blocks with 3-D convolutions pool over two frames, too.
    non_local: numbers, from 0 on, of stages after which a non-local block follows, as in BigGAN.
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
    """The head's outputs, a list of one tensor for every part of the batch.

    Args:
      x: [parts * B, T, H, W, C].
      labels: int32 [B], of every part; or [parts * B], of all parts one after the other.
      parts: of how many equal parts the batch consists.
      training: whether spectral normalization moves on.
    """
    for block in self.blocks:
      x = block(x, training=training)
    x = tf.reduce_sum(tf.cast(tf.nn.relu(x), tf.float32), [2, 3])  # [B, T, H, W, C] -> [B, T, C]
    return self.head(x, labels, parts, training)


class Discriminators(tf.keras.layers.Layer):
  """One network for every view of the videos.

  Args:
    views: names of views, keys of VIEWS.
    channels: what the multipliers multiply.
    multipliers: of the networks' channels, one a stage.
    frames: K, how many predicted frames views of frames have.
    factor: s, of down-sampled views, and of crops unless they have a `crop_size`.
    crop_size: side of crops; None: the frame's sides divided by `factor`.
    head: class of `projection`.
    classes: number of classes, 1 where there are none.
    pool_time: whether blocks with 3-D convolutions pool over two frames, too.
    non_local: of all networks, see `Network`.

  Raises:
    ValueError: views are unknown, repeated, or none.
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
    """What the networks say of videos.

    Args:
      videos: list of [B, T, H, W, C] in [-1, 1], such as [real, fake] or [fake].
      labels: int32 [B], the same of every entry of `videos`; or those of all entries, one after
        the other. None where there is one class.
      conditioning_frames: how many frames at the beginning are not predicted.
      seed: int32 [2], the same on all replicas, of random frames and crops.
      training: whether spectral normalization moves on.
      pairs: for the view M, list of [B, T', H', W', 2 C], a pair for each video.

    Returns:
      A list of float32 vectors, one for every entry of `videos`: the outputs of all networks.
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
    """The sum over networks of the means of their numbers: [D], as the latest call's -> []."""
    return tf.add_n([tf.reduce_mean(part) for part in tf.split(numbers, self._sizes)])

  def check(self, video_shape, conditioning_frames, pair_shape=None):
    """Raises a ValueError where clips [T, H, W, C] don't suit the views or the networks.

    Args:
      video_shape: of clips.
      conditioning_frames: how many frames at the beginning are not predicted.
      pair_shape: (T', H', W', 2 C) of pairs; None where there are none.
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
      raise ValueError(f'the view {name} of Discriminators.views is of upscaled videos, and this '
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
