"""What code may know of XLA: whether it will be compiled by it, and what keeps it from merging."""

import functools
import os

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops import control_flow_util

from tf_videogen.layers import gradients


def compiled_by_xla():
  """Whether the code being traced will be compiled by XLA: under `jit_compile=True`, on a TPU."""
  return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def compiled(function):
  """A function as a program of XLA's, or a part of the caller's where that is one itself."""
  program = tf.function(function, autograph=False, jit_compile=True)

  def call(*args):
    if compiled_by_xla():
      return function(*args)
    _first_compilation()
    return program(*args)

  return call


@functools.lru_cache(maxsize=None)
def _first_compilation():
  """Compiles nothing worth a word: XLA tells of its first program on stderr, whatever the level."""
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
  """The same list of tensors, none of them before all are there.

  Neither XLA nor TensorFlow merges what is computed of them with what was computed before.
  """
  if compiled_by_xla():
    return list(xla.optimization_barrier(*tensors))
  with tf.control_dependencies(tensors):
    return [tf.identity(tensor) for tensor in tensors]


@gradients.custom
def isolated(x):
  """The same tensor; XLA merges neither its computation nor its gradient's with what uses it."""
  return optimization_barrier([x])[0], lambda gradient: optimization_barrier([gradient])[0]


def update_slice(x, part, start):
  """A tensor with `part` written over it from index `start`, a list of integers and int32 tensors.

  In place in the loops of XLA; elsewhere the tensor is copied.
  """
  start = tf.stack([tf.cast(i, tf.int32) for i in start])
  if compiled_by_xla():
    return xla.dynamic_update_slice(x, part, start)
  indices = tf.stack(tf.meshgrid(*map(tf.range, tf.unstack(tf.shape(part))), indexing='ij'), -1)
  return tf.tensor_scatter_nd_update(x, indices + start, part)
