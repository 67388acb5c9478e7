"""Custom gradients, left out where models are only built: their graph is not kept."""

import gc
import weakref

import pytest
import tensorflow as tf

from tf_videogen import building
from tf_videogen.layers import attention_patterns
from tf_videogen.layers import gradients
from tf_videogen.layers import rematerialization


@gradients.custom
def _doubled(x):
  """Twice a number, whose gradient says 5."""
  return 2.0 * x, lambda upstream: 5.0 * upstream


def test_the_gradient_is_ours_unless_left_out():
  x = tf.constant(3.0)
  assert _doubled.__name__ == '_doubled'
  for context, expected in ((None, 5.0), (gradients.left_out(), 2.0)):
    with tf.GradientTape() as tape:
      tape.watch(x)
      if context is None:
        value = _doubled(x)
      else:
        with context:
          value = _doubled(x)
    assert value.numpy() == 6.0 and tape.gradient(value, x).numpy() == expected
  assert not gradients._left_out


def _attention():
  q = tf.zeros([1, 1, 16, 4])
  return attention_patterns.SparseCausalAttention((4, 4), block=4, local_blocks=1)(q, q, q)


@pytest.mark.parametrize('function', [
    _attention, lambda: rematerialization.rematerialize(tf.tanh)(tf.zeros([2]))],
                         ids=['attention', 'rematerialized'])
def test_the_graph_of_a_model_that_is_built_is_not_kept(function):
  graph = tf.__internal__.FuncGraph('build')
  with graph.as_default(), gradients.left_out():
    assert function().graph is graph
  kept = weakref.ref(graph)
  del graph
  gc.collect()
  assert kept() is None


def test_building_leaves_no_graph(tiny, cpu):
  """Of a prior, whose attention has a gradient of its own."""
  experiment = tiny.experiment(lambda: tiny.prior(''))
  built = building.build(experiment, cpu, experiment.clips.example_spec())
  assert len(built.task.trainable_variables) > 10
  gc.collect()
  assert not [found for found in gc.get_objects()
              if isinstance(found, tf.__internal__.FuncGraph) and found.name == 'build']
