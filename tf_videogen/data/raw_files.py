"""Which files a data set's folder has: of videos, of lists, in archives that are still closed."""

import os

import tensorflow as tf

from tf_videogen.data import archives

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.flv', '.wmv', '.mpg',
                  '.mpeg', '.3gp', '.ts')


def manual_dir(dl_manager):
  """The folder of files that the user downloaded, str; None where it is missing or empty."""
  try:
    return os.fspath(dl_manager.manual_dir)
  except AssertionError:  # what TFDS says then
    return None


def find(root, suffixes):
  """Returns the files below a folder whose names end so, as paths relative to it, sorted.

  Args:
    root: str, a folder, local or remote.
    suffixes: tuple of str, in lower case.
  """
  found = []
  for folder, _, names in tf.io.gfile.walk(root):
    inner = os.path.relpath(folder, root) if '://' not in root else folder[len(root):].strip('/')
    found += [os.path.normpath(os.path.join(inner, name)) for name in names
              if name.lower().endswith(suffixes) and not name.startswith('.')]
  return sorted(found)


def videos(root, extract_to):
  """Returns the videos below a folder: {path relative to its root: full path}.

  Where there are none but archives (zip, tar, rar), these are extracted, and their files count as if
  they lay in the folder itself.

  Args:
    root: str, a folder, local or remote.
    extract_to: str, a local folder.
  """
  found = {name: os.path.join(root, name) for name in find(root, VIDEO_SUFFIXES)}
  if found or '://' in root:
    return found
  for archive in find(root, archives.SUFFIXES):
    folder = archives.extract(
        os.path.join(root, archive), os.path.join(extract_to, archive.replace(os.sep, '_')))
    found.update({name: os.path.join(folder, name) for name in find(folder, VIDEO_SUFFIXES)})
  return found


def of_split(names, splits):
  """Sorts paths by the folder on their way that is named as a split.

  Args:
    names: iterable of str, relative paths.
    splits: dict, split -> the names, in lower case, that its folder may have.

  Returns:
    dict, split -> list of paths; and under None those of no such folder.
  """
  split_of = {folder: split for split, folders in splits.items() for folder in folders}
  sorted_out = {split: [] for split in [*splits, None]}
  for name in names:
    folders = name.lower().split(os.sep)[:-1]
    split = next((split_of[folder] for folder in folders if folder in split_of), None)
    sorted_out[split].append(name)
  return sorted_out
