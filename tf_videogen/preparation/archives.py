"""Archives that are opened where they are: nothing is ever written outside the folder of its own.

zip, tar (also compressed) and rar. rar needs a program such as unrar, unar, 7z or bsdtar.
"""

import contextlib
import fcntl
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
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, rarfile.Error, lzma.LZMAError, zlib.error,
           EOFError, OSError,
           NotImplementedError, RuntimeError)  # the last two: zip, of unknown kinds


def extract(path, folder):
  """Extracts an archive, unless that has been done; what a killed run left is made anew.

  Links and special files in it are passed over. Of several processes, one extracts.

  Args:
    path: str, a local archive.
    folder: str, where to, local; it comes to be only when all is extracted.

  Returns:
    The folder, str.

  Raises:
    ValueError: if it is no archive, is damaged, needs a program that isn't there, or if a name in
      it leads out of the folder.
  """
  folder = os.fspath(folder)
  if files.is_remote(os.fspath(path)) or files.is_remote(folder):
    raise ValueError(f'{path} cannot be extracted to {folder}: both have to be local; extract it '
                     'yourself')
  os.makedirs(os.path.dirname(os.path.abspath(folder)), exist_ok=True)
  with open(f'{folder}.lock', 'w') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.isdir(folder):
      part = f'{folder}.part'
      shutil.rmtree(part, ignore_errors=True)
      os.makedirs(part)
      with _damage_told(path):
        _extract_all(path, part)
      os.rename(part, folder)
  return folder


def names(path):
  """Returns the names of the regular files in a local archive; raises ValueError as `extract`."""
  with _damage_told(path), _opened(path) as members:
    return [name for name, _ in members]


def _extract_all(path, folder):
  with _opened(path) as members:
    for name, open_member in tqdm.tqdm(
        members, f'extract {os.path.basename(path)}', unit='file', mininterval=bars.interval()):
      target = _inside(folder, name, path)
      os.makedirs(os.path.dirname(target), exist_ok=True)
      with open_member() as source, open(target, 'wb') as copy:
        shutil.copyfileobj(source, copy, 1 << 20)


@contextlib.contextmanager
def _damage_told(path):
  """Makes what libraries raise of an archive one clear line."""
  try:
    yield
  except rarfile.RarCannotExec as error:
    raise ValueError(f'{path} needs a program that opens rar archives: install unrar, unar, 7z or '
                     'bsdtar (libarchive-tools)') from error
  except _DAMAGE as error:
    raise ValueError(f'{path} cannot be extracted, download it again: {error}') from error


@contextlib.contextmanager
def _opened(path):
  """An iterable of (name, function that opens it) of the regular files in an archive."""
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
  """Yields the members one after the other, as they come in the file, and checks its end.

  To the library, damage to a header is the end of the archive.
  """
  for member in archive:
    if member.isreg():
      yield member.name, lambda member=member: archive.extractfile(member)
  archive.fileobj.seek(archive.offset)
  if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
    raise tarfile.ReadError('it ends before its end, or is damaged')


def _inside(folder, name, archive):
  """The path of a member in the folder."""
  root = pathlib.Path(folder).resolve()
  target = (root / name.replace('\\', '/')).resolve()
  if not target.is_relative_to(root) or target == root:
    raise ValueError(f'{archive} is not to be trusted: the name {name!r} in it leads elsewhere')
  return os.fspath(target)
