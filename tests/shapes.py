"""Models that are built for the shapes of their variables alone."""

import contextlib

import tensorflow as tf

from tf_videogen.layers import gradients


@contextlib.contextmanager
def alone():
  """A context in which variables have no values, and layers compute nothing. No graph is kept."""
  with tf.Graph().as_default(), gradients.left_out():
    yield
