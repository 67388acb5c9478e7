"""Errors of positions and of motion, for clips whose true positions and motion are known.

Positions are in pixels, (row, column); (0, 0) is the middle of the pixel in the top left corner.
Motion is in pixels per frame, (down, right).
"""

import numpy as np

NOISE = 16  # levels, mean over channels; smaller differences from the ground count as none


def centroids(video):
  """Computes the center of mass of the objects in each frame.

  Objects are pixels that differ from the ground. The ground is one color per clip, the median of
  each channel over all pixels of the clip. The weight of a pixel is the absolute difference from
  the ground, summed over channels. It is 0 if the mean over channels is below `NOISE` = 16 levels.

  Args:
    video: uint8 [N, T, H, W, C].

  Returns:
    float64 [N, T, 2], rows and columns in pixels; NaN if a frame shows only the ground.
  """
  video = np.asarray(video)
  if video.dtype != np.uint8 or video.ndim != 5:
    raise ValueError(f'video must be uint8 [N, T, H, W, C], got {video.dtype} {list(video.shape)}.')
  ground = np.median(video, axis=(1, 2, 3), keepdims=True)  # [N, 1, 1, 1, C]
  difference = np.abs(video - ground.astype(np.float32))  # median colors are multiples of 1/2
  weights = difference.sum(-1, dtype=np.float64)  # [N, T, H, W]
  weights[weights < NOISE * video.shape[-1]] = 0
  rows, columns = np.arange(video.shape[2]), np.arange(video.shape[3])
  moments = np.stack([weights.sum(3) @ rows, weights.sum(2) @ columns], -1)  # [N, T, 2]
  mass = weights.sum((2, 3))[..., np.newaxis]
  return np.divide(moments, mass, out=np.full(moments.shape, np.nan), where=mass > 0)


def centroid_error(predicted, true, size):
  """Computes the mean distance between predicted and true centroids for each time step.

  A predicted frame without objects counts as a distance of half of the frame's side. This is more
  than the mean distance of guessing the middle of the frame, so omitting objects does not help.
  Frames whose truth has no objects are not counted.

  Args:
    predicted: float [N, T, 2], in pixels, from `centroids`; NaN if a frame has no objects.
    true: float of the same shape.
    size: side of the frame, in pixels.

  Returns:
    float64 [T], in pixels; NaN if no clip truly has objects at that time step. Lower is better.
  """
  predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
  if predicted.ndim != 3 or predicted.shape[-1] != 2 or predicted.shape != true.shape:
    raise ValueError('predicted and true must be [N, T, 2], got '
                     f'{list(predicted.shape)} and {list(true.shape)}.')
  distances = np.linalg.norm(predicted - true, axis=-1)  # [N, T]
  known = ~np.isnan(true).any(-1)
  distances[np.isnan(predicted).any(-1)] = size / 2
  total = np.where(known, distances, 0).sum(0)
  return np.divide(total, known.sum(0), out=np.full(total.shape, np.nan), where=known.any(0))


def agreement(predicted, true, mask):
  """Measures how well a motion field agrees with the true one, where the mask is true.

  Leave out first frames, because their motion is unknown.

  Args:
    predicted: float [..., H, W, 2], in pixels per frame: down, right.
    true: float of the same shape.
    mask: bool [..., H, W], the pixels that count; at least one.

  Returns:
    A dict of floats:
      endpoint_error: mean length of the difference, in pixels per frame. Lower is better.
      endpoint_error_of_zeros: the same for a field without motion, which is the mean true speed.
      cosine: cosine of the angle between predicted and true motion, in [-1, 1]: the mean, weighted
        by the true speed. Higher is better. Pixels without predicted motion count as 0. NaN if
        nothing truly moves.
  """
  predicted, true = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
  mask = np.asarray(mask)
  if predicted.ndim < 3 or predicted.shape[-1] != 2 or predicted.shape != true.shape:
    raise ValueError('predicted and true must be [..., H, W, 2], got '
                     f'{list(predicted.shape)} and {list(true.shape)}.')
  if mask.dtype != bool or mask.shape != true.shape[:-1]:
    raise ValueError(f'mask must be bool {list(true.shape[:-1])}, as true has it, got {mask.dtype} '
                     f'{list(mask.shape)}.')
  if not mask.any():
    raise ValueError('mask must be true somewhere: there is nothing to compare.')
  predicted, true = predicted[mask], true[mask]  # [..., H, W, 2] -> [pixels, 2]
  speed, predicted_speed = np.linalg.norm(true, axis=-1), np.linalg.norm(predicted, axis=-1)
  along = np.divide((predicted * true).sum(-1), predicted_speed, out=np.zeros_like(speed),
                    where=predicted_speed > 0)  # the true speed times the cosine
  return {
      'endpoint_error': float(np.linalg.norm(predicted - true, axis=-1).mean()),
      'endpoint_error_of_zeros': float(speed.mean()),
      'cosine': float(along.sum() / speed.sum()) if speed.any() else float('nan'),
  }
