"""Images of handwritten digits, in three parts that share no image: train, validation, test.

`optdigits` is scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" (1,797
images of 8x8 pixels). It needs no download. `mnist` is MNIST. Its test part is MNIST's own. Its
validation part is the last 10,000 images of MNIST's training part.
"""

import gzip
import math
import re
import struct
import zlib

import numpy as np
from PIL import Image
from sklearn import datasets as sklearn_datasets

import tensorflow as tf

from tf_videogen import files

MNIST_FILE = 'mnist.npz'
_IDX_NAME = re.compile(r'(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?$')
_IDX_NAMES = [(part, kind) for part in ('train', 't10k') for kind in ('images', 'labels')]
_MNIST_VALIDATION = 10_000
_OPTDIGITS_PARTS = (0.8, 0.9)  # where train and validation end, as shares of the permuted images
_OPTDIGITS_SEED = 1998  # the year in which the data set was given to UCI


def optdigits(digit_size):
  """Returns the handwritten digits that scikit-learn carries.

  Args:
    digit_size: int, height and width to which images are scaled up, D, in pixels. They include a
      margin like MNIST's.

  Returns:
    dict from 'train', 'validation' and 'test' to (images uint8 [N, D, D], labels int64 [N]), with
    1,437, 180 and 180 images.
  """
  bunch = sklearn_datasets.load_digits()
  images = np.stack([_enlarge(image / 16, digit_size) for image in bunch.images])
  order = np.random.Generator(np.random.Philox(_OPTDIGITS_SEED)).permutation(len(images))
  bounds = [int(part * len(images)) for part in _OPTDIGITS_PARTS]
  parts = zip(('train', 'validation', 'test'), np.split(order, bounds))
  return {name: (images[part], bunch.target[part].astype(np.int64)) for name, part in parts}


def mnist_from_file(path, digit_size):
  """Returns the digits of MNIST from a file in the layout of Keras's `mnist.npz`.

  Args:
    path: str, path of an .npz with x_train, y_train, x_test and y_test.
    digit_size: int, height and width to which images are scaled, D, in pixels.

  Returns:
    dict as from `optdigits`, with 50,000, 10,000 and 10,000 images.

  Raises:
    ValueError: if an array is missing, or if images are not uint8 or not square.
  """
  arrays = files.read_arrays(path)
  missing = {'x_train', 'y_train', 'x_test', 'y_test'} - set(arrays)
  if missing:
    raise ValueError(
        f'{path} has no {", ".join(sorted(missing))}; expected the mnist.npz of Keras')
  return mnist(
      arrays['x_train'], arrays['y_train'], arrays['x_test'], arrays['y_test'], digit_size)


def idx_files(paths):
  """Returns MNIST's original files among paths: (part, kind) -> path, as for `mnist_from_idx`."""
  matches = [(path, _IDX_NAME.search(path)) for path in paths]
  return {(match[1], match[2]): path for path, match in matches if match}


def mnist_from_idx(paths, digit_size):
  """Returns the digits of MNIST from its original files, compressed by gzip or not.

  Args:
    paths: dict, ('train' or 't10k', 'images' or 'labels') -> path of the file.
    digit_size: int, height and width to which images are scaled, D, in pixels.

  Returns:
    dict as from `optdigits`, with 50,000, 10,000 and 10,000 images.

  Raises:
    ValueError: if a file is missing or damaged.
  """
  missing = [f'{part}-{kind}' for part, kind in _IDX_NAMES if (part, kind) not in paths]
  if missing:
    raise ValueError(f'beside {next(iter(paths.values()))} the files of {", ".join(missing)} are '
                     'missing; MNIST has four')
  return mnist(*(_idx_array(paths[name]) for name in _IDX_NAMES), digit_size)


def _idx_array(path):
  """Returns the array of an IDX file, uint8 [N, ...]: 0, 0, type, rank, shape, values."""
  with tf.io.gfile.GFile(path, 'rb') as file:
    content = file.read()
  try:
    content = gzip.decompress(content) if content[:2] == b'\x1f\x8b' else content
    shape = struct.unpack_from(f'>{content[3]}I', content, 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape))
    if content[:3] == b'\0\0\x08' and values.size == math.prod(shape):
      return values.reshape(shape)
  except (OSError, EOFError, zlib.error, struct.error, IndexError, ValueError):
    pass
  raise ValueError(f'{path} is no whole file of MNIST; download it again')


def mnist(x_train, y_train, x_test, y_test, digit_size):
  """Divides and scales MNIST.

  Args:
    x_train: uint8 [60000, 28, 28], training images.
    y_train: int [60000], labels of the training images.
    x_test: uint8 [10000, 28, 28], test images.
    y_test: int [10000], labels of the test images.
    digit_size: int, height and width to which images are scaled, D, in pixels.

  Returns:
    dict as from `optdigits`. If there are fewer images than in MNIST, they are divided in the same
    proportion.

  Raises:
    ValueError: if images are not uint8 or not square.
  """
  for name, images in (('training', x_train), ('test', x_test)):
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1] != images.shape[2]:
      raise ValueError(f'{name} images of MNIST must be uint8 [N, 28, 28], '
                       f'got {images.dtype} {list(images.shape)}')
  held_out = min(_MNIST_VALIDATION, len(x_train) // 6)
  parts = {
      'train': (x_train[:-held_out], y_train[:-held_out]),
      'validation': (x_train[-held_out:], y_train[-held_out:]),
      'test': (x_test, y_test),
  }
  return {name: (_resized(images, digit_size), np.asarray(labels, np.int64))
          for name, (images, labels) in parts.items()}


def _resized(images, size):
  """Scales images with antialiasing: uint8 [N, H, H] -> uint8 [N, size, size]."""
  if images.shape[1] == size:
    return images
  lanczos = Image.Resampling.LANCZOS
  resized = [Image.fromarray(image).resize((size, size), lanczos) for image in images]
  return np.stack([np.asarray(image) for image in resized])


def _enlarge(image, size):
  """Scales up an 8x8 image of averages in [0, 1], so that it looks like handwriting.

  Interpolated averages are a blur around the stroke. Stretching the middle of their range gives the
  stroke a full core and a narrow grey edge, as in MNIST.
  """
  inner = round(size * 22 / 28)
  image = Image.fromarray(image.astype(np.float32)).resize((inner, inner), Image.Resampling.BICUBIC)
  stroke = np.clip((np.asarray(image) - 0.35) / (0.8 - 0.35), 0, 1)
  before = (size - inner) // 2
  return np.pad(np.round(255 * stroke).astype(np.uint8), (before, size - inner - before))
