"""C3D against NumPy and SciPy: the network, what goes into it, and weights in Chainer's layout."""

import numpy as np
import pytest
from scipy import ndimage
import tensorflow as tf

from tf_videogen.metrics import c3d

WIDTH, HIDDEN, CLASSES = 2, 5, 4
CONVOLUTIONS = [('conv1a', 3, 2), ('conv2a', 2, 4), ('conv3a', 4, 8), ('conv3b', 8, 8),
                ('conv4a', 8, 16), ('conv4b', 16, 16), ('conv5a', 16, 16), ('conv5b', 16, 16)]
DENSE = [('fc6', 16 * 4 * 4, HIDDEN), ('fc7', HIDDEN, HIDDEN), ('fc8', HIDDEN, CLASSES)]


@pytest.fixture(scope='module', name='weights')
def _weights():
  """Arrays as Chainer stores them, of a small network; scaled so that values stay alive."""
  rng = np.random.default_rng(0)
  arrays = {}
  for name, inputs, outputs in CONVOLUTIONS:
    scale = np.sqrt(2 / (27 * inputs))
    arrays[f'{name}/W'] = rng.normal(0, scale, [outputs, inputs, 3, 3, 3])
    arrays[f'{name}/b'] = rng.normal(0, 1, [outputs])
  for name, inputs, outputs in DENSE:
    arrays[f'{name}/W'] = rng.normal(0, np.sqrt(2 / inputs), [outputs, inputs])
    arrays[f'{name}/b'] = rng.normal(0, 1, [outputs])
  return {name: array.astype(np.float32) for name, array in arrays.items()}


@pytest.fixture(scope='module', name='clips')
def _clips():
  """Two clips as preprocess makes them, float32 [2, 16, 112, 112, 3]."""
  rng = np.random.default_rng(1)
  noise = rng.normal(0, 60, [2, 16, 112, 112, 3])
  return ndimage.gaussian_filter(noise, (0, 1, 1, 1, 0)).astype(np.float32) * 4


def _model():
  model = c3d.C3D(CLASSES, width=WIDTH, hidden=HIDDEN)
  model.build()
  return model


def _reference_convolution(x, kernel, bias):
  """x [I, T, H, W], kernel [O, I, 3, 3, 3]: correlation with zeros around."""
  return np.stack([
      sum(ndimage.correlate(plane, k, mode='constant') for plane, k in zip(x, kernels)) + b
      for kernels, b in zip(kernel, bias)])


def _reference_pool(x, sizes):
  """Max over x [C, T, H, W] in cells of `sizes`; the last cell may be smaller."""
  for axis, size in enumerate(sizes, start=1):
    starts = range(0, x.shape[axis], size)
    cells = [np.split(x, [start, start + size], axis)[1] for start in starts]
    x = np.concatenate([cell.max(axis, keepdims=True) for cell in cells], axis)
  return x


def _reference_network(clip, weights):
  """features [HIDDEN] and logits [CLASSES] of a clip [T, H, W, C], in float64."""
  weights = {name: array.astype(np.float64) for name, array in weights.items()}
  x = clip.astype(np.float64).transpose(3, 0, 1, 2)  # [T, H, W, C] -> [C, T, H, W]
  for name, _, _ in CONVOLUTIONS:
    x = np.maximum(_reference_convolution(x, weights[f'{name}/W'], weights[f'{name}/b']), 0)
    if name not in ('conv3a', 'conv4a', 'conv5a'):
      x = _reference_pool(x, (1, 2, 2) if name == 'conv1a' else (2, 2, 2))
  assert x.shape == (16, 1, 4, 4)
  x = x.ravel()  # [C, T, H, W] -> [C * T * H * W]
  for name in ('fc6', 'fc7'):
    x = np.maximum(weights[f'{name}/W'] @ x + weights[f'{name}/b'], 0)
  return x, weights['fc8/W'] @ x + weights['fc8/b']


def _reference_resize(x, size):
  """Linear interpolation along rows and columns of [T, H, W, C], the corners on the corners."""
  for axis in (1, 2):
    length = x.shape[axis]
    position = np.arange(size) * (length - 1) / (size - 1)
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, length - 1)
    weight = (position - before).reshape([-1 if a == axis else 1 for a in range(4)])
    x = x.take(before, axis) * (1 - weight) + x.take(after, axis) * weight
  return x


def _video(height, width, batch=1):
  rng = np.random.default_rng(2)
  return rng.integers(0, 256, [batch, 16, height, width, 3], np.uint8)


def _mean():
  return np.random.default_rng(3).uniform(80, 120, [16, 112, 112, 3]).astype(np.float32)


def test_parameters_and_variables_at_full_size():
  channels = [3, 64, 128, 256, 256, 512, 512, 512, 512]
  names = [name for name, _, _ in CONVOLUTIONS]
  with tf.Graph().as_default():
    model = c3d.C3D()
    model.build()
    kernels = {name: tuple(layer.kernel.shape) for name, layer in model.convolutions.items()}
    assert kernels == {name: (3, 3, 3, *pair) for name, *pair in zip(names, channels, channels[1:])}
    assert [tuple(layer.kernel.shape) for layer in (model.fc6, model.fc7, model.fc8)] == [
        (8192, 4096), (4096, 4096), (4096, 101)]
    assert sum(v.shape.num_elements() for v in model.variables) == 78_409_573
    outputs = model(tf.zeros([7, 16, 112, 112, 3]))
  assert outputs['features'].shape == (7, 4096) and outputs['logits'].shape == (7, 101)


@pytest.mark.parametrize('slash', ['', '/'])
def test_network_with_weights_of_an_npz_equals_scipy(weights, clips, slash, tmp_path):
  np.savez(tmp_path / 'weights.npz', **{slash + name: array for name, array in weights.items()})
  model = _model()
  with np.load(tmp_path / 'weights.npz', allow_pickle=False) as arrays:
    c3d.assign(model, arrays)
  outputs = model(clips)
  expected = [_reference_network(clip, weights) for clip in clips]
  features, logits = (np.stack(values) for values in zip(*expected))
  assert 0 < np.mean(features > 0) and np.abs(logits[0] - logits[1]).max() > 0.1
  assert outputs['features'].dtype == outputs['logits'].dtype == tf.float32
  np.testing.assert_allclose(outputs['features'], features, rtol=1e-4, atol=1e-3)
  np.testing.assert_allclose(outputs['logits'], logits, rtol=1e-4, atol=1e-3)


def test_fc6_reads_channels_first_then_rows_and_columns():
  """One unit of fc6 reads one cell: that of channel 3, row 1, column 2."""
  model = _model()
  arrays = {name: np.zeros(shape, np.float32) for name, shape in _shapes().items()}
  arrays['fc6/W'][0, (3 * 4 + 1) * 4 + 2] = 1
  arrays['fc7/W'][0, 0] = 1
  for name, inputs, outputs in CONVOLUTIONS:  # passes channel c on to all channels c + inputs * i
    for output in range(outputs):
      arrays[f'{name}/W'][output, output % inputs, 1, 1, 1] = 1 if output < inputs else 0.5
  c3d.assign(model, arrays)
  clip = np.zeros([1, 16, 112, 112, 3], np.float32)
  clip[0, 5, 40, 70, 1] = 8  # channel 3 takes channel 1; a cell has 32 x 32 pixels
  assert model(clip)['features'][0, 0] == 4
  assert model(clip.transpose(0, 1, 3, 2, 4))['features'][0, 0] == 0


@pytest.mark.parametrize('height,width', [(20, 30), (112, 112), (64, 64), (130, 121)])
def test_preprocess_equals_numpy(height, width):
  video, mean = _video(height, width), _mean()
  x = (video[0].astype(np.float64) / 127.5 - 1) * 128
  expected = _reference_resize(x[..., [2, 1, 0]], 112) + 128 - mean
  values = c3d.preprocess(video, mean)
  assert values.dtype == tf.float32 and values.shape == (1, 16, 112, 112, 3)
  np.testing.assert_allclose(values[0], expected, atol=5e-3)


def test_preprocess_by_hand():
  video = np.zeros([2, 16, 8, 8, 3], np.uint8)
  video[0, :, :, :, 0] = 255  # red
  values = c3d.preprocess(video, np.full([16, 112, 112, 3], 100, np.float32))
  np.testing.assert_allclose(values[0, 3, 50, 60], [-100, -100, 156], atol=1e-3)  # BGR
  np.testing.assert_allclose(values[1], -100 * np.ones([16, 112, 112, 3]), atol=1e-3)


def test_compiles_under_xla_with_the_same_result(weights):
  model, mean = _model(), _mean()
  c3d.assign(model, weights)
  def outputs(video):
    x = c3d.preprocess(video, mean)
    return {'input': x, **model(x)}
  video = _video(64, 48, batch=2)
  compiled = tf.function(outputs, jit_compile=True, autograph=False)(video)
  expected = outputs(video)
  for name, value in expected.items():
    np.testing.assert_allclose(compiled[name], value, rtol=1e-3, atol=5e-3, err_msg=name)


def test_unknown_batch_and_size_in_graph(weights):
  model, mean = _model(), _mean()
  c3d.assign(model, weights)
  def logits(video):
    return model(c3d.preprocess(video, mean))['logits']
  video = _video(20, 30, batch=2)
  spec = tf.TensorSpec([None, 16, None, None, 3], tf.uint8)
  traced = tf.function(logits, input_signature=[spec], autograph=False)
  assert traced.get_concrete_function().output_shapes.as_list() == [None, CLASSES]
  np.testing.assert_allclose(traced(video), logits(video), rtol=1e-4, atol=1e-3)


def test_precision_policies_change_nothing():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    with tf.Graph().as_default():
      model = _model()
      outputs = model(tf.zeros([1, 16, 112, 112, 3]))
  finally:
    tf.keras.mixed_precision.set_global_policy('float32')
  assert {v.dtype for v in model.variables} | {v.dtype for v in outputs.values()} == {tf.float32}
  assert {part.compute_dtype for part in model.submodules} == {'float32'}


def _shapes():
  """Name -> shape of the small network's arrays in Chainer's layout."""
  found = {}
  for name, inputs, outputs in CONVOLUTIONS:
    found.update({f'{name}/W': (outputs, inputs, 3, 3, 3), f'{name}/b': (outputs,)})
  for name, inputs, outputs in DENSE:
    found.update({f'{name}/W': (outputs, inputs), f'{name}/b': (outputs,)})
  return found


def test_assign_names_what_does_not_fit_and_assigns_nothing(weights):
  model = _model()
  arrays = {name: array for name, array in weights.items() if name not in ('conv3b/b', 'fc8/W')}
  with pytest.raises(ValueError, match='missing conv3b/b, fc8/W$'):
    c3d.assign(model, arrays)
  with pytest.raises(ValueError, match='unknown bn1a/gamma, pre/W$'):
    c3d.assign(model, {**weights, 'pre/W': np.zeros(3), 'bn1a/gamma': np.zeros(3)})
  wrong = {**weights, 'fc6/W': weights['fc6/W'].T, 'conv1a/W': weights['conv1a/W'][:, :2]}
  with pytest.raises(ValueError) as error:
    c3d.assign(model, wrong)
  assert 'conv1a/W of shape (2, 2, 3, 3, 3), expected (2, 3, 3, 3, 3)' in str(error.value)
  assert 'fc6/W of shape (256, 5), expected (5, 256)' in str(error.value)
  assert '\n' not in str(error.value)
  assert all(not v.numpy().any() for v in model.variables)


def test_assign_needs_a_built_model(weights):
  with pytest.raises(ValueError, match='build'):
    c3d.assign(c3d.C3D(CLASSES, width=WIDTH, hidden=HIDDEN), weights)


@pytest.mark.parametrize('width', [128, 171])
def test_crop_of_mean(width):
  mean = np.arange(3 * 16 * 128 * width).reshape(3, 16, 128, width)
  for array in (mean, mean[None], mean.ravel(), mean.reshape(1, -1), mean.astype(np.float64)):
    crop = c3d.crop_of_mean(array)
    assert crop.dtype == np.float32 and crop.shape == (16, 112, 112, 3)
    for c, t, y, x in [(0, 0, 0, 0), (2, 15, 111, 111), (1, 7, 3, 50)]:
      assert crop[t, y, x, c] == mean[c, t, y + 8, x + 8]


@pytest.mark.parametrize('shape', [(16, 128, 171, 3), (3, 16, 112, 112), (3, 8, 128, 171), (100,),
                                   (3,), (), (1, 1)])
def test_crop_of_mean_refuses_other_shapes(shape):
  with pytest.raises(ValueError, match=r'crop_of_mean: mean must be \[3, 16, H, W\]'):
    c3d.crop_of_mean(np.zeros(shape, np.float32))


@pytest.mark.parametrize('shape,dtype', [
    ([1, 15, 8, 8, 3], np.uint8), ([1, 16, 8, 8, 1], np.uint8), ([16, 8, 8, 3], np.uint8),
    ([1, 16, 8, 8, 3], np.float32)])
def test_preprocess_names_wrong_videos(shape, dtype):
  with pytest.raises(ValueError, match=r'video must be uint8 \[B, 16, H, W, 3\]') as error:
    c3d.preprocess(np.zeros(shape, dtype), _mean())
  assert '\n' not in str(error.value)


def test_wrong_mean_and_wrong_input_are_named():
  with pytest.raises(ValueError, match='crop_of_mean makes it'):
    c3d.preprocess(_video(8, 8), np.zeros([3, 16, 112, 112], np.float32))
  for x in (tf.zeros([1, 15, 112, 112, 3]), tf.zeros([1, 16, 112, 112, 3], tf.uint8),
            tf.zeros([1, 16, 64, 64, 3])):
    with pytest.raises(ValueError, match='video must be float32'):
      _model()(x)
