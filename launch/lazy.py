"""Delayed imports, so that a program's --help and mistakes in its flags do not wait for TensorFlow.

A program imports the modules that it works with in a block:

    with lazy.imports():
      import tensorflow as tf
      from tf_videogen import experiment

The names in the block are bound to placeholders. A placeholder imports its module when one of the
module's attributes is first used. Definitions of flags must not use any. Other imports do not
change: after the block, only the program has the placeholders.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import types

_OWN = ('__class__', '__name__')
_blocks = []  # one list of placeholders per open block


class _Later(types.ModuleType):
  """A placeholder for the module of its name."""

  def __getattribute__(self, name):
    if _blocks or name in _OWN:
      return super().__getattribute__(name)
    return getattr(importlib.import_module(self.__name__), name)

  def __setattr__(self, name, value):
    if _blocks:
      super().__setattr__(name, value)
    else:
      setattr(importlib.import_module(self.__name__), name, value)

  def __delattr__(self, name):
    if _blocks:
      super().__delattr__(name)
    else:
      delattr(importlib.import_module(self.__name__), name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
  """Makes placeholders for modules that exist, and executes none."""

  def find_spec(self, fullname, path, target=None):
    """See importlib."""
    if fullname.startswith('tf_videogen.launch'):  # its modules define flags
      return None
    found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
    if found is None:
      return None
    spec = importlib.machinery.ModuleSpec(fullname, self, origin=found.origin)
    spec.submodule_search_locations = found.submodule_search_locations
    return spec

  def create_module(self, spec):
    """See importlib."""
    module = _Later(spec.name)
    _blocks[-1].append(module)
    return module

  def exec_module(self, module):
    """See importlib."""


def load(program):
  """Imports the modules of the placeholders in a program and in the launch modules it imports."""
  for value in list(vars(program).values()):
    if isinstance(value, _Later):
      importlib.import_module(value.__name__)
    elif isinstance(value, types.ModuleType) and value.__name__.startswith('tf_videogen.launch.'):
      load(value)


@contextlib.contextmanager
def imports():
  """A context in which imports of modules that are not loaded yet only make placeholders."""
  finder = _Finder()
  _blocks.append([])
  sys.meta_path.insert(0, finder)
  try:
    yield
  finally:
    for module in _blocks[-1]:
      del sys.modules[module.__name__]
      parent, _, name = module.__name__.rpartition('.')
      if parent in sys.modules:
        delattr(sys.modules[parent], name)
    sys.meta_path.remove(finder)
    _blocks.pop()
