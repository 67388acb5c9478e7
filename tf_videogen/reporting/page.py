"""One self-contained HTML page: text, numbers, curves and moving pictures.

    write_page('report.html', 'My runs', [Section('First run', [Text('...'), Numbers(results)])])

A section is a list of blocks. A block is anything with a method `html()`: those below, and
`galleries.Gallery`. All that a page shows is inside its one file, and its content security policy
forbids a browser to load anything else.
"""

import dataclasses
import html
import math
import os
import re
import uuid

import tensorflow as tf

from tf_videogen.reporting import glossary
from tf_videogen.reporting import style

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclasses.dataclass
class Section:
  """A heading and the blocks below it. Without a title its blocks continue the page's header."""
  title: str
  blocks: list


@dataclasses.dataclass
class Text:
  """A paragraph; line breaks stay. `lead` sets it larger."""
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
  """A list of (key, value), both text, as a configuration has."""
  title: str
  facts: list

  def html(self):
    rows = [f'<div><dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd></div>'
            for key, value in self.facts]
    return (f'<div>{_heading(self.title)}<dl class="facts">{"".join(rows)}</dl></div>'
            if rows else '')


@dataclasses.dataclass
class Commands:
  """Shell commands, one a line."""
  title: str
  commands: list

  def html(self):
    lines = html.escape('\n'.join(self.commands))
    return (f'<div>{_heading(self.title)}<pre class="commands">{lines}</pre></div>'
            if self.commands else '')


@dataclasses.dataclass
class Folded:
  """A long text behind its title, opened by a click."""
  title: str
  text: str

  def html(self):
    return (f'<details><summary>{html.escape(self.title)}</summary>'
            f'<pre>{html.escape(self.text)}</pre></details>')


@dataclasses.dataclass
class Numbers:
  """The latest value of every metric: a row a metric, a column a split.

  Attributes:
    results: A list of `results.Result`.
    paper: The paper's numbers (float or text) by metric, or by (split, metric); in a last column.
  """
  results: list
  paper: dict = dataclasses.field(default_factory=dict)

  def html(self):
    latest = {}
    for result in self.results:
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
    return (f'<div>{_heading("Numbers")}<div class="scroll"><table><thead><tr><th>metric</th>'
            f'{head}</tr></thead>{"".join(rows)}</table></div></div>')

  def _row(self, metric, columns, cells, paper):
    values = [f'<td class="value">{number(cells[metric, column])}</td>'
              if (metric, column) in cells else '<td class="value">–</td>' for column in columns]
    if paper:
      values.append(f'<td class="paper">{paper[metric] or "–"}</td>')
    name, sentence = _explained(metric)
    return (f'<tbody><tr><td>{name}</td>{"".join(values)}</tr>'
            f'<tr class="about"><td class="quiet" colspan="{1 + len(values)}">{sentence}</td></tr>'
            '</tbody>')

  def _paper(self, metric, splits):
    """The paper's numbers of a metric, as HTML; the split is named where there are several."""
    if metric in self.paper:
      return _paper_number(self.paper[metric])
    return '<br>'.join(
        _paper_number(self.paper[split, metric])
        + (f' ({html.escape(split)})' if len(splits) > 1 else '')
        for split in dict.fromkeys(splits) if (split, metric) in self.paper)


@dataclasses.dataclass
class Curves:
  """Small multiples: a list of `plots.Plot`."""
  title: str
  plots: list
  text: str = ''

  def html(self):
    if not self.plots:
      return ''
    figures = []
    for plot in self.plots:
      legend = ''.join(f'<i style="background: {color}"></i>{html.escape(name)}'
                       for name, color in plot.legend)
      figures.append(f'<figure><figcaption><span class="legend">{legend}</span>'
                     f'<b>{html.escape(plot.title)}</b></figcaption>{plot.svg}</figure>')
    text = f'<p class="quiet">{html.escape(self.text)}</p>' if self.text else ''
    return (f'<div>{_heading(self.title)}{text}<div class="plots">{"".join(figures)}</div></div>')


def write_page(path, title, sections):
  """Writes the page.

  Args:
    path: The HTML file, local or gs://; its directory is created, an older file replaced.
    title: The title of the page.
    sections: A list of `Section`.
  """
  opening = [section for section in sections if not section.title]
  titled = [section for section in sections if section.title]
  anchors = _anchors(titled)
  links = [f'<a href="#{anchor}">{html.escape(section.title)}</a>'
           for anchor, section in zip(anchors, titled)]
  navigation = f'<nav>{"".join(links)}</nav>' if len(links) > 1 else ''
  body = [f'<header><h1>{html.escape(title)}</h1>', *map(_blocks, opening), navigation, '</header>']
  body += [f'<section id="{anchor}"><h2>{html.escape(section.title)}</h2>{_blocks(section)}'
           '</section>' for anchor, section in zip(anchors, titled)]
  text = (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
          f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
          '<meta name="viewport" content="width=device-width, initial-scale=1">'
          f'<title>{html.escape(title)}</title><style>{style.CSS}</style></head>\n<body>'
          + '\n'.join(body) + '</body></html>\n')
  if os.path.dirname(path):
    tf.io.gfile.makedirs(os.path.dirname(path))
  temporary = f'{path}.{uuid.uuid4().hex[:8]}.tmp'
  with tf.io.gfile.GFile(temporary, 'w') as f:
    f.write(text)
  tf.io.gfile.rename(temporary, path, overwrite=True)


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


def count(value, noun):
  """'1 clip', '2,000 clips'."""
  return f'{value:,} {noun}' if value == 1 else f'{value:,} {noun}s'


def _paper_number(value):
  return html.escape(value if isinstance(value, str) else number(value))


def _explained(metric):
  """As HTML: the name of a metric with an arrow towards better, and its sentence."""
  entry = glossary.metric(metric)
  arrow = {'lower': ' <span title="lower is better">↓</span>',
           'higher': ' <span title="higher is better">↑</span>'}.get(entry.better, '')
  return f'<b>{html.escape(entry.title)}</b>{arrow}', html.escape(entry.sentence)


def _heading(title):
  return f'<h3>{html.escape(title)}</h3>' if title else ''


def _blocks(section):
  return '\n'.join(block.html() for block in section.blocks)


def _anchors(sections):
  """A unique id a section: 'Run A' -> '1-run-a'."""
  words = [re.sub(r'[^a-z0-9]+', '-', section.title.lower()).strip('-') for section in sections]
  return [f'{i}-{word}' for i, word in enumerate(words, start=1)]
