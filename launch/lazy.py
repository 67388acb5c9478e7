"""Imports that wait: a program's --help, and what is wrong with its flags, come without TensorFlow.

A program imports in a block what it works with:

    with lazy.imports():
      import tensorflow as tf
      from tf_videogen import experiment

What is bound there stands for the module, which is imported when something is first asked of it.
Flags must not ask. Nothing else of Python's imports changes: after the block, nobody but the
program has what stands for a module.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import types

_OWN = ('__class__', '__name__')
_blocks = []  # what is noted in blocks that are open, a list of modules each


class _Later(types.ModuleType):
  """Stands for the module of its name."""

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
  """Notes modules that are there, and executes none."""

  def find_spec(self, fullname, path, target=None):
    """See importlib."""
    if fullname.startswith('tf_videogen.launch'):  # has flags
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
  """Imports what the names of a program, or of a module that it imports, stand for."""
  for value in list(vars(program).values()):
    if isinstance(value, _Later):
      importlib.import_module(value.__name__)
    elif isinstance(value, types.ModuleType) and value.__name__.startswith('tf_videogen.launch.'):
      load(value)


@contextlib.contextmanager
def imports():
  """A context in which modules that nobody has imported yet are only noted."""
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
