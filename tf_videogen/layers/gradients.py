"""Gradients that we write ourselves, and where nobody asks for them.

TensorFlow keeps every custom gradient of a graph in a registry for the life of the process, and the
graph with it. Models are built in a graph that never runs (`building`): it would stay in memory, up
to some hundred megabytes for each model.
"""

import contextlib
import functools

import tensorflow as tf

_left_out = False


@contextlib.contextmanager
def left_out():
  """A context in which `custom` has values alone."""
  global _left_out  # pylint: disable=global-statement
  before, _left_out = _left_out, True
  try:
    yield
  finally:
    _left_out = before


def custom(function):
  """As `tf.custom_gradient`: of a function that returns a value and its gradient's function."""
  with_gradient = tf.custom_gradient(function)

  @functools.wraps(function)
  def call(*args):
    return function(*args)[0] if _left_out else with_gradient(*args)

  return call
