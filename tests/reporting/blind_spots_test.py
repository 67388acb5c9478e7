"""Tables of blind spots: ranges of distances, shares, what has no pairs; and the map of a pixel."""

import io

from matplotlib import image
import numpy as np

from tf_videogen.reporting import blind_spots


def test_table():
  counts = {'earlier': np.array([0, 1000, 0, 0, 0, 30, 10]),
            'missed': np.array([0, 250, 0, 0, 0, 3, 1]),
            'earlier_in_slice': np.array([0, 4, 0, 0, 0, 8, 0]),
            'missed_in_slice': np.array([0, 1, 0, 0, 0, 8, 0])}
  rows = [line.split() for line in blind_spots.table(counts).splitlines()]
  assert rows == [
      'distance pairs missed pairs in slice missed in slice'.split(),
      '1 1,000 25.00 % 4 25.00 %'.split(), '2 0 - 0 -'.split(), '3 0 - 0 -'.split(),
      '4 0 - 0 -'.split(), '5-6 40 10.00 % 8 100.00 %'.split(),
      'all 1,040 24.42 % 12 75.00 %'.split()]


def test_map():
  reached = np.array([1, 0, 1, 0, 0, 0, 0, 0], bool)
  earlier = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
  of_pixels = blind_spots.kinds(reached, earlier, (2, 2, 2), (0, 1, 1))
  np.testing.assert_array_equal(of_pixels, [[[1, 2], [1, 3]], [[0, 0], [0, 0]]])
  counts = [_pixels_of_color(blind_spots.draw(x)) for x in (of_pixels, np.zeros_like(of_pixels))]
  drawn = {color: counts[0][color] - counts[1][color] for color in counts[0]}
  quarter = drawn['missed']
  assert quarter > 1000 and abs(drawn['reached'] / quarter - 2) < 0.05
  assert abs(drawn['later'] / quarter + 4) < 0.05


def _pixels_of_color(png):
  """How many pixels of a drawing have the colors of the map."""
  pixels = np.round(255 * image.imread(io.BytesIO(png))[..., :3]).astype(int)
  colors = {'later': (0xe4,) * 3, 'reached': (0x2f, 0x6f, 0xb3), 'missed': (0xd9, 0x76, 0x2b)}
  return {name: int((pixels == color).all(-1).sum()) for name, color in colors.items()}
