"""Compares two or more runs of one task side by side: numbers, differences, curves, samples.

A page that shows such runs begins with this section. Everything has one column or one color per
run, in the order of the command line.
"""

import collections
import dataclasses
import html
import math
import os
import typing

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.model_directory import results as results_lib
from tf_videogen.reporting import galleries
from tf_videogen.reporting import glossary
from tf_videogen.reporting import page
from tf_videogen.reporting import plots
from tf_videogen.reporting import runs as runs_lib
from tf_videogen.reporting import summary

_NOTHING = '–'


class Run(typing.NamedTuple):
  """A run to be compared: its name, its section's id, its directory, its config's bindings.

  `bindings` is a dict of values by name, both text.
  """
  name: str
  anchor: str
  model_dir: str
  bindings: dict


@dataclasses.dataclass
class Columns:
  """A table with one column per run, after a first column of names.

  Attributes:
    title: A heading.
    head: A list of HTML, the head of every column.
    rows: A list of lists of HTML, one cell per column.
    text: A sentence below the heading.
  """
  title: str
  head: list
  rows: list
  text: str = ''

  def html(self):
    if not self.rows:
      return ''
    head = ''.join(f'<th>{cell}</th>' for cell in self.head)
    rows = ''.join(f'<tr data-item>{"".join(f"<td>{cell}</td>" for cell in row)}</tr>'
                   for row in self.rows)
    text = f'<p class="quiet">{html.escape(self.text)}</p>' if self.text else ''
    return (f'<div data-group><h3>{html.escape(self.title)}</h3>{text}<div class="scroll">'
            f'<table class="runs"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
            '</div></div>')


# Endings of bindings of the data. If these differ, numbers are of different videos.
_DATA = ('.dataset', '.folder', '.train_path', '.test_path', '.frames', '.frame_step', '.size')


def section(runs, max_bytes, title='The runs compared'):
  """The section that compares runs.

  Args:
    runs: A list of `Run`, two or more.
    max_bytes: The size in bytes that moving pictures may take, all together.
    title: The heading.

  Returns:
    A `page.Section`.
  """
  logs = {run.name: results_lib.read_training_log(run.model_dir) for run in runs}
  results = {run.name: results_lib.read_results(run.model_dir) for run in runs}
  blocks = [numbers(runs, logs, results), differences(runs),
            page.Curves('Training', plots.plots_of_runs(logs, results),
                        'Against the step, a color for each run: running means, over single values '
                        'where there are many. Of evaluations, points.')]
  blocks += samples(runs, max_bytes)
  return page.Section(title, blocks, page.anchor(0, title))


def numbers(runs, logs, results):
  """The last written value of every metric of every run, as `Columns`.

  Values of different networks are not comparable, so every network has rows of its own. The best
  value of a row is bold if all runs have the same data.

  Args:
    runs: A list of `Run`.
    logs: A dict of the rows of `results.read_training_log`, by name of the run.
    results: A dict of lists of `results.Result`, by name of the run.
  """
  latest = {}
  for run in runs:
    for row in results[run.name]:
      key = (row.protocol, row.split, row.metric, row.network)
      latest.setdefault(key, {})[run.name] = row  # rows are in the order of writing
  same_data = len({tuple((name, value) for name, value in sorted(run.bindings.items())
                         if name.endswith(_DATA)) for run in runs}) == 1
  rows = [_row('steps', [f'{max([row["step"] for row in logs[run.name]] or [0]):,}'
                         for run in runs]),
          _row('time of training', [
              runs_lib.duration(seconds) if (seconds := runs_lib.training_seconds(logs[run.name]))
              else _NOTHING for run in runs])]
  made = {_made(row) for found in latest.values() for row in found.values()}
  networks = collections.defaultdict(set)
  for protocol, split, metric, network in latest:
    networks[protocol, split, metric].add(network)
  for (protocol, split, metric, network), found in latest.items():
    values = [found.get(run.name) for run in runs]
    best = _best(metric, values) if same_data else None
    cells = [_NOTHING if value is None else _value(value, value is best, len(made) > 1)
             for value in values]
    several = len(networks[protocol, split, metric]) > 1
    about = ' · '.join(filter(None, [split, protocol, network if several else '']))
    rows.append([f'{page.explained(metric)[0]} <span class="quiet">{html.escape(about)}</span>',
                 *cells])
  return Columns('Numbers', ['', *map(_linked, runs)], rows,
                 f'All values: {made.pop()}.' if len(made) == 1 else '')


def _row(name, cells):
  return [f'<b>{html.escape(name)}</b>', *map(html.escape, cells)]


def _linked(run):
  return f'<a href="#{run.anchor}">{summary.breakable(run.name)}</a>'


def _value(result, is_best, with_made):
  value = page.with_deviation(result.value, result.std)
  value = f'<b>{value}</b>' if is_best else value
  return value + (f'<span class="quiet">{_made(result)}</span>' if with_made else '')


def _made(result):
  step = f'step {result.step:,} · ' if result.step else ''
  return f'{step}{page.count(result.examples, "clip")}'


def _best(metric, values):
  """The best of some Results; None if fewer than two have a finite value, or if none can be best.

  They must have the same number of examples and the same network, and the glossary must say whether
  lower or higher is better.
  """
  better = glossary.metric(metric).better
  values = [value for value in values if value is not None and math.isfinite(value.value)]
  if not better or len(values) < 2 or len({(v.examples, v.network) for v in values}) > 1:
    return None
  best = (min if better == 'lower' else max)(values, key=lambda value: value.value)
  return best if [value.value for value in values].count(best.value) == 1 else None


def differences(runs):
  """The bindings that differ between runs, as `Columns`."""
  names = dict.fromkeys(name for run in runs for name in run.bindings)
  rows = []
  for name in names:
    values = [run.bindings.get(name, 'not bound') for run in runs]
    if len(set(values)) > 1:
      rows.append([f'<code>{summary.breakable(name)}</code>', *map(html.escape, values)])
  return Columns('What differs', ['binding', *map(_linked, runs)], rows)


def samples(runs, max_bytes):
  """Galleries of samples or reconstructions of runs: one row per condition, one column per run.

  Files of samples have a seed and conditions. If runs have the same seed, the conditions that all
  of them have are shown; else a text says that the seeds differ. Previews show the same clips if
  data and splits are the same.

  Args:
    runs: A list of `Run`.
    max_bytes: The size in bytes that moving pictures may take, all together.

  Returns:
    A list of blocks.
  """
  paths = {}
  for folder in ('samples', 'previews'):
    for run in runs:
      for path in tf.io.gfile.glob(os.path.join(run.model_dir, folder, '*.npz')):
        paths.setdefault((folder, os.path.basename(path)), {})[run.name] = path
  paths = {key: of_runs for key, of_runs in paths.items() if len(of_runs) > 1}
  found = []
  for (folder, name), of_runs in paths.items():
    found += _side_by_side(
        name.removesuffix('.npz'), folder == 'samples',
        {run: files.read_arrays(path) for run, path in of_runs.items()}, max_bytes // len(paths))
  return found


def _side_by_side(name, drawn, of_runs, max_bytes):
  """Blocks of one file of several runs, {run: {name: array}}; [] if they show different things."""
  kind = 'samples' if all('samples' in arrays for arrays in of_runs.values()) else 'reconstructions'
  if not all(kind in arrays for arrays in of_runs.values()):
    return []
  title = f'{kind} beside each other' if drawn else f'{kind} of the {name} split'
  if len({int(arrays.get('seed', 0)) for arrays in of_runs.values()}) > 1:
    return [page.Text(f'The runs have {kind} of different seeds, which are not comparable one by '
                      'one: draw them with the same launch.sample --seed.')]
  keys = {run: _keys(arrays, kind, drawn) for run, arrays in of_runs.items()}
  common = [key for key in next(iter(keys.values())) if all(key in some for some in keys.values())]
  if not common:
    return [page.Text(f'The runs have {kind} of different conditions ({name}).')] if drawn else []
  first = next(iter(of_runs))
  videos = {}
  if 'data' in of_runs[first]:
    videos['data'] = of_runs[first]['data'][[keys[first][key] for key in common]]
  for run, arrays in of_runs.items():
    videos[run if run not in galleries.ORDER else f'run {run}'] = arrays[kind][
        [keys[run][key] for key in common]]
  given = int(of_runs[first].get('conditioning_frames', 0)) if kind == 'samples' else 0
  text = 'The same conditions and seeds' if drawn else 'Of the same clips, at the latest evaluation'
  return [galleries.Gallery(
      title, videos, given, fps=float(of_runs[first].get('fps', galleries.DEFAULT_FPS)),
      text=f'{text}: a row each, a column a run.', max_bytes=max_bytes, by_condition=True,
      paired=kind == 'reconstructions')]


def _keys(arrays, kind, drawn):
  """{(condition, number of earlier rows of it): index of the row}, in order of the rows.

  Every row has noise of its own, so that rows of the same condition must be told apart.
  """
  count = len(arrays[kind])
  if 'data' in arrays:
    conditions = [np.ascontiguousarray(clip).tobytes() for clip in arrays['data']]
  elif drawn and 'labels' in arrays:
    conditions = [int(label) for label in arrays['labels']]
  else:
    conditions = [''] * count
  before, keys = collections.Counter(), {}
  for row, condition in enumerate(conditions[:count]):
    keys[condition, before[condition]] = row
    before[condition] += 1
  return keys
