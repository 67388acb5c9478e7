"""Pairs of a real and a generated video that agree least and most, as a block of a page."""

import dataclasses
import html

import numpy as np

from tf_videogen.reporting import page
from tf_videogen.reporting import players

_TITLES = {'worst': 'The least alike', 'best': 'The most alike'}


@dataclasses.dataclass
class Pairs:
  """The block: real above generated, with the SSIM of each pair.

  Attributes:
    arrays: A dict of arrays of an .npz file, see `galleries`.
    given: The number of first frames of generated videos that were given; they are outlined.
    fps: Frames per second.
    protocol: The name of the protocol that made the videos.
    max_bytes: The size of the pictures in bytes; pairs beyond it are left out.
  """
  arrays: dict
  given: int = 0
  fps: float = 8
  protocol: str = ''
  max_bytes: int = 1_500_000

  def html(self):
    groups = []
    for name, title in _TITLES.items():
      figures = self._figures(name, self.max_bytes // len(_TITLES))
      if figures:
        groups.append(f'<div><h4>{title}</h4><div class="pairs">{"".join(figures)}</div></div>')
    if not groups:
      return ''
    given = ' over the frames that were not given' if self.given else ''
    return (f'<div class="gallery" data-item{page.of_protocol(self.protocol)}>'
            '<h3>The worst and the best pairs</h3><p class="quiet">Of the pairs of a real video, '
            'above, and a generated one, below it, that the evaluation saw in one go: by SSIM, '
            f'the mean{given}.</p>'
            f'<div class="kinds">{"".join(groups)}</div></div>')

  def _figures(self, name, max_bytes):
    figures = []
    for i, score in enumerate(np.atleast_1d(self.arrays.get(f'{name}_ssim', ()))):
      real, made = (self.arrays[f'{name}_{kind}'][i] for kind in ('data', 'samples'))
      about = f'the {name} pair, {i + 1}'
      figure = (
          players.clip(real, f'Real, {about}', 0, real, fps=self.fps)
          + players.clip(made, f'Generated, {about}', self.given, real, fps=self.fps)
          + f'<figcaption>SSIM <b>{html.escape(page.number(float(score)))}</b></figcaption>')
      max_bytes -= len(figure)
      if i and max_bytes < 0:
        break
      figures.append(f'<figure>{figure}</figure>')
    return figures
