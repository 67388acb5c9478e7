"""Animated pictures (GIF, PNG, WebP): their frames as a browser shows them, and their rhythm.

Files store how long each frame stays, rounded to ticks (hundredths of a second in a GIF), and one
frame for several equal ones. The rule of `rhythm`: a frame comes as often as a period fits into its
delay, if there is a period that fits all delays to a tick, and else frames come as stored. A last
frame that stays for a second or more, and longer than any other, comes once.

Delays are read from the blocks of a file, without decoding it. See "Graphics Interchange Format,
Version 89a", section 23; "PNG Specification (Third Edition)", chunk fcTL; and "WebP Container
Specification", chunk ANMF.

This module imports no TensorFlow, see `raw_videos`.
"""

import io
import struct
import typing

import numpy as np
from PIL import Image

_GIF = (b'GIF87a', b'GIF89a')
_PNG = b'\x89PNG\r\n\x1a\n'
_HEAD = 1 << 16  # bytes of a file that have the mark of an animated PNG or WebP, if any
_HELD = 1000  # milliseconds that a last frame stays at least if it is held
_BACKGROUND, _PREVIOUS = 2, 3  # a GIF's ways to dispose of a frame
_WHITE = (255, 255, 255)


def is_picture(head):
  """Returns whether the first bytes of a file, at least 12, are those of a GIF, PNG or WebP."""
  return head.startswith((*_GIF, _PNG)) or head[:4] == b'RIFF' and head[8:12] == b'WEBP'


def is_animated(path):
  """Returns whether a local file is an animated PNG or WebP, whatever its name, by its header."""
  with open(path, 'rb') as file:
    head = file.read(_HEAD)
  if head.startswith(_PNG):
    return b'acTL' in head.partition(b'IDAT')[0]
  return head[8:16] == b'WEBPVP8X' and head[20:21] != b'' and bool(head[20] & 2)


def over_white(image):
  """Returns a Pillow image whose transparent pixels have become white; others as they are."""
  if image.has_transparency_data:
    grey = image.mode in ('1', 'L', 'LA', 'La')
    image = image.convert('RGBA')
    image = Image.alpha_composite(Image.new('RGBA', image.size, _WHITE), image)
    return image.convert('L' if grey else 'RGB')
  return image


class Animation:
  """An animation in a local file.

  Attributes:
    height, width: size of its frames in pixels.
    tick: unit to which delays were rounded, in milliseconds.
  """

  def __init__(self, path):
    self._path = path
    with Image.open(path, formats=['GIF', 'PNG', 'WEBP']) as image:
      self.width, self.height = image.size
      self.tick = 10 if image.format == 'GIF' else 1
      self._delays = {'GIF': _gif_delays, 'PNG': _png_delays, 'WEBP': _webp_delays}[image.format]

  def delays(self):
    """Returns how many milliseconds each frame stays, a list, as `frames` does; decodes nothing."""
    with open(self._path, 'rb') as file:
      content = file.read()
    return [_shown(delay) for delay in self._delays(content)]

  def frames(self):
    """Yields (Pillow image, milliseconds that it stays). Libraries' errors are not translated.

    A delay of zero or of a hundredth of a second counts as a tenth, as in browsers.
    """
    for frame, delay in _gif_frames(self._path) if self.tick == 10 else self._of_pillow():
      yield frame, _shown(delay)

  def _of_pillow(self):
    with Image.open(self._path, formats=['PNG', 'WEBP']) as image:
      # The first picture of an animated PNG may be for readers that don't know animations.
      for i in range(bool(getattr(image, 'default_image', False)), getattr(image, 'n_frames', 1)):
        image.seek(i)
        image.load()
        yield image, image.info.get('duration') or 0


def _shown(delay):
  return delay if delay > 10 else 100


def _png_delays(content):
  """Returns the delays of a PNG in milliseconds, a list; [0] if it is not animated."""
  delays, at = [], len(_PNG)
  while at + 8 <= len(content):
    length, kind = struct.unpack_from('>I4s', content, at)
    if kind == b'fcTL':
      count, per_second = struct.unpack_from('>HH', content, at + 28)
      delays.append(1000 * count / (per_second or 100))
    at += 12 + length
  return delays or [0]


def _webp_delays(content):
  """Returns the delays of a WebP in milliseconds, a list; [0] if it is not animated."""
  delays, at = [], 12
  while at + 8 <= len(content):
    kind, length = struct.unpack_from('<4sI', content, at)
    if kind == b'ANMF':
      delays.append(int.from_bytes(content[at + 20:at + 23], 'little'))
    at += 8 + length + length % 2
  return delays or [0]


def rhythm(delays, tick):
  """Returns how often each frame of an animation comes, a list of ints, and frames per second.

  A period is the shortest delay, if all delays are multiples of it, or that of a whole number of
  frames per second. The period that fits best is taken. It has at least three ticks, because
  shorter ones fit any delays.

  Args:
    delays: list of float, the time that each frame stays, in milliseconds.
    tick: unit to which delays were rounded, in milliseconds.
  """
  held = len(delays) > 1 and delays[-1] >= _HELD and delays[-1] > max(delays[:-1])
  stay = np.array(delays[:-1] if held else delays, float)
  times = _times(stay, tick)
  fps = 1000 * times.sum() / stay.sum()
  return [*times.tolist(), *([1] if held else [])], float(fps)


def _times(stay, tick):
  """Returns how often frames come, int [N], from their delays in milliseconds, [N]."""
  shortest = stay.min()
  times = np.rint(stay / shortest)
  if np.abs(stay - times * shortest).max() < 1e-3 * tick:
    return times.astype(int)
  rates = np.arange(1, 1000 // (3 * tick) + 1)
  periods = 1000 / rates[np.abs(1000 / rates - shortest) < tick]  # the shortest delay is a period
  times = np.maximum(1, np.rint(stay / periods[:, np.newaxis]))  # [periods, N]
  error = np.abs(stay - times * periods[:, np.newaxis])
  fits = error.max(1) <= tick
  if not fits.any():
    return np.ones(len(stay), int)
  return times[fits][np.square(error[fits]).sum(1).argmin()].astype(int)


def _gif_frames(path):
  """Yields (Pillow image RGB, delay in milliseconds) of a GIF. What is transparent is white.

  Pillow decodes each stored rectangle. It does not compose them: it would fill the place of a frame
  that is disposed of with the background color, which browsers leave transparent.
  """
  with open(path, 'rb') as file:
    content = file.read()
  canvas = None
  for alone, (left, top), size, control in _rectangles(content):
    try:
      image = Image.open(io.BytesIO(alone), formats=['GIF'])
    except Image.UnidentifiedImageError as error:  # its text has an address in memory
      raise ValueError('a frame is no image') from error
    image = image.convert('RGB' if control.transparent is None else 'RGBA')
    if canvas is None:
      canvas = Image.new('RGB', size, _WHITE)
    before = canvas.copy() if control.disposal == _PREVIOUS else None
    canvas.paste(image, (left, top), image if image.mode == 'RGBA' else None)
    yield canvas, control.delay
    if control.disposal == _BACKGROUND:
      canvas.paste(_WHITE, (left, top, left + image.width, top + image.height))
    elif before:
      canvas = before


def _gif_delays(content):
  return [control.delay for *_, control in _rectangles(content)]


class _Control(typing.NamedTuple):
  """What a GIF says of a rectangle: delay in milliseconds, disposal, color that is transparent."""
  delay: int = 0
  disposal: int = 0
  transparent: int | None = None


def _rectangles(content):
  """Yields the stored rectangles of a GIF: (bytes, (left, top), canvas size, _Control).

  The bytes are those of a GIF of the rectangle alone.
  """
  width, height, flags = struct.unpack_from('<HHB', content, 6)
  at = 13 + _palette_bytes(flags)
  palette, control, size = content[13:at], _Control(), None
  while at < len(content) and content[at:at + 1] != b';':
    start, kind = at, content[at]
    if kind == 0x21:  # an extension
      at = _after_blocks(content, at + 2)
      if content[start + 1] == 0xf9:
        bits, delay, color = struct.unpack_from('<BHB', content, start + 3)
        control = _Control(10 * delay, bits >> 2 & 7, color if bits & 1 else None)
    elif kind == 0x2c:  # a rectangle
      left, top, *extent, local = struct.unpack_from('<HHHHB', content, at + 1)
      at = _after_blocks(content, at + 11 + _palette_bytes(local))
      size = size or (max(width, left + extent[0]), max(height, top + extent[1]))
      see_through = control.transparent is not None
      alone = b''.join((
          b'GIF89a', struct.pack('<HHBBB', *extent, flags, 0, 0), palette,
          struct.pack('<HBBHBB', 0xf921, 4, see_through, 0, control.transparent or 0, 0),
          b'\x2c\0\0\0\0', content[start + 5:at], b';'))
      yield alone, (left, top), size, control
      control = _Control()
    else:
      at += 1  # Pillow passes over what it does not know, too


def _palette_bytes(flags):
  return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(content, at):
  """Returns the place after a chain of blocks, each of which begins with its length."""
  while content[at:at + 1] not in (b'', b'\0'):
    at += 1 + content[at]
  if at >= len(content):
    raise EOFError('the file ends inside a frame')
  return at + 1
