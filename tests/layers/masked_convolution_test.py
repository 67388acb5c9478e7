"""The masked convolution against NumPy; a step is a position of a call."""
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import masked_convolution

SHAPE = (2, 3, 4)


def _layer_and_input(extent):
  layer = masked_convolution.MaskedConv3D(5, extent)
  x = tf.constant(np.random.default_rng(0).normal(size=(2, *SHAPE, 3)), tf.float32)
  return layer, x, layer(x)


@pytest.mark.parametrize('extent', [(3, 3, 3), (1, 3, 5)], ids=str)
def test_reference(extent):
  layer, x, y = _layer_and_input(extent)
  kernel, half = layer.kernel.numpy(), np.array(extent) // 2
  expected = np.zeros(y.shape)
  for place in itertools.product(*map(range, SHAPE)):
    for other in itertools.product(*map(range, SHAPE)):
      distance = np.subtract(other, place)
      if other < place and (abs(distance) <= half).all():
        expected[(slice(None), *place)] += x.numpy()[(slice(None), *other)] @ kernel[
            tuple(distance + half)]
  np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('extent, compiled', [
    ((3, 3, 3), True), ((1, 3, 5), False),
    *[pytest.param(*others, marks=pytest.mark.slow)
      for others in (((3, 3, 3), False), ((1, 3, 5), True))]], ids=str)
def test_step_is_a_position_of_a_call(extent, compiled):
  layer, x, y = _layer_and_input(extent)
  step = tf.function(layer.step, jit_compile=compiled, autograph=False)
  rest = np.indices(SHAPE).reshape(3, -1).T
  for place in rest:
    later = (rest.reshape(*SHAPE, 3) @ [100, 10, 1]) >= place @ [100, 10, 1]
    known = tf.where(later[..., None], 7.0, x)  # what comes later may be anything
    got = step(layer.pad(known), tuple(tf.constant(i, tf.int32) for i in place))
    np.testing.assert_allclose(got[:, 0, 0, 0], y[(slice(None), *place)], atol=1e-5)


def test_even_extents():
  with pytest.raises(ValueError, match=r'must be odd, got \(3, 2, 3\)'):
    masked_convolution.MaskedConv3D(5, (3, 2, 3))
