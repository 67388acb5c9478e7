"""Lists configs: their first lines, data, parameters, and known costs.

  python -m launch.list_configs                      # all of them (tf-videogen configs)
  python -m launch.list_configs videogpt bair        # those with all these words
  python -m launch.list_configs --show=videogpt/bair_prior.gin

Words are looked for in a config's name and in its header. With --show, the header of one config and
the files that it includes are printed.
"""

import difflib
import pathlib
import re

from absl import flags

import tf_videogen
from tf_videogen.launch import config_text
from tf_videogen.launch import program
from tf_videogen.preflight import known

flags.DEFINE_string('show', None, 'The config whose header and includes are printed.')

_GIN_DIR = pathlib.Path(tf_videogen.__file__).parent / 'gin'
_INCLUDE = re.compile(r"^include\s+['\"](.+)['\"].*$", re.MULTILINE)


def names():
  """The names of the suite's configs, sorted, without base/, which has parts of configs."""
  return sorted(path.relative_to(_GIN_DIR).as_posix() for path in _GIN_DIR.rglob('*.gin')
                if path.parent.name != 'base')


def header(text):
  """The comment on top of a config, without the '#' signs."""
  lines = text.splitlines()
  end = next((i for i, line in enumerate(lines) if not line.startswith('#')), len(lines))
  return '\n'.join(line.lstrip('#').removeprefix(' ') for line in lines[:end]).strip()


def flattened(name):
  """The text of a config with the texts of all that it includes in their places."""
  text = (_GIN_DIR / name).read_text(encoding='utf-8')
  return _INCLUDE.sub(lambda include: flattened(include.group(1)), text)


def data_of(name):
  """The data set of a config, or the class of its clips, as far as its text tells."""
  bindings = config_text.read_bindings(flattened(name), name, config_text.OF_A_RUN)
  return config_text.data_of(bindings)


def described(name):
  """The lines about a config in the list."""
  title = ' '.join(header((_GIN_DIR / name).read_text(encoding='utf-8')).split('\n\n')[0].split())
  row = known.row(name, 'train')
  facts = [data_of(name).replace('gin.REQUIRED', '')]
  if row:
    facts += [f'{int(row["parameters"]):,} parameters', known.short(row)]
  facts = '; '.join(filter(None, facts))
  return [name, f'    {title}'] + ([f'    {facts}'] if facts else [])


def shown(name):
  """The lines of --show: the header of a config, and the tree of the files that it includes."""
  def tree(name, depth):
    text = (_GIN_DIR / name).read_text(encoding='utf-8')
    yield f'{"  " * depth}{name}'
    for included in _INCLUDE.findall(text):
      yield from tree(included, depth + 1)

  text = (_GIN_DIR / name).read_text(encoding='utf-8')
  return [header(text), '', 'Files, each above those that it includes:', *tree(name, 1)]


@program.takes_arguments
def main(argv):
  """Prints the list, or one config."""
  name = flags.FLAGS.show
  if name:
    if name not in names():
      near = difflib.get_close_matches(name, names())
      raise FileNotFoundError(f'no config {name}; '
                              + (f'did you mean {", ".join(near)}?' if near else
                                 'launch.list_configs prints their names'))
    print('\n'.join(shown(name)))
    return
  words = [word.lower() for word in argv[1:]]
  texts = {name: f'{name}\n{header((_GIN_DIR / name).read_text(encoding="utf-8"))}'.lower()
           for name in names()}
  found = [name for name, text in texts.items() if all(word in text for word in words)]
  if not found:
    raise ValueError(f'no config has the words {" ".join(words)}')
  for name in found:
    print('\n'.join(described(name)))
  print(f'{len(found)} configs')


if __name__ == '__main__':
  program.run(main)
