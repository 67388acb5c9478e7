"""The table on top of a page: the values of every run by every protocol, beside the paper's."""

import dataclasses
import html
import typing

from tf_videogen.reporting import page

_COLUMNS = ('run', 'protocol', 'metric', 'ours', 'paper', 'step', 'videos', 'network')


class Run(typing.NamedTuple):
  """A run of the summary: its name, the id of its section, a list of `comparison.Comparison`."""
  name: str
  anchor: str
  comparisons: list


@dataclasses.dataclass
class Summary:
  """One row per run, protocol and metric: our number, the paper's, and how ours was made."""
  runs: list

  def html(self):
    rows = [self._row(run, compared) for run in self.runs for compared in run.comparisons]
    if not rows:
      return ''
    head = ''.join(f'<th>{column}</th>' for column in _COLUMNS)
    return ('<div data-group><p class="quiet">The latest values of every protocol, ± the standard '
            'deviation over trials, beside what the paper prints for the same config and protocol.'
            f'</p><div class="scroll"><table class="summary"><thead><tr>{head}</tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div></div>')

  def _row(self, run, compared):
    ours = compared.ours
    link = f'<a href="#{run.anchor}">{breakable(run.name)}</a>'
    metric = page.explained(compared.metric)[0]
    metric += f'<span class="quiet">{html.escape(ours.split)}</span>' if ours else ''
    cells = [link, breakable(compared.protocol), metric, compared.ours_html(),
             compared.paper_html(), f'{ours.step:,}' if ours and ours.step else '',
             f'{ours.examples:,}' if ours else '',
             breakable(ours.network) if ours and compared.comparable else '']
    state = '' if compared.comparable else ' class="incomparable"'
    cells = ''.join(f'<td class="{column}" data-column="{column}">{cell}</td>'
                    for column, cell in zip(_COLUMNS, cells))
    return f'<tr{state} data-item{page.of_protocol(compared.protocol)}>{cells}</tr>'


def breakable(name):
  """A long name as HTML that may break after an underscore or before an @."""
  return html.escape(name).replace('_', '_<wbr>').replace('@', '<wbr>@')
