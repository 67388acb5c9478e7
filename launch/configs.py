"""Gin at the edge: reads configs, says what is wrong with them in one line, keeps them with a run.

A config is looked for as it is named, then in the suite's own `gin/` folder:
`--gin_file=videogpt/moving_mnist_vqvae.gin` works from anywhere.
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

FLAGS = ('gin_file', 'gin_param', 'model_dir', 'data_dir', 'strategy', 'tpu')  # what this reads
GIN_DIR = pathlib.Path(tf_videogen.__file__).parent / 'gin'
CONFIG = 'config.gin'
_LINE = 100  # characters: gin rules lines of this length between its sections

# Bindings that may change between two starts of the same model directory: what they bind doesn't
# change what is learned,
_MAY_DIFFER = re.compile(
    r'^(experiment\.(train|evaluate|evaluate_continuously)\.|'
    r'experiment\.Experiment\.(splits|evaluation_limit)$|'
    r'.*\.(data_dir|vqvae_dir|first_slice_dir|lower_dir)$|clips\.FileClips\.\w+_path$|'
    r'(.*\.)?from_video_folder\.(folder|processes|max_failed_share)$)')
# or how long and how fast, which is said at the start.
_LENGTH_AND_RATES = re.compile(
    r'^experiment\.Experiment\.train_steps$|'
    r'(.*/)?optimizers\.\w+\.(learning_rate|decay_steps|warmup_steps)$')

shared_flags.declare(*FLAGS)
gin.add_config_file_search_path(str(GIN_DIR))
# Without gin's reader of files in Python packages: for 'videogpt/x.gin' it asks Python for a
# package called videogpt, reports that there is none, and fails if the path has a folder of that
# name.
gin.config._FILE_READERS[:] = [  # pylint: disable=protected-access
    reader for reader in gin.config._FILE_READERS  # pylint: disable=protected-access
    if reader[0] is not resource_reader.system_path_reader]
gin.config.register_file_reader(  # gs:// paths
    lambda path: tf.io.gfile.GFile(path), lambda path: tf.io.gfile.exists(path))


def find(name):
  """Path of a config file; FileNotFoundError with the nearest names where there is none."""
  for path in (name, str(GIN_DIR / name)):
    if tf.io.gfile.exists(path) and not tf.io.gfile.isdir(path):
      return path
  known = sorted(str(path.relative_to(GIN_DIR)) for path in GIN_DIR.rglob('*.gin')
                 if path.parent.name != 'base')  # has parts of configs
  near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
  hint = f'did you mean {", ".join(near)}?' if near else f'there are: {", ".join(known[:8])}, ...'
  raise FileNotFoundError(f'no config {name}; {hint}')


def _imports_and_macros(path, seen):
  """Import lines and macro names of a file and of all that it includes."""
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
  """Names of the macros that config files, and all that they include, give values to: a set."""
  return set().union(*(_imports_and_macros(find(name), set())[1] for name in names))


def _first_line(error):
  """What gin says is wrong, in one line, and in which file."""
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
  """A misspelt macro on the command line would be ignored without a word."""
  for param in params:
    name = param.split('=')[0].strip()
    if '=' not in param:
      raise ValueError(f'--gin_param={param} is no binding; write NAME=VALUE, strings in quotes: '
                       '"NAME=\'value\'"')
    if '.' not in name and name not in macros:
      raise ValueError(f'--gin_param={param}: the config has no macro {name}'
                       + (hints.nearest(name, macros) or '; there are: '
                          f'{", ".join(sorted(macros)) or "none"}'))
    if typed := hints.quotes(param):
      raise ValueError(f'--gin_param={param}: a text needs quotes; type {typed}')


def _required():
  """Names of the macros that the config wants and nothing gave."""
  return [line.split('=')[0].strip() for line in gin.config_str().splitlines()
          if line.endswith('= %gin.REQUIRED')]


def parse(names, params, data_dir=None, needs_all=True, imports=()):
  """Reads configs and bindings into gin.

  Args:
    names: of config files.
    params: bindings 'NAME=VALUE', later than the files.
    data_dir: binds the data sets' folder, if given.
    needs_all: whether everything that the config requires must be there, such as VQVAE_DIR; what
      is not is otherwise its own name.
    imports: lines of import that the bindings need, beside those of the files.

  Raises:
    FileNotFoundError: if a file is missing, with the nearest names.
    ValueError: if something in them is wrong, in one line; see `bindings.check`, too.
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
  logging.set_verbosity(logging.FATAL)  # gin reports every place where it doesn't find an include
  try:
    gin.parse_config(text)
  except tokenize.TokenError as e:  # of Python 3.12 and later, with a place in `text`
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
      raise ValueError(f'the config wants {name}: add --gin_param="{name}=\'...\'"')
    gin.bind_parameter(f'{name}/macro.value', name)
  bindings.check()


def _describes_model(path):
  """Whether a file, or one that it includes, binds an Experiment, or a cascade of them.

  Protocols of evaluation don't.
  """
  text = files.read(path)
  included = re.findall(r"^include\s+['\"](.+)['\"]", text, re.MULTILINE)
  bound = r'^(experiment\.Experiment|cascades\.Cascade)[.:]'
  return bool(re.search(bound, text, re.MULTILINE)) or any(
      _describes_model(find(name)) for name in included)


def parse_flags():
  """Reads --gin_file and --gin_param; where none describes a model, the config of --model_dir."""
  values = flags.FLAGS
  names = list(values.gin_file)
  if not values.model_dir:
    raise ValueError('--model_dir is missing: name the folder of the run')
  if not any(_describes_model(find(name)) for name in names):
    cascade, values.model_dir = values.model_dir, cascades.last_level(values.model_dir)
    path = os.path.join(values.model_dir, CONFIG)
    if not tf.io.gfile.exists(path):
      if values.model_dir != cascade:
        raise FileNotFoundError(f'the last level of the cascade in {cascade} is not begun yet: go '
                                'on with launch.train_cascade')
      raise FileNotFoundError(f'--gin_file is missing, and {values.model_dir} has no {CONFIG} to '
                              'take its place')
    names.insert(0, path)
  parse(names, values.gin_param, values.data_dir)


def configured(function):
  """A function or class with its gin bindings applied; errors of gin become one line.

  Raises:
    ValueError: if the config has none of its bindings, or is a cascade's and names but its levels.
  """
  of_cascade = re.search(r'^cascades\.Cascade\.levels =', gin.config_str(), re.MULTILINE)
  if of_cascade and function is not cascades.Cascade:
    raise ValueError('this is the config of a cascade: use launch.train_cascade, or name the '
                     'config of one of its levels')
  if function is cascades.Cascade and not of_cascade:
    cascades.Cascade()  # says what is wrong
  try:
    inner = gin.get_configurable(function)
  except ValueError as e:  # nothing binds it
    if not inspect.isclass(function):
      return function  # which has defaults for all that can be bound
    raise ValueError(f'the config says nothing of {function.__name__}: nothing to train or '
                     'evaluate; include one that does') from e

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
  """What gin has parsed, as 'NAME' -> 'VALUE', macros filled in."""
  return _bindings(gin.config_str(max_line_length=_LINE))


def name_of(path):
  """A config's name under the suite's gin/; its path, if it is elsewhere."""
  inside = os.path.relpath(os.path.realpath(path), GIN_DIR.resolve())
  return path if inside.startswith(os.pardir) else pathlib.Path(inside).as_posix()


def _origin(kept, names, params):
  """What configs and bindings a model is made of, an `origin.Origin`; of a kept config, its own.

  Args:
    kept: path of the model directory's config, with which a start goes on whose files describe no
      model. It needn't exist.
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
  """Writes the config into the model directory; with `writes` false, only compares.

  Comments on top say which files and bindings it is made of, see `model_directory.origin`.

  Args:
    model_dir: the directory.
    writes: whether to write.
    names, params: config files and bindings that were parsed; None: those of the flags.

  Raises:
    ValueError: if the directory has a checkpoint, and was made by another config.
  """
  path, now = os.path.join(model_dir, CONFIG), gin.config_str(max_line_length=_LINE)
  if tf.io.gfile.exists(path) and checkpoints.paths(model_dir):
    kept = files.read(path)
    try:
      config_text.read_bindings(kept, path)
    except ValueError as error:
      raise ValueError(f'{error}; move it away, and the same command writes it anew') from error
    _check_same(model_dir, _bindings(kept), _bindings(now), writes)
  if writes:
    values = flags.FLAGS
    if names is None:
      names, params = (values.gin_file, values.gin_param) if values.is_parsed() else ((), ())
    files.write(path, origin.comment(_origin(path, names, params)) + now)


def _check_same(model_dir, old, new, says):
  """Refuses to go on where another model, or on other data, would be trained.

  Args:
    model_dir: the directory.
    old, new: the bindings of the kept config, and of this start.
    says: whether to print how length and rates of training change.

  Raises:
    ValueError: with the bindings that differ and may not.
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
        '--model_dir (--init_from begins it with these weights), or that config')
  for change in changes.values() if says else ():
    print(f'{model_dir} goes on: {change}', flush=True)


def keep_operative(model_dir):
  """Writes what was really used, defaults included; to be called after the first step.

  TensorBoard shows it, too, and compares runs by what they bind.
  """
  text = gin.operative_config_str()
  files.write(os.path.join(model_dir, 'operative_config.gin'), text)
  bound = config_text.read_bindings(gin.config_str(), used_by=config_text.OF_A_RUN)
  progress.write_configuration(
      os.path.join(model_dir, 'summaries'), text,
      {name: _number(value) for name, value in bound.items()})


def _number(text):
  """'1,000' -> 1000.0; what is no number stays."""
  try:
    return float(text.replace(',', ''))
  except ValueError:
    return text
