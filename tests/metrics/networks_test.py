"""Networks behind their preprocessing: what reaches them, whose weights they have, their labels."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.metrics import network_files
from tf_videogen.metrics import c3d
from tf_videogen.metrics import i3d
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained

I3D = 'i3d_kinetics400'


def _video(batch, frames, height, width, channels=3, seed=0):
  return np.random.default_rng(seed).integers(
      0, 256, [batch, frames, height, width, channels], np.uint8)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
  """An empty cache."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))


@pytest.fixture(scope='module', name='random_i3d')
def _random_i3d():
  return networks.FeatureNetwork(f'random:{I3D}')


@pytest.fixture
def small_c3d(tmp_path, monkeypatch):
  """C3D is narrow; its listing has its shapes. Returns its arrays and a mean."""
  monkeypatch.setattr(c3d, 'C3D', functools.partial(c3d.C3D, 7, width=2, hidden=5))
  model = c3d.C3D()
  model.build()
  rng = np.random.default_rng(1)
  arrays = {}
  for name, layer in {**model.convolutions, 'fc6': model.fc6, 'fc7': model.fc7,
                      'fc8': model.fc8}.items():
    *sizes, inputs, outputs = layer.kernel.shape
    shape = (outputs, inputs, *sizes)
    arrays[f'{name}/W'] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
    arrays[f'{name}/b'] = rng.normal(size=shape[:1]).astype(np.float32)
  monkeypatch.setattr(pretrained, '_LISTINGS', tmp_path / 'listings')
  network_files.save_listing(tmp_path / 'listings' / 'c3d_ucf101.csv', arrays)
  return {**arrays, 'mean': rng.uniform(80, 120, [3, 16, 128, 171]).astype(np.float32)}


@pytest.mark.parametrize('frames,expected', [
    (1, [0, 1, 2]), (2, [0, 1, 2]), (3, [0, 1, 2]), (4, [0, 1, 2, 0]), (7, [0, 1, 2, 0, 1, 2, 0])])
def test_repeated(frames, expected):
  """From the start, again and again; a clip that is long enough is not cut."""
  video = tf.constant(_video(2, 3, 2, 2))
  longer = networks.repeated(video, frames)
  np.testing.assert_array_equal(longer, video.numpy()[:, expected])


@pytest.mark.parametrize('size,frames', [((64, 64), 16), ((20, 33), 9), ((256, 224), 10)])
def test_what_reaches_i3d(random_i3d, monkeypatch, size, frames):
  """Whole frames, resized by TensorFlow 1's legacy bilinear, then from [0, 255] to [-1, 1]."""
  seen = []
  monkeypatch.setattr(random_i3d._network, 'model', seen.append)
  video = _video(2, frames, *size)
  random_i3d(tf.constant(video))
  images = tf.compat.v1.image.resize_bilinear(
      video.reshape([-1, *size, 3]), (224, 224), align_corners=False, half_pixel_centers=False)
  expected = (2 * images.numpy().astype(np.float64) / 255 - 1).reshape([2, frames, 224, 224, 3])
  assert seen[0].dtype == tf.float32 and seen[0].shape == expected.shape
  np.testing.assert_allclose(seen[0], expected, atol=1e-6)
  assert np.min(seen[0]) < -0.95 and np.max(seen[0]) > 0.95


def test_what_reaches_the_port(monkeypatch):
  """Half pixels; the weights are those of I3D, and the label tells the networks apart."""
  made = []
  monkeypatch.setattr(i3d, 'I3D', lambda *args, **kwargs: made.append((args, kwargs)) or _NoModel())
  port = networks.FeatureNetwork('random:i3d_kinetics400_port')
  assert made == [((400, 1e-5), {'mantissa_bits': None})]
  video = _video(1, 9, 20, 33)
  seen = port(tf.constant(video))
  expected = tf.image.resize(video.reshape([-1, 20, 33, 3]), (224, 224), antialias=False)
  np.testing.assert_allclose(
      seen, (2 * expected.numpy() / 255 - 1).reshape([1, 9, 224, 224, 3]), atol=1e-5)
  assert networks._WEIGHTS == {'i3d_kinetics400_port': 'i3d_kinetics400'}


def test_what_reaches_changed_networks(monkeypatch):
  """One change each; they can be joined."""
  monkeypatch.setattr(i3d, 'I3D', lambda *args, **kwargs: _NoModel())
  video = _video(1, 9, 20, 30)
  seen = lambda *changes: networks.FeatureNetwork(
      '+'.join([f'random:{I3D}', *changes]))(tf.constant(video)).numpy()
  reference = seen()
  np.testing.assert_allclose(seen('values_0_1'), (reference + 1) / 2, atol=1e-6)
  np.testing.assert_allclose(seen('values_half'), reference / 2, atol=1e-6)
  np.testing.assert_array_equal(seen('bgr'), reference[..., ::-1])
  scaled = tf.compat.v1.image.resize_bilinear(video[0], (224, 336)).numpy()[:, :, 56:280]
  np.testing.assert_allclose(seen('crop')[0], 2 * scaled / 255 - 1, atol=1e-5)
  halves = tf.image.resize(video[0], (224, 336), antialias=False).numpy()[:, :, 56:280]
  np.testing.assert_allclose(seen('half_pixels', 'crop')[0], 2 * halves / 255 - 1, atol=1e-5)
  with pytest.raises(ValueError, match='unknown network'):
    networks.FeatureNetwork(f'random:{I3D}+other')


class _NoModel(tf.Module):
  """In the place of I3D: what it gets."""

  trainable_variables = ()

  def build(self):
    """Nothing to build."""

  def __call__(self, video):
    return video


def test_extremes_reach_i3d_as_minus_one_and_one(random_i3d, monkeypatch):
  seen = []
  monkeypatch.setattr(random_i3d._network, 'model', seen.append)
  video = np.stack([np.full([9, 8, 8, 3], value, np.uint8) for value in (0, 255)])
  random_i3d(tf.constant(video))
  np.testing.assert_array_equal(seen[0], [np.full([9, 224, 224, 3], x) for x in (-1, 1)])


def test_what_reaches_i3d_is_the_same_under_xla(random_i3d, monkeypatch):
  monkeypatch.setattr(random_i3d._network, 'model', lambda x: x)
  video = tf.constant(_video(2, 6, 48, 64))
  compiled = tf.function(random_i3d, jit_compile=True, autograph=False)(video)
  assert compiled.shape == (2, 9, 224, 224, 3)
  np.testing.assert_allclose(compiled, random_i3d(video), atol=1e-6)


def test_short_clips_are_repeated_for_i3d(random_i3d, monkeypatch):
  seen = []
  monkeypatch.setattr(random_i3d._network, 'model', seen.append)
  video = _video(1, 6, 16, 16)
  random_i3d(tf.constant(video))
  random_i3d(tf.constant(video[:, [0, 1, 2, 3, 4, 5, 0, 1, 2]]))
  assert seen[0].shape[1] == random_i3d.min_frames == 9
  np.testing.assert_array_equal(*seen)


def test_grey_is_repeated_to_rgb(random_i3d):
  grey = _video(1, 9, 16, 16, channels=1)
  outputs = random_i3d(tf.constant(grey))
  expected = random_i3d(tf.constant(np.repeat(grey, 3, axis=-1)))
  for name, value in expected.items():
    np.testing.assert_array_equal(outputs[name], value)


def test_random_weights_are_always_the_same(random_i3d):
  again = networks.FeatureNetwork(f'random:{I3D}')
  for ours, theirs in zip(random_i3d._network.model.variables, again._network.model.variables):
    np.testing.assert_array_equal(ours, theirs)
  video = tf.constant(np.concatenate([_video(1, 9, 32, 32), _video(1, 9, 32, 32, seed=1) // 3]))
  outputs = random_i3d(video)
  assert outputs['logits'].shape == (2, 400) and outputs['features'].shape == (2, 1024)
  for values in outputs.values():
    assert values.dtype == tf.float32 and np.isfinite(values).all()
    assert np.std(values, axis=1).min() > 0.1  # of a clip
    assert np.abs(values[0] - values[1]).max() > 0.1  # of two clips


def test_label_of_random_weights(random_i3d):
  assert random_i3d.label == networks.NOT_COMPARABLE == 'random-network, not comparable'
  assert random_i3d.name == f'random:{I3D}' and not random_i3d.comparable


@pytest.mark.slow
def test_six_hundred_classes():
  outputs = networks.FeatureNetwork('random:i3d_kinetics600')(tf.constant(_video(1, 9, 8, 8)))
  assert outputs['logits'].shape == (1, 600)


@pytest.mark.slow
def test_in_a_program_of_unknown_batch_and_over_replicas(two_replicas):
  _check_in_a_program(two_replicas, I3D, 9, 400)


def test_a_small_one_in_a_program_of_unknown_batch_and_over_replicas(two_replicas, small_c3d):
  del small_c3d  # not its arrays: the network is small with it
  _check_in_a_program(two_replicas, 'c3d_ucf101', 16, 7)


def _check_in_a_program(two_replicas, name, frames, classes):
  with two_replicas.scope():
    network = networks.FeatureNetwork(f'random:{name}')
  video = _video(1, frames, 16, 16)
  expected = networks.FeatureNetwork(f'random:{name}')(tf.constant(video))['logits']
  spec = tf.TensorSpec([None, frames, 16, 16, 3], tf.uint8)
  def outputs(clips):
    logits = network(clips)['logits']
    assert logits.shape[1:] == (classes,)
    return logits
  run = tf.function(lambda a: two_replicas.run(outputs, (a,)), input_signature=[spec],
                    autograph=False)
  for logits in run(tf.constant(video)).values:
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_published_weights(random_i3d, monkeypatch):
  """They are assigned by name, and their fingerprint is in the label."""
  variables = random_i3d._network.model.by_name()
  random = {name: variable.numpy() for name, variable in variables.items()}
  arrays = {name: value.copy() for name, value in random.items()}
  for name, value in arrays.items():
    if name.endswith('/batch_norm/beta'):
      value += 0.25
  monkeypatch.setattr(networks.pretrained, 'load', {I3D: arrays}.__getitem__)
  network = networks.FeatureNetwork(I3D)
  assert network.label == f'{I3D}@{pretrained.fingerprint(arrays)}'
  assert network.name == I3D and network.comparable
  for name, variable in network._network.model.by_name().items():
    np.testing.assert_array_equal(variable, arrays[name])
  video = tf.constant(_video(1, 9, 8, 8))
  outputs = network(video)['logits'].numpy()
  expected = random_i3d(video)['logits'].numpy()
  assert np.abs(outputs - expected).max() > 0.1
  network._network.assign(random)
  np.testing.assert_array_equal(network(video)['logits'], expected)


def test_published_weights_that_are_not_there():
  with pytest.raises(pretrained.Missing, match=f'launch.get_networks --network={I3D}$'):
    networks.FeatureNetwork(I3D)


@pytest.mark.parametrize('frames', [16, 5])
def test_c3d(small_c3d, frames, tmp_path):
  """From the cache, with its mean; a short clip is repeated to 16 frames."""
  network_files.save_npz(tmp_path / 'cache' / 'networks' / 'c3d_ucf101.npz', small_c3d)
  network = networks.FeatureNetwork('c3d_ucf101')
  assert network.label == f'c3d_ucf101@{pretrained.fingerprint(small_c3d)}'
  assert network.comparable and network.min_frames == 16
  video = _video(2, frames, 32, 24)
  outputs = network(tf.constant(video))

  model = c3d.C3D()
  model.build()
  c3d.assign(model, {name: value for name, value in small_c3d.items() if name != 'mean'})
  mean = small_c3d['mean'][:, :, 8:120, 8:120].transpose(1, 2, 3, 0)
  expected = model(c3d.preprocess(video[:, np.arange(16) % frames], mean))
  assert outputs.keys() == expected.keys() == {'logits', 'features'}
  for name, value in expected.items():
    assert np.abs(value).max() > 1
    np.testing.assert_allclose(outputs[name], value, rtol=1e-5, atol=1e-4)


def test_random_c3d(small_c3d):
  del small_c3d  # not its arrays: the network is small with it
  network = networks.FeatureNetwork('random:c3d_ucf101')
  assert network.label == networks.NOT_COMPARABLE
  video = np.concatenate([_video(1, 16, 16, 16), _video(1, 16, 16, 16, seed=1) // 4])
  outputs = network(tf.constant(video))
  for values in outputs.values():
    assert np.isfinite(values).all() and np.abs(values[0] - values[1]).max() > 0.1
  again = networks.FeatureNetwork('random:c3d_ucf101')(tf.constant(video))
  np.testing.assert_array_equal(again['logits'], outputs['logits'])


@pytest.mark.parametrize('name', ['i3d', 'random:', 'random:i3d', 'Random:i3d_kinetics400', ''])
def test_unknown_names(name):
  with pytest.raises(ValueError) as info:
    networks.FeatureNetwork(name)
  assert str(info.value) == (
      f'unknown network {name!r}; there are: i3d_kinetics400, i3d_kinetics600, '
      'i3d_kinetics400_port, c3d_ucf101, lpips_alexnet, and, for smoke tests, '
      'random:i3d_kinetics400 and so on')


@pytest.mark.parametrize('shape,dtype', [
    ([1, 9, 8, 8, 2], np.uint8), ([9, 8, 8, 3], np.uint8), ([1, 9, 8, 8, 3], np.float32)])
def test_wrong_videos_are_named(random_i3d, shape, dtype):
  with pytest.raises(ValueError, match=r'video must be uint8 \[B, T, H, W, C\] with C 1 or 3, got'):
    random_i3d(tf.zeros(shape, dtype))


class _Means(tf.Module):
  """A network of images: mean colors, weighted."""

  def __init__(self, weight):
    super().__init__()
    self.weight = tf.Variable(weight)

  @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
  def __call__(self, images):
    return tf.reduce_mean(images, [1, 2]) * self.weight


def test_a_network_of_images_that_is_given(tmp_path):
  labels = []
  video = _video(2, 3, 8, 8)
  for weight in (2.0, 3.0):
    tf.saved_model.save(_Means(weight), str(tmp_path / 'model'))
    network = networks.FeatureNetwork(f'saved_model:{tmp_path / "model"}')
    found = network(tf.constant(video))['frames']
    np.testing.assert_allclose(found, video.mean((2, 3)) * weight, rtol=1e-5)
    labels.append(network.label)
  assert labels[0] != labels[1] and network.min_frames == 1
  with pytest.raises(ValueError, match='nowhere is no SavedModel: it has no saved_model.pb'):
    networks.FeatureNetwork('saved_model:nowhere')
