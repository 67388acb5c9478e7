"""Evaluation is exact: whatever the batch size, the padding and the replicas."""

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen.training import evaluator as evaluators

_BATCHES = [(2, None), (4, None), (16, None), (4, 7), (4, 99)]  # their size, and a limit


class _Means(tiny_lib.FakeTask):
  """A task that sums what it can see of the clips."""

  def statistics(self, batch, seed):
    """Sums over valid clips."""
    video = tf.cast(batch['video'], tf.float32) / 255
    valid = tf.cast(batch['valid'], tf.float32)
    mean = tf.reduce_mean(video, axis=[1, 2, 3, 4])
    labels = tf.one_hot(batch['label'], 3) * valid[:, None]
    return {'examples': tf.reduce_sum(valid), 'mean': tf.reduce_sum(mean * valid),
            'labels': tf.reduce_sum(labels, axis=0),
            'seeds': tf.one_hot(seed[0], 64)}

  def metrics(self, sums):
    """The mean, and the share of label 0."""
    return {'mean': sums['mean'] / sums['examples'], 'zeros': sums['labels'][0] / sums['examples']}


def _expected(path, limit=None):
  with np.load(path) as arrays:
    video, label = arrays['video'][:limit, :4], arrays['label'][:limit]
  return {'examples': len(video), 'mean': video.mean() / 255, 'zeros': np.mean(label == 0)}


@pytest.mark.parametrize('batch_size, limit, replicas', [
    *[(*of, 'two_replicas') for of in _BATCHES], (4, 7, 'cpu'),
    *[pytest.param(*of, 'cpu', marks=pytest.mark.slow) for of in _BATCHES if of != (4, 7)]])
def test_exact(tiny, request, replicas, batch_size, limit):
  batches = []
  with request.getfixturevalue(replicas).scope():
    evaluator = evaluators.TaskEvaluator(_Means(), tiny.clips(), ('test', 'train'), batch_size,
                                         limit, lambda: batches.append(1))
    found = evaluator.evaluate(tf.constant(-1))
  expected = {}
  for split, path in (('test', tiny.files.test), ('train', tiny.files.train)):
    expected.update({f'{split}/{k}': v for k, v in _expected(path, limit).items()})
  assert found == {k: pytest.approx(v, rel=1e-6) for k, v in expected.items()}
  assert all(isinstance(value, float) for value in found.values())
  counts = [found['test/examples'], found['train/examples']]
  assert len(batches) == sum(-(-int(count) // batch_size) for count in counts)


def test_measures_in_float32(tiny, cpu):
  enabled = tf.config.experimental.tensor_float_32_execution_enabled
  found = []
  with cpu.scope():
    evaluators.TaskEvaluator(_Means(), tiny.clips(), ('test',), 4,
                             after_batch=lambda: found.append(enabled())).evaluate(-1)
  assert found and not any(found) and enabled()


@pytest.mark.parametrize('replicas', ['cpu', 'two_replicas'])
def test_every_batch_draws_by_its_number(tiny, request, replicas):
  with request.getfixturevalue(replicas).scope():
    evaluator = evaluators.TaskEvaluator(_Means(), tiny.clips(), ('test',), 2)
    sums = [evaluator.sums('test') for _ in range(2)]
  batches = -(-int(sums[0]['examples']) // 2)
  assert batches > 1
  np.testing.assert_array_equal(np.nonzero(sums[0]['seeds'])[0], range(batches))
  np.testing.assert_array_equal(sums[0]['seeds'], sums[1]['seeds'])


def test_a_stop_is_heard_between_batches(tiny, cpu):
  def stop():
    raise InterruptedError
  with cpu.scope(), pytest.raises(InterruptedError):
    evaluators.TaskEvaluator(_Means(), tiny.clips(), ('test',), 4, None, stop).evaluate(None)
