"""What a TPU's products of bfloat16 factors change, and what they must not: simulated."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tpu import rounding
from tf_videogen import building
from tf_videogen.layers import randomness
from tf_videogen.layers import spectral_norm
from tf_videogen.layers import vector_quantizer
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import networks


def _videos(shape=(2, 4, 64, 64, 3), noise=1.):
  """Bright videos of little contrast, as of a robot's table, and the same with noise: uint8."""
  rng = np.random.default_rng(0)
  t, y, x = np.meshgrid(*map(np.arange, shape[1:4]), indexing='ij')
  phase = rng.uniform(0, 6, (shape[0], 1, 1, 1, shape[4]))
  smooth = 215 + 8 * np.sin((x + 2 * y + 3 * t)[None, ..., None] / 9 + phase)
  noisy = smooth + rng.normal(size=shape) * noise
  return [np.clip(np.round(video), 0, 255).astype(np.uint8) for video in (smooth, noisy)]


def _simulated(function, *args):
  """What a function gives with exact products, and with a TPU's."""
  exact = function(*args)
  with rounding.bfloat16_products():
    return exact, function(*args)


def test_the_simulation_rounds():
  """SSIM by convolutions, as TensorFlow has it, is another number on a TPU."""
  a, b = (tf.cast(video, tf.float32) for video in _videos())
  exact, found = _simulated(lambda: float(tf.reduce_mean(tf.image.ssim(a, b, 255.))))
  assert abs(found - exact) > 0.005


@pytest.mark.parametrize('measure', [image_quality.ssim, image_quality.psnr])
def test_image_quality(measure):
  exact, found = _simulated(measure, *_videos())
  np.testing.assert_array_equal(found, exact)


def test_features_of_metrics():
  """Those of a network with random weights."""
  network = networks.FeatureNetwork(f'{networks.RANDOM}i3d_kinetics400')
  exact, found = _simulated(network, tf.constant(_videos((1, 9, 32, 32, 3))[1]))
  for name, values in exact.items():
    np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_codes_and_codebook():
  """Of vectors between the codes; with a plain product, some would get another code."""
  rng = np.random.default_rng(0)
  codebook = rng.normal(size=(1, 1024, 64)).astype(np.float32)
  z = tf.constant(rng.normal(size=(4096, 64)), tf.float32)

  def trained():
    quantizer = vector_quantizer.VectorQuantizer(1024, 64)
    quantizer.build(z.shape)
    quantizer.codebook.assign(codebook)
    quantizer.sums.assign(codebook)
    quantizer.initialized.assign(1.0)
    codes = quantizer(z, training=True, seed=randomness.seed_of(0)).codes
    return codes, quantizer.codebook.numpy(), quantizer.sums.numpy()

  exact, found = _simulated(trained)
  for values, expected in zip(found, exact):
    np.testing.assert_array_equal(values, expected)
  with rounding.bfloat16_products():
    plain = tf.argmax(tf.matmul(z, codebook[0], transpose_b=True)
                      - tf.reduce_sum(codebook[0]**2, -1) / 2, -1, tf.int32)
  assert 0.001 < np.mean(plain != exact[0][:, 0]) < 0.05


def test_spectral_norm():
  kernel = spectral_norm.SpectralKernel([3, 3, 16, 32])
  kernel.w.assign(tf.random.stateless_normal(kernel.w.shape, [0, 1]))
  u = tf.constant(kernel.u)

  def iterated():
    kernel.u.assign(u)
    return [float(kernel.sigma(training=True)) for _ in range(10)]

  exact, found = _simulated(iterated)
  assert found == exact


@pytest.mark.parametrize('family', ['video_transformer', 'prior'])
def test_likelihoods(families, family):
  """Nats move with the model's own products, by less than a percent: their sums are exact."""
  experiment = families.experiment(family)
  built = building.build(experiment, tf.distribute.get_strategy(),
                         experiment.clips.example_spec())
  built.task.initialize(experiment.clips)
  for variable in built.task.trainable_variables:  # some begin as zeros
    variable.assign_add(tf.random.stateless_normal(variable.shape, [0, 1], stddev=0.1))
  batch = next(iter(experiment.clips.evaluation('test', 4)))
  exact, found = (float(sums['nats']) for sums in _simulated(
      built.task.statistics, batch, randomness.seed_of(0)))
  assert found != exact and abs(found / exact - 1) < 1e-2
