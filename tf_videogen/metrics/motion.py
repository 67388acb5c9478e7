"""Whether things are where they should be, and move as they should: for clips whose truth is known.

Positions are in pixels, (row, column), (0, 0) being the middle of the pixel in the top left corner;
motion is in pixels a frame, (down, right).
"""

import numpy as np

NOISE = 16  # levels: what differs less from the ground, in the mean of the channels, is none


def centroids(video):
  """The center of mass of what differs from the ground, in every frame.

  The ground is one color a clip, the median of each channel over all its pixels. A pixel weighs as
  much as it differs from it, the absolute difference summed over channels; nothing, where that is
  below `NOISE` = 16 levels a channel.

  Args:
    video: uint8 [N, T, H, W, C].

  Returns:
    float64 [N, T, 2], rows and columns in pixels; NaN where a frame shows nothing but ground.
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
  """The mean distance between predicted and true centroids, frame by frame.

  A prediction that shows nothing is half of the frame's side away, more than one that guesses the
  middle of the frame is in the mean: nothing is won by leaving things out. Frames that truly show
  nothing are left out.

  Args:
    predicted: float [N, T, 2], in pixels, as from `centroids`; NaN where nothing is.
    true: float of the same shape.
    size: the frame's side, in pixels.

  Returns:
    float64 [T], in pixels; NaN where no clip truly shows anything. Lower is better.
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
  """How well a motion field agrees with the true one, where the mask is true.

  Leave out first frames, whose motion nobody knows.

  Args:
    predicted: float [..., H, W, 2], in pixels a frame: down, right.
    true: float of the same shape.
    mask: bool [..., H, W].

  Returns:
    A dict of floats:
      endpoint_error: the mean length of the difference, in pixels a frame. Lower is better.
      endpoint_error_of_zeros: the same of a field without motion: the mean true speed.
      cosine: of the angle between predicted and true motion, the mean weighted by the true speed,
        in [-1, 1], higher is better; 0 where no motion is predicted. NaN if nothing truly moves.
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
