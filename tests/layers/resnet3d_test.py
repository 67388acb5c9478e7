"""The encoder of conditioning frames: shapes, depth, parameters by hand."""
import pytest
import tensorflow as tf

from tf_videogen.layers import resnet3d


@pytest.mark.parametrize('depth', [18, 34])
def test_depth_counts_convolutions_and_space_is_divided_by_four(depth):
  layer = resnet3d.ResNet3D(depth, units=24, width=4)
  assert layer(tf.zeros([2, 1, 16, 16, 1])).shape == (2, 1, 4, 4, 24)
  kernels = [v for v in layer.trainable_variables if v.shape.rank == 5]
  convolutions = [k for k in kernels if k.shape[0] == 3]
  assert len(convolutions) == depth - 1  # the last layer of a ResNet-18 is its classifier


def test_parameters_of_resnet18_with_512_units():
  layer = resnet3d.ResNet3D(18, units=512)
  with tf.Graph().as_default():  # variables of their shapes, no values
    layer(tf.zeros([1, 1, 8, 8, 1]))
  count, channels = 27 * 1 * 64, 64
  for group, (filters, blocks) in enumerate([(64, 2), (128, 2), (256, 2), (512, 2)]):
    for i in range(blocks):
      count += 27 * channels * filters + 27 * filters**2 + 4 * filters
      count += channels * filters if i == 0 and group > 0 else 0
      channels = filters
  assert sum(v.shape.num_elements() for v in layer.trainable_variables) == count


def test_unknown_depth_is_refused():
  with pytest.raises(ValueError, match='18 or 34'):
    resnet3d.ResNet3D(50)


def test_isolated_changes_nothing():
  x = tf.random.stateless_uniform([2, 1, 8, 8, 1], [1, 2])
  layer = resnet3d.ResNet3D(18, units=8, width=4, isolated=True)
  isolated = layer(x)
  layer.isolated = False
  assert (isolated == layer(x)).numpy().all()
