"""Times FVD's network alone, FVD as a whole, and FVD with its interval, curve and floor."""

import statistics

import numpy as np
import tensorflow as tf

from tf_videogen.benchmarks import timing
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measuring
from tf_videogen.metrics import feature_sets
from tf_videogen.metrics import frechet
from tf_videogen.metrics import frechet_sampling
from tf_videogen.metrics import i3d
from tf_videogen.training import strategies

_FVD_CLIPS = 2_048  # real clips, and as many generated ones


def i3d_clips(batch, repeats, strategy):
  """Times I3D alone and all that FVD does with a clip, in turn, because the speed drifts."""
  rng = np.random.default_rng(0)
  with strategies.scope(strategy):
    network = i3d.I3D()
    network.build()
  video = tf.constant(rng.uniform(-1, 1, (batch, 16, i3d.SIZE, i3d.SIZE, 3)), tf.float32)
  clips = rng.integers(0, 256, (batch, 16, 64, 64, 3), np.uint8)
  forward = tf.function(network, autograph=False)
  extract = extraction.Extractor(strategy, ['i3d_kinetics400'], batch, random=True)
  total = {}
  def whole():
    measuring.add(total, frechet.sums(extract('i3d_kinetics400', clips)['logits']))
  passes, wholes = [], []
  for _ in range(repeats):
    passes.append(timing.seconds(lambda: forward(video)['logits'].numpy(), 1))
    wholes.append(timing.seconds(whole, 1))
  figures = timing.Figures()
  figures['clips_per_s'] = batch / statistics.median(passes)
  figures['fvd_clips_per_s'] = batch / statistics.median(wholes)
  gaussian = frechet.gaussian(total)
  figures['distance_s'] = timing.seconds(lambda: frechet.distance(gaussian, gaussian), 1)
  batches = 2 * _FVD_CLIPS / batch
  share = statistics.median(a / b for a, b in zip(wholes, passes))
  figures['fvd_over_passes'] = share + figures['distance_s'] / (
      batches * statistics.median(passes))
  rows = rng.normal(size=(2, _FVD_CLIPS, len(gaussian.mean))).astype(np.float32)
  figures['trust_s'] = timing.seconds(lambda: _trust(*rows), 1)
  figures['fvd_with_trust_over_passes'] = figures['fvd_over_passes'] + figures['trust_s'] / (
      batches * statistics.median(passes))
  return figures


def _trust(real, generated):
  """What is computed beside a distance, with the further measures of the same rows."""
  frechet_sampling.interval(real, generated)
  frechet_sampling.by_count(real, generated)
  frechet_sampling.floor(real, len(generated))
  feature_sets.kernel_distance(real, generated)
  feature_sets.precision_recall(real, generated)
  feature_sets.density_coverage(real, generated)
