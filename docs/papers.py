"""Makes docs/papers.md: every results table of the five papers, row by row, with its configs.

Numbers come from tf_videogen/reporting/paper_numbers.csv, and core-hours from
tf_videogen/preflight/paper_scale.csv. Everything else that a paper says about a config is in the
config's header. `papers_tables` lists the tables, and the rows that have no number.
"""

import csv
import pathlib
import re

from docs import papers_tables
from tf_videogen.preflight import hardware

ROOT = pathlib.Path(__file__).parents[1]
GIN_DIR = ROOT / 'gin'
PAGE = ROOT / 'docs' / 'papers.md'
NUMBERS = ROOT / 'tf_videogen' / 'reporting' / 'paper_numbers.csv'
COSTS = ROOT / 'tf_videogen' / 'preflight' / 'paper_scale.csv'

METRICS = {
    'fvd': 'FVD', 'fvd_unrolled': 'FVD (Avg)', 'fvd_star': r'FVD\*', 'r_fvd': 'R-FVD', 'is': 'IS',
    'fid': 'FID', 'bits_per_dim': 'bits/dim', 'bits_per_code': 'bits/dim (bits per code)',
    'nats_per_code': 'loss (nats per code)', 'nats_per_frame': 'nats/frame', 'nmse': 'NMSE'}
QUOTED = 'quoted'  # The start of the notes of numbers that a paper took from elsewhere.
_BASELINE = '_copy_last_frame'
NONE = '–'

_HEAD = """# The five papers, row by row

This page has every row of every results table: the paper's numbers, the configs that make them, and
how far they came here. `python -m docs.pages` makes it. The page of each paper has a short table of
its configs by name.

- **No model of the papers has been trained at their scale with this code.** No row has a number of
  ours yet.
- "fits 64 cores, 1,960 core-hours": the TPU's own compiler compiled the training step at the
  paper's batch, over that many cores of TPU v3 with 16 GiB each. The training takes at least so
  many core-hours. With several configs, their hours stand in the same order, joined by +.
  [preflight/paper_scale.md](preflight/paper_scale.md) has the details, and says when each program
  was compiled. "stale" names the programs that have changed since then.
- A row names all the configs that it takes, in the order of their trainings. Each config's header
  has the full command. Evaluations are at the [end](#evaluation).
- "quoted": the paper took the number from elsewhere. What is said of a table's numbers is not said
  of quoted ones.
- "not in our copy": our text of the paper has lost the number.
"""


def header(config):
  """The comment on top of a config, line by line, without the '#'."""
  lines = []
  for line in (GIN_DIR / config).read_text(encoding='utf-8').splitlines():
    if not line.startswith('#'):
      break
    lines.append(line[1:].strip())
  return lines


def printed(config):
  """The text after "The paper prints:" in a header, in one line; '' if there is none.

  If the text is "see cascade.gin.", it is taken from the header of that file.
  """
  found = re.search(r"The paper prints:(.*?)(?=\n\n|\nThe paper's hardware|$)",
                    '\n'.join(header(config)), re.DOTALL)
  text = ' '.join(found.group(1).split()) if found else ''
  elsewhere = re.fullmatch(r'see (\w+\.gin)\.', text)
  return printed(f'{config.split("/")[0]}/{elsewhere.group(1)}') if elsewhere else text


def levels(config):
  """The configs of a cascade's levels, in their order; () if the config is not a cascade."""
  _, found, text = (GIN_DIR / config).read_text(encoding='utf-8').partition('Cascade.levels')
  return tuple(re.findall(r"'(\w+/\w+\.gin)'", text)) if found else ()


def all_configs():
  """Names of all configs under gin/, sorted, without `base/`, which has parts of configs.

  `claims/` is left out, too: its models are of no table of the papers.
  """
  names = sorted(path.relative_to(GIN_DIR).as_posix() for path in GIN_DIR.rglob('*.gin'))
  return [name for name in names if not name.startswith(('base/', 'claims/'))]


def cascades():
  """Names of all cascades by their last levels, {last level: cascade}."""
  return {levels(config)[-1]: config for config in all_configs() if levels(config)}


def trained_before(config):
  """Configs whose directories the command in a config's header needs, such as a prior's VQ-VAE."""
  folder = config.split('/')[0]
  stems = re.findall(r"_DIR='runs/(\w+)'", ' '.join(header(config)))
  return [name for name in (f'{folder}/{stem}.gin' for stem in stems) if (GIN_DIR / name).exists()]


def trainings(config):
  """The configs that are trained for a config, in order.

  For a cascade these are its levels. Otherwise the config itself is the last one.
  """
  return levels(config) or (*trained_before(config), config)


def link(config, text=''):
  """A Markdown link to the file of a config; by default its text is the file's stem."""
  return f'[{text or pathlib.PurePath(config).stem}](../gin/{config})'


def config_cell(names):
  """Links to configs, each once, in the order of training; cascades with their levels."""
  parts = {}
  for config in names:
    if levels(config):
      of_levels = (link(level, re.search(r'(level|stage)\d\w*$', pathlib.PurePath(level).stem)[0])
                   for level in levels(config))
      parts[config] = f'{link(config)}: {", ".join(of_levels)}'
    else:
      parts.update({name: link(name) for name in trainings(config)})
  return ', '.join(parts.values()) or NONE


def state(names, costs):
  """The compiler's answer for the trainings of configs; `costs` has rows of `COSTS` by config."""
  trained = list(dict.fromkeys(name for config in names for name in trainings(config)))
  rows = {_stem(name): costs[name] for name in trained if name in costs}
  missing = [_stem(name) for name in trained if name not in costs]
  if not trained:
    return NONE
  if not rows:
    return 'not compiled yet'
  refused = [stem for stem, row in rows.items() if row['fits'] != 'yes']
  if refused:
    return f'does not fit: {", ".join(refused)}'
  cores = dict.fromkeys(str(hardware.topology(row['topology']).cores) for row in rows.values())
  hours = ' + '.join(_hours(float(row['core_hours'])) for row in rows.values())
  found = f'fits {" and ".join(cores)} cores, {hours} core-hours'
  stale = [stem for stem, row in rows.items() if row['stale']]
  found += f' (stale: {", ".join(stale)})' * bool(stale)
  if not missing:
    return found
  return f'{", ".join(rows)} {found}; not compiled yet: {", ".join(missing)}'


def _stem(config):
  return pathlib.PurePath(config).stem


def _hours(hours):
  return f'{hours:,.0f}' if hours >= 10 else f'{hours:.1f}'


def protocol_cell(protocols):
  """Links to the evaluation configs of protocols, by the names of the protocols."""
  found = []
  for name in dict.fromkeys(protocols):
    config = f'evaluation/{name.removesuffix(_BASELINE)}.gin'
    if (GIN_DIR / config).exists():
      found.append(link(config) + (' with `launch.compare --baseline=copy_last_frame`'
                                    * name.endswith(_BASELINE)))
  return ', '.join(found) or NONE


def read(path):
  """The rows of a CSV file, as dicts."""
  with open(path, newline='', encoding='utf-8') as f:
    return list(csv.DictReader(f))


def frames_of(number):
  """The number of frames in the name of a cascade's protocol; 0 for all other numbers."""
  found = re.search(r'_(\d+)$', number['protocol'])
  return int(found.group(1)) if found and number['paper'] in ('cvg', 'ssw_gan') else 0


def column_of(number):
  """The title of the column that a row of `NUMBERS` belongs to."""
  frames = frames_of(number)
  return METRICS[number['metric']] + (f', {frames} frames' if frames else '')


def table_lines(titles, rows):
  """The lines of a Markdown table."""
  lines = [titles, ['---'] * len(titles), *rows]
  return [f'| {" | ".join(line)} |' for line in lines]


def _is_quoted(number):
  return number['note'].startswith(QUOTED)


def _shared(numbers):
  """The note that all numbers share; '' if they share none."""
  notes = {number['note'] for number in numbers}
  return notes.pop() if len(notes) == 1 else ''


def _value(number):
  return number['value'] + (f' ± {number["std"]}' if number['std'] else '')


class _Numbers:
  """The rows of a table whose numbers are in `NUMBERS`."""

  def __init__(self, table, numbers, costs):
    self._table, self._costs, self._rows = table, costs, {}
    self._cascades = cascades()
    for number in numbers:
      self._rows.setdefault(number['row'], []).append(number)
    order = lambda number: (frames_of(number), _is_quoted(number))
    self._columns = dict.fromkeys(column_of(number) for number in sorted(numbers, key=order))
    self._notes = {title: self._note_of(title) for title in self._columns}

  def _note_of(self, title):
    """The note that a column's numbers share in all rows but quoted ones; '' if there is none."""
    own = [numbers for numbers in self._rows.values() if not all(map(_is_quoted, numbers))]
    found = [[number for number in numbers if column_of(number) == title] for numbers in own]
    return _shared(sum(found, [])) if len(own) > 1 and all(found) else ''

  def lines(self):
    """The lines of a sentence with the notes of columns, and of the table."""
    by_note = {}
    for title, note in self._notes.items():
      by_note.setdefault(note, []).append(title)
    by_note.pop('', None)
    said = '. '.join(f'{", ".join(titles)}: {note}' for note, titles in by_note.items())
    rows = [self._row(label, numbers) for label, numbers in self._rows.items()]
    titles = ['row', *self._columns, 'configs', 'evaluation', 'state here']
    return ([f'{said}.', ''] if said else []) + table_lines(titles, rows)

  def _row(self, label, numbers):
    shared = _shared(numbers)
    if all(self._notes[column_of(number)] == shared for number in numbers):
      shared = ''
    cells = []
    for title in self._columns:
      known = ('', shared, self._notes[title])
      cells.append(', '.join(
          _value(number) + ('' if number['note'] in known else f' ({number["note"]})')
          for number in numbers if column_of(number) == title) or NONE)
    names = [self._table.configs.get(number['row'], number['config']) for number in numbers]
    names = [self._cascades.get(name, name) for name in names if name]
    protocols = [number['protocol'] for number in numbers if names or not _is_quoted(number)]
    return [f'{label}, {shared}' if shared else label, *cells, config_cell(names),
            protocol_cell(protocols), state(names, self._costs)]


def _text_lines(table, costs):
  """The lines of a table without numbers."""
  rows = []
  for row in table.rows:
    said = row.printed or printed(row.config).removesuffix(' for this configuration.').rstrip('.')
    of_config = [row.config] if row.config else []
    rows.append([row.label, said, config_cell(of_config), protocol_cell(row.protocols),
                 row.state or state(of_config, costs)])
  return table_lines(['row', 'the paper prints', 'configs', 'evaluation', 'state here'], rows)


def _section(paper, numbers, costs):
  lines = ['', f'## {paper.title}', '', *paper.lead.strip().splitlines()]
  for table in paper.tables:
    of_table = [number for number in numbers
                if (number['paper'], number['table']) == (paper.name, table.name)]
    lines += ['', f'### {table.name[0].upper() + table.name[1:]}: {table.about}', '']
    if table.note:
      lines += [*table.note.strip().splitlines(), '']
    lines += _Numbers(table, of_table, costs).lines() if of_table else _text_lines(table, costs)
  return lines


def _small_lines():
  rows = [[config_cell(small.configs), small.about, small.state] for small in papers_tables.SMALL]
  return ['', '## Small models of our own', '', 'For two processor cores; no rows of the papers.',
          '', *table_lines(['configs', 'what it is', 'state here'], rows)]


def _protocol_lines():
  rows = []
  for config in all_configs():
    if config.startswith('evaluation/'):
      first = ' '.join('\n'.join(header(config)).split('\n\n')[0].split())
      rows.append([link(config), re.split(r'\. |\.$', first)[0]])
  return ['', '## Evaluation', '',
          '```', 'python -m launch.evaluate --gin_file=evaluation/NAME.gin --model_dir=runs/model',
          '```', '', 'for a NAME of these. `launch.compare` takes videos without a model; '
          '[evaluation.md](evaluation.md) has more.', '',
          *table_lines(['name', 'what'], rows)]


def page():
  """The whole page, Markdown.

  Raises:
    ValueError: if a config is in no row, or if a table of `NUMBERS` is not in `papers_tables`.
  """
  numbers = read(NUMBERS)
  costs = {row['config']: row for row in read(COSTS) if row['program'] == 'train'}
  listed = {(paper.name, table.name) for paper in papers_tables.PAPERS for table in paper.tables}
  missing = {(number['paper'], number['table']) for number in numbers} - listed
  if missing:
    raise ValueError(f'docs/papers_tables.py has no table {sorted(missing)}')
  lines = _HEAD.splitlines()
  for paper in papers_tables.PAPERS:
    lines += _section(paper, numbers, costs)
  text = '\n'.join([*lines, *_small_lines(), *_protocol_lines()]) + '\n'
  left = [config for config in all_configs() if f'(../gin/{config})' not in text]
  if left:
    raise ValueError(f'no row has {", ".join(left)}: add them to docs/papers_tables.py')
  return text
