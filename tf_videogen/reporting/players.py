"""Videos on a page, and the bar that plays, pauses and scrubs all of them at once.

A video is one lossless WebP: its frames side by side, in a window as wide as one frame. `player.js`
moves the strip behind the window, by one clock for the whole page. So any frame can be shown, and
the difference of two videos needs no further picture: the browser lays one strip over the other.
Without scripts, a CSS animation moves the strips. If the reader's system asks for reduced motion,
the page begins with its videos paused.
"""

import base64
import hashlib
import html
import io
import math
import pathlib

import numpy as np
import PIL.Image

CLIP_PIXELS = 128  # About the width of a video on the page, in CSS pixels.
MAX_WIDTH = 16_000  # Of a strip, in its own pixels; WebP ends at 16,383.

SCRIPT = (pathlib.Path(__file__).parent / 'player.js').read_text(encoding='utf-8')

BAR = ('<div class="player" role="group" aria-label="All videos" hidden>'
       '<button type="button">Pause</button>'
       '<input type="range" min="0" value="0" step="1" aria-label="Frame">'
       '<output></output>'
       '<label hidden><input type="checkbox"> difference to real</label></div>')


def clip(video, alt, given=0, real=None, pixels=CLIP_PIXELS, fps=8):
  """A video as HTML.

  Args:
    video: uint8 [T, H, W, C], C 1 or 3.
    alt: what the video shows, text.
    given: number of first frames that were given to the model; they are outlined.
    real: the real video from which the difference view subtracts this one, of the same shape;
      the video itself if it is the real one; None if there is none.
    pixels: about the width on the page, in CSS pixels; a whole multiple of the video's width, or
      less than it.
    fps: frames per second.

  Returns:
    str.
  """
  stride = math.ceil(video.shape[0] * video.shape[2] / MAX_WIDTH)
  whole, video = video, video[::stride]
  width = shown_width(video.shape[2], pixels)
  source = base64.b64encode(strip_bytes(video)).decode()
  attributes = [f'data-frames="{len(video)}"', f'data-fps="{fps / stride:g}"']
  attributes += [f'data-given="{math.ceil(given / stride)}"'] if given else []
  if real is not None:
    attributes.append(f'data-{"name" if real is whole else "against"}="{_digest(real)}"')
  return (f'<span class="clip" {" ".join(attributes)} style="--frames: {len(video)}; width: '
          f'{width}px; aspect-ratio: {video.shape[2]} / {video.shape[1]}">'
          f'<img alt="{html.escape(alt)}" src="data:image/webp;base64,{source}"></span>')


def shown_width(width, pixels=CLIP_PIXELS):
  """The width of a video on the page: a whole multiple of its own near `pixels`, or `pixels`."""
  return width * max(1, round(pixels / width)) if width <= pixels else pixels


def strip_bytes(video):
  """A lossless WebP of the frames of a video from left to right.

  Args:
    video: uint8 [T, H, W, C], C 1 or 3.

  Returns:
    bytes.
  """
  strip = np.concatenate(list(video), axis=1)  # [T, H, W, C] -> [H, T*W, C]
  strip = np.broadcast_to(strip, (*strip.shape[:2], 3))
  buffer = io.BytesIO()
  PIL.Image.fromarray(np.ascontiguousarray(strip)).save(buffer, 'WEBP', lossless=True, method=3)
  return buffer.getvalue()


def _digest(video):
  """A short name of a video, by its content."""
  return hashlib.sha256(np.ascontiguousarray(video).tobytes()).hexdigest()[:12]
