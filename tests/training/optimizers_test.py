"""Learning-rate schedules against their formulas."""

import math

import numpy as np
import pytest

from tf_videogen.training import optimizers


@pytest.mark.parametrize('step', [0, 1, 25, 50, 99, 100, 150])
def test_cosine_decay(step):
  schedule = optimizers.cosine_decay(0.5, 100)
  expected = 0.25 * (1 + math.cos(math.pi * min(step, 100) / 100))
  np.testing.assert_allclose(schedule(step), expected, atol=1e-7)


@pytest.mark.parametrize('step, expected', [
    (0, 0.0), (5, 0.25), (10, 0.5), (55, 0.25), (100, 0.0), (120, 0.0)])
def test_cosine_decay_after_warm_up(step, expected):
  """Linear up to step 10, then half a cosine that ends at step 100."""
  np.testing.assert_allclose(optimizers.cosine_decay(0.5, 100, 10)(step), expected, atol=1e-7)


def test_adam_takes_a_number_or_a_schedule():
  assert optimizers.adam(0.1).learning_rate.numpy() == np.float32(0.1)
  assert optimizers.adam(optimizers.cosine_decay(0.5, 100)).learning_rate.numpy() == 0.5
