"""Which files a folder has: loose ones, those in archives, links that go round in circles."""

import os
import zipfile

import tensorflow as tf

from tf_videogen.preparation import raw_files


def _write_zip(path, names):
  path.parent.mkdir(parents=True, exist_ok=True)
  with zipfile.ZipFile(path, 'w') as archive:
    for name in names:
      archive.writestr(name, path.name)


def _videos(root, extract_to, pattern='part'):
  return raw_files.videos(str(root), pattern, str(extract_to))


def test_find(tmp_path):
  for name in ('b/x.MP4', 'a.avi', 'c/.hidden.mp4', 'c/notes.txt', 'c/-id.mp4'):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
  (tmp_path / 'c' / 'loop').symlink_to(tmp_path)
  with open(os.path.join(os.fsencode(tmp_path), b'latin\xe9.mp4'), 'w'):
    pass
  assert raw_files.find(str(tmp_path), raw_files.VIDEO_SUFFIXES) == [
      'a.avi', 'b/x.MP4', 'c/-id.mp4']


def test_find_remote():
  for name in ('train/one/a.mp4', 'train/b.mp4', 'c.csv', 'deep/er/and/d.mp4'):
    tf.io.gfile.makedirs(os.path.dirname(f'ram://found/{name}'))
    with tf.io.gfile.GFile(f'ram://found/{name}', 'w') as file:
      file.write('x')
  assert raw_files.find('ram://found/', ('.mp4',)) == [
      'deep/er/and/d.mp4', 'train/b.mp4', 'train/one/a.mp4']
  assert raw_files.find('ram://found', ('.csv',)) == ['c.csv']


def test_archives_beside_loose_files(tmp_path):
  """Each archive's files count as if they lay where it does; what lies open is not extracted."""
  _write_zip(tmp_path / 'raw' / 'train' / 'part_0.zip', ['a.mp4', 'b.mp4'])
  _write_zip(tmp_path / 'raw' / 'val' / 'part_1.zip', ['x/c.mp4'])
  _write_zip(tmp_path / 'raw' / 'other.zip', ['d.mp4'])  # of another data set
  (tmp_path / 'raw' / 'train' / 'a.mp4').write_text('loose')
  found = _videos(tmp_path / 'raw', tmp_path / 'to')
  assert sorted(found) == ['train/a.mp4', 'train/b.mp4', 'val/x/c.mp4']
  assert found['train/a.mp4'] == str(tmp_path / 'raw' / 'train' / 'a.mp4')
  for name in ('a.mp4', 'b.mp4'):
    (tmp_path / 'raw' / 'train' / name).write_text('loose')
  (tmp_path / 'raw' / 'val' / 'c.mp4').write_text('loose')
  assert sorted(_videos(tmp_path / 'raw', tmp_path / 'elsewhere')) == [
      'train/a.mp4', 'train/b.mp4', 'val/c.mp4']
  assert not (tmp_path / 'elsewhere').exists()


def test_another_folder_has_its_own_archives(tmp_path):
  _write_zip(tmp_path / 'one' / 'part_0.zip', ['old.mp4'])
  _write_zip(tmp_path / 'two' / 'part_0.zip', ['new.mp4'])
  assert list(_videos(tmp_path / 'one', tmp_path / 'to')) == ['old.mp4']
  assert list(_videos(tmp_path / 'two', tmp_path / 'to')) == ['new.mp4']


def test_of_split():
  names = ['k600/Train/a.mp4', 'val/label/b.mp4', 'c.mp4']
  splits = {'train': ('train',), 'validation': ('val', 'valid')}
  assert raw_files.of_split(names, splits) == {
      'train': ['k600/Train/a.mp4'], 'validation': ['val/label/b.mp4'], None: ['c.mp4']}
