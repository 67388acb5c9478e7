"""Clips of shapes that move on a plain background: synthetic, so that their true motion is known.

They need no files. A run on them shows within minutes whether a model learns motion. Discs and
squares of bright colors move straight at a constant speed and bounce off the walls, as the digits
of Moving MNIST do. A shape hides the shapes behind it. No shape leaves the frame. A camera may pan:
the background then has a faint pattern, which moves past. A clip is a function of (seed, split,
number of the example), and is made when it is read.

Positions are in pixels: (0, 0) is the center of the pixel in the top left corner.
"""

import colorsys
import math
import os
import typing

import numpy as np
import tensorflow as tf

from tf_videogen.data import clip_source

TEST_EXAMPLES = 1_000
MIN_SPEED = .5  # pixels per time step
MIN_SIZE = 8  # height and width of a frame, whose smallest shapes are two pixels wide
DARKEST, LIGHTEST = 0., 48.  # gray levels of backgrounds
PATTERN = 12.  # gray levels, the most by which a pattern differs from its mean; under motion.NOISE
WAVES = 3  # plane waves that make a pattern; each has up to so many periods along a side
FAINTEST, BRIGHTEST = 160., 255.  # gray levels of shapes, if there is one channel

_SPLITS = ('train', 'test')


class Truth(typing.NamedTuple):
  """True positions, motion and masks of N clips with S shapes each.

  Attributes:
    positions: float32 [N, T, S, 2], row and column of the shapes' centers, in pixels.
    displacements: float32 [N, T, S, 2], how far the shapes moved down and to the right since the
      previous frame, in pixels; zeros in the first frame.
    masks: bool [N, T, S, H, W], the pixels that show a shape. The shape covers at least half of
      such a pixel, and no shape in front of it does. A pixel shows at most one shape.
    ground: float32 [N, T, 2], how far the background moved, as displacements.
  """
  positions: typing.Any
  displacements: typing.Any
  masks: typing.Any
  ground: typing.Any


class MovingShapes(clip_source.ClipSource):
  """Clips of moving shapes, with splits 'train' and 'test'. An example of an `id` is 'test/17'.

  Each shape is a disc or a square. Its radius, or half of its side, is drawn from [1/8, 1/6] of the
  frame's side. Its speed is drawn from [0.5, max_speed], its direction and first position from all
  that are possible. Shapes with a higher number are in front.

  Args:
    frames: int, number of frames of a clip, T.
    size: int, height and width of the frames in pixels, at least 8.
    shapes: int, number of shapes of a clip, S.
    channels: int, 3 for colors or 1 for gray levels.
    max_speed: float, the highest speed, in pixels per time step, at least 0.5.
    examples: int, number of examples of the split 'train'; 'test' has 1,000.
    train_split: str, the split that `training` reads.
    seed: int, at least 0. Different seeds give different clips.
    frame_step: int, time steps from one frame of a clip to the next.
    classes: int, number of classes. With more than one, the range of colors is divided into as many
      parts, one per class. The shapes of a clip have colors from the middle half of one part, whose
      number is the clip's label.

  Attributes:
    camera: the speed at which the background moves past, in pixels per time step; see `Panned`.
  """

  camera = 0.

  def __init__(self, frames=16, size=32, shapes=1, channels=3, max_speed=2., examples=100_000,
               train_split='train', seed=0, frame_step=1, classes=1):
    super().__init__(frames, frame_step, train_split)
    for name, value, least in (('size', size, MIN_SIZE), ('shapes', shapes, 1),
                               ('examples', examples, 1), ('seed', seed, 0),
                               ('classes', classes, 1)):
      if not isinstance(value, int) or value < least:
        raise ValueError(f'{name} must be an integer of at least {least}, got {value!r}')
    if channels not in (1, 3):
      raise ValueError(f'channels must be 1 or 3, got {channels!r}')
    if max_speed < MIN_SPEED:
      raise ValueError(f'max_speed must be at least {MIN_SPEED} pixels per frame, got '
                       f'{max_speed!r}')
    self.size = size
    self.shapes = shapes
    self.channels = channels
    self.max_speed = max_speed
    self.examples = examples
    self.seed = seed
    self.classes = classes

  def count(self, split):
    """Returns the number of examples of a split."""
    self._check_split(split)
    return self.examples if split == 'train' else TEST_EXAMPLES

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    shape = [self.frames, self.size, self.size, self.channels]
    spec = {'video': tf.TensorSpec(shape, tf.uint8), 'id': tf.TensorSpec([], tf.string)}
    return spec if self.classes == 1 else {**spec, 'label': tf.TensorSpec([], tf.int32)}

  def class_of(self, video):
    """Returns the class whose colors shapes show in a video, uint8 [T, H, W, C]; an int.

    The color is the mean over pixels that differ from the ground, the median of the video, by at
    least 90 % of the largest difference, so that soft edges do not count. Returns -1 if no pixel
    differs by 16 levels, as where nothing is shown.
    """
    video = np.asarray(video, np.float64).reshape(-1, self.channels)
    ground = np.median(video, axis=0)
    difference = np.abs(video - ground).max(-1)
    if difference.max() < 16:
      return -1
    color = video[difference >= .9 * difference.max()].mean(0)
    if self.channels == 1:
      place = (color[0] - FAINTEST) / (BRIGHTEST - FAINTEST)
    else:
      place = colorsys.rgb_to_hsv(*color / 255)[0]
    return int(np.clip(place * self.classes, 0, self.classes - 1))

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    return ['moving_shapes', split, self.count(split), self.frames, self.size, self.shapes,
            self.channels, self.max_speed, self.seed, self.frame_step,
            *([self.classes] if self.classes > 1 or self.camera else []),
            *([self.camera] if self.camera else [])]

  def truth(self, split, numbers):
    """Returns the `Truth` of examples, as NumPy arrays.

    Args:
      split: str, name of the split.
      numbers: integers [N], the examples' numbers in the split, which are part of their ids. The
        examples of `evaluation` have the numbers 0, 1, 2, ...

    Raises:
      ValueError: if there is no such split, if a number is out of range, or if there are none.
    """
    count = self.count(split)
    numbers = [int(number) for number in numbers]
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong or not numbers:
      raise ValueError(f'example numbers of {split!r} must be from 0 to {count - 1}, got '
                       f'{wrong[0] if wrong else "none"}')

    def of_one(number):
      scene = self._scene(split, number)
      positions = scene['positions']
      moved = positions[1:] - positions[:-1]  # [T-1, S, 2]
      ground = tf.tile(self.frame_step * scene['camera'][tf.newaxis], [self.frames - 1, 1])
      return (positions, tf.pad(moved, [[1, 0], [0, 0], [0, 0]]), _visible(self._coverage(scene)),
              tf.pad(ground, [[1, 0], [0, 0]]))

    clips = tf.data.Dataset.from_tensor_slices(tf.constant(numbers, tf.int64))
    clips = clip_source.untuned(clips.map(of_one, os.cpu_count()).batch(len(numbers)))
    return Truth(*next(clips.as_numpy_iterator()))

  def motion_fields(self, split, numbers):
    """Returns the true motion of examples, float32 [N, T, H, W, 2], in pixels.

    The entry of a pixel in frame t is how far the shape that it shows has moved down and to the
    right since frame t - 1. In pixels that show no shape, it is the background's motion. Entries
    are zero in the first frame.

    Args:
      split, numbers: see `truth`.
    """
    truth = self.truth(split, numbers)
    # A pixel shows at most one shape, so that the shapes' fields can be added.
    fields = ~truth.masks.any(2)[..., None] * truth.ground[:, :, None, None]  # [N, T, H, W, 2]
    for i in range(self.shapes):
      shown = truth.masks[:, :, i, :, :, None]  # [N, T, H, W, 1]
      fields = fields + shown * truth.displacements[:, :, i, None, None]
    return fields

  def _check_split(self, split):
    if split not in _SPLITS:
      raise ValueError(f'MovingShapes has no split {split!r}; there are: {", ".join(_SPLITS)}')

  def _read(self, split, number, place):
    scene = self._scene(split, number)
    video = scene['ground'] + self._pattern(scene)  # [] or [T, H, W, 1]
    coverage = self._coverage(scene)[..., tf.newaxis]  # [T, S, H, W, 1]
    for i in range(self.shapes):
      video = video + coverage[:, i] * (scene['colors'][i] - video)  # [T, H, W, C]
    example = {'video': tf.cast(tf.round(video), tf.uint8),
               'id': tf.strings.join([split, tf.strings.as_string(number)], '/')}
    return example if self.classes == 1 else {**example, 'label': scene['label']}

  def _scene(self, split, number):
    """Returns a dict of a clip's background and shapes.

        ground: [], gray level of the background
        discs: bool [S], which shapes are discs; the others are squares
        radii: [S], radius of a disc or half of a square's side, in pixels
        colors: [S, C], levels from 0 to 255
        positions: [T, S, 2], row and column of the centers, in pixels
        label: int32 [], the class
        camera: [2], how far the background moves down and to the right per time step, in pixels
        waves: [3, WAVES], rows and columns of the waves of the background's pattern, and phases
    """
    stream = len(_SPLITS) * self.seed + _SPLITS.index(split)
    seed = tf.stack([tf.constant(stream, tf.int64), number])
    draws = tf.random.stateless_uniform([8, self.shapes], seed, alg='philox')
    ground, disc, radius, color, top, left, speed, angle = tf.unstack(draws)
    label = tf.floor(self.classes * color[0])
    if self.classes > 1:  # draws [S] in [0, 1) -> in the middle half of the class's part of it
      color = (label + .25 + .5 * tf.math.floormod(self.classes * color, 1)) / self.classes
    radii = self.size * (1 / 8 + (1 / 6 - 1 / 8) * radius)
    speed = MIN_SPEED + (self.max_speed - MIN_SPEED) * speed
    angle = 2 * math.pi * angle
    velocity = tf.stack([speed * tf.sin(angle), speed * tf.cos(angle)], -1)  # [S, 2]
    reach = self.size - 2 * radii[:, tf.newaxis]  # [S, 1], the range of centers along an axis
    time = self.frame_step * tf.range(self.frames, dtype=tf.float32)
    time = time[:, tf.newaxis, tf.newaxis]  # [T, 1, 1]
    path = tf.stack([top, left], -1) * reach + time * velocity  # [T, S, 2], without walls
    bounced = reach - tf.abs(tf.math.floormod(path, 2 * reach) - reach)
    darkest = DARKEST + (PATTERN if self.camera else 0)  # no wave is cut off
    return {
        'ground': darkest + (LIGHTEST - darkest) * ground[0], 'discs': disc < .5, 'radii': radii,
        'colors': self._colors(color), 'positions': bounced + radii[:, tf.newaxis] - .5,
        'label': tf.cast(label, tf.int32), **self._background(seed)}

  def _background(self, seed):
    """Returns `camera` and `waves` of a scene, see `_scene`, of draws of their own."""
    seed = seed + tf.constant([1 << 40, 0], tf.int64)
    draws = tf.random.stateless_uniform([4, WAVES], seed, alg='philox')
    angle = 2 * math.pi * draws[3, 0]
    periods = 1 + tf.floor(WAVES * draws[:2])  # [2, WAVES], 1 to WAVES
    down = tf.where(draws[3] < .5, periods[0], -periods[0])
    return {'camera': self.camera * tf.stack([tf.sin(angle), tf.cos(angle)]),
            'waves': tf.stack([down, periods[1], 2 * math.pi * draws[2]])}

  def _pattern(self, scene):
    """Returns what the background's pattern adds, [T, H, W, 1], as wide as a frame; 0 without."""
    if not self.camera:
      return 0.
    moved = self.frame_step * tf.range(self.frames, dtype=tf.float32)[:, tf.newaxis]  # [T, 1]
    pixels = tf.range(self.size, dtype=tf.float32)
    rows, columns = tf.unstack(pixels - (moved * scene['camera'])[:, :, tf.newaxis], axis=1)
    down, right, phase = tf.unstack(scene['waves'])  # [WAVES] each
    turns = (rows[:, :, tf.newaxis, tf.newaxis] * down
             + columns[:, tf.newaxis, :, tf.newaxis] * right)  # [T, H, W, WAVES]
    waves = tf.sin(2 * math.pi / self.size * turns + phase)
    return PATTERN * tf.reduce_mean(waves, -1, keepdims=True)

  def _colors(self, draws):
    """Turns numbers [S] in [0, 1) into levels [S, C]: pure hues, or light grays for one channel."""
    if self.channels == 1:
      return FAINTEST + (BRIGHTEST - FAINTEST) * draws[:, tf.newaxis]
    sixths = tf.math.floormod(6 * draws[:, tf.newaxis] + [0., 4., 2.], 6)
    return 255 * tf.clip_by_value(tf.abs(sixths - 3) - 1, 0, 1)

  def _coverage(self, scene):
    """Returns how much of each pixel each shape covers, [T, S, H, W] in [0, 1]: soft edges."""
    pixels = tf.range(self.size, dtype=tf.float32)
    # [T, S, 2, H or W], H = W
    offsets = pixels - scene['positions'][..., tf.newaxis]
    down, right = offsets[:, :, 0, :, tf.newaxis], offsets[:, :, 1, tf.newaxis, :]
    edge = scene['radii'][:, tf.newaxis, tf.newaxis] + .5
    disc = tf.clip_by_value(edge - tf.sqrt(down**2 + right**2), 0, 1)
    square = (tf.clip_by_value(edge - tf.abs(down), 0, 1)
              * tf.clip_by_value(edge - tf.abs(right), 0, 1))
    return tf.where(scene['discs'][:, tf.newaxis, tf.newaxis], disc, square)


class Panned(MovingShapes):
  """Moving shapes, filmed by a camera that pans: a patterned background moves past.

  Its direction is drawn for each clip, its speed is constant. Shapes bounce off the frame's sides
  all the same, as if the camera followed them.

  Args:
    clips: a MovingShapes, whose shapes and splits these clips have.
    speed: float above 0, how far the background moves, in pixels per time step.
  """

  def __init__(self, clips, speed=1.):
    if not speed > 0:
      raise ValueError(f'speed must be above 0 pixels per time step, got {speed!r}')
    super().__init__(clips.frames, clips.size, clips.shapes, clips.channels, clips.max_speed,
                     clips.examples, clips.train_split, clips.seed, clips.frame_step, clips.classes)
    self.camera = speed


def _visible(coverage):
  """Turns coverage [T, S, H, W] into masks, bool [T, S, H, W]: the last shape is in front."""
  covered = coverage >= .5
  in_front = tf.cumsum(tf.cast(covered, tf.int32), axis=1, exclusive=True, reverse=True)
  return tf.logical_and(covered, in_front == 0)
