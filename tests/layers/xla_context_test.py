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


def test_isolated_is_the_identity_between_two_barriers():
  def gradient(x):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = tf.reduce_sum(xla_context.isolated(x)**3)
    return tape.gradient(y, x)

  x = tf.constant([1.0, 2.0])
  compiled = tf.function(gradient, jit_compile=True)
  for function in (gradient, tf.function(gradient), compiled):
    assert function(x).numpy().tolist() == [3.0, 12.0]
  assert compiled.experimental_get_compiler_ir(x)(stage='hlo').count('opt-barrier(') == 2
