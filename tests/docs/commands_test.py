"""The commands of all pages: their programs know the flags, and the configs take the bindings."""

import importlib
import json
import re
import sys

from absl import flags
import gin
import pytest

from tests import processes
from tests.docs import commands
from tf_videogen.launch import configs
from tf_videogen.launch import prepare

COMMANDS = [command for page in commands.PAGES for command in commands.of_page(page)]
PROGRAMS = [command for command in COMMANDS if command.words[0].startswith('launch.')]
LAST = ('launch.claims', 'launch.report')


def test_there_are_commands():
  programs = {command.words[0] for command in PROGRAMS}
  assert len(PROGRAMS) > 50 and {'launch.train', 'launch.prepare', 'launch.compare'} <= programs


# Reads [[program, arguments], ...] and prints, for each, what is wrong with its flags, or their
# values. It is a process of its own because the LAST programs replace flags of the others, and the
# later ones of the earlier ones.
_PARSE = '''
import importlib, json, sys
from absl import flags
parsed = []
for name, arguments in json.load(sys.stdin):
  importlib.import_module(f'tf_videogen.{name}')
  known = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(f'tf_videogen.{name}')}
  for flag in flags.FLAGS:
    flags.FLAGS[flag].unparse()
  try:
    rest = flags.FLAGS([name, *arguments])[1:]
  except flags.Error as error:
    parsed.append(str(error))
    continue
  given = {flag for flag in known if flags.FLAGS[flag].present}
  unknown = [flag for flag in flags.FLAGS if flags.FLAGS[flag].present and flag not in known]
  parsed.append(f'{name} has no {unknown}' if unknown else
                {flag: flags.FLAGS[flag].value for flag in given} | {'': rest})
print(json.dumps(parsed))
'''


@pytest.fixture(name='parsed', scope='module')
def _parsed():
  """What absl makes of each command of a program: {command: its flags, or what is wrong}."""
  ordered = sorted(PROGRAMS, key=lambda command: (command.words[0] in LAST, command.words[0]))
  asked = [(command.words[0], command.words[1:]) for command in ordered]
  done = processes.run(sys.executable, '-c', _PARSE, stdin=json.dumps(asked))
  assert done.returncode == 0, done.stderr
  return dict(zip(ordered, json.loads(done.stdout)))


@pytest.mark.parametrize('command', PROGRAMS, ids=str)
def test_a_program_takes_its_command(command, parsed, tmp_path):
  found, name = parsed[command], command.words[0]
  assert isinstance(found, dict), found
  if name not in ('launch.list_configs', 'launch.restarts', 'launch.claims'):
    assert not found['']
  shipped = [path for path in found.get('gin_file', ())
             if not commands.to_fill_in(path) and not path.startswith('runs/')]
  if shipped:
    configs.parse(shipped, found.get('gin_param', ()),
                  needs_all=name in ('launch.train', 'launch.benchmark'))
    gin.clear_config()
  if name == 'launch.prepare' and not commands.to_fill_in(found['dataset']):
    assert prepare.make_builder(found['dataset'], tmp_path)


def test_scripts_are_there():
  named = {command.words[0] for command in COMMANDS if '/' in command.words[0]}
  assert 'launch/quickstart.sh' in named
  assert all((commands.ROOT / name).is_file() for name in named)


def test_flags_in_text_are_known():
  """A flag in a page's code is one of a program, or stands in a script."""
  for path in (commands.ROOT / 'launch').glob('*.py'):
    importlib.import_module(f'tf_videogen.launch.{path.stem}')
  scripts = ''.join(path.read_text(encoding='utf-8')
                    for path in (commands.ROOT / 'launch').glob('*.sh'))
  unknown = {}
  for page in commands.PAGES:
    for span in re.findall(r'`([^`\n]+)`', (commands.ROOT / page).read_text(encoding='utf-8')):
      for flag in re.findall(r'^--(?:no)?(\w+)', span):
        if flag not in flags.FLAGS and f'--{flag}' not in scripts:
          unknown.setdefault(page, set()).add(flag)
  assert not unknown
