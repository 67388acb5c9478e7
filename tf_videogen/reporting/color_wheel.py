"""Motion as colors: the hue is the direction, the saturation the speed; white does not move.

This is the usual color wheel of optical flow: right is red, down a yellowish green, left cyan, up
violet.
"""

from matplotlib import colors
import numpy as np

PERCENTILE = 99  # of the speeds; colors are pure from it on, unless `fastest` is given


def picture(motion, fastest=None):
  """Shows motion fields as colors.

  Args:
    motion: float [..., H, W, 2], in pixels: down, right.
    fastest: The speed, in pixels, from which on colors are pure. If None, it is the 99th percentile
      of all speeds in `motion`, or the largest speed if that percentile is zero.

  Returns:
    uint8 [..., H, W, 3].
  """
  motion = np.asarray(motion, np.float64)
  if motion.ndim < 3 or motion.shape[-1] != 2:
    raise ValueError(f'motion must be [..., H, W, 2], got {list(motion.shape)}.')
  if fastest is not None and not fastest > 0:
    raise ValueError(f'fastest must be more than 0 pixels, got {fastest}.')
  down, right = motion[..., 0], motion[..., 1]
  speed = np.hypot(down, right)
  fastest = fastest or np.percentile(speed, PERCENTILE) or speed.max() or 1.
  hue = np.arctan2(down, right) / (2 * np.pi) % 1
  saturation = np.minimum(speed / fastest, 1)
  rgb = colors.hsv_to_rgb(np.stack([hue, saturation, np.ones_like(hue)], -1))
  return np.round(255 * rgb).astype(np.uint8)


def legend(size):
  """The wheel itself, a disc on white. A place has the color of the motion from the middle to it.

  Args:
    size: Height and width in pixels, at least 2.

  Returns:
    uint8 [size, size, 3]; the edge of the disc is the speed `fastest` of `picture`.
  """
  if size < 2:
    raise ValueError(f'size must be at least 2, got {size}.')
  places = np.linspace(-1, 1, size)
  motion = np.stack(np.meshgrid(places, places, indexing='ij'), -1)  # [size, size, 2]
  outside = np.hypot(motion[..., 0], motion[..., 1]) > 1 + 1e-6
  return picture(np.where(outside[..., np.newaxis], 0, motion), fastest=1.)
