"""Measures of samples, on samples that are known; and the task's metrics, clip by clip."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.claims import clip_measures
from tf_videogen.data import moving_shapes

CLIPS = moving_shapes.MovingShapes(frames=4, size=16, classes=4)


def _data(source=CLIPS, count=6):
  batch = next(iter(source.evaluation('test', count, limit=count)))
  return {name: value.numpy() for name, value in batch.items()}


def _values(measure, samples, data):
  return np.asarray(measure.values(samples, data, CLIPS))


def _ideal(data):
  return data['video'][:, np.newaxis]


def test_the_truth_is_perfect():
  data = _data()
  for measure, best in ((clip_measures.CentroidError(), 0), (clip_measures.WholeShapes(), 1),
                        (clip_measures.MotionError(), 0),
                        (clip_measures.ColorObeyed(), 1), (clip_measures.BestOf('ssim'), 1)):
    np.testing.assert_allclose(_values(measure, _ideal(data), data), np.full(6, best), atol=1e-6)


def test_a_moved_shape_is_as_far_away_as_it_was_moved():
  data = _data(moving_shapes.MovingShapes(frames=1, size=32))
  data['video'] = np.full_like(data['video'], 10)
  data['video'][:, :, 4:8, 4:8] = 200
  moved = np.roll(data['video'], 3, axis=3)
  measure = clip_measures.CentroidError()
  assert _values(measure, moved[:, None], data) == pytest.approx(np.full(6, 3))
  nothing = np.full_like(moved, 10)
  assert _values(measure, nothing[:, None], data) == pytest.approx(np.full(6, 16))


def test_a_shape_that_stands_still_errs_by_its_speed():
  source = moving_shapes.Panned(moving_shapes.MovingShapes(frames=4, size=32, channels=1))
  data = _data(source)
  speed = np.linalg.norm(source.truth('test', range(6)).displacements[:, 1:, 0], axis=-1).mean(1)
  still = np.repeat(data['video'][:, None, :1], 4, axis=2)
  found = _values(clip_measures.MotionError(), still, data)
  np.testing.assert_allclose(found, speed, atol=.1)
  nothing = np.full_like(still, 10)
  assert _values(clip_measures.MotionError(), nothing, data) == pytest.approx(np.full(6, 16))


def test_shapes_that_are_lost_or_doubled_are_not_whole():
  data = _data()
  video = np.full((1, 4, 16, 16, 3), 10, np.uint8)
  video[:, :3, 2:5, 2:5] = 250  # not in the last frame
  video[:, 2, 10:13, 10:13] = 250  # a second one in the third frame
  assert _values(clip_measures.WholeShapes(), video[:, None], data) == [.5]


def test_colors_of_another_class_are_not_obeyed():
  data = _data()
  assert len(set(data['label'].tolist())) > 1
  data['label'] = (data['label'] + 1) % 4
  assert not _values(clip_measures.ColorObeyed(), _ideal(data), data).any()
  nothing = np.full_like(_ideal(data), 10)
  assert not _values(clip_measures.ColorObeyed(), nothing, data).any()


def test_diversity_is_the_mean_of_all_pairs():
  samples = np.zeros((1, 3, 2, 4, 4, 1), np.uint8)
  samples[:, 1] = 30
  samples[:, 2] = 60
  assert _values(clip_measures.Diversity(), samples, {}) == pytest.approx([40])


def test_the_best_sample_counts():
  data = _data()
  samples = np.stack([np.zeros_like(data['video']), data['video']], 1)
  assert _values(clip_measures.BestOf('psnr'), samples, data) == pytest.approx(np.full(6, 100))


class _Copies:
  """A model whose samples are darker copies of the clips."""

  def sample(self, batch, seed):
    assert set(batch) == {'video', 'id', 'label'} and seed.shape == (2,)
    return np.asarray(batch['video'] // 2)


def test_samples_are_of_the_first_clips_and_of_the_frames_that_count():
  seen = []

  class Seen(clip_measures.OfSamples):

    def values(self, samples, data, clips):
      seen.append((samples, data))
      return [0.] * len(samples)

  measure = Seen(videos=5, samples_per_condition=2, first=1, last=3, batch_size=4)
  assert measure.measure(_Copies(), CLIPS).shape == (5,)
  samples, data = seen[0]
  assert samples.shape == (5, 2, 2, 16, 16, 3)
  np.testing.assert_array_equal(data['video'], _data(count=5)['video'])
  np.testing.assert_array_equal(samples[:, 0], data['video'][:, 1:3] // 2)


class _Classifier:
  """Its feature is a clip's mean, and real clips are bright."""
  accuracy = .5
  real = np.random.default_rng(0).normal(100, 1, [64, 1])

  def features(self, video):
    return video.astype(float).mean((1, 2, 3, 4))[:, np.newaxis]


def test_distances_of_features(monkeypatch):
  """Of samples to reconstructions; and of the end of samples minus that of their beginning."""
  asked = []
  monkeypatch.setattr(clip_measures.classifier, 'trained',
                      lambda clips, frames: asked.append(frames) or _Classifier())
  noise = np.random.default_rng(1).integers(90, 110, [64, 1, 6, 4, 4, 1]).astype(np.uint8)
  measure = clip_measures.ModellingDistance(first=2)
  distance, = _values(measure, noise[:, :, 2:], {'reconstruction': noise[:, 0]})
  assert distance == pytest.approx(0, abs=1e-6) and '50.0%' in measure.note
  noise[:, :, -2:] -= 30
  decline, = _values(clip_measures.Decline(window=2), noise, {})
  assert 800 < decline < 1_000  # 30 squared
  assert asked == [4, 2]
  with pytest.raises(ValueError, match='6 frames, which are less than two windows'):
    _values(clip_measures.Decline(window=4), noise, {})


def test_reconstructions_are_of_the_same_clips():

  class Reconstructs(_Copies):

    def reconstruct(self, batch):
      return np.asarray(batch['video'] // 3)

  class Seen(clip_measures.OfSamples):
    reconstructs = True

    def values(self, samples, data, clips):
      np.testing.assert_array_equal(data['reconstruction'], data['video'] // 3)
      return [0.] * len(samples)

  assert Seen(videos=5, batch_size=4).measure(Reconstructs(), CLIPS).shape == (5,)


class _Task:
  """Its metric is the mean of a clip."""

  def statistics(self, batch, seed):
    assert batch['video'].shape[0] == 1 and seed.shape == (2,)
    return {'examples': 1., 'total': tf.reduce_mean(tf.cast(batch['video'], tf.float32))}

  def metrics(self, sums):
    return {'brightness': sums['total'] / sums['examples']}


def test_a_metric_of_the_task_is_computed_for_each_clip(cpu):
  model = types.SimpleNamespace(task=_Task(), strategy=cpu)
  found = clip_measures.TaskMetric('brightness', videos=6).measure(model, CLIPS)
  np.testing.assert_allclose(found, _data()['video'].mean((1, 2, 3, 4)), rtol=1e-5)
  with pytest.raises(ValueError, match='the task has the metrics brightness'):
    clip_measures.TaskMetric('nmse').measure(model, CLIPS)


def test_nats_above_the_bound():
  measure = clip_measures.NatsAboveBound()
  assert measure.value({'nats_per_frame': 90., 'least_nats_per_frame': 87.5}) == 2.5
  with pytest.raises(ValueError, match='needs a Video Transformer whose predictor'):
    measure.value({'nats_per_frame': 90.})
