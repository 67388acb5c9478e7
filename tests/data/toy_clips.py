"""Small data sets for tests of clips, whose pixels tell the example and the frame."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tf_videogen.preparation import piece_builder

EXAMPLES, STORED_FRAMES, SIZE = 23, 9, 8


def video_of(example, stored_frames=STORED_FRAMES, channels=1):
  """A video whose pixels tell the example and the frame."""
  video = np.zeros((stored_frames, SIZE, SIZE, channels), np.uint8)
  video[:, 0] = example
  video[:, 1] = np.arange(stored_frames)[:, None, None]
  video[:, 2:] = np.random.default_rng(example).integers(256, size=video[:, 2:].shape)
  return video


def actions_of(example):
  """Actions that tell the example and the frame: float32 [frames, 3]."""
  frames = np.arange(STORED_FRAMES, dtype=np.float32)
  return np.stack([np.full_like(frames, example), frames, -frames], axis=-1)


def _examples():
  return [{'video': video_of(i), 'id': f'clip{i}', 'label': i % 5, 'actions': actions_of(i)}
          for i in range(EXAMPLES)]


def store(data_dir, name, features, splits, config=None, num_shards=3):
  """Writes a small TFDS data set: `splits` are lists of examples."""
  tfds.dataset_builders.AdhocBuilder(
      name=name, version='1.0.0', features=features, config=config, data_dir=str(data_dir),
      split_datasets={split: list(enumerate(examples)) for split, examples in splits.items()},
  ).download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=num_shards))


def store_toy(data_dir):
  """Videos with ids, labels and actions, toy/small: splits train and test."""
  features = tfds.features.FeaturesDict({
      'video': tfds.features.Video(shape=(STORED_FRAMES, SIZE, SIZE, 1)),
      'id': tfds.features.Text(),
      'label': tfds.features.ClassLabel(num_classes=5),
      'actions': tfds.features.Tensor(shape=(STORED_FRAMES, 3), dtype=np.float32),
  })
  splits = {'train': _examples(), 'test': _examples()[:7]}
  store(data_dir, 'toy', features, splits, config='small')


@pytest.fixture(name='files')
def files_fixture(tmp_path):
  """Paths of a training and a test file."""
  arrays = {'video': np.stack([video_of(i) for i in range(EXAMPLES)]),
            'label': np.arange(EXAMPLES) % 5,
            'actions': np.stack([actions_of(i) for i in range(EXAMPLES)])}
  paths = str(tmp_path / 'train.npz'), str(tmp_path / 'test.npz')
  np.savez(paths[0], **arrays)
  np.savez(paths[1], **{name: array[:7] for name, array in arrays.items()})
  return paths


def arrays(dataset, batches=None):
  """Batches of a data set, all or the first ones."""
  return list((dataset.take(batches) if batches else dataset).as_numpy_iterator())


def assert_same(batches, others):
  """Checks that batches are the same, name by name."""
  assert len(batches) == len(others)
  for batch, other in zip(batches, others):
    assert batch.keys() == other.keys()
    for name, value in batch.items():
      np.testing.assert_array_equal(value, other[name], name)


def numbers(batch):
  """Which examples a batch holds, by their pixels."""
  return batch['video'][:, 0, 0, 0, 0].tolist()


class ToyPieces(piece_builder.PieceBuilder, skip_registration=True):
  """Videos in pieces, as the suite's builders store them: `splits` are lists of examples."""

  VERSION = tfds.core.Version('2.0.0')
  FRAMEWISE = ('video', 'actions')
  splits = None

  def _info(self):
    return tfds.core.DatasetInfo(builder=self, description='toy', **self._stored({
        'video': tfds.features.Video(shape=(None, None, None, 1)),
        'id': tfds.features.Text(),
        'label': tfds.features.ClassLabel(num_classes=5),
        'actions': tfds.features.Tensor(shape=(None, 3), dtype=np.float32)}))

  def _split_generators(self, dl_manager):
    return {split: self._generate_examples(split, found) for split, found in self.splits.items()}

  def _generate_examples(self, split, found):
    for example in found:
      yield from self._in_pieces(split)(example['id'], example)


def store_pieces(data_dir, splits, num_shards=None):
  """Writes `toy_pieces` of examples like `example_of`; returns the folder with the files."""
  builder = ToyPieces(data_dir=str(data_dir))
  builder.splits = splits
  builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=num_shards))
  return pathlib.Path(builder.data_dir)


def example_of(number, stored_frames, video=None):
  """An example of `toy_pieces`: by default a video that tells the example and the frame."""
  frames = np.arange(stored_frames, dtype=np.float32)
  return {'video': video_of(number, stored_frames) if video is None else video,
          'id': f'clip{number}', 'label': number % 5,
          'actions': np.stack([np.full_like(frames, number), frames, -frames], axis=-1)}
