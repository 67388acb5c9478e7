"""How well predictions agree with true frames, frame by frame, and predicted with true motion.

For models that continue frames. Motion is compared if the previews of a model have it: TrIVD-GAN,
section 4.4.
"""

import typing

import numpy as np

from tf_videogen import trained_model
from tf_videogen.evaluation import videos as videos_lib
from tf_videogen.layers import randomness
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import motion as motion_metrics


class Predictions(typing.NamedTuple):
  """Clips, and samples that continue their first frames.

  Attributes:
    data: clips, uint8 [N, T, H, W, C].
    samples: one sample for each clip, of the same shape.
    given: number of first frames, which are the same in both.
    motion: motion by the model's warps, float [N, T, H, W, 2] in pixels, down and to the right,
      zero in given frames; None if the model doesn't warp.
    true_motion: the true motion since the frame before, of the same shape; None if it is not known.
  """
  data: np.ndarray
  samples: np.ndarray
  given: int
  motion: np.ndarray | None
  true_motion: np.ndarray | None


def predict(experiment, model_dir, strategy, clips=64, split=None, batch_size=8, seed=0):
  """Continues clips of a split with the latest readable checkpoint.

  Args:
    experiment: an Experiment of a model that continues frames.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    clips: number of clips; at most all of the split.
    split: name of the split; the experiment's first one if None.
    batch_size: clips at once.
    seed: seed of the samples.

  Returns:
    Predictions.

  Raises:
    ValueError: if no frames are given to the model.
  """
  split, source = split or experiment.splits[0], experiment.clips
  model = trained_model.TrainedModel(experiment, model_dir, strategy)
  given = model.conditioning_frames
  if not given:
    raise ValueError('predictions are compared with clips that they continue, but this model is '
                     'given no frames')
  clips = min(clips, source.count(split))
  parts = {}
  model.restore()
  for i, batch in enumerate(source.evaluation(split, min(batch_size, clips), clips)):
    previews = model.previews(batch, randomness.fold_in(randomness.seed_of(seed), i))
    for name, video in previews.items():
      parts.setdefault(name, []).append(video)
  found = {name: np.concatenate(of_batches)[:clips] for name, of_batches in parts.items()}
  motion, size = found.get('motion'), found['data'].shape[2]
  if motion is not None:  # from the last unit's resolution to the clips'
    factor = size // motion.shape[2]
    motion = motion.repeat(factor, 2).repeat(factor, 3) * factor
  return Predictions(found['data'], found['samples'], given, motion,
                     source.motion_fields(split, np.arange(clips)))


def by_frame(found):
  """Scores of each predicted frame, for samples and for copies of the last given frame.

  Args:
    found: Predictions.

  Returns:
    {name: float [predicted frames]}, means over clips: 'psnr' in dB and 'ssim'. If the true motion
    is known, also 'centroid error', the distance of the shapes' centroids from the true ones in
    pixels. The names of the copies' scores end with ', copy last frame'.
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
  """How well predicted motion agrees with the true one, at pixels of shapes in predicted frames.

  Args:
    found: Predictions.

  Returns:
    The dict of `metrics.motion.agreement`; empty if the model predicts no motion, or if the true
    motion is not known.
  """
  if found.motion is None or found.true_motion is None:
    return {}
  motion, true = found.motion[:, found.given:], found.true_motion[:, found.given:]
  return motion_metrics.agreement(motion, true, np.any(true != 0, axis=-1))
