"""Shows which pixels reach which prediction: a table by distance, and the map of one pixel.

The sets and counts come from `models.connectivity`: appendix C of Weissenborn et al. 2020
(https://arxiv.org/abs/1906.02634).
"""

import io

from matplotlib import colors
from matplotlib import figure
from matplotlib import patches
import numpy as np

_KINDS = (('generated later', '#e4e4e4'), ('earlier, reaches the prediction', '#2f6fb3'),
          ('earlier, missed', '#d9762b'), ('the pixel', '#000000'))


def table(counts):
  """The shares of missed pairs by distance, as lines of text.

  Args:
    counts: dict of arrays from `connectivity.missed_by_distance`.

  Returns:
    str.
  """
  rows = [('distance', 'pairs', 'missed', 'pairs in slice', 'missed in slice')]
  size = len(counts['earlier'])
  for first, last in [*_ranges(size), (0, size - 1)]:
    of = {name: int(numbers[first:last + 1].sum()) for name, numbers in counts.items()}
    name = 'all' if first == 0 else f'{first}' if first == last else f'{first}-{last}'
    rows.append((name, f'{of["earlier"]:,}', _share(of['missed'], of['earlier']),
                 f'{of["earlier_in_slice"]:,}',
                 _share(of['missed_in_slice'], of['earlier_in_slice'])))
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
  return '\n'.join('  '.join(cell.rjust(width) for cell, width in zip(row, widths))
                   for row in rows)


def _ranges(size):
  """(first, last) of the ranges 1, 2, 3, 4, and then of doubling ranges, up to size - 1."""
  ranges = [(i, i) for i in range(1, min(5, size))]
  first = 5
  while first < size:
    last = min(2 * (first - 1), size - 1)
    ranges.append((first, last))
    first = last + 1
  return ranges


def _share(part, whole):
  return f'{100 * part / whole:.2f} %' if whole else '-'


def kinds(reached, earlier, video_shape, pixel):
  """The kind of each pixel of a video, with respect to the prediction of one of them.

  Args:
    reached: bool [T * H * W], the row of that pixel in `connectivity.reached`.
    earlier: bool [T * H * W], the row of that pixel in `connectivity.earlier`.
    video_shape: (T, H, W).
    pixel: (t, h, w), the pixel that is predicted.

  Returns:
    int [T, H, W]: 0 generated later, 1 reaches the prediction, 2 missed, 3 the pixel itself.
  """
  found = np.where(earlier, np.where(reached, 1, 2), 0).reshape(video_shape)
  found[tuple(pixel)] = 3
  return found


def draw(of_pixels):
  """Draws the map of one pixel, with all frames of the video.

  Args:
    of_pixels: int [T, H, W], the result of `kinds`.

  Returns:
    The bytes of a PNG.
  """
  video_shape = of_pixels.shape
  columns = int(np.ceil(np.sqrt(video_shape[0])))
  rows = -(-video_shape[0] // columns)
  aspect = video_shape[1] / video_shape[2]
  fig = figure.Figure(figsize=(7, 7 * rows / columns * aspect + 0.5), layout='constrained')
  palette = colors.ListedColormap([color for _, color in _KINDS])
  for t, axes in enumerate(fig.subplots(rows, columns, squeeze=False).flat):
    axes.axis('off')
    if t < video_shape[0]:
      axes.imshow(of_pixels[t], cmap=palette, vmin=0, vmax=len(_KINDS) - 1, interpolation='nearest')
      axes.set_title(f'frame {t}', fontsize=8)
  fig.legend(handles=[patches.Patch(color=color, label=name) for name, color in _KINDS],
             loc='outside lower center', ncols=len(_KINDS), fontsize=8, frameon=False)
  drawing = io.BytesIO()
  fig.savefig(drawing, format='png', dpi=110, metadata={'Software': None})
  return drawing.getvalue()
