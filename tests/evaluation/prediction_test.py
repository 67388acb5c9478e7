"""Predictions frame by frame and their motion: by hand, and of a tiny model."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tf_videogen.data import moving_shapes
from tf_videogen.evaluation import prediction
from tf_videogen.launch import inspect_motion
from tf_videogen.metrics import image_quality

GIVEN, SIZE = 2, 16


@pytest.fixture(name='clips', scope='module')
def _clips():
  """Six clips of five frames, and their true motion."""
  source = moving_shapes.MovingShapes(5, size=SIZE)
  return (next(iter(source.evaluation('test', 6)))['video'].numpy(),
          source.motion_fields('test', np.arange(6)))


def _copies(data):
  return np.concatenate([data[:, :GIVEN], np.repeat(data[:, GIVEN - 1:GIVEN], 3, axis=1)], axis=1)


def test_perfect_predictions(clips):
  data, motion = clips
  found = prediction.Predictions(data, data, GIVEN, motion, motion)
  rows = prediction.by_frame(found)
  np.testing.assert_allclose(rows['psnr'], [image_quality.MAX_PSNR] * 3, rtol=1e-5)
  np.testing.assert_allclose(rows['ssim'], [1] * 3, rtol=1e-5)
  np.testing.assert_allclose(rows['centroid error'], [0] * 3, atol=1e-9)
  agreement = prediction.agreement(found)
  assert agreement['endpoint_error'] == 0 and agreement['cosine'] == pytest.approx(1)
  assert 0.5 < agreement['endpoint_error_of_zeros'] < 2


def test_copies_are_no_better_than_copies(clips):
  data, motion = clips
  found = prediction.Predictions(data, _copies(data), GIVEN, np.zeros_like(motion), motion)
  rows = prediction.by_frame(found)
  expected = image_quality.psnr(_copies(data)[:, GIVEN:], data[:, GIVEN:]).numpy().mean(0)
  for name in ('psnr', 'ssim', 'centroid error'):
    np.testing.assert_array_equal(rows[name], rows[f'{name}, copy last frame'])
  np.testing.assert_allclose(rows['psnr'], expected, rtol=1e-6)
  assert (np.diff(rows['centroid error']) > 0).all()
  agreement = prediction.agreement(found)
  assert agreement['endpoint_error'] == agreement['endpoint_error_of_zeros']
  assert agreement['cosine'] == 0


def test_without_truth(clips):
  data, motion = clips
  found = prediction.Predictions(data, data, GIVEN, motion, None)
  assert prediction.agreement(found) == {}
  assert all('centroid' not in name for name in prediction.by_frame(found))


@pytest.mark.parametrize('motion', [True, False])
def test_drawing(clips, motion):
  data, field = clips
  field = field if motion else None
  found = prediction.Predictions(data, data, GIVEN, field, field)
  drawn = inspect_motion.drawing(found, 4)
  rows = 4 if motion else 2
  assert drawn.shape == (4, 5, rows * (64 + 2), 64, 3) and drawn.dtype == np.uint8
  np.testing.assert_array_equal(drawn[:, :, :64:4, ::4], data[:4])
  if motion:
    assert (drawn[:, 0, 132:] == 255).all()  # nothing has moved yet
    assert (drawn[:, 1, 132:] < 255).any()


def test_table():
  text = inspect_motion.table({'psnr': np.array([20.0, 10.5]), 'ssim': np.array([0.5, 0.25])})
  assert [line.split() for line in text.splitlines()] == [
      ['frame', '1', '2'], ['psnr', '20.000', '10.500'], ['ssim', '0.500', '0.250']]


@pytest.mark.usefixtures('eagerly')
def test_a_model(tiny, cpu, tmp_path):
  task = lambda: tiny.video_gan(discriminators={'views': ('dF',), 'multipliers': (1,)},
                                standing_passes=1)
  experiment = tiny.gan_experiment(task, train_steps=1)
  fakes.save(experiment, tmp_path, cpu, step=1)
  found = prediction.predict(experiment, str(tmp_path), cpu, clips=5, batch_size=4)
  assert found.data.shape == found.samples.shape == (5, 5, 16, 16, 1) and found.given == GIVEN
  assert found.motion.shape == found.true_motion.shape == (5, 5, 16, 16, 2)
  np.testing.assert_array_equal(found.samples[:, :GIVEN], found.data[:, :GIVEN])
  assert (found.motion[:, :GIVEN] == 0).all() and (found.motion[:, GIVEN:] != 0).any()
  # In pixels of the clips: those of 8 x 8 features, of which no warp reads farther than one away.
  assert 0 < np.abs(found.motion).max() <= 2
  np.testing.assert_array_equal(found.motion[:, :, ::2, ::2], found.motion[:, :, 1::2, 1::2])
  clips = next(iter(experiment.clips.evaluation('test', 5)))['video']
  np.testing.assert_array_equal(found.data, clips)


def test_a_model_without_given_frames(tiny, cpu, tmp_path):
  experiment = tiny.experiment(train_steps=1)
  fakes.save(experiment, tmp_path, cpu, step=1)
  with pytest.raises(ValueError, match='this model is given no frames'):
    prediction.predict(experiment, str(tmp_path), cpu)
