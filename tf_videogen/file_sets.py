"""Sets of files that replace the set written before, and no other files.

A new set is written into a temporary folder, and moved when it is complete. A killed program leaves
the old set, unless it is killed during the move. A list beside a set names its files. Files that
are not on the list are the user's, and stay.
"""

import contextlib
import json
import os

import tensorflow as tf

from tf_videogen import files


@contextlib.contextmanager
def replacing(folder, name, last=None):
  """A context for writing a set of files; at its end they replace the old set.

  Args:
    folder: folder of the set, local or remote; created if missing.
    name: name of the set. `.<name>_files.json` in the folder lists its files.
    last: name of the file that is moved last: if it is new, all files are. If None, files are moved
      in alphabetical order.

  Yields:
    The path of a temporary folder to write into. After an error in the context it is removed, and
    the old set stays.

  Raises:
    OSError: if something cannot be written.
    ValueError: if a folder has the name of a file of the set.
  """
  aside = files.temporary_name(os.path.join(folder, f'.{name}'))
  files.check_writable(folder)
  with files.told(folder, 'written into'):
    tf.io.gfile.makedirs(aside)
  try:
    yield aside
    listed = os.path.join(folder, f'.{name}_files.json')
    before = _listed(listed)
    now = sorted(tf.io.gfile.listdir(aside), key=lambda path: (path == last, path))
    _refuse_folders(folder, now)
    files.write(listed, json.dumps(sorted({*before, *now})))
    for path in now:
      with files.told(os.path.join(folder, path)):
        tf.io.gfile.rename(os.path.join(aside, path), os.path.join(folder, path), overwrite=True)
    for path in set(before) - set(now):
      if _is_file(os.path.join(folder, path)):
        tf.io.gfile.remove(os.path.join(folder, path))
    files.write(listed, json.dumps(now))
  finally:
    if tf.io.gfile.exists(aside):
      tf.io.gfile.rmtree(aside)


@contextlib.contextmanager
def replacing_folder(folder, parts):
  """A context for writing a folder; at its end the new folder replaces the old one.

  Args:
    folder: path of the folder. It is replaced as a whole, if it contains nothing but `parts`.
      Folders on remote storage and mount points cannot be moved: they are written into.
    parts: names of the files and folders that the old folder may contain.

  Yields:
    The path of a folder to write into. A temporary one is removed after an error.

  Raises:
    ValueError: if `folder` is a file or contains something else.
    OSError: if the folder cannot be written.
  """
  if tf.io.gfile.exists(folder):
    there = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else ['']
    others = sorted({name.rstrip('/') for name in there} - set(parts))
    if others:
      raise ValueError(f'{folder} exists already, and is not an export '
                       f'({others[0] or "it is a file"}): give another folder')
  check_place(folder)
  if not _can_be_moved(folder):
    yield folder
    return
  folder = os.path.realpath(folder)
  aside, old = files.temporary_name(folder), files.temporary_name(folder)
  try:
    yield aside
    with files.told(folder):
      if os.path.isdir(folder):
        os.rename(folder, old)
      os.rename(aside, folder)
  finally:
    for path in (aside, old):
      if os.path.isdir(path):
        tf.io.gfile.rmtree(path)


def check_place(folder):
  """Raises an OSError of one line if `replacing_folder` could not write a folder."""
  files.check_writable(
      os.path.dirname(os.path.realpath(folder)) if _can_be_moved(folder) else folder)


def _can_be_moved(folder):
  """Whether a folder is on a local disk and is not a mount point."""
  return not files.is_remote(folder) and not os.path.ismount(folder)


def _listed(path):
  """The files of the old set; an empty list if their list is damaged, so that none is removed."""
  if not tf.io.gfile.exists(path):
    return []
  try:
    found = files.read_json(path, [str])
  except ValueError:
    return []
  return [name for name in found if os.path.basename(name) == name and name not in ('', '.', '..')]


def _refuse_folders(folder, names):
  for name in names:
    if tf.io.gfile.isdir(os.path.join(folder, name)):
      raise ValueError(f'{os.path.join(folder, name)} is a folder, in the way of a file: give '
                       'another folder')


def _is_file(path):
  return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)
