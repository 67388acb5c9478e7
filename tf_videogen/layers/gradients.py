"""Custom gradients, and a context that leaves them out if nobody needs them.

TensorFlow keeps every custom gradient of a graph, and the graph with it, in a registry for the life
of the process. Models are built in a graph that never runs (`building`). With custom gradients,
this graph would stay in memory: up to a few hundred megabytes per model.
"""

import contextlib
import functools

import tensorflow as tf

_left_out = False


@contextlib.contextmanager
def left_out():
  """A context in which functions made by `custom` have values but no gradients of their own."""
  global _left_out  # pylint: disable=global-statement
  before, _left_out = _left_out, True
  try:
    yield
  finally:
    _left_out = before


def custom(function):
  """Like `tf.custom_gradient`: `function` returns a value and the function of its gradient.

  Within `left_out` the result is the value alone.
  """
  with_gradient = tf.custom_gradient(function)

  @functools.wraps(function)
  def call(*args):
    return function(*args)[0] if _left_out else with_gradient(*args)

  return call
