"""Reads the bindings in the text of a gin file, without importing anything that it names."""

import io
import posixpath
import tokenize

from gin import config_parser

OF_A_RUN = ('Experiment', 'train', 'evaluate', 'evaluate_continuously')  # roots of what a run uses


def read_bindings(text, path='', used_by=()):
  """The bindings of a config as text, 'Experiment.batch_size' -> '8'; macros are filled in.

  Args:
    text: The content of a gin file.
    path: Name of the file in messages.
    used_by: Names of classes and functions. If given, only their bindings are returned, and the
      bindings of everything that they refer to: an included file may bind what nothing uses.

  Raises:
    ValueError: if the text is not a gin file's.
  """
  try:
    statements = list(config_parser.ConfigParser(io.StringIO(text), _Names()))
  except (SyntaxError, ValueError, tokenize.TokenError) as error:
    reason = str(error.args[0]).strip().splitlines()[0]
    raise ValueError(f'{path} is not a gin config: {reason}') from error
  bound = [s for s in statements if isinstance(s, config_parser.BindingStatement)]
  macros = {s.selector: s.value for s in bound if not s.arg_name}
  fill = lambda value: macros.get(value, value) if isinstance(value, _Names.Macro) else value
  for _ in macros:  # A macro's value may be a macro.
    macros = {name: mapped(fill, value) for name, value in macros.items()}
  bound = [s._replace(value=mapped(fill, s.value)) for s in bound if s.arg_name]
  bound = list({(s.scope, _owner(s), s.arg_name): s for s in bound}.values())  # the last one counts
  if used_by:
    used = _used(bound, used_by)
    bound = [s for s in bound if _owner(s) in used]
  return {'/'.join(filter(None, [s.scope, f'{_owner(s)}.{s.arg_name}'])): _shown(s.value)
          for s in bound}


def data_of(bindings):
  """The training data in the bindings of a run: a data set, a folder or file, or else a class."""
  datasets = [value for name, value in bindings.items() if name.endswith('.dataset')]
  places = [posixpath.basename(value.rstrip('/')) for name, value in bindings.items()
            if name.endswith(('.folder', '.train_path'))]
  return next(iter(datasets + places), bindings.get('Experiment.clips', ''))


def mapped(function, value):
  """Applies a function to a value, or to all values in its lists, tuples and dicts."""
  if isinstance(value, (list, tuple)):
    return type(value)(mapped(function, item) for item in value)
  if isinstance(value, dict):
    return {key: mapped(function, item) for key, item in value.items()}
  return function(value)


class _Names(config_parser.ParserDelegate):
  """Keeps references and macros as names: nothing is imported."""

  class Macro(str):
    """The name of a macro."""

  class Reference(str):
    """The name of a class or function."""

  def configurable_reference(self, scoped_configurable_name, evaluate):
    del evaluate
    return self.Reference(scoped_configurable_name.split('/')[-1].split('.')[-1])

  def macro(self, macro_name):
    return self.Macro(macro_name)


def _owner(statement):
  """The class or function whose parameter a statement binds, without its module."""
  return statement.selector.split('.')[-1]


def _used(bound, roots):
  """The set of `roots` and all classes and functions to which they refer, also indirectly."""
  used, waiting = set(), list(roots)
  while waiting:
    owner = waiting.pop()
    if owner not in used:
      used.add(owner)
      for statement in bound:
        if _owner(statement) == owner:
          mapped(lambda value: isinstance(value, _Names.Reference) and waiting.append(value),
                 statement.value)
  return used


def _shown(value):
  if isinstance(value, (list, tuple)):
    return ', '.join(_shown(item) for item in value)
  if isinstance(value, dict):
    return ', '.join(f'{_shown(key)}: {_shown(item)}' for key, item in value.items())
  return f'{value:,}' if type(value) is int else str(value)
