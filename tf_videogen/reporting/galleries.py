"""Galleries of videos for a page, and the .npz files that they come from.

An .npz holds arrays named by what they show ('data', 'reconstructions', 'samples', ...), each uint8
[N, T, H, W, C], and optionally two scalars: `conditioning_frames`, the number of first frames of
samples that were given to the model, and `fps`, frames per second. Further samples of the same
conditions are 'samples_2', 'samples_3', ...; 'motion' has motion fields as colors. Videos at the
same index belong to the same clip. Pairs of real and generated videos that agree least and most are
`worst_data` and `worst_samples`, `best_data` and `best_samples`; `worst_ssim`, `best_ssim` [N] are
their SSIM.
"""

import base64
import dataclasses
import html
import io
import itertools
import math
import os
import re

import numpy as np
import PIL.Image

from tf_videogen import files
from tf_videogen.data import video_io
from tf_videogen.reporting import glossary
from tf_videogen.reporting import page
from tf_videogen.reporting import players

DEFAULT_FPS = 8
ORDER = ('data', 'reconstructions', 'samples')
_EXTREMES = ('worst_', 'best_')  # Beginnings of names, see `pairs`.
GIVEN = ('data', 'reconstructions', 'motion')  # No model continued these: no frame is outlined.
OUTLINE = (232, 121, 43)  # The color of --outline in page.css.
CLIP_PIXELS = players.CLIP_PIXELS
COLUMNS = 8  # Videos side by side, over all kinds of a gallery.
CONDITIONS = 8  # Rows of a gallery with several samples per condition.
STRIP_FRAMES = 16
STRIP_GAP = 2
STRIP_PIXELS = 1104  # The width of the page's text area.


@dataclasses.dataclass
class Gallery:
  """A block of a page: videos side by side by kind, and strips of their frames below.

  With several samples per condition, every row is a condition, and every column a kind.

  Attributes:
    title: A short heading.
    videos: A dict of uint8 [N, T, H, W, C] by kind, C 1 or 3. Clips at the same index of several
      kinds are shown at the same place.
    conditioning_frames: The number of first frames that were given to the model. They are outlined
      in all kinds but data, reconstructions and motion.
    fps: Frames per second.
    text: A sentence below the heading.
    max_clips: The most clips of a kind that are shown. If rows are conditions, at most 8 are.
    max_bytes: The size of the pictures in bytes. Fewer clips are shown if it would be exceeded, but
      one always is.
    protocol: The name of the protocol that made the videos; empty for other videos.
    by_condition: Whether every row is a condition, and every column a kind: the data, or a run.
    paired: Whether the samples of an index continue, or shall be, the data of this index, so that
      their difference can be shown. It holds for reconstructions and if frames were given, too.
  """
  title: str
  videos: dict
  conditioning_frames: int = 0
  fps: float = DEFAULT_FPS
  text: str = ''
  max_clips: int = 16
  max_bytes: int = 1_500_000
  protocol: str = ''
  by_condition: bool = False
  paired: bool = False

  def __post_init__(self):
    for name, video in self.videos.items():
      if video.dtype != np.uint8 or video.ndim != 5 or video.shape[-1] not in (1, 3):
        raise ValueError(f'{self.title}: {name} must be uint8 [N, T, H, W, C] with C 1 or 3, got '
                         f'{video.dtype} {list(video.shape)}.')

  def html(self):
    """The gallery as HTML."""
    kinds = {name: self.videos[name] for name in sorted(self.videos, key=_rank)
             if len(self.videos[name])}
    if not kinds:
      return ''
    strips = self._strips(kinds)
    pictures, shown = self._clips(kinds, self.max_bytes - len(strips))
    text = self._legend(shown, max(map(len, kinds.values())))
    text = f'<p class="quiet">{html.escape(text)}</p>' if text else ''
    return (f'<div class="gallery" data-item{page.of_protocol(self.protocol)}>'
            f'<h3>{html.escape(_capitalized(self.title))}</h3>{text}{pictures}{strips}</div>')

  def _legend(self, shown, count):
    outlined = any(self._given_frames(name) for name in self.videos)
    sentences = [self.text] if self.text else []
    if shown < count:
      sentences.append(f'{shown} of {count} videos are shown.')
    if outlined:
      frames = ('frame' if self.conditioning_frames == 1
                else f'{self.conditioning_frames} frames')
      sentences.append(f'The first {frames} of each generated video '
                       f'{"was" if self.conditioning_frames == 1 else "were"} given to the model; '
                       'they are outlined.')
    return ' '.join(sentences)

  def _given_frames(self, name):
    return 0 if name in GIVEN else self.conditioning_frames

  def _clips(self, kinds, max_bytes):
    """The videos, as HTML: one figure per kind or, for galleries by condition, a grid.

    Returns:
      The HTML, and the number of videos of a kind that are shown.
    """
    by_condition = self.by_condition or 'samples_2' in kinds
    columns = 1 if by_condition else max(1, COLUMNS // len(kinds))
    pictures = {name: [] for name in kinds}
    rows = max(len(video) for video in kinds.values())
    for i in range(min(self.max_clips, CONDITIONS if by_condition else rows, rows)):
      new = {name: self._clip(name, kinds, i) for name, video in kinds.items() if i < len(video)}
      max_bytes -= sum(len(picture) for picture in new.values())
      if i and max_bytes < 0:
        break
      for name, picture in new.items():
        pictures[name].append(picture)
    shown = max(len(some) for some in pictures.values())
    if by_condition:
      return self._conditions(pictures), shown
    if shown > columns:  # Whole rows look better.
      shown -= shown % columns
    figures = []
    for name, some in pictures.items():
      some, width = some[:shown], players.shown_width(kinds[name].shape[3])
      figures.append(
          f'<figure><figcaption>{self._caption(name)}</figcaption>'
          f'<div class="clips" style="--columns: {min(columns, len(some))}; --width: {width}px">'
          f'{"".join(some)}</div></figure>')
    return f'<div class="kinds">{"".join(figures)}</div>', shown

  def _clip(self, name, kinds, index):
    """A video that the difference view compares with the real one of the same index, if any."""
    video, real = kinds[name][index], None
    paired = self.paired or self.conditioning_frames or name in ('data', 'reconstructions')
    if paired and name != 'motion' and index < len(kinds.get('data', ())):
      real = video if name == 'data' else kinds['data'][index]
    return players.clip(video, f'{self._name(name)} {index + 1}, moving',
                        self._given_frames(name), real, fps=self.fps)

  def _conditions(self, pictures):
    """One row per condition and one column per kind, under captions; missing clips stay empty."""
    captions = ''.join(f'<div class="caption">{self._caption(name)}</div>' for name in pictures)
    rows = itertools.zip_longest(*pictures.values(), fillvalue='<i></i>')
    return (f'<div class="conditions clips" style="--columns: {len(pictures)}">{captions}'
            f'{"".join(picture for row in rows for picture in row)}</div>')

  def _caption(self, name):
    """The name of a kind and what it shows, as HTML."""
    about = glossary.video(name)
    if name == 'data' and self.conditioning_frames:
      about = 'the clips that are continued'
    about = f'<span class="quiet">{html.escape(about)}</span>' if about else ''
    return f'<b>{html.escape(self._name(name))}</b> {about}'

  def _name(self, name):
    """The name of a kind, or of a run, as a caption."""
    if self.by_condition and name not in ORDER:
      return name
    return glossary.video_name(name)

  def _outlined(self, name, video):
    """A clip with a colored border around its conditioning frames, uint8 [T, H+2, W+2, 3].

    All clips of a gallery with conditioning frames get the border, so that they have the same size.
    Around frames that were not given, it repeats the edge of the frame. Without conditioning
    frames, a clip stays as it is.
    """
    if not self.conditioning_frames:
      return video
    given = self._given_frames(name)
    outlined = video_io.outline(video, given, OUTLINE)
    outlined[given:] = np.pad(video[given:], ((0, 0), (1, 1), (1, 1), (0, 0)), 'edge')
    return outlined

  def _strips(self, kinds):
    """The frames of the first clips, one row per kind, so that a printed page shows motion too."""
    rows = []
    clips = 1 if len(kinds) > 1 else min(2, max(len(video) for video in kinds.values()))
    for i in range(clips):
      for name, video in kinds.items():
        number = f' {i + 1}' if clips > 1 else ''
        rows.append(f'<span class="quiet">{html.escape(self._name(name))}{number}</span>'
                    f'{self._strip(name, video[i], i)}')
    longest = max(video.shape[1] for video in kinds.values())
    stride = math.ceil(longest / STRIP_FRAMES)
    which = 'Every frame' if stride == 1 else f'Every {_ordinal(stride)} frame'
    which += f' of the first {"clip" if clips == 1 else f"{clips} clips"}, from left to right'
    return f'<div class="strips"><p class="quiet">{which}</p>{"".join(rows)}</div>'

  def _strip(self, name, video, index):
    video = self._outlined(name, video)
    video = video[::math.ceil(len(video) / STRIP_FRAMES)]
    data = _strip_bytes(video)
    natural_width = PIL.Image.open(io.BytesIO(data)).width
    factor = min(round(CLIP_PIXELS / video.shape[2]), STRIP_PIXELS // natural_width)
    return _image('png', data, natural_width * max(1, factor),
                  f'{self._name(name)} {index + 1}, its frames from left to right')


def read_gallery(path, title='', max_bytes=1_500_000):
  """The `Gallery` of an .npz file (see the docstring of this module).

  Args:
    path: The path of the file, local or gs://.
    title: The heading; the name of the file if empty.
    max_bytes: See `Gallery`.

  Raises:
    ValueError: if the file is damaged or holds no videos.
  """
  try:
    arrays = files.read_arrays(path)
  except ValueError as error:
    raise ValueError(f'{error}; delete it or write it again') from error
  videos = {name: array for name, array in arrays.items()
            if array.ndim == 5 and not name.startswith(_EXTREMES)}
  if not videos:
    raise ValueError(f'{path} must hold videos, uint8 [N, T, H, W, C]; it holds '
                     f'{", ".join(arrays) or "nothing"}.')
  return Gallery(
      title=title or os.path.splitext(os.path.basename(path))[0].replace('_', ' '),
      videos=videos, conditioning_frames=int(arrays.get('conditioning_frames', 0)),
      fps=float(arrays.get('fps', DEFAULT_FPS)), max_bytes=max_bytes, paired=are_pairs(arrays))


def are_pairs(arrays):
  """Whether generated and real videos of an .npz file are pairs, by its arrays."""
  return 'worst_ssim' in arrays or int(arrays.get('conditioning_frames', 0)) > 0


def _strip_bytes(video):
  """A PNG of the frames of a video from left to right, with transparent gaps."""
  opaque = np.full(video.shape[:-1] + (1,), 255, np.uint8)
  frames = np.concatenate([video, opaque], axis=-1)  # [T, H, W, C] -> [T, H, W, C+1]
  frames = np.pad(frames, ((0, 0), (0, 0), (0, STRIP_GAP), (0, 0)))
  strip = np.concatenate(list(frames), axis=1)[:, :-STRIP_GAP]  # -> [H, T*(W+gap)-gap, C+1]
  buffer = io.BytesIO()
  PIL.Image.fromarray(strip).save(buffer, 'PNG', optimize=True)
  return buffer.getvalue()


def _image(kind, data, width, alt):
  """An <img> of `width` CSS pixels that carries its data."""
  uri = f'data:image/{kind};base64,{base64.b64encode(data).decode()}'
  return f'<img class="pixels" style="width: {width}px" alt="{html.escape(alt)}" src="{uri}">'


def _capitalized(text):
  return text[:1].upper() + text[1:]


def _rank(name):
  """A sort key of kinds: data, reconstructions, samples by their number, then others."""
  base, _, number = name.partition('_') if re.fullmatch(r'samples_\d+', name) else (name, '', '')
  return ORDER.index(base) if base in ORDER else len(ORDER), int(number or 1)


def _ordinal(number):
  return {2: 'second', 3: 'third'}.get(number, f'{number}th')
