"""Where the videos of an evaluation are from: data, folders, and baselines.

A source of real videos answers to `count`, `shape`, `identity()` and `batches(batch_size, host,
hosts)`, which yields dicts of NumPy arrays: `video`, uint8 [n, T, H, W, C]; `index`, int [n], the
positions of the videos in the source; and what else the data has, `label` and `actions`.

A maker has `sample(batch, seed)`, which returns a video for each of such a batch, and says
`conditioning_frames`, `drawn`, `labelled` and `reconstructs`; where it reconstructs, it also has
`reconstruct(batch)`. A `trained_model.TrainedModel` is one.
"""

import copy
import itertools

import numpy as np

from tf_videogen.layers import randomness


def truncated(video):
  """uint8 pixels as VideoGPT's scripts make floats in [-0.5, 0.5] of them, and uint8 again.

  What rounding makes smaller is cut off: 63 of the 256 values become one less.
  """
  floats = video.astype(np.float32) / np.float32(255) - np.float32(0.5)
  return ((floats + np.float32(0.5)) * np.float32(255)).astype(np.uint8)


class DataVideos:
  """Clips of a data set.

  Args:
    clips: see `data.clips`.
    split: which.
    limit: how many at most; None: all.
    windows: 'first' frames of longer videos; or 'random', as in training, where `limit` may exceed
      the number of videos.
    seed: of random windows.
    channels: 3 for grey clips in three equal colours; None: as they are.
  """

  def __init__(self, clips, split, limit=None, windows='first', seed=0, channels=None):
    if windows not in ('first', 'random'):
      raise ValueError(f"windows must be 'first' or 'random', got {windows!r}")
    if windows == 'random' and split != clips.train_split:
      raise ValueError(f'random windows are of the clips\' own train_split, {clips.train_split!r}: '
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
    """Every second clip, from number `which` on, 0 or 1."""
    if self._repeats:
      raise ValueError('there are more windows than videos, so that both halves would have windows '
                       'of the same ones: ask for fewer (Protocol.videos)')
    return _half(self, which)

  def first(self, count, channels=None):
    """The first clips alone."""
    return DataVideos(
        self._clips, self._split, count, self._windows, self._seed, channels)

  def identity(self):
    """What tells these videos from others."""
    return [self._clips.identity(self._split), self._split, self._windows, self._seed, self._all,
            self._half, self.shape]

  def batches(self, batch_size, host=0, hosts=1):
    """Yields this host's part of every batch."""
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
    frames: of a clip, the first ones.
    size: (H, W), the middle.
    channels: C.
    limit: how many.
  """

  def __init__(self, found, frames, size, channels, limit):
    self._found, self._limit, self._half = found, limit, None
    self.shape = (frames, *size, channels)
    self.count = limit

  def half(self, which):
    """Every second clip, from number `which` on, 0 or 1."""
    return _half(self, which)

  def identity(self):
    """What tells these videos from others."""
    return [self._found.identity(), self.shape, self._limit, self._half]

  def batches(self, batch_size, host=0, hosts=1):
    """Yields this host's part of every batch."""
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
  """Grey becomes equal colours: uint8 [..., 1 or C] -> [..., C]."""
  return np.broadcast_to(video, video.shape[:-1] + (channels,))


def _half(source, which):
  half = copy.copy(source)
  half._half = which
  half.count = (source.count + 1 - which) // 2
  return half


class CopyLastFrame:
  """The baseline that repeats the last frame that is given (TrIVD-GAN, appendix D: FVD 330)."""

  drawn = False  # every trial has the same
  labelled = True
  reconstructs = False

  def __init__(self, conditioning_frames):
    if conditioning_frames < 1:
      raise ValueError('copy_last_frame needs at least one frame that is given: '
                       '--conditioning_frames=1')
    self.conditioning_frames = conditioning_frames

  def sample(self, batch, seed):
    """uint8 [n, T, H, W, C]."""
    del seed
    frames = np.minimum(np.arange(batch['video'].shape[1]), self.conditioning_frames - 1)
    return batch['video'][:, frames]


def seed_of(seed, trial, number, sample):
  """The seed, int32 [2], of a batch of samples."""
  folded = randomness.seed_of(seed)
  for part in (trial, number, sample):
    folded = randomness.fold_in(folded, part)
  return folded


def matched(real, generated, frames=None, limit=None, cut=False, paired=False):
  """Two folders as sources of clips that can be compared.

  Args:
    real, generated: a `written_clips.WrittenClips` each.
    frames: of a clip, the first ones; None: as many as the clips have.
    limit: clips of each; None: all.
    cut: where clips differ in length or size, or the folders in number, whether to cut to what both
      have: the first frames, the middle, the first clips. Otherwise they are refused.
    paired: whether clips belong together by their place: then all must be readable.

  Returns:
    Two FolderVideos.

  Raises:
    ValueError: says what differs.
  """
  surveys = {found.path: found.survey() for found in dict.fromkeys((real, generated))}
  if paired:
    _refuse_skipped(real, generated)
  shapes = {path: list(survey) for path, survey in surveys.items()}
  every = [shape for found in shapes.values() for shape in found]
  least = [min(shape[axis] for shape in every) for axis in range(3)]
  if frames is not None and frames > least[0]:
    raise ValueError(f'{_where(shapes, 0, least[0])} has a clip of {least[0]} frames, and --frames '
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
                     'distance is; take as many of both with --on_mismatch=cut or --videos')
  if limit is not None and limit > min(counts.values()):
    path = min(counts, key=counts.get)
    raise ValueError(f'{path} has {counts[path]} clips, and --videos is {limit}')
  count = limit or min(counts.values())
  channels = max(shape[3] for shape in every)
  return [FolderVideos(found, frames or least[0], (least[1], least[2]), channels, count)
          for found in (real, generated)]


def like(found, real, frames=None, limit=None, cut=False, paired=False):
  """A folder as a source of clips that can be compared with a data set's; and those, as many.

  Args:
    found: a `written_clips.WrittenClips`.
    real: a DataVideos.
    frames, limit, cut, paired: as of `matched`; clips of the data set have as many frames already.

  Returns:
    DataVideos, FolderVideos.

  Raises:
    ValueError: says what differs.
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
      raise ValueError(f"{found.path} has clips of {ours}, and the data set's have {theirs}{hint}")
  there = sum(survey.values())
  if real.count != there and not cut and limit is None:
    raise ValueError(f'the data set has {real.count} clips and {found.path} {there}: take as many '
                     'of both with --on_mismatch=cut or --videos')
  if limit is not None and limit > min(real.count, there):
    raise ValueError(f'the data set has {real.count} clips and {found.path} {there}, and --videos '
                     f'is {limit}')
  count = limit or min(real.count, there)
  channels = max(real.shape[3], *(shape[3] for shape in survey))
  return (real.first(count, channels),
          FolderVideos(found, real.shape[0], real.shape[1:3], channels, count))


def _refuse_skipped(*sides):
  """Raises a ValueError where a clip was left out: those after it would have other counterparts."""
  for found in sides:
    if found.skipped:
      name, reason = next(iter(found.skipped.items()))
      raise ValueError(f'videos are compared in pairs, and {name} cannot be read ({reason}): take '
                       'it and its counterpart away')


def _where(shapes, axis, value):
  return next(path for path, found in shapes.items() if any(s[axis] == value for s in found))
