"""Finds the files in a data set's folder: videos, lists, and files in archives."""

import hashlib
import os
import re

import tensorflow as tf

from tf_videogen import files
from tf_videogen.preparation import archives

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.flv', '.wmv', '.mpg',
                  '.mpeg', '.3gp', '.ts')
_REMOTE_DEPTH = 6  # levels of folders that are searched


def manual_dir(dl_manager):
  """Returns the folder of files that the user downloaded, str; None if it is missing or empty."""
  try:
    return os.fspath(dl_manager.manual_dir)
  except AssertionError:  # TFDS raises it then
    return None


def downloaded(dl_manager, url):
  """Downloads and extracts an archive, unless that has been done; returns its folder, str."""
  path = os.fspath(dl_manager.download(url))
  return archives.extract(path, f'{path}.extracted')


def find(root, suffixes):
  """Returns the files below a folder with given suffixes, as sorted paths relative to the folder.

  Hidden files are left out, and so are files whose names are not UTF-8. Remote folders are searched
  down to six levels.

  Args:
    root: str, path of a folder, local or remote.
    suffixes: tuple of str, the suffixes in lower case. Names may have any case.
  """
  root = os.fspath(root)
  names = _remote_names(root) if files.is_remote(root) else _local_names(root)
  return sorted(name for name in names if name.lower().endswith(suffixes)
                and not os.path.basename(name).startswith('.') and _is_text(name))


def _local_names(root):
  """Yields relative paths. Links are followed, but no folder is visited twice."""
  seen = set()
  for folder, folders, names in os.walk(root, followlinks=True):
    seen.add(os.path.realpath(folder))
    folders[:] = [name for name in folders
                  if os.path.realpath(os.path.join(folder, name)) not in seen]
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


def opened_archives(root, pattern, extract_to, suffixes, known=()):
  """Extracts the archives below a folder whose names match, unless all their files are known.

  Args:
    root: str, path of a local folder. If it is remote, nothing is extracted.
    pattern: str, regular expression that is searched for in the archives' names, of any case.
    extract_to: str, path of a local folder, in which each archive gets a folder of its own.
    suffixes: tuple of str, suffixes of the files of interest, in lower case.
    known: set of str, names, without folders, of files that exist outside archives.

  Returns:
    dict, relative path -> full path of the files of interest, as if the content of an archive lay
    in the archive's folder.
  """
  if files.is_remote(root):
    return {}
  found = {}
  for archive in find(root, archives.SUFFIXES):
    path = os.path.join(root, archive)
    if not re.search(pattern, os.path.basename(archive), re.IGNORECASE):
      continue
    identity = repr((os.path.abspath(path), files.size_and_time(path)))
    folder = os.path.join(extract_to, (f'{os.path.basename(archive).split(".")[0]}_'
                                       f'{hashlib.sha256(identity.encode()).hexdigest()[:8]}'))
    if known and not os.path.isdir(folder) and known >= {
        os.path.basename(name) for name in archives.names(path) if name.lower().endswith(suffixes)}:
      continue
    archives.extract(path, folder)
    found.update({os.path.join(os.path.dirname(archive), name): os.path.join(folder, name)
                  for name in find(folder, suffixes)})
  return found


def videos(root, archive_pattern, extract_to):
  """Returns the videos below a folder and in its archives: {relative path: full path}.

  Args:
    root: str, path of a folder, local or remote.
    archive_pattern: str, the `pattern` of `opened_archives`.
    extract_to: see `opened_archives`.
  """
  loose = {name: os.path.join(root, name) for name in find(root, VIDEO_SUFFIXES)}
  known = {os.path.basename(name) for name in loose}
  return {**opened_archives(root, archive_pattern, extract_to, VIDEO_SUFFIXES, known), **loose}


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
