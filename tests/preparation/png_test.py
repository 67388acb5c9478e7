"""PNG files: every reader gets back what was written."""

import io

import numpy as np
from PIL import Image
import pytest
import tensorflow as tf

from tf_videogen.preparation import png


@pytest.mark.parametrize('shape', [(1, 1, 1), (1, 7, 3), (64, 85, 3), (3, 256, 1)])
def test_lossless(shape):
  frame = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
  encoded = png.encode(frame)
  np.testing.assert_array_equal(tf.io.decode_png(encoded), frame)
  np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encoded))).reshape(shape), frame)
  turned = np.rot90(frame)  # rows that are not one after the other in memory
  np.testing.assert_array_equal(tf.io.decode_png(png.encode(turned)), turned)


def test_what_hardly_becomes_smaller_is_stored():
  frame = np.random.default_rng(0).integers(256, size=(64, 85, 3), dtype=np.uint8)
  encoded = png.encode(frame)
  assert frame.tobytes()[:85 * 3] in encoded and len(encoded) < frame.size + 200


def test_smooth_pictures_become_small():
  y, x = np.mgrid[:64, :64]
  frame = np.stack([2 * y, x + y, 255 - x], -1).astype(np.uint8)
  assert len(png.encode(frame)) < frame.size / 4
