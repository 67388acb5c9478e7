"""The commands that pages show."""

import pathlib
import re
import shlex
import typing

from docs import site

ROOT = pathlib.Path(__file__).parents[2]
PAGES = site.written()


class Command(typing.NamedTuple):
  """A command of a page. `words` are those of a shell, without `python -m` and comments."""
  page: str
  words: tuple

  def __str__(self):
    return f'{self.page}: {" ".join(self.words)}'


def of_page(page):
  """Yields the commands in a page's code, in their order."""
  text = (ROOT / page).read_text(encoding='utf-8')
  for block, span in re.findall(r'^ *```\w*\n(.*?)^ *```|`([^`\n]+)`', text, re.M | re.S):
    for line in (block or span).replace('\\\n', ' ').splitlines():
      if re.match(r' *(\w+=\S+ +)*(python -m launch\.|launch/\w|\.ci/)', line):
        yield from _split(page, line)


def _split(page, line):
  """Yields the commands of a line, which `&&` joins."""
  words = []
  for word in [*shlex.split(line, comments=True), '&&']:
    if word != '&&':
      words.append(word)
      continue
    while re.match(r'[A-Z_]+=', words[0]):  # its environment
      words.pop(0)
    yield Command(page, tuple(words[2:] if words[0] == 'python' else words))
    words = []


def to_fill_in(text):
  """Whether a text has a part that the reader replaces, such as MODEL.gin or <name>."""
  return re.search(r'\b[A-Z]{3,}\b|<\w+>', text) is not None
