"""What the text of a gin file binds: read without importing what it names."""

import io

from gin import config_parser


def read_bindings(text, path=''):
  """The bindings of a config as text, 'Experiment.batch_size' -> '8'; macros are filled in.

  Args:
    text: The content of a gin file.
    path: Its name in messages.

  Raises:
    ValueError: if it is no gin file.
  """
  try:
    statements = list(config_parser.ConfigParser(io.StringIO(text), _Names()))
  except (SyntaxError, ValueError) as error:
    raise ValueError(f'{path} is no gin config: {str(error).strip().splitlines()[0]}') from error
  bound = [s for s in statements if isinstance(s, config_parser.BindingStatement)]
  macros = {s.selector: s.value for s in bound if not s.arg_name}
  fill = lambda value: macros.get(value, value) if isinstance(value, _Names.Macro) else value
  for _ in macros:  # A macro's value may be a macro.
    macros = {name: mapped(fill, value) for name, value in macros.items()}
  return {'/'.join(filter(None, [s.scope, f'{s.selector.split(".")[-1]}.{s.arg_name}'])):
          _shown(mapped(fill, s.value)) for s in bound if s.arg_name}


def mapped(function, value):
  """A value with a function applied to all that it holds, in lists, tuples and dicts."""
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
    return self.Reference(scoped_configurable_name.split('.')[-1])

  def macro(self, macro_name):
    return self.Macro(macro_name)


def _shown(value):
  if isinstance(value, (list, tuple)):
    return ', '.join(_shown(item) for item in value)
  if isinstance(value, dict):
    return ', '.join(f'{_shown(key)}: {_shown(item)}' for key, item in value.items())
  return f'{value:,}' if type(value) is int else str(value)
