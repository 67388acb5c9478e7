"""One self-contained HTML page: text, numbers, curves and moving pictures.

    write_page('report.html', 'My runs', [Section('First run', [Text('...'), Numbers(results)])])

A section is a list of blocks. A block is anything with a method `html()`: the classes below,
`galleries.Gallery`, `headline.Headline`, `summary.Summary`, and the blocks of `protocol_blocks` and
`runs_compared`. All that a page shows is inside its one file. Its content security policy forbids a
browser to load anything else, or to run any script but those of `filtering` and `players`.
"""

import base64
import dataclasses
import hashlib
import html
import math
import pathlib
import re

from tf_videogen import files
from tf_videogen.reporting import filtering
from tf_videogen.reporting import glossary
from tf_videogen.reporting import players

_STYLE = (pathlib.Path(__file__).parent / 'page.css').read_text(encoding='utf-8')
_POLICY = ("default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
           "style-src 'unsafe-inline'")


@dataclasses.dataclass
class Section:
  """A heading and the blocks below it. Without a title, the blocks continue the page's header.

  `anchor` is the id of the section in the page. If it is empty, the function `anchor` makes one of
  the title.
  """
  title: str
  blocks: list
  anchor: str = ''


@dataclasses.dataclass
class Text:
  """A paragraph; line breaks are kept. `lead` makes it larger."""
  text: str
  lead: bool = False

  def html(self):
    return f'<p class="{"lead" if self.lead else "text"}">{html.escape(self.text)}</p>'


@dataclasses.dataclass
class Tiles:
  """A few large figures: a list of (value, caption), both text."""
  tiles: list

  def html(self):
    cells = [f'<div><b>{html.escape(value)}</b><span class="quiet">{html.escape(caption)}</span>'
             '</div>' for value, caption in self.tiles]
    return f'<div class="tiles">{"".join(cells)}</div>' if cells else ''


@dataclasses.dataclass
class Facts:
  """A list of (key, value), both text, such as a configuration."""
  title: str
  facts: list

  def html(self):
    rows = [f'<div><dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd></div>'
            for key, value in self.facts]
    return (f'<div>{_heading(self.title)}<dl class="facts">{"".join(rows)}</dl></div>'
            if rows else '')


@dataclasses.dataclass
class Commands:
  """Shell commands, one per line."""
  title: str
  commands: list

  def html(self):
    lines = html.escape('\n'.join(self.commands))
    return (f'<div>{_heading(self.title)}<pre class="commands">{lines}</pre></div>'
            if self.commands else '')


@dataclasses.dataclass
class Folded:
  """A long text that a click on its title opens."""
  title: str
  text: str

  def html(self):
    return (f'<details><summary>{html.escape(self.title)}</summary>'
            f'<pre>{html.escape(self.text)}</pre></details>')


@dataclasses.dataclass
class Numbers:
  """The latest value of every metric that training evaluates: one row per metric.

  There is one column per split, step and number of clips.

  Attributes:
    results: A list of `results.Result`; rows of protocols are left out.
    paper: A dict of the paper's numbers (float or text) by metric, or by (split, metric). They are
      in a last column.
    title: The heading.
  """
  results: list
  paper: dict = dataclasses.field(default_factory=dict)
  title: str = 'Numbers'

  def html(self):
    latest = {}
    for result in (result for result in self.results if not result.protocol):
      key = (result.split, result.metric)
      if key not in latest or result.step >= latest[key].step:
        latest[key] = result
    if not latest:
      return ''
    columns = list(dict.fromkeys((r.split, r.step, r.examples) for r in latest.values()))
    cells = {(r.metric, (r.split, r.step, r.examples)): r.value for r in latest.values()}
    metrics = dict.fromkeys(r.metric for r in latest.values())
    paper = {metric: self._paper(metric, [split for split, _, _ in columns]) for metric in metrics}
    paper = paper if any(paper.values()) else {}
    rows = [self._row(metric, columns, cells, paper) for metric in metrics]
    head = ''.join(
        f'<th>{html.escape(split)}<span class="quiet">step {step:,} · {count(examples, "clip")}'
        '</span></th>' for split, step, examples in columns)
    head += '<th>paper</th>' if paper else ''
    return (f'<div data-group>{_heading(self.title)}<div class="scroll"><table><thead><tr>'
            f'<th>metric</th>{head}</tr></thead>{"".join(rows)}</table></div></div>')

  def _row(self, metric, columns, cells, paper):
    values = [f'<td class="value">{number(cells[metric, column])}</td>'
              if (metric, column) in cells else '<td class="value">–</td>' for column in columns]
    if paper:
      values.append(f'<td class="paper">{paper[metric] or "–"}</td>')
    name, sentence = explained(metric)
    return (f'<tbody data-item><tr><td>{name}</td>{"".join(values)}</tr>'
            f'<tr class="about"><td class="quiet" colspan="{1 + len(values)}">{sentence}</td></tr>'
            '</tbody>')

  def _paper(self, metric, splits):
    """The paper's numbers of a metric, as HTML; splits are named if there are several."""
    if metric in self.paper:
      return _paper_number(self.paper[metric])
    return '<br>'.join(
        _paper_number(self.paper[split, metric])
        + (f' ({html.escape(split)})' if len(splits) > 1 else '')
        for split in dict.fromkeys(splits) if (split, metric) in self.paper)


@dataclasses.dataclass
class Curves:
  """Small multiples: a list of `plots.Plot`. `protocol` is the name of their protocol, if any."""
  title: str
  plots: list
  text: str = ''
  protocol: str = ''

  def html(self):
    if not self.plots:
      return ''
    figures = []
    for plot in self.plots:
      legend = ''.join(f'<span><i style="background: {color}"></i>{html.escape(name)}</span>'
                       for name, color in plot.legend)
      figures.append(f'<figure data-item><figcaption><b>{html.escape(plot.title)}</b> '
                     f'<span class="legend">{legend}</span></figcaption>{plot.svg}</figure>')
    text = f'<p class="quiet">{html.escape(self.text)}</p>' if self.text else ''
    return (f'<div data-group{of_protocol(self.protocol)}>{_heading(self.title)}{text}'
            f'<div class="plots">{"".join(figures)}</div></div>')


def write_page(path, title, sections):
  """Writes the page.

  Args:
    path: The path of the HTML file, local or gs://. Its directory is created, and an older file is
      replaced.
    title: The title of the page.
    sections: A list of `Section`.
  """
  opening = [section for section in sections if not section.title]
  titled = [section for section in sections if section.title]
  anchors = [section.anchor or anchor(i, section.title)
             for i, section in enumerate(titled, start=1)]
  links = [f'<a href="#{name}">{html.escape(section.title)}</a>'
           for name, section in zip(anchors, titled)]
  navigation = f'<nav>{"".join(links)}</nav>' if len(links) > 1 else ''
  header = [f'<header><h1>{html.escape(title)}</h1>', *map(_blocks, opening), navigation,
            '</header>']
  body = [f'<section id="{name}"><h2>{html.escape(section.title)}</h2>{_blocks(section)}</section>'
          for name, section in zip(anchors, titled)]
  scripts = []
  if any('data-item' in part for part in body):
    body.insert(0, filtering.BAR)
    scripts.append(filtering.SCRIPT)
  if any('class="clip"' in part for part in header + body):
    body.append(players.BAR)
    scripts.append(players.SCRIPT)
  body = header + body + [f'<script>{script}</script>' for script in scripts]
  policy = _POLICY + (f'; script-src {" ".join(map(_digest, scripts))}' if scripts else '')
  text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
          f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
          '<meta name="viewport" content="width=device-width, initial-scale=1">'
          f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>'
          + '\n'.join(body) + '</body></html>\n')
  files.write(path, text)


def _digest(script):
  """The name of a script in a content security policy."""
  return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def anchor(i, title):
  """The id of a section, unique by its number in the page: 1, 'Run A' -> '1-run-a'."""
  return f'{i}-' + re.sub(r'[^a-z0-9]+', '-', title.lower()).strip('-')


def number(value):
  """A float as people write it: four digits, thousands with commas. 12345.6 -> '12,346'."""
  if not math.isfinite(value):
    return {'nan': 'not a number', 'inf': '∞', '-inf': '−∞'}[str(float(value))]
  if value == 0 or 1e-3 <= abs(value) < 1000:
    text = f'{value:.4g}'
  elif abs(value) < 1e-3:
    text = f'{value:.2e}'
  else:
    text = f'{value:,.0f}' if abs(value) < 1e9 else f'{value:.3e}'
  return text.replace('-', '−')


def with_deviation(value, std):
  """A float and its deviation, to two digits of the latter: 104.23, 3.456 -> '104.2 ± 3.5'."""
  if not (math.isfinite(value) and math.isfinite(std)) or std <= 0 or abs(value) >= 1e9:
    return number(value) + (f' ± {number(std)}' if math.isfinite(std) else '')
  digits = max(0, 1 - math.floor(math.log10(std)))
  if digits > 6:
    return f'{number(value)} ± {number(std)}'
  return f'{value:,.{digits}f} ± {std:,.{digits}f}'.replace('-', '−')


def count(value, noun):
  """'1 clip', '2,000 clips'."""
  return f'{value:,} {noun}' if value == 1 else f'{value:,} {noun}s'


def _paper_number(value):
  return html.escape(value if isinstance(value, str) else number(value))


def explained(metric):
  """The name of a metric, with an arrow towards better values, and its sentence, both as HTML."""
  entry = glossary.metric(metric)
  arrow = {'lower': '&nbsp;<span title="lower is better">↓</span>',
           'higher': '&nbsp;<span title="higher is better">↑</span>'}.get(entry.better, '')
  return f'<b>{html.escape(entry.title)}</b>{arrow}', html.escape(entry.sentence)


def of_protocol(name):
  """The HTML attribute by which the filter finds a protocol's elements; '' without a name."""
  return f' data-protocol="{html.escape(name)}"' if name else ''


def _heading(title):
  return f'<h3>{html.escape(title)}</h3>' if title else ''


def _blocks(section):
  return '\n'.join(block.html() for block in section.blocks)
