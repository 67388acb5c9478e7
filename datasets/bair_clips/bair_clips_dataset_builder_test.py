"""Tests of BAIR: raw frames, actions, both evaluation splits, damaged records."""

import pickle
import tarfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests import raw_data
from tests.preparation import mutations
from tests.datasets import building
from tf_videogen.datasets.bair_clips import bair_clips_dataset_builder

Builder = bair_clips_dataset_builder.Builder


def _write(root):
  """Writes ten training videos in two files and two test videos; returns the training videos."""
  _, later = raw_data.write_bair(root, 'train', 4, 6)
  _, first = raw_data.write_bair(root, 'train', 0, 4)
  raw_data.write_bair(root, 'test', 0, 2)
  return np.concatenate([first, later])


class BairClipsTest(building.BuilderTestCase):
  """TFDS's checks."""

  DATASET_CLASS = Builder
  SPLITS = {'train': 10, 'test': 2}
  BUILDER_CONFIG_NAMES_TO_TEST = ['original']
  write = staticmethod(_write)


def test_original(tmp_path):
  videos = _write(tmp_path / 'manual')
  builder = building.prepare(Builder, tmp_path, 'original')
  train = building.examples(builder, 'train')
  assert sorted(train) == [f'train_{i:05d}' for i in range(10)]
  for i, name in enumerate(sorted(train)):
    np.testing.assert_array_equal(train[name]['video'], videos[i])
    np.testing.assert_array_equal(train[name]['actions'][:, 1], i + np.arange(30))
    np.testing.assert_array_equal(train[name]['positions'].shape, (30, 3))
  assert sorted(building.examples(builder, 'test')) == ['test_00000', 'test_00001']
  building.assert_makes_clips(builder)


@pytest.mark.slow
def test_training(tmp_path):
  _write(tmp_path / 'manual')
  building.train_ten_steps(building.prepare(Builder, tmp_path, 'original'), tmp_path)


def test_balanced(tmp_path):
  _write(tmp_path / 'manual')
  builder = building.prepare(Builder, tmp_path, 'balanced')
  assert sorted(building.examples(builder, 'train')) == [f'train_{i:05d}' for i in range(7)]
  assert sorted(building.examples(builder, 'test')) == [
      'test_00000', 'test_00001', 'train_00007', 'train_00008', 'train_00009']


def test_balanced_as_in_the_paper():
  """13,235 of 43,264 training videos and 256 test videos are for testing."""
  files = [bair_clips_dataset_builder.Records('', 'train', first, 0, 256)
           for first in range(0, 43264, 256)]
  train, moved = bair_clips_dataset_builder._divided(files, round(0.7 * 43264))
  assert sum(piece.videos for piece in train) == 30285
  assert sum(piece.videos for piece in moved) + 256 == 13235


def test_archive(tmp_path):
  _write(tmp_path / 'raw')
  (tmp_path / 'manual').mkdir()
  with tarfile.open(tmp_path / 'manual' / 'bair_robot_pushing_dataset_v0.tar', 'w') as archive:
    archive.add(tmp_path / 'raw' / 'softmotion30_44k', 'softmotion30_44k')
  builder = building.prepare(Builder, tmp_path, 'original')
  assert building.videos(builder)['train'] == 10


@pytest.mark.parametrize('manual', [False, True])
def test_downloads(tmp_path, monkeypatch, manual):
  """If the manual directory is missing, or has other data sets, the archive is downloaded."""
  _write(tmp_path / 'raw')
  if manual:
    (tmp_path / 'manual' / 'kinetics600').mkdir(parents=True)
    (tmp_path / 'manual' / 'kinetics600' / 'records.tfrecords').touch()
  with tarfile.open(tmp_path / 'fetched', 'w') as archive:
    archive.add(tmp_path / 'raw' / 'softmotion30_44k', 'softmotion30_44k')
  monkeypatch.setattr(
      tfds.download.DownloadManager, 'download', lambda self, url: tmp_path / 'fetched')
  builder = building.prepare(Builder, tmp_path, 'balanced', manual=manual)
  assert building.videos(builder)['test'] == 5


def test_damage(tmp_path):
  _write(tmp_path / 'manual')
  path, _ = raw_data.write_bair(tmp_path / 'manual', 'train', 10, 4, without=['7/action'])
  cut, _ = raw_data.write_bair(tmp_path / 'manual', 'train', 14, 3)
  content = cut.read_bytes()
  cut.write_bytes(content[:len(content) // 2])
  builder = building.prepare(Builder, tmp_path, 'original', max_failed_share=0.5)
  assert building.reasons(builder) == {
      **{f'train_{i:05d}': 'incomplete' for i in range(10, 14)},
      'train_00015': 'truncated', 'train_00016': 'truncated'}
  assert building.videos(builder)['train'] == 11
  assert builder.info.metadata['frame_counts'] == {'train': {'30': 11}, 'test': {'30': 2}}


@pytest.mark.slow
def test_five_hundred_broken_files(tmp_path):
  """Every video of each file is read, or refused with a reason."""
  path, _ = raw_data.write_bair(tmp_path, 'train', 0, 2)
  content = path.read_bytes()
  reader = bair_clips_dataset_builder._Reader()
  read = 0
  for mutated in mutations.of([content], 500):
    path.write_bytes(mutated)
    piece = bair_clips_dataset_builder.Records(str(path), 'train', 0, 0, 2)
    results = list(reader.read(piece))
    assert [outcome.name for outcome, _ in results] == ['train_00000', 'train_00001']
    assert all((example is None) == bool(outcome.reason) for outcome, example in results)
    read += sum(example is not None for _, example in results)
  assert 50 < read < 950


def test_a_missing_file(tmp_path):
  piece = bair_clips_dataset_builder.Records(str(tmp_path / 'none'), 'test', 0, 0, 1)
  (outcome, example), = bair_clips_dataset_builder._Reader().read(piece)
  assert (outcome.reason, example) == ('missing', None)


def test_records_that_are_no_examples(tmp_path):
  with tf.io.TFRecordWriter(str(tmp_path / 'a')) as writer:
    writer.write(b'\xff\xff nothing')
  piece = bair_clips_dataset_builder.Records(str(tmp_path / 'a'), 'test', 0, 0, 1)
  (outcome, _), = bair_clips_dataset_builder._Reader().read(piece)
  assert outcome.reason in ('undecodable', 'incomplete')


def test_the_reader_reaches_the_workers_of_beam(tmp_path):
  path, _ = raw_data.write_bair(tmp_path, 'train', 0, 2)
  piece = bair_clips_dataset_builder.Records(str(path), 'train', 0, 0, 2)
  with pickle.loads(pickle.dumps(bair_clips_dataset_builder._Reader())) as reader:
    read = list(reader.read(pickle.loads(pickle.dumps(piece))))
  assert [outcome.name for outcome, _ in read] == ['train_00000', 'train_00001']
  assert all(example is not None for _, example in read)


@pytest.mark.slow
def test_beam(tmp_path):
  """Beam writes the same examples and the same report as a run without Beam."""
  _write(tmp_path / 'manual')
  raw_data.write_bair(tmp_path / 'manual', 'train', 10, 1, without=['7/action'])
  plain = building.prepare(Builder, tmp_path, 'original')
  on_beam = building.prepare(
      Builder, tmp_path / 'beam', 'original', tmp_path / 'manual', beam_runner='DirectRunner')
  building.assert_same(plain, on_beam)


if __name__ == '__main__':
  tfds.testing.test_main()
