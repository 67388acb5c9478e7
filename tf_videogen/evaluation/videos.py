"""Sources of the videos of an evaluation: data sets, folders, and baselines.

A source of videos has `count`, the number of videos; `shape`, (T, H, W, C); `identity()`;
`skipped`, a dict of videos that could not be read, and why; and
`batches(batch_size, host, hosts, first)`, all batches from number `first` on. The latter yields
dicts of NumPy arrays: `video`, uint8 [n, T, H, W, C]; `index`, int [n], the positions of the videos
in the source; and `label` and `actions`, if the data has them.

A maker has `sample(batch, seed)`, which returns one video for each video of such a batch. Its
attributes are `conditioning_frames`, `drawn`, `labelled` and `reconstructs`. If it reconstructs, it
also has `reconstruct(batch)`. A `trained_model.TrainedModel` is a maker, and describes them.
"""

import copy
import dataclasses
import itertools

import numpy as np

from tf_videogen.evaluation import windows as windows_lib
from tf_videogen.layers import randomness


def truncated(video):
  """uint8 pixels, made floats in [-0.5, 0.5] and uint8 again, as in VideoGPT's scripts.

  Fractions are cut off after rounding errors of the floats: 63 of the 256 values become one less.
  """
  floats = video.astype(np.float32) / np.float32(255) - np.float32(0.5)
  return ((floats + np.float32(0.5)) * np.float32(255)).astype(np.uint8)


class DataVideos:
  """Clips of a data set.

  Args:
    clips: source of the clips, see `data.clips`.
    split: name of the split.
    limit: the most clips that are used; all if None.
    windows: 'first' takes the first frames of longer videos. 'random' takes random windows, as in
      training; `limit` may then exceed the number of videos.
    seed: seed of random windows, and of drawn clips.
    channels: 3 for grey clips in three equal colours. If None, clips stay as they are.
    drawn: whether `limit` clips are drawn by the seed from the whole split, and stay in its order.
      If False, they are the first ones. Random windows are drawn in any case.
  """

  def __init__(self, clips, split, limit=None, windows='first', seed=0, channels=None,
               drawn=False):
    if windows not in ('first', 'random'):
      raise ValueError(f"windows must be 'first' or 'random', got {windows!r}")
    if windows == 'random' and split != clips.train_split:
      raise ValueError(f'random windows come from the clips\' train_split, {clips.train_split!r}: '
                       f'bind it to the split of the protocol, {split!r}')
    self._clips, self._split, self._windows, self._half = clips, split, windows, None
    self.skipped = {}  # an unreadable record is an error
    there = clips.count(split)
    self._all = limit or there if windows == 'random' else min(limit or there, there)
    self._drawn = drawn and windows == 'first' and self._all < there
    self._seed = seed if windows == 'random' or self._drawn else 0
    self._repeats = self._all > there
    self.count = self._all
    shape = tuple(clips.example_spec()['video'].shape)
    self.shape = shape[:3] + (channels or shape[3],)

  def half(self, which):
    """A source of every second clip, from number `which` on, 0 or 1."""
    if self._repeats:
      raise ValueError('there are more windows than videos, so both halves would have windows '
                       'of the same videos: lower Protocol.videos')
    return _half(self, which)

  def with_channels(self, channels):
    """A source of the same clips; `channels` is as in the class."""
    other = copy.copy(self)
    other.shape = self.shape[:3] + (channels,)
    return other

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self._clips.identity(self._split), self._split, self._windows, self._seed, self._all,
            self._half, self.shape, *(['drawn'] if self._drawn else [])]

  def _numbers(self):
    """The numbers of the clips in the split, a tuple; None for the first ones."""
    if not self._drawn:
      return None
    order = np.random.default_rng(self._seed).permutation(self._clips.count(self._split))
    return tuple(np.sort(order[:self._all]).tolist())

  def batches(self, batch_size, host=0, hosts=1, first=0):
    """Yields this host's rows of every batch, see the module."""
    if self._windows == 'random':
      batches = self._clips.training(batch_size, self._seed, 0, host, hosts)
      batches = batches.take(-(-self._all // batch_size))
    else:
      batches = self._clips.evaluation(
          self._split, batch_size, self._all, host, hosts, self._numbers())
    rows = batch_size // hosts
    for number, batch in enumerate(batches):
      if number < first:
        continue
      batch = {name: value.numpy() for name, value in batch.items() if name != 'valid'}
      batch['video'] = _coloured(batch['video'], self.shape[3])
      index = number * batch_size + host * rows + np.arange(rows)
      kept = index < self._all
      if self._half is not None:
        kept &= index % 2 == self._half
        index = index // 2
      if kept.any():
        yield {**{name: value[kept] for name, value in batch.items()}, 'index': index[kept]}


class FolderVideos:
  """Clips of files. Each file is decoded once, and of it only the frames that are used.

  Args:
    found: a `written_clips.WrittenClips`.
    names: names of its clips that are used, in order.
    shape: (T, H, W, C) of clips. With C = 3, grey clips get three equal colours.
    windows: `windows.Windows`, which frames become clips.
    scaled: whether frames are scaled before their middle is cut out, see `windows.fitted`.
  """

  def __init__(self, found, names, shape, windows=windows_lib.Windows(), scaled=False):
    self._found, self._names, self._windows, self._scaled = found, list(names), windows, scaled
    self.shape = tuple(shape)

  @property
  def skipped(self):
    """{name of a clip or file that cannot be read: reason}."""
    return self._found.skipped

  @property
  def count(self):
    """The number of clips, if all can be read."""
    return len(self._names) * self._windows.per_video

  def half(self, which):
    """A source of every second video, from number `which` on, 0 or 1."""
    return FolderVideos(
        self._found, self._names[which::2], self.shape, self._windows, self._scaled)

  def random_windows(self):
    """The same videos with random windows; None if no video is longer than a clip."""
    lengths = [self._windows.frames_of(self._found.header(name)) for name in self._names]
    if self._windows.kind == 'random' or max(lengths) <= self.shape[0]:
      return None
    windows = dataclasses.replace(self._windows, kind='random')
    return FolderVideos(self._found, self._names, self.shape, windows, self._scaled)

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self._found.identity(self._names), self.shape, dataclasses.astuple(self._windows),
            self._scaled]

  def batches(self, batch_size, host=0, hosts=1, first=0):
    """Yields this host's rows of every batch from number `first` on, see the module.

    A video that cannot be read is missing from its batch, which may be empty, and in `skipped`.
    """
    rows = batch_size // hosts
    starts = range(first * batch_size + host * rows, self.count, batch_size)
    wanted = [range(start, min(start + rows, self.count)) for start in starts]
    clips = self._clips([index for indices in wanted for index in indices])
    index, clip = next(clips, (None, None))
    for indices in wanted:
      video, there = [], []
      while index is not None and index <= indices[-1]:
        video.append(_coloured(clip, self.shape[3]))
        there.append(index)
        index, clip = next(clips, (None, None))
      yield {'video': np.stack(video) if video else np.zeros((0, *self.shape), np.uint8),
             'index': np.array(there, int)}

  def _clips(self, indices):
    """Yields (index, clip) of the clips that can be read; `indices` increase."""
    each = self._windows.per_video
    of_video = {name: [index for _, index in group] for name, group in itertools.groupby(
        ((self._names[index // each], index) for index in indices), lambda pair: pair[0])}
    frames = lambda name: self._numbers(name)[[index % each for index in of_video[name]]]
    for name, video in self._found.read(list(of_video), lambda name: np.unique(frames(name))):
      numbers = frames(name)
      video = self._fitted(name, video)
      if video is not None:
        places = np.searchsorted(np.unique(numbers), numbers)
        yield from zip(of_video[name], video[places])

  def _numbers(self, name):
    return self._windows.numbers(self._found.header(name), self.shape[0], self._found.key(name))

  def _fitted(self, name, video):
    """A video in the size of clips; None if its frames are smaller than its file says."""
    found = windows_lib.fitted(video, self.shape[1:3], self._scaled)
    if found.shape[1:3] == self.shape[1:3]:
      return found
    self._found.skipped[name] = (
        'has frames of {1} x {2} pixels, not of {0[1]} x {0[2]}'.format(self.shape, *video.shape))
    return None


def _coloured(video, channels):
  """Turns grey into equal colours: uint8 [..., 1 or C] -> [..., C]."""
  return np.broadcast_to(video, video.shape[:-1] + (channels,))


def _half(source, which):
  half = copy.copy(source)
  half._half = which
  half.count = (source.count + 1 - which) // 2
  return half


class Pairs:
  """Generated clips, and in each batch the real ones of the same positions as `real`.

  Args:
    real, generated: sources of equally many videos.

  Raises:
    ValueError: if there are not equally many, or, from `batches`, if one cannot be read.
  """

  def __init__(self, real, generated):
    if real.count != generated.count:
      raise ValueError(f'videos are compared in pairs, but there are {real.count} real and '
                       f'{generated.count} generated ones')
    self._real, self._generated = real, generated
    self.count = generated.count
    self.skipped = {}  # whatever cannot be read is an error

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self._real.identity(), self._generated.identity()]

  def batches(self, *args):
    """Yields batches of generated clips, see the module, with `real`, uint8 [n, T, H, W, C]."""
    sides = [side.batches(*args) for side in (self._generated, self._real)]
    for batch, real in itertools.zip_longest(*sides):
      if not (batch and real and np.array_equal(batch['index'], real['index'])):
        raise ValueError('videos are compared in pairs, but one cannot be read any more: compare '
                         'without --paired to see which, and remove it and its counterpart')
      yield {**real, **batch, 'real': real['video']}


class CopyLastFrame:
  """The baseline that repeats the last given frame (TrIVD-GAN, appendix D: FVD 330).

  Args:
    conditioning_frames: number of given frames, at least 1.
  """

  drawn = False  # its videos are the same in every trial
  labelled = True
  reconstructs = False

  def __init__(self, conditioning_frames):
    if conditioning_frames < 1:
      raise ValueError('copy_last_frame needs at least one given frame: set '
                       '--conditioning_frames=1')
    self.conditioning_frames = conditioning_frames

  def sample(self, batch, seed):
    """The given frames of a batch, the last one repeated to the end: uint8 [n, T, H, W, C]."""
    del seed
    frames = np.minimum(np.arange(batch['video'].shape[1]), self.conditioning_frames - 1)
    return batch['video'][:, frames]


def seed_of(seed, trial, number, sample):
  """The seed, int32 [2], of a batch of samples.

  Args:
    seed: the protocol's seed.
    trial: number of the trial.
    number: number of the batch in the trial.
    sample: number of the sample, if conditions have several.
  """
  folded = randomness.seed_of(seed)
  for part in (trial, number, sample):
    folded = randomness.fold_in(folded, part)
  return folded
