"""Clips of prepared data sets: splits, features, versions, crops, short videos, identity."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests.data import toy_clips
from tf_videogen.data import clips

EXAMPLES, STORED_FRAMES, SIZE = toy_clips.EXAMPLES, toy_clips.STORED_FRAMES, toy_clips.SIZE


@pytest.fixture(scope='module', name='data_dir')
def _data_dir(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('tfds')
  toy_clips.store_toy(data_dir)
  _store_robot(data_dir)
  _store_plain(data_dir)
  _store_wide(data_dir)
  return str(data_dir)


def _store_wide(data_dir):
  """Videos of many lengths and sizes, whose pixels tell row and column; lengths are told."""
  features = tfds.features.FeaturesDict({
      'video': tfds.features.Video(shape=(None, None, None, 3)), 'id': tfds.features.Text()})
  examples = []
  for i in range(20):
    rows, columns = np.mgrid[:8 + i % 3, :10 + i]
    frame = np.stack([rows, columns, np.full_like(rows, i)], -1).astype(np.uint8)
    examples.append({'video': np.repeat(frame[np.newaxis], 4 + i % 5, 0), 'id': f'{i}'})
  toy_clips.store(data_dir, 'wide', features, {'train': examples, 'test': examples[:6]}, config='8')
  counts = {split: {str(frames): sum(4 + i % 5 == frames for i in range(count))
                    for frames in range(4, 9)} for split, count in (('train', 20), ('test', 6))}
  (data_dir / 'wide' / '8' / '1.0.0' / 'metadata.json').write_text(
      json.dumps({'frame_counts': counts}))


def _store_robot(data_dir):
  """A sequence of frames with actions, as in `bair_robot_pushing_small`."""
  features = tfds.features.Sequence({
      'image_main': tfds.features.Image(shape=(SIZE, SIZE, 3)),
      'image_aux1': tfds.features.Image(shape=(SIZE, SIZE, 3)),
      'action': tfds.features.Tensor(shape=(3,), dtype=np.float32),
  }, length=STORED_FRAMES)
  black = np.zeros((STORED_FRAMES, SIZE, SIZE, 3), np.uint8)
  examples = [{'image_main': black, 'image_aux1': toy_clips.video_of(i, channels=3),
               'action': toy_clips.actions_of(i)} for i in range(5)]
  toy_clips.store(data_dir, 'robot', features, {'train': examples}, num_shards=1)


def _store_plain(data_dir):
  """Videos of many lengths, as arrays and as images; frames of no fixed size; no ids."""
  features = tfds.features.FeaturesDict({
      'movie': tfds.features.Tensor(shape=(None, SIZE, SIZE, 1), dtype=np.uint8),
      'pictures': tfds.features.Video(shape=(None, SIZE, SIZE, 1)),
      'free': tfds.features.Video(shape=(None, None, None, 1)),
      'speed': tfds.features.Scalar(dtype=np.float32),
  })
  examples = [
      {'movie': toy_clips.video_of(i, 4 + i), 'pictures': toy_clips.video_of(i, 4 + i),
       'free': toy_clips.video_of(i), 'speed': 1.}
      for i in range(4)]
  toy_clips.store(data_dir, 'plain', features, {'train': examples}, num_shards=1)


def test_slices_of_tfds(data_dir):
  parts = [clips.PreparedClips('toy/small', 4, data_dir=data_dir, train_split=split)
           for split in ('train[:70%]', 'train[70%:]')]
  numbers = []
  for part in parts:
    count = part.count(part.train_split)
    batch, = toy_clips.arrays(part.training(count, seed=0), 1)
    assert len(set(toy_clips.numbers(batch))) == count
    numbers += toy_clips.numbers(batch)
  assert sorted(numbers) == list(range(EXAMPLES))
  assert parts[0].count('train[70%:]+test') == parts[1].count('train[70%:]') + 7


def test_data_set_of_frames_like_bair(data_dir):
  made = clips.PreparedClips(
      'robot', 4, data_dir=data_dir, features={'video': 'image_aux1', 'actions': 'action'})
  batch, = toy_clips.arrays(made.training(5, seed=0), 1)
  assert sorted(toy_clips.numbers(batch)) == list(range(5))
  for i, number in enumerate(toy_clips.numbers(batch)):
    shown = batch['video'][i, :, 1, 0, 0]
    np.testing.assert_array_equal(batch['video'][i], toy_clips.video_of(number, channels=3)[shown])
    np.testing.assert_array_equal(batch['actions'][i], toy_clips.actions_of(number)[shown])
  ids = {i.decode() for i in batch['id']}  # made up, for want of a feature
  assert ids == {f'robot-train.tfrecord-00000-of-00001:{i}' for i in range(5)}


@pytest.mark.parametrize('feature', ['movie', 'pictures'])
def test_videos_of_many_lengths(data_dir, feature):
  made = clips.PreparedClips('plain', 4, data_dir=data_dir, features={'video': feature})
  for batch in toy_clips.arrays(made.training(4, seed=0), 5):
    for video, number in zip(batch['video'], toy_clips.numbers(batch)):
      np.testing.assert_array_equal(
          video, toy_clips.video_of(number, 4 + number)[video[:, 1, 0, 0]])
  longer = clips.PreparedClips('plain', 5, data_dir=data_dir, features={'video': feature})
  with pytest.raises(tf.errors.InvalidArgumentError, match='too few frames.*need 5'):
    toy_clips.arrays(longer.evaluation('train', 4))


def test_versions(data_dir, tmp_path):
  for version in ('1.0.0', '1.2.0', '1.10.0'):
    target = tmp_path / 'toy' / 'small' / version
    target.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(os.path.join(data_dir, 'toy', 'small', '1.0.0'), target)
  (tmp_path / 'toy' / 'small' / '2.0.0').mkdir()  # not finished
  find = lambda name: clips.prepared.directory(name, str(tmp_path))
  assert find('toy/small') == str(tmp_path / 'toy' / 'small' / '1.10.0')
  assert find('toy/small:1.2.0') == str(tmp_path / 'toy' / 'small' / '1.2.0')
  with pytest.raises(FileNotFoundError, match='2.0.0 is not prepared'):
    find('toy/small:2.0.0')


def test_data_dir_of_the_environment(data_dir, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', data_dir)
  assert clips.PreparedClips('toy/small', 4).count('test') == 7


@pytest.mark.parametrize('arguments, error, message', [
    (dict(dataset='nowhere/small'), FileNotFoundError,
     'nowhere/small is not prepared in .*; prepare it with: '
     'python -m launch.prepare --dataset=nowhere/small --data_dir='),
    (dict(dataset='toy'), ValueError, 'toy needs a config; prepared in .*: toy/small'),
    (dict(dataset='../toy'), ValueError, 'a data set must be'),
    (dict(frames=10), ValueError, 'toy/small has 9 frames, but clips of frames=10 .* need 10'),
    (dict(frames=4, frame_step=3), ValueError, 'frame_step=3 need 10'),
    (dict(train_split='valid'), ValueError, "has no split 'valid'; there are: train, test"),
    (dict(features={'video': 'frames'}), ValueError, "no feature 'frames'; there are: .*video"),
    (dict(features={'actions': 'label'}), ValueError,
     r"'label' of toy/small must be numbers \[9, A\], got int64 \[\]"),
    (dict(features={'label': 'actions'}), ValueError,
     r"must be an integer \[\], got float32 \[9, 3\]"),
    (dict(dataset='plain', features={'video': 'speed'}), ValueError,
     r'must be uint8 \[frames, H, W, C\], got float32 \[\]'),
    (dict(dataset='plain', features={'video': 'free'}), ValueError, 'no fixed size'),
    (dict(frames=0), ValueError, 'frames must be a positive integer, got 0'),
    (dict(frame_step=1.5), ValueError, 'frame_step must be a positive integer, got 1.5'),
])
def test_errors_of_prepared_clips(data_dir, arguments, error, message):
  arguments = {'dataset': 'toy/small', 'frames': 4, 'data_dir': data_dir, **arguments}
  with pytest.raises(error, match=message) as info:
    clips.PreparedClips(**arguments).training(2, seed=0)
  assert '\n' not in str(info.value)


def _corners(video):
  """Top left corners [B, 2] of crops of `wide`, each of which is one rectangle of its frame."""
  corners = video[:, 0, 0, 0, :2].astype(int)
  rows, columns = np.mgrid[:video.shape[2], :video.shape[3]]
  for clip, (top, left) in zip(video, corners):
    assert (clip[..., 0] == rows + top).all() and (clip[..., 1] == columns + left).all()
  return corners


def test_crops(data_dir):
  """From the middle for evaluation; anywhere for training, each clip at one place."""
  make = lambda **kwargs: clips.PreparedClips('wide/8', 4, data_dir=data_dir, size=8, **kwargs)
  middle, = toy_clips.arrays(make().evaluation('train', 20))
  heights = 8 + middle['video'][:, 0, 0, 0, 2].astype(int) % 3
  widths = 10 + middle['video'][:, 0, 0, 0, 2].astype(int)
  expected = np.stack([(heights - 8) // 2, (widths - 8) // 2], -1)
  np.testing.assert_array_equal(_corners(middle['video']), expected)
  assert make().example_spec()['video'].shape == [4, 8, 8, 3]

  epochs = toy_clips.arrays(make().training(20, seed=0), 30)
  tops, lefts = {}, {}
  for batch in epochs:
    for number, (top, left) in zip(batch['video'][:, 0, 0, 0, 2], _corners(batch['video'])):
      tops.setdefault(int(number), set()).add(top)
      lefts.setdefault(int(number), set()).add(left)
  assert all(found == set(range(number % 3 + 1)) for number, found in tops.items())
  assert len(lefts[19]) > 12 and max(lefts[19]) <= 21 and lefts[0] == {0, 1, 2}
  toy_clips.assert_same(toy_clips.arrays(make().training(20, seed=0, start_step=3), 2), epochs[3:5])

  central = toy_clips.arrays(make(crop='center').training(20, seed=0), 1)[0]
  numbers = central['video'][:, 0, 0, 0, 2].astype(int)
  np.testing.assert_array_equal(_corners(central['video'])[:, 1], (2 + numbers) // 2)


def test_short_videos(data_dir):
  make = lambda **kwargs: clips.PreparedClips('wide/8', 6, data_dir=data_dir, size=8, **kwargs)
  with pytest.raises(ValueError, match='8 videos of wide/8 .train. are shorter than the 6 frames '
                                       'that clips of frames=6 with frame_step=1 need; leave them'):
    make().training(4, seed=0)
  long_enough = {i for i in range(20) if 4 + i % 5 >= 6}
  source = make(drop_short=True)
  assert (source.count('train'), source.count('test'), source.count('train+test')) == (12, 3, 15)
  evaluated = toy_clips.arrays(source.evaluation('train', 5))
  ids = np.concatenate([batch['id'][batch['valid']] for batch in evaluated])
  assert len(evaluated) == 3 and sorted(map(int, ids)) == sorted(long_enough)
  trained = toy_clips.arrays(source.training(6, seed=0), 4)
  for epoch in (trained[:2], trained[2:]):
    ids = np.concatenate([batch['id'] for batch in epoch])
    assert sorted(map(int, ids)) == sorted(long_enough)
  toy_clips.assert_same(toy_clips.arrays(source.training(6, seed=0, start_step=3), 1), trained[3:])
  assert source.count('train[:50%]') == 6 == len([i for i in long_enough if i < 10])


@pytest.mark.parametrize('kwargs, message', [
    (dict(size=0), 'size must be a positive integer or None, got 0'),
    (dict(crop='top'), "crop must be 'random' or 'center', got 'top'"),
])
def test_errors_of_crops(kwargs, message):
  with pytest.raises(ValueError, match=message):
    clips.PreparedClips('wide/8', 4, **kwargs)


def test_frames_smaller_than_the_crop(data_dir):
  source = clips.PreparedClips('wide/8', 4, data_dir=data_dir, size=9)
  with pytest.raises(tf.errors.InvalidArgumentError, match='smaller than PreparedClips.size = 9'):
    toy_clips.arrays(source.evaluation('train', 20))
  with pytest.raises(ValueError, match='^frames of wide/8 are smaller than .*size = 9$'):
    source.check(['train'])


# --- identity: what statistics of clips are kept by ---


def test_identity_of_prepared_clips(data_dir):
  def identity(dataset='toy/small', frames=4, frame_step=1, split='train', **kwargs):
    source = clips.PreparedClips(dataset, frames, frame_step, data_dir=data_dir, **kwargs)
    return json.dumps(source.identity(split))

  assert identity() == identity()
  found = [identity(), identity(split='test'), identity(split='train[:7]'), identity(frames=3),
           identity(frame_step=2), identity(size=4), identity(size=4, crop='center'),
           identity(features={'label': 'label'}),
           identity('robot', features={'video': 'image_main'}),
           identity('robot', features={'video': 'image_aux1'})]
  assert len(set(found)) == len(found)
