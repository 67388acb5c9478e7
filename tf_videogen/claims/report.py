"""The page of claims: verdicts, dot plots with intervals, and samples of all arms side by side."""

import html

import matplotlib
from matplotlib import figure
from matplotlib import ticker
import numpy as np

from tf_videogen.claims import statistics
from tf_videogen.claims import table
from tf_videogen.data import video_io
from tf_videogen.reporting import galleries
from tf_videogen.reporting import glossary
from tf_videogen.reporting import page
from tf_videogen.reporting import plots

MAX_BYTES = 8_000_000  # for the pictures of all claims
INTRODUCTION = (
    'Every claim is put to the test with models of a size for two processor cores. The numbers '
    'of the papers are from models thousands of times larger, on other data: they tell what is '
    'claimed and cannot be compared with ours. Arms are paired by seeds and clips. A claim is '
    f'seen if the {statistics.LEVEL:.0%} interval of every difference lies wholly on the claimed '
    'side.')


class Table:
  """A block of a page: a table of texts, whose first row is its head."""

  def __init__(self, title, lines):
    self.title = title
    self.lines = lines

  def html(self):
    """The table as HTML."""
    cells = lambda line, tag: ''.join(f'<{tag}>{html.escape(text)}</{tag}>' for text in line)
    head, *body = self.lines
    rows = ''.join(f'<tr>{cells(line, "td")}</tr>' for line in body)
    return (f'<div><h3>{html.escape(self.title)}</h3><div class="scroll"><table><thead><tr>'
            f'{cells(head, "th")}</tr></thead><tbody>{rows}</tbody></table></div></div>')


class Drawing:
  """A block of a page: a `plots.Plot` as wide as the page."""

  def __init__(self, plot):
    self.plot = plot

  def html(self):
    """The drawing under its title, as HTML."""
    return (f'<figure><figcaption><b>{html.escape(self.plot.title)}</b></figcaption>'
            f'{self.plot.svg}</figure>')


def write(path, claims, rows, videos, curves):
  """Writes the page.

  Args:
    path: path of the HTML file.
    claims: {name: Claim}.
    rows: list of `table.Row`; claims without rows are left out.
    videos: a function of a claim's name: {arm's name: uint8 [N, T, H, W, C]}, and of conditions,
      'data'.
    curves: a function of a claim's name: {arm's name: list of (step, value)} of the measure in
      training, {} if it is no term of the loss.
  """
  done = [name for name in claims if any(row.claim == name for row in rows)]
  sections = [section(name, claims[name], [row for row in rows if row.claim == name], videos(name),
                      curves(name), MAX_BYTES // len(done)) for name in done]
  verdicts = [row for row in rows if row.kind == table.CLAIM and row.claim in claims]
  lines = [('claim', 'paper', 'verdict')] + [
      (claims[row.claim].statement, claims[row.claim].source, row.verdict) for row in verdicts]
  opening = page.Section('', [page.Text(INTRODUCTION, lead=True), page.Tiles([
      (str(sum(row.verdict == verdict for row in verdicts)), verdict)
      for verdict in (statistics.SEEN, statistics.NOT_SEEN, statistics.REVERSED)])])
  if verdicts:
    sections.insert(0, page.Section('Verdicts', [Drawing(overview(rows)), Table('', lines)],
                                    'verdicts'))
  page.write_page(path, 'What the papers claim, in miniature', [opening, *sections])


def overview(rows):
  """All differences and their intervals in percent of the other arm's mean: a `plots.Plot`.

  To the right of zero is what the paper claims.
  """
  names, places = [], []
  for row in (row for row in rows if row.kind == table.DIFFERENCE):
    runs = [run for run in rows if run.kind == table.RUN and run.claim == row.claim]
    sign = 100 if row.better == 'higher' else -100
    unit = sign / max(abs(table.mean(runs, row.arm)), 1e-9)
    names.append(f'{row.claim}, {row.arm}')
    places.append(sorted(unit * end for end in (row.low, row.value, row.high)))

  def draw(axes):
    axes.axvline(0, color=plots._INK, linewidth=.8)
    for place, (low, value, high) in enumerate(places):
      color = plots._SERIES[2 if low > 0 else 1 if high < 0 else 0]
      axes.plot([low, high], [place] * 2, color=color, linewidth=2)
      axes.plot([value], [place], 'o', color=color, markersize=4)
    axes.set_xlim(max(-120, axes.get_xlim()[0]), min(120, axes.get_xlim()[1]))

  return _dots('How much better the first arm is than another one, in percent of the other', names,
               draw, width=8)


def section(name, claim, rows, videos, curves, max_bytes):
  """The `page.Section` of a claim."""
  entry = glossary.metric(claim.measure.name)
  runs = [row for row in rows if row.kind == table.RUN]
  differences = [row for row in rows if row.kind == table.DIFFERENCE]
  first = claim.arms[0].name
  lines = [('arm', f'{entry.title}, mean over seeds', f'{first} minus it',
            f'{statistics.LEVEL:.0%} interval', 'verdict')]
  decided = {row.arm: (table.number(row.value),
                       f'{table.number(row.low)} to {table.number(row.high)}', row.verdict)
             for row in differences}
  for arm in dict.fromkeys(row.arm for row in runs):
    lines.append((arm, table.number(table.mean(runs, arm)), *decided.get(arm, ('', '', ''))))
  costs = [('arm', 'memory of the largest stage, MiB', 'all steps of all stages, TFLOP')] + [
      (arm, f'{memory:,.0f}', table.number(work)) for arm, memory, work in table.costs(rows)]
  seeds = len({row.seed for row in runs})
  tiles = [(row.verdict, 'the verdict') for row in rows if row.kind == table.CLAIM]
  tiles += [(str(seeds), 'seeds per arm'), (str(runs[0].clips), 'clips per seed'),
            (f'{sum(row.seconds for row in runs) / 60:.1f} min', 'for all runs')]
  blocks = [
      page.Text(claim.statement, lead=True),
      page.Text(f'{claim.source}. The paper, at its own scale: {claim.paper}'),
      page.Tiles(tiles), *[page.Text(note) for note in dict.fromkeys(
          row.note for row in runs if row.note)],
      Table(f'{entry.title}: {claim.better} is better. {entry.sentence}', lines),
      page.Curves('', [values_plot(entry.title, runs)] + (
          [differences_plot(f'{first} minus each other arm', differences)] if differences else [])
                  + ([training_plot(entry.title, curves)] if curves else [])),
      *([Table("Cost of an arm's training, by the TPU's compiler", costs)] if costs[1:] else [])]
  if videos:
    blocks.append(galleries.Gallery(
        'Seed 0: every row is one clip', videos, max_clips=4, max_bytes=max_bytes,
        by_condition=True))
  return page.Section(name, blocks, name)


def training_plot(title, curves):
  """The measure of every arm against the step of its training, seed 0: a `plots.Plot`."""
  return plots.plot_of_runs(f'{title} of batches in training', curves, {})


def picture(videos):
  """A moving picture of a claim's samples: a row per clip, a column for the data and each arm.

  Args:
    videos: {'data' or an arm's name: uint8 [N, T, H, W, C]}. Clips that are shorter than others
      begin anew. Frames of up to 64 pixels are enlarged to 64.

  Returns:
    The content of a GIF file, bytes.
  """
  frames = max(video.shape[1] for video in videos.values())
  columns = []
  for video in videos.values():
    video = video[:, np.arange(frames) % video.shape[1]]
    columns.append(video_io.enlarge(video, max(1, 64 // video.shape[2])))
  channels = max(video.shape[-1] for video in columns)
  columns = [np.broadcast_to(video, (*video.shape[:-1], channels)) for video in columns]
  cells = np.stack(columns, 1)  # [N, arms, T, H, W, C]
  return video_io.gif_bytes(video_io.grid(
      cells.reshape(-1, *cells.shape[2:]), columns=len(columns)), fps=5)


def values_plot(title, runs):
  """A dot per seed and a bar for the mean over seeds, one line per arm: a `plots.Plot`."""
  arms = list(dict.fromkeys(row.arm for row in runs))

  def draw(axes):
    for place, arm in enumerate(arms):
      values = [row.value for row in runs if row.arm == arm]
      axes.plot(values, [place] * len(values), 'o', color=plots._SERIES[0], alpha=.6, markersize=4)
      axes.plot([table.mean(runs, arm)], [place], '|', color=plots._INK, markersize=14)

  return _dots(title, arms, draw)


def differences_plot(title, differences):
  """A dot and an interval per difference, and a line at zero: a `plots.Plot`."""

  def draw(axes):
    axes.axvline(0, color=plots._INK, linewidth=.8)
    for place, row in enumerate(differences):
      axes.plot([row.low, row.high], [place] * 2, color=plots._SERIES[1], linewidth=2)
      axes.plot([row.value], [place], 'o', color=plots._SERIES[1], markersize=5)

  return _dots(title, [row.arm for row in differences], draw)


def _dots(title, names, draw, width=plots.WIDTH):
  """A `plots.Plot` with one line per name, on which `draw` puts dots."""
  with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': title}):
    fig = figure.Figure(figsize=(width, .55 + .28 * len(names)), layout='constrained')
    axes = fig.add_subplot()
    plots._style(axes)
    axes.grid(axis='x', color=plots._RULE, linewidth=.7)
    draw(axes)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - .5, -.5)
    plots._scale(axes, 'x', False)
    axes.margins(x=.1)
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter('%.3g'))
    return plots.Plot(title, plots._svg(fig, title), [])
