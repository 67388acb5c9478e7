"""How well predictions agree with what really came, frame by frame, and predicted motion with true.

For models that continue frames, and whose previews may tell motion: TrIVD-GAN, section 4.4.
"""

import typing

import numpy as np

from tf_videogen import trained_model
from tf_videogen.evaluation import videos as videos_lib
from tf_videogen.layers import randomness
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import motion as motion_metrics


class Predictions(typing.NamedTuple):
  """Clips and samples, uint8 [N, T, H, W, C], whose first `given` frames are the same.

  motion: what the model's warps tell, float [N, T, H, W, 2] in pixels, down and to the right, zero
    where frames are given; None of models that don't warp.
  true_motion: the same of data whose truth is known, from the frame before; else None.
  """
  data: np.ndarray
  samples: np.ndarray
  given: int
  motion: np.ndarray | None
  true_motion: np.ndarray | None


def predict(experiment, model_dir, strategy, clips=64, split=None, batch_size=8, seed=0):
  """Continues clips of a split by the latest checkpoint.

  Args:
    experiment: an Experiment of a model that continues frames.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    clips: how many.
    split: which; None: the experiment's first one.
    batch_size: clips at once.
    seed: of the samples.

  Returns:
    Predictions.

  Raises:
    ValueError: if no frames are given to the model.
  """
  split, source = split or experiment.splits[0], experiment.clips
  model = trained_model.TrainedModel(experiment, model_dir, strategy)
  given = model.conditioning_frames
  if not given:
    raise ValueError('predictions are compared with clips that they continue, and no frames are '
                     'given to this model')
  clips = min(clips, source.count(split))
  parts = {}
  model.restore()
  for i, batch in enumerate(source.evaluation(split, min(batch_size, clips), clips)):
    previews = model.previews(batch, randomness.fold_in(randomness.seed_of(seed), i))
    for name, video in previews.items():
      parts.setdefault(name, []).append(video)
  found = {name: np.concatenate(of_batches)[:clips] for name, of_batches in parts.items()}
  motion, size = found.get('motion'), found['data'].shape[2]
  if motion is not None:  # of the last unit's resolution -> of the clips'
    factor = size // motion.shape[2]
    motion = motion.repeat(factor, 2).repeat(factor, 3) * factor
  return Predictions(found['data'], found['samples'], given, motion,
                     source.motion_fields(split, np.arange(clips)))


def by_frame(found):
  """What agrees in each predicted frame, of samples and of copies of the last given frame.

  Args:
    found: Predictions.

  Returns:
    {name: float [predicted frames]}: PSNR in dB, SSIM; where the truth is known also the distance
    of shapes' centroids from the true ones in pixels.
  """
  given, data = found.given, found.data
  real = data[:, given:]
  copies = videos_lib.CopyLastFrame(given).sample({'video': data}, None)[:, given:]
  rows = {}
  for name, measure in (('psnr', image_quality.psnr), ('ssim', image_quality.ssim)):
    for whose, videos in (('', found.samples[:, given:]), (', copy last frame', copies)):
      rows[name + whose] = np.mean(measure(videos, real), axis=0)
  if found.true_motion is not None:
    true = motion_metrics.centroids(real)
    for whose, videos in (('', found.samples[:, given:]), (', copy last frame', copies)):
      rows['centroid error' + whose] = motion_metrics.centroid_error(
          motion_metrics.centroids(videos), true, data.shape[2])
  return rows


def agreement(found):
  """How predicted motion agrees with the true one, where shapes are in predicted frames.

  Args:
    found: Predictions.

  Returns:
    As `metrics.motion.agreement`; empty where the model tells no motion or the truth is not known.
  """
  if found.motion is None or found.true_motion is None:
    return {}
  motion, true = found.motion[:, found.given:], found.true_motion[:, found.given:]
  return motion_metrics.agreement(motion, true, np.any(true != 0, axis=-1))
