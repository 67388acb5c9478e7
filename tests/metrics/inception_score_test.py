"""Inception Scores of added-up sums against NumPy's and TF-GAN's."""

import numpy as np
import pytest

from tests.metrics import references
from tf_videogen.metrics import inception_score


def _logits(count=60, classes=10, scale=3, seed=0):
  return np.random.default_rng(seed).normal(0, scale, [count, classes])


def _score(logits, batch_size=None):
  """The score of logits that come in batches; the last may be smaller."""
  batch_size = batch_size or len(logits)
  parts = [inception_score.sums(logits[start:start + batch_size])
           for start in range(0, len(logits), batch_size)]
  return inception_score.score({key: sum(part[key] for part in parts) for key in parts[0]})


@pytest.mark.parametrize('of', references.INCEPTION_SCORES)
@pytest.mark.parametrize('offset', [0, 1000])
@pytest.mark.parametrize('count,classes,scale', [
    (60, 10, 3), (500, 400, 1), (7, 101, 20), (1, 5, 1), (40, 2, 0.1)])
def test_equals_others(of, count, classes, scale, offset):
  logits = _logits(count, classes, scale) + offset
  expected = of(logits)
  np.testing.assert_allclose(_score(logits), expected, rtol=1e-6)
  assert count == 1 or expected > 1.001


@pytest.mark.parametrize('batch_size', [1, 7, 32, 59])
def test_sums_of_any_batches_are_the_same(batch_size):
  logits = _logits()
  np.testing.assert_allclose(_score(logits, batch_size), _score(logits), rtol=1e-12)


def test_float32_logits_are_added_in_float64():
  logits = _logits(1000).astype(np.float32)
  np.testing.assert_allclose(_score(logits), _score(logits.astype(np.float64)), rtol=1e-12)
  sums = inception_score.sums(logits)
  assert {value.dtype for value in sums.values()} == {np.dtype(np.float64)}
  assert sums['count'] == 1000 and sums['probability'].shape == (10,)


def test_a_classifier_that_knows_nothing_scores_one():
  np.testing.assert_allclose(_score(np.full([20, 7], 2.5)), 1, rtol=1e-12)


@pytest.mark.parametrize('classes', [1, 7, 101])
def test_one_sure_answer_a_class_scores_the_number_of_classes(classes):
  sure = 1e4 * np.tile(np.eye(classes), [3, 1])
  np.testing.assert_allclose(_score(sure), classes, rtol=1e-9)


def test_one_answer_for_all_scores_one():
  np.testing.assert_allclose(_score(1e4 * np.eye(7)[np.full(20, 3)]), 1, rtol=1e-9)


def test_splits_are_the_callers():
  """Ten splits of the sums are ten scores, those of each part."""
  logits = _logits(200)
  scores = [_score(part) for part in np.split(logits, 10)]
  expected = list(map(references.inception_score, np.split(logits, 10)))
  np.testing.assert_allclose(scores, expected, rtol=1e-6)
  assert np.mean(scores) < _score(logits) - 0.1  # few videos bias the score downwards


def test_no_videos_are_refused():
  with pytest.raises(ValueError, match='an Inception Score needs at least one video'):
    inception_score.score(inception_score.sums(np.zeros([0, 5])))
