"""Two sides of a comparison, made comparable: which clips, how many frames, of what size.

The sides may have different numbers of videos. Whatever is changed to make them comparable, is
asked for or told.
"""

import dataclasses
import os
import typing

import numpy as np

from tf_videogen.evaluation import videos
from tf_videogen.evaluation import windows as windows_lib

_NAMED = 3  # names that a sentence lists
_SAME_RATE = 1.05  # ratio of frame rates that are taken as equal


class Sides(typing.NamedTuple):
  """The sides of a comparison.

  Attributes:
    real: source of the real clips, see `videos`.
    generated: list of sources of generated clips; several are compared with the same real ones.
    told: list of sentences that the user should read.
  """
  real: typing.Any
  generated: list
  told: list


@dataclasses.dataclass(frozen=True)
class Wishes:
  """What the user asks for.

  Attributes:
    frames: number of frames of a clip; the number that clips have if None.
    limit: number of videos of each side, drawn by the windows' seed from all folders alike; all if
      None. A side with fewer is used whole.
    on_mismatch: what to do with clips of different length or size: 'refuse'; 'cut' to the first
      frames and the middle pixels that all have; 'scale', which is as 'cut', but frames are scaled
      to the smallest ones before.
    size: side in pixels of square frames to which all are scaled and cut; None to leave them.
    paired: whether clips of the same name are pairs.
    windows: `windows.Windows`. Its `step` is for real videos alone.
  """
  frames: int | None = None
  limit: int | None = None
  on_mismatch: str = 'refuse'
  size: int | None = None
  paired: bool = False
  windows: windows_lib.Windows = windows_lib.Windows()


class _Side:
  """One folder: the names that are used, their headers, its windows."""

  def __init__(self, found, names, windows):
    self.found, self.windows = found, windows
    self.headers = found.headers(names)

  @property
  def path(self):
    return self.found.path

  def lengths(self):
    """The most frames that clips of each video can have, a list."""
    return [self.windows.frames_of(header) for header in self.headers.values()]

  def rate(self):
    """The median frame rate; 0 if most files do not tell."""
    return float(np.median([header.fps for header in self.headers.values()]))

  def source(self, shape, scaled, told):
    """The FolderVideos of clips of a shape. Fewer windows per video than asked for are told."""
    windows = self.windows
    if windows.kind == 'random':
      places = min(self.lengths()) - shape[0] + 1
      if places < windows.per_video:
        told.append(f'the shortest clip of {self.path} has only {places} windows of {shape[0]} '
                    f'frames, so each clip gives {places}, not {windows.per_video}')
        windows = dataclasses.replace(windows, per_video=places)
    return videos.FolderVideos(self.found, list(self.headers), shape, windows, scaled)


def matched(real, generated, wishes=Wishes()):
  """Folders as sources of clips that can be compared.

  Args:
    real: a `written_clips.WrittenClips`.
    generated: list of the same; it may have `real` itself.
    wishes: Wishes. Pairs are those names that all sides have.

  Returns:
    Sides.

  Raises:
    ValueError: if they cannot be compared; it says why, and what to do.
  """
  told = []
  windows = [wishes.windows] + [dataclasses.replace(wishes.windows, step=1)] * len(generated)
  names = _names([real, *generated], wishes, told)
  sides = [_Side(found, chosen, window)
           for found, chosen, window in zip((real, *generated), names, windows)]
  if wishes.paired:
    _refuse_skipped([side.found for side in sides], sum(names, []))
  _tell_rates(sides, wishes, told)
  frames = _frames(sides, wishes)
  size, scaled = _size(sides, wishes, told)
  channels = max(header.channels for side in sides for header in side.headers.values())
  sources = [side.source((frames, *size, channels), scaled, told) for side in sides]
  return Sides(sources[0], sources[1:], list(dict.fromkeys(told)))


def like(real, generated, wishes=Wishes()):
  """A data set and folders as sources of clips that can be compared.

  Args:
    real: a `videos.DataVideos`. Its clips are of the length and size that folders must have.
    generated: list of `written_clips.WrittenClips`.
    wishes: Wishes. `frames` says that longer clips of folders may be cut. Smaller clips, and
      shorter ones, are refused.

  Returns:
    Sides.

  Raises:
    ValueError: if they cannot be compared.
  """
  told, channels, sides = [], real.shape[3], []
  if wishes.limit is not None and wishes.limit > real.count:
    told.append(f'the real side has {real.count} videos, fewer than --videos={wishes.limit}: '
                'all are used')
  for found in generated:
    names = found.names if wishes.paired else _drawn(found, wishes, told)
    side = _Side(found, names, dataclasses.replace(wishes.windows, step=1))
    if wishes.paired:
      _refuse_skipped([found], names)
      if real.count != len(side.headers):
        raise ValueError(f'videos are compared in pairs, but the data set has {real.count} clips '
                         f'and {found.path} {len(side.headers)}')
    _refuse_unlike(side, real, wishes)
    channels = max(channels, *(header.channels for header in side.headers.values()))
    sides.append(side)
  shape = (*real.shape[:3], channels)
  scaled = wishes.on_mismatch == 'scale'
  sources = [side.source(shape, scaled, told) for side in sides]
  return Sides(real.with_channels(channels), sources, list(dict.fromkeys(told)))


def _names(found, wishes, told):
  """The names that are used of every side, a list of lists."""
  if not wishes.paired:
    drawn = {side: _drawn(side, wishes, told) for side in dict.fromkeys(found)}
    return [drawn[side] for side in found]
  if not all(side.has_names for side in found):
    return _by_position(found, wishes)
  keys = [{side.key(name): name for name in side.names} for side in found]
  common = [key for key in keys[0] if all(key in others for others in keys[1:])]
  if not common:
    have = ' and '.join(f'{side.path} has {_listed(mine)}' for side, mine in zip(found, keys))
    raise ValueError(f'pairs have the same names, but {have}')
  where = ' on each side' if len(found) > 2 else ''
  for side, mine in zip(found, keys):
    alone = [key for key in mine if not all(key in others for others in keys)]
    if alone:
      told.append(f'{len(alone)} of the {len(mine)} clips in {side.path} have no partner of the '
                  f'same name{where} and are left out: {_listed(alone)}')
  if wishes.limit is not None and wishes.limit < len(common):
    order = np.random.default_rng(wishes.windows.seed).permutation(len(common))[:wishes.limit]
    common = [common[i] for i in sorted(order)]
  return [[mine[key] for key in common] for mine in keys]


def _by_position(found, wishes):
  """The names of pairs, if the clips of a side are rows of one array and have no names."""
  real, *others = found
  for other in others:
    if len(real.names) != len(other.names):
      raise ValueError(f'the clips of an array have no names, so that pairs are in order, but '
                       f'{real.path} has {len(real.names)} clips and {other.path} has '
                       f'{len(other.names)}')
  place_of = {name: place for place, name in enumerate(real.names)}
  places = [place_of[name] for name in real.drawn(wishes.limit, wishes.windows.seed)]
  return [[side.names[place] for place in places] for side in found]


def _drawn(found, wishes, told):
  if wishes.limit is not None and wishes.limit > len(found.names):
    told.append(f'{found.path} has {len(found.names)} videos, fewer than --videos={wishes.limit}: '
                'all are used')
  return found.drawn(wishes.limit, wishes.windows.seed)


def _listed(names):
  names = [os.fspath(name) for name in names]
  return ', '.join(names[:_NAMED]) + (', ...' if len(names) > _NAMED else '')


def _refuse_skipped(sides, names):
  """Raises a ValueError if a clip of a pair cannot be read."""
  for found in sides:
    for name, reason in found.skipped.items():
      if name in names or name not in found.names:
        raise ValueError(f'videos are compared in pairs, but {name} cannot be read ({reason}): '
                         'remove it and its counterpart')


def _tell_rates(sides, wishes, told):
  """Tells that the sides have other frame rates, or that a side does not tell its rate."""
  rates = [side.rate() for side in sides]
  if wishes.windows.fps:
    told += [f'{side.path} does not tell its frame rate: taken as {wishes.windows.fps:g}'
             for side, rate in zip(sides, rates) if not rate]
    return
  first = rates[0] / wishes.windows.step
  for side, rate in zip(sides[1:], rates[1:]):
    if first and rate and max(first / rate, rate / first) > _SAME_RATE:
      told.append(f'{sides[0].path} has {first:.3g} frames per second and {side.path} {rate:.3g}, '
                  'so that motion differs; make both equal with '
                  f'--frame_rate={min(first, rate):.3g}')


def _frames(sides, wishes):
  """The number of frames of a clip."""
  least = [min(side.lengths()) for side in sides]
  most = [max(side.lengths()) for side in sides]
  shortest = sides[least.index(min(least))]
  if wishes.frames is not None:
    if wishes.frames > min(least):
      few = sum(length < wishes.frames for length in shortest.lengths())
      raise ValueError(
          f'{shortest.path} has a clip of {min(least)} frames, but --frames is {wishes.frames} '
          f'({few} of its {len(shortest.headers)} clips are shorter)')
    return wishes.frames
  # Of real videos that are long, windows are taken; the shortest clip says how long they are.
  if max(most) > min(least) and wishes.on_mismatch == 'refuse':
    longest = sides[most.index(max(most))]
    raise ValueError(
        f'{shortest.path} has clips of {min(least)} frames, {longest.path} of {max(most)}; cut all '
        f'to what they have in common with --frames={min(least)} or --on_mismatch=cut')
  return min(least)


def _size(sides, wishes, told):
  """((height, width) of clips, whether frames are scaled to it)."""
  if wishes.size:
    return (wishes.size, wishes.size), True
  sizes = {}
  for side in sides:
    for header in side.headers.values():
      sizes.setdefault((header.height, header.width), side.path)
  least = tuple(min(size[axis] for size in sizes) for axis in range(2))
  if len(sizes) == 1 or wishes.on_mismatch == 'scale':
    return least, True
  other = max(sizes, key=lambda size: size[0] * size[1])
  described = '{2} has frames of {0} x {1} pixels'.format(*other, sizes[other])
  smallest = min(sizes, key=lambda size: size[0] * size[1])
  if wishes.on_mismatch == 'refuse':
    raise ValueError(
        f'{described}, {sizes[smallest]} of {smallest[0]} x {smallest[1]}; scale all with '
        f'--size={min(least)} or --on_mismatch=scale, or cut out the middle with --on_mismatch=cut')
  told.append(f'{described}, of which only the middle {least[0]} x {least[1]} are compared; '
              '--on_mismatch=scale scales frames before it cuts them')
  return least, False


def _refuse_unlike(side, real, wishes):
  """Raises a ValueError if clips cannot be cut to the clips of a data set."""
  for header in side.headers.values():
    shape = (side.windows.frames_of(header), header.height, header.width)
    shorter = shape[0] < real.shape[0] or (
        wishes.on_mismatch != 'scale' and any(np.array(shape[1:]) < real.shape[1:3]))
    longer = shape[0] > real.shape[0] and not wishes.frames
    if shorter or (wishes.on_mismatch == 'refuse' and (longer or shape[1:] != real.shape[1:3])):
      ours, theirs = ('{} frames of {} x {} pixels'.format(*s[:3]) for s in (shape, real.shape))
      hint = '' if shorter else '; scale them with --on_mismatch=scale, or cut out their middle ' \
          'with --on_mismatch=cut'
      if longer and not shorter:
        hint += f', or take windows with --frames={real.shape[0]}'
      raise ValueError(f"{side.path} has clips of {ours}, but the data set's have {theirs}{hint}")
