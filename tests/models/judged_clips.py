"""Clips for small discriminators, views of them, and how many parameters networks have."""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.models import discriminators

SEED = randomness.seed_of(3)
GIVEN, FRAMES, FACTOR = 2, 3, 2  # conditioning frames, K, s
ALL = ('F', 'dF', 'clV', 'dV', 'crV')


def video(batch=3, time=7, height=4, width=6, channels=2, seed=0):
  """Clips of which no two numbers are the same."""
  return np.random.default_rng(seed).uniform(
      -1, 1, size=(batch, time, height, width, channels)).astype(np.float32)


def view(video, name, seed=SEED, crop_size=None, frames=FRAMES):
  """What a view shows of clips."""
  return discriminators.view(
      tf.constant(video), name, GIVEN, frames, FACTOR, crop_size, seed).numpy()


def clips(batch=2, seed=0):
  """Clips [7, 4, 8, 2], as a tensor."""
  return tf.constant(video(batch, 7, 4, 8, seed=seed))


def slices(sizes):
  """Where in the vector of all outputs each network's are."""
  ends = np.cumsum(sizes)
  return [slice(end - size, end) for size, end in zip(sizes, ends)]


def expected_parameters(channels, multipliers, temporal, inputs, classes):
  """Of residual blocks: two convolutions, and 1 x 1 where the shape changes; of the head."""
  total = 0
  for stage, multiplier in enumerate(multipliers):
    taps = 27 if temporal and stage < 2 else 9
    outputs = channels * multiplier
    total += (taps * inputs + 1) * outputs + (taps * outputs + 1) * outputs
    if stage < len(multipliers) - 1 or inputs != outputs:
      total += (inputs + 1) * outputs
    inputs = outputs
  return total + inputs + 1 + classes * inputs
