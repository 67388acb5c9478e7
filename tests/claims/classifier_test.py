"""The network that tells where shapes move: its classes, and whether it learns to tell them."""

import numpy as np
import pytest

from tf_videogen.claims import classifier
from tf_videogen.claims import clip_measures
from tf_videogen.data import downsampled
from tf_videogen.data import moving_shapes
from tf_videogen.layers import resampling

CLIPS = moving_shapes.MovingShapes(frames=8, size=16, channels=1, max_speed=1.)


def test_classes_are_directions_and_speeds():
  video, label = classifier._labelled(CLIPS, 'test', 40)
  moved = CLIPS.truth('test', range(40)).displacements[:, 1, 0]
  assert video.shape == (40, 8, 16, 16, 1)
  for (down, right), of_clip in zip(moved, label):
    angle = np.degrees(np.arctan2(down, right)) % 360
    assert 45 * (of_clip % 8) <= angle <= 45 * (of_clip % 8 + 1)
    assert (np.hypot(down, right) > .75) == (of_clip >= 8)


def test_other_clips_are_refused():
  clips = downsampled.DownsampledClips(CLIPS, resampling.nearest, (2,))
  with pytest.raises(ValueError, match='learns moving shapes, not DownsampledClips'):
    classifier.trained(clips, 8)


@pytest.mark.slow
def test_it_learns_and_tells_worse_samples_from_better_ones():
  """Trains for some seconds: most classes are told, and distances have the right order."""
  measure, data = clip_measures.FeatureDistance(), {}
  real, _ = classifier._labelled(CLIPS, 'train', 256)
  still = np.repeat(real[:, :1], 8, axis=1)
  jumping = np.random.default_rng(0).permuted(real, axis=1)
  distance = lambda video: measure.values(video[:, np.newaxis], data, CLIPS)[0]
  assert distance(real) < .1 * min(distance(still), distance(jumping))
  assert classifier.trained(CLIPS, 8).accuracy > .7 and 'accuracy' in measure.note
