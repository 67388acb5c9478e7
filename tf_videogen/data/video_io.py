"""Writes videos as GIF and PNG (by Pillow), MP4 (by PyAV) and .npz, and arranges them in grids.

Videos are uint8 arrays [T, H, W, C], with C = 1 for grey and 3 for RGB. Other arrays raise
ValueError. Paths of files may be remote (gs://).
"""

import fractions
import io

import av
import numpy as np
from PIL import Image

from tf_videogen import files

_GREY_PALETTE = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()  # R, G, B of 0, 1, ...


def write_gif(path, video, fps=8):
  """Writes an animation that repeats forever. Grey, and RGB of up to 256 colors, is exact.

  In a video of more colors, each frame is reduced to 256 colors. GIF counts time in hundredths of a
  second. The time of a frame is rounded to them, and is at least 2. A frame that equals the
  previous one is stored as a longer delay.

  Args:
    path: str, path of the file.
    video: uint8 [T, H, W, C].
    fps: float, frames per second.
  """
  files.write(path, gif_bytes(video, fps))


def gif_bytes(video, fps=8):
  """Returns the content of a file of `write_gif`, bytes."""
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
  """Returns the shared palette, bytes or None, and frames as Pillow images of up to 256 colors."""
  if video.shape[-1] == 1:
    indices, palette = video[..., 0], _GREY_PALETTE
  else:
    packed = (video.astype(np.int32) * [1 << 16, 1 << 8, 1]).sum(-1)  # [T, H, W, 3] -> [T, H, W]
    colors, indices = np.unique(packed, return_inverse=True)
    if len(colors) > 256:
      quantize = lambda frame: Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE)
      return None, [quantize(frame) for frame in video]
    indices = indices.reshape(packed.shape).astype(np.uint8)
    # The palette is filled up with different colors. With equal ones, Pillow would take 0.05
    # seconds per frame to make its palette.
    colors = np.append(colors, np.setdiff1d(np.arange(512), colors))[:256]
    palette = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], -1)
    palette = palette.astype(np.uint8).tobytes()
  frames = [Image.fromarray(frame) for frame in indices]
  for frame in frames:
    frame.putpalette(palette)
  return palette, frames


def write_mp4(path, video, fps=8, crf=17):
  """Writes H.264 that every browser plays. Odd heights and widths are made even by a repeated edge.

  Args:
    path: str, path of the file.
    video: uint8 [T, H, W, C].
    fps: float, frames per second.
    crf: int from 0 to 51, H.264's constant rate factor. Lower is better; 17 looks lossless.
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
  """Writes the frames of a video side by side. Several videos become several rows.

  Args:
    path: str, path of the file.
    video: uint8 [T, H, W, C] or [N, T, H, W, C].
    padding: int, number of white pixels between frames and between rows.
  """
  _check(video, 4, 5)
  videos = video if video.ndim == 5 else video[np.newaxis]
  frames = videos.reshape((-1, 1) + videos.shape[2:])  # [N, T, H, W, C] -> [N*T, 1, H, W, C]
  image = grid(frames, columns=videos.shape[1], padding=padding)[0]
  buffer = io.BytesIO()
  Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, 'PNG')
  files.write(path, buffer.getvalue())


def write_npz(path, arrays):
  """Writes arrays by name. `clips.FileClips` reads those called `video`, `label` and `actions`.

  Args:
    path: str, path of the file.
    arrays: dict, name -> array. Arrays of five axes must be videos, uint8 [N, T, H, W, C].
  """
  for array in arrays.values():
    if np.ndim(array) == 5:
      _check(array, 5)
  files.write_arrays(path, arrays, compressed=True)


def grid(videos, columns=None, padding=2):
  """Tiles videos into one, row by row, with white gaps.

  Args:
    videos: uint8 [N, T, H, W, C].
    columns: int, number of videos per row. If None, there are about as many columns as rows.
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
  """Adds a border, colored in the first frames, such as the conditioning frames, and white later.

  Args:
    video: uint8 [T, H, W, C] or [N, T, H, W, C].
    frames: int, number of frames whose border is colored.
    color: R, G, B, ints from 0 to 255.
    width: int, width of the border on each side, in pixels.

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
  """Raises ValueError unless a video, or an array of videos, has a valid type, rank and shape."""
  if not isinstance(video, np.ndarray) or video.dtype != np.uint8:
    kind = getattr(video, 'dtype', type(video).__name__)
    raise ValueError(
        f'videos must be NumPy arrays of uint8, from 0 to 255; got {getattr(kind, "name", kind)}')
  if video.ndim not in ranks or video.shape[-1] not in (1, 3) or 0 in video.shape:
    form = ' or '.join({4: '[T, H, W, C]', 5: '[N, T, H, W, C]'}[rank] for rank in ranks)
    raise ValueError(f'expected {form} with C = 1 or 3 and nothing empty, got {list(video.shape)}')


def _check_fps(fps):
  if not fps > 0:
    raise ValueError(f'fps must be above 0, got {fps}')
