"""The moving picture of a claim's samples."""

import io

import numpy as np
from PIL import Image

from tf_videogen.claims import report


def test_a_picture_has_a_row_per_clip_and_a_column_per_arm():
  videos = {'data': np.full((2, 3, 16, 16, 1), 50, np.uint8),
            'one': np.full((2, 6, 8, 8, 1), 100, np.uint8),
            'two': np.full((2, 6, 16, 16, 1), 150, np.uint8)}
  videos['data'][:, 1] = 60
  videos['one'][:] += np.arange(6, dtype=np.uint8)[:, None, None, None]
  with Image.open(io.BytesIO(report.picture(videos))) as image:
    assert image.n_frames == 6 and image.size == (3 * 64 + 4, 2 * 64 + 2)
    for frame, level in ((0, 50), (1, 60), (4, 60)):  # the data begin anew
      image.seek(frame)
      shown = np.asarray(image.convert('L'))
      assert [shown[30, 66 * column + 30] for column in range(3)] == [level, 100 + frame, 150]
      assert shown[100, 30] == level
