"""Sets of files that take the place of the set that was written before, and of nothing else.

They are written aside and moved when all are there: a killed program leaves the set of before, but
for the moment of moving. A list of its files lies beside a set; what is not on it is the user's.
"""

import contextlib
import json
import os

import tensorflow as tf

from tf_videogen import files


@contextlib.contextmanager
def replacing(folder, name, last=None):
  """A folder to write a set of files into; with the end of the context they are in their place.

  Args:
    folder: where they shall lie, local or remote; made if it isn't there.
    name: of the set, which `.<name>_files.json` in the folder lists.
    last: the file that is moved last: where it is new, all are.

  Yields:
    The path of a folder. After an error it is removed, and all is as it was.

  Raises:
    OSError: if something cannot be written, or a folder is in a file's way.
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
  """A folder to write into, which takes the place of another one with the end of the context.

  Args:
    folder: which is replaced as a whole, if it has nothing but such parts; where folders can't be
      moved, on remote storage and where a disk is mounted, it is written into.
    parts: names of files and folders that such a folder may have.

  Yields:
    The path of a folder.

  Raises:
    ValueError: if there is something else in its place.
    OSError: if it cannot be written.
  """
  if tf.io.gfile.exists(folder):
    there = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else ['']
    others = sorted({name.rstrip('/') for name in there} - set(parts))
    if others:
      raise ValueError(f'{folder} is there already, with what no export has '
                       f'({others[0] or "it is a file"}): name another folder')
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
  """Raises OSError, of one line, where `replacing_folder` could not write a folder."""
  files.check_writable(
      os.path.dirname(os.path.realpath(folder)) if _can_be_moved(folder) else folder)


def _can_be_moved(folder):
  """Whether a folder is on a local disk, and no disk of its own."""
  return not files.is_remote(folder) and not os.path.ismount(folder)


def _listed(path):
  """The files of the set of before; none if its list is damaged: then nothing is removed."""
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
      raise ValueError(f'{os.path.join(folder, name)} is a folder, in the way of a file: name '
                       'another folder')


def _is_file(path):
  return tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path)
