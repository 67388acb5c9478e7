"""Blocks of a page for a protocol's results in a model directory: numbers, curves and videos."""

import dataclasses
import html
import os

import tensorflow as tf

from tf_videogen import files
from tf_videogen.model_directory import results as results_lib
from tf_videogen.reporting import galleries
from tf_videogen.reporting import page
from tf_videogen.reporting import pairs
from tf_videogen.reporting import plots
from tf_videogen.reporting import scale
from tf_videogen.reporting import steps
from tf_videogen.reporting import summary
from tf_videogen.reporting import tables


@dataclasses.dataclass
class ProtocolNumbers:
  """The numbers of one protocol, each on its scale, and the commands that make them again.

  Attributes:
    protocol: The name of the protocol.
    comparisons: A list of its `comparison.Comparison`.
    others: A list of all comparisons of the run, among which are those of baselines.
  """
  protocol: str
  comparisons: list
  others: list = dataclasses.field(default_factory=list)

  def html(self):
    if not self.comparisons:
      return ''
    details = {_details(compared.ours) for compared in self.comparisons if compared.ours}
    shared = f'<p class="quiet">{min(details)}</p>' if len(details) == 1 else ''
    paper = any(compared.paper for compared in self.comparisons)
    rows = ''.join(self._row(compared, not shared, paper) for compared in self.comparisons)
    commands = dict.fromkeys(compared.ours.command for compared in self.comparisons
                             if compared.ours and compared.ours.command)
    again = page.Commands('These numbers again', list(commands)).html()
    return (f'<div data-group{page.of_protocol(self.protocol)}><h3>'
            f'<span class="kicker">Protocol</span> {html.escape(self.protocol)}</h3>{shared}'
            '<div class="scroll"><table class="compared"><thead><tr><th>metric</th><th>ours</th>'
            f'{"<th>paper</th>" if paper else ""}</tr></thead>{rows}</table></div>{again}</div>')

  def _row(self, compared, with_details, with_paper):
    name, sentence = page.explained(compared.metric)
    ours = compared.ours
    about = [sentence, _details(ours) if ours and with_details else '']
    about = ''.join(f'<span class="quiet">{text}</span>' for text in about if text)
    interval = tables.cells('', compared)['interval']
    interval = f'<span class="quiet">90 % in {interval}</span>' if interval else ''
    paper = f'<td class="paper" data-column="paper">{compared.paper_html()}</td>'
    line = scale.of([compared], ['ours'], self.others) if ours else ''
    line = f'<tr><td colspan="{2 + with_paper}">{line}</td></tr>' if line else ''
    state = '' if compared.comparable else ' class="incomparable"'
    return (f'<tbody{state} data-item><tr><td>{name}{about}</td>'
            f'<td class="ours" data-column="ours">{compared.ours_html(False)}{interval}</td>'
            f'{paper if with_paper else ""}</tr>{line}</tbody>')


def protocol_blocks(model_dir, comparisons, max_bytes):
  """The blocks of all protocols that were run, in their order in `comparisons`.

  Protocols that only have a folder come last, sorted by name.

  Args:
    model_dir: The model directory, local or gs://.
    comparisons: A list of `comparison.Comparison`.
    max_bytes: The size in bytes that moving pictures may take, all together.

  Returns:
    A list of blocks, see `page`. Protocols for which only the paper has numbers have no blocks.
  """
  root = os.path.join(model_dir, results_lib.EVALUATIONS)
  folders = tf.io.gfile.listdir(root) if tf.io.gfile.isdir(root) else []
  names = dict.fromkeys([compared.protocol for compared in comparisons if compared.ours]
                        + sorted(folder.rstrip('/') for folder in folders))
  results = results_lib.read_results(model_dir)
  blocks = []
  for name in names:
    folder = os.path.join(root, name)
    points = results_lib.read_curves(os.path.join(folder, results_lib.CURVES_FILE))
    blocks.append(ProtocolNumbers(
        name, [row for row in comparisons if row.protocol == name], comparisons))
    blocks.append(page.Curves(
        f'{name} over checkpoints', steps.plots_over_steps(results, name),
        'Against the step. Bands are 90 % intervals, or deviations over trials.', name))
    blocks.append(page.Curves(f'Curves of {name}', plots.curve_plots(points), protocol=name))
    blocks += _galleries(folder, name, max_bytes // len(names))
  return blocks


def _galleries(folder, protocol, max_bytes):
  path = os.path.join(folder, results_lib.VIDEOS_FILE)
  if not tf.io.gfile.exists(path):
    return []
  gallery = galleries.read_gallery(path, f'Videos of {protocol}', max_bytes)
  gallery.protocol = protocol
  arrays = files.read_arrays(path)
  return [gallery, pairs.Pairs(arrays, gallery.conditioning_frames, gallery.fps, protocol,
                               max_bytes // 2)]


def _details(row):
  """How a number was made: 'test split · step 2,000 · 256 videos · i3d@1a2b3c4d', as HTML."""
  parts = [row.split and f'{row.split} split', row.step and f'step {row.step:,}',
           page.count(row.examples, 'video'), row.note, row.network,
           row.commit and f'code {row.commit}', row.time[:10]]
  return ' · '.join(summary.breakable(part) for part in parts if part)
