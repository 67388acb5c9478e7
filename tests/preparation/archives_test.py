"""Archives: all kinds are extracted once, none outside its folder."""

import gzip
import io
import lzma
import os
import struct
import tarfile
import threading
import zipfile
import zlib

import pytest

from tf_videogen.preparation import archives


def _rar_header(kind, flags, body):
  size = 7 + len(body)
  rest = struct.pack('<BHH', kind, flags, size) + body
  return struct.pack('<H', zlib.crc32(rest) & 0xffff) + rest


def _write_rar(path, files):
  """A rar archive (format 1.5 to 4) of files that are stored, not compressed."""
  content = b'Rar!\x1a\x07\x00' + _rar_header(0x73, 0, bytes(6))
  for name, data in files.items():
    encoded = name.encode()
    body = struct.pack('<IIBIIBBHI', len(data), len(data), 3, zlib.crc32(data), 0x50000000, 20,
                       0x30, len(encoded), 0o100644) + encoded
    content += _rar_header(0x74, 0x8000, body) + data
  path.write_bytes(content + _rar_header(0x7b, 0x4000, b''))


def _write_zip(path, files):
  with zipfile.ZipFile(path, 'w') as archive:
    for name, data in files.items():
      archive.writestr(name, data)


def _write_tar(path, files):
  with tarfile.open(path, 'w:gz' if path.suffix == '.tgz' else 'w') as archive:
    for name, data in files.items():
      member = tarfile.TarInfo(name)
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))


_WRITERS = {'a.zip': _write_zip, 'a.tar': _write_tar, 'a.tgz': _write_tar, 'a.rar': _write_rar}


def _contents(folder):
  return {os.path.relpath(path, folder): path.read_bytes()
          for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('name', _WRITERS)
def test_extracts_once(tmp_path, name):
  files = {'UCF-101/YoYo/v_YoYo_g01_c01.avi': b'video', 'notes.txt': b'', '-id.mp4': b'x' * 3000}
  _WRITERS[name](tmp_path / name, files)
  (tmp_path / 'to.part').mkdir()
  (tmp_path / 'to.part' / 'half').write_text('left by a killed run')
  folder = archives.extract(str(tmp_path / name), str(tmp_path / 'to'))
  assert _contents(tmp_path / 'to') == files and not (tmp_path / 'to.part').exists()
  (tmp_path / name).unlink()
  assert archives.extract(str(tmp_path / name), folder) == folder


@pytest.mark.parametrize('name', _WRITERS)
@pytest.mark.parametrize('evil', ['../evil.mp4', '/tmp/evil_tf_videogen.mp4', 'a/../../evil.mp4'])
def test_nothing_outside(tmp_path, name, evil):
  (tmp_path / 'in').mkdir()
  _WRITERS[name](tmp_path / name, {'good.mp4': b'1', evil: b'2'})
  try:
    archives.extract(str(tmp_path / name), str(tmp_path / 'in' / 'to'))
  except ValueError as error:
    assert 'cannot be trusted' in str(error)
    assert not (tmp_path / 'in' / 'to').exists()
  else:  # the library took the evil part off the name
    assert 'evil' in str(list((tmp_path / 'in' / 'to').rglob('evil*')))
  assert not os.path.exists('/tmp/evil_tf_videogen.mp4')
  assert {path.name for path in tmp_path.iterdir()} == {name, 'in'}
  assert {path.name for path in (tmp_path / 'in').iterdir()} <= {
      'to', 'to.part', 'to.lock', 'to.damaged.json'}


def test_links_are_passed_over(tmp_path):
  with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
    for name, kind, target in (('link', tarfile.SYMTYPE, '/etc/passwd'),
                               ('hard', tarfile.LNKTYPE, '../../x'),
                               ('pipe', tarfile.FIFOTYPE, '')):
      member = tarfile.TarInfo(name)
      member.type, member.linkname = kind, target
      archive.addfile(member)
  archives.extract(str(tmp_path / 'a.tar'), str(tmp_path / 'to'))
  assert list((tmp_path / 'to').iterdir()) == []


def test_two_at_once(tmp_path):
  """One extracts, the other waits and finds it done."""
  _write_zip(tmp_path / 'a.zip', {f'{i}.mp4': bytes(5000) for i in range(500)})
  results = []
  threads = [threading.Thread(target=lambda: results.append(
      archives.extract(str(tmp_path / 'a.zip'), str(tmp_path / 'to')))) for _ in range(3)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert results == [str(tmp_path / 'to')] * 3 and len(list((tmp_path / 'to').iterdir())) == 500


@pytest.mark.parametrize('name, mode', [('a.tar', 'w'), ('a.tar.gz', 'w:gz'), ('a.tar.xz', 'w:xz')])
def test_tar_that_ends_early(tmp_path, name, mode):
  """Cut between two members, and damaged in the header of the last: to the library an end."""
  content = io.BytesIO()
  with tarfile.open(fileobj=content, mode='w') as archive:
    for i in range(5):
      member = tarfile.TarInfo(f'{i}.mp4')
      member.size = 512
      archive.addfile(member, io.BytesIO(bytes([i]) * 512))
  whole = bytearray(content.getvalue())
  damaged = bytearray(whole)
  damaged[4 * 1024 + 148:4 * 1024 + 156] = b'damaged!'  # the checksum of the last header
  compress = {'w': bytes, 'w:gz': gzip.compress, 'w:xz': lzma.compress}[mode]
  for tar, message in ((whole[:2 * 1024], 'is cut off or damaged'), (damaged, 'damaged')):
    (tmp_path / name).write_bytes(compress(bytes(tar)))
    with pytest.raises(ValueError, match=message):
      archives.extract(str(tmp_path / name), str(tmp_path / 'to'))
    assert not (tmp_path / 'to').exists()


@pytest.mark.parametrize('name', ['a.zip', 'a.tar', 'a.tgz', 'a.rar'])
def test_one_damaged_member(tmp_path, name, capsys):
  """It is left out and named, and the others are whole: by checksum, in a tar of the header."""
  members = {f'x/{i}.mp4': bytes([65 + i]) * 3000 for i in range(4)}
  _WRITERS[name](tmp_path / name, members)
  content = (tmp_path / name).read_bytes()
  if name == 'a.tgz':
    content = gzip.decompress(content)
  if name in ('a.tar', 'a.tgz'):
    at = content.index(b'x/2.mp4') + 148
    content = content[:at] + b'damaged!' + content[at + 8:]
  else:
    content = content.replace(b'C' * 3000, b'C' * 1500 + b'c' + b'C' * 1499)
  (tmp_path / name).write_bytes(gzip.compress(content) if name == 'a.tgz' else content)
  folder = archives.extract(str(tmp_path / name), str(tmp_path / 'to'))
  del members['x/2.mp4']
  assert _contents(tmp_path / 'to') == members
  assert list(archives.damaged(folder)) == ['x/2.mp4'] and all(archives.damaged(folder).values())
  assert '1 files in it are left out, such as x/2.mp4' in capsys.readouterr().out
  assert set(archives.names(str(tmp_path / name))) >= {*members}


def test_a_damaged_header_whose_name_leads_elsewhere(tmp_path):
  _write_tar(tmp_path / 'a.tar', {'a.mp4': b'1', '../evil.mp4': b'2', 'b.mp4': b'3'})
  content = bytearray((tmp_path / 'a.tar').read_bytes())
  at = content.index(b'../evil')
  content[at + 148:at + 156] = b'damaged!'
  (tmp_path / 'a.tar').write_bytes(content)
  folder = archives.extract(str(tmp_path / 'a.tar'), str(tmp_path / 'to'))
  assert _contents(tmp_path / 'to') == {'a.mp4': b'1', 'b.mp4': b'3'}
  assert list(archives.damaged(folder)) == ['a member without a name']


def test_stem():
  assert [archives.stem(name) for name in ('x/a b.tar.gz', 'a.b.ZIP', 'a')] == ['a b', 'a.b', 'a']


def test_remote(tmp_path):
  with pytest.raises(ValueError, match='both must be local'):
    archives.extract(str(tmp_path / 'a.zip'), 'gs://bucket/to')
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', _WRITERS)
def test_damaged(tmp_path, name):
  _WRITERS[name](tmp_path / name, {'a.mp4': os.urandom(5000), 'b.mp4': os.urandom(5000)})
  content = (tmp_path / name).read_bytes()
  for mutated in (content[:len(content) // 2], b'', b'<html>not found</html>'):
    (tmp_path / name).write_bytes(mutated)
    with pytest.raises(ValueError, match='cannot be extracted'):
      archives.extract(str(tmp_path / name), str(tmp_path / 'to'))
    assert not (tmp_path / 'to').exists()
