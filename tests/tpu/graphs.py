"""What is in the graphs of functions that TPUStrategy has traced."""

import contextlib
import itertools

import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph

# What tensors on a TPU may be.
TYPES = {tf.float32, tf.bfloat16, tf.int32, tf.int64, tf.uint32, tf.uint64, tf.uint8, tf.int8,
         tf.bool, tf.resource, tf.complex64}
SENT_TO_CORES, RETURNED = 'TPUReplicatedInput', 'TPUReplicatedOutput'
# Whether the wheel has the bridge's check of what it is given; later ones register no such pass.
HAS_CHECK = tf.__version__.startswith('2.15.')
PROGRAM, ALL_TO_ALL, ALL_REDUCE = 'TPUReplicateMetadata', 'AllToAll', 'CrossReplicaSum'


def graphs(traced):
  """The graph of a ConcreteFunction, '', and those of all functions that it calls or loops over."""
  library = traced.graph.as_graph_def().library.function
  return {'': traced.graph, **{
      function.signature.name: function_def_to_graph.function_def_to_graph(
          function, include_library_functions=False) for function in library}}


def operations(traced, kind):
  """All operations of a kind."""
  return [op for graph in graphs(traced).values() for op in graph.get_operations()
          if op.type == kind]


def _comes_from(tensor, kind):
  """Whether an operation of a kind is among those whose values a tensor is computed of."""
  seen, ops = set(), [tensor.op]
  while ops:
    op = ops.pop()
    if op.type == kind:
      return True
    new = [x.op for x in op.inputs if x.op not in seen]
    seen.update(new)
    ops += new
  return False


def assert_runs_on_cores(traced):
  """Checks that what goes to the cores is of types that they have."""
  sent = operations(traced, SENT_TO_CORES)
  assert sent
  for op in sent:
    assert {x.dtype for x in op.inputs} <= TYPES, op


def assert_bridge_takes(traced):
  """Checks that a function passes what the wheel has of the bridge from TensorFlow to the TPU.

  The bridge's check of its inputs finds operations that no core has; calls of Python pass it.
  """
  assert not operations(traced, 'PyFunc') + operations(traced, 'EagerPyFunc')
  module = tf.mlir.experimental.convert_function(traced)
  if HAS_CHECK:
    tf.mlir.experimental.run_pass_pipeline(module, 'tf-tpu-validate-inputs')


def assert_host_waits_for_nothing(traced):
  """Checks that there is a loop of the host, and that none reads what a program returned."""
  found, loops = graphs(traced), 0
  for graph in found.values():
    for op in graph.get_operations():
      if op.type in ('While', 'StatelessWhile'):
        body = found[op.get_attr('body').name]
        assert not any(_comes_from(x, RETURNED) for x in [*op.inputs, *body.outputs]), op.name
        loops += any(inner.type == PROGRAM for inner in body.get_operations())
  assert loops


@contextlib.contextmanager
def only_tensors(strategy):
  """A context in which nothing but tensors may go through `strategy.run`."""
  run = strategy.run

  def checked(function, args=(), kwargs=None, options=None):
    for value in tf.nest.flatten((args, kwargs or {})):
      values = strategy.experimental_local_results(value)
      assert all(tf.is_tensor(x) for x in itertools.chain(values)), (function, value)
    return run(function, args, kwargs, options)

  strategy.run = checked
  try:
    yield
  finally:
    del strategy.run
