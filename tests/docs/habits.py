"""Habits of prose that a reader stumbles over, as patterns, and the texts that are searched."""

import ast
import io
import pathlib
import re
import tokenize
import typing

from docs import site

ROOT = pathlib.Path(__file__).parents[2]
_AMOUNTS = (r'(?:bytes?|bits?|nats|[TG]?FLOPs?|[KMG]i?B|clips?|frames?|videos?|rows?|m?s|seconds?|'
            r'minutes?|hours?|codes?|times|once|twice|lines?|steps?|samples?|tokens?|pixels?|'
            r'cores?|channels?|files?|values?|passes|epochs?|examples?|one|two|three|four|\d+)')
_UNITS = (r'(?:clip|step|core|second|minute|hour|day|frame|metric|video|row|chip|pixel|code|level|'
          r'batch|device|host|process|shard|epoch|run|seed|dimension|example|sample|file|call|'
          r'replica|claim|config|program|model|line|column|page|class|stage|unit)')


class Habit(typing.NamedTuple):
  """A pattern and what to write in its place."""
  pattern: re.Pattern
  better: str


def _habit(pattern, better):
  return Habit(re.compile(pattern, re.M), better)


HABITS = {
    'a for per': _habit(rf'\b{_AMOUNTS} an? {_UNITS}\b(?! of)', "'per' for rates"),
    'bare of': _habit(r'^ +\w+(?:, \w+)*: of ', "a full phrase: 'number of channels of ...'"),
    'bare None': _habit(r'(?:^|[;(.] ?)None: \w', "a sentence: '... if None'"),
    'what as a noun': _habit(
        r'(?<![,;:] )\b(?:[Oo]f|[Tt]o|[Ww]ith|[Ff]rom|[Bb]y|[Ff]or) what (?:is|are|was|were) ',
        'the noun'),
    'every how manieth': _habit(r'how manieth|every how many', "'every N-th'"),
    'of whose': _habit(r'\b[Oo]f whose\b', 'two sentences'),
    'to themselves': _habit(r'cores? to (?:itself|themselves)', "'two idle cores'"),
}


def of_python(text):
  """The prose of a module, a list of (line, text): docstrings, comments, and other strings."""
  found = [(token.start[0], token.string.lstrip('# '))
           for token in tokenize.generate_tokens(io.StringIO(text).readline)
           if token.type == tokenize.COMMENT]
  for node in ast.walk(ast.parse(text)):
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and ' ' in node.value:
      found.append((node.lineno, node.value))
  return found


def of_page(text):
  """The prose of a page, a list of (line, text): all but blocks of code and spans of code."""
  hidden = re.sub(r'^ *```.*?^ *```', lambda block: '\n' * block.group().count('\n'), text,
                  flags=re.M | re.S)
  return [(1, re.sub(r'`[^`\n]*`', '`x`', hidden))]


def texts():
  """Yields (path relative to the root, first line, text) of all that is searched."""
  for page in site.written():
    yield from ((page, *found) for found in of_page((ROOT / page).read_text('utf-8')))
  for folder in ('tf_videogen', 'launch', 'datasets', 'docs'):
    for path in sorted((ROOT / folder).rglob('*.py')):
      if path.is_symlink() or path.name.endswith('_test.py'):
        continue
      name = str(path.relative_to(ROOT))
      if not name.startswith(('tf_videogen/launch', 'tf_videogen/datasets', 'tf_videogen/gin')):
        yield from ((name, *found) for found in of_python(path.read_text('utf-8')))
  for path in sorted((ROOT / 'gin').rglob('*.gin')):
    header = [line.lstrip('# ') for line in path.read_text('utf-8').splitlines()
              if line.startswith('#')]
    yield str(path.relative_to(ROOT)), 1, '\n'.join(header)


def found():
  """Yields ('path:line', name of the habit, what stands there)."""
  for path, first, text in texts():
    for name, habit in HABITS.items():
      for match in habit.pattern.finditer(text):
        yield (f'{path}:{first + text.count(chr(10), 0, match.start())}', name,
               match.group().strip())


if __name__ == '__main__':
  for place, name, there in found():
    print(f'{place}: {there!r} ({name}): write {HABITS[name].better}')
