"""Matrix products and convolutions that are float32 on a TPU as well.

By default a TPU rounds the factors to bfloat16. The products here are for measurements, choices and
estimates: networks of metrics, nearest codes, spectral norms. On a TPU they cost several times as
much as others, and under XLA they have no gradients. Outside XLA they are TensorFlow's own. For a
GPU there is the context `without_tensor_float_32`, in which evaluations run.
"""

import contextlib

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from tf_videogen.layers import xla_context

_HIGHEST = xla_data_pb2.PrecisionConfig(
    operand_precision=[xla_data_pb2.PrecisionConfig.HIGHEST] * 2)


@contextlib.contextmanager
def without_tensor_float_32():
  """A context in which a GPU multiplies float32 numbers without rounding them first.

  By default, NVIDIA's GPUs since Ampere round them to TensorFloat-32, with 10 bits of fraction.
  """
  config = tf.config.experimental
  before = config.tensor_float_32_execution_enabled()
  config.enable_tensor_float_32_execution(False)
  try:
    yield
  finally:
    config.enable_tensor_float_32_execution(before)


def conv3d(x, kernel, stride=1):
  """A 3-D convolution in float32, padded like TensorFlow's SAME.

  Args:
    x: float32 [B, T, H, W, C]; under XLA, T, H and W must be static.
    kernel: float32 [t, h, w, C, D].
    stride: the stride along T, H and W.

  Returns:
    float32 [B, T / stride, H / stride, W / stride, D], sizes rounded up.
  """
  if not xla_context.compiled_by_xla():
    return tf.nn.conv3d(x, kernel, [1, stride, stride, stride, 1], 'SAME')
  numbers = xla_data_pb2.ConvolutionDimensionNumbers(
      input_batch_dimension=0, input_feature_dimension=4, input_spatial_dimensions=[1, 2, 3],
      output_batch_dimension=0, output_feature_dimension=4, output_spatial_dimensions=[1, 2, 3],
      kernel_spatial_dimensions=[0, 1, 2], kernel_input_feature_dimension=3,
      kernel_output_feature_dimension=4)
  sizes = [-(-size // stride) for size in x.shape[1:4]]
  totals = [max((size - 1) * stride + width - before, 0)
            for size, width, before in zip(sizes, kernel.shape[:3], x.shape[1:4])]
  padding = [(total // 2, total - total // 2) for total in totals]
  convolved = xla.conv(x, kernel, [stride] * 3, padding, [1] * 3, [1] * 3, numbers,
                       precision_config=_HIGHEST)
  convolved.set_shape([x.shape[0], *sizes, kernel.shape[4]])  # XLA's operations don't infer it
  return convolved


def matmul(x, w, transpose_x=False, transpose_w=False):
  """A matrix product in float32: [..., N, C], [..., C, D] -> [..., N, D], equal leading axes.

  Args:
    x: the left factor; [..., C, N] if `transpose_x`.
    w: the right factor; [..., D, C] if `transpose_w`.
    transpose_x: whether the last two axes of `x` are swapped.
    transpose_w: whether the last two axes of `w` are swapped.
  """
  if not xla_context.compiled_by_xla():
    return tf.matmul(x, w, transpose_x, transpose_w)
  batch = list(range(x.shape.rank - 2))
  last, before = x.shape.rank - 1, x.shape.rank - 2
  summed, kept = (before, last) if transpose_x else (last, before)
  summed_w, kept_w = (last, before) if transpose_w else (before, last)
  product = xla.dot_general(x, w, xla_data_pb2.DotDimensionNumbers(
      lhs_batch_dimensions=batch, rhs_batch_dimensions=batch,
      lhs_contracting_dimensions=[summed], rhs_contracting_dimensions=[summed_w]),
                            precision_config=_HIGHEST)
  product.set_shape([*x.shape[:-2], x.shape[kept], w.shape[kept_w]])
  return product


def matvec(matrix, x, transpose=False):
  """A matrix times a vector in float32: [N, C], [C] -> [N]; [C, N], [C] -> [N] if `transpose`."""
  return matmul(matrix, x[:, None], transpose_x=transpose)[:, 0]
