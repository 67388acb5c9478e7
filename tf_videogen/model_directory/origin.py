"""The origin of a kept config: two comment lines on top of a model directory's `config.gin`.

    # config: videogpt/bair_prior.gin
    # with: TRAIN_STEPS=1000; VQVAE_DIR='runs/vqvae'

The first line names the config files, separated by commas. The second one has the bindings of the
command line, separated by semicolons. `launch.configs.keep` writes these lines. By them, a report
finds the numbers of the paper.
"""

import re
import typing

_CONFIG = '# config: '
_WITH = '# with: '
_BETWEEN_BINDINGS = re.compile(r'; (?=[\w./]+=)')  # a value may contain a semicolon, too
_PLACE = re.compile(r'(_dir|_file|_path)$', re.IGNORECASE)


class Origin(typing.NamedTuple):
  """Names of config files, and bindings 'NAME=VALUE' applied to them; both empty if unknown."""
  configs: tuple = ()
  params: tuple = ()

  def varied(self):
    """The further configs and the bindings that make a run differ from its first config, a tuple.

    Bindings of paths (VQVAE_DIR, TRAIN_FILE) are left out.
    """
    return self.configs[1:] + tuple(
        param for param in self.params if not _PLACE.search(param.partition('=')[0]))


def join(origins):
  """Joins several `Origin`s into one. Bindings of later ones replace those of earlier ones."""
  origins = list(origins)
  params = {}
  for param in (param for origin in origins for param in origin.params):
    name, _, value = param.partition('=')
    params[name.strip()] = ' '.join(value.split())
  configs = dict.fromkeys(config for origin in origins for config in origin.configs)
  return Origin(tuple(configs), tuple(f'{name}={value}' for name, value in params.items()))


def comment(origin):
  """The comment lines for an `Origin`, each with its newline; '' if nothing is known."""
  lines = [_CONFIG + ', '.join(origin.configs)] if origin.configs else []
  lines += [_WITH + '; '.join(origin.params)] if origin.params else []
  return ''.join(f'{line}\n' for line in lines)


def read(text):
  """Reads the `Origin` from the first two lines of a config.

  Args:
    text: The content of a config file.
  """
  configs, params = (), ()
  for line in text.splitlines()[:2]:
    if line.startswith(_CONFIG):
      configs = tuple(line[len(_CONFIG):].split(', '))
    elif line.startswith(_WITH):
      params = tuple(_BETWEEN_BINDINGS.split(line[len(_WITH):]))
  return Origin(configs, params)
