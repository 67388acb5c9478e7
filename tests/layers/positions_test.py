"""Position embeddings: each axis has its channels, whatever the width."""
import numpy as np
import pytest

from tf_videogen.layers import positions


@pytest.mark.parametrize('shape, width', [((2, 3, 4), 9), ((2, 3, 4), 11), ((2, 3, 4, 2), 10)])
def test_axes_are_broadcast_and_concatenated(shape, width):
  layer = positions.SpatioTemporalEmbedding(shape, width, stddev=1.0)
  out = layer.grid().numpy()
  assert out.shape == shape + (width,)
  assert sum(table.shape[1] for table in layer.tables) == width
  offset = 0
  for axis, table in enumerate(layer.tables):
    part = np.moveaxis(out[..., offset:offset + table.shape[1]], axis, 0)
    for i in range(shape[axis]):
      np.testing.assert_array_equal(part[i], np.broadcast_to(table[i], part[i].shape))
    offset += table.shape[1]
  assert len(layer.trainable_variables) == len(shape)


def test_axes_are_summed():
  layer = positions.SpatioTemporalEmbedding((2, 3, 4), 5, stddev=1.0, summed=True)
  t, h, w = (table.numpy() for table in layer.tables)
  assert t.shape == (2, 5) and h.shape == (3, 5) and w.shape == (4, 5)
  np.testing.assert_allclose(layer.grid(), t[:, None, None] + h[:, None] + w, rtol=1e-6)
