"""The encoder of conditioning frames: shapes, depth, parameters by hand."""
import numpy as np
import pytest
import tensorflow as tf

from tests import shapes
from tf_videogen.layers import resnet3d


@pytest.mark.parametrize('depth', [18, 34])
def test_depth_counts_convolutions_and_space_is_divided_by_four(depth):
  layer = resnet3d.ResNet3D(depth, units=24, width=4)
  assert layer(tf.zeros([2, 1, 16, 16, 1])).shape == (2, 1, 4, 4, 24)
  kernels = [v for v in layer.trainable_variables if v.shape.rank == 5]
  assert sum(k.shape[0] == 1 for k in kernels) == 4  # a projection of every group
  convolutions = [k for k in kernels if k.shape[0] == 3]
  assert len(convolutions) == depth - 1  # the last layer of a ResNet-18 is its classifier


def test_parameters_of_resnet18_with_512_units():
  layer = resnet3d.ResNet3D(18, units=512)
  with shapes.alone():
    layer(tf.zeros([1, 1, 8, 8, 1]))
  count, channels = 27 * 1 * 64 + 2 * 64, 64  # the stem and its norm
  for filters, blocks in [(64, 2), (128, 2), (256, 2), (512, 2)]:
    for i in range(blocks):
      count += 27 * channels * filters + 27 * filters**2 + 4 * filters
      count += channels * filters + 2 * filters if i == 0 else 0  # a projection and its norm
      channels = filters
  assert sum(v.shape.num_elements() for v in layer.trainable_variables) == count


@pytest.mark.parametrize('depth', [50, (2, 2, 2)])
def test_unknown_depth_is_refused(depth):
  with pytest.raises(ValueError, match='18, 34, or four numbers of blocks'):
    resnet3d.ResNet3D(depth)


def test_values():
  """One block a group, by convolutions of NumPy and torch's rule: zeros on both sides."""
  rng = np.random.default_rng(0)
  layer = resnet3d.ResNet3D((1, 1, 1, 1), units=5, width=2)
  x = rng.normal(size=(1, 2, 8, 8, 1)).astype(np.float32)
  layer(x)
  for v in layer.trainable_variables:
    v.assign(rng.normal(size=v.shape, scale=0.5))

  def convolved(x, unit, stride):
    kernel = unit.convolution.kernel.numpy()
    size, (_, t, h, w, _) = kernel.shape[0], x.shape
    side = (size - 1) // 2
    padded = np.pad(x, [(0, 0)] + [(side, side)] * 3 + [(0, 0)])
    y = sum(padded[:, i:i + t, j:j + h, k:k + w] @ kernel[i, j, k]
            for i in range(size) for j in range(size) for k in range(size))
    y = y[:, :, ::stride, ::stride]
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    return y * unit.norm.gamma.numpy() + unit.norm.beta.numpy()

  relu = lambda x: np.maximum(x, 0)
  h = relu(convolved(x, layer.stem, 1))
  for block, stride in zip(layer.blocks, (1, 2, 2, 1)):
    inner = relu(convolved(h, block.first, stride))
    h = relu(convolved(h, block.projection, stride) + relu(convolved(inner, block.second, 1)))
  assert h.shape == (1, 2, 2, 2, 5)
  np.testing.assert_allclose(layer(x), h, rtol=1e-3, atol=1e-3)


def test_isolated_changes_nothing():
  x = tf.random.stateless_uniform([2, 1, 8, 8, 1], [1, 2])
  layer = resnet3d.ResNet3D(18, units=8, width=4, isolated=True)
  isolated = layer(x)
  layer.isolated = False
  assert (isolated == layer(x)).numpy().all()
