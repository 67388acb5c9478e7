"""The stream of clips that every source of videos answers to: endless training, exact evaluation.

Training batch number s is a function of (seed, s) alone. Each epoch is a seeded order of all the
examples; to start at step s, the stream counts whole epochs, goes to that one's order, and skips
raw records, unread and undecoded, so that a resumed run gets the batches of the unbroken one. The
start of the window within a longer video, and the place of the crop within larger frames, are drawn
from (seed, position of the example in the stream), whichever thread decodes it.
"""

import contextlib
import os
import re

import tensorflow as tf


class ClipSource:
  """Base class of sources of clips. Files are read when they are first needed, not in constructors.

  A subclass defines `count`, `example_spec`, and three methods for the base class: `_records`,
  `_shuffle_buffer` and `_read`.

  Args:
    frames: int, frames of a clip, T.
    frame_step: int, distance between them in the stored video; 1 takes consecutive frames.
    train_split: str, the split that `training` reads.

  Attributes:
    dataset: name of the TFDS data set that it reads, where it is one; else None. Such a source also
      has `describe(builder)`, by which it knows shapes before anything is prepared.
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
    """Stored frames from the first to the last of a clip, both counted."""
    return (self.frames - 1) * self.frame_step + 1

  def count(self, split):
    """Returns the number of examples of a split."""
    raise NotImplementedError

  def example_spec(self):
    """Returns a dict of the tf.TensorSpec of one example: batches have one more axis, in front.

    video: uint8 [T, H, W, C]; id: string []; and, where the source has them, label: int32 [];
    actions: float32 [T, A]. Batches for evaluation have `valid`, bool [B], besides.
    """
    raise NotImplementedError

  def class_names(self):
    """Returns names of the classes, a list whose number k is that of label k; empty if unknown."""
    return []

  def reduction(self):
    """How stored videos are reduced to the frames of clips, in time and in space.

    Returns:
      dict of 'frame_step' and 'downsampled', a list of [operator's name, factor]; as JSON has them.
    """
    return {'frame_step': self.frame_step, 'downsampled': []}

  def unreachable(self):
    """Says why other hosts, as those of a TPU pod, cannot read this source; '' if they can."""
    return ''

  def motion_fields(self, split, numbers):
    """The true motion of examples, see `MovingShapes`; None where it is not known, as of videos."""
    del split, numbers

  def identity(self, split):
    """Returns what a split's clips depend on, a list of plain values: statistics are kept by it."""
    raise NotImplementedError

  def _records(self, split, order_seed=None):
    """Returns a tf.data.Dataset of the split's raw records, cheap to skip, in stored order.

    With order_seed, an int64 [2] tensor, files are in a random order that it determines.
    """
    raise NotImplementedError

  def _shuffle_buffer(self):
    """Returns how many raw records of the training split to hold for shuffling."""
    raise NotImplementedError

  def _read(self, split, record, place):
    """Returns the example of a raw record, a dict as in `example_spec`.

    place(axis, starts) chooses a place where a clip may start along an axis of the stored video
    (0: time, 1: height, 2: width), an int32 [] tensor below `starts`, an int or such a tensor.
    """
    raise NotImplementedError

  @tf.autograph.experimental.do_not_convert  # it would double the time in which reading is traced
  def training(self, batch_size, seed, start_step=0, host=0, hosts=1):
    """Returns an endless tf.data.Dataset of training batches, from step `start_step` on.

    Every example comes once an epoch; a batch may hold the end of one epoch and the start of the
    next. Where a video is longer than a clip, the clip is a random window of it.

    Args:
      batch_size: int, B.
      seed: int; streams of different seeds have different orders and windows.
      start_step: int, the number of the first batch.
      host, hosts: of several hosts, number `host` gets its rows of every batch, the
        others' undecoded.

    Returns:
      Dataset of dicts of tensors, as in `example_spec`, with static shapes [B / hosts, ...].
    """
    _check_positive('batch_size', batch_size)
    self.example_spec()  # data that doesn't fit is found here, not inside a traced function
    if start_step < 0:
      raise ValueError(f'start_step must be at least 0, got {start_step}')
    first = start_step * batch_size
    first_epoch, passed = divmod(first, self.count(self.train_split))

    def records_of_epoch(epoch):
      records = self._shuffled_records(tf.stack([tf.constant(seed, tf.int64), 2 * epoch]))
      return records.skip(tf.where(epoch == first_epoch, tf.constant(passed, tf.int64), 0))

    def read(position, record):
      place_seed = tf.stack([tf.constant(seed, tf.int64), 2 * position + 1])  # odd: no epoch's

      def place(axis, starts):
        folded = tf.random.experimental.stateless_fold_in(place_seed, axis) if axis else place_seed
        return tf.random.stateless_uniform([], folded, 0, starts, tf.int32, alg='philox')

      return self._read(self.train_split, record, place)

    records = tf.data.Dataset.counter(first_epoch).flat_map(records_of_epoch)
    return _batched(records.enumerate(first), read, batch_size, host, hosts)

  @tf.autograph.experimental.do_not_convert
  def evaluation(self, split, batch_size, limit=None, host=0, hosts=1):
    """Returns one exact pass over a split in stored order: the first window, the middle of frames.

    Args:
      split: str, name of the split.
      batch_size: int, B.
      limit: int, the number of examples from the start of the split; None: all.
      host, hosts: see `training`.

    Returns:
      Dataset of ceil(examples / B) batches: dicts as from `training`, and `valid`, bool [B], which
      is false where the last batch is filled up with repetitions of the split's first example.
    """
    _check_positive('batch_size', batch_size)
    self.example_spec()
    examples = self.count(split)
    if limit is not None:
      _check_positive('limit', limit)
      examples = min(examples, limit)
    records = self._records(split).take(examples)
    records = records.concatenate(records.take(1).repeat(-examples % batch_size))

    def read(position, record):
      example = self._read(split, record, first_and_middle)
      return {**example, 'valid': position < examples}

    return _batched(records.enumerate(), read, batch_size, host, hosts)

  def check(self, splits=()):
    """Reads an example of the training split and of others: what training would meet later.

    Args:
      splits: names of splits that will be evaluated.

    Raises:
      ValueError: if one has no examples, or none that clips can be made of.
    """
    for split in dict.fromkeys([self.train_split, *splits]):
      if not self.count(split):
        raise ValueError(f'the split {split!r} has no clips')
      with errors_told():
        next(iter(self.evaluation(split, 1, limit=1)))

  def _shuffled_records(self, epoch_seed):
    """Raw records of the training split in the order that the seed, int64 [2], determines."""
    # The global seed of the program takes part in the seed of `shuffle`; the graph of this function
    # gets one of its own, so that `tf.random.set_seed` doesn't change the data.
    tf.compat.v1.set_random_seed(1)
    shuffle_seed = tf.random.stateless_uniform(
        [], epoch_seed, minval=None, maxval=None, dtype=tf.int64, alg='philox')
    return self._records(self.train_split, epoch_seed).shuffle(
        self._shuffle_buffer(), seed=shuffle_seed, reshuffle_each_iteration=False)

  def _window(self, stored_frames, place):
    """Indices, int32 [T], of a window's frames among those of a video."""
    start = place(0, stored_frames - self.span + 1)
    return start + self.frame_step * tf.range(self.frames)


@contextlib.contextmanager
def errors_told():
  """Makes what pipelines say of stored examples that no clip can be made of a ValueError."""
  try:
    yield
  except tf.errors.DataLossError as error:
    raise ValueError(f'a file of the data is damaged ({error.message[:200]}): prepare it anew'
                     ) from error
  except tf.errors.InvalidArgumentError as error:
    said = re.search(r'assertion failed: \[(.*?)\]', error.message)
    if not said:
      raise
    raise ValueError(said.group(1)) from error


def first_and_middle(axis, starts):
  """Where clips for evaluation start, see `ClipSource._read`."""
  return tf.constant(0) if axis == 0 else (tf.convert_to_tensor(starts) - 1) // 2


def _check_positive(name, value):
  if value < 1:
    raise ValueError(f'{name} must be at least 1, got {value}')


def _batched(records, read, batch_size, host, hosts):
  """This host's rows of every batch of numbered records, in fixed order, prefetched."""
  if batch_size % hosts:
    raise ValueError(f'batch_size = {batch_size} is not divisible by the {hosts} hosts')
  rows = batch_size // hosts
  if hosts > 1:
    records = records.filter(lambda position, _: position % batch_size // rows == host)
  examples = records.map(read, os.cpu_count(), deterministic=True)
  return untuned(examples.batch(rows, drop_remainder=True).prefetch(2))


def untuned(dataset):
  """The same tf.data.Dataset, in fixed order, without the thread that tunes pipelines.

  That thread sleeps for longer and longer, in the end for a minute, and whoever frees an iterator
  waits for it.
  """
  options = tf.data.Options()
  options.deterministic = True
  options.autotune.enabled = False
  return dataset.with_options(options)
