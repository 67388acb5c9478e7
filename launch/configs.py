"""Gin configs for the programs: reads them, reports errors in one line, keeps them with a run.

The name of a config is first taken as a path, and then looked up in the suite's own `gin/` folder.
So `--gin_file=videogpt/moving_mnist_vqvae.gin` works from anywhere.
"""

import difflib
import inspect
import os
import pathlib
import re
import tokenize

from absl import flags
from absl import logging
import gin
from gin import resource_reader

import tf_videogen
from tf_videogen.launch import bindings
from tf_videogen.launch import cascades
from tf_videogen.launch import config_text
from tf_videogen.launch import hints
from tf_videogen.launch import lazy
from tf_videogen.launch import shared_flags

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import files
  from tf_videogen.model_directory import checkpoints
  from tf_videogen.model_directory import origin
  from tf_videogen.training import progress

# Flags that this module reads.
FLAGS = ('gin_file', 'gin_param', 'model_dir', 'data_dir', 'strategy', 'tpu')
GIN_DIR = pathlib.Path(tf_videogen.__file__).parent / 'gin'
CONFIG = 'config.gin'
_LINE = 100  # characters of the lines that gin puts between sections

# Bindings that may change between two starts of the same model directory. Some do not change what
# is learned.
_MAY_DIFFER = re.compile(
    r'^(experiment\.(train|evaluate|evaluate_continuously)\.|'
    r'experiment\.Experiment\.(splits|evaluation_limit)$|'
    r'.*\.(data_dir|vqvae_dir|first_slice_dir|lower_dir)$|clips\.FileClips\.\w+_path$|'
    r'(.*\.)?from_video_folder\.(folder|processes|max_failed_share)$)')
# Others change how long and how fast it is learned. Their changes are printed at the start.
_LENGTH_AND_RATES = re.compile(
    r'^experiment\.Experiment\.train_steps$|'
    r'(.*/)?optimizers\.\w+\.(learning_rate|decay_steps|warmup_steps)$')

shared_flags.declare(*FLAGS)
gin.add_config_file_search_path(str(GIN_DIR))
# Removes gin's reader of files in Python packages. For 'videogpt/x.gin' it asks Python for a
# package called videogpt, reports that there is none, and fails if Python's path has a folder of
# that name.
gin.config._FILE_READERS[:] = [  # pylint: disable=protected-access
    reader for reader in gin.config._FILE_READERS  # pylint: disable=protected-access
    if reader[0] is not resource_reader.system_path_reader]
gin.config.register_file_reader(  # gs:// paths
    lambda path: tf.io.gfile.GFile(path), lambda path: tf.io.gfile.exists(path))


def find(name):
  """The path of a config file.

  Raises:
    FileNotFoundError: if there is no such file. The message has the nearest names.
  """
  for path in (name, str(GIN_DIR / name)):
    if tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path):
      return path
  known = sorted(str(path.relative_to(GIN_DIR)) for path in GIN_DIR.rglob('*.gin')
                 if path.parent.name != 'base')  # which has parts of configs
  near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
  hint = f'did you mean {", ".join(near)}?' if near else f'there are: {", ".join(known[:8])}, ...'
  raise FileNotFoundError(f'no config {name}; {hint}')


def _imports_and_macros(path, seen):
  """The import lines and macro names of a file and of all files that it includes, not in `seen`."""
  imports, macros = [], set()
  if path in seen:
    return imports, macros
  seen.add(path)
  for line in files.read(path).splitlines():
    included = re.match(r"include\s+['\"](.+)['\"]", line)
    if included:
      more_imports, more_macros = _imports_and_macros(find(included.group(1)), seen)
      imports, macros = imports + more_imports, macros | more_macros
    elif re.match(r'(from|import)\s', line):
      imports.append(line)
    elif re.match(r'[A-Z][A-Z0-9_]*\s*=', line):
      macros.add(line.split('=')[0].strip())
  return imports, macros


def macros(names):
  """The set of macros to which config files, and all files that they include, give values."""
  return set().union(*(_imports_and_macros(find(name), set())[1] for name in names))


def _first_line(error):
  """An error of gin in one line, with the name of the file."""
  lines = [line.strip() for line in str(error).splitlines() if line.strip()]
  if not lines:
    return type(error).__name__
  said = re.sub(
      r"<module '([\w.]+)' from '[^']*'> has no attribute (\w+)", r'\1 has no \2', lines[0])
  where = [line for line in lines[1:] if line.startswith('In file')]
  if where:
    return f'{said.rstrip(".")} ({where[0]})'
  return re.sub(r'\.?( *\(In bindings string line \d+\))?$', '', said)


def _check_names(params, macros):
  """Refuses wrong bindings of the command line; gin would silently ignore a misspelt macro."""
  for param in params:
    name = param.split('=')[0].strip()
    if '=' not in param:
      raise ValueError(f'--gin_param={param} is not a binding; write NAME=VALUE, strings in '
                       'quotes: "NAME=\'value\'"')
    if '.' not in name and name not in macros:
      raise ValueError(f'--gin_param={param}: the config has no macro {name}'
                       + (hints.nearest(name, macros) or '; there are: '
                          f'{", ".join(sorted(macros)) or "none"}'))
    if typed := hints.quotes(param):
      raise ValueError(f'--gin_param={param}: a text needs quotes; type {typed}')


def _required():
  """Names of the macros that the config requires and that have no value."""
  return [line.split('=')[0].strip() for line in gin.config_str().splitlines()
          if line.endswith('= %gin.REQUIRED')]


def parse(names, params, data_dir=None, needs_all=True, imports=()):
  """Reads configs and bindings into gin.

  Args:
    names: names or paths of config files.
    params: bindings 'NAME=VALUE', which override those of the files.
    data_dir: folder of the prepared data sets; bound if not None.
    needs_all: whether all macros that the config requires must have values, such as VQVAE_DIR. If
      not, the value of a missing macro is its own name.
    imports: import lines that the bindings need, besides those of the files.

  Raises:
    FileNotFoundError: if a file is missing. The message has the nearest names.
    ValueError: if something else is wrong. The message is one line. See also `bindings.check`.
  """
  gin.clear_config()
  paths, seen, imports, known = [find(name) for name in names], set(), list(imports), set()
  for path in paths:
    more_imports, more_macros = _imports_and_macros(path, seen)
    imports, known = imports + more_imports, known | more_macros
  _check_names(params, known)
  header = list(dict.fromkeys(['from __gin__ import dynamic_registration'] + imports))
  bound = list(params)
  if data_dir is not None and any(line.endswith('import clips') for line in header):
    bound.append(f'clips.PreparedClips.data_dir = {data_dir!r}')
  text = '\n'.join(header + [f"include '{path}'" for path in paths] + bound)
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.FATAL)  # gin reports each place that lacks an include
  try:
    gin.parse_config(text)
  except tokenize.TokenError as e:  # in Python 3.12 and later, with a position in `text`
    raise ValueError(f'in the config: {e.args[0]}') from e
  except (ValueError, SyntaxError, TypeError, NameError, ImportError, AttributeError,
          OSError) as e:
    hint = hints.renamed('\n'.join([*map(files.read, seen), *params]))
    hint = f'; {hint}' if hint else hints.of_error(str(e), header)
    raise ValueError(f'in the config: {_first_line(e)}{hint}') from e
  finally:
    logging.set_verbosity(verbosity)
  for name in _required():
    if needs_all:
      raise ValueError(f'the config needs {name}: add --gin_param="{name}=\'...\'"')
    gin.bind_parameter(f'{name}/macro.value', name)
  bindings.check()


def _describes_model(path):
  """Whether a file, or one that it includes, binds an Experiment or a Cascade.

  Configs of evaluation protocols do not.
  """
  text = files.read(path)
  included = re.findall(r"^include\s+['\"](.+)['\"]", text, re.MULTILINE)
  bound = r'^(experiment\.Experiment|cascades\.Cascade)[.:]'
  return bool(re.search(bound, text, re.MULTILINE)) or any(
      _describes_model(find(name)) for name in included)


def parse_flags():
  """Parses --gin_file and --gin_param.

  If no file describes a model, the config of --model_dir is parsed first. If --model_dir is then a
  cascade's, it is replaced by the directory of the last level.

  Raises:
    FileNotFoundError: if no file describes a model and --model_dir has no config.
    ValueError: if --model_dir is missing. See also `parse`.
  """
  values = flags.FLAGS
  names = list(values.gin_file)
  if not values.model_dir:
    raise ValueError('--model_dir is missing: give the folder of the run')
  if not any(_describes_model(find(name)) for name in names):
    cascade, values.model_dir = values.model_dir, cascades.last_level(values.model_dir)
    path = os.path.join(values.model_dir, CONFIG)
    if not tf.io.gfile.exists(path):
      if values.model_dir != cascade:
        raise FileNotFoundError(f'the last level of the cascade in {cascade} has not '
                                'started yet: continue with launch.train_cascade')
      raise FileNotFoundError(f'--gin_file is missing, and {values.model_dir} has no {CONFIG} to '
                              'take its place')
    names.insert(0, path)
  parse(names, values.gin_param, values.data_dir)


def configured(function):
  """A function or class with its gin bindings applied; errors of gin become one line.

  Raises:
    ValueError: if the config does not bind the class, or is a cascade's, which only names levels.
  """
  of_cascade = re.search(r'^cascades\.Cascade\.levels =', gin.config_str(), re.MULTILINE)
  if of_cascade and function is not cascades.Cascade:
    raise ValueError('this is the config of a cascade: use launch.train_cascade, or give the '
                     'config of one of its levels')
  if function is cascades.Cascade and not of_cascade:
    cascades.Cascade()  # says what is wrong
  try:
    inner = gin.get_configurable(function)
  except ValueError as e:  # nothing binds it
    if not inspect.isclass(function):
      return function  # a function has defaults for all that can be bound
    raise ValueError(f'the config does not bind {function.__name__}, so there is nothing to train '
                     'or evaluate: include a config that binds it') from e

  def call(*args, **kwargs):
    try:
      return inner(*args, **kwargs)
    except (RuntimeError, TypeError) as e:
      if not re.search('Required bindings|missing .* required positional argument', str(e)):
        raise
      raise ValueError(f'in the config: {_first_line(e)}') from e

  return call


def _bindings(text):
  """Bindings of a config as 'NAME' -> 'VALUE', macros filled in, from gin's own formatting."""
  joined = re.sub(r'\s*\\\n\s*', ' ', text)
  found = {}
  for line in re.sub(r'\n[ \t]+', ' ', joined).splitlines():
    match = re.match(r'([\w./]+) = (.*)', line)
    if match:
      found[match.group(1)] = match.group(2)
  macros = {f'%{name}': value for name, value in found.items() if '.' not in name}
  return {name: macros.get(value, value) for name, value in found.items() if '.' in name}


def bound():
  """The bindings that gin has parsed, as 'NAME' -> 'VALUE', macros filled in."""
  return _bindings(gin.config_str(max_line_length=_LINE))


def name_of(path):
  """A config's name under the suite's gin/; its path, if it is elsewhere."""
  inside = os.path.relpath(os.path.realpath(path), GIN_DIR.resolve())
  return path if inside.startswith(os.pardir) else pathlib.Path(inside).as_posix()


def _origin(kept, names, params):
  """The configs and bindings that a model is made of, an `origin.Origin`.

  Args:
    kept: path of the model directory's config. It is used if no config file describes a model, and
      counts by its own origin. It need not exist.
    names, params: config files and bindings.
  """
  names, found = list(names), []
  if tf.io.gfile.exists(kept) and not any(_describes_model(find(name)) for name in names):
    names.insert(0, kept)
  for path in map(find, names):
    known, name = origin.read(files.read(path)), name_of(path)
    itself = os.path.normpath(path) == os.path.normpath(kept)
    if not (known.configs or itself or name.startswith('evaluation/')):
      known = known._replace(configs=(name,))
    found.append(known)
  return origin.join([*found, origin.Origin((), tuple(params))])


def keep(model_dir, writes=True, names=None, params=None):
  """Writes the config into the model directory.

  Comments at its top name the files and bindings that it is made of, see `model_directory.origin`.

  Args:
    model_dir: the model directory.
    writes: whether to write. If not, the config is only compared with the directory's.
    names, params: config files and bindings that were parsed; those of the flags if None.

  Raises:
    ValueError: if the directory has a checkpoint and was made by another config.
  """
  path, now = os.path.join(model_dir, CONFIG), gin.config_str(max_line_length=_LINE)
  if tf.io.gfile.exists(path) and checkpoints.paths(model_dir):
    kept = files.read(path)
    try:
      config_text.read_bindings(kept, path)
    except ValueError as error:
      raise ValueError(f'{error}; move it away, and the same command writes it again') from error
    _check_same(model_dir, _bindings(kept), _bindings(now), writes)
  if writes:
    values = flags.FLAGS
    if names is None:
      names, params = (values.gin_file, values.gin_param) if values.is_parsed() else ((), ())
    files.write(path, origin.comment(_origin(path, names, params)) + now)


def _check_same(model_dir, old, new, says):
  """Refuses to continue if another model would be trained, or the same one on other data.

  Args:
    model_dir: the model directory.
    old, new: the bindings of the kept config, and of this start.
    says: whether to print how the length and the rates of training change.

  Raises:
    ValueError: if bindings differ that must not. The message has them.
  """
  differing = [name for name in sorted(set(old) | set(new))
               if old.get(name) != new.get(name) and not _MAY_DIFFER.match(name)]
  changes = {name: f'{name} was {old.get(name, "not set")}, now {new.get(name, "not set")}'
             for name in differing}
  refused = [change for name, change in changes.items() if not (
      # A schedule in place of a number has other variables.
      _LENGTH_AND_RATES.match(name) and '@' not in old.get(name, '') + new.get(name, ''))]
  if refused:
    raise ValueError(
        f'{model_dir} is the directory of another config ({"; ".join(refused[:3])}); use another '
        '--model_dir (--init_from starts it from these weights), or that config')
  for change in changes.values() if says else ():
    print(f'{model_dir} resumes with a change: {change}', flush=True)


def keep_operative(model_dir):
  """Writes the values that were really used, with defaults; to be called after the first step.

  TensorBoard shows them, too, and compares runs by their bindings.
  """
  text = gin.operative_config_str()
  files.write(os.path.join(model_dir, 'operative_config.gin'), text)
  bound = config_text.read_bindings(gin.config_str(), used_by=config_text.OF_A_RUN)
  progress.write_configuration(
      os.path.join(model_dir, 'summaries'), text,
      {name: _number(value) for name, value in bound.items()})


def _number(text):
  """'1,000' -> 1000.0; other text is returned unchanged."""
  try:
    return float(text.replace(',', ''))
  except ValueError:
    return text
