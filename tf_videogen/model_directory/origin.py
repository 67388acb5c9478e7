"""What a kept config was made of: two comment lines on top of a model directory's `config.gin`.

    # config: videogpt/bair_prior.gin
    # with: TRAIN_STEPS=1000; VQVAE_DIR='runs/vqvae'

The first names the config files, separated by commas; the second has the bindings of the command
line. `launch.configs.keep` writes them; a page finds the numbers of the paper by them.
"""

import re
import typing

_CONFIG = '# config: '
_WITH = '# with: '
_BETWEEN_BINDINGS = re.compile(r'; (?=[\w./]+=)')  # a value may have a semicolon of its own
_PLACE = re.compile(r'(_dir|_file|_path)$', re.IGNORECASE)


class Origin(typing.NamedTuple):
  """Names of config files, and bindings 'NAME=VALUE' on top of them; both empty if unknown."""
  configs: tuple = ()
  params: tuple = ()

  def varied(self):
    """What makes a run differ from its first config: further configs and bindings.

    Bindings that say where something is (VQVAE_DIR, TRAIN_FILE) are no variation.
    """
    return self.configs[1:] + tuple(
        param for param in self.params if not _PLACE.search(param.partition('=')[0]))


def join(origins):
  """The `Origin` of several, of which later ones bind what earlier ones bound."""
  origins = list(origins)
  params = {}
  for param in (param for origin in origins for param in origin.params):
    name, _, value = param.partition('=')
    params[name.strip()] = ' '.join(value.split())
  configs = dict.fromkeys(config for origin in origins for config in origin.configs)
  return Origin(tuple(configs), tuple(f'{name}={value}' for name, value in params.items()))


def comment(origin):
  """The lines, each with its newline; '' where nothing is known."""
  lines = [_CONFIG + ', '.join(origin.configs)] if origin.configs else []
  lines += [_WITH + '; '.join(origin.params)] if origin.params else []
  return ''.join(f'{line}\n' for line in lines)


def read(text):
  """The `Origin` that the first lines of a config tell.

  Args:
    text: What a config file holds.
  """
  configs, params = (), ()
  for line in text.splitlines()[:2]:
    if line.startswith(_CONFIG):
      configs = tuple(line[len(_CONFIG):].split(', '))
    elif line.startswith(_WITH):
      params = tuple(_BETWEEN_BINDINGS.split(line[len(_WITH):]))
  return Origin(configs, params)
