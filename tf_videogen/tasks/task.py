"""The interface of a task: all that trainer, evaluator, sampler and launch know of a paper.

Videos are uint8 outside of tasks. Each task converts them to its model's input in one place, and
back in another one. Optional parts, which most tasks lack, have defaults here.
"""

import abc
import typing

import tensorflow as tf

from tf_videogen.layers import xla_context


class Task(abc.ABC):
  """A model with its metrics and its sampler.

  A batch is a dict of tensors: 'video', uint8 [B, T, H, W, C]; in evaluations 'valid', bool [B],
  which is false for padding; and, if the data has them, 'label', int32 [B], and 'actions',
  float32 [B, T, A]. A seed is an int32 [2].

  Args:
    model: a Keras model. The checkpoint holds it.

  Attributes:
    conditioning_frames: number of first frames of a sample that are given.
    conditions: names of the other inputs of a sample: 'label', 'actions', both or neither.
    classes: number of classes if 'label' is a condition, else 0.
    cannot_sample: a sentence that says why the task cannot sample, or '' if it can.
    reconstructs: whether `reconstruct` encodes and decodes clips.
    recordings: list of `layers.recording.Recording`, one per generator with standing statistics, in
      the order in which they are made.
    standing_passes: number of passes of a recording.
    standing_batch: clips of a pass, over all replicas.
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
    """The variables that the optimizer updates: a list, or `Players` for `TwoPlayers`."""
    return self.model.trainable_variables

  @abc.abstractmethod
  def build(self, clip_shape):
    """Creates all variables, for clips of shape (T, H, W, C)."""

  def initialize(self, clips):
    """Computes statistics of the data or loads an earlier stage, once per new model directory.

    Args:
      clips: the data, see `data.clips`.
    """
    del clips

  @abc.abstractmethod
  def statistics(self, batch, seed):
    """Sums over the valid clips of a batch, a dict of tensors.

    The evaluator adds up the sums of all batches, replicas and hosts. 'examples', one of the sums,
    is the number of valid clips.
    """

  @abc.abstractmethod
  def metrics(self, sums):
    """Computes {metric: float} from the sums over a whole split."""

  @abc.abstractmethod
  def previews(self, batch, seed):
    """Makes videos to look at: {name: uint8 [B, T, H, W, C]}. 'data' is one of them.

    If there is 'motion', it is float32 [B, T, H, W, 2], in pixels of its own resolution.
    """

  @property
  def conditional(self):
    """Whether a sample needs a clip to take conditions from."""
    return bool(self.conditioning_frames or self.conditions)

  def condition_spec(self, spec, conditioning_frames=None):
    """The part of `spec`, name -> TensorSpec, that `sample` reads as conditions of a clip.

    Args:
      spec: name -> TensorSpec of a clip.
      conditioning_frames: number of first frames that are given; the attribute if None.
    """
    found = {name: spec[name] for name in self.conditions}
    given = self.conditioning_frames if conditioning_frames is None else conditioning_frames
    if given:
      video = spec['video']
      found['video'] = tf.TensorSpec([given] + video.shape[1:], video.dtype)
    return found

  def prepare_samples(self):
    """Sets the options on which `recordings` depend, before statistics are recorded.

    A subclass has these options as keyword arguments.
    """

  def sample(self, batch, seed):
    """Samples one clip for the conditions of each clip of the batch: uint8 [B, T, H, W, C].

    Only the given frames of `video` may be read: an exported model has no others. A subclass has
    its options as further arguments, with defaults.

    Raises:
      ValueError: if the task cannot sample.
    """
    raise ValueError(self.cannot_sample or f'{type(self).__name__} has nothing to sample from')

  def levels(self, batch, seed, **options):
    """Samples, and the videos of the levels below from which they are made.

    Returns:
      A list of uint8 [B, T, H, W, C], one per level, the first level's first.
    """
    return [self.sample(batch, seed, **options)]

  def reconstruct(self, batch):
    """Encodes and decodes clips: uint8 [B, T, H, W, C].

    Raises:
      ValueError: if the task does not reconstruct.
    """
    raise ValueError(f'{type(self).__name__} reconstructs nothing')

  def _program(self, key, function):
    """Compiles a function with XLA into one program, once per key."""
    if key not in self._programs:
      self._programs[key] = xla_context.compiled(function)
    return self._programs[key]


class LossTask(Task):
  """A task with one loss and one optimizer."""

  @abc.abstractmethod
  def loss(self, batch, seed):
    """Computes {term: scalar}, means over this replica's clips; 'loss' is minimized."""


class Players(typing.NamedTuple):
  """The trained variables of each of two players, lists."""
  generator: list
  discriminator: list


class AdversarialTask(Task):
  """A task with two players: a generator and discriminators."""

  @property
  @abc.abstractmethod
  def trainable_variables(self):
    """The variables that the optimizers update, `Players`."""

  def begin_training(self, clips):
    """Creates variables that steps share, if there are any.

    Args:
      clips: int, clips of one replica's batch.
    """

  def kept(self, step):
    """Lists the earlier results that are kept when `step`, an int, begins.

    No checkpoint holds them. In a resumed run `keep` makes them again.

    Returns:
      A list of pairs: the step whose seed made a result, and the step whose last batch made it.
    """
    del step
    return []

  def keep(self, batch, seed, step):
    """Makes a result of `kept` again.

    Args:
      batch: the last batch of the step that `kept` names for the batch.
      seed: the seed of `begin_step` in the step that `kept` names for the seed.
      step: number of the latter step, int64 [].
    """

  def begin_step(self, batches, seed, step):
    """Adds to the batches of a step what its updates share.

    Args:
      batches: one dict per update of the discriminators. The generator gets the last one, too.
      seed: int32 [2], the same for all updates.
      step: number of the step, int64 [].

    Returns:
      The batches.
    """
    del seed, step
    return batches

  @abc.abstractmethod
  def discriminator_loss(self, batch, seed):
    """The terms of the discriminators' loss, see `LossTask.loss`."""

  @abc.abstractmethod
  def generator_loss(self, batch, seed):
    """The terms of the generator's loss, see `LossTask.loss`."""

  def average(self, step):
    """Updates averages of weights after the generator's update in `step`, counted from 0."""
    del step


def refuse_nan(video):
  """Raises a FloatingPointError if a model's floats are not all finite; in graphs does nothing."""
  if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(video))):
    raise FloatingPointError('the model makes videos with values that are not finite (NaN)')
