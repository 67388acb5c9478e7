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


@pytest.mark.parametrize('x,w,transposed,expected', [
    ((3, 5), (5, 4), (False, False), 'nc,cd->nd'),
    ((5, 3), (5, 4), (True, False), 'cn,cd->nd'),
    ((2, 3, 5), (2, 4, 5), (False, True), 'bnc,bdc->bnd'),
    ((2, 6, 5, 3), (2, 6, 4, 5), (True, True), 'bhcn,bhdc->bhnd')])
def test_product(x, w, transposed, expected):
  x, w = _normal(*x), _normal(*w, seed=1)
  compiled = tf.function(full_precision.matmul, jit_compile=True)
  plain = full_precision.matmul(x, w, *transposed)
  np.testing.assert_allclose(plain, np.einsum(expected, x, w), atol=1e-5)
  found = compiled(x, w, *transposed)
  assert found.shape == plain.shape
  np.testing.assert_allclose(found, plain, atol=1e-5)
  hlo = compiled.experimental_get_compiler_ir(x, w, *transposed)(stage='hlo')
  assert 'operand_precision={highest,highest}' in hlo


@pytest.mark.parametrize('transpose', [False, True])
def test_product_with_a_vector(transpose):
  matrix, x = _normal(3, 5), _normal(3 if transpose else 5, seed=1)
  expected = (matrix.numpy().T if transpose else matrix.numpy()) @ x.numpy()
  compiled = tf.function(full_precision.matvec, jit_compile=True)
  for function in (full_precision.matvec, compiled):
    found = function(matrix, x, transpose)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_unknown_batch():
  @tf.function(jit_compile=True, input_signature=[tf.TensorSpec([None, 4, 4, 4, 2])])
  def function(x):
    y = full_precision.conv3d(x, _normal(3, 3, 3, 2, 3))
    assert y.shape.as_list() == [None, 4, 4, 4, 3]
    return y

  x = _normal(2, 4, 4, 4, 2)
  np.testing.assert_allclose(
      function(x), full_precision.conv3d(x, _normal(3, 3, 3, 2, 3)), atol=1e-4)
