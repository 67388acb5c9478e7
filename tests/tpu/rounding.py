"""A TPU's products on a processor: factors of matrix products and convolutions become bfloat16."""

import contextlib
from unittest import mock

import tensorflow as tf
from tensorflow.python.ops import gen_linalg_ops
from tensorflow.python.ops import gen_math_ops
from tensorflow.python.ops import gen_nn_ops

from tf_videogen.layers import full_precision

# The functions behind TensorFlow's products, and how many of their first arguments are factors.
_PRODUCTS = [(gen_math_ops, name) for name in ('mat_mul', 'batch_mat_mul', 'batch_mat_mul_v2',
                                               'batch_mat_mul_v3')]
_PRODUCTS += [(gen_nn_ops, name) for name in ('conv2d', 'conv3d', 'depthwise_conv2d_native')]


def rounded(x):
  """float32 to the nearest numbers that bfloat16 has; anything else as it is."""
  x = tf.convert_to_tensor(x)
  return tf.cast(tf.cast(x, tf.bfloat16), tf.float32) if x.dtype == tf.float32 else x


@contextlib.contextmanager
def bfloat16_products():
  """A context in which products are a TPU's, but for those that ask for the highest precision."""
  exact = []

  def of_rounded(function):
    def product(x, w, *args, **kwargs):
      return function(*((x, w) if exact else map(rounded, (x, w))), *args, **kwargs)
    return product

  def of_rounded_einsum(function):
    def product(inputs, *args, **kwargs):
      return function(inputs if exact else [rounded(x) for x in inputs], *args, **kwargs)
    return product

  def exactly(function):
    def product(*args, **kwargs):
      exact.append(True)
      try:
        return function(*args, **kwargs)
      finally:
        exact.pop()
    return product

  with contextlib.ExitStack() as stack:
    replace = lambda module, name, new: stack.enter_context(
        mock.patch.object(module, name, new(getattr(module, name))))
    for module, name in _PRODUCTS:
      replace(module, name, of_rounded)
    replace(gen_linalg_ops, 'einsum', of_rounded_einsum)
    for name in ('conv3d', 'matmul'):  # and matvec, which is a matmul
      replace(full_precision, name, exactly)
    yield
