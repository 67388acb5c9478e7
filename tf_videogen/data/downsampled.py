"""Clips with smaller frames: the real clips of an earlier level of a cascade."""

import os

import tensorflow as tf

from tf_videogen.data import clip_source
from tf_videogen.layers import resampling


class DownsampledClips(clip_source.ClipSource):
  """The clips of another source, with frames that are downsampled as they are read.

  Only height and width change. The other source leaves out frames itself (`frame_step`).

  Args:
    clips: ClipSource, the other source.
    downsample: function of frames [..., H, W, C] and an int factor that returns smaller frames:
      `resampling.nearest` (SSW-GAN) or `resampling.bilinear` (CVG). Colors are rounded.
    factors: int or several ints, by which height and width are divided. Several factors are applied
      one after the other, as by several levels.
  """

  def __init__(self, clips, downsample, factors):
    super().__init__(clips.frames, clips.frame_step, clips.train_split)
    self.clips = clips
    self.downsample = downsample
    self.factors = (factors,) if isinstance(factors, int) else tuple(factors)

  @property
  def dataset(self):
    """Name of the TFDS data set that the other source reads, or None if it reads none."""
    return self.clips.dataset

  def describe(self, builder):
    """See `PreparedClips.describe`."""
    self.clips.describe(builder)

  def count(self, split):
    """Returns the number of examples of a split."""
    return self.clips.count(split)

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    spec = self.clips.example_spec()
    smaller = self._smaller(tf.zeros(spec['video'].shape, tf.uint8))
    return {**spec, 'video': tf.TensorSpec(smaller.shape, tf.uint8)}

  def class_names(self):
    """See `ClipSource.class_names`."""
    return self.clips.class_names()

  def unlabelled(self, split):
    """See `ClipSource.unlabelled`."""
    return self.clips.unlabelled(split)

  def reduction(self):
    """See `ClipSource.reduction`."""
    found = self.clips.reduction()
    again = [[self.downsample.__name__, factor] for factor in self.factors]
    return {**found, 'downsampled': resampling.shortened(found['downsampled'] + again)}

  def unreachable(self):
    """See `ClipSource.unreachable`."""
    return self.clips.unreachable()

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    return [*self.clips.identity(split), self.downsample.__name__, list(self.factors)]

  def _examples(self, split, numbers, place_at):
    def smaller(position, example):
      return position, {**example, 'video': self._smaller(example['video'])}

    examples = self.clips._examples(split, numbers, place_at)
    return examples.map(smaller, os.cpu_count(), deterministic=True)

  def _smaller(self, video):
    """Downsamples frames: uint8 [T, H, W, C] -> uint8 [T, H / factor, W / factor, C]."""
    video = tf.cast(video, tf.float32)
    for factor in self.factors:
      video = self.downsample(video, factor)
    return tf.cast(tf.round(video), tf.uint8)
