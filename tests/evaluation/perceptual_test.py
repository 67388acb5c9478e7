"""LPIPS as a measure: sums of batches, given frames, several samples."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import perceptual


@pytest.mark.parametrize('samples', [1, 2])
def test_sums_of_batches(networks, cpu, samples):
  extract = extraction.Extractor(cpu, ['lpips_alexnet'])
  real = fakes.videos(5, 6)
  made = [fakes.videos(5, 6, seed=i + 1) for i in range(samples)]
  measure = perceptual.PerceptualDistance(conditioning_frames=2, frames=5)
  total = {}
  for rows in (slice(0, 3), slice(3, 5)):
    video = np.concatenate([one[rows] for one in made])
    clips = measuring.Clips(video, np.zeros(len(video)), real=real[rows], extract=extract)
    measuring.add(total, measure.statistics(clips))
  outcome = measure.metrics({'generated': total})
  frames = np.stack([np.abs(one[:, 2:5] / 255 - real[:, 2:5] / 255) for one in made])
  expected = frames.mean((0, 1, 3, 4, 5))
  assert outcome.values == {'lpips': pytest.approx(expected.mean(), rel=1e-5)}
  positions, values, _ = zip(*outcome.curves['lpips', 'lpips'])
  assert positions == (3, 4, 5) and outcome.axis == 'frame' and measure.needs_frames() == 5
  np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_without_clips_to_continue():
  video = fakes.videos(2, 3)
  with pytest.raises(ValueError, match='lpips compares samples with the clips that they continue'):
    perceptual.PerceptualDistance().statistics(measuring.Clips(video, np.zeros(2)))
