"""The base class of clip sources: an endless stream for training, one exact pass for evaluation.

Training batch s is a function of (seed, s) alone. Each epoch has its own seeded order of all
examples. To start at step s, the stream counts the whole epochs before it, takes the order of the
current epoch, and skips raw records without parsing or decoding them. A resumed run therefore gets
the batches of the uninterrupted one. The start of the window in a longer video and the place of the
crop in larger frames are drawn from (seed, position of the example in the stream). They do not
depend on the thread that decodes the example.
"""

import contextlib
import os
import re

import tensorflow as tf


class ClipSource:
  """Base class of clip sources. Files are read when they are first needed, not in constructors.

  A subclass defines `count`, `example_spec`, `identity`, and three methods that the base class
  calls: `_records`, `_shuffle_buffer` and `_read`.

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

  def _records(self, split, order_seed=None):
    """Returns a tf.data.Dataset of the split's raw records, cheap to skip, in stored order.

    If `order_seed`, an int64 [2] tensor, is given, it determines a random order of the files.
    """
    raise NotImplementedError

  def _shuffle_buffer(self):
    """Returns the number of raw records of the training split that are held for shuffling."""
    raise NotImplementedError

  def _read(self, split, record, place):
    """Returns the example of a raw record, a dict as in `example_spec`.

    place(axis, starts) chooses where a clip starts along an axis of the stored video (0: time,
    1: height, 2: width). It returns an int32 [] tensor below `starts`. `starts` is an int or such a
    tensor.
    """
    raise NotImplementedError

  @tf.autograph.experimental.do_not_convert  # AutoGraph would double the time of tracing `_read`
  def training(self, batch_size, seed, start_step=0, host=0, hosts=1):
    """Returns an endless tf.data.Dataset of training batches, from step `start_step` on.

    Every example comes once per epoch. A batch may hold the end of one epoch and the start of the
    next. If a video is longer than a clip, the clip is a random window of it.

    Args:
      batch_size: int, number of clips of a batch over all hosts, B.
      seed: int. Different seeds give different orders and windows.
      start_step: int, number of the first batch, at least 0.
      host: int, number of this host, from 0 on. It gets its own rows of every batch, and does not
        decode the rows of other hosts.
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
    first = start_step * batch_size
    first_epoch, passed = divmod(first, self.count(self.train_split))

    def records_of_epoch(epoch):
      records = self._shuffled_records(tf.stack([tf.constant(seed, tf.int64), 2 * epoch]))
      return records.skip(tf.where(epoch == first_epoch, tf.constant(passed, tf.int64), 0))

    def read(position, record):
      place_seed = tf.stack([tf.constant(seed, tf.int64), 2 * position + 1])  # odd; epochs are even

      def place(axis, starts):
        folded = tf.random.experimental.stateless_fold_in(place_seed, axis) if axis else place_seed
        return tf.random.stateless_uniform([], folded, 0, starts, tf.int32, alg='philox')

      return self._read(self.train_split, record, place)

    records = tf.data.Dataset.counter(first_epoch).flat_map(records_of_epoch)
    return _batched(records.enumerate(first), read, batch_size, host, hosts)

  @tf.autograph.experimental.do_not_convert
  def evaluation(self, split, batch_size, limit=None, host=0, hosts=1):
    """Returns one exact pass over a split in stored order.

    A clip is the first window of its video and shows the middle of its frames.

    Args:
      split: str, name of the split.
      batch_size: int, number of clips of a batch over all hosts, B.
      limit: int, number of examples from the start of the split, at least 1; all if None.
      host, hosts: see `training`.

    Returns:
      Dataset of ceil(examples / B) batches: dicts as from `training`, with one more entry, `valid`,
      bool [B / hosts]. The last batch is filled up with repetitions of the split's first example;
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
    records = self._records(split).take(examples)
    records = records.concatenate(records.take(1).repeat(-examples % batch_size))

    def read(position, record):
      example = self._read(split, record, first_and_middle)
      return {**example, 'valid': position < examples}

    return _batched(records.enumerate(), read, batch_size, host, hosts)

  def check(self, splits=()):
    """Reads one example of the training split and of others, to find errors before training does.

    Args:
      splits: iterable of str, names of the splits that will be evaluated.

    Raises:
      ValueError: if a split has no examples, or if the first one is damaged or makes no clip.
    """
    for split in dict.fromkeys([self.train_split, *splits]):
      if not self.count(split):
        raise ValueError(f'the split {split!r} has no clips')
      with errors_told():
        next(iter(self.evaluation(split, 1, limit=1)))

  def _shuffled_records(self, epoch_seed):
    """Returns raw records of the training split in the order that a seed, int64 [2], determines."""
    # `shuffle` combines its seed with the global seed of the program. The graph of this function
    # gets a global seed of its own, so that `tf.random.set_seed` doesn't change the data.
    tf.compat.v1.set_random_seed(1)
    shuffle_seed = tf.random.stateless_uniform(
        [], epoch_seed, minval=None, maxval=None, dtype=tf.int64, alg='philox')
    return self._records(self.train_split, epoch_seed).shuffle(
        self._shuffle_buffer(), seed=shuffle_seed, reshuffle_each_iteration=False)

  def _window(self, stored_frames, place):
    """Returns the indices, int32 [T], of a window's frames in the stored video."""
    start = place(0, stored_frames - self.span + 1)
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


def _batched(records, read, batch_size, host, hosts):
  """Returns this host's rows of every batch of numbered records, in fixed order, prefetched."""
  if batch_size % hosts:
    raise ValueError(f'batch_size = {batch_size} is not divisible by the {hosts} hosts')
  rows = batch_size // hosts
  if hosts > 1:
    records = records.filter(lambda position, _: position % batch_size // rows == host)
  examples = records.map(read, os.cpu_count(), deterministic=True)
  return untuned(examples.batch(rows, drop_remainder=True).prefetch(2))


def untuned(dataset):
  """Returns the same tf.data.Dataset, in fixed order, without the thread that tunes pipelines.

  That thread sleeps for longer and longer times, up to a minute. Freeing an iterator waits for it.
  """
  options = tf.data.Options()
  options.deterministic = True
  options.autotune.enabled = False
  return dataset.with_options(options)
