"""Clips in which only far pixels tell, and which of the claim's arms see these pixels."""

import numpy as np
import pytest

from tf_videogen import experiment
from tf_videogen.claims import far_pixels
from tf_videogen.launch import claims
from tf_videogen.launch import configs
from tf_videogen.models import connectivity

pytestmark = pytest.mark.usefixtures('no_config_left')


def test_halves_are_the_same_noise():
  source = far_pixels.FarPixels(frames=3, size=16)
  batch = next(iter(source.evaluation('test', 50, limit=50)))
  video = batch['video'].numpy()
  assert video.shape == (50, 3, 16, 16, 1) and set(np.unique(video)) == {0, 255}
  np.testing.assert_array_equal(video[:, :, :, :8], video[:, :, :, 8:])
  white = video[:, :, :, :8] == 255
  assert abs(white.mean() - .5) < .01
  assert abs((white[:, 0] == white[:, 1]).mean() - .5) < .02  # each frame is new
  assert batch['id'].numpy()[7] == b'test/7'


@pytest.mark.parametrize('make, message', [
    (lambda: far_pixels.FarPixels(size=7), 'must be even, because halves are repeated; got 7'),
    (lambda: far_pixels.FarPixels().count('validation'), "FarPixels has no split 'validation'")])
def test_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_only_the_first_arm_sees_what_tells():
  """The pixel half a frame to the left of the middle of a row, in the frame that is generated."""
  claim = claims.read('video_transformer_far')
  seen = {}
  for arm in claim.arms:
    configs.parse([arm.config], arm.bindings)
    model = configs.configured(experiment.Experiment)().task().model
    model.build((None, 2, 8, 8, 1))
    pixel, told = 5 * 8 + 6, 64 + 5 * 8 + 2
    seen[arm.name] = bool(connectivity.reached(model, 1)[pixel, told])
  assert seen == {'blocks of a frame': True, 'blocks of half a frame': False,
                  'blocks of 2 x 2 pixels': False}
