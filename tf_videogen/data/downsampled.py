"""Clips made smaller: what an earlier level of a cascade takes for real."""

import tensorflow as tf

from tf_videogen.data import clip_source
from tf_videogen.layers import resampling


class DownsampledClips(clip_source.ClipSource):
  """The clips of another source, whose frames are made smaller as they are read.

  Frames are left out by the source itself (`frame_step`).

  Args:
    clips: a ClipSource.
    downsample: makes frames [..., H, W, C] smaller by a factor: `resampling.nearest` (SSW-GAN) or
      `resampling.bilinear` (CVG). Colors are rounded.
    factors: how many times smaller; several are applied one after the other, as of several levels.
  """

  def __init__(self, clips, downsample, factors):
    super().__init__(clips.frames, clips.frame_step, clips.train_split)
    self.clips = clips
    self.downsample = downsample
    self.factors = (factors,) if isinstance(factors, int) else tuple(factors)

  @property
  def dataset(self):
    """Name of the data set, where it is a prepared one."""
    return self.clips.dataset

  def describe(self, builder):
    """See PreparedClips."""
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

  def _records(self, split, order_seed=None):
    return self.clips._records(split, order_seed)

  def _shuffle_buffer(self):
    return self.clips._shuffle_buffer()

  def _read(self, split, record, place):
    example = self.clips._read(split, record, place)
    return {**example, 'video': self._smaller(example['video'])}

  def _smaller(self, video):
    """uint8 [T, H, W, C] -> uint8 [T, H / factor, W / factor, C]."""
    video = tf.cast(video, tf.float32)
    for factor in self.factors:
      video = self.downsample(video, factor)
    return tf.cast(tf.round(video), tf.uint8)
