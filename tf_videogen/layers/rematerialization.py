"""Recomputation in the backward pass that neither XLA nor TensorFlow undoes.

Chen et al. 2016 (https://arxiv.org/abs/1604.06174): keep a function's inputs, but compute its
intermediate tensors again when the gradient is due. `tf.recompute_grad` does this too. But XLA
merges its second computation with the first (common subexpressions) and keeps everything, so it
saves nothing on a TPU. Here the inputs and the upstream gradient first pass through an optimization
barrier. Recomputation then begins when the gradient is there, without XLA as well.
"""

import tensorflow as tf

from tf_videogen.layers import gradients
from tf_videogen.layers import xla_context


def rematerialize(function):
  """A function with the values and gradients of `function` that keeps only its inputs.

  Args:
    function: takes tensors, returns a tensor or a structure of tensors. It runs again in the
      backward pass, so it must be pure: randomness comes from seeds, and no statistics are updated.
      Whatever needs a gradient must be an argument or a trainable variable; captured tensors get no
      gradient. Use variables through Keras layers, or cast them by hand: the automatic casts of a
      mixed precision policy end with the call of a layer.

  Returns:
    The wrapped function of positional arguments. Integer arguments get no gradient.
  """
  def forward(*inputs):

    def backward(*upstream, variables=None):
      barred = xla_context.optimization_barrier([*inputs, *upstream])
      again, upstream = barred[:len(inputs)], barred[len(inputs):]
      with tf.GradientTape() as tape:
        tape.watch([x for x in again if x.dtype.is_floating])
        outputs = tf.nest.flatten(function(*again))
      of_inputs, of_variables = tape.gradient(outputs, (again, variables or []), upstream)
      return of_inputs if variables is None else (of_inputs, of_variables)

    return function(*inputs), backward

  # A plain function: a `tf.custom_gradient` loses its gradient as an argument of a `tf.function`.
  return lambda *inputs: gradients.custom(forward)(*inputs)
