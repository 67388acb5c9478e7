"""The contract of a task: all that trainer, evaluator, sampler and launch know of a paper.

A task turns uint8 videos, which is what travels, into what its model eats, and back, in one place
each. What it may have, and most don't, has a default here.
"""

import abc
import typing

import tensorflow as tf

from tf_videogen.layers import xla_context


class Task(abc.ABC):
  """A model, what is measured of it, and how it is sampled.

  A batch is a dict of tensors: 'video', uint8 [B, T, H, W, C]; 'valid', bool [B], in evaluations;
  and what the data has of 'label', int32 [B], and 'actions', float32 [B, T, A]. A seed is an
  int32 [2].

  Args:
    model: a Keras model: what the checkpoint holds.

  Attributes:
    conditioning_frames: how many first frames of a sample are given.
    conditions: what else of a clip a sample depends on, names of 'label' and 'actions'.
    classes: how many classes there are, where 'label' is one of them.
    cannot_sample: why there is nothing to sample from, a sentence; '' where there is.
    reconstructs: whether `reconstruct` encodes and decodes clips.
    recordings: a list of `layers.recording.Recording`, one a generator with standing statistics, in
      the order in which they are made; `standing_passes` passes of `standing_batch` clips each.
  """

  conditioning_frames = 0
  conditions = ()
  classes = 0
  cannot_sample = ''
  reconstructs = False
  recordings = ()
  standing_passes = 0
  standing_batch = 0

  def __init__(self, model):
    self.model = model
    self._programs = {}

  @property
  def trainable_variables(self):
    """What the optimizer updates, a list; `Players` of two lists, where it is a pair."""
    return self.model.trainable_variables

  @abc.abstractmethod
  def build(self, clip_shape):
    """Creates every variable, for clips (T, H, W, C)."""

  def initialize(self, clips):
    """Once, when a model directory is new: statistics of the data, weights of an earlier stage."""
    del clips

  @abc.abstractmethod
  def statistics(self, batch, seed):
    """Sums over the valid clips of a batch, a dict; batches', replicas' and hosts' are added up.

    `examples` is one of them: how many clips are valid.
    """

  @abc.abstractmethod
  def metrics(self, sums):
    """{metric: float}, of merged sums."""

  @abc.abstractmethod
  def previews(self, batch, seed):
    """{name: uint8 [B, T, H, W, C]} to look at, with 'data' among them.

    'motion' may be float32 [B, T, H, W, 2], in pixels of its own resolution.
    """

  @property
  def conditional(self):
    """Whether a sample needs a clip to take conditions from."""
    return bool(self.conditioning_frames or self.conditions)

  def condition_spec(self, spec):
    """What `sample` reads of a clip besides noise: a part of `spec`, name -> TensorSpec."""
    found = {name: spec[name] for name in self.conditions}
    if self.conditioning_frames:
      video = spec['video']
      found['video'] = tf.TensorSpec([self.conditioning_frames] + video.shape[1:], video.dtype)
    return found

  def prepare_samples(self):
    """Sets by keyword arguments what `recordings` depend on, before they are made."""

  def sample(self, batch, seed):
    """Samples a clip for each clip of the batch, which has the conditions: uint8 [B, T, H, W, C].

    Of `video` no more is to be read than what is given: an export has no other frames. A subclass
    has its options as further arguments, with defaults.
    """
    raise ValueError(self.cannot_sample or f'{type(self).__name__} has nothing to sample from')

  def levels(self, batch, seed, **options):
    """Samples, and what the levels below made for them, the first level's first: a list."""
    return [self.sample(batch, seed, **options)]

  def reconstruct(self, batch):
    """Clips, encoded and decoded: uint8 [B, T, H, W, C]."""
    raise ValueError(f'{type(self).__name__} reconstructs nothing')

  def _program(self, key, function):
    """A function as one program of XLA, made once for every key."""
    if key not in self._programs:
      self._programs[key] = xla_context.compiled(function)
    return self._programs[key]


class LossTask(Task):
  """A task that one optimizer minimizes."""

  @abc.abstractmethod
  def loss(self, batch, seed):
    """{term: scalar}, means over this replica's clips; 'loss' is what is minimized."""


class Players(typing.NamedTuple):
  """What each of two players trains: lists of variables."""
  generator: list
  discriminator: list


class AdversarialTask(Task):
  """A task of two players."""

  @property
  @abc.abstractmethod
  def trainable_variables(self):
    """What the optimizers update, `Players`."""

  def begin_training(self, clips):
    """Makes variables that steps share, if need be, for so many clips of a replica's batch."""

  def kept(self, step):
    """What of earlier steps is kept when `step` begins: [(step of its seed, step of its batch)].

    It is in no checkpoint; `keep` makes it again.
    """
    del step
    return []

  def keep(self, batch, seed, step):
    """Makes once more what a step keeps, of its last batch and of the seed of its `begin_step`."""

  def begin_step(self, batches, seed, step):
    """The batches of a step, one an update, with what several updates share; `step`: int64 []."""
    del seed, step
    return batches

  @abc.abstractmethod
  def discriminator_loss(self, batch, seed):
    """As `LossTask.loss`, of the discriminator."""

  @abc.abstractmethod
  def generator_loss(self, batch, seed):
    """As `LossTask.loss`, of the generator."""

  def average(self, step):
    """After an update of the generator in that step, counted from 0: moves averages of weights."""
    del step


def refuse_nan(video):
  """Raises a FloatingPointError, outside of graphs, if a model's floats are not all finite."""
  if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(video))):
    raise FloatingPointError('the model makes videos with values that are not finite (NaN)')
