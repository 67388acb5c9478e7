"""Arrays of videos, one video at a time: mapped, or unpacked from the start to the end."""

import zipfile

import numpy as np
import pytest

from tf_videogen.evaluation import stored_arrays


def _videos(count=6, dtype=np.uint8):
  return np.random.default_rng(0).integers(256, size=(count, 3, 4, 5, 3)).astype(dtype)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('dtype', [np.uint8, np.int32])
def test_any_order(tmp_path, save, dtype):
  save(tmp_path / 'a.npz', samples=_videos(dtype=dtype), fps=8)
  array = stored_arrays.StoredArray(str(tmp_path / 'a.npz'))
  assert array.shape == (6, 3, 4, 5, 3) and len(array) == 6
  for i in (0, 1, 4, 2, 2, 5):
    np.testing.assert_array_equal(array[i], _videos()[i])
    assert array[i].dtype == np.uint8


def test_a_stream_goes_through_a_file_once(tmp_path, monkeypatch):
  np.savez_compressed(tmp_path / 'a.npz', samples=_videos(40))
  array = stored_arrays.StoredArray(str(tmp_path / 'a.npz'))
  opened, whole = [], zipfile.ZipFile.open
  monkeypatch.setattr(
      zipfile.ZipFile, 'open', lambda self, *args: opened.append(1) or whole(self, *args))
  for i in range(40):
    np.testing.assert_array_equal(array[i], _videos(40)[i])
  assert len(opened) == 1


def test_what_is_not_compressed_is_mapped(tmp_path):
  np.savez(tmp_path / 'a.npz', video=_videos())
  np.save(tmp_path / 'b.npy', _videos())
  np.savez(tmp_path / 'c.npz', video=np.asfortranarray(_videos()))
  for name in ('a.npz', 'b.npy', 'c.npz'):
    array = stored_arrays.StoredArray(str(tmp_path / name))
    assert isinstance(array._rows, np.memmap)
    np.testing.assert_array_equal(array[3], _videos()[3])


def test_what_is_torn_within_a_video(tmp_path):
  """The list of members is at the end; bytes before it are lost."""
  path = tmp_path / 'a.npz'
  np.savez_compressed(path, samples=_videos(50))
  content = bytearray(path.read_bytes())
  content[len(content) // 2:len(content) // 2 + 64] = bytes(64)
  path.write_bytes(content)
  array = stored_arrays.StoredArray(str(path))
  with pytest.raises(stored_arrays.Damaged, match=r'a\.npz cannot be read as arrays'):
    for i in range(50):
      array[i]
