"""Writes videos, GIF and PNG by Pillow, MP4 by PyAV, arrays as .npz; reads them; lays them out.

Videos are uint8 arrays [T, H, W, C], C = 1 for grey and 3 for RGB. Paths of writers may be remote
(gs://).
"""

import fractions
import io

import av
import numpy as np
from PIL import Image

from tf_videogen import files

_GREY_PALETTE = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()  # R, G, B of 0, of 1, ...


def write_gif(path, video, fps=8):
  """Writes an animation that plays for ever. Grey, and RGB of up to 256 colors, is exact.

  GIF counts time in hundredths of a second: a frame's is rounded, and at least 2. A frame that
  equals the one before is stored as a longer delay.

  Args:
    path: str.
    video: uint8 [T, H, W, C].
    fps: float, frames per second.
  """
  files.write(path, gif_bytes(video, fps))


def gif_bytes(video, fps=8):
  """The content of such a file."""
  _check(video, 4)
  _check_fps(fps)
  palette, frames = _indexed(video)
  buffer = io.BytesIO()
  options = {'palette': palette} if palette else {}
  frames[0].save(
      buffer, 'GIF', save_all=True, append_images=frames[1:],
      duration=10 * max(2, round(100 / fps)), loop=0, optimize=False, **options)
  return buffer.getvalue()


def _indexed(video):
  """Frames as Pillow images of at most 256 colors, and the palette, bytes, if they share one."""
  if video.shape[-1] == 1:
    indices, palette = video[..., 0], _GREY_PALETTE
  else:
    packed = (video.astype(np.int32) * [1 << 16, 1 << 8, 1]).sum(-1)  # [T, H, W, 3] -> [T, H, W]
    colors, indices = np.unique(packed, return_inverse=True)
    if len(colors) > 256:
      quantize = lambda frame: Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)
      return None, [quantize(frame) for frame in video]
    indices = indices.reshape(packed.shape).astype(np.uint8)
    # Filled up with other colors: of equal ones Pillow makes each frame's palette in 0.05 seconds.
    colors = np.append(colors, np.setdiff1d(np.arange(512), colors))[:256]
    palette = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], -1)
    palette = palette.astype(np.uint8).tobytes()
  frames = [Image.fromarray(frame) for frame in indices]
  for frame in frames:
    frame.putpalette(palette)
  return palette, frames


def write_mp4(path, video, fps=8, crf=17):
  """Writes H.264 that every browser plays; odd heights and widths are made even by a repeated edge.

  Args:
    path: str.
    video: uint8 [T, H, W, C].
    fps: float, frames per second.
    crf: int, 0 to 51: quality, lower is better; 17 looks lossless.
  """
  _check(video, 4)
  _check_fps(fps)
  _, height, width, _ = video.shape
  video = np.pad(_rgb(video), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), 'edge')
  buffer = io.BytesIO()
  with av.open(buffer, 'w', format='mp4') as container:
    stream = container.add_stream('h264', rate=fractions.Fraction(fps).limit_denominator(1001))
    stream.height, stream.width = video.shape[1:3]
    stream.pix_fmt = 'yuv420p'
    stream.options = {'crf': str(crf)}
    for frame in video:
      frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  files.write(path, buffer.getvalue())


def write_png_strip(path, video, padding=1):
  """Writes the frames of a video side by side; several videos are rows.

  Args:
    path: str.
    video: uint8 [T, H, W, C] or [N, T, H, W, C].
    padding: int, white pixels between frames and rows.
  """
  _check(video, 4, 5)
  videos = video if video.ndim == 5 else video[np.newaxis]
  frames = videos.reshape((-1, 1) + videos.shape[2:])  # [N, T, H, W, C] -> [N*T, 1, H, W, C]
  image = grid(frames, columns=videos.shape[1], padding=padding)[0]
  buffer = io.BytesIO()
  Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, 'PNG')
  files.write(path, buffer.getvalue())


def write_npz(path, arrays):
  """Writes arrays by name; `video`, `label` and `actions` are those that `clips.FileClips` reads.

  Args:
    path: str.
    arrays: dict; an array of five axes is an array of videos, uint8 [N, T, H, W, C].
  """
  for array in arrays.values():
    if np.ndim(array) == 5:
      _check(array, 5)
  files.write_arrays(path, arrays, compressed=True)


def grid(videos, columns=None, padding=2):
  """Tiles videos into one, row by row, with white gaps.

  Args:
    videos: uint8 [N, T, H, W, C].
    columns: int, videos in a row; None: about as many as there are rows.
    padding: int, width of the gaps in pixels.

  Returns:
    uint8 [T, R*H + (R-1)*padding, K*W + (K-1)*padding, C] for R rows of K columns. Places without a
    video are white.
  """
  _check(videos, 5)
  count, frames, height, width, channels = videos.shape
  columns = min(columns or int(np.ceil(np.sqrt(count))), count)
  rows = -(-count // columns)
  tiled_height = rows * (height + padding) - padding
  tiled_width = columns * (width + padding) - padding
  tiled = np.full((frames, tiled_height, tiled_width, channels), 255, np.uint8)
  for i, video in enumerate(videos):
    top, left = i // columns * (height + padding), i % columns * (width + padding)
    tiled[:, top:top + height, left:left + width] = video
  return tiled


def outline(video, frames, color=(220, 40, 40), width=1):
  """Puts a border around a video that is colored in its first frames, such as those it continues.

  Args:
    video: uint8 [..., T, H, W, C].
    frames: int, how many frames have the color; in the others the border is white.
    color: R, G, B, from 0 to 255.
    width: int, pixels of the border on each side.

  Returns:
    uint8 [..., T, H + 2*width, W + 2*width, 3].
  """
  _check(video, 4, 5)
  *before, height, width_inside, _ = video.shape
  framed = np.full((*before, height + 2 * width, width_inside + 2 * width, 3), 255, np.uint8)
  framed[..., :frames, :, :, :] = color
  framed[..., width:width + height, width:width + width_inside, :] = video  # grey becomes RGB
  return framed


def enlarge(video, factor):
  """Makes every pixel a square: uint8 [..., T, H, W, C] -> [..., T, factor*H, factor*W, C]."""
  _check(video, 4, 5)
  if factor < 1 or factor != int(factor):
    raise ValueError(f'factor must be a positive integer, got {factor}')
  return video.repeat(factor, axis=-3).repeat(factor, axis=-2)


def _rgb(video):
  return np.broadcast_to(video, video.shape[:-1] + (3,))


def _check(video, *ranks):
  """Raises a ValueError unless a video, or an array of them, is what this module works on."""
  if not isinstance(video, np.ndarray) or video.dtype != np.uint8:
    kind = getattr(video, 'dtype', type(video).__name__)
    raise ValueError(
        f'videos are NumPy arrays of uint8, from 0 to 255; got {getattr(kind, "name", kind)}')
  if video.ndim not in ranks or video.shape[-1] not in (1, 3) or 0 in video.shape:
    form = ' or '.join({4: '[T, H, W, C]', 5: '[N, T, H, W, C]'}[rank] for rank in ranks)
    raise ValueError(f'expected {form} with C = 1 or 3 and nothing empty, got {list(video.shape)}')


def _check_fps(fps):
  if not fps > 0:
    raise ValueError(f'fps must be above 0, got {fps}')
