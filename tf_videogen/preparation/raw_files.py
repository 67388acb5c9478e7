"""Finds the files in a data set's folder: videos, lists, and files in archives."""

import hashlib
import os
import re

import tensorflow as tf

from tf_videogen import files
from tf_videogen.preparation import animations
from tf_videogen.preparation import archives

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.flv', '.wmv', '.mpg',
                  '.mpeg', '.3gp', '.ts', '.apng')
_REMOTE_DEPTH = 6  # levels of folders that are searched


def manual_dir(dl_manager):
  """Returns the folder of files that the user downloaded, str; None if it is missing or empty."""
  try:
    return os.fspath(dl_manager.manual_dir)
  except AssertionError:  # TFDS raises it then
    return None


def tell_download(dl_manager, what):
  """Says that something is downloaded if there is a manual directory that might have had it."""
  folder = manual_dir(dl_manager)
  if folder:
    there = sorted(name.rstrip('/') for name in tf.io.gfile.listdir(folder))
    print(f'{folder} has nothing that is known as {what}, but {", ".join(there[:3])}'
          f'{" and others" if len(there) > 3 else ""}: it is downloaded', flush=True)


def downloaded(dl_manager, url):
  """Downloads and extracts an archive, unless that has been done; returns its folder, str."""
  tell_download(dl_manager, url)
  path = os.fspath(dl_manager.download(url))
  return archives.extract(path, f'{path}.extracted')


def find(root, suffixes):
  """Returns the files below a folder with given suffixes, as sorted paths relative to the folder.

  Hidden files and folders are left out, and so are files whose names are not UTF-8. Remote folders
  are searched down to six levels.

  Args:
    root: str, path of a folder, local or remote.
    suffixes: tuple of str, the suffixes in lower case. Names may have any case.
  """
  root = os.fspath(root)
  names = _remote_names(root) if files.is_remote(root) else _local_names(root)
  return sorted(name for name in names if name.lower().endswith(suffixes)
                and not any(map(_is_hidden, name.split('/'))) and _is_text(name))


def find_videos(root):
  """Returns the videos below a folder as `find` does, with animated WebP of local folders."""
  names = find(root, (*VIDEO_SUFFIXES, '.webp'))
  still = lambda name: name.lower().endswith('.webp') and (
      files.is_remote(os.fspath(root)) or not animations.is_animated(os.path.join(root, name)))
  return [name for name in names if not still(name)]


def _is_hidden(name):
  """Returns whether a file or folder holds no data: hidden, or made by macOS's archiver."""
  return name.startswith('.') or name == '__MACOSX'


def _local_names(root):
  """Yields relative paths. Links are followed, but no folder is visited twice."""
  seen = set()
  for folder, folders, names in os.walk(root, followlinks=True):
    seen.add(os.path.realpath(folder))
    folders[:] = [name for name in folders
                  if not _is_hidden(name)
                  and os.path.realpath(os.path.join(folder, name)) not in seen]
    inner = os.path.relpath(folder, root)
    yield from (os.path.normpath(os.path.join(inner, name)) for name in names)


def _remote_names(root):
  """Yields relative paths. It lists level by level, because asking each entry would take hours."""
  root = root.rstrip('/')
  for depth in range(1, _REMOTE_DEPTH + 1):
    for path in tf.io.gfile.glob(root + '/*' * depth):
      yield path[len(root) + 1:].rstrip('/')


def _is_text(name):
  try:
    name.encode()
  except UnicodeEncodeError:
    print(f'left out, as its name is not UTF-8: {name.encode(errors="replace").decode()}')
    return False
  return True


def opened_archives(root, pattern, extract_to, suffixes, known=(), folders=(), is_class=None):
  """Extracts the archives below a folder that belong to a data set, unless all files are known.

  A damaged member of an archive counts as a file that cannot be read. Its path goes on below that
  of the archive.

  Args:
    root: str, path of a local folder. If it is remote, nothing is extracted.
    pattern: str, regular expression that is searched for in the archives' names, of any case.
    extract_to: str, path of a local folder, in which each archive gets a folder of its own.
    suffixes: tuple of str, suffixes of the files of interest, in lower case.
    known: set of str, names, without folders, of files that exist outside archives.
    folders: names of folders, in lower case, in which archives of any name belong to the data set.
    is_class: function of an archive's name without its ending. If it is true, files that lie in no
      folder in the archive count as if they lay in a folder of that name.

  Returns:
    Two dicts: relative path -> full path of the files of interest, as if the content of an archive
    lay in the archive's folder; and the relative paths of all archives below the folder -> whether
    they belong to the data set.
  """
  root = os.fspath(root)
  found, belong = {}, {}
  for archive in find(root, archives.SUFFIXES):
    inner, path = os.path.dirname(archive), os.path.join(root, archive)
    belong[archive] = not files.is_remote(root) and bool(
        re.search(pattern, os.path.basename(archive), re.IGNORECASE)
        or set(inner.lower().split('/')) & set(folders))
    if not belong[archive]:
      continue
    identity = repr((os.path.abspath(path), files.size_and_time(path)))
    name = archives.stem(path)
    folder = os.path.join(
        extract_to, f'{name.split(".")[0]}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}')
    if known and not os.path.isdir(folder) and known >= {
        os.path.basename(name) for name in archives.names(path) if name.lower().endswith(suffixes)}:
      continue
    archives.extract(path, folder)
    full = {name: os.path.join(folder, name) for name in find(folder, suffixes)}
    full.update({os.path.normpath(member): f'{path}/{member}' for member in archives.damaged(folder)
                 if member.lower().endswith(suffixes)})
    for member, full_path in full.items():
      label = name if is_class and is_class(name) and not os.path.dirname(member) else ''
      found[os.path.join(inner, label, member)] = full_path
  return found, belong


def videos(root, archive_pattern, extract_to, **kwargs):
  """Returns the videos below a folder and in its archives: {relative path: full path}.

  Args:
    root: str, path of a folder, local or remote.
    archive_pattern: str, the `pattern` of `opened_archives`.
    extract_to: see `opened_archives`.
    **kwargs: `folders` and `is_class` of `opened_archives`.

  Returns:
    Two dicts, as `opened_archives`.
  """
  loose = {name: os.path.join(root, name) for name in find_videos(root)}
  known = {os.path.basename(name) for name in loose}
  found, belong = opened_archives(
      root, archive_pattern, extract_to, VIDEO_SUFFIXES, known, **kwargs)
  return {**found, **loose}, belong


def folder_names(splits):
  """Returns all names of splits' folders, a set; `splits` is that of `of_split`."""
  return {folder for folders in splits.values() for folder in folders}


def of_split(names, splits):
  """Groups paths by the first of their folders that has the name of a split.

  Args:
    names: iterable of str, relative paths.
    splits: dict, split -> the names, in lower case, that its folder may have.

  Returns:
    dict, split -> list of paths. The paths without such a folder are under None.
  """
  split_of = {folder: split for split, folders in splits.items() for folder in folders}
  sorted_out = {split: [] for split in [*splits, None]}
  for name in names:
    folders = name.lower().split(os.sep)[:-1]
    split = next((split_of[folder] for folder in folders if folder in split_of), None)
    sorted_out[split].append(name)
  return sorted_out
