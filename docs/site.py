"""Adds pages to the site besides those of docs/: MkDocs calls this module while it builds.

README.md becomes the home page, and docs/index.md the table of contents. Every README of a data set
has a page. Every public module has a page of its docstrings. A file that a page links to has a page
that shows it, because the site knows no repository to link to. In the checkout, links point at
files. Here they are rewritten to point at pages.
"""

import os
import pathlib
import posixpath
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Files of the checkout with a fixed page: {path: page}.
PAGES = {'README.md': 'index.md', 'docs/index.md': 'contents.md',
         'CONTRIBUTING.md': 'contributing.md', 'CHANGELOG.md': 'changelog.md'}
_LINK = re.compile(r'(\]\()([^)\s#]+)(#[^)]*)?(\))|((?:src|href)=")([^"#]+)(#[^"]*)?(")')
_LANGUAGES = {'.py': 'python', '.gin': 'python', '.sh': 'bash', '.csv': 'text', '.toml': 'toml'}
_NO_MODULES = ('datasets', 'gin', 'launch', 'benchmarks')


def _modules():
  """The public modules, {path in the checkout: page}."""
  found = {}
  for path in sorted((ROOT / 'tf_videogen').rglob('*.py')):
    parts = path.relative_to(ROOT).with_suffix('').parts
    if parts[1] not in _NO_MODULES and not parts[-1].startswith('_'):
      found[path.relative_to(ROOT).as_posix()] = 'api/' + '/'.join(parts[1:]) + '.md'
  return found


def page_of(path):
  """The page of the site that shows a file or folder of the checkout."""
  if path in PAGES:
    return PAGES[path]
  data_set = re.fullmatch(r'datasets/(\w+)/README\.md', path)
  if data_set:
    return f'datasets/{data_set[1]}.md'
  if path in _MODULES:
    return _MODULES[path]
  if path.startswith('docs/') and not path.endswith('.py'):
    return path[len('docs/'):]
  return f'source/{path.rstrip("/")}.md'


_MODULES = _modules()


def written():
  """Paths in the checkout of all Markdown files that are pages of the site, a sorted list."""
  return sorted({*PAGES, *(path.relative_to(ROOT).as_posix() for folder in ('docs', 'datasets')
                           for path in (ROOT / folder).rglob('*.md'))})


def rewritten(markdown, path, page):
  """Rewrites the links of a page for the site.

  Args:
    markdown: the text of the page, with links relative to its file.
    path: path of that file in the checkout.
    page: path of the page in the site, to which the rewritten links are relative.

  Returns:
    The rewritten text, and a list of the linked paths in the checkout.

  Raises:
    ValueError: if a linked file does not exist.
  """
  linked = []

  def rewrite(found):
    before, target, anchor, after = found.groups()[:4] if found[1] else found.groups()[4:]
    if re.match(r'\w+:', target):
      return found[0]
    there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if not os.path.lexists(ROOT / there):
      raise ValueError(f'{path} links to {target}, which is not there')
    linked.append(there)
    relative = posixpath.relpath(page_of(there), posixpath.dirname(page) or '.')
    return f'{before}{relative}{anchor or ""}{after}'

  parts = re.split(r'(```.*?```|`[^`\n]*`)', markdown, flags=re.DOTALL)  # code has no links
  for i in range(0, len(parts), 2):
    parts[i] = _LINK.sub(rewrite, parts[i])
  return ''.join(parts), linked


def _shown(path):
  """The text of the page that shows a file or folder to which other pages link."""
  there = ROOT / path
  if there.is_dir():
    names = sorted(child.name for child in there.iterdir()
                   if child.is_file() and not child.name.startswith('.'))
    return f'# {path}\n\n' + '\n'.join(f'- [{name}]({path}/{name})' for name in names) + '\n'
  language = _LANGUAGES.get(there.suffix, 'text')
  return f'# {path}\n\n````{language}\n{there.read_text(encoding="utf-8")}````\n'


def _add(files, config, page, text):
  from mkdocs.structure import files as mkdocs_files  # only in the site's environment
  existing = files.get_file_from_path(page)
  if existing is not None:
    files.remove(existing)
  files.append(mkdocs_files.File.generated(config, page, content=text))


def on_files(files, config):
  """Adds the pages that are not files of docs/, rewrites all links, and fills the navigation."""
  waiting, done = written(), set(_MODULES)  # modules' pages are made of docstrings, below
  while waiting:
    path = waiting.pop()
    page = page_of(path)
    if path in done or not page.endswith('.md'):
      continue  # a picture
    done.add(path)
    source = page.startswith('source/')
    text = _shown(path) if source else (ROOT / path).read_text(encoding='utf-8')
    if not source or (ROOT / path).is_dir():
      text, linked = rewritten(text, '' if source else path, page)
      waiting += linked
    _add(files, config, page, text)
  for path, page in _MODULES.items():
    name = path[:-len('.py')].replace('/', '.')
    _add(files, config, page, f'# {name}\n\n::: {name}\n')
  config['nav'] = _nav(config['nav'])
  return files


def _nav(entries):
  """The navigation, with the pages of data sets and of modules in their places."""
  places = {'datasets': [f'datasets/{path.parent.name}.md'
                         for path in sorted((ROOT / 'datasets').glob('*/README.md'))],
            'api': _nav_of_modules()}

  def filled(entry):
    if isinstance(entry, list):
      return [filled(one) for one in entry]
    if isinstance(entry, dict):
      return {title: filled(one) for title, one in entry.items()}
    return places.get(entry, entry)

  return filled(entries)


def _nav_of_modules():
  rooms = {}
  for page in _MODULES.values():
    *room, name = page[len('api/'):-len('.md')].split('/')
    rooms.setdefault('/'.join(room) or 'tf_videogen', []).append({name: page})
  return [{room: pages} for room, pages in rooms.items()]
