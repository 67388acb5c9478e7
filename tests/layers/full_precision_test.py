"""Products of float32 factors: XLA's, which are told their precision, equal TensorFlow's."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import full_precision


def _normal(*shape, seed=0):
  return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


@pytest.mark.parametrize('shape,kernel,stride', [
    ((2, 5, 7, 6, 3), (3, 3, 3, 3, 4), 1), ((1, 9, 14, 13, 3), (7, 7, 7, 3, 4), 2),
    ((2, 4, 4, 5, 2), (1, 1, 1, 2, 3), 1)])
def test_convolution(shape, kernel, stride):
  x, w = _normal(*shape), _normal(*kernel, seed=1)
  expected = tf.nn.conv3d(x, w, [1, stride, stride, stride, 1], 'SAME')
  np.testing.assert_array_equal(full_precision.conv3d(x, w, stride), expected)
  compiled = tf.function(full_precision.conv3d, jit_compile=True)
  found = compiled(x, w, stride)
  assert found.shape == expected.shape
  np.testing.assert_allclose(found, expected, atol=2e-4)
  assert 'operand_precision={highest,highest}' in compiled.experimental_get_compiler_ir(
      x, w, stride)(stage='hlo')


def test_product():
  x, w = _normal(3, 5), _normal(5, 4, seed=1)
  compiled = tf.function(full_precision.matmul, jit_compile=True)
  np.testing.assert_allclose(compiled(x, w), full_precision.matmul(x, w), atol=1e-5)
  np.testing.assert_allclose(full_precision.matmul(x, w), x.numpy() @ w.numpy(), atol=1e-5)
  hlo = compiled.experimental_get_compiler_ir(x, w)(stage='hlo')
  assert 'operand_precision={highest,highest}' in hlo


def test_unknown_batch():
  @tf.function(jit_compile=True, input_signature=[tf.TensorSpec([None, 4, 4, 4, 2])])
  def function(x):
    y = full_precision.conv3d(x, _normal(3, 3, 3, 2, 3))
    assert y.shape.as_list() == [None, 4, 4, 4, 3]
    return y

  x = _normal(2, 4, 4, 4, 2)
  np.testing.assert_allclose(
      function(x), full_precision.conv3d(x, _normal(3, 3, 3, 2, 3)), atol=1e-4)
