"""Clips of either kind: determinism and resume, exact passes, windows, labels, actions, hosts."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data import toy_clips
from tf_videogen.data import clips

EXAMPLES, STORED_FRAMES, SIZE = toy_clips.EXAMPLES, toy_clips.STORED_FRAMES, toy_clips.SIZE
files = toy_clips.files_fixture  # a fixture


@pytest.fixture(scope='module', name='data_dir')
def _data_dir(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('tfds')
  toy_clips.store_toy(data_dir)
  return str(data_dir)


@pytest.fixture(name='source', params=['prepared', 'files'])
def _source(request, data_dir, files):
  """Makes either kind of source with videos, labels and actions: frames, frame_step -> clips."""
  if request.param == 'files':
    return lambda frames, frame_step=1: clips.FileClips(
        files[0], frames, frame_step, test_path=files[1])
  return lambda frames, frame_step=1: clips.PreparedClips(
      'toy/small', frames, frame_step, data_dir=data_dir,
      features={'label': 'label', 'actions': 'actions'})


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
  unbroken = toy_clips.arrays(made.training(5, seed=3), 14)  # three epochs
  for start in starts:  # 23 = 4 * 5 + 3: step 4 crosses the boundary of an epoch
    resumed = toy_clips.arrays(source(4).training(5, seed=3, start_step=start), 14 - start)
    toy_clips.assert_same(unbroken[start:], resumed)


def test_stream_depends_on_its_seed_alone(source):
  made = source(4)
  first = toy_clips.arrays(made.training(5, seed=3), 6)
  tf.random.set_seed(17)
  np.random.seed(17)
  dataset = made.training(5, seed=3)
  toy_clips.assert_same(first, toy_clips.arrays(dataset, 6))
  toy_clips.assert_same(first, toy_clips.arrays(dataset, 6))  # a second iterator
  options = tf.data.Options()
  options.threading.private_threadpool_size = 1
  options.autotune.enabled = False
  toy_clips.assert_same(first, toy_clips.arrays(dataset.with_options(options), 6))
  other = toy_clips.arrays(made.training(5, seed=4), 6)
  assert [toy_clips.numbers(batch) for batch in other] != [
      toy_clips.numbers(batch) for batch in first]
  tf.random.set_seed(0)


def test_every_epoch_has_every_example_once(source):
  numbers = [n for batch in toy_clips.arrays(source(4).training(5, seed=0), 14)
             for n in toy_clips.numbers(batch)]
  epochs = [numbers[i * EXAMPLES:(i + 1) * EXAMPLES] for i in range(3)]
  for epoch in epochs:
    assert sorted(epoch) == list(range(EXAMPLES))
  assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(EXAMPLES))


def test_batches_may_be_larger_than_the_split(source):
  batch, = toy_clips.arrays(source(4).training(50, seed=0), 1)
  assert sorted(toy_clips.numbers(batch)[:EXAMPLES]) == sorted(
      toy_clips.numbers(batch)[EXAMPLES:2 * EXAMPLES])


@pytest.mark.parametrize('frames, frame_step', [
    (4, 1), (9, 1), (3, 3), *(pytest.param(*case, marks=pytest.mark.slow)
                              for case in ((2, 8), (1, 1)))])
def test_windows(source, frames, frame_step):
  made, starts = source(frames, frame_step), set()
  for batch in toy_clips.arrays(made.training(5, seed=0), 20):
    for i, number in enumerate(toy_clips.numbers(batch)):
      shown = batch['video'][i, :, 1, 0, 0].tolist()
      assert shown == list(range(shown[0], shown[0] + made.span, frame_step))
      np.testing.assert_array_equal(batch['video'][i], toy_clips.video_of(number)[shown])
      np.testing.assert_array_equal(batch['actions'][i], toy_clips.actions_of(number)[shown])
      assert batch['label'][i] == number % 5
      starts.add(shown[0])
  assert starts == set(range(STORED_FRAMES - made.span + 1))


@pytest.mark.parametrize('batch_size, limit', [
    (3, None), (7, None), (10, None), (3, 4),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in ((2, 4), (3, 100)))])
def test_evaluation_is_one_exact_pass(source, batch_size, limit):
  batches = toy_clips.arrays(source(4).evaluation('test', batch_size, limit=limit))
  examples = min(limit or 7, 7)
  assert len(batches) == -(-examples // batch_size)
  ids = [i for batch in batches for i in batch['id'][batch['valid']]]
  assert len(ids) == len(set(ids)) == examples
  whole = toy_clips.arrays(source(4).evaluation('test', 7))[0]
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
    shares = [toy_clips.arrays(make(host, hosts)) for host in range(hosts)]
    joined = [{name: np.concatenate([share[name] for share in batch]) for name in batch[0]}
              for batch in zip(*shares, strict=True)]
    toy_clips.assert_same(toy_clips.arrays(make(0, 1)), joined)
  with pytest.raises(ValueError, match='batch_size = 4 is not divisible by the 3 hosts'):
    made.training(4, 0, 0, 0, 3)


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
