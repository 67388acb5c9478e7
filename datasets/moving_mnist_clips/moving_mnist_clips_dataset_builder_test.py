"""Tests of small variants of Moving MNIST: TFDS's checks of the builder, and ours of the videos."""

import gzip
import os
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.datasets import building
from tf_videogen.datasets.moving_mnist_clips import digits
from tf_videogen.datasets.moving_mnist_clips import moving_digits
from tf_videogen.datasets.moving_mnist_clips import moving_mnist_clips_dataset_builder

Builder = moving_mnist_clips_dataset_builder.Builder
_COUNTS = dict(train=6, validation=4, test=3, tiny=2)


def _config(name, **changes):
  fields = {**_COUNTS, **changes}
  return moving_mnist_clips_dataset_builder.MovingMnistConfig(name=name, **fields)


def _write_manual_dir(path, published=5):
  """Writes digits in the layout of Keras's mnist.npz, and published test videos [T, N, H, W]."""
  rng = np.random.default_rng(0)
  noise = lambda *shape: rng.integers(256, size=shape, dtype=np.uint8)
  arrays = {'x_train': noise(24, 28, 28), 'y_train': np.arange(24) % 10,
            'x_test': noise(8, 28, 28), 'y_test': np.arange(8)}
  np.savez(os.path.join(path, 'mnist.npz'), **arrays)
  videos = noise(20, published, 64, 64)
  np.save(os.path.join(path, 'mnist_test_seq.npy'), videos)
  return arrays, videos


def _build(data_dir, config, manual_dir=None):
  builder = Builder(data_dir=str(data_dir), config=config)
  download_config = tfds.download.DownloadConfig(manual_dir=manual_dir)
  builder.download_and_prepare(download_config=download_config)
  return builder


def _metadata(builder):
  """Returns the metadata that is stored beside the data, read without the builder."""
  return tfds.builder_from_directory(builder.data_dir).info.metadata


class MovingMnistClipsTest(building.BuilderTestCase):
  """TFDS's checks: metadata, features, splits without overlap, reading back."""

  DATASET_CLASS = Builder
  SPLITS = _COUNTS
  BUILDER_CONFIG_NAMES_TO_TEST = [
      _config('unit_optdigits', frames=5),
      _config('unit_published', digits='mnist', published_test='mnist_test_seq.npy'),
  ]

  @staticmethod
  def write(folder):
    """Writes digits and published videos. Their number is the number of test videos in `SPLITS`."""
    _write_manual_dir(folder, published=_COUNTS['test'])


@pytest.mark.slow
class OtherConfigsTest(MovingMnistClipsTest):
  """The same checks for one digit, and for digits of MNIST with generated test videos."""

  BUILDER_CONFIG_NAMES_TO_TEST = [
      _config('unit_one_digit', num_digits=1, frames=5, size=32, digit_size=20),
      _config('unit_mnist', digits='mnist', frames=5),
  ]


def test_registered_configs():
  configs = Builder.builder_configs
  assert list(configs) == ['optdigits', 'optdigits_small', 'mnist', 'mnist_small']
  for name in ('optdigits', 'mnist'):
    config = configs[name]
    assert (config.train, config.validation, config.test) == (100_000, 10_000, 10_000)
    assert (config.num_digits, config.frames) == (2, 20)
    assert (config.size, config.digit_size, config.step_length) == (64, 28, 0.1)
  for name in ('optdigits_small', 'mnist_small'):
    assert (configs[name].num_digits, configs[name].size) == (1, 32)
  assert configs['mnist'].published_test and not configs['mnist_small'].published_test


def test_videos_are_those_of_the_generator(tmp_path):
  builder = _build(tmp_path, _config('unit'))
  parts = digits.optdigits(28)
  for split, part in {**{name: name for name in parts}, 'tiny': 'train'}.items():
    examples = building.examples(builder, split)
    assert sorted(examples) == [f'{split}_{i:06d}' for i in range(_COUNTS[split])]
    for index in range(_COUNTS[split]):
      rng = moving_digits.random_generator(2015, split, index)
      expected, _ = moving_digits.moving_digits(parts[part][0], rng)
      np.testing.assert_array_equal(examples[f'{split}_{index:06d}']['video'], expected)


def test_more_videos_start_with_the_same_ones(tmp_path):
  few = building.examples(_build(tmp_path, _config('few', train=2)), 'train')
  many = building.examples(_build(tmp_path, _config('many', train=5)), 'train')
  for name, example in few.items():
    np.testing.assert_array_equal(example['video'], many[name]['video'])


def test_label_of_one_digit(tmp_path):
  builder = _build(tmp_path, _config('unit', num_digits=1, frames=4, size=28))  # the digit stays
  images, labels = digits.optdigits(28)['train']
  for example in building.examples(builder, 'train').values():
    for frame in example['video']:
      shown = np.flatnonzero((images == frame[:, :, 0]).all(axis=(1, 2)))
      assert labels[shown].tolist() == [example['label']]
  assert 'label' not in _build(tmp_path, _config('two')).info.features


def test_published_videos_are_the_test_split(tmp_path):
  manual_dir = tmp_path / 'manual'
  manual_dir.mkdir()
  _, videos = _write_manual_dir(manual_dir)
  config = _config('unit', digits='mnist', published_test='mnist_test_seq.npy')
  builder = _build(tmp_path, config, str(manual_dir))
  examples = building.examples(builder, 'test')
  assert len(examples) == 5
  for index in range(5):
    np.testing.assert_array_equal(examples[f'test_{index:06d}']['video'][..., 0], videos[:, index])
  assert _metadata(builder)['test_videos'] == 'mnist_test_seq.npy'
  os.remove(manual_dir / 'mnist_test_seq.npy')
  builder = _build(tmp_path / 'other', config, str(manual_dir))
  assert len(building.examples(builder, 'test')) == _COUNTS['test']
  assert _metadata(builder)['test_videos'] == 'generated'


def test_published_videos_of_another_shape(tmp_path):
  manual_dir = tmp_path / 'manual'
  manual_dir.mkdir()
  _write_manual_dir(manual_dir)
  np.save(manual_dir / 'mnist_test_seq.npy', np.zeros((5, 20, 64, 64), np.uint8))
  config = _config('unit', digits='mnist', published_test='mnist_test_seq.npy')
  message = r'holds uint8 \[5, 20, 64, 64\], expected uint8 \[20, N, 64, 64\]'
  with pytest.raises(ValueError, match=message):
    _build(tmp_path, config, str(manual_dir))


def test_published_videos_are_looked_at_first(tmp_path, monkeypatch):
  """Before a hundred thousand others are made, and before digits are downloaded."""
  manual_dir = tmp_path / 'manual'
  manual_dir.mkdir()
  path = manual_dir / 'mnist_test_seq.npy'
  monkeypatch.setattr(Builder, '_digits', lambda *args: pytest.fail('too early'))
  config = _config('unit', digits='mnist', published_test='mnist_test_seq.npy')
  np.save(path, np.zeros((20, 5, 64, 64), np.uint8))
  whole = path.read_bytes()
  np.save(path, np.zeros((5, 20, 64, 64), np.uint8))
  for content, message in ((whole[:-9], 'cannot be read as arrays'), (b'', 'cannot be read'),
                           (path.read_bytes(), r'holds uint8 \[5, 20, 64, 64\]')):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
      _build(tmp_path / 'data', config, str(manual_dir))


def _write_idx(folder, arrays, suffix='.gz'):
  for name, array in arrays.items():
    kind, part = name.split('_')
    kind, part = {'x': 'images', 'y': 'labels'}[kind], {'train': 'train', 'test': 't10k'}[part]
    content = struct.pack(f'>HBB{array.ndim}I', 0, 8, array.ndim, *array.shape)
    content += array.astype(np.uint8).tobytes()
    path = folder / f'{part}-{kind}-idx{array.ndim}-ubyte{suffix}'
    path.write_bytes(gzip.compress(content) if suffix else content)


@pytest.mark.parametrize('suffix', ['.gz', ''])
def test_original_files_of_mnist(tmp_path, monkeypatch, suffix):
  monkeypatch.setattr(Builder, '_downloaded_mnist', lambda self: pytest.fail('a download'))
  folder = tmp_path / 'manual' / 'MNIST' / 'raw'
  folder.mkdir(parents=True)
  arrays, _ = _write_manual_dir(str(tmp_path))
  _write_idx(folder, arrays, suffix)
  builder = Builder(data_dir=str(tmp_path / 'data'), config='mnist')
  found = builder._digits(building.FakeDownloads(tmp_path / 'manual'))
  for part, (images, labels) in digits.mnist_from_file(str(tmp_path / 'mnist.npz'), 28).items():
    np.testing.assert_array_equal(found[part][0], images)
    np.testing.assert_array_equal(found[part][1], labels)
  damaged = folder / f't10k-images-idx3-ubyte{suffix}'
  damaged.write_bytes(damaged.read_bytes()[:-9])
  with pytest.raises(ValueError, match='t10k-images-idx3-ubyte.* is no whole file of MNIST'):
    builder._digits(building.FakeDownloads(tmp_path / 'manual'))
  damaged.unlink()
  with pytest.raises(ValueError, match='the files of t10k-images are missing; MNIST has four'):
    builder._digits(building.FakeDownloads(tmp_path / 'manual'))


def test_no_silent_download(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(Builder, '_downloaded_mnist', lambda self: 'digits')
  (tmp_path / 'my_mnist.zip').touch()
  builder = Builder(data_dir=str(tmp_path / 'data'), config='mnist')
  assert builder._digits(building.FakeDownloads(tmp_path)) == 'digits'
  assert capsys.readouterr().out == (
      f'{tmp_path} has nothing that is known as MNIST, but my_mnist.zip: it is downloaded\n')


def test_mnist_of_tfds_where_there_is_no_file(tmp_path, monkeypatch):
  """The arrays of TFDS's `mnist` give the same digits as the arrays of a file."""
  arrays, _ = _write_manual_dir(str(tmp_path))

  class FakeMnist:
    def download_and_prepare(self):
      pass

    def as_dataset(self, split, batch_size):
      assert batch_size == -1
      return {'image': arrays[f'x_{split}'][..., np.newaxis], 'label': arrays[f'y_{split}']}

  monkeypatch.setattr(tfds, 'builder', lambda name, data_dir: FakeMnist())
  monkeypatch.setattr(tfds, 'as_numpy', lambda dataset: dataset)
  downloaded = Builder(data_dir=str(tmp_path), config='mnist')._downloaded_mnist()
  from_file = digits.mnist_from_file(str(tmp_path / 'mnist.npz'), 28)
  for part, (images, labels) in from_file.items():
    np.testing.assert_array_equal(downloaded[part][0], images)
    np.testing.assert_array_equal(downloaded[part][1], labels)


@pytest.mark.real_data
def test_real_digits(real_data, tmp_path):
  building.assert_makes_clips(_prepare_real(real_data, tmp_path))


@pytest.mark.slow
@pytest.mark.real_data
def test_training_on_real_digits(real_data, tmp_path):
  building.train_ten_steps(_prepare_real(real_data, tmp_path), tmp_path)


def _prepare_real(real_data, tmp_path):
  """Prepares videos of the digits of MNIST, and checks the result."""
  builder = building.prepare(
      Builder, tmp_path, _config('unit_real', digits='mnist'), manual=real_data / 'moving_mnist')
  counts = building.videos(builder)
  assert counts == _COUNTS
  example = building.examples(builder, 'train')['train_000000']
  assert example['video'].shape == (20, 64, 64, 1) and example['video'].max() > 250
  return builder


def test_no_network(tmp_path, monkeypatch):
  class Unreachable:
    def download_and_prepare(self):
      raise ConnectionError('no route')

  monkeypatch.setattr(tfds, 'builder', lambda name, data_dir: Unreachable())
  with pytest.raises(FileNotFoundError, match='MNIST cannot be downloaded.*put the mnist.npz'):
    Builder(data_dir=str(tmp_path), config='mnist_small')._downloaded_mnist()


if __name__ == '__main__':
  tfds.testing.test_main()
