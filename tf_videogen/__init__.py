"""Video generation papers in TensorFlow 2 and Keras: shared parts, and one file per paper.

Importing this package chooses Keras 2 for `tf.keras`. If Keras 3 is installed, Keras 2 is the
package tf-keras. It also makes TensorFlow read from gs:// no more than is asked for. The import does
not load TensorFlow, so that `tf-videogen --help` is fast.
"""

import importlib.metadata
import os
import sys

__version__ = '0.2.0'


def _choose_keras_2():
  """Makes `tf.keras` Keras 2, by the environment variable TF_USE_LEGACY_KERAS.

  TensorFlow reads this variable when `tf.keras` is first used, and keeps its choice. TensorFlow
  2.15 has its own Keras 2, and is slow with another one: AutoGraph would convert that package's
  code like ours.

  Raises:
    ImportError: if `tf.keras` was used before and is Keras 3.
  """
  if importlib.metadata.version('keras').startswith('2.'):
    os.environ.pop('TF_USE_LEGACY_KERAS', None)  # inherited from the program that started this one
    return
  os.environ['TF_USE_LEGACY_KERAS'] = '1'
  keras = getattr(sys.modules.get('tensorflow'), 'keras', None)
  if getattr(keras, '__version__', '2').startswith('3'):
    raise ImportError('tf_videogen needs Keras 2, but tf.keras is already Keras 3: import '
                      'tf_videogen before you use tf.keras, or set TF_USE_LEGACY_KERAS=1')


def _read_what_is_asked_for():
  """Keeps TensorFlow from reading 64 MB of a file on gs:// wherever a few bytes are asked for.

  TensorFlow reads this variable when it is imported. Whoever sets it has their way.
  """
  os.environ.setdefault('GCS_READ_CACHE_BLOCK_SIZE_MB', '0')


_choose_keras_2()
_read_what_is_asked_for()
