"""Weights of known networks: read from any of their files, verified, kept; and what is refused."""

import os
import pathlib
import tarfile
import tempfile

import numpy as np
import pytest
import tensorflow_hub as hub

from tests.preparation import mutations
from tests.metrics import network_files
from tf_videogen.metrics import pretrained

NAME = 'i3d_kinetics400'
ARRAYS = network_files.arrays()
C3D = network_files.c3d_arrays()


@pytest.fixture(name='cache', autouse=True)
def _cache(tmp_path, monkeypatch):
  """An empty cache; what is known are small networks."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(pretrained, '_LISTINGS', tmp_path / 'listings')
  network_files.save_checkpoint(tmp_path / 'listings' / 'ckpt', ARRAYS)
  known = network_files.checksums_of_index(tmp_path / 'listings' / 'ckpt.index')
  network_files.save_listing(tmp_path / 'listings' / f'{NAME}.csv', ARRAYS, known)
  other = network_files.arrays(seed=1)
  network_files.save_checkpoint(tmp_path / 'listings' / 'other', other)
  known = network_files.checksums_of_index(tmp_path / 'listings' / 'other.index')
  network_files.save_listing(tmp_path / 'listings' / 'i3d_kinetics600.csv', other, known)
  network_files.save_listing(tmp_path / 'listings' / 'c3d_ucf101.csv',
                             {name: value for name, value in C3D.items() if name != 'mean'})
  return tmp_path / 'cache' / 'networks'


def _hub_folder(folder, variables):
  return network_files.save_hub_module(folder / 'module', variables)


def _hub_archive(folder, variables):
  return network_files.save_hub_archive(folder / '1.tar.gz', variables)


def _checkpoint_folder(folder, variables):
  return network_files.save_deepmind_checkpoint(folder / 'kin600', variables)


def _checkpoint_prefix(folder, variables):
  return network_files.save_deepmind_checkpoint(
      folder / 'scratch', variables, network_files.PREFIX) / 'model.ckpt'


def _npz(folder, variables):
  return network_files.save_npz(folder / 'weights.npz', variables)


def _npz_folder(folder, variables):
  """As Chainer may write them: names begin with a slash; in two files."""
  names = sorted(variables)
  for part, chosen in enumerate((names[:2], names[2:])):
    network_files.save_npz(folder / 'two' / f'{part}.npz',
                           {f'/{name}': variables[name] for name in chosen})
  return folder / 'two'


CONTAINERS = [_hub_folder, _hub_archive, _checkpoint_folder, _checkpoint_prefix, _npz, _npz_folder]


def _assert_equal(found, expected):
  assert found.keys() == expected.keys()
  for name, value in expected.items():
    assert isinstance(found[name], np.ndarray) and found[name].dtype == value.dtype
    np.testing.assert_array_equal(found[name], value, err_msg=name, strict=True)


@pytest.mark.parametrize('value', [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(24.).reshape(4, 6).T[::2],
    np.zeros([0], np.float32), np.array(3, np.int32), np.arange(250, dtype=np.uint8)])
def test_checksum_is_that_of_checkpoints(value, tmp_path):
  network_files.save_checkpoint(tmp_path / 'ckpt', {'a/b': value, 'c': np.ones(3)})
  index = network_files.checksums_of_index(tmp_path / 'ckpt.index')
  assert pretrained.checksum(value) == index['a/b'] != index['c']


def test_checksums_begin_with_zeros(tmp_path):
  values = {f'{i:03d}': np.float32(i) for i in range(100)}
  network_files.save_checkpoint(tmp_path / 'ckpt', values)
  index = network_files.checksums_of_index(tmp_path / 'ckpt.index')
  found = {name: pretrained.checksum(value) for name, value in values.items()}
  assert any(crc.startswith('0') for crc in found.values())
  assert found == {name: index[name] for name in values}


def test_checksum_of_the_digits():
  """CRC-32C's check value is e3069283; masked: turned by 15 bits, plus a282ead8."""
  crc = 0xe3069283
  masked = ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff
  assert pretrained.checksum(np.frombuffer(b'123456789', np.uint8)) == f'{masked:08x}'


@pytest.mark.parametrize('container', CONTAINERS)
def test_read(container, tmp_path):
  _assert_equal(pretrained.read(str(container(tmp_path, ARRAYS))), ARRAYS)


def test_read_a_handle_of_tf_hub(tmp_path, monkeypatch):
  folder, handles = str(_hub_folder(tmp_path, ARRAYS)), []
  monkeypatch.setattr(hub, 'resolve', lambda handle: handles.append(handle) or folder)
  handle = 'https://tfhub.dev/deepmind/i3d-kinetics-400/1'
  _assert_equal(pretrained.read(handle), ARRAYS)
  assert handles == [handle]
  def resolve(handle):
    raise OSError(f'no network\nfor {handle}')
  monkeypatch.setattr(hub, 'resolve', resolve)
  with pytest.raises(FileNotFoundError) as info:
    pretrained.read(handle)
  assert str(info.value) == f'{handle} could not be fetched (no network)'


def test_fingerprint_is_of_the_weights_not_of_the_file(tmp_path):
  marks = {pretrained.fingerprint(pretrained.read(str(container(tmp_path, ARRAYS))))
           for container in CONTAINERS}
  assert len(marks) == 1 and len(marks.pop()) == 8
  mark = pretrained.fingerprint(ARRAYS)
  assert mark == pretrained.fingerprint(dict(reversed(ARRAYS.items())))
  for name in ARRAYS:
    changed = {**ARRAYS, name: np.nextafter(ARRAYS[name], np.float32(9))}
    assert pretrained.fingerprint(changed) != mark
  swapped = dict(zip(ARRAYS, reversed(ARRAYS.values())))
  assert pretrained.fingerprint(swapped) != mark
  renamed = {f'{name}_': value for name, value in ARRAYS.items()}
  assert pretrained.fingerprint(renamed) != mark


@pytest.mark.parametrize('container', CONTAINERS)
def test_keep_and_load(container, tmp_path, cache):
  with pytest.raises(pretrained.Missing):
    pretrained.load(NAME)
  pretrained.keep(NAME, str(container(tmp_path, ARRAYS)))
  assert [path.name for path in cache.iterdir()] == [f'{NAME}.npz']
  assert pretrained.cached_path(NAME) == str(cache / f'{NAME}.npz')
  _assert_equal(pretrained.load(NAME), ARRAYS)


def test_what_was_kept_can_be_kept_elsewhere(tmp_path, monkeypatch):
  pretrained.keep(NAME, str(_hub_folder(tmp_path, ARRAYS)))
  kept = pretrained.cached_path(NAME)
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'elsewhere'))
  pretrained.keep(NAME, kept)
  assert pathlib.Path(pretrained.cached_path(NAME)).parent == tmp_path / 'elsewhere' / 'networks'
  _assert_equal(pretrained.load(NAME), ARRAYS)


def test_cache_is_in_the_home_directory_by_default(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  for value in (None, ''):
    if value is None:
      monkeypatch.delenv('TF_VIDEOGEN_CACHE')
    else:
      monkeypatch.setenv('TF_VIDEOGEN_CACHE', value)
    assert pretrained.cached_path('x') == f'{tmp_path}/.cache/tf_videogen/networks/x.npz'


@pytest.mark.parametrize('name', pretrained.KNOWN)
def test_missing_says_the_command(name, cache):
  with pytest.raises(pretrained.Missing) as info:
    pretrained.load(name)
  assert isinstance(info.value, FileNotFoundError)
  assert str(info.value) == (
      f'the network {name} ({pretrained.KNOWN[name].title}) is not there; get it with '
      f'python -m launch.get_networks --network={name}')
  assert not cache.exists()


def _refused(call, *arguments, error=ValueError):
  """The one line with which a call refuses what it got."""
  with pytest.raises(error) as info:
    call(*arguments)
  assert '\n' not in str(info.value)
  return str(info.value)


@pytest.mark.parametrize('container', CONTAINERS)
def test_other_weights_are_refused(container, tmp_path, cache):
  name = 'Logits/Conv3d_0c_1x1/conv_3d/b'
  changed = {**ARRAYS, name: np.nextafter(ARRAYS[name], np.float32(9))}
  path = str(container(tmp_path, changed))
  assert _refused(pretrained.keep, NAME, path) == (
      f"{path} has other weights than TF-Hub's deepmind/i3d-kinetics-400/1, the same as "
      f'rgb_scratch: 1 of 6 variables differ, first {name}; rgb_imagenet, which some ports '
      'use, is another network')
  assert not cache.exists()


def test_weights_of_one_network_are_not_anothers(tmp_path, cache):
  path = str(_hub_folder(tmp_path, ARRAYS))
  message = _refused(pretrained.keep, 'i3d_kinetics600', path)
  assert '6 of 6 variables differ' in message and 'rgb_imagenet' not in message
  assert f'{path} is not c3d_ucf101: conv1a/W is missing' in _refused(
      pretrained.keep, 'c3d_ucf101', path)
  assert not cache.exists()


@pytest.mark.parametrize('change,name', [
    ({'Conv3d_1a_7x7/conv_3d/w': None}, 'Conv3d_1a_7x7/conv_3d/w'),
    ({'Conv3d_1a_7x7/conv_3d/w': np.zeros([3, 3, 3, 4, 2], np.float32)}, 'Conv3d_1a_7x7/conv_3d/w'),
    ({'Conv3d_1a_7x7/batch_norm/gamma': np.ones(4)}, 'Conv3d_1a_7x7/batch_norm/gamma')])
def test_other_variables_are_refused(change, name, tmp_path):
  changed = {key: value for key, value in {**ARRAYS, **change}.items() if value is not None}
  path = str(_npz(tmp_path, changed))
  assert _refused(pretrained.keep, NAME, path) == (
      f'{path} is not {NAME}: {name} is missing, unknown, or has another shape; expected '
      f'{pretrained.KNOWN[NAME].title}')


def test_float64_weights_are_others(tmp_path):
  path = str(_npz(tmp_path, {name: value.astype(np.float64) for name, value in ARRAYS.items()}))
  assert '6 of 6 variables differ' in _refused(pretrained.keep, NAME, path)


def test_c3d_of_two_files(tmp_path):
  network_files.save_npz(tmp_path / 'c3d' / 'conv3d_deepnetA_ucf.npz', {
      f'/{name}': value for name, value in C3D.items() if name != 'mean'})
  folder = str(tmp_path / 'c3d')
  expected = f'{folder} is not c3d_ucf101: mean (of mean2.npz) is missing, unknown, or has another'
  assert _refused(pretrained.keep, 'c3d_ucf101', folder).startswith(expected)
  network_files.save_npz(tmp_path / 'c3d' / 'mean2.npz', {'mean': C3D['mean'][:, :8]})
  assert _refused(pretrained.keep, 'c3d_ucf101', folder).startswith(expected)
  network_files.save_npz(tmp_path / 'c3d' / 'mean2.npz', {'mean': C3D['mean']})
  pretrained.keep('c3d_ucf101', folder)
  _assert_equal(pretrained.load('c3d_ucf101'), C3D)


@pytest.mark.parametrize('make', [
    lambda folder: folder / 'nothing', lambda folder: folder / 'nothing.npz',
    lambda folder: folder / 'nothing.tar.gz', lambda folder: folder])
def test_nothing_there(make, tmp_path):
  (tmp_path / 'empty').mkdir()
  path = str(make(tmp_path / 'empty'))
  assert _refused(pretrained.keep, NAME, path, error=FileNotFoundError) == (
      f'{path} is not a TF-Hub module, checkpoint, or folder of .npz files')


def test_archive_of_something_else(tmp_path):
  archive = network_files.save_hub_archive(tmp_path / '1.tar.gz', ARRAYS)
  other = archive.with_name('other.tgz')
  with tarfile.open(other, 'w:gz') as f:
    f.add(__file__, 'variables/notes.txt')
  assert _refused(pretrained.read, str(other), error=FileNotFoundError) == (
      f'{other} is not a TF-Hub module: it has no variables/variables.index')


def test_nothing_of_an_archive_is_written_elsewhere(tmp_path, monkeypatch):
  path = tmp_path / '1.tar.gz'
  folder = network_files.save_hub_module(tmp_path / 'module', ARRAYS)
  with tarfile.open(path, 'w:gz') as archive:
    for name in (str(tmp_path / 'absolute'), '../beside', 'variables/../../up', 'other/file'):
      archive.addfile(tarfile.TarInfo(name))
    link = tarfile.TarInfo('variables/link')
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / 'linked')
    archive.addfile(link)
    archive.add(folder, '.')
  (tmp_path / 'scratch').mkdir()
  monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'scratch'))
  before = sorted(tmp_path.rglob('*'))
  _assert_equal(pretrained.read(str(path)), ARRAYS)
  assert sorted(tmp_path.rglob('*')) == before


class _Evil:
  """What unpickling would run."""

  def __reduce__(self):
    return os.mkdir, (os.environ['TF_VIDEOGEN_CACHE'] + '.unpickled',)


def test_pickled_objects_are_refused(tmp_path, cache):
  objects = np.empty([4], object)
  objects[:] = [_Evil()] * 4
  path = _npz(tmp_path, {**ARRAYS, 'Conv3d_1a_7x7/batch_norm/beta': objects})
  message = _refused(pretrained.keep, NAME, str(path))
  assert message.startswith(f'{path} cannot be read as arrays (Object arrays cannot be loaded')
  network_files.save_npz(cache / f'{NAME}.npz', {**ARRAYS, 'extra': objects})
  assert 'cannot be read as arrays' in _refused(pretrained.load, NAME)
  assert not pathlib.Path(f'{cache.parent}.unpickled').exists()


def test_a_damaged_cache_says_how_to_mend_it(cache):
  path = network_files.save_npz(cache / f'{NAME}.npz', ARRAYS)
  whole = path.read_bytes()
  for content in (b'', b'<html>', whole[:len(whole) // 2], whole.replace(b'NUMPY', b'NUMB?')):
    path.write_bytes(content)
    message = _refused(pretrained.load, NAME)
    assert message.startswith(f'{path} cannot be read as arrays (')
    assert message.endswith(
        f'; delete it and get it again with python -m launch.get_networks --network={NAME}')
  with open(path, 'wb') as f:
    np.save(f, np.zeros(3))  # one array, and no .npz
  assert _refused(pretrained.load, NAME).startswith(f'{path} cannot be read as arrays (')
  network_files.save_npz(path, network_files.arrays(seed=2))
  assert _refused(pretrained.load, NAME).startswith(f'{path} has other weights than TF-Hub')


def _files(path):
  """The files that a container is made of, and that matter."""
  if path.is_dir():
    return [file for file in sorted(path.rglob('*'))
            if file.suffix in ('.index', '.npz') or '.data-' in file.name]
  return [path] if path.exists() else sorted(path.parent.glob(f'{path.name}.*[!a]'))


@pytest.mark.parametrize('container', CONTAINERS)
def test_damaged_files_are_one_line_or_the_same_weights(container, tmp_path, cache):
  """Whatever is broken: an error that names the file, or the very weights."""
  path = container(tmp_path, ARRAYS)
  refused = 0
  for file in _files(path):
    whole = file.read_bytes()
    versions = [whole[:len(whole) * part // 8] for part in range(8)]
    for broken in [*versions, *mutations.of([whole], 40)]:
      file.write_bytes(broken)
      try:
        pretrained.keep(NAME, str(path))
        _assert_equal(pretrained.load(NAME), ARRAYS)
      except (ValueError, FileNotFoundError) as error:
        assert str(path) in str(error) and '\n' not in str(error)
        refused += 1
    file.write_bytes(whole)
    assert refused > 30
  pretrained.keep(NAME, str(path))
  _assert_equal(pretrained.load(NAME), ARRAYS)
  assert [found.name for found in cache.iterdir()] == [f'{NAME}.npz']


@pytest.mark.parametrize('container', CONTAINERS)
def test_missing_files_are_one_line(container, tmp_path):
  path = container(tmp_path, ARRAYS)
  for file in _files(path):
    whole = file.read_bytes()
    file.unlink()
    assert str(path) in _refused(
        pretrained.keep, NAME, str(path), error=(ValueError, FileNotFoundError))
    file.write_bytes(whole)
