"""Whether this machine computes FVD's network as it should, from what is before it to its outputs.

A clip is made by whole numbers, the same everywhere: frames that are not square, with edges that
move, in three different colors. I3D with random weights has known outputs for it. Another resizing,
another range of pixels, swapped channels, another epsilon of batch norm or TensorFloat-32 give
other ones. With published weights, nobody has told what the outputs are; `outputs` says them, to be
compared between machines.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import full_precision
from tf_videogen.metrics import networks

# The first logits of the random network for the clip. They were computed by TensorFlow on a CPU.
GOLDEN = (1.359576, -0.307742, -0.8420957, 0.27882,
          -1.262567, 0.657611, 2.032826, -0.02636564)
TOLERANCE = 3e-4  # of their standard deviation; TensorFloat-32 changes them by 1e-3, the least


def clip():
  """The clip, uint8 [1, 9, 40, 56, 3]."""
  t, y, x, c = np.ogrid[:9, :40, :56, :3]
  stripes = (3 * x + 5 * y * (c + 1) + 7 * t) % 64 * 3
  square = (abs(x - 10 - 4 * t) < 8) & (abs(y - 12 - 2 * t) < 6 + 2 * c)
  return np.where(square, 250 - 60 * c, stripes).astype(np.uint8)[np.newaxis]


def outputs(name='random:i3d_kinetics400'):
  """The first logits of a network for the clip, float32 [8]; see `networks.FeatureNetwork`."""
  network = networks.FeatureNetwork(name)
  with full_precision.without_tensor_float_32():
    return network(tf.constant(clip()))['logits'].numpy()[0, :8]


def error(found):
  """How far outputs of the random network are from what they should be, in standard deviations."""
  golden = np.array(GOLDEN)
  return float(np.abs(found - golden).max() / golden.std())


def check():
  """Computes the outputs of the random network.

  Raises:
    ValueError: if they are not what they should be.
  """
  found = error(outputs())
  if not found < TOLERANCE:
    raise ValueError(
        f'I3D with random weights gives other outputs than it should (by {found:.2g} standard '
        'deviations): resizing, range, channels or precision differ here, so do not trust an FVD '
        'of this machine')
