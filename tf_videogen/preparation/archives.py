"""Extracts archives. Nothing is ever written outside the folder that an archive is extracted to.

The formats are zip, tar (also compressed) and rar. rar needs a program such as unrar, unar, 7z or
bsdtar.
"""

import contextlib
import fcntl
import json
import lzma
import os
import pathlib
import shutil
import tarfile
import zipfile
import zlib

import rarfile
import tqdm

from tf_videogen import bars
from tf_videogen import files

SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz', '.rar')
# Errors of single members. The last two are about zip files of unknown kinds.
_DAMAGED_MEMBER = (zipfile.BadZipFile, rarfile.Error, tarfile.HeaderError, lzma.LZMAError,
                   zlib.error, EOFError, NotImplementedError, RuntimeError)
_DAMAGE = (*_DAMAGED_MEMBER, tarfile.TarError, OSError)


def extract(path, folder):
  """Extracts an archive, unless that has been done. What a killed run left is replaced.

  Links and special files in tar and rar archives are skipped. Damaged members are left out, see
  `damaged`, unless all are. If several processes call this at the same time, one extracts and the
  others wait.

  Args:
    path: str, path of a local archive.
    folder: str, path of the local folder to extract to. It exists only once all is extracted.

  Returns:
    str, the folder.

  Raises:
    ValueError: if a path is remote, if the file is not an archive or is damaged, if it needs a
      program that isn't installed, or if a name in it leads out of the folder.
  """
  folder = os.fspath(folder)
  if files.is_remote(os.fspath(path)) or files.is_remote(folder):
    raise ValueError(f'{path} cannot be extracted to {folder}: both must be local; extract it '
                     'yourself')
  os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
  with open(f'{folder}.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.isdir(folder):
      part = f'{folder}.part'
      shutil.rmtree(part, ignore_errors=True)
      os.makedirs(part)
      with _damage_told(path):
        left_out = _extract_all(path, part)
      files.write(_list_of_damaged(folder), json.dumps(left_out))
      os.rename(part, folder)
  return folder


def damaged(folder):
  """Returns the members that are missing from an extracted folder: {name: reason}."""
  path = _list_of_damaged(folder)
  return json.loads(files.read(path)) if os.path.exists(path) else {}


def stem(path):
  """Returns the name of an archive's file without its ending."""
  name = os.path.basename(path)
  ending = next((one for one in SUFFIXES if name.lower().endswith(one)), '')
  return name[:len(name) - len(ending)]


def _list_of_damaged(folder):
  return f'{folder}.damaged.json'


def names(path):
  """Returns the names of the regular files in a local archive; raises ValueError like `extract`."""
  with _damage_told(path), _opened(path) as members:
    return [name for name, _ in members]


def _extract_all(path, folder):
  """Extracts to an empty folder; returns {name: reason} of the damaged members, which are not."""
  left_out, error = {}, None
  with _opened(path) as members:
    for name, open_member in tqdm.tqdm(
        members, f'extract {os.path.basename(path)}', unit='file', mininterval=bars.interval()):
      target = _inside(folder, name, path)
      os.makedirs(os.path.dirname(target), exist_ok=True)
      try:
        with open_member() as source, open(target, 'wb') as copy:
          shutil.copyfileobj(source, copy, 1 << 20)
      except rarfile.RarCannotExec:
        raise
      except _DAMAGED_MEMBER as damage:
        error, left_out[name] = damage, str(damage)
        pathlib.Path(target).unlink(missing_ok=True)
  if error and not any(found for _, _, found in os.walk(folder)):
    raise error
  if error:
    print(f'{path} is damaged: {len(left_out)} files in it are left out, such as '
          f'{next(iter(left_out))} ({error})', flush=True)
  return left_out


@contextlib.contextmanager
def _damage_told(path):
  """Turns the errors that libraries raise about an archive into a ValueError of one line."""
  try:
    yield
  except rarfile.RarCannotExec as error:
    raise ValueError(f'{path} needs a program that opens rar archives: install unrar, unar, 7z or '
                     'bsdtar (libarchive-tools)') from error
  except _DAMAGE as error:
    raise ValueError(f'{path} cannot be extracted, download it again: {error}') from error


@contextlib.contextmanager
def _opened(path):
  """Yields an iterable of (name, function that opens it), one per regular file in an archive."""
  if zipfile.is_zipfile(path):
    with zipfile.ZipFile(path) as archive:
      yield [(member.filename, lambda member=member: archive.open(member))
             for member in archive.infolist() if not member.is_dir()]
  elif rarfile.is_rarfile(path):
    with rarfile.RarFile(path) as archive:
      yield [(member.filename, lambda member=member: archive.open(member))
             for member in archive.infolist() if member.is_file()]
  else:
    with tarfile.open(path) as archive:
      yield _tar_members(archive)


def _tar_members(archive):
  """Yields the regular files in the order of the archive, and checks its end.

  The library takes a damaged header for the end of the archive. If others follow it, that member
  cannot be opened. If none does, the archive is cut off.
  """
  while True:
    member = archive.next()
    if member is None:
      archive.fileobj.seek(archive.offset)
      block = archive.fileobj.read(tarfile.BLOCKSIZE)
      if block == bytes(tarfile.BLOCKSIZE):
        return
      archive.offset += tarfile.BLOCKSIZE
      archive.ignore_zeros = True  # goes on to the next header
      member = archive.next() if len(block) == tarfile.BLOCKSIZE else None
      archive.ignore_zeros = False
      if member is None:
        raise tarfile.ReadError('it is cut off or damaged')
      yield _name_in_header(block), _no_member
    if member.isreg():
      yield member.name, lambda member=member: archive.extractfile(member)


def _name_in_header(block):
  """Returns the name in a damaged header of a tar archive, as far as it can be one."""
  name = block[:100].partition(b'\0')[0].decode('utf-8', 'replace')
  return name if name.isprintable() and name.strip('./') and '..' not in name.split('/') and (
      not name.startswith('/')) else 'a member without a name'


def _no_member():
  raise tarfile.HeaderError('its header is damaged')


def _inside(folder, name, archive):
  """Returns the path of a member in the folder; raises ValueError if it is outside."""
  root = pathlib.Path(folder).resolve()
  target = (root / name.replace('\\', '/')).resolve()
  if not target.is_relative_to(root) or target == root:
    raise ValueError(f'{archive} cannot be trusted: its member {name!r} leads out of the folder')
  return os.fspath(target)
