"""Builder of Moving MNIST and its variants; see the README.md beside this file.

The splits are training, validation and test videos, and a tiny one.
"""

import dataclasses
import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen import files
from tf_videogen.datasets.moving_mnist_clips import digits as digit_images
from tf_videogen.datasets.moving_mnist_clips import moving_digits
from tf_videogen.preparation import piece_builder
from tf_videogen.preparation import png
from tf_videogen.preparation import raw_files

_SEED = 2015


@dataclasses.dataclass
class MovingMnistConfig(tfds.core.BuilderConfig):
  """One family of moving digits. The default sizes and speed are those of Srivastava et al.

  Attributes:
    digits: images of the digits, 'optdigits', which needs no download, or 'mnist'.
    num_digits: number of digits in a video.
    frames: number of frames of a video.
    size: height and width of the canvas, in pixels.
    digit_size: height and width of a digit, in pixels.
    step_length: distance that a digit moves per frame, in units of the free part of the canvas.
    train: number of training videos.
    validation: number of validation videos.
    test: number of test videos, if they are generated.
    tiny: number of videos in the split `tiny`, which are made of training digits.
    published_test: name of a file in the manual directory. If it is there, it is the test split.
      '' if there is no such file.
  """
  digits: str = 'optdigits'
  num_digits: int = 2
  frames: int = 20
  size: int = 64
  digit_size: int = 28
  step_length: float = 0.1
  train: int = 100_000
  validation: int = 10_000
  test: int = 10_000
  tiny: int = 100
  published_test: str = ''


_SMALL = dict(
    num_digits=1, frames=16, size=32, digit_size=20, train=10_000, validation=500, test=500)


class Builder(piece_builder.PieceBuilder):
  """Videos of handwritten digits that bounce in a square."""

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      'The configs of optdigits need nothing. Those of MNIST read the digits from `mnist.npz`, in '
      'the layout of Keras, or from the four original files, `train-images-idx3-ubyte.gz` and so '
      'on, if they are in this directory, and else download them. The config '
      '`mnist` takes the published test videos from `mnist_test_seq.npy` if it is in this '
      'directory, and else generates test videos.')
  BUILDER_CONFIGS = [
      MovingMnistConfig(
          name='optdigits', description='Two digits of scikit-learn; the sizes of the paper.'),
      MovingMnistConfig(
          name='optdigits_small', description='One digit of scikit-learn, 32x32.', **_SMALL),
      MovingMnistConfig(
          name='mnist', description='Two digits of MNIST; the sizes of the paper.',
          digits='mnist', published_test='mnist_test_seq.npy'),
      MovingMnistConfig(
          name='mnist_small', description='One digit of MNIST, 32x32.', digits='mnist', **_SMALL),
  ]

  def _info(self):
    config = self.builder_config
    features = {
        'video': tfds.features.Video(shape=(None, config.size, config.size, 1)),
        'id': tfds.features.Text(),
    }
    if config.num_digits == 1:
      features['label'] = tfds.features.ClassLabel(num_classes=10)
    return self.dataset_info_from_configs(
        homepage='https://www.cs.toronto.edu/~nitish/unsupervised_video/',
        **self._stored(features, test_videos='generated', digits=config.digits))

  def _split_generators(self, dl_manager):
    config = self.builder_config
    published = config.published_test and _manual_file(dl_manager, config.published_test)
    if published:
      self._published(published)  # a wrong file is told before others are made
    digits = self._digits(dl_manager)
    generate = self._generate_examples
    splits = {
        'train': generate('train', digits['train'], config.train),
        'validation': generate('validation', digits['validation'], config.validation),
        'test': generate('test', digits['test'], config.test),
        'tiny': generate('tiny', digits['train'], config.tiny),
    }
    if published:
      self.info.metadata['test_videos'] = config.published_test
      splits['test'] = self._published_examples(published)
    return splits

  def _generate_examples(self, split, digits, count):
    """Yields the pieces of `count` videos; video i is a function of (split, i) alone."""
    config = self.builder_config
    images, labels = digits
    in_pieces = self._in_pieces(split)
    for index in range(count):
      rng = moving_digits.random_generator(_SEED, split, index)
      video, chosen = moving_digits.moving_digits(
          images, rng, config.num_digits, config.frames, config.size, config.step_length)
      label = labels[chosen[0]] if config.num_digits == 1 else None
      yield from in_pieces(index, _example(split, index, video, label))

  def _published(self, path):
    """Returns the published array, uint8 [T, N, H, W]."""
    config = self.builder_config
    videos = files.read_arrays(path).get('', np.zeros(0))
    expected = (config.frames, config.size, config.size)
    shape = videos.shape
    if videos.dtype != np.uint8 or len(shape) != 4 or shape[:1] + shape[2:] != expected:
      raise ValueError(f'{path} holds {videos.dtype} {list(videos.shape)}, expected uint8 '
                       f'[{config.frames}, N, {config.size}, {config.size}]; download it again')
    return videos

  def _published_examples(self, path):
    """Yields the pieces of the videos of the published array."""
    videos, in_pieces = self._published(path), self._in_pieces('test')
    for index in range(videos.shape[1]):
      yield from in_pieces(index, _example('test', index, videos[:, index, :, :, np.newaxis]))

  def _digits(self, dl_manager):
    """Returns the config's digits: name of a part -> (images uint8 [N, D, D], labels int64 [N])."""
    config = self.builder_config
    if config.digits == 'optdigits':
      return digit_images.optdigits(config.digit_size)
    if config.digits != 'mnist':
      raise ValueError(f"digits must be 'optdigits' or 'mnist', got {config.digits!r}")
    path = _manual_file(dl_manager, digit_images.MNIST_FILE)
    if path:
      return digit_images.mnist_from_file(path, config.digit_size)
    folder = raw_files.manual_dir(dl_manager)
    idx = digit_images.idx_files(
        [os.path.join(folder, name) for name in raw_files.find(folder, ('ubyte', 'ubyte.gz'))]
    ) if folder else {}
    if idx:
      return digit_images.mnist_from_idx(idx, config.digit_size)
    raw_files.tell_download(dl_manager, 'MNIST')
    return self._downloaded_mnist()

  def _downloaded_mnist(self):
    """Returns the digits of TFDS's own `mnist`, which is prepared first if it isn't yet."""
    builder = tfds.builder('mnist', data_dir=self.data_dir_root)
    try:
      builder.download_and_prepare()
    except OSError as error:
      raise FileNotFoundError(
          f'MNIST cannot be downloaded ({type(error).__name__}): put the {digit_images.MNIST_FILE} '
          'of Keras, or the four original files, into a folder and give it with --manual_dir, '
          'or prepare a config of optdigits'
      ) from error
    parts = [tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
             for split in ('train', 'test')]
    arrays = [array for part in parts for array in (part['image'][..., 0], part['label'])]
    return digit_images.mnist(*arrays, self.builder_config.digit_size)


def _example(split, index, video, label=None):
  """Returns the example of a whole video uint8 [T, H, W, 1]."""
  example = {'video': [png.encode(frame) for frame in video], 'id': f'{split}_{index:06d}'}
  if label is not None:
    example['label'] = label
  return example


def _manual_file(dl_manager, name):
  """Returns the path of a file in the manual directory; None if it or the directory is missing."""
  folder = raw_files.manual_dir(dl_manager)
  path = folder and os.path.join(folder, name)
  return path if path and tf.io.gfile.exists(path) else None
