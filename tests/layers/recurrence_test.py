"""Parts of what recurs: gates are convolutions of both inputs, kernels are asked once."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers.hyper_networks_test import gate, normal, randomize, submodules
from tf_videogen.layers import recurrence
from tf_videogen.layers import spectral_norm


@pytest.mark.parametrize('gates, side', [(1, 3), (2, 3), (3, 1), (2, 5)])
def test_gates_are_convolutions_of_both_inputs(gates, side):
  part = randomize(recurrence.GateConvolution(2, 3, 4, side, gates))
  x, h = normal(2, 3, 4, 5, 3), normal(2, 3, 4, 5, 2, seed=1)
  step, given = part.prepare(tf.constant(x.transpose(1, 0, 2, 3, 4)))
  for t in range(3):
    found = step(given[t], tf.constant(h[:, t]))
    assert len(part.kernels) == gates and (gates == 1 or len(found) == gates)
    for number, y in enumerate(found if gates > 1 else [found]):
      np.testing.assert_allclose(y, gate(part, number, h[:, t], x[:, t]), atol=1e-5)


def test_kernels_are_asked_once_for_all_time_steps():
  for part in (recurrence.GateConvolution(2, 3, 4, gates=2), recurrence.Affine([2, 4])):
    kernels, again = submodules(part, spectral_norm.SpectralKernel), []
    for kernel in kernels:
      again.append(spectral_norm.SpectralKernel(kernel.w.shape))
      again[-1].set_weights(kernel.get_weights())
    x = tf.constant(normal(1, 3, 4, 4, 3))
    part.prepare(x)
    for kernel, other in zip(kernels, again, strict=True):
      np.testing.assert_array_equal(kernel.u, other.u)
    part.prepare(x, training=True)
    for kernel, other in zip(kernels, again, strict=True):
      assert np.abs(kernel.u - other.u).max() > 1e-3
      other.value(True)
      np.testing.assert_allclose(kernel.u, other.u, rtol=1e-5)
