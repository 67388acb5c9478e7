"""Video generation papers in TensorFlow 2 and Keras: one suite of parts, a file for each paper.

Importing it chooses Keras 2 for `tf.keras`: beside Keras 3, that is the package tf-keras. It does
not import TensorFlow, so that `tf-videogen --help` does not wait for it.
"""

import importlib.metadata
import os
import sys

__version__ = '0.1.0'


def _choose_keras_2():
  """TensorFlow asks for this variable when `tf.keras` is first used, and keeps what it then took.

  TensorFlow 2.15 has a Keras 2 of its own, and is slow with another: it would trace its code as
  ours, by AutoGraph.

  Raises:
    ImportError: if that was before, and it is Keras 3.
  """
  if importlib.metadata.version('keras').startswith('2.'):
    os.environ.pop('TF_USE_LEGACY_KERAS', None)  # of a program that has started this one
    return
  os.environ['TF_USE_LEGACY_KERAS'] = '1'
  keras = getattr(sys.modules.get('tensorflow'), 'keras', None)
  if getattr(keras, '__version__', '2').startswith('3'):
    raise ImportError('tf_videogen needs Keras 2, and tf.keras is Keras 3 by now: import '
                      'tf_videogen before tf.keras is used, or set TF_USE_LEGACY_KERAS=1')


_choose_keras_2()
