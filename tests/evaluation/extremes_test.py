"""The pairs that agree least and most are found, whatever the batches."""

import numpy as np

from tf_videogen.evaluation import extremes


def _pairs(count):
  """Pairs that agree the less, the larger their number: uint8 [count, 3, 16, 16, 1] each."""
  real = np.random.default_rng(0).integers(60, 190, [count, 3, 16, 16, 1]).astype(np.uint8)
  noise = np.random.default_rng(1).integers(-1, 2, [count, 3, 16, 16, 1])
  generated = real + 3 * np.arange(count)[:, None, None, None, None] * noise
  return real, np.clip(generated, 0, 255).astype(np.uint8)


def test_the_worst_and_the_best_of_all_batches():
  real, generated = _pairs(12)
  order = np.random.default_rng(2).permutation(12)
  seen = extremes.Extremes()
  for rows in np.split(order, [5, 7]):
    seen.add(real[rows], generated[rows])
  found = seen.arrays()
  np.testing.assert_array_equal(found['best_samples'], generated[:4])
  np.testing.assert_array_equal(found['worst_samples'], generated[11:7:-1])
  np.testing.assert_array_equal(found['worst_data'], real[11:7:-1])
  assert found['best_ssim'][0] > 0.999 and np.all(np.diff(found['worst_ssim']) > 0)


def test_given_frames_do_not_count_and_no_pair_is_twice():
  real, generated = _pairs(3)
  generated[0, 0] = 0  # a given frame
  seen = extremes.Extremes(given=1)
  seen.add(real, generated)
  found = seen.arrays()
  assert found['best_ssim'].shape == found['worst_ssim'].shape == (1,)
  np.testing.assert_array_equal(found['best_data'], real[:1])
  assert extremes.Extremes().arrays() == {}
