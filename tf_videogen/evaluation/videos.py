"""Sources of the videos of an evaluation: data sets, folders, and baselines.

A source of videos has `count`, the number of videos; `shape`, (T, H, W, C); `identity()`; and
`batches(batch_size, host, hosts)`. The latter yields dicts of NumPy arrays: `video`, uint8
[n, T, H, W, C]; `index`, int [n], the positions of the videos in the source; and `label` and
`actions`, if the data has them.

A maker has `sample(batch, seed)`, which returns one video for each video of such a batch. Its
attributes are `conditioning_frames`, `drawn`, `labelled` and `reconstructs`. If it reconstructs, it
also has `reconstruct(batch)`. A `trained_model.TrainedModel` is a maker, and describes them.
"""

import copy
import itertools

import numpy as np

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
    seed: seed of random windows.
    channels: 3 for grey clips in three equal colours. If None, clips stay as they are.
  """

  def __init__(self, clips, split, limit=None, windows='first', seed=0, channels=None):
    if windows not in ('first', 'random'):
      raise ValueError(f"windows must be 'first' or 'random', got {windows!r}")
    if windows == 'random' and split != clips.train_split:
      raise ValueError(f'random windows come from the clips\' train_split, {clips.train_split!r}: '
                       f'bind it to the split of the protocol, {split!r}')
    self._clips, self._split, self._windows, self._half = clips, split, windows, None
    self._seed = seed if windows == 'random' else 0
    there = clips.count(split)
    self._all = limit or there if windows == 'random' else min(limit or there, there)
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

  def first(self, count, channels=None):
    """A source of the first `count` clips alone; `channels` is as in the class."""
    return DataVideos(
        self._clips, self._split, count, self._windows, self._seed, channels)

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self._clips.identity(self._split), self._split, self._windows, self._seed, self._all,
            self._half, self.shape]

  def batches(self, batch_size, host=0, hosts=1):
    """Yields this host's rows of every batch, see the module."""
    if self._windows == 'random':
      batches = self._clips.training(batch_size, self._seed, 0, host, hosts)
      batches = batches.take(-(-self._all // batch_size))
    else:
      batches = self._clips.evaluation(self._split, batch_size, self._all, host, hosts)
    rows = batch_size // hosts
    for number, batch in enumerate(batches):
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
  """Clips of files.

  Args:
    found: a `written_clips.WrittenClips`.
    frames: number of first frames of a clip that are used, T.
    size: (H, W) of the middle of frames, to which they are cropped.
    channels: number of channels, C. With 3, grey clips get three equal colours.
    limit: number of clips, the first ones.
  """

  def __init__(self, found, frames, size, channels, limit):
    self._found, self._limit, self._half = found, limit, None
    self.shape = (frames, *size, channels)
    self.count = limit

  def half(self, which):
    """A source of every second clip, from number `which` on, 0 or 1."""
    return _half(self, which)

  def identity(self):
    """Plain values that tell these videos from others."""
    return [self._found.identity(), self.shape, self._limit, self._half]

  def batches(self, batch_size, host=0, hosts=1):
    """Yields this host's rows of every batch, see the module."""
    clips = self._found.read(self.shape[0], self.shape[1:3], self._limit)
    if self._half is not None:
      clips = itertools.islice(clips, self._half, None, 2)
    rows = batch_size // hosts
    for number in itertools.count():
      batch = list(itertools.islice(clips, batch_size))
      if not batch:
        return
      index = number * batch_size + np.arange(len(batch))
      part = slice(host * rows, (host + 1) * rows)
      if batch[part]:
        yield {'video': np.stack([_coloured(clip, self.shape[3]) for clip in batch[part]]),
               'index': index[part]}


def _coloured(video, channels):
  """Turns grey into equal colours: uint8 [..., 1 or C] -> [..., C]."""
  return np.broadcast_to(video, video.shape[:-1] + (channels,))


def _half(source, which):
  half = copy.copy(source)
  half._half = which
  half.count = (source.count + 1 - which) // 2
  return half


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


def matched(real, generated, frames=None, limit=None, cut=False, paired=False):
  """Two folders as sources of clips that can be compared.

  Args:
    real, generated: a `written_clips.WrittenClips` each.
    frames: number of first frames of a clip that are used; if None, the number that clips have.
    limit: number of first clips of each folder; all if None.
    cut: whether clips of different length or size, or folders of different numbers of clips, are
      cut to what both have: the first frames, the middle, the first clips. Otherwise they are
      refused.
    paired: whether clips at the same position are pairs. Then all must be readable.

  Returns:
    Two FolderVideos.

  Raises:
    ValueError: if they differ; it says how.
  """
  surveys = {found.path: found.survey() for found in dict.fromkeys((real, generated))}
  if paired:
    _refuse_skipped(real, generated)
  shapes = {path: list(survey) for path, survey in surveys.items()}
  every = [shape for found in shapes.values() for shape in found]
  least = [min(shape[axis] for shape in every) for axis in range(3)]
  if frames is not None and frames > least[0]:
    raise ValueError(f'{_where(shapes, 0, least[0])} has a clip of {least[0]} frames, but --frames '
                     f'is {frames}')
  differing = [(axis, what) for axis, what in ((0, 'frames'), (1, 'rows'), (2, 'columns'))
               if len({shape[axis] for shape in every}) > 1 and not (axis == 0 and frames)]
  counts = {path: sum(survey.values()) for path, survey in surveys.items()}
  if differing and not cut:
    axis, what = differing[0]
    most = max(shape[axis] for shape in every)
    raise ValueError(
        f'{_where(shapes, axis, least[axis])} has clips of {least[axis]} {what}, '
        f'{_where(shapes, axis, most)} of {most}; cut all to what they have in common with '
        '--on_mismatch=cut' + (', or with --frames' if axis == 0 else ''))
  if len(set(counts.values())) > 1 and not cut and limit is None:
    (a, b), (n, m) = counts.keys(), counts.values()
    raise ValueError(f'{a} has {n} clips and {b} {m}: the smaller side decides how biased a '
                     'distance is; take equally many with --on_mismatch=cut or --videos')
  if limit is not None and limit > min(counts.values()):
    path = min(counts, key=counts.get)
    raise ValueError(f'{path} has {counts[path]} clips, but --videos is {limit}')
  count = limit or min(counts.values())
  channels = max(shape[3] for shape in every)
  return [FolderVideos(found, frames or least[0], (least[1], least[2]), channels, count)
          for found in (real, generated)]


def like(found, real, frames=None, limit=None, cut=False, paired=False):
  """A data set and a folder as sources of clips that can be compared, equally many of each.

  Args:
    found: a `written_clips.WrittenClips`.
    real: a DataVideos.
    frames: if given, longer clips of the folder are accepted, and cut to the number of frames that
      clips of the data set have.
    limit, cut, paired: as in `matched`. With `cut`, clips of the folder are cut to the length and
      size of the data set's clips. Shorter or smaller ones are always refused.

  Returns:
    DataVideos, FolderVideos.

  Raises:
    ValueError: if they differ; it says how.
  """
  survey = found.survey()
  if paired:
    _refuse_skipped(found)
  for shape in survey:
    shorter = any(np.array(shape[:3]) < real.shape[:3])
    longer = shape[0] > real.shape[0] and not frames
    if shorter or (not cut and (longer or shape[1:3] != real.shape[1:3])):
      ours, theirs = ('{} frames of {} x {} pixels'.format(*s[:3]) for s in (shape, real.shape))
      hint = '' if shorter else '; cut them with --on_mismatch=cut' + (
          ', or with --frames' if longer else '')
      raise ValueError(f"{found.path} has clips of {ours}, but the data set's have {theirs}{hint}")
  there = sum(survey.values())
  if real.count != there and not cut and limit is None:
    raise ValueError(f'the data set has {real.count} clips and {found.path} {there}: take equally '
                     'many with --on_mismatch=cut or --videos')
  if limit is not None and limit > min(real.count, there):
    raise ValueError(f'the data set has {real.count} clips and {found.path} {there}, but --videos '
                     f'is {limit}')
  count = limit or min(real.count, there)
  channels = max(real.shape[3], *(shape[3] for shape in survey))
  return (real.first(count, channels),
          FolderVideos(found, real.shape[0], real.shape[1:3], channels, count))


def _refuse_skipped(*sides):
  """Raises a ValueError if a clip was left out: those after it would have other counterparts."""
  for found in sides:
    if found.skipped:
      name, reason = next(iter(found.skipped.items()))
      raise ValueError(f'videos are compared in pairs, but {name} cannot be read ({reason}): '
                       'remove it and its counterpart')


def _where(shapes, axis, value):
  return next(path for path, found in shapes.items() if any(s[axis] == value for s in found))
