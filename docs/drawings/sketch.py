"""The shapes of which the drawings of papers consist, as SVG for light and dark pages."""

import html

_STYLE = """
  text { font: 14px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2937 }
  .title { font-weight: 600 }
  .small { font-size: 12px; fill: #4b5563 }
  .line { stroke: #374151; fill: none; stroke-width: 1.6 }
  .edge { stroke: #374151; stroke-width: 1.2 }
  .grid { stroke: #374151; stroke-width: .5; stroke-opacity: .45 }
  .box { fill: #dbeafe; stroke: #2563eb; stroke-width: 1.4 }
  .plain { fill: #ffffff } .blue { fill: #93c5fd } .orange { fill: #fdba74 }
  .green { fill: #86efac } .violet { fill: #c4b5fd } .grey { fill: #e5e7eb }
  .mark { stroke: #ea580c; stroke-width: 2.4; fill: none }
  .head { fill: #374151 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e5e7eb } .small { fill: #9ca3af }
    .line, .edge, .grid { stroke: #9ca3af } .head { fill: #9ca3af }
    .box { fill: #1e3a5f; stroke: #60a5fa }
    .plain { fill: #111827 } .blue { fill: #1d4ed8 } .orange { fill: #c2410c }
    .green { fill: #15803d } .violet { fill: #6d28d9 } .grey { fill: #374151 }
    .mark { stroke: #fb923c }
  }
"""
_LINE = 18  # pixels from one line of text to the next


class Sketch:
  """A drawing, shape by shape.

  Args:
    width, height: size in pixels.
    title: text for readers who cannot see the drawing.
  """

  def __init__(self, width, height, title):
    self._size, self._title, self._shapes = (width, height), title, []

  def text(self, x, y, words, kind='', anchor='middle'):
    """Writes lines of text, the first one at y; `kind` is a class of `_STYLE`."""
    for i, line in enumerate(words.split('\n')):
      self._shapes.append(f'<text class="{kind}" x="{x}" y="{y + i * _LINE}" '
                          f'text-anchor="{anchor}">{html.escape(line)}</text>')

  def box(self, x, y, width, height, words):
    """Draws a box for a part of a model, with the part's name in the middle."""
    self._shapes.append(f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" '
                        'rx="7"/>')
    lines = words.count('\n')
    self.text(x + width / 2, y + height / 2 + 5 - lines * _LINE / 2, words)

  def arrow(self, *points, words=''):
    """Draws a line through points (x, y) with a head at its end; words stand above its middle."""
    path = ' '.join(f'{x},{y}' for x, y in points)
    self._shapes.append(f'<polyline class="line" points="{path}" marker-end="url(#head)"/>')
    if words:
      (x, y), (u, v) = points[0], points[-1]
      self.text((x + u) / 2, (y + v) / 2 - 8, words, 'small')

  def frame(self, x, y, side, cells=None, kind='plain'):
    """Draws a frame.

    Args:
      x, y: position of its upper left corner.
      side: its width and height.
      cells: rows of the kinds (colors) of its pixels. If None, the frame has one color.
      kind: the color of a frame without cells.
    """
    if cells is None:
      self._shapes.append(f'<rect class="edge {kind}" x="{x}" y="{y}" width="{side}" '
                          f'height="{side}"/>')
      return
    pixel = side / len(cells)
    for row, kinds in enumerate(cells):
      for column, of_pixel in enumerate(kinds):
        self._shapes.append(
            f'<rect class="grid {of_pixel}" x="{x + column * pixel:g}" y="{y + row * pixel:g}" '
            f'width="{pixel:g}" height="{pixel:g}"/>')
    self._shapes.append(f'<rect class="edge" fill="none" x="{x}" y="{y}" width="{side}" '
                        f'height="{side}"/>')

  def stack(self, x, y, side, frames, step=10):
    """Draws frames behind one another, the first one in front at the lower left.

    Args:
      x, y: position of the upper left corner of the first frame.
      side: width and height of a frame.
      frames: the cells of each frame.
      step: pixels by which each frame is shifted to the right and up.
    """
    for i, cells in reversed(list(enumerate(frames))):
      self.frame(x + i * step, y - i * step, side, cells)

  def ring(self, x, y, width, height):
    """Draws a rectangle that marks a part of the drawing."""
    self._shapes.append(f'<rect class="mark" x="{x}" y="{y}" width="{width}" height="{height}" '
                        'rx="6"/>')

  def svg(self):
    """The text of the SVG file."""
    width, height = self._size
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">', f'<title>{html.escape(self._title)}</title>',
        f'<style>{_STYLE}</style>',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
        *self._shapes, '</svg>', ''])
