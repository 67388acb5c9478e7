"""Products that are float32 everywhere: a TPU's are of bfloat16 factors unless told otherwise.

For networks that measure, not for those that train. Outside XLA they are TensorFlow's own.
"""

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from tf_videogen.layers import xla_context

_HIGHEST = xla_data_pb2.PrecisionConfig(
    operand_precision=[xla_data_pb2.PrecisionConfig.HIGHEST] * 2)


def conv3d(x, kernel, stride=1):
  """float32 [B, T, H, W, C], T, H, W static under XLA; [t, h, w, C, D] -> [B, T', H', W', D].

  Padded as TensorFlow's SAME is.
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
  convolved.set_shape([x.shape[0], *sizes, kernel.shape[4]])  # XLA's operations don't tell it
  return convolved


def matmul(x, w):
  """float32 [B, C], [C, D] -> [B, D]."""
  if not xla_context.compiled_by_xla():
    return tf.matmul(x, w)
  product = xla.dot_general(x, w, xla_data_pb2.DotDimensionNumbers(
      lhs_contracting_dimensions=[1], rhs_contracting_dimensions=[0]), precision_config=_HIGHEST)
  product.set_shape([x.shape[0], w.shape[1]])
  return product
