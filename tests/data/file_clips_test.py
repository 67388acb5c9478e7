"""Clips of files: arrays on disk, real videos, identity, errors."""

import json
import os

import numpy as np
import pytest

from tests.data import toy_clips
from tf_videogen.data import clips

files = toy_clips.files_fixture  # a fixture


def test_array_on_disk(tmp_path):
  np.save(tmp_path / 'videos.npy', np.stack([toy_clips.video_of(i) for i in range(3)]))
  made = clips.FileClips(str(tmp_path / 'videos.npy'), 4)
  assert isinstance(made._arrays('train')['video'], np.memmap)
  batch, = toy_clips.arrays(made.evaluation('train', 3))
  np.testing.assert_array_equal(
      batch['video'], np.stack([toy_clips.video_of(i)[:4] for i in range(3)]))
  assert batch['id'].tolist() == [b'train:0', b'train:1', b'train:2']


VIDEO = np.zeros((2, 4, 8, 8, 1), np.uint8)


@pytest.mark.parametrize('arrays, message', [
    ({'clips': VIDEO}, 'has no array `video`; it has: clips'),
    ({'video': VIDEO.astype(np.float32)}, r'must be uint8 .*, got float32 \[2, 4, 8, 8, 1\]'),
    ({'video': VIDEO[..., 0]}, r'`video` in .* got uint8 \[2, 4, 8, 8\]'),
    ({'video': VIDEO[:, :3]}, 'has 3 frames, but clips of frames=4'),
    ({'video': VIDEO, 'label': np.zeros(3, np.int64)}, '`label` in .* must be integers'),
    ({'video': VIDEO, 'label': np.zeros(2)}, '`label` in .* got float64'),
    ({'video': VIDEO, 'actions': np.zeros((2, 3, 1))}, '`actions` in .* must be numbers'),
])
def test_errors_of_files(tmp_path, arrays, message):
  np.savez(tmp_path / 'bad.npz', **arrays)
  with pytest.raises(ValueError, match=message):
    clips.FileClips(str(tmp_path / 'bad.npz'), 4).training(1, seed=0)


def test_splits_that_differ(tmp_path):
  np.savez(tmp_path / 'train.npz', video=VIDEO, label=np.zeros(2, np.int64))
  np.savez(tmp_path / 'test.npz', video=VIDEO)
  made = clips.FileClips(str(tmp_path / 'train.npz'), 4, test_path=str(tmp_path / 'test.npz'))
  with pytest.raises(ValueError, match=r"test.npz has {'video'.* but .*train.npz has {'label'"):
    made.evaluation('test', 2)


def test_missing_file(tmp_path):
  with pytest.raises(FileNotFoundError, match='there is no file .*none.npz'):
    clips.FileClips(str(tmp_path / 'none.npz'), 4).count('train')


@pytest.mark.real_data
def test_real_robot_videos(real_data):
  made = clips.FileClips(str(real_data / 'bair' / 'bair_ground_truth_4x30.npz'), 16)
  assert made.example_spec()['video'].shape == [16, 64, 64, 3]
  batch, = toy_clips.arrays(made.training(4, seed=0), 1)
  assert sorted(batch['id'].tolist()) == [f'train:{i}'.encode() for i in range(4)]
  assert batch['video'].std() > 10


# --- identity: what statistics of clips are kept by ---


def test_identity_of_files(files):
  def identity(frames=4, frame_step=1, split='train'):
    source = clips.FileClips(files[0], frames, frame_step, test_path=files[1])
    return json.dumps(source.identity(split))

  before = identity()
  found = [before, identity(frames=3), identity(frame_step=2), identity(split='test')]
  assert identity() == before and len(set(found)) == 4
  os.utime(files[0], ns=(0, 0))
  assert identity() != before
