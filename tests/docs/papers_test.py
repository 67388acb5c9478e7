"""docs/papers.md has every config and every printed number, and is what its command makes."""

import re

import matplotlib
import pytest

from docs import pages
from docs import papers
from docs import papers_tables

README = papers.ROOT / 'README.md'
CONFIGS = papers.all_configs()
NUMBERS = papers.read(papers.NUMBERS)
TEXT = papers.PAGE.read_text(encoding='utf-8')
LINKS = re.compile(r'\]\(\.\./gin/([^)]+)\)')
LAST = ('configs', 'evaluation', 'state here')


def _sections(text, mark):
  """The text below every heading of a level: {heading: text}."""
  parts = re.split(rf'^{mark} (.+)$', text, flags=re.MULTILINE)
  return dict(zip(parts[1::2], parts[2::2]))


def _rows(text):
  """The rows of the Markdown table in a text: a list of {title: cell}."""
  lines = [[cell.strip() for cell in line.strip('| ').split(' | ')]
           for line in text.splitlines() if line.startswith('| ')]
  assert all(len(line) == len(lines[0]) for line in lines)
  return [dict(zip(lines[0], line)) for line in lines[2:]]


def _table(paper, table):
  """The rows of a table on the page."""
  title = next(found.title for found in papers_tables.PAPERS if found.name == paper)
  tables = _sections(_sections(TEXT, '##')[title], '###')
  heading, = [found for found in tables if found.lower().startswith(f'{table.lower()}: ')]
  return _rows(tables[heading])


def _words(drawing):
  """What is written in an SVG."""
  return re.findall(r'<text[^>]*>([^<]+)</text>', drawing.decode())


def test_pages_are_what_their_command_makes():
  for path, content in pages.pages().items():
    found = path.read_bytes()
    if path.suffix == '.md':
      assert found.decode() == content, f'{path}: python -m docs.pages'
      assert 'python -m docs.pages' in content or 'python -m docs.evidence' in content
    elif isinstance(content, str):
      assert found.decode() == content, f'{path}: python -m docs.pages'
    elif f'Matplotlib v{matplotlib.__version__},'.encode() in found:
      assert found == content, f'{path}: python -m docs.pages'
    else:  # another version sets points a little differently
      assert _words(found) == _words(content) != [], f'{path}: python -m docs.pages'


def test_every_config_is_on_the_page_and_every_config_there_exists():
  assert len(CONFIGS) > 180
  assert set(LINKS.findall(TEXT)) == set(CONFIGS)


def test_commands_name_configs_that_exist():
  named = set(re.findall(r'--gin_file=(\w+/\w+\.gin)', TEXT))
  assert {name for name in named if not re.search(r'/[A-Z]+\.gin', name)} <= set(CONFIGS)
  assert {name.split('/')[0] for name in named} == {
      'evaluation', *(paper.name for paper in papers_tables.PAPERS)}


@pytest.mark.parametrize('paper', papers_tables.PAPERS, ids=lambda paper: paper.name)
def test_every_model_of_a_paper_is_in_its_section(paper):
  """But for small ones of our own, and DVD-GAN, which CVG and SSW-GAN compare with."""
  section = _sections(TEXT, '##')[paper.title]
  small = set(LINKS.findall(_sections(TEXT, '##')['Small models of our own']))
  own = {name for name in CONFIGS if name.startswith(f'{paper.name}/') and '/dvd_gan' not in name}
  found = {name for name in LINKS.findall(section) if not name.startswith('evaluation/')}
  assert {name for name in found if '/dvd_gan' not in name} == own - small
  assert bool(found - own) == (paper.name in ('cvg', 'ssw_gan'))


@pytest.mark.parametrize('paper, table', sorted({(row['paper'], row['table']) for row in NUMBERS}))
def test_numbers_of_a_table(paper, table):
  """Rows, values, deviations, columns and configs are those of paper_numbers.csv; no others."""
  numbers = [row for row in NUMBERS if (row['paper'], row['table']) == (paper, table)]
  rows, seen = _table(paper, table), []
  for row in rows:
    of_row = [number for number in numbers if row['row'] == number['row']
              or row['row'].startswith(number['row'] + ', ')]
    assert of_row, row
    values = {}
    for number in of_row:
      values.setdefault(papers.column_of(number), []).append(
          (number['value'], number['std']))
    for title, cell in row.items():
      if title not in ('row', *LAST):
        found = re.findall(r'(\d[\d.]*)(?: ± (\d[\d.]*))?', re.sub(r'\([^)]*\)', '', cell))
        assert found == values.get(title, []), (row, title)
    quoted = {number['note'].startswith('quoted') for number in of_row}
    assert quoted == {'quoted' in row['row']}
    linked = LINKS.findall(row['configs'])
    assert {number['config'] for number in of_row} <= {*linked, ''}
    if any(number['config'] for number in of_row):
      assert LINKS.findall(row['evaluation']) or 'robotic' in of_row[0]['protocol']
      assert row['state here'] != papers.NONE
    seen += of_row
  assert sorted(map(str, seen)) == sorted(map(str, numbers))


def test_tables_without_numbers():
  for paper in papers_tables.PAPERS:
    listed = {row['table'] for row in NUMBERS if row['paper'] == paper.name}
    for table in paper.tables:
      assert bool(table.rows) != (table.name in listed), table
      if table.rows:
        rows = _table(paper.name, table.name)
        assert [row['row'] for row in rows] == [row.label for row in table.rows]
        assert all(row['the paper prints'] for row in rows)
  assert all(row['the paper prints'] == papers_tables.LOST
             for number in (1, 2, 4) for row in _table('ssw_gan', f'Table {number}'))


def test_cascades_have_their_levels_and_a_last_level_of_their_own():
  cascades = [name for name in CONFIGS if papers.levels(name)]
  assert len(cascades) >= 15
  assert papers.cascades() == {papers.levels(name)[-1]: name for name in cascades}
  assert len(papers.cascades()) == len(cascades)
  for name in cascades:
    assert set(papers.levels(name)) <= set(CONFIGS)
    first = papers.levels(name)[0]
    assert f'{papers.link(name)}: {papers.link(first, first[-10:-4].lstrip("_"))}' in TEXT


def test_trainings():
  """What a config takes, in its order, by the commands of headers."""
  assert papers.trainings('videogpt/bair_prior_layers2.gin') == (
      'videogpt/bair_vqvae.gin', 'videogpt/bair_prior_layers2.gin')
  assert papers.trainings('video_transformer/kinetics600_spatial.gin') == (
      'video_transformer/kinetics600_first_slice_spatial.gin',
      'video_transformer/kinetics600_spatial.gin')
  assert papers.trainings('cvg/bdd100k.gin') == tuple(
      f'cvg/bdd100k_level{number}.gin' for number in (1, 2, 3))
  for config in CONFIGS:
    if re.search(r'videogpt/\w+_prior(?!\w*quickstart)', config):
      assert len(papers.trainings(config)) == 2, config


@pytest.mark.parametrize('fits, second, expected', [
    ('yes', True, 'fits 8 and 64 cores, 2.5 + 1,234 core-hours'),
    ('yes', False, 'bair_vqvae fits 8 cores, 2.5 core-hours; not compiled yet: bair_prior'),
    ('no', True, 'does not fit: bair_vqvae')])
def test_state(fits, second, expected):
  one, other = 'videogpt/bair_vqvae.gin', 'videogpt/bair_prior.gin'
  costs = {one: {'config': one, 'topology': 'v3:2x2', 'core_hours': '2.46', 'fits': fits,
                 'stale': ''}}
  if second:
    costs[other] = {'config': other, 'topology': 'v3:4x8', 'core_hours': '1234.4', 'fits': 'yes',
                    'stale': ''}
  assert papers.state([other], costs) == expected
  if fits == 'yes':
    costs[one]['stale'] = '+5.0% FLOPs, +0.0% bytes'
    assert ' core-hours (stale: bair_vqvae)' in papers.state([other], costs)
  assert papers.state([other], {}) == 'not compiled yet'
  assert papers.state([], costs) == papers.NONE


def test_what_a_header_prints():
  assert papers.printed('videogpt/bair_vqvae.gin') == 'NMSE 0.0033, R-FVD 14.9.'
  assert papers.printed('cvg/ucf101_level2.gin') == 'IS 53.72.'  # "see ucf101.gin"
  assert papers.printed('evaluation/folders.gin') == ''


def test_a_config_that_no_row_has(monkeypatch):
  monkeypatch.setattr(papers_tables, 'SMALL', papers_tables.SMALL[1:])
  with pytest.raises(ValueError, match=r'^no row has \S*quickstart.gin, \S*quickstart.gin: add '):
    papers.page()


def test_a_table_that_is_not_listed(monkeypatch):
  monkeypatch.setattr(papers_tables, 'PAPERS', papers_tables.PAPERS[1:])
  with pytest.raises(ValueError, match=r"has no table \[\('videogpt', 'Table 1'\)"):
    papers.page()


def _alternatives(pattern):
  """A pattern with {a,b} as all that it stands for."""
  found = re.search(r'\{([^}]*)\}', pattern)
  if not found:
    return [pattern]
  return [name for word in found.group(1).split(',')
          for name in _alternatives(pattern[:found.start()] + word + pattern[found.end():])]


@pytest.mark.parametrize('name', ['videogpt', 'video_transformer', 'trivd_gan', 'cascades'])
def test_the_page_of_a_paper_names_configs_that_exist(name):
  """Tables whose head names the folder."""
  assert f'(docs/{name}.md#configs)' in README.read_text(encoding='utf-8')
  text = (papers.ROOT / 'docs' / f'{name}.md').read_text(encoding='utf-8')
  tables = re.findall(r'^\|[^|]*\| `gin/(\w+)/`[^|]*\|\n\| --- \| --- \|\n((?:\|.*\n)+)',
                      _sections(text, '##')['Configs'], re.MULTILINE)
  papers_here = [paper.name for paper in papers_tables.PAPERS]
  assert [folder for folder, _ in tables] == (
      [name] if name in papers_here else ['cvg', 'ssw_gan'])
  for folder, lines in tables:
    configs = [token for token in re.findall(r'`([^`]+)`', lines) if token.endswith('.gin')]
    assert configs
    for token in configs:
      for config in _alternatives(token):
        config = config if config.startswith('trivd_gan/') else f'{folder}/{config}'
        assert list(papers.GIN_DIR.glob(config)), token


def test_the_readme_links_the_page():
  assert '(docs/papers.md)' in README.read_text(encoding='utf-8')
