"""Cascades at the edge: which configs are the levels of one, and which folders their directories.

A cascade's directory has a model directory for each level, level1, level2, ..., of which the last
one carries all others; programs that are given the cascade's directory take that.
"""

import json
import os

import tensorflow as tf

from tf_videogen import files

_FILE = 'cascade.json'
LOWER_DIR = 'LOWER_DIR'  # the macro by which a level's config names the directory of the one below


class Cascade:
  """The levels of a cascade, as a gin file binds them.

  Args:
    levels: config files, the first level's first.
  """

  def __init__(self, levels=()):
    if not levels:
      raise ValueError('Cascade.levels must name the config of a level or more: --gin_file must be '
                       'the config of a cascade, such as cvg/ucf101.gin')
    self.levels = list(levels)


def directory(model_dir, number):
  """The model directory of a level, counted from 1."""
  return os.path.join(model_dir, f'level{number}')


def save(model_dir, cascade):
  """Writes which levels there are.

  Raises:
    ValueError: if the folder is another cascade's.
  """
  path, text = os.path.join(model_dir, _FILE), json.dumps({'levels': cascade.levels}, indent=1)
  if tf.io.gfile.exists(path) and json.loads(files.read(path))['levels'] != cascade.levels:
    raise ValueError(f'{model_dir} is the directory of another cascade '
                     f'({", ".join(json.loads(files.read(path))["levels"])}); use another '
                     '--model_dir, or that config')
  files.write(path, text)


def directories(model_dir):
  """The model directories of a cascade's levels; of any other directory, itself alone."""
  path = os.path.join(model_dir, _FILE)
  if not tf.io.gfile.exists(path):
    return [model_dir]
  levels = json.loads(files.read(path))['levels']
  return [directory(model_dir, number) for number in range(1, len(levels) + 1)]


def last_level(model_dir):
  """The model directory of a cascade's last level; any other directory is returned as it is."""
  return directories(model_dir)[-1]
