"""Losses by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import objectives


def test_hinge_losses():
  real, fake = tf.constant([[2.0, 0.5], [-1.0, 1.0]]), tf.constant([-3.0, 0.0, 1.5])
  # relu(1 - real): 0, 0.5, 2, 0; relu(1 + fake): 0, 1, 2.5
  loss = objectives.hinge_discriminator(real, fake)
  assert loss.numpy() == pytest.approx(2.5 / 4 + 3.5 / 3)
  assert objectives.hinge_generator(fake).numpy() == pytest.approx(0.5)


def test_hinge_losses_of_bfloat16_are_float32():
  scores = tf.fill([3], tf.constant(1 / 3, tf.bfloat16))
  losses = objectives.hinge_discriminator(scores, scores), objectives.hinge_generator(scores)
  assert {loss.dtype for loss in losses} == {tf.float32}
  assert losses[0].numpy() == pytest.approx(2.0)


def test_orthogonality():
  # Columns (1, 2) and (3, 4): their product is 11, twice off the diagonal.
  assert objectives.orthogonality(tf.constant([[1.0, 3.0], [2.0, 4.0]])).numpy() == 2 * 11**2


def test_orthogonality_of_a_convolution():
  w = np.random.default_rng(0).normal(size=(3, 3, 2, 5)).astype(np.float32)
  expected = 0.0
  for i in range(5):
    for j in range(5):
      if i != j:
        expected += np.sum(w[..., i] * w[..., j])**2
  found = objectives.orthogonality(tf.constant(w))
  assert found.shape == () and found.numpy() == pytest.approx(expected, rel=1e-5)


def test_orthogonal_kernels_of_any_length_cost_nothing():
  q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(18, 5)))
  w = tf.constant((q * [1, 2, 3, 4, 5]).reshape(3, 3, 2, 5), tf.float32)
  with tf.GradientTape() as tape:
    tape.watch(w)
    loss = objectives.orthogonality(w)
  assert loss.numpy() < 1e-9
  assert np.abs(tape.gradient(loss, w)).max() < 1e-3
