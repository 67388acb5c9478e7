"""What TensorFlow Addons has as well, against it. It works with no TensorFlow after 2.15."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import hyper_networks
from tf_videogen.layers import spectral_norm
from tf_videogen.models import dvd_gan

tfa = pytest.importorskip('tensorflow_addons')


def _normal(*shape, seed=0):
  return tf.random.stateless_normal(shape, [seed, 1])


@pytest.mark.parametrize('height, width', [(4, 4), (8, 12)])
def test_adaptive_pooling_and_its_gradient(height, width):
  """Of few values: where maxima are equal, both share the gradient in the same way."""
  x = tf.round(_normal(2, height, width, 3))

  def of(pool):
    with tf.GradientTape() as tape:
      tape.watch(x)
      pooled = pool(x)
      loss = tf.reduce_sum(pooled * _normal(*pooled.shape, seed=1))
    return pooled, tape.gradient(loss, x)

  for found, expected in zip(of(hyper_networks.adaptive_max_pool),
                             of(tfa.layers.AdaptiveMaxPooling2D((4, 4)))):
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_spectral_normalization():
  """Theirs replaces the kernel by the normalized one, so that only the first step is the same."""
  ours = spectral_norm.Conv(5, (3, 3))
  theirs = tfa.layers.SpectralNormalization(tf.keras.layers.Conv2D(5, 3, padding='same'))
  x = _normal(2, 6, 6, 3)
  ours(x), theirs(x)  # pylint: disable=expression-not-assigned
  kernel, vector = 2 * _normal(3, 3, 3, 5, seed=1), _normal(1, 5, seed=2)
  ours.kernel.w.assign(kernel)
  ours.kernel.u.assign(vector[0])
  theirs.w.assign(kernel)
  theirs.u.assign(vector)
  np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
  np.testing.assert_allclose(ours.kernel.u, theirs.u[0], atol=1e-6)


def test_moving_averages():
  """Of a generator's weights in training."""
  generator = lambda: spectral_norm.Dense(3)
  model = dvd_gan.VideoGAN(generator, tf.keras.layers.Layer)
  x = _normal(2, 4)
  for layer in (model.generator, model.averaged_generator):
    layer(x)
  model.average(0.0)
  optimizer = tfa.optimizers.MovingAverage(
      tf.keras.optimizers.legacy.SGD(0.1), average_decay=0.9)
  variables = model.generator.trainable_variables
  for step in range(5):
    with tf.GradientTape() as tape:
      loss = tf.reduce_sum(model.generator(x, training=True)**2)
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    model.average(0.9)
    assert step or np.any(variables[0] != model.averaged_generator.trainable_variables[0])
  optimizer.assign_average_vars(variables)
  for found, expected in zip(model.averaged_generator.trainable_variables, variables):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
