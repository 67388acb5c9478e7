"""Curves as inline SVG: one small multiple per quantity.

An SVG here is a string to be put into an HTML page. Its background is transparent, its text takes
the font of the page, and its colors are CSS variables with fallbacks (`--ink`, `--rule` and
`--series-0`, `--series-1`, ...), so that it can be read on white and in a dark mode.
"""

import io
import math
import re
import typing

import matplotlib
from matplotlib import figure
from matplotlib import ticker
import numpy as np

from tf_videogen.model_directory import results as results_lib
from tf_videogen.reporting import glossary

WIDTH, HEIGHT = 3.7, 2.15  # Inches of 72 points; the page scales them.
MAX_POINTS = 600  # Of a raw curve; more would only make the file larger.
FEW_POINTS = 12  # Fewer points are marked one by one and not smoothed.
LOG_SCALE_FROM = 30.  # If max / min of a curve's values is above it, the axis is logarithmic.

# Placeholders that no drawing uses otherwise, and the colors that replace them in the SVG.
_INK, _RULE = '#010203', '#010204'
_SERIES = ['#010205', '#010206', '#010207', '#010208', '#010209', '#01020a']
_FALLBACKS = ['#2f6fb3', '#d9762b', '#2c9a6b', '#9a5bb5', '#b5475b', '#8a7a2a']
_COLORS = {_INK: 'var(--ink, #444)', _RULE: 'var(--rule, #ddd)',
           **{placeholder: f'var(--series-{i}, {color})'
              for i, (placeholder, color) in enumerate(zip(_SERIES, _FALLBACKS))}}
# Points and lines of several series that lie on each other: later ones are smaller and dashed.
_MARKERS = ('o', 's', '^', 'D', 'v', 'P')
_DASHES = ('-', (0, (4, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 3)), (0, (1, 3)))
_LOG_LOG = ('power_spectrum',)  # Metrics whose curves have both axes logarithmic.


class Plot(typing.NamedTuple):
  """One small multiple."""
  title: str
  svg: str
  legend: list  # Pairs (name, CSS color); empty if there is nothing to tell apart.

  def standalone(self):
    """The SVG for a file of its own, outside HTML."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return self.svg.replace('<svg', f'<svg {spaces} font-family="sans-serif"', 1)


def training_plots(log, results=()):
  """One plot per term of the training log, then one per metric that was evaluated repeatedly.

  Args:
    log: The rows of `results.read_training_log`.
    results: A list of `results.Result`; rows of protocols are left out. A metric with the name of a
      term is drawn into the plot of this term. Any other metric gets a plot if some split has it at
      two steps or more.

  Returns:
    A list of `Plot`: the loss first, the speed last.
  """
  terms = dict.fromkeys(name for row in log for name in row if name != 'step')
  evaluations = _evaluations(results)
  repeated = [metric for metric, splits in evaluations.items()
              if any(len(points) > 1 for points in splits.values())]
  names = dict.fromkeys([*terms, *repeated])
  order = sorted(names, key=lambda name: {'loss': 0, results_lib.SPEED: 2}.get(name, 1))
  plots = []
  for name in order:
    points = [(row['step'], row[name]) for row in log if name in row]
    plots.append(plot(glossary.metric(name).title, points, evaluations.get(name, {})))
  return plots


def plots_of_runs(logs, results):
  """One plot per term that runs have logged, then one per metric and split that they evaluated.

  A metric on a split gets a plot if some run has it at two steps or more.

  Args:
    logs: A dict of the rows of `results.read_training_log`, by run.
    results: A dict of lists of `results.Result`, by run; rows of protocols are left out.

  Returns:
    A list of `Plot` with one color per run: the loss first, then other terms, the speed, metrics.
  """
  evaluations = {run: _evaluations(rows) for run, rows in results.items()}
  terms = dict.fromkeys(name for log in logs.values() for row in log for name in row
                        if name != 'step')
  order = {'loss': 0, results_lib.SPEED: 2}
  plots = []
  for name in sorted(terms, key=lambda name: order.get(name, 1)):
    lines = {run: [(row['step'], row[name]) for row in log if name in row]
             for run, log in logs.items()}
    plots.append(plot_of_runs(glossary.metric(name).title, lines, {}))
  evaluated = dict.fromkeys((metric, split) for found in evaluations.values()
                            for metric, splits in found.items() for split in splits)
  for metric, split in evaluated:
    points = {run: found.get(metric, {}).get(split, []) for run, found in evaluations.items()}
    if any(len(some) > 1 for some in points.values()):
      plots.append(plot_of_runs(f'{glossary.metric(metric).title}, {split}', {}, points))
  return plots


def plot_of_runs(title, lines, points):
  """Draws one quantity of several runs against the training step.

  Args:
    title: The name of the quantity; the page prints it, the drawing does not.
    lines: A dict of lists of (step, value), by run: a smoothed line over a faint raw one.
    points: A dict of lists of (step, value) of evaluations, by run: markers.

  Returns:
    A `Plot`.
  """
  runs = list(dict.fromkeys([*lines, *points]))
  colors = {run: _SERIES[i % len(_SERIES)] for i, run in enumerate(runs)}
  svg = _against_the_step(title, f'{title} of the runs against the step',
                          [(colors[run], some) for run, some in lines.items()],
                          [(colors[run], some) for run, some in points.items()])
  return Plot(title, svg, [(run, _COLORS[color]) for run, color in colors.items()
                           if lines.get(run) or points.get(run)])


def plot(title, training, evaluations):
  """Draws one quantity against the training step.

  Args:
    title: The name of the quantity; the page prints it, the drawing does not.
    training: A list of (step, value): a smoothed line over a faint raw one.
    evaluations: A dict of lists of (step, value), by split: markers, one color per split.

  Returns:
    A `Plot`.
  """
  svg = _against_the_step(title, f'{title} against the step', [(_SERIES[0], training)],
                          list(zip(_split_colors(evaluations), evaluations.values())))
  legend = [('training', _COLORS[_SERIES[0]])] if training and evaluations else []
  if training or len(evaluations) > 1:
    legend += [(split, _COLORS[color])
               for split, color in zip(evaluations, _split_colors(evaluations))]
  return Plot(title, svg, legend)


def _against_the_step(title, label, lines, points):
  """The SVG of lists of (color, [(step, value), ...]): smoothed lines, and markers."""
  values = [value for _, some in [*lines, *points] for _, value in some]
  logarithmic = _is_wide([value for value in values if math.isfinite(value)])
  # Text stays text. Without a salt, ids in the SVG would change in every run.
  with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': title}):
    fig = figure.Figure(figsize=(WIDTH, HEIGHT), layout='constrained')
    axes = fig.add_subplot()
    _style(axes)
    for i, (color, some) in enumerate(filter(lambda series: series[1], lines)):
      _draw_training(axes, *np.array(some, np.float64).T, logarithmic, color, i)
    for i, (color, some) in enumerate(filter(lambda series: series[1], points)):
      _draw_evaluation(axes, color, *np.array(some, np.float64).T, i)
    _end_at_data(axes, [x for _, some in [*lines, *points] for x, _ in some], values)
    _scale(axes, 'y', logarithmic)
    return _svg(fig, label)


def curve_plots(points):
  """One plot per metric of a protocol, for the latest step that has it.

  Power spectra have series such as 'real, frame 3' and 'generated, frame 3'. These two share a
  plot, and every frame has its own plot.

  Args:
    points: A list of `results.CurvePoint`.

  Returns:
    A list of `Plot`, in the order of the points.
  """
  latest, groups, axes = {}, {}, {}
  for point in points:
    latest[point.metric] = max(point.step, latest.get(point.metric, point.step))
  for point in points:
    if point.step == latest[point.metric]:
      title, series = glossary.metric(point.metric).title, point.series
      if point.metric in _LOG_LOG and ', ' in series:
        series, _, part = series.rpartition(', ')
        title += f', {part}'
      line = groups.setdefault((point.metric, title), {}).setdefault(series, {})
      line[point.position] = (point.position, point.value, point.std)
      axes[point.metric] = point.axis
  return [line_plot(title, {name: sorted(line.values()) for name, line in series.items()},
                    axes[metric], metric in _LOG_LOG, metric in _LOG_LOG)
          for (metric, title), series in groups.items()]


def line_plot(title, series, x_label, log_x=False, log_y=False):
  """Draws lines, each with a faint band of one standard deviation to both sides.

  Args:
    title: The name of the quantity; the page prints it, the drawing does not.
    series: A dict of lists of (x, y, standard deviation), by name; a deviation of NaN has no band.
    x_label: The name of x, printed below the axis.
    log_x: Whether the horizontal axis is logarithmic.
    log_y: Whether the vertical axis is logarithmic.

  Returns:
    A `Plot`.
  """
  bands = {name: [(x, y, y - std, y + std) for x, y, std in points]
           for name, points in series.items()}
  return band_plot(title, bands, x_label, log_x, log_y)


def band_plot(title, series, x_label, log_x=False, log_y=False):
  """Draws lines, each within its band.

  Args:
    title, x_label, log_x, log_y: As in `line_plot`.
    series: A dict of lists of (x, y, low, high), by name; bounds that are NaN have no band.

  Returns:
    A `Plot`.
  """
  with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': title}):
    fig = figure.Figure(figsize=(WIDTH, HEIGHT), layout='constrained')
    axes = fig.add_subplot()
    _style(axes)
    for i, points in enumerate(series.values()):
      _draw_line(axes, i, *np.array(points, np.float64).T, log_y)
    _end_at_data(axes, [x for points in series.values() for x, *_ in points],
                 [y for points in series.values() for _, *ys in points for y in ys
                  if y > 0 or not log_y])
    whole = all(float(x).is_integer() for points in series.values() for x, *_ in points)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=whole))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(
        _step_label if x_label == 'step' else _value_label))
    _scale(axes, 'y', log_y)
    if log_x:
      _scale(axes, 'x', log_x)
    axes.set_xlabel(x_label, fontsize=8, color=_INK)
    svg = _svg(fig, f'{title} against the {x_label}')
  legend = [(name, _COLORS[_SERIES[i % len(_SERIES)]]) for i, name in enumerate(series)]
  return Plot(title, svg, legend if any(series) else [])


def smooth(values, width):
  """A Gaussian running mean that ignores values that are not finite.

  Args:
    values: float [N].
    width: The standard deviation of the Gaussian, in points.

  Returns:
    float [N]; NaN at points without a finite value nearby.
  """
  reach = max(1, int(3 * width))
  offsets = np.arange(-reach, reach + 1)
  kernel = np.exp(-0.5 * (offsets / width)**2)
  finite = np.isfinite(values)
  # The middle N of N + 2 reach values.
  total = np.convolve(np.where(finite, values, 0.), kernel)[reach:-reach]
  weight = np.convolve(finite.astype(np.float64), kernel)[reach:-reach]
  return np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), np.nan)


def _evaluations(results):
  """Sorted (step, value) points by metric and split; of two at one step, the later row counts."""
  found = {}
  for result in (result for result in results if not result.protocol):
    points = found.setdefault(result.metric, {}).setdefault(result.split, {})
    points[result.step] = result.value
  return {metric: {split: sorted(points.items()) for split, points in splits.items()}
          for metric, splits in found.items()}


def _split_colors(evaluations):
  """One color per split; the first color of all is left to training."""
  return [_SERIES[1 + i % (len(_SERIES) - 1)] for i in range(len(evaluations))]


def _draw_training(axes, steps, values, logarithmic, color, i):
  """Draws the smoothed line over the raw one; if points are few, one line with its points."""
  dashes = _DASHES[i % len(_DASHES)]
  if len(steps) < FEW_POINTS:
    axes.plot(steps, values, color=color, linewidth=1.5, linestyle=dashes, clip_on=False,
              **_marker(i, 3))
    return
  stride, width = math.ceil(len(steps) / MAX_POINTS), max(1., len(steps) / 50)
  line = np.exp(smooth(np.log(values), width)) if logarithmic else smooth(values, width)
  axes.plot(steps[::stride], values[::stride], color=color, linewidth=0.8, alpha=0.3)
  axes.plot(steps[::stride], line[::stride], color=color, linewidth=1.6, linestyle=dashes)


def _draw_evaluation(axes, color, steps, values, i):
  if len(steps) > 1:
    axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.5, zorder=3,
              linestyle=_DASHES[i % len(_DASHES)])
  axes.plot(steps, values, color=color, linestyle='none', zorder=4 + i, clip_on=False,
            **_marker(i, 5))


def _marker(i, size):
  """The marker of the series of number i, as arguments of matplotlib's `plot`."""
  return {'marker': _MARKERS[i % len(_MARKERS)], 'markersize': size * 0.8**i}


def _draw_line(axes, i, x, y, low, high, logarithmic):
  """Draws a line and its band, and points if they are few; on logarithmic axes, only above 0."""
  color = _SERIES[i % len(_SERIES)]
  if logarithmic:
    y = np.where(y > 0, y, np.nan)
    low = np.maximum(low, y / 10)
  if np.any(np.isfinite(low)):
    axes.fill_between(x, low, high, color=color, alpha=0.16, linewidth=0)
  axes.plot(x, y, color=color, linewidth=1.5, linestyle=_DASHES[i % len(_DASHES)])
  if len(x) < FEW_POINTS:
    axes.plot(x, y, color=color, linestyle='none', clip_on=False, zorder=4 + i, **_marker(i, 4))


def _end_at_data(axes, x, y):
  """Ends both axes where finite data do; an axis of a single value has it in the middle."""
  for values, limit in ((x, axes.set_xlim), (y, axes.set_ylim)):
    values = [value for value in values if math.isfinite(value)]
    if values and min(values) < max(values):
      limit(min(values), max(values))


def _style(axes):
  """Sets thin horizontal rules, no frame, and small text in the ink of the page."""
  for side in ('top', 'right', 'left'):
    axes.spines[side].set_visible(False)
  axes.spines['bottom'].set_color(_RULE)
  axes.grid(axis='y', color=_RULE, linewidth=0.7)
  axes.set_axisbelow(True)
  axes.tick_params(length=0, labelsize=8, labelcolor=_INK)
  axes.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=True))
  axes.xaxis.set_major_formatter(ticker.FuncFormatter(_step_label))
  axes.margins(x=0.02)


def _is_wide(values):
  """Whether finite values are positive and span so wide a range that the axis is logarithmic."""
  return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_SCALE_FROM


def _scale(axes, name, logarithmic):
  """Makes an axis, 'x' or 'y', logarithmic or linear, with few round ticks."""
  axis = {'x': axes.xaxis, 'y': axes.yaxis}[name]
  if not logarithmic:
    axis.set_major_locator(ticker.MaxNLocator(4))
    return
  axes.set(**{f'{name}scale': 'log'})
  low, high = axes.get_xlim() if name == 'x' else axes.get_ylim()
  # Less than three decades: two ticks per decade.
  subs = (1., 3.) if high / low < 1e3 else (1.,)
  axis.set_major_locator(ticker.LogLocator(subs=subs, numticks=5))
  axis.set_major_formatter(ticker.FuncFormatter(_value_label))
  axis.set_minor_locator(ticker.NullLocator())


def _value_label(value, unused_position):
  """0.1 -> '0.1', 0.00001 -> '10⁻⁵'."""
  exponent = math.log10(value) if value > 0 else 0
  if abs(exponent) < 4 or abs(exponent - round(exponent)) > 1e-6:
    return f'{value:g}'
  return '10' + str(round(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))


def _step_label(step, unused_position):
  """12000 -> '12k', 2500000 -> '2.5M'."""
  for unit, suffix in ((1e6, 'M'), (1e3, 'k')):
    if abs(step) >= unit:
      return f'{step / unit:g}{suffix}'
  return f'{step:g}'


def _svg(fig, label):
  """The figure as an <svg> element: no prolog, no metadata, colors by CSS variables."""
  fig.patch.set_alpha(0)
  for axes in fig.axes:
    axes.patch.set_alpha(0)
  buffer = io.StringIO()
  fig.savefig(buffer, format='svg', transparent=True)
  svg = buffer.getvalue()
  svg = svg[svg.index('<svg'):]
  svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
  svg = re.sub(r'<style.*?</style>', '', svg, flags=re.DOTALL)  # It would style the whole page.
  svg = re.sub(r'<!--.*?-->', '', svg, flags=re.DOTALL)
  svg = re.sub(r' xmlns(:xlink)?="[^"]*"', '', svg)  # HTML knows both.
  svg = re.sub(r' (width|height)="[\d.]+pt"', '', svg, count=2)  # The page decides; viewBox stays.
  svg = re.sub(r'(<g) id="[^"]*"', r'\1', svg)  # They would not be unique in the page.
  svg = re.sub(r'<g/>|<g>\s*</g>', '', svg)
  svg = re.sub(r' font-family: [^;"]*;', '', svg)
  svg = re.sub(r' transform="rotate\(-0[^"]*"', '', svg)
  svg = re.sub(r'\s+', ' ', svg)
  svg = svg.replace('<svg', f'<svg role="img" aria-label="{_attribute(label)}"', 1)
  for placeholder, color in _COLORS.items():
    svg = svg.replace(placeholder, color)
  return svg.strip()


def _attribute(text):
  return text.replace('&', '&amp;').replace('"', '&quot;').replace('<', '&lt;')
