"""Tests of BDD100K: folders and archives, every second frame, videos that are stored rotated."""

import zipfile

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from tests import raw_data
from tests.datasets import building
from tf_videogen.datasets.bdd100k_clips import bdd100k_clips_dataset_builder
from tf_videogen.preparation import video_builder

Builder = bdd100k_clips_dataset_builder.Builder
_NAMES = {'train': ['0000f77c-6257be58', '00091078-59817bb0'], 'val': ['b1c66a42-6f7d68ca'],
          'test': ['cabc30fc-e7726578']}


def _write(root):
  """Writes landscape videos. A split's second one is stored on its side, with a note to turn it."""
  for split, names in _NAMES.items():
    for i, name in enumerate(names):
      video = raw_data.moving_square(40, 36, 64, seed=i)
      stored = np.ascontiguousarray(np.rot90(video, i, axes=(1, 2)))
      raw_data.write_video(
          root / 'bdd100k' / 'videos' / split / f'{name}.mov', stored, fps=30, rotation=i)


class Bdd100kClipsTest(building.BuilderTestCase):
  """TFDS's checks."""

  DATASET_CLASS = Builder
  SPLITS = {'train': 2, 'validation': 1, 'test': 1}
  BUILDER_CONFIG_NAMES_TO_TEST = ['64']
  write = staticmethod(_write)


def test_examples(tmp_path):
  _write(tmp_path / 'manual')
  builder = building.prepare(Builder, tmp_path, '128')
  train = building.examples(builder, 'train')
  assert set(train) == set(_NAMES['train'])
  for i, name in enumerate(_NAMES['train']):
    assert train[name]['video'].shape == (20, 128, 228, 3) and train[name]['fps'] == 15
    expected = raw_data.moving_square(40, 36, 64, seed=i)[::2].astype(float)
    small = np.stack([Image.fromarray(frame).resize((64, 36)) for frame in train[name]['video']])
    assert np.abs(small - expected).mean() < 8  # above 30 for any other rotation or speed
  building.assert_makes_clips(builder)


@pytest.mark.slow
def test_training(tmp_path):
  _write(tmp_path / 'manual')
  building.train_ten_steps(building.prepare(Builder, tmp_path, '128'), tmp_path)


def test_archives(tmp_path):
  _write(tmp_path / 'raw')
  (tmp_path / 'manual').mkdir()
  for split in _NAMES:
    with zipfile.ZipFile(tmp_path / 'manual' / f'bdd100k_videos_{split}_00.zip', 'w') as archive:
      for path in (tmp_path / 'raw').rglob(f'{split}/*.mov'):
        archive.write(path, path.relative_to(tmp_path / 'raw'))
  builder = building.prepare(Builder, tmp_path, '64')
  assert building.videos(builder) == {
      'train': 2, 'validation': 1, 'test': 1}


@pytest.mark.parametrize('beam_runner', [None, 'DirectRunner'])
def test_one_damaged_video_in_an_archive(tmp_path, beam_runner):
  """It is left out and named, as one that lies open; any name does in the folder of a split."""
  _write(tmp_path / 'raw')
  path = tmp_path / 'manual' / 'train' / 'videos.zip'
  path.parent.mkdir(parents=True)
  with zipfile.ZipFile(path, 'w') as archive:
    for name in _NAMES['train']:
      archive.write(tmp_path / 'raw' / 'bdd100k' / 'videos' / 'train' / f'{name}.mov',
                    f'{name}.mov')
  content = bytearray(path.read_bytes())
  content[content.index(b'mdat') + 50] ^= 1
  path.write_bytes(content)
  builder = building.prepare(
      Builder, tmp_path, '64', beam_runner=beam_runner, max_failed_share=0.5)
  assert list(building.examples(builder, 'train')) == _NAMES['train'][1:]
  failed, = building.report(builder)['failed']
  assert (failed['id'], failed['path'], failed['reason'], failed['detail']) == (
      _NAMES['train'][0], f'{path}/{_NAMES["train"][0]}.mov', 'unreadable',
      'damaged in its archive')


@pytest.mark.real_data
def test_real_archive_with_a_damaged_video(real_data, tmp_path):
  config = video_builder.VideoConfig(name='short', short_side=32, min_frames=1)
  builder = building.prepare(Builder, tmp_path, config, max_failed_share=0.5,
                             manual=real_data / 'field/bdd_zip_bad_member/manual')
  assert len(building.examples(builder, 'train')) == 2
  assert building.reasons(builder) == {'abf68b89-3b76fa6a': 'unreadable'}


if __name__ == '__main__':
  tfds.testing.test_main()
