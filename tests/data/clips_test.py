"""Clips: determinism and resume, exact passes, windows, labels, actions, errors that help."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen.data import clips

EXAMPLES, STORED_FRAMES, SIZE = 23, 9, 8


def _video(example, stored_frames=STORED_FRAMES, channels=1):
  """A video whose pixels tell the example and the frame."""
  video = np.zeros((stored_frames, SIZE, SIZE, channels), np.uint8)
  video[:, 0] = example
  video[:, 1] = np.arange(stored_frames)[:, None, None]
  video[:, 2:] = np.random.default_rng(example).integers(256, size=video[:, 2:].shape)
  return video


def _actions(example):
  """Actions that tell the example and the frame: float32 [frames, 3]."""
  frames = np.arange(STORED_FRAMES, dtype=np.float32)
  return np.stack([np.full_like(frames, example), frames, -frames], axis=-1)


def _examples():
  return [{'video': _video(i), 'id': f'clip{i}', 'label': i % 5, 'actions': _actions(i)}
          for i in range(EXAMPLES)]


def _store(data_dir, name, features, splits, config=None, num_shards=3):
  """Writes a small TFDS data set: `splits` are lists of examples."""
  tfds.dataset_builders.AdhocBuilder(
      name=name, version='1.0.0', features=features, config=config, data_dir=str(data_dir),
      split_datasets={split: list(enumerate(examples)) for split, examples in splits.items()},
  ).download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=num_shards))


@pytest.fixture(scope='module', name='data_dir')
def _data_dir(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('tfds')
  features = tfds.features.FeaturesDict({
      'video': tfds.features.Video(shape=(STORED_FRAMES, SIZE, SIZE, 1)),
      'id': tfds.features.Text(),
      'label': tfds.features.ClassLabel(num_classes=5),
      'actions': tfds.features.Tensor(shape=(STORED_FRAMES, 3), dtype=np.float32),
  })
  splits = {'train': _examples(), 'test': _examples()[:7]}
  _store(data_dir, 'toy', features, splits, config='small')
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
  _store(data_dir, 'wide', features, {'train': examples, 'test': examples[:6]}, config='8')
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
  examples = [{'image_main': black, 'image_aux1': _video(i, channels=3), 'action': _actions(i)}
              for i in range(5)]
  _store(data_dir, 'robot', features, {'train': examples}, num_shards=1)


def _store_plain(data_dir):
  """Videos of many lengths, as arrays and as images; frames of no fixed size; no ids."""
  features = tfds.features.FeaturesDict({
      'movie': tfds.features.Tensor(shape=(None, SIZE, SIZE, 1), dtype=np.uint8),
      'pictures': tfds.features.Video(shape=(None, SIZE, SIZE, 1)),
      'free': tfds.features.Video(shape=(None, None, None, 1)),
      'speed': tfds.features.Scalar(dtype=np.float32),
  })
  examples = [
      {'movie': _video(i, 4 + i), 'pictures': _video(i, 4 + i), 'free': _video(i), 'speed': 1.}
      for i in range(4)]
  _store(data_dir, 'plain', features, {'train': examples}, num_shards=1)


@pytest.fixture(name='files')
def _files(tmp_path):
  """Paths of a training and a test file."""
  arrays = {'video': np.stack([_video(i) for i in range(EXAMPLES)]),
            'label': np.arange(EXAMPLES) % 5,
            'actions': np.stack([_actions(i) for i in range(EXAMPLES)])}
  paths = str(tmp_path / 'train.npz'), str(tmp_path / 'test.npz')
  np.savez(paths[0], **arrays)
  np.savez(paths[1], **{name: array[:7] for name, array in arrays.items()})
  return paths


@pytest.fixture(name='source', params=['prepared', 'files'])
def _source(request, data_dir, files):
  """Makes either kind of source with videos, labels and actions: frames, frame_step -> clips."""
  if request.param == 'files':
    return lambda frames, frame_step=1: clips.FileClips(
        files[0], frames, frame_step, test_path=files[1])
  return lambda frames, frame_step=1: clips.PreparedClips(
      'toy/small', frames, frame_step, data_dir=data_dir,
      features={'label': 'label', 'actions': 'actions'})


def _numpy(dataset, batches=None):
  return list((dataset.take(batches) if batches else dataset).as_numpy_iterator())


def _assert_same(batches, others):
  assert len(batches) == len(others)
  for batch, other in zip(batches, others):
    assert batch.keys() == other.keys()
    for name, value in batch.items():
      np.testing.assert_array_equal(value, other[name], name)


def _numbers(batch):
  """Which examples a batch holds, by their pixels."""
  return batch['video'][:, 0, 0, 0, 0].tolist()


def test_shapes_are_static(source):
  made = source(4)
  spec = made.example_spec()
  assert spec == {
      'video': tf.TensorSpec([4, SIZE, SIZE, 1], tf.uint8), 'id': tf.TensorSpec([], tf.string),
      'label': tf.TensorSpec([], tf.int32), 'actions': tf.TensorSpec([4, 3], tf.float32)}
  batched = {name: tf.TensorSpec([6] + s.shape, s.dtype) for name, s in spec.items()}
  assert made.training(6, seed=1).element_spec == batched
  valid = tf.TensorSpec([6], tf.bool)
  assert made.evaluation('test', 6).element_spec == {**batched, 'valid': valid}
  assert (made.count('train'), made.count('test')) == (EXAMPLES, 7)


@pytest.mark.parametrize('starts', [(4, 12), pytest.param((1, 5, 9), marks=pytest.mark.slow)])
def test_resumed_stream_equals_the_unbroken_one(source, starts):
  made = source(4)
  unbroken = _numpy(made.training(5, seed=3), 14)  # three epochs
  for start in starts:  # 23 = 4 * 5 + 3: step 4 crosses the boundary of an epoch
    resumed = _numpy(source(4).training(5, seed=3, start_step=start), 14 - start)
    _assert_same(unbroken[start:], resumed)


def test_stream_depends_on_its_seed_alone(source):
  made = source(4)
  first = _numpy(made.training(5, seed=3), 6)
  tf.random.set_seed(17)
  np.random.seed(17)
  dataset = made.training(5, seed=3)
  _assert_same(first, _numpy(dataset, 6))
  _assert_same(first, _numpy(dataset, 6))  # a second iterator
  options = tf.data.Options()
  options.threading.private_threadpool_size = 1
  options.autotune.enabled = False
  _assert_same(first, _numpy(dataset.with_options(options), 6))
  other = _numpy(made.training(5, seed=4), 6)
  assert [_numbers(batch) for batch in other] != [_numbers(batch) for batch in first]
  tf.random.set_seed(0)


def test_every_epoch_has_every_example_once(source):
  numbers = [n for batch in _numpy(source(4).training(5, seed=0), 14) for n in _numbers(batch)]
  epochs = [numbers[i * EXAMPLES:(i + 1) * EXAMPLES] for i in range(3)]
  for epoch in epochs:
    assert sorted(epoch) == list(range(EXAMPLES))
  assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(EXAMPLES))


def test_batches_may_be_larger_than_the_split(source):
  batch, = _numpy(source(4).training(50, seed=0), 1)
  assert sorted(_numbers(batch)[:EXAMPLES]) == sorted(_numbers(batch)[EXAMPLES:2 * EXAMPLES])


@pytest.mark.parametrize('frames, frame_step', [
    (4, 1), (9, 1), (3, 3), *(pytest.param(*case, marks=pytest.mark.slow)
                              for case in ((2, 8), (1, 1)))])
def test_windows(source, frames, frame_step):
  made, starts = source(frames, frame_step), set()
  for batch in _numpy(made.training(5, seed=0), 20):
    for i, number in enumerate(_numbers(batch)):
      shown = batch['video'][i, :, 1, 0, 0].tolist()
      assert shown == list(range(shown[0], shown[0] + made.span, frame_step))
      np.testing.assert_array_equal(batch['video'][i], _video(number)[shown])
      np.testing.assert_array_equal(batch['actions'][i], _actions(number)[shown])
      assert batch['label'][i] == number % 5
      starts.add(shown[0])
  assert starts == set(range(STORED_FRAMES - made.span + 1))


@pytest.mark.parametrize('batch_size, limit', [
    (3, None), (7, None), (10, None), (3, 4),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, 4), (3, 100)))])
def test_evaluation_is_one_exact_pass(source, batch_size, limit):
  batches = _numpy(source(4).evaluation('test', batch_size, limit=limit))
  examples = min(limit or 7, 7)
  assert len(batches) == -(-examples // batch_size)
  ids = [i for batch in batches for i in batch['id'][batch['valid']]]
  assert len(ids) == len(set(ids)) == examples
  whole = _numpy(source(4).evaluation('test', 7))[0]
  np.testing.assert_array_equal(ids, whole['id'][:examples])  # stored order
  for batch in batches:
    assert (batch['video'][:, :, 1, 0, 0] == np.arange(4)).all()
    np.testing.assert_array_equal(batch['video'][:, 0, 0, 0, 0] < 7, True)
  valid = np.concatenate([batch['valid'] for batch in batches])
  assert valid[:examples].all() and not valid[examples:].any()


@pytest.mark.parametrize('hosts', [2, pytest.param(4, marks=pytest.mark.slow)])
def test_hosts_share_the_batches(source, hosts):
  made = source(4)
  for make in (lambda *host: made.training(4, 0, 2, *host).take(7),
               lambda *host: made.evaluation('test', 4, None, *host)):
    shares = [_numpy(make(host, hosts)) for host in range(hosts)]
    joined = [{name: np.concatenate([share[name] for share in batch]) for name in batch[0]}
              for batch in zip(*shares, strict=True)]
    _assert_same(_numpy(make(0, 1)), joined)
  with pytest.raises(ValueError, match='batch_size = 4 is not divisible by the 3 hosts'):
    made.training(4, 0, 0, 0, 3)


def test_slices_of_tfds(data_dir):
  parts = [clips.PreparedClips('toy/small', 4, data_dir=data_dir, train_split=split)
           for split in ('train[:70%]', 'train[70%:]')]
  numbers = []
  for part in parts:
    count = part.count(part.train_split)
    batch, = _numpy(part.training(count, seed=0), 1)
    assert len(set(_numbers(batch))) == count
    numbers += _numbers(batch)
  assert sorted(numbers) == list(range(EXAMPLES))
  assert parts[0].count('train[70%:]+test') == parts[1].count('train[70%:]') + 7


def test_shuffle_buffer_smaller_than_the_split(data_dir):
  made = clips.PreparedClips('toy/small', 4, data_dir=data_dir, shuffle_buffer=3)
  batches = _numpy(made.training(23, seed=0), 2)
  assert [sorted(_numbers(batch)) for batch in batches] == [list(range(EXAMPLES))] * 2
  assert _numbers(batches[0]) != _numbers(batches[1])
  _assert_same(batches[1:], _numpy(made.training(23, seed=0, start_step=1), 1))


def test_data_set_of_frames_like_bair(data_dir):
  made = clips.PreparedClips(
      'robot', 4, data_dir=data_dir, features={'video': 'image_aux1', 'actions': 'action'})
  batch, = _numpy(made.training(5, seed=0), 1)
  assert sorted(_numbers(batch)) == list(range(5))
  for i, number in enumerate(_numbers(batch)):
    shown = batch['video'][i, :, 1, 0, 0]
    np.testing.assert_array_equal(batch['video'][i], _video(number, channels=3)[shown])
    np.testing.assert_array_equal(batch['actions'][i], _actions(number)[shown])
  ids = {i.decode() for i in batch['id']}  # made up, for want of a feature
  assert ids == {f'robot-train.tfrecord-00000-of-00001:{i}' for i in range(5)}


@pytest.mark.parametrize('feature', ['movie', 'pictures'])
def test_videos_of_many_lengths(data_dir, feature):
  made = clips.PreparedClips('plain', 4, data_dir=data_dir, features={'video': feature})
  for batch in _numpy(made.training(4, seed=0), 5):
    for video, number in zip(batch['video'], _numbers(batch)):
      np.testing.assert_array_equal(video, _video(number, 4 + number)[video[:, 1, 0, 0]])
  longer = clips.PreparedClips('plain', 5, data_dir=data_dir, features={'video': feature})
  with pytest.raises(tf.errors.InvalidArgumentError, match='too few frames.*need 5'):
    _numpy(longer.evaluation('train', 4))


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
    (dict(dataset='../toy'), ValueError, 'data sets are named'),
    (dict(frames=10), ValueError, 'toy/small has 9 frames, clips of frames=10 .* need 10'),
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


def test_errors_of_calls(source):
  made = source(4)
  with pytest.raises(ValueError, match='validation.*there are.*train'):
    made.evaluation('validation', 2)
  with pytest.raises(ValueError, match='batch_size must be at least 1, got 0'):
    made.training(0, seed=0)
  with pytest.raises(ValueError, match='start_step must be at least 0, got -1'):
    made.training(1, seed=0, start_step=-1)
  with pytest.raises(ValueError, match='limit must be at least 1, got 0'):
    made.evaluation('test', 2, limit=0)


def test_array_on_disk(tmp_path):
  np.save(tmp_path / 'videos.npy', np.stack([_video(i) for i in range(3)]))
  made = clips.FileClips(str(tmp_path / 'videos.npy'), 4)
  assert isinstance(made._arrays('train')['video'], np.memmap)
  batch, = _numpy(made.evaluation('train', 3))
  np.testing.assert_array_equal(batch['video'], np.stack([_video(i)[:4] for i in range(3)]))
  assert batch['id'].tolist() == [b'train:0', b'train:1', b'train:2']


VIDEO = np.zeros((2, 4, 8, 8, 1), np.uint8)


@pytest.mark.parametrize('arrays, message', [
    ({'clips': VIDEO}, 'has no array `video`; it has: clips'),
    ({'video': VIDEO.astype(np.float32)}, r'must be uint8 .*, got float32 \[2, 4, 8, 8, 1\]'),
    ({'video': VIDEO[..., 0]}, r'`video` in .* got uint8 \[2, 4, 8, 8\]'),
    ({'video': VIDEO[:, :3]}, 'has 3 frames, clips of frames=4'),
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
  with pytest.raises(ValueError, match=r"test.npz holds {'video'.* and .*train.npz {'label'"):
    made.evaluation('test', 2)


def test_missing_file(tmp_path):
  with pytest.raises(FileNotFoundError, match='there is no file .*none.npz'):
    clips.FileClips(str(tmp_path / 'none.npz'), 4).count('train')


@pytest.mark.real_data
def test_real_robot_videos(real_data):
  made = clips.FileClips(str(real_data / 'bair' / 'bair_ground_truth_4x30.npz'), 16)
  assert made.example_spec()['video'].shape == [16, 64, 64, 3]
  batch, = _numpy(made.training(4, seed=0), 1)
  assert sorted(batch['id'].tolist()) == [f'train:{i}'.encode() for i in range(4)]
  assert batch['video'].std() > 10


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
  middle, = _numpy(make().evaluation('train', 20))
  heights = 8 + middle['video'][:, 0, 0, 0, 2].astype(int) % 3
  widths = 10 + middle['video'][:, 0, 0, 0, 2].astype(int)
  expected = np.stack([(heights - 8) // 2, (widths - 8) // 2], -1)
  np.testing.assert_array_equal(_corners(middle['video']), expected)
  assert make().example_spec()['video'].shape == [4, 8, 8, 3]

  epochs = _numpy(make().training(20, seed=0), 30)
  tops, lefts = {}, {}
  for batch in epochs:
    for number, (top, left) in zip(batch['video'][:, 0, 0, 0, 2], _corners(batch['video'])):
      tops.setdefault(int(number), set()).add(top)
      lefts.setdefault(int(number), set()).add(left)
  assert all(found == set(range(number % 3 + 1)) for number, found in tops.items())
  assert len(lefts[19]) > 12 and max(lefts[19]) <= 21 and lefts[0] == {0, 1, 2}
  _assert_same(_numpy(make().training(20, seed=0, start_step=3), 2), epochs[3:5])

  central = _numpy(make(crop='center').training(20, seed=0), 1)[0]
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
  evaluated = _numpy(source.evaluation('train', 5))
  ids = np.concatenate([batch['id'][batch['valid']] for batch in evaluated])
  assert len(evaluated) == 3 and sorted(map(int, ids)) == sorted(long_enough)
  trained = _numpy(source.training(6, seed=0), 4)
  for epoch in (trained[:2], trained[2:]):
    ids = np.concatenate([batch['id'] for batch in epoch])
    assert sorted(map(int, ids)) == sorted(long_enough)
  _assert_same(_numpy(source.training(6, seed=0, start_step=3), 1), trained[3:])
  with pytest.raises(ValueError, match='how many of them are in train.:50%. is not known'):
    source.count('train[:50%]')


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
    _numpy(source.evaluation('train', 20))


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


def test_identity_of_files(files):
  def identity(frames=4, frame_step=1, split='train'):
    source = clips.FileClips(files[0], frames, frame_step, test_path=files[1])
    return json.dumps(source.identity(split))

  before = identity()
  found = [before, identity(frames=3), identity(frame_step=2), identity(split='test')]
  assert identity() == before and len(set(found)) == 4
  os.utime(files[0], ns=(0, 0))
  assert identity() != before
