"""Scores of attention are computed again in the backward pass: none is kept, none is whole."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import attention_cases
from tf_videogen.layers import attention


def _traced(function, tokens):
  """Graph of forward + backward passes, and the number of operations of the forward pass."""
  counts = []

  def run(q, k, v):
    with tf.GradientTape() as tape:
      tape.watch([q, k, v])
      output = function(q, k, v)
    counts.append(len(tf.compat.v1.get_default_graph().get_operations()))
    return tape.gradient(output, [q, k, v])

  graph = tf.function(run, autograph=False).get_concrete_function(
      *[tf.TensorSpec([1, 2, tokens, 8])] * 3).graph
  return graph, counts[0]


def _all_operations(graph):
  """Those of nested functions, too."""
  # pylint: disable-next=protected-access
  nested = [graph._get_function(name).graph for name in graph._functions]
  return graph.get_operations() + [op for inner in nested for op in _all_operations(inner)]


def _has_score_matrix(graph, tokens):
  shapes = [x.shape for op in _all_operations(graph) for x in op.outputs if x.dtype.is_floating]
  assert all(shape.rank is not None for shape in shapes)
  return any(shape.rank >= 2 and min(shape[-2:]) >= tokens for shape in shapes)


def _kept(graph, forward_operations):
  """Number of floats of the largest tensor that goes from the forward to the backward pass."""
  operations = graph.get_operations()
  forward = set(operations[:forward_operations])
  return max(x.shape.num_elements() for op in operations[forward_operations:] for x in op.inputs
             if x.op in forward and x.dtype.is_floating)


@pytest.mark.parametrize('pattern', [
    attention.CausalAttention((8, 8, 8), query_chunk=128),
    attention.SparseCausalAttention((8, 8, 8))])
def test_scores_are_neither_whole_nor_kept(pattern):
  graph, forward_operations = _traced(pattern, 512)
  assert not _has_score_matrix(graph, 512)
  assert _kept(graph, forward_operations) == 2 * 512 * 8  # queries, keys, values, output


def test_plain_attention_fails_the_test_above():
  naive = functools.partial(attention_cases.naive, mask=np.tril(np.ones((512, 512), bool)))
  graph, forward_operations = _traced(naive, 512)
  assert _has_score_matrix(graph, 512)
  assert _kept(graph, forward_operations) == 2 * 512 * 512
  forward_only = tf.function(lambda x: tf.function(naive)(x, x, x), autograph=False)
  graph = forward_only.get_concrete_function(attention_cases.normal(1, 2, 512, 8)).graph
  assert _has_score_matrix(graph, 512)


@pytest.mark.parametrize('pattern', [
    attention.CausalAttention((1024,), query_chunk=512),
    attention.SparseCausalAttention((4, 4, 32))])
def test_compiled_program_recomputes_and_has_no_large_constants(pattern):
  q, k, v, upstream = [tf.TensorSpec([1, 1, pattern.length, 4])] * 4
  function = tf.function(functools.partial(attention_cases.gradients, pattern), jit_compile=True,
                         autograph=False)
  ir = function.experimental_get_compiler_ir(q, k, v, upstream)
  barriers = [line for line in ir(stage='hlo').splitlines() if ' opt-barrier(' in line]
  assert max(line.split(' opt-barrier(')[0].count(',4]') for line in barriers) == 4  # q, k, v, dO
  assert 0 < len(ir(stage='hlo_serialized')) < 300_000  # a mask of 512 x 512 floats is 1 MB
