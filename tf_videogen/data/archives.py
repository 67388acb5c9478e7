"""Archives that are opened where they are: nothing is ever written outside the folder of its own.

zip, tar (also compressed) and rar. rar needs a program such as unrar, unar, 7z or bsdtar.
"""

import contextlib
import os
import pathlib
import shutil
import tarfile
import zipfile

import rarfile
import tqdm

from tf_videogen import bars

SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz', '.rar')


def extract(path, folder):
  """Extracts an archive, unless that has been done; what a killed run left is made anew.

  Links and special files in it are passed over.

  Args:
    path: str, a local archive.
    folder: str, where to; it comes to be only when all is extracted.

  Returns:
    The folder, str.

  Raises:
    ValueError: if it is no archive, is damaged, needs a program that isn't there, or if a name in
      it leads out of the folder.
  """
  folder = os.fspath(folder)
  if os.path.isdir(folder):
    return folder
  part = f'{folder}.part'
  shutil.rmtree(part, ignore_errors=True)
  try:
    with _opened(path) as members:
      for name, open_member in tqdm.tqdm(
          members, f'extract {os.path.basename(path)}', unit='file', mininterval=bars.interval()):
        target = _inside(part, name, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open_member() as source, open(target, 'wb') as copy:
          shutil.copyfileobj(source, copy, 1 << 20)
  except rarfile.RarCannotExec as error:
    raise ValueError(f'{path} needs a program that opens rar archives: install unrar, unar, 7z or '
                     'bsdtar (libarchive-tools)') from error
  except (tarfile.TarError, zipfile.BadZipFile, rarfile.Error, EOFError, OSError) as error:
    raise ValueError(f'{path} cannot be extracted: {error}') from error
  os.makedirs(part, exist_ok=True)
  os.rename(part, folder)
  return folder


@contextlib.contextmanager
def _opened(path):
  """A list of (name, function that opens it) of the regular files in an archive."""
  with contextlib.ExitStack() as stack:
    if zipfile.is_zipfile(path):
      archive = stack.enter_context(zipfile.ZipFile(path))
      yield [(member.filename, lambda member=member: archive.open(member))
             for member in archive.infolist() if not member.is_dir()]
    elif rarfile.is_rarfile(path):
      archive = stack.enter_context(rarfile.RarFile(path))
      yield [(member.filename, lambda member=member: archive.open(member))
             for member in archive.infolist() if member.is_file()]
    else:
      archive = stack.enter_context(tarfile.open(path))
      yield [(member.name, lambda member=member: archive.extractfile(member))
             for member in archive if member.isreg()]


def _inside(folder, name, archive):
  """The path of a member in the folder."""
  root = pathlib.Path(folder).resolve()
  target = (root / name.replace('\\', '/')).resolve()
  if not target.is_relative_to(root) or target == root:
    raise ValueError(f'{archive} is not to be trusted: the name {name!r} in it leads elsewhere')
  return os.fspath(target)
