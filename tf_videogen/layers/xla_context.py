"""Helpers for XLA: whether it compiles the code, and barriers that keep it from merging."""

import functools
import os

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops import control_flow_util

from tf_videogen.layers import gradients


def compiled_by_xla():
  """Whether the code being traced will be compiled by XLA: under `jit_compile=True` or on a TPU."""
  return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def compiled(function):
  """Compiles a function as an XLA program, or as part of the caller if XLA compiles that one."""
  program = tf.function(function, autograph=False, jit_compile=True)

  def call(*args):
    if compiled_by_xla():
      return function(*args)
    _first_compilation()
    return program(*args)

  return call


@functools.lru_cache(maxsize=None)
def _first_compilation():
  """Compiles a trivial program with stderr silenced, once.

  XLA reports its first program on stderr, whatever the log level.
  """
  with open(os.devnull, 'wb') as nowhere:
    kept = os.dup(2)
    os.dup2(nowhere.fileno(), 2)
    try:
      with tf.init_scope(), tf.device('/cpu:0'):
        tf.function(lambda: tf.zeros([]), autograph=False, jit_compile=True)()
    finally:
      os.dup2(kept, 2)
      os.close(kept)


def optimization_barrier(tensors):
  """The same list of tensors, none of which is available before all are.

  Neither XLA nor TensorFlow merges operations on the results with operations before them.
  """
  if compiled_by_xla():
    return list(xla.optimization_barrier(*tensors))
  with tf.control_dependencies(tensors):
    return [tf.identity(tensor) for tensor in tensors]


@gradients.custom
def isolated(x):
  """The same tensor; XLA merges neither its computation nor its gradient's with their users."""
  return optimization_barrier([x])[0], lambda gradient: optimization_barrier([gradient])[0]


def update_slice(x, part, start):
  """The tensor `x` with `part` written over it, beginning at index `start`.

  In the loops of XLA this happens in place; elsewhere the tensor is copied.

  Args:
    x: a tensor.
    part: a tensor of the same rank, no larger than `x` along any axis.
    start: the index of the part's first element: a list of integers and int32 scalars.
  """
  start = tf.stack([tf.cast(i, tf.int32) for i in start])
  if compiled_by_xla():
    return xla.dynamic_update_slice(x, part, start)
  indices = tf.stack(tf.meshgrid(*map(tf.range, tf.unstack(tf.shape(part))), indexing='ij'), -1)
  return tf.tensor_scatter_nd_update(x, indices + start, part)
