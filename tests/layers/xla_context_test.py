"""Whether code is compiled by XLA, wherever it is traced."""
import pytest
import tensorflow as tf

from tf_videogen.layers import xla_context


@pytest.mark.parametrize('compiled', [False, True])
def test_xla_is_recognized(compiled):
  found = []

  @tf.function(jit_compile=compiled)
  def run(x):
    found.append(xla_context.compiled_by_xla())
    nested = tf.function(lambda x: found.append(xla_context.compiled_by_xla()) or x)
    for _ in tf.range(2):
      found.append(xla_context.compiled_by_xla())
      x = nested(x)
    return x

  run(tf.zeros([]))
  assert len(found) == 3 and set(found) == {compiled}
  assert not xla_context.compiled_by_xla()
