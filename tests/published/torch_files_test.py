"""Reading PyTorch's files: values, types, and that a hostile file runs nothing."""

import collections
import os
import pickle
import random
import time
import zipfile

import numpy as np
import pytest

from tests.published import torch_writer
from tf_videogen.published import torch_files


def _array(*shape, dtype=np.float32):
  return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def test_values_and_tensors(tmp_path):
  path = tmp_path / 'a.ckpt'
  saved = {'weights': collections.OrderedDict(a=_array(2, 3), b=_array(4, dtype=np.int64)),
           'turned': _array(2, 3).T, 'scalar': np.full((), 3.0), 'best': np.float64(0.5),
           'epoch': 7, 'texts': ['x', None, True, (1, 2.5)]}
  torch_writer.save(path, saved)
  found = torch_files.read(str(path))
  assert found['epoch'] == 7 and found['texts'] == ['x', None, True, (1, 2.5)]
  for tensor, array in ((found['weights']['a'], _array(2, 3)), (found['turned'], _array(2, 3).T),
                        (found['weights']['b'], _array(4, dtype=np.int64)),
                        (found['scalar'], np.full((), 3.0))):
    assert tensor.shape == array.shape and tensor.dtype == array.dtype.name
    np.testing.assert_array_equal(tensor.numpy(), array)


@pytest.mark.parametrize('values, dtype', [
    (np.array([1.5, -2.0, 0.25], np.float16), 'float16'),
    ((np.array([1.5, -2.0, 0.25], np.float32).view(np.uint32) >> 16).astype(np.uint16),
     'bfloat16')])
def test_half_precision(tmp_path, values, dtype):
  torch_writer.save(tmp_path / 'a.ckpt', {'a': values})
  tensor = torch_files.read(str(tmp_path / 'a.ckpt'))['a']
  assert tensor.dtype == dtype
  np.testing.assert_array_equal(tensor.numpy(), [1.5, -2.0, 0.25])


def test_numbers_are_read_when_they_are_asked_for(tmp_path, monkeypatch):
  path = tmp_path / 'a.ckpt'
  torch_writer.save(path, {'a': _array(3), 'b': _array(5)})
  read, members = zipfile.ZipFile.read, []
  monkeypatch.setattr(zipfile.ZipFile, 'read', lambda self, member: members.append(
      member.filename) or read(self, member))
  found = torch_files.read(str(path))
  assert members == ['archive/data.pkl']
  found['b'].numpy()
  assert members == ['archive/data.pkl', 'archive/data/1']


class _Calls:
  """Pickled, it is a call of a function."""

  def __init__(self, function, *arguments):
    self.call = function, arguments

  def __reduce__(self):
    return self.call


@pytest.mark.parametrize('function, named', [
    (os.system, 'system'), (eval, 'eval'), (exec, 'exec'),
    (os.remove, 'remove'), (getattr, 'getattr')])
def test_no_function_is_called(tmp_path, function, named):
  path, victim = tmp_path / 'a.ckpt', tmp_path / 'victim'
  victim.write_text('here')
  argument = f'touch {tmp_path}/executed' if function is os.system else str(victim)
  torch_writer.save(path, {'state_dict': {'a': _array(2), 'b': _Calls(function, argument)}})
  with pytest.raises(ValueError, match=f"is refused: it uses '.*{named}', which") as error:
    torch_files.read(str(path))
  assert '\n' not in str(error.value)
  assert victim.exists() and not (tmp_path / 'executed').exists()


def test_what_lightning_leaves_is_inert(tmp_path):
  """Callbacks are keys of dicts, and a default of an argument is a function of its own."""
  data = (b'\x80\x02}q\x00(X\x04\x00\x00\x00argscargparse\nNamespace\nq\x01)\x81q\x02}q\x03'
          b'X\x04\x00\x00\x00gpuscpytorch_lightning.utilities.argparse_utils\n_gpus_arg_default\n'
          b'q\x04sbu.')
  torch_writer.save(tmp_path / 'a.ckpt', {}, extra=[('data.pkl', data)])
  found = torch_files.read(str(tmp_path / 'a.ckpt'))
  assert found['args'].name == 'argparse.Namespace' and found['args'].state == {
      'gpus': 'pytorch_lightning.utilities.argparse_utils._gpus_arg_default'}


def _written(folder, values=None, **kwargs):
  path = folder / 'a.ckpt'
  torch_writer.save(path, values or {'a': _array(4)}, **kwargs)
  return path


def _pickle_of(path):
  with zipfile.ZipFile(path) as archive:
    return archive.read('archive/data.pkl')


def test_sizes_are_held_against_the_file(tmp_path):
  path = _written(tmp_path)
  larger = _pickle_of(path).replace(b'K\x04', b'K\x7f')  # shape, and the numbers of the storage
  _written(tmp_path, extra=[('data.pkl', larger)])
  with pytest.raises(ValueError, match='has fewer numbers than its tensor'):
    torch_files.read(str(path))


@pytest.mark.parametrize('data, says', [
    (b'\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\x0fab.', 'damaged'),
    (b'(S"a"\ni__main__\nx\n.', 'an instruction STRING'), (b'\x80\x02}', 'damaged'),
    (b'', 'damaged')])
def test_pickles_that_would_take_memory(tmp_path, data, says):
  path = _written(tmp_path, extra=[('data.pkl', data)])
  with pytest.raises(ValueError, match=says):
    torch_files.read(str(path))


def test_a_compressed_member_is_refused(tmp_path):
  path = tmp_path / 'a.ckpt'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('archive/data.pkl', b'\0' * 10**6)
  with pytest.raises(ValueError, match='data.pkl is compressed'):
    torch_files.read(str(path))


@pytest.mark.parametrize('content, says', [
    (b'', 'not a checkpoint of PyTorch'), (b'PK\x03\x04 nothing', 'not a checkpoint of PyTorch'),
    (pickle.dumps({'a': 1}), 'from before PyTorch 1.6 must be loaded and saved again'),
    (b'\x89HDF\r\n', 'not a checkpoint of PyTorch')])
def test_other_files(tmp_path, content, says):
  path = tmp_path / 'other.ckpt'
  path.write_bytes(content)
  with pytest.raises(ValueError, match=says) as error:
    torch_files.read(str(path))
  assert '\n' not in str(error.value)


def test_folders_and_missing_files(tmp_path):
  with pytest.raises(ValueError, match='is a folder'):
    torch_files.read(str(tmp_path))
  with pytest.raises(FileNotFoundError, match='there is no file'):
    torch_files.read(str(tmp_path / 'no.ckpt'))

# --- programs that a pickle may be ---


def _pickled(tmp_path, data, **members):
  """Reads a file with a pickle written by hand."""
  path = tmp_path / 'a.ckpt'
  torch_writer.save(path, {}, extra=[
      ('data.pkl', data), *((f'data/{key}', value) for key, value in members.items())])
  return torch_files.read(str(path))


_TENSOR = (b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n'
           b'FloatStorage\nX\x01\x00\x00\x00kX\x03\x00\x00\x00cpu%stQK\x00K\x04\x85K\x01\x85\x89'
           b'}tR')  # of as many numbers as stand in for %s
_FOUR = b'K\x04'


def test_a_tensor_by_hand(tmp_path):
  tensor = _pickled(tmp_path, _TENSOR % _FOUR + b'.', k=_array(4).tobytes())
  np.testing.assert_array_equal(tensor.numpy(), _array(4))


@pytest.mark.parametrize('data, says', [
    # Attributes of a tensor after its sizes were checked.
    (_TENSOR % _FOUR + b'}X\x05\x00\x00\x00shapeM\xe8\x03\x85sb.', 'gives attributes to a Tensor'),
    # As slots, of what stands for a function.
    (b'\x80\x02ctorch._utils\n_rebuild_parameter\n(N}X\x0c\x00\x00\x00__defaults__K\x07\x85stb.',
     'gives attributes to a Name'),
    # A tuple of tuples, doubled again and again, whose hash is never done; and a deep one.
    (b'\x80\x02})' + b'2\x86' * 60 + b'Ns.', 'an instruction DUP'),
    (b'\x80\x02})' + b'\x85' * 10**6 + b'Ns.', 'a key of the type tuple'),
    # A list that is copied as often as it is asked for.
    (b'\x80\x02ccollections\nOrderedDict\n]\x85R.',
     'makes a collections.OrderedDict from arguments'),
    # More numbers than there are.
    (_TENSOR % b'\x8a\x06\x00\x00\x00\x00\x00\x01' + b'.', 'has fewer numbers than its tensor'),
    (_TENSOR % b'J\xff\xff\xff\xff' + b'.', 'has fewer numbers than its tensor'),
    (b'\x80\x02K\x01.K\x02', None), (b'\x80\x02N', 'has no end|damaged')])
def test_programs_that_a_pickle_may_be(tmp_path, data, says):
  if says is None:
    assert _pickled(tmp_path, data) == 1  # what stands after the end is not read
    return
  with pytest.raises(ValueError, match=says) as error:
    _pickled(tmp_path, data, k=_array(4).tobytes())
  assert '\n' not in str(error.value)


def test_what_a_pickle_makes_is_as_large_as_it_is(tmp_path):
  """Three hundred sizes of one list are one list."""
  data = (b'\x80\x02](' + b'N' * 10**5 + b'eq\x00](' +
          b'ctorch\nSize\nh\x00\x85R' * 300 + b'e.')
  found = _pickled(tmp_path, data)
  assert len(found) == 300 and all(value is found[0] for value in found)


def test_500_damaged_files_are_refused_or_read(tmp_path, monkeypatch):
  """Bytes of the file, or of the pickle in it, are changed, cut out or doubled."""
  for module, name in ((os, 'system'), (os, 'execv'), (os, 'popen'), (os, 'remove')):
    monkeypatch.setattr(module, name, lambda *_: pytest.fail('a file called a function'))
  values = {'state_dict': {'a': _array(3, 2), 'b': _array(2)},
            'hyper_parameters': {'args': torch_writer.argparse.Namespace(x=1)}}
  path = _written(tmp_path, values)
  whole, data, rng = path.read_bytes(), _pickle_of(path), random.Random(0)
  start, refused = time.time(), 0
  for i in range(500):
    if i % 2:
      path.write_bytes(_damaged(whole, rng))
    else:
      _written(tmp_path, values, extra=[('data.pkl', _damaged(data, rng))])
    try:
      found = torch_files.read(str(path))
      for tensor in found.values() if isinstance(found, dict) else ():
        if isinstance(tensor, torch_files.Tensor):
          tensor.numpy()
    except ValueError as error:
      assert '\n' not in str(error)
      refused += 1
  assert refused > 250
  assert time.time() - start < 120


def _damaged(content, rng):
  content = bytearray(content)
  for _ in range(rng.choice([1, 1, 2, 8])):
    at, how = rng.randrange(len(content)), rng.randrange(4)
    if how == 0:
      content[at] = rng.randrange(256)
    elif how == 1:
      content[at] ^= 1 << rng.randrange(8)
    elif how == 2:
      del content[at:at + rng.choice([1, 4, 100])]
    else:
      content[at:at] = content[max(0, at - 20):at]
    if not content:
      return b''
  return bytes(content)
