"""Rematerialization: same gradients, less kept, in and out of XLA, with variables and replicas."""
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tf_videogen.layers import attention
from tf_videogen.layers import attention_patterns
from tf_videogen.layers import rematerialization

CausalAttention = attention_patterns.CausalAttention


def _normal(*shape):
  return tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)


@pytest.mark.parametrize('compiled, policy', [
    (True, 'float32'), (False, 'mixed_bfloat16'),
    *[pytest.param(*others, marks=pytest.mark.slow)
      for others in ((True, 'mixed_bfloat16'), (False, 'float32'))]])
def test_rematerialized_block_has_the_same_gradients(policy, compiled):
  dense = tf.keras.layers.Dense(4, activation='tanh', dtype=policy)
  layer = attention.MultiHeadAttention(2, CausalAttention((8,)))
  embedding = tf.keras.layers.Embedding(5, 4)

  def block(x, codes, scale):
    hidden = tf.cast(dense(x + embedding(codes)), tf.float32)
    return hidden, layer(hidden) * scale

  x, codes, scale = _normal(2, 8, 4), tf.constant([[0, 1, 2, 3] * 2] * 2), tf.constant(3.0)
  block(x, codes, scale)
  variables = [v for part in (dense, layer, embedding) for v in part.trainable_variables]

  def run(block, x, scale):
    with tf.GradientTape() as tape:
      tape.watch([x, scale])
      hidden, y = block(x, codes, scale)
      loss = tf.reduce_sum(tf.sin(y)) + tf.reduce_sum(hidden ** 2)
    return tf.nest.map_structure(
        tf.convert_to_tensor, [loss] + tape.gradient(loss, [x, scale] + variables))

  run = tf.function(run, jit_compile=compiled, autograph=False)
  expected, tolerance = run(block, x, scale), 1e-5 if policy == 'float32' else 0.02
  got = run(rematerialization.rematerialize(block), x, scale)
  for a, b in zip(got, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


def _kept(function, x):
  """Number of floats of the largest tensor that goes from the forward to the backward pass."""
  forward = []

  @tf.function(autograph=False)
  def run(x):
    graph = tf.compat.v1.get_default_graph()
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = function(x)
    forward.extend(graph.get_operations())
    return tape.gradient(y, x)

  operations = run.get_concrete_function(x).graph.get_operations()
  return max(t.shape.num_elements() for op in operations[len(forward):] for t in op.inputs
             if t.op in forward and t.dtype.is_floating)


def test_only_the_input_is_kept():
  layers = [tf.keras.layers.Dense(width) for width in (64, 8)]
  block = lambda x: layers[1](tf.tanh(layers[0](x)))
  x = _normal(100, 8)
  block(x)
  assert _kept(block, x) == 100 * 64
  assert _kept(rematerialization.rematerialize(block), x) == 100 * 8


PEAK = """
import resource, sys
import tensorflow as tf
from tf_videogen.layers import rematerialization

function = lambda x: tf.reduce_mean(tf.tanh(tf.sin(x[:, None] * tf.range(64.0))), -1)
if sys.argv[1] == 'rematerialized':
  function = rematerialization.rematerialize(function)

@tf.function(autograph=False)
def gradient(x):
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = x
    for _ in range(12):
      y = y + function(y)
    return tape.gradient(y, x)

x = tf.ones([int(sys.argv[2])])
gradient(x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_less_is_kept_without_xla():
  """The memory of a process: of 12 functions, the intermediate tensors of one are there at once."""
  size = 1 << 18  # intermediate tensors of 64 MiB

  def peak(how, numbers):
    found = processes.run(sys.executable, '-c', PEAK, how, str(numbers))
    assert found.returncode == 0, found.stderr
    return int(found.stdout)

  base = peak('plain', 1)
  assert peak('plain', size) - base > 12 * 64
  assert peak('rematerialized', size) - base < 6 * 64


def test_recomputation_waits_for_the_gradient_without_xla():
  """Every operation of it, or TensorFlow would start it at once, and keep what it makes."""
  function = rematerialization.rematerialize(lambda x: tf.tanh(tf.sin(x)))

  @tf.function(autograph=False)
  def run(x, upstream):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = function(x)
    return tape.gradient(y, x, upstream)

  x = _normal(100)
  graph = run.get_concrete_function(x, x).graph
  (upstream,) = [op for op in graph.get_operations() if op.name == 'upstream']

  def after(op):
    before = [t.op for t in op.inputs] + list(op.control_inputs)
    return op is upstream or any(map(after, before))

  assert [after(op) for op in graph.get_operations() if op.type == 'Sin'] == [False, True]


def test_xla_does_not_undo_it():
  function = rematerialization.rematerialize(lambda x: tf.tanh(tf.sin(x)))

  @tf.function(autograph=False, jit_compile=True)
  def run(x):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = function(x)
    return tape.gradient(y, x)

  x = _normal(100)
  assert 'opt-barrier' in run.experimental_get_compiler_ir(x)(stage='hlo')
  y = np.tanh(np.sin(x))
  np.testing.assert_allclose(run(x), (1 - y ** 2) * np.cos(x), atol=1e-6)


def test_rematerialized_block_on_two_replicas(two_replicas):
  with two_replicas.scope():
    layer = attention.MultiHeadAttention(2, CausalAttention((8,)))
    layer(_normal(1, 8, 4))

  @tf.function(autograph=False)
  def gradients(function, x):
    def replica(x):
      with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(function(x)))
      of_variables = tape.gradient(loss, layer.trainable_variables)
      return tf.distribute.get_replica_context().all_reduce('sum', of_variables)
    return two_replicas.run(replica, (x,))

  x = _normal(2, 8, 4)
  expected = gradients(layer, x)
  for a, b in zip(gradients(rematerialization.rematerialize(layer), x), expected, strict=True):
    for i, j in zip(a.values, b.values, strict=True):
      np.testing.assert_allclose(i, j, atol=1e-5)
