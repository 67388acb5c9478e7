"""Clips of shapes that move on a plain ground: synthetic, so that their true motion is known.

For runs that show within minutes whether a model learns to move things, without any files. Discs
and squares of bright colors go straight on at a constant speed and bounce off the walls, as the
digits of Moving MNIST do; one hides another, and none ever leaves the frame. A clip is a function
of (seed, split, number of the example), made when it is read.

Positions are in pixels: (0, 0) is the middle of the pixel in the top left corner.
"""

import math
import os
import typing

import tensorflow as tf

from tf_videogen.data import clip_source

TEST_EXAMPLES = 1_000
MIN_SPEED = .5  # pixels a frame
MIN_SIZE = 8  # of a frame: its smallest shapes are two pixels wide
DARKEST, LIGHTEST = 0., 48.  # gray levels of grounds
FAINTEST, BRIGHTEST = 160., 255.  # levels of shapes, where there is one channel

_SPLITS = ('train', 'test')


class Truth(typing.NamedTuple):
  """What is true of N clips with S shapes each.

  Attributes:
    positions: float32 [N, T, S, 2], row and column of the shapes' centers, in pixels.
    displacements: float32 [N, T, S, 2], how far they went down and to the right since the frame
      before, in pixels; zeros in the first frame.
    masks: bool [N, T, S, H, W], the pixels that show a shape: it covers half of them or more, and
      no other shape does so in front of it. At most one shape has a pixel.
  """
  positions: typing.Any
  displacements: typing.Any
  masks: typing.Any


class MovingShapes(clip_source.ClipSource):
  """Clips of moving shapes, with splits 'train' and 'test'. An `id` is such as 'test/17'.

  Each shape is a disc or a square; its radius, or half of its side, is drawn from [1/8, 1/6] of the
  frame's side, its speed from [0.5, max_speed], its direction and first place from all there are.
  Shapes with a higher number are in front.

  Args:
    frames: int, frames of a clip, T.
    size: int, height and width of the frames, at least 8.
    shapes: int, shapes of a clip, S.
    channels: int, 3 for colors, 1 for gray levels.
    max_speed: float, pixels a frame, at least 0.5.
    examples: int, examples of the split 'train'; 'test' has 1,000.
    train_split: str, the split that `training` reads.
    seed: int from 0 on, clips of different seeds are different.
    frame_step: int, distance between the frames of a clip, in frames of the speed.
  """

  def __init__(self, frames=16, size=32, shapes=1, channels=3, max_speed=2., examples=100_000,
               train_split='train', seed=0, frame_step=1):
    super().__init__(frames, frame_step, train_split)
    for name, value, least in (('size', size, MIN_SIZE), ('shapes', shapes, 1),
                               ('examples', examples, 1), ('seed', seed, 0)):
      if not isinstance(value, int) or value < least:
        raise ValueError(f'{name} must be an integer of at least {least}, got {value!r}')
    if channels not in (1, 3):
      raise ValueError(f'channels must be 1 or 3, got {channels!r}')
    if max_speed < MIN_SPEED:
      raise ValueError(f'max_speed must be at least {MIN_SPEED} pixels a frame, got {max_speed!r}')
    self.size = size
    self.shapes = shapes
    self.channels = channels
    self.max_speed = max_speed
    self.examples = examples
    self.seed = seed

  def count(self, split):
    """Returns the number of examples of a split."""
    self._check_split(split)
    return self.examples if split == 'train' else TEST_EXAMPLES

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    shape = [self.frames, self.size, self.size, self.channels]
    return {'video': tf.TensorSpec(shape, tf.uint8), 'id': tf.TensorSpec([], tf.string)}

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    return ['moving_shapes', split, self.count(split), self.frames, self.size, self.shapes,
            self.channels, self.max_speed, self.seed, self.frame_step]

  def truth(self, split, numbers):
    """Returns the `Truth` of examples, NumPy arrays.

    Args:
      split: str, name of the split.
      numbers: integers [N], the examples' numbers in the split, as their ids have them: those of
        `evaluation` are 0, 1, 2, ...
    """
    count = self.count(split)
    numbers = [int(number) for number in numbers]
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong or not numbers:
      raise ValueError(f'numbers of examples of {split!r} must be from 0 to {count - 1}, got '
                       f'{wrong[0] if wrong else "none"}')

    def of_one(number):
      scene = self._scene(split, number)
      positions = scene['positions']
      moved = positions[1:] - positions[:-1]  # [T-1, S, 2]
      return positions, tf.pad(moved, [[1, 0], [0, 0], [0, 0]]), _visible(self._coverage(scene))

    clips = tf.data.Dataset.from_tensor_slices(tf.constant(numbers, tf.int64))
    clips = clip_source.untuned(clips.map(of_one, os.cpu_count()).batch(len(numbers)))
    return Truth(*next(clips.as_numpy_iterator()))

  def motion_fields(self, split, numbers):
    """Returns the true motion of examples, float32 [N, T, H, W, 2], in pixels.

    Entry t at a pixel is how far what is there in frame t went down and to the right since frame
    t - 1: zeros where no shape is, and in the first frame.

    Args:
      split, numbers: see `truth`.
    """
    truth = self.truth(split, numbers)
    fields = 0.  # a pixel shows one shape at most, so that fields add up
    for i in range(self.shapes):
      shown = truth.masks[:, :, i, :, :, None]  # [N, T, H, W, 1]
      fields = fields + shown * truth.displacements[:, :, i, None, None]
    return fields

  def _check_split(self, split):
    if split not in _SPLITS:
      raise ValueError(f'MovingShapes has no split {split!r}; there are: {", ".join(_SPLITS)}')

  def _shuffle_buffer(self):
    # Examples are drawn independently already, so that a few are enough.
    return min(self.count(self.train_split), 10_000)

  def _records(self, split, order_seed=None):
    """Raw records are numbers of examples."""
    return tf.data.Dataset.range(self.count(split))

  def _read(self, split, record, place):
    scene = self._scene(split, record)
    video = scene['ground']
    coverage = self._coverage(scene)[..., tf.newaxis]  # [T, S, H, W, 1]
    for i in range(self.shapes):
      video = video + coverage[:, i] * (scene['colors'][i] - video)  # [T, H, W, C]
    return {'video': tf.cast(tf.round(video), tf.uint8),
            'id': tf.strings.join([split, tf.strings.as_string(record)], '/')}

  def _scene(self, split, number):
    """A dict of a clip's ground [] and its shapes' discs, radii [S], colors [S, C], positions.

    discs [S] tells which shapes are discs; positions are [T, S, 2].
    """
    stream = len(_SPLITS) * self.seed + _SPLITS.index(split)
    seed = tf.stack([tf.constant(stream, tf.int64), number])
    draws = tf.random.stateless_uniform([8, self.shapes], seed, alg='philox')
    ground, disc, radius, color, top, left, speed, angle = tf.unstack(draws)
    radii = self.size * (1 / 8 + (1 / 6 - 1 / 8) * radius)
    speed = MIN_SPEED + (self.max_speed - MIN_SPEED) * speed
    angle = 2 * math.pi * angle
    velocity = tf.stack([speed * tf.sin(angle), speed * tf.cos(angle)], -1)  # [S, 2]
    reach = self.size - 2 * radii[:, tf.newaxis]  # [S, 1], how far centers can be from each other
    time = self.frame_step * tf.range(self.frames, dtype=tf.float32)
    time = time[:, tf.newaxis, tf.newaxis]  # [T, 1, 1]
    path = tf.stack([top, left], -1) * reach + time * velocity  # [T, S, 2], as if without walls
    bounced = reach - tf.abs(tf.math.floormod(path, 2 * reach) - reach)
    return {
        'ground': DARKEST + (LIGHTEST - DARKEST) * ground[0], 'discs': disc < .5, 'radii': radii,
        'colors': self._colors(color), 'positions': bounced + radii[:, tf.newaxis] - .5}

  def _colors(self, draws):
    """Levels [S, C] from numbers [S] in [0, 1): pure hues, or light grays."""
    if self.channels == 1:
      return FAINTEST + (BRIGHTEST - FAINTEST) * draws[:, tf.newaxis]
    sixths = tf.math.floormod(6 * draws[:, tf.newaxis] + [0., 4., 2.], 6)
    return 255 * tf.clip_by_value(tf.abs(sixths - 3) - 1, 0, 1)

  def _coverage(self, scene):
    """How much of each pixel each shape covers, [T, S, H, W] in [0, 1]: soft edges."""
    pixels = tf.range(self.size, dtype=tf.float32)
    # [T, S, 2, H or W], H = W
    offsets = pixels - scene['positions'][..., tf.newaxis]
    down, right = offsets[:, :, 0, :, tf.newaxis], offsets[:, :, 1, tf.newaxis, :]
    edge = scene['radii'][:, tf.newaxis, tf.newaxis] + .5
    disc = tf.clip_by_value(edge - tf.sqrt(down**2 + right**2), 0, 1)
    square = (tf.clip_by_value(edge - tf.abs(down), 0, 1)
              * tf.clip_by_value(edge - tf.abs(right), 0, 1))
    return tf.where(scene['discs'][:, tf.newaxis, tf.newaxis], disc, square)


def _visible(coverage):
  """Which shape a pixel shows, bool [T, S, H, W], from how much shapes cover: the last in front."""
  covered = coverage >= .5
  in_front = tf.cumsum(tf.cast(covered, tf.int32), axis=1, exclusive=True, reverse=True)
  return tf.logical_and(covered, in_front == 0)
