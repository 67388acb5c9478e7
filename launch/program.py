"""The shared parts of the programs: `--help`, parsing of flags, and errors in one line.

A program is a module with a docstring, absl flags and `main(argv)`, and ends with

    if __name__ == '__main__':
      program.run(main)

Flags that several programs have (`--model_dir`) are in `launch/shared_flags.py`. Tests import
programs as `tf_videogen.launch.<program>`.
"""

import logging as python_logging
import math
import os
import re
import shlex
import shutil
import sys
import textwrap

from absl import app
from absl import flags
from absl import logging

flags.DEFINE_bool('traceback', False, 'Show where in the code an error was raised.')
flags.disclaim_key_flags()

STOPPED = 143  # the exit status of a program that SIGTERM stopped

# The text that Keras puts before the message of an error in a layer.
_WHERE_KERAS_WAS = re.compile(
    r"^Exception encountered when calling layer ['\"]?([^'\"\s]+)['\"]? \(type (\w+)\).*\n\n")
_LIBRARIES = re.compile(
    r'(site|dist)-packages[/\\](tensorflow|tensorflow_datasets|keras|tf_keras|orbit)[/\\]')
_WHERE_GIN_WAS = re.compile(r'\n +In call to configurable.*', re.DOTALL)
_OF_SYSTEM = re.compile(r"\[Errno \d+\] (.*): '(.*)'")
_HELP = ('-h', '-help', '--help', '--helpshort')
_TAKING_ARGUMENTS = set()
_COMMAND_LINE = []  # of the program that runs
_FLAG_COLUMN = 24  # the column in which a flag's help starts, after its name


def run(main, argv=None):
  """Parses the flags, calls `main` and exits with its status, as `absl.app.run` does.

  Unlike there, absl only logs our warnings and libraries' errors. `--verbosity=0` shows more.

  The exit status is 1 after a ValueError, OSError or FloatingPointError, of which the first line is
  printed without a traceback. It is 2 after a mistake in the flags, and 130 after Ctrl-C. Other
  exceptions, and errors inside a traced function, are not the user's and keep their traceback. With
  --traceback, or TF_VIDEOGEN_TRACEBACK=1 in the environment, all exceptions keep it.

  Args:
    main: the function `main(argv)` of a program. It receives the command line without its flags.
    argv: the command line, starting with the program's name; the process's if None.

  Raises:
    SystemExit: always, unless an exception keeps its traceback.
  """
  name = _program_name(main) if argv is None else argv[0]
  argv = [name] + list(sys.argv[1:] if argv is None else argv[1:])
  _COMMAND_LINE[:] = argv
  if _asks_for_help(argv):
    print(help_text(main))
    sys.exit(0)
  parse = lambda argv: _parse_flags(argv, main in _TAKING_ARGUMENTS)
  app.run(_guarded(main, name), argv, flags_parser=parse)


def command_line():
  """The command line of the program that runs, quoted for a shell; '' if `run` was not called."""
  return ' '.join([*_COMMAND_LINE[:1], *map(shlex.quote, _COMMAND_LINE[1:])])


def takes_arguments(main):
  """Decorates the `main` of a program that takes arguments besides flags; others refuse them."""
  _TAKING_ARGUMENTS.add(main)
  return main


def help_text(main):
  """Returns the docstring of main's module, then a line or more for each of its own flags."""
  module = sys.modules[main.__module__]
  # absl lists the flags of the module that Python runs under the name of its script.
  key = sys.argv[0] if module.__name__ == '__main__' else module.__name__
  width = min(max(shutil.get_terminal_size().columns, 80), 100)
  lines = [(module.__doc__ or '').strip()]
  key_flags = flags.FLAGS.get_key_flags_for_module(key)
  if key_flags:
    lines += ['', 'Flags:']
  for flag in key_flags:
    lines += _flag_lines(flag, width)
  return '\n'.join(lines)


def print_results(results):
  """Prints the results of an evaluation, {'<split>/<metric>': value}, one value per line."""
  width = max(map(len, results), default=0)
  for name, value in results.items():
    print(f'{name:<{width}}  {float(value):.6g}')


def _flag_lines(flag, width):
  """Returns the lines of help for one flag, with its default value."""
  name = f'  --[no]{flag.name}' if flag.boolean else f'  --{flag.name}'
  text = ' '.join((flag.help or '').split())
  text = text.removesuffix('; repeat this option to specify a list of values')  # absl's words
  if isinstance(flag, flags.EnumFlag):
    values = ', '.join(flag.parser.enum_values)
    text = f'{text.partition(">: ")[2]} One of {values}.'
  if flag.default not in (None, '', []):
    default = flag.default_as_str.strip("'")
    text += f' (default: {default})'
  indent = ' ' * _FLAG_COLUMN
  lines = textwrap.wrap(
      text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
  if lines and len(name) + 2 <= _FLAG_COLUMN:
    return [name.ljust(_FLAG_COLUMN) + lines[0].lstrip()] + lines[1:]
  return [name] + lines


def _program_name(main):
  """Returns how the user called the program, e.g. 'python -m launch.train'."""
  spec = getattr(sys.modules[main.__module__], '__spec__', None)
  if main.__module__ == '__main__' and spec is not None:
    return f'python -m {spec.name}'
  return os.path.basename(sys.argv[0])


def _asks_for_help(argv):
  """Whether a flag that asks for help stands before the end of the flags, '--'."""
  end = argv.index('--') if '--' in argv else len(argv)
  return any(argument in _HELP for argument in argv[1:end])


def _parse_flags(argv, with_arguments):
  """Parses the flags; after a mistake in them, prints one line and exits with status 2."""
  try:
    arguments = flags.FLAGS(argv)
  except flags.Error as error:
    message = re.sub(
        r'^flag --(\w+)=None: .* must have a value .*', r'--\1 is required', str(error))
    _fail(argv[0], f'{message.rstrip(".")} (see {argv[0]} --help)', 2)
  if arguments[1:] and not with_arguments:
    _fail(argv[0], f'{arguments[1]!r} is not a flag, and nothing reads it; flags start with -- '
          f'(see {argv[0]} --help)', 2)
  for flag, value in flags.FLAGS.flag_values_dict().items():
    if isinstance(value, float) and not math.isfinite(value):
      _fail(argv[0], f'--{flag}={value}: it must be a number', 2)
  if flags.FLAGS['verbosity'].using_default_value:
    flags.FLAGS.verbosity = logging.WARNING
    quiet_libraries()
  return arguments


def quiet_libraries():
  """Hides the warnings of libraries in this process."""
  logging.get_absl_logger().addFilter(_is_for_users)
  python_logging.getLogger('tensorflow').setLevel(python_logging.ERROR)


def _is_for_users(record):
  """Whether a record is ours, or an error; libraries' warnings are for programmers."""
  return record.levelno >= python_logging.ERROR or not _LIBRARIES.search(record.pathname)


def _guarded(main, name):
  """Wraps `main`: errors that a user can cause become one line on stderr and an exit status."""

  def guarded_main(argv):
    try:
      return main(argv)
    except KeyboardInterrupt:
      _fail(name, 'interrupted', 130)
    except (ValueError, OSError, FloatingPointError) as error:
      lines = _message(error).splitlines() or [type(error).__name__]
      # A traced function puts its own traceback first.
      wanted = flags.FLAGS.traceback or os.environ.get('TF_VIDEOGEN_TRACEBACK')
      if wanted or lines[0].startswith('in user code'):
        raise
      _fail(name, lines[0] + (' (--traceback shows all of it)' if lines[1:] else ''), 1)

  return guarded_main


def _message(error):
  """Returns the text of an error; for errors of the operating system, 'path: reason'."""
  if isinstance(error, OSError) and error.filename is not None:
    return f'{error.filename}: {error.strerror}'
  if isinstance(error, OSError) and error.strerror:
    return error.strerror
  message = _WHERE_GIN_WAS.sub('', str(error)).strip()
  of_system = _OF_SYSTEM.fullmatch(message)  # an error that gin raises again has only its text
  if of_system:
    return f'{of_system.group(2)}: {of_system.group(1)}'
  layer = _WHERE_KERAS_WAS.match(message)
  if not layer:
    return message
  first, *more = message[layer.end():].splitlines()
  return '\n'.join([f'{first} (layer {layer.group(1)}, {layer.group(2)})', *more])


def _fail(name, message, status):
  """Prints one line on stderr and exits."""
  print(f'{name}: {message}', file=sys.stderr)
  sys.exit(status)
