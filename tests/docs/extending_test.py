"""docs/extending.md: its links, what it quotes, and that it leaves out nothing of the contracts."""

import inspect
import pathlib
import re

import pytest

from tf_videogen.evaluation import measuring
from tf_videogen.launch import shared_flags
from tf_videogen.tasks import task

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / 'docs' / 'extending.md'
TOY = ROOT / 'tests' / 'extending'
TEXT = PAGE.read_text(encoding='utf-8')


def test_every_file_of_the_toy_is_linked():
  linked = {(PAGE.parent / path).resolve() for path in re.findall(r'\]\((\.\./[^)]+)\)', TEXT)}
  files = {path for path in TOY.rglob('*') if path.suffix in ('.py', '.gin', '.md')}
  assert files - linked == {TOY / 'squares_clips' / '__init__.py'}


def test_code_is_quoted_as_it_is():
  code = '\n'.join(path.read_text(encoding='utf-8') for path in TOY.rglob('*.py'))
  quoted = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
  assert quoted and all(part in code for part in quoted)


def test_configs_of_commands_exist():
  named = re.findall(r'--gin_file=(\S+)', TEXT)
  assert named and all((ROOT / name).exists() for name in named)


def _members(*classes):
  """Names of all that classes declare for others."""
  return {name for found in classes for name in vars(found) if not name.startswith('_')}


@pytest.mark.parametrize('names', [
    _members(task.Task, task.LossTask, task.AdversarialTask) | {'model'},
    _members(measuring.Measure), set(shared_flags.SAMPLING.values())],
                         ids=['task', 'measure', 'options of samples'])
def test_the_contracts_are_complete(names):
  """Every name stands in code, by itself or after a dot."""
  code = re.findall(r'`([^`\n]+)`', TEXT)
  assert {name for name in names if not any(
      re.search(rf"(^|\W){name}($|\W)", part) for part in code)} == set()


def test_what_a_task_must_have_is_what_is_abstract():
  rows = re.findall(r'^\| (.+?) \| ', TEXT.split('a task must have')[1].split('\n\n')[0], re.M)
  assert set(re.findall(r'`(\w+)`', ' '.join(rows))) == set(task.LossTask.__abstractmethods__)
  assert inspect.isabstract(task.AdversarialTask)


def test_sections_are_two_screens_at_the_most():
  sections = re.split(r'^## ', TEXT, flags=re.MULTILINE)[1:]
  assert [section.splitlines()[0] for section in sections] == ['A paper', 'A data set', 'A metric']
  assert max(len(section.splitlines()) for section in sections) <= 60
