"""The table on top of a page: the values of every run by every protocol, beside the paper's."""

import dataclasses
import html
import typing

from tf_videogen.reporting import page
from tf_videogen.reporting import tables


class Run(typing.NamedTuple):
  """A run of the summary: its name, the id of its section, a list of `comparison.Comparison`."""
  name: str
  anchor: str
  comparisons: list

  def measured(self):
    """The run, without protocols of which only the paper has numbers, if others were measured."""
    done = {compared.protocol for compared in self.comparisons if compared.ours}
    return self._replace(comparisons=[compared for compared in self.comparisons
                                      if not done or compared.protocol in done])


@dataclasses.dataclass
class Summary:
  """One row per run, protocol and metric: our number, the paper's, and how ours was made.

  Columns without a value are left out. What all rows have in common is a sentence.
  """
  runs: list

  def html(self):
    runs = [run.measured() for run in self.runs]
    rows = [(run, compared, _texts(run.name, compared))
            for run in runs for compared in run.comparisons]
    if not rows:
      return ''
    columns, shared = tables.narrow([texts for _, _, texts in rows])
    with_notes = 'note' in columns  # They stand below the values.
    columns = [column for column in columns if column != 'note']
    head = ''.join(f'<th>{"90 % in" if column == "interval" else column}</th>'
                   for column in columns)
    body = ''.join(self._row(*row, columns, with_notes) for row in rows)
    about = ' '.join(filter(None, [
        'The latest values of every protocol, ± the standard deviation over trials, beside what '
        'the paper prints for the same config and protocol.', tables.sentence(shared)]))
    return (f'<div data-group><p class="quiet">{breakable(about)}</p><div class="scroll">'
            f'<table class="summary"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            f'</div></div>{_exports(runs)}')

  def _row(self, run, compared, texts, columns, with_notes):
    found = {column: breakable(text) for column, text in texts.items()}
    found.update(
        run=f'<a href="#{run.anchor}">{breakable(run.name)}</a>',
        metric=page.explained(compared.metric)[0], ours=compared.ours_html(with_notes),
        paper=compared.paper_html())
    state = '' if compared.comparable else ' class="incomparable"'
    cells = ''.join(f'<td class="{column}" data-column="{column}">{found[column]}</td>'
                    for column in columns)
    return f'<tr{state} data-item{page.of_protocol(compared.protocol)}>{cells}</tr>'


def _texts(run, compared):
  """The text of every column; of random networks, a badge beside the value tells."""
  texts = tables.cells(run, compared)
  return texts if compared.comparable else {**texts, 'network': ''}


def breakable(name):
  """A long name as HTML that may break after an underscore or before an @."""
  return html.escape(name).replace('_', '_<wbr>').replace('@', '<wbr>@')


def _exports(runs):
  """The same numbers to be copied, each form behind a click."""
  forms = (('CSV', tables.csv_text), ('Markdown', tables.markdown), ('LaTeX', tables.latex))
  folded = ''.join(page.Folded(f'The table as {name}', write(runs)).html()
                   for name, write in forms)
  return f'<div class="exports">{folded}</div>'
