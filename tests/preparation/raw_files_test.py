"""Which files a folder has: loose ones, those in archives, links that go round in circles."""

import os
import zipfile

from PIL import Image
import pytest
import tensorflow as tf

from tf_videogen import files
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos


def _write_zip(path, names):
  path.parent.mkdir(parents=True, exist_ok=True)
  with zipfile.ZipFile(path, 'w') as archive:
    for name in names:
      archive.writestr(name, path.name)


def _videos(root, extract_to, pattern='part', **kwargs):
  return raw_files.videos(str(root), pattern, str(extract_to), **kwargs)[0]


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


def test_hidden_folders_are_no_data(tmp_path):
  """What tools leave behind: caches, checkpoints of notebooks, macOS's copies."""
  for name in ('.cache/a.mp4', 'b/.ipynb_checkpoints/b.mp4', '__MACOSX/b/._c.mp4',
               '__MACOSX/d.mp4', 'b/e.mp4'):
    (tmp_path / '.raw' / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / '.raw' / name).touch()
  assert raw_files.find(str(tmp_path / '.raw'), ('.mp4',)) == ['b/e.mp4']
  tf.io.gfile.makedirs('ram://hidden/.cache')
  for name in ('.cache/a.mp4', 'b.mp4'):
    with tf.io.gfile.GFile(f'ram://hidden/{name}', 'w') as file:
      file.write('x')
  assert raw_files.find('ram://hidden', ('.mp4',)) == ['b.mp4']


def test_animated_webp_are_videos(tmp_path):
  pictures = [Image.new('RGB', (4, 4), (value, 0, 0)) for value in (0, 99)]
  pictures[0].save(tmp_path / 'a.webp', save_all=True, append_images=pictures[1:])
  pictures[0].save(tmp_path / 'thumbnail.webp')
  (tmp_path / 'b.mp4').touch()
  assert raw_files.find_videos(str(tmp_path)) == ['a.webp', 'b.mp4']
  assert sorted(_videos(tmp_path, tmp_path / 'to')) == ['a.webp', 'b.mp4']


def test_archives_in_folders_of_splits(tmp_path):
  """Any name is opened there. The name of a class counts as a folder, unless there is one."""
  _write_zip(tmp_path / 'raw' / 'Train' / 'jumping (high).zip', ['./a.mp4', 'x/b.mp4'])
  _write_zip(tmp_path / 'raw' / 'train' / 'more.zip', ['c.mp4'])
  _write_zip(tmp_path / 'raw' / 'elsewhere.zip', ['d.mp4'])
  found, belong = raw_files.videos(
      str(tmp_path / 'raw'), 'part', str(tmp_path / 'to'), folders={'train'},
      is_class=lambda name: name == 'jumping (high)')
  assert sorted(found) == ['Train/jumping (high)/a.mp4', 'Train/x/b.mp4', 'train/c.mp4']
  assert belong == {'Train/jumping (high).zip': True, 'train/more.zip': True,
                    'elsewhere.zip': False}


def test_a_damaged_member_is_a_file_that_cannot_be_read(tmp_path):
  _write_zip(tmp_path / 'raw' / 'part_0.zip', ['train/a.mp4', 'train/b.mp4', 'notes.txt'])
  content = (tmp_path / 'raw' / 'part_0.zip').read_bytes()
  for name in (b'train/a.mp4', b'notes.txt'):  # what is stored follows the name
    content = content.replace(name + b'part_0.zip', name + b'PART_0.zip')
  (tmp_path / 'raw' / 'part_0.zip').write_bytes(content)
  for _ in range(2):  # extracting, and finding it extracted
    found = _videos(tmp_path / 'raw', tmp_path / 'to')
    assert sorted(found) == ['train/a.mp4', 'train/b.mp4']
    with pytest.raises(raw_videos.Unusable, match='unreadable .damaged in its archive'):
      raw_videos.read(found['train/a.mp4'])
    assert not tf.io.gfile.exists(found['train/a.mp4'])
    assert files.size_and_time(found['train/a.mp4']) is None
    assert os.path.getsize(found['train/b.mp4']) == 10


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
