"""Cascades for the programs: the configs of a cascade's levels, and the levels' directories.

The directory of a cascade has one model directory per level: level1, level2, ... The last level
contains all others. Programs that are given the cascade's directory use the last level's.
"""

import json
import os
from tf_videogen.launch import lazy

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import files
  from tf_videogen.model_directory import checkpoints
  from tf_videogen.model_directory import layout



_FILE = 'cascade.json'
_BELOW = 'below.json'  # in a level's directory
LOWER_DIR = 'LOWER_DIR'  # the macro of a level's config for the directory of the level below


class Cascade:
  """The levels of a cascade, as a gin file binds them.

  Args:
    levels: config files, the first level's first.
  """

  def __init__(self, levels=()):
    if not levels:
      raise ValueError('Cascade.levels must list the config of at least one level: --gin_file must '
                       'be the config of a cascade, such as cvg/ucf101.gin')
    self.levels = list(levels)


def directory(model_dir, number):
  """The model directory of a level, counted from 1."""
  return os.path.join(model_dir, f'level{number}')


def save(model_dir, cascade):
  """Writes the list of a cascade's levels into its directory.

  Raises:
    ValueError: if the directory is another cascade's.
  """
  path, text = os.path.join(model_dir, _FILE), json.dumps({'levels': cascade.levels}, indent=1)
  levels = _levels(path) if tf.io.gfile.exists(path) else cascade.levels
  if levels != cascade.levels:
    raise ValueError(f'{model_dir} is the directory of another cascade ({", ".join(levels)}); use '
                     'another --model_dir, or that config')
  files.write(path, text)


def keep_below(model_dir, lower_dir, writes=True):
  """Writes the step of the level below, from which a level is trained, into the level's directory.

  Args:
    model_dir: directory of the level.
    lower_dir: directory of the level below.
    writes: whether to write. If not, the step is only compared.

  Raises:
    ValueError: if the level has begun from another folder or another step of the level below.
  """
  path, now = os.path.join(model_dir, _BELOW), layout.finished(lower_dir)
  if now is None:  # not trained yet, or removed: a level contains all levels below it
    return
  folder = os.path.basename(lower_dir)
  if not checkpoints.paths(model_dir):
    if writes:
      files.write(path, json.dumps({'step': now, 'folder': folder}))
    return
  began = files.read_json_if_there(path, {'step': int, 'folder': str},
                                   'move the directory away to train it again')
  if began and began['folder'] != folder:
    raise ValueError(f'{model_dir} was trained from {began["folder"]} of the level below, not from '
                     f'{folder}: set --from_best as at its start, or move {model_dir} away')
  if began and began['step'] != now:
    raise ValueError(f'{model_dir} was trained from step {began["step"]} of {lower_dir}, which is '
                     f'now at step {now}: move {model_dir} away to train it again')


def directories(model_dir):
  """The model directories of a cascade's levels, a list; any other directory alone."""
  path = os.path.join(model_dir, _FILE)
  if not tf.io.gfile.exists(path):
    return [model_dir]
  return [directory(model_dir, number) for number in range(1, len(_levels(path)) + 1)]


def _levels(path):
  return files.read_json(path, {'levels': [str]}, 'delete it; launch.train_cascade writes it again'
                         )['levels']


def last_level(model_dir):
  """The model directory of a cascade's last level; any other directory is returned as it is."""
  return directories(model_dir)[-1]
