"""The base class of clip sources: an endless stream for training, one exact pass for evaluation.

Examples are read by their numbers. Training batch s is a function of (seed, s) alone: the order of
an epoch sorts random numbers that (seed, epoch) determine. A run that goes on at step s therefore
gets the batches of the unbroken one, and reads nothing of the steps before. Each host reads its own
rows of every batch, and no others. The start of the window in a longer video and the place of the
crop in larger frames are drawn from (seed, position of the example in the stream). They do not
depend on the thread that decodes the example, nor on the number of hosts.
"""

import contextlib
import os
import re

import numpy as np
import tensorflow as tf


class ClipSource:
  """Base class of clip sources. Files are read when they are first needed, not in constructors.

  A subclass defines `count`, `example_spec`, `identity`, and `_read`, which the base class calls.

  Args:
    frames: int, number of frames of a clip, T.
    frame_step: int, distance between consecutive frames of a clip, in stored frames. With 1, a clip
      has consecutive frames.
    train_split: str, the split that `training` reads.

  Attributes:
    dataset: name of the TFDS data set that the source reads, or None if it reads none. A source
      with a name also has `describe(builder)`, which tells it the shapes before anything is
      prepared.
  """

  dataset = None

  def __init__(self, frames, frame_step, train_split):
    for name, value in (('frames', frames), ('frame_step', frame_step)):
      if not isinstance(value, int) or value < 1:
        raise ValueError(f'{name} must be a positive integer, got {value!r}')
    self.frames = frames
    self.frame_step = frame_step
    self.train_split = train_split

  @property
  def span(self):
    """Number of stored frames from the first to the last frame of a clip, both included."""
    return (self.frames - 1) * self.frame_step + 1

  def count(self, split):
    """Returns the number of examples of a split."""
    raise NotImplementedError

  def example_spec(self):
    """Returns a dict of the tf.TensorSpec of one example.

        video: uint8 [T, H, W, C]
        id: string []
        label: int32 [], if the source has labels
        actions: float32 [T, A], if the source has actions

    Batches have one more axis in front. Batches for evaluation also have `valid`, bool [B].
    """
    raise NotImplementedError

  def class_names(self):
    """Returns a list of class names, whose entry k is the name of label k; empty if unknown."""
    return []

  def unlabelled(self, split):
    """Returns the number of clips of a split whose label is -1, as far as no video is read for it.

    0 may mean that it is unknown.
    """
    del split
    return 0

  def reduction(self):
    """Returns how stored videos are reduced to the frames of clips, in time and in space.

    Returns:
      dict of 'frame_step', an int, and 'downsampled', a list of [name of the operator, factor]. All
      types are types of JSON.
    """
    return {'frame_step': self.frame_step, 'downsampled': []}

  def unreachable(self):
    """Returns why other hosts, as in a TPU pod, cannot read this source, str; '' if they can."""
    return ''

  def motion_fields(self, split, numbers):
    """Returns the true motion of examples, see `MovingShapes`; None if unknown, as for videos."""
    del split, numbers

  def identity(self, split):
    """Returns a list of plain values that determine a split's clips; statistics are kept by it."""
    raise NotImplementedError

  def _read(self, split, number, place):
    """Returns an example, a dict as in `example_spec`.

    Args:
      split: str, name of the split.
      number: int64 [] tensor, number of the example in the split, from 0 on.
      place: function (axis, starts) that chooses where a clip starts along an axis of the stored
        video (0: time, 1: height, 2: width). It returns an int32 [] tensor below `starts`, which is
        an int or such a tensor.
    """
    raise NotImplementedError

  def _examples(self, split, numbers, place_at):
    """Returns a tf.data.Dataset of (position, example), in the order of `numbers`.

    A subclass whose examples are read from files overrides this, to read several at once.

    Args:
      split: str, name of the split.
      numbers: tf.data.Dataset of (position of an example in the stream, its number in the split),
        int64 [] both.
      place_at: function of a position that returns `place`, see `_read`.
    """
    def read(position, number):
      return position, self._read(split, number, place_at(position))

    return numbers.map(read, os.cpu_count(), deterministic=True)

  @tf.autograph.experimental.do_not_convert  # AutoGraph would double the time of tracing
  def training(self, batch_size, seed, start_step=0, host=0, hosts=1):
    """Returns an endless tf.data.Dataset of training batches, from step `start_step` on.

    Every example comes once per epoch. A batch may hold the end of one epoch and the start of the
    next. If a video is longer than a clip, the clip is a random window of it.

    Args:
      batch_size: int, number of clips of a batch over all hosts, B.
      seed: int. Different seeds give different orders and windows.
      start_step: int, number of the first batch, at least 0.
      host: int, number of this host, from 0 on. It gets its own rows of every batch, and does not
        read the rows of other hosts.
      hosts: int, number of hosts; B must be divisible by it.

    Returns:
      Dataset of dicts of tensors, as in `example_spec`, with static shapes [B / hosts, ...].

    Raises:
      ValueError: if an argument is out of range, or if the data does not fit.
    """
    _check_positive('batch_size', batch_size)
    self.example_spec()  # finds data that doesn't fit here, not inside a traced function
    if start_step < 0:
      raise ValueError(f'start_step must be at least 0, got {start_step}')
    rows = _rows_of_host(batch_size, hosts)
    first = start_step * batch_size
    count = self.count(self.train_split)

    def numbers_of_epoch(epoch):
      positions = epoch * count + tf.range(count, dtype=tf.int64)
      mine = tf.logical_and(positions >= first, positions % batch_size // rows == host)
      order = _order(tf.stack([tf.constant(seed, tf.int64), 2 * epoch]), count)
      return tf.data.Dataset.from_tensor_slices(
          (tf.boolean_mask(positions, mine), tf.boolean_mask(order, mine)))

    def place_at(position):
      place_seed = tf.stack([tf.constant(seed, tf.int64), 2 * position + 1])  # odd; epochs are even

      def place(axis, starts):
        folded = tf.random.experimental.stateless_fold_in(place_seed, axis) if axis else place_seed
        return tf.random.stateless_uniform([], folded, 0, starts, tf.int32, alg='philox')

      return place

    numbers = tf.data.Dataset.counter(first // count).flat_map(numbers_of_epoch)
    examples = self._examples(self.train_split, numbers, place_at)
    return _batched(examples.map(lambda position, example: example), rows)

  @tf.autograph.experimental.do_not_convert
  def evaluation(self, split, batch_size, limit=None, host=0, hosts=1, numbers=None):
    """Returns one exact pass over a split in stored order.

    A clip is the first window of its video and shows the middle of its frames.

    Args:
      split: str, name of the split.
      batch_size: int, number of clips of a batch over all hosts, B.
      limit: int, number of examples from the start of the split, at least 1; all if None.
      host, hosts: see `training`.
      numbers: tuple of int, at least one; the numbers of the examples that are read, in this order.
        If None, the first `limit` ones are read.

    Returns:
      Dataset of ceil(examples / B) batches: dicts as from `training`, with one more entry, `valid`,
      bool [B / hosts]. The last batch is filled up with repetitions of the first example;
      `valid` is false for them.

    Raises:
      ValueError: if an argument is out of range, or if the data does not fit.
    """
    _check_positive('batch_size', batch_size)
    self.example_spec()
    examples = self.count(split)
    if limit is not None:
      _check_positive('limit', limit)
      examples = min(examples, limit)
    chosen = np.arange(examples) if numbers is None else np.asarray(numbers, np.int64)
    examples = len(chosen)
    rows = _rows_of_host(batch_size, hosts)
    positions = np.arange(examples + -examples % batch_size)
    positions = positions[positions % batch_size // rows == host]
    numbers = tf.data.Dataset.from_tensor_slices(
        (positions, chosen[np.where(positions < examples, positions, 0)]))

    def with_valid(position, example):
      return {**example, 'valid': position < examples}

    made = self._examples(split, numbers, lambda position: first_and_middle)
    return _batched(made.map(with_valid), rows)

  def check(self, splits):
    """Reads one example of each split, to find errors before training or evaluation does.

    Args:
      splits: iterable of str, names of the splits that the caller will read.

    Raises:
      ValueError: if a split has no examples, or if the first one is damaged or makes no clip.
    """
    for split in dict.fromkeys(splits):
      if not self.count(split):
        raise ValueError(f'the split {split!r} has no clips')
      with errors_told():
        next(iter(self.evaluation(split, 1, limit=1)))

  def _starts(self, stored_frames):
    """Returns the number of places where a window can start in a video."""
    return stored_frames - self.span + 1

  def _window(self, stored_frames, place):
    """Returns the indices, int32 [T], of a window's frames in the stored video."""
    start = place(0, self._starts(stored_frames))
    return start + self.frame_step * tf.range(self.frames)


@contextlib.contextmanager
def errors_told():
  """Turns pipeline errors into ValueError if a file is damaged or an example makes no clip."""
  try:
    yield
  except tf.errors.DataLossError as error:
    raise ValueError(f'a file of the data is damaged ({error.message[:200]}): prepare it again'
                     ) from error
  except tf.errors.InvalidArgumentError as error:
    said = re.search(r'assertion failed: \[(.*?)\]', error.message)
    if not said:
      raise
    raise ValueError(said.group(1)) from error


def first_and_middle(axis, starts):
  """Returns where clips for evaluation start along an axis, see `ClipSource._read`."""
  return tf.constant(0) if axis == 0 else (tf.convert_to_tensor(starts) - 1) // 2


def _check_positive(name, value):
  if value < 1:
    raise ValueError(f'{name} must be at least 1, got {value}')


def _rows_of_host(batch_size, hosts):
  """Returns how many rows of every batch a host has."""
  if batch_size % hosts:
    raise ValueError(f'batch_size = {batch_size} is not divisible by the {hosts} hosts')
  return batch_size // hosts


def _order(seed, count):
  """Returns a random order of `count` examples, int64 [count]. A seed, int64 [2], determines it."""
  keys = tf.random.stateless_uniform([count], seed, None, None, tf.int64, alg='philox')
  return tf.cast(tf.argsort(keys), tf.int64)


def _batched(examples, rows):
  """Returns batches of examples, in fixed order, prefetched."""
  return untuned(examples.batch(rows, drop_remainder=True).prefetch(2))


def untuned(dataset):
  """Returns the same tf.data.Dataset, in fixed order, without the thread that tunes pipelines.

  That thread sleeps for longer and longer times, up to a minute. Freeing an iterator waits for it.
  """
  options = tf.data.Options()
  options.deterministic = True
  options.autotune.enabled = False
  return dataset.with_options(options)
