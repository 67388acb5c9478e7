"""The color wheel of motion: directions, speeds, and its legend."""

import colorsys

import numpy as np
import pytest

from tf_videogen.reporting import color_wheel


def _picture(*vectors, fastest=2.):
  """Colors of a row of motion vectors, int [N, 3]."""
  return color_wheel.picture(np.array([vectors], np.float32), fastest)[0].astype(int)


def test_colors_by_hand():
  still, right, left, down, up, half, beyond = _picture(
      (0, 0), (0, 2), (0, -2), (2, 0), (-2, 0), (0, 1), (0, 9))
  assert still.tolist() == [255, 255, 255]
  assert right.tolist() == beyond.tolist() == [255, 0, 0]
  assert left.tolist() == [0, 255, 255]
  np.testing.assert_allclose(down, [128, 255, 0], atol=1)
  np.testing.assert_allclose(up, [128, 0, 255], atol=1)
  np.testing.assert_allclose(half, [255, 128, 128], atol=1)


def test_hue_is_the_direction_and_saturation_the_speed():
  for angle in np.arange(5, 360, 15):
    for speed in (.5, 1., 2.):
      down, right = speed * np.sin(np.radians(angle)), speed * np.cos(np.radians(angle))
      (color, opposite) = _picture((down, right), (-down, -right))
      hue, saturation, value = colorsys.rgb_to_hsv(*color / 255)
      assert (hue * 360, saturation, value) == pytest.approx((angle, speed / 2, 1), abs=1)
      assert saturation == pytest.approx(speed / 2, abs=.005)
      other = colorsys.rgb_to_hsv(*opposite / 255)[0]
      assert abs(hue - other) == pytest.approx(.5, abs=.01)


def test_fastest_of_the_field():
  motion = np.zeros((2, 3, 10, 10, 2))
  assert (color_wheel.picture(motion) == 255).all()
  motion[0, 0, 0, 0] = [0, 8]  # one of 600: the largest, where nearly nothing moves
  found = color_wheel.picture(motion)
  assert found.shape == (2, 3, 10, 10, 3) and found.dtype == np.uint8
  assert found[0, 0, 0, 0].tolist() == [255, 0, 0] and (found[1] == 255).all()
  motion[1] = [0, 4]  # half of the pixels: an outlier doesn't count
  found = color_wheel.picture(motion)
  assert found[1, 2, 5, 5].tolist() == found[0, 0, 0, 0].tolist() == [255, 0, 0]
  np.testing.assert_allclose(color_wheel.picture(motion, 8.)[1, 2, 5, 5], [255, 128, 128], atol=1)


def test_legend():
  wheel = color_wheel.legend(101)
  assert wheel.shape == (101, 101, 3) and wheel.dtype == np.uint8
  assert wheel[50, 50].tolist() == [255] * 3  # the middle stands still
  assert wheel[50, 100].tolist() == [255, 0, 0] and wheel[50, 0].tolist() == [0, 255, 255]
  np.testing.assert_array_equal(wheel[[100, 0], 50], _picture((2, 0), (-2, 0)))
  np.testing.assert_array_equal(wheel[75, 50], _picture((1, 0))[0])
  for row, column in ((0, 0), (0, 100), (100, 0), (100, 100), (10, 10)):
    assert wheel[row, column].tolist() == [255] * 3


def test_errors():
  with pytest.raises(ValueError, match=r'motion must be \[..., H, W, 2\], got \[4, 4, 3\]'):
    color_wheel.picture(np.zeros((4, 4, 3)))
  with pytest.raises(ValueError, match='fastest must be more than 0 pixels, got 0'):
    color_wheel.picture(np.zeros((4, 4, 2)), 0)
  with pytest.raises(ValueError, match='size must be at least 2, got 1'):
    color_wheel.legend(1)
