"""I3D against NumPy, DeepMind's checkpoints and TF-Hub's graph."""

import numpy as np
import pytest
from scipy import ndimage
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.metrics import network_files
from tf_videogen.metrics import i3d
from tf_videogen.metrics import pretrained

CHECKPOINTS = {'i3d_kinetics400': 'rgb_scratch.model.ckpt',
               'i3d_kinetics600': 'rgb_scratch_kin600.model.ckpt'}
NAMES = ('Branch_0/Conv3d_0a_1x1', 'Branch_1/Conv3d_0a_1x1', 'Branch_1/Conv3d_0b_3x3',
         'Branch_2/Conv3d_0a_1x1', 'Branch_2/Conv3d_0b_3x3', 'Branch_3/Conv3d_0b_1x1')


def _randomize(variables, seed=0):
  """Assigns values that keep a network's outputs alive; returns them by name."""
  rng = np.random.default_rng(seed)
  values = {}
  for name, variable in variables.items():
    shape = variable.shape.as_list()
    if name.endswith('moving_variance'):
      value = rng.uniform(0.5, 1.5, shape)
    elif name.endswith('/w'):
      value = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
    else:
      value = rng.normal(0, 0.1, shape)
    values[name] = value.astype(np.float32)
    variable.assign(values[name])
  return values


def _reference_unit(x, values, stride=1):
  """Convolution [B, T, H, W, C], norm with beta alone, ReLU, in float64."""
  values = {name: value.astype(np.float64) for name, value in values.items()}
  w, sizes, padding = values['conv_3d/w'], [], []
  for length in x.shape[1:4]:
    sizes.append(-(-length // stride))
    missing = max((sizes[-1] - 1) * stride + len(w) - length, 0)
    padding.append((missing // 2, missing - missing // 2))
  x = np.pad(x.astype(np.float64), [(0, 0), *padding, (0, 0)])
  y = 0
  for place in np.ndindex(w.shape[:3]):
    cut = tuple(slice(start, start + (size - 1) * stride + 1, stride)
                for start, size in zip(place, sizes))
    y += x[(slice(None), *cut)] @ w[place]
  y = (y - values['batch_norm/moving_mean']) / np.sqrt(values['batch_norm/moving_variance'] + 1e-3)
  return np.maximum(y + values['batch_norm/beta'], 0)


def _reference_module(x, values, names):
  """The four branches, in float64."""
  def unit(x, number):
    start = f'{names[number]}/'
    return _reference_unit(
        x, {n.removeprefix(start): v for n, v in values.items() if n.startswith(start)})
  pooled = ndimage.maximum_filter(x, (1, 3, 3, 3, 1), mode='constant', cval=-np.inf)
  return np.concatenate(
      [unit(x, 0), unit(unit(x, 1), 2), unit(unit(x, 3), 4), unit(pooled, 5)], axis=-1)


def _model(classes=400):
  model = i3d.I3D(classes)
  model.build()
  return model


@pytest.mark.parametrize('classes,total', [(400, 12_704_544), (600, 12_909_544)])
def test_parameters_by_name(classes, total):
  with tf.Graph().as_default():
    model = _model(classes)
    found = {name: tuple(variable.shape) for name, variable in model.by_name().items()}
  listed = pretrained.listing(f'i3d_kinetics{classes}')
  assert found == {name: shape for name, (shape, _) in listed.items()} and len(found) == 230
  assert {id(v) for v in model.by_name().values()} == {id(v) for v in model.variables}
  assert sum(np.prod(shape) for shape in found.values()) == total
  assert sum(v.shape.num_elements() for v in model.non_trainable_variables) == 14_560
  assert 'Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w' in found


@pytest.mark.real_data
@pytest.mark.parametrize('name', CHECKPOINTS)
def test_listing_is_that_of_the_checkpoint(name, real_data):
  prefix = real_data / 'i3d' / CHECKPOINTS[name]
  shapes = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
  crcs = network_files.checksums_of_index(f'{prefix}.index')
  expected = {}
  for variable, shape in shapes.items():
    if not variable.endswith('/Momentum'):
      shape = shape[-1:] if '/batch_norm/' in variable else shape
      expected[variable.removeprefix(network_files.PREFIX)] = (tuple(shape), crcs[variable])
  assert pretrained.listing(name) == expected and len(expected) == 230


@pytest.mark.real_data
@pytest.mark.parametrize('lengths', [
    (9, 10), pytest.param((16, 30), marks=pytest.mark.slow)])
def test_equals_the_graph_of_tf_hub(real_data, lengths):
  model = _model()
  values = _randomize(model.by_name())
  saved = saved_model_pb2.SavedModel.FromString(
      (real_data / 'i3d' / 'i3d_kinetics_400_hub_saved_model.pb').read_bytes())
  rng = np.random.default_rng(1)
  clips = [rng.uniform(-1, 1, [1, frames, 224, 224, 3]).astype(np.float32)
           for frames in lengths]
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    tf.compat.v1.train.import_meta_graph(saved.meta_graphs[0])
    variables = tf.compat.v1.global_variables()
    given = {}
    for variable in variables:
      value = values.pop(variable.op.name.removeprefix(network_files.PREFIX))
      given[variable.initializer.inputs[1]] = value.reshape(variable.shape)
    assert not values
    session.run([variable.initializer for variable in variables], given)
    expected = [session.run(
        ['RGB/inception_i3d/Mean:0', 'RGB/inception_i3d/Logits/AvgPool3D:0'],
        {'input_frames:0': clip}) for clip in clips]
  for clip, (logits, features) in zip(clips, expected):
    outputs = model(clip)
    assert logits.std() > 0.1 and features.std() > 0.1
    np.testing.assert_allclose(outputs['logits'], logits, atol=1e-4)
    np.testing.assert_allclose(outputs['features'], features.mean((1, 2, 3)), atol=1e-4)


@pytest.mark.parametrize('kernel,stride,shape', [
    (1, 1, (2, 3, 4, 5, 3)), (3, 1, (2, 3, 4, 5, 3)), (7, 2, (1, 9, 16, 15, 3)),
    (3, 2, (2, 4, 5, 6, 2))])
def test_convolution_unit_equals_numpy(kernel, stride, shape):
  unit = i3d.ConvolutionUnit(4, kernel, stride)
  unit.build(shape)
  values = _randomize(unit.by_name())
  x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
  y, expected = unit(x), _reference_unit(x, values, stride)
  assert 0 < np.mean(expected > 0) < 1
  np.testing.assert_allclose(y, expected, atol=1e-5)


def test_epsilon_of_batch_norm():
  """The default is DeepMind's; what the port has shows where a variance is small."""
  x = np.random.default_rng(1).normal(size=(1, 2, 3, 4, 3)).astype(np.float32)
  outputs = []
  for epsilon in ({}, {'epsilon': 1e-3}, {'epsilon': 1e-5}):
    unit = i3d.ConvolutionUnit(4, 1, **epsilon)
    unit.build(x.shape)
    _randomize(unit.by_name())
    unit.moving_variance.assign([1e-3] * 4)
    outputs.append((unit(x).numpy(), unit))
  np.testing.assert_array_equal(outputs[0][0], outputs[1][0])
  (ours, unit), (port, _) = outputs[1:]
  shift = unit.beta.numpy() - unit.moving_mean.numpy() / np.sqrt(2e-3)
  kernel = unit.w.numpy()[0, 0, 0]
  np.testing.assert_allclose(ours, np.maximum(x @ kernel / np.sqrt(2e-3) + shift, 0), rtol=1e-4)
  shift = unit.beta.numpy() - unit.moving_mean.numpy() / np.sqrt(1.01e-3)
  np.testing.assert_allclose(port, np.maximum(x @ kernel / np.sqrt(1.01e-3) + shift, 0), rtol=1e-4)


@pytest.fixture(name='module')
def _module():
  """A small InceptionModule, its values, and an input."""
  x = np.random.default_rng(1).normal(size=[2, 3, 5, 4, 3]).astype(np.float32) - 0.5
  module = i3d.InceptionModule((2, 3, 4, 5, 6, 7), NAMES)
  module(x)
  return module, _randomize(module.by_name()), x


def test_inception_module_equals_numpy(module):
  module, values, x = module
  y, expected = module(x), _reference_module(x, values, NAMES)
  assert y.shape == (2, 3, 5, 4, 2 + 4 + 6 + 7)
  assert {name.rpartition('/')[0].rpartition('/')[0] for name in values} == set(NAMES)
  np.testing.assert_allclose(y, expected, atol=1e-5)


def test_compiles_under_xla_with_the_same_result(module):
  module, _, x = module
  unit = i3d.ConvolutionUnit(4, 7, stride=2)
  unit.build(x.shape)
  _randomize(unit.by_name())
  for layer in (unit, module):
    np.testing.assert_allclose(tf.function(layer, jit_compile=True)(x), layer(x), atol=1e-5)


@pytest.fixture(scope='module', name='network')
def _network():
  """The whole network with random weights."""
  model = _model()
  _randomize(model.by_name())
  return model


def test_logits_are_linear_in_features(network):
  clip = np.random.default_rng(1).uniform(-1, 1, [2, 9, 224, 224, 3]).astype(np.float32)
  outputs = network(clip)
  head = {end: network.by_name()[f'Logits/Conv3d_0c_1x1/conv_3d/{end}'].numpy() for end in 'wb'}
  assert outputs['features'].shape == (2, 1024) and outputs['logits'].shape == (2, 400)
  expected = outputs['features'].numpy() @ head['w'].reshape(1024, 400) + head['b']
  assert expected.std() > 0.1
  np.testing.assert_allclose(outputs['logits'], expected, atol=1e-4)


def test_too_few_frames_are_named(network):
  with pytest.raises(ValueError, match='I3D needs clips of at least 9 frames, got 8'):
    network(np.zeros([1, 8, 224, 224, 3], np.float32))


def test_precision_policies_change_nothing():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  try:
    with tf.Graph().as_default():
      model = _model()
      outputs = model(tf.zeros([1, 9, 224, 224, 3]))
  finally:
    tf.keras.mixed_precision.set_global_policy('float32')
  assert {v.dtype for v in model.variables} | {v.dtype for v in outputs.values()} == {tf.float32}
  assert {part.compute_dtype for part in model.submodules
          if isinstance(part, tf.keras.layers.Layer)} == {'float32'}


def test_factors_are_rounded_as_by_tensor_float_32():
  """To 10 bits after the leading one, ties to even, whatever the sign."""
  x = np.float32([
      1, 1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-11 + 2**-20, -3.14159, 1e-30, 0])
  expected = [1, 1 + 2**-10, 1, 1 + 2**-9, 1 + 2**-10, -3.140625]
  rounded = i3d.rounded(tf.constant(x), 10).numpy()
  np.testing.assert_array_equal(rounded[:6], np.float32(expected))
  assert abs(rounded[6] / x[6] - 1) < 2**-11 and rounded[7] == 0
  unit = i3d.ConvolutionUnit(2, 3, mantissa_bits=10)
  video = tf.constant(np.random.default_rng(0).normal(size=(1, 3, 4, 4, 2)).astype(np.float32))
  found = unit(video).numpy()
  unit.mantissa_bits = None
  np.testing.assert_allclose(found, unit(video), atol=1e-2)
  assert np.abs(found - unit(video).numpy()).max() > 1e-5
