"""Moving digits: the video generator of Srivastava et al. in NumPy.

N. Srivastava, E. Mansimov, R. Salakhutdinov, "Unsupervised Learning of Video Representations using
LSTMs" (ICML 2015), Section 3: digits start anywhere in the canvas, move with constant speed in a
random direction, and bounce off the walls. Where two digits overlap, the brighter pixel is seen.

A video is a function of (seed, split, index) alone. It doesn't matter in which order, by how many
processes or in how many parts a data set is generated.
"""

import zlib

import numpy as np
from scipy import special


def random_generator(seed, split, index):
  """Returns the random number generator of one example.

  Args:
    seed: int >= 0, the seed of the data set.
    split: str, the name of the split.
    index: int >= 0, the example within the split.

  Returns:
    np.random.Generator, independent of the generator of any other (seed, split, index).
  """
  key = np.random.SeedSequence([seed, zlib.crc32(split.encode()), index])
  return np.random.Generator(np.random.Philox(key))


def bounce(position, velocity, frames, step_length):
  """Moves points in the unit square, whose walls reflect them.

  A point moves before it is recorded, so that the start itself is not in the result. A point that
  would leave the square stays on the wall for that frame, and that component of its velocity flips.

  Args:
    position: float [N, 2], in [0, 1], where the points start.
    velocity: float [N, 2], in units of step_length per frame.
    frames: int, number of frames to record.
    step_length: float, distance that a point of speed 1 moves per frame.

  Returns:
    Positions, float [frames, N, 2], in [0, 1].
  """
  position, velocity = np.array(position, float), np.array(velocity, float)
  path = np.empty((frames,) + position.shape)
  for t in range(frames):
    position += step_length * velocity
    velocity[(position <= 0) | (position >= 1)] *= -1
    np.clip(position, 0, 1, out=position)
    path[t] = position
  return path


def render(images, path, size):
  """Renders digits along their paths. Where they overlap, the brighter pixel wins.

  Args:
    images: uint8 [N, D, D], one image per digit.
    path: float [T, N, 2], in [0, 1]: (x, y) of the digits' top left corners; 1 is as far to the
      right or down as a digit can be.
    size: int, height and width of the canvas in pixels, at least D.

  Returns:
    uint8 [T, size, size, 1].

  Raises:
    ValueError: if D is above `size`.
  """
  digit_size = images.shape[-1]
  if digit_size > size:
    raise ValueError(f'digits of {digit_size} pixels do not fit into a canvas of {size}')
  corners = ((size - digit_size) * path).astype(int)
  video = np.zeros((len(path), size, size, 1), np.uint8)
  for t, frame_corners in enumerate(corners):
    for image, (x, y) in zip(images, frame_corners):
      window = video[t, y:y + digit_size, x:x + digit_size, 0]
      np.maximum(window, image, out=window)
  return video


def moving_digits(images, rng, num_digits=2, frames=20, size=64, step_length=0.1):
  """Draws one random video.

  Starts are uniform in the canvas, and directions are uniform in the circle. Every digit moves by
  step_length per frame, in units of the free part of the canvas (64 - 28 = 36 pixels in the paper).

  Args:
    images: uint8 [N, D, D], the digits to choose from.
    rng: np.random.Generator, see `random_generator`.
    num_digits: int, number of digits in the video. An image may be chosen twice.
    frames: int, number of frames, T.
    size: int, height and width of the canvas in pixels.
    step_length: float, speed of the digits.

  Returns:
    The video, uint8 [T, size, size, 1], and the indices of the images that it shows, int64
    [num_digits].
  """
  chosen = rng.integers(len(images), size=num_digits)
  start = rng.random((num_digits, 2))
  angle = 2 * np.pi * rng.random(num_digits)
  velocity = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
  path = bounce(start, velocity, frames, step_length)
  return render(images[chosen], path, size), chosen


def grey_entropy(videos):
  """Returns the least cross-entropy that any model reaches on grey targets, in nats per frame.

  A model that is certain of the next frame and predicts its pixels z in [0, 1] exactly still pays

      H(z, z) = -sum(z log z + (1 - z) log(1 - z))

  over the pixels of a frame. This is the lower bound of the deterministic loss by which Moving
  MNIST is measured. With the digits of MNIST, frames 11 to 20 have about 87 nats; papers print 86.3
  and 85.1.

  Args:
    videos: uint8 [..., T, H, W, 1].

  Returns:
    float, the mean over frames.
  """
  grey = np.arange(256) / 255
  entropy = special.entr(grey) + special.entr(1 - grey)  # entr(z) = -z log z, and 0 for 0
  frames = np.prod(videos.shape[:-3])
  return float(np.bincount(videos.ravel(), minlength=256) @ entropy / frames)
