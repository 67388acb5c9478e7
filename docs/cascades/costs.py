"""CVG's figure 3 and SSW-GAN's table of costs, by what the TPU's compiler says of our programs.

costs.md and its drawing are made of frames.csv (`programs`) and of paper_scale.csv.
"""

import io
import pathlib
import re
import typing

import matplotlib
from matplotlib import figure
import numpy as np

from docs.cascades import programs as cascade_programs
from tf_videogen.preflight import costs

PAGE = pathlib.Path(__file__).with_suffix('.md')
DRAWING = PAGE.with_name('frames.svg')
# What a program gets of a core's 16 GiB, as the compiler says where it refuses one: 15.48 GiB.
PROGRAM_MEGABYTES = 15.48 * 2**30 / 1e6
NOT_YET = 'not compiled yet'
_STALE = ' (stale)'
# Part: (name, color) in the drawing.
_DRAWN = {'level1': ('level 1: half of the frames, 64 x 64', '#2f6fb3'),
          'level2': ('level 2: windows of 12 frames, 128 x 128', '#2c9a6b'),
          'flat': ('flat: level 1 for all frames, 128 x 128', '#d9762b'),
          'dvd_gan': ('DVD-GAN, 128 x 128', '#8a63b5')}
# Parts whose memory is a straight line, and their names on the page.
_GROWING = {'level1': 'level 1', 'flat': 'flat', 'dvd_gan': 'DVD-GAN'}


def megabytes(rows, part, fitting=True):
  """{output frames: peak memory in 10^6 bytes} of a part: of what fits, or of what doesn't."""
  return {frames: int(row['peak_bytes']) / 1e6 for (of, frames), row in sorted(rows.items())
          if of == part and (row['fits'] == 'yes') == fitting and int(row['peak_bytes'])}


class Line(typing.NamedTuple):
  """Memory = start + slope * output frames, in 10^6 bytes; `worst` is the largest residual."""
  start: float
  slope: float
  worst: float

  def frames(self, memory):
    """How many output frames so many megabytes are enough for."""
    return max(0, int((memory - self.start) // self.slope))


def fit(rows, part):
  """Least squares of a part's memory, of the rows that fit: a Line."""
  frames, memory = map(np.array, zip(*megabytes(rows, part).items()))
  slope, start = np.polyfit(frames, memory, 1)
  return Line(start, slope, np.abs(start + slope * frames - memory).max())


def fittable(rows):
  """Whether the lines can be drawn."""
  return cascade_programs.complete(rows, *_GROWING) and all(
      len(megabytes(rows, part)) > 1 for part in _GROWING)


def _cell(rows, part, frames):
  """A program's memory for readers."""
  if frames not in cascade_programs.frames_of(part):
    return '–'
  row = rows.get((part, frames))
  if row is None:
    return NOT_YET
  if not int(row['peak_bytes']):
    return 'does not compile'
  return (f'{int(row["peak_bytes"]) / 1e6:,.0f}' + ', does not fit' * (row['fits'] != 'yes')
          + _STALE * bool(row['stale']))


def _memory_lines(rows):
  """Figure 3's table."""
  lengths = sorted({frames for part in _DRAWN for frames in cascade_programs.frames_of(part)})
  cells = [[str(frames), *(_cell(rows, part, frames) for part in _DRAWN)] for frames in lengths]
  return ''.join(f'| {" | ".join(row)} |\n' for row in cells)


def _line_lines(rows):
  """The straight lines, and how many frames the same memory is enough for."""
  if not fittable(rows):
    return (f'{_LINES}| all | {NOT_YET} | | |\n{_GROWTH}| all | {NOT_YET} | | |\n'
            f'{_SAME_MEMORY}| ours | {NOT_YET} | | | |\n')
  lines = {name: fit(rows, part) for part, name in _GROWING.items()}
  text = _LINES
  for name, line in lines.items():
    text += f'| {name} | {line.start:,.0f} | {line.slope:.1f} | {line.worst:,.0f} |\n'
  for name in ('flat', 'DVD-GAN'):
    text += f'| {name} / level 1 | | {lines[name].slope / lines["level 1"].slope:.1f} | |\n'
  text += _growth_lines(rows) + _SAME_MEMORY
  budgets = {'all of a core, 15.48 GiB': PROGRAM_MEGABYTES}
  if cascade_programs.complete(rows, 'level2') and megabytes(rows, 'level2'):
    budgets = {"level 2's": max(megabytes(rows, 'level2').values()), **budgets}
  for name, memory in budgets.items():
    level1, flat, dvd_gan = (line.frames(memory) for line in lines.values())
    times = f'{level1 / flat:.1f}' if flat else '–'
    text += f'| {name}, {memory:,.0f} MB | {level1:,} | {flat:,} | {times} | {dvd_gan:,} |\n'
  longest = [max(megabytes(rows, part)) for part in _GROWING]
  beyond = megabytes(rows, 'flat', fitting=False)
  times, flat = '–', f'{longest[1]}'
  if beyond:
    times, flat = f'more than {longest[0] / min(beyond):.1f}', f'{flat}, but not {min(beyond)}'
  return text + f'| compiled, and fits | {longest[0]} | {flat} | {times} | {longest[2]} |\n'


def growth(rows, part):
  """What each more frame takes: {(frames, more frames): (10^6 bytes, 10^9 operations)}."""
  frames = list(megabytes(rows, part))
  amounts = [np.array([int(row['peak_bytes']) / 1e6, float(row['flops']) / 1e9])
             for row in (rows[part, length] for length in frames)]
  return {(frames[i], frames[i + 1]):
          tuple((amounts[i + 1] - amounts[i]) / (frames[i + 1] - frames[i]))
          for i in range(len(frames) - 1)}


def _growth_lines(rows):
  """The table of growth, length by length."""
  text = _GROWTH
  for part, name in _GROWING.items():
    for (short, long), (memory, operations) in growth(rows, part).items():
      text += f'| {name} | {short} to {long} | {memory:.1f} | {operations:,.0f} |\n'
  level1, flat = (growth(rows, part) for part in ('level1', 'flat'))
  for ends in sorted(level1.keys() & flat.keys()):
    memory, operations = np.divide(flat[ends], level1[ends])
    text += f'| flat / level 1 | {ends[0]} to {ends[1]} | {memory:.1f} | {operations:.1f} |\n'
  return text


def of_stages(rows, scale):
  """{(name, clips per core): row} of SSW-GAN's table; None for what isn't compiled yet.

  Args:
    rows: as `programs.read` returns them.
    scale: as `paper_scale.TABLE.read` returns them.
  """
  dvd_gan = lambda frames: scale.get((cascade_programs.DVD_GAN.format(frames=frames), 'train'))
  found = {(f'stage {i}', 4): scale.get((cascade_programs.STAGE.format(number=i), 'train'))
           for i in (1, 2)}
  found['DVD-GAN, 12 frames', 4] = dvd_gan(12)
  found |= {(f'stage {i}', 1): rows.get((f'stage{i}', 50)) for i in (1, 2)}
  found['DVD-GAN, 48 frames', 1] = dvd_gan(48)
  for (name, clips), row in found.items():
    if row and int(row['batch']) != clips:
      raise ValueError(f'{name} is compiled with {row["batch"]} clips per core, not with {clips}')
  return found


def _cores(clips):
  """Cores of the configs' batch of 512."""
  return cascade_programs.TOPOLOGY.cores // clips


def _core_hours(row, clips):
  """Core-hours of the whole training."""
  return costs.core_hours(float(row['bound_s']), int(row['train_steps']), _cores(clips))


def _stage_lines(found):
  """SSW-GAN's table of the programs."""
  text = _STAGES
  for (name, clips), row in found.items():
    cells = [NOT_YET, '', '', '', '', '']
    if row:
      cells = [f'{int(row[field]) / 1e9:.2f}'
               for field in ('peak_bytes', 'argument_bytes', 'temporary_bytes')]
      cells += [f'{float(row["bound_s"]) * 1e3:,.0f}', f'{int(row["train_steps"]):,}',
                f'{_core_hours(row, clips):,.0f}']
      name += _STALE * bool(row['stale'])
    text += f'| {name} | {clips} | {_cores(clips)} | {" | ".join(cells)} |\n'
  return text


def ratios(found):
  """What stages save: {(key of _STATEMENTS, their clips per core): number, None if not known}."""
  whole = found['DVD-GAN, 48 frames', 1]
  # Memory is compared for equally many clips.
  saved = dict.fromkeys((('peak_bytes', 1), ('temporary_bytes', 1), ('core_hours', 1),
                         ('core_hours', 4)))
  for key, clips in saved:
    stages = [found[f'stage {i}', clips] for i in (1, 2)]
    if whole and all(stages):
      saved[key, clips] = (
          sum(_core_hours(row, clips) for row in stages) / _core_hours(whole, 1)
          if key == 'core_hours' else int(whole[key]) / max(int(row[key]) for row in stages))
  return saved


def _ratio_lines(found):
  """The paper's two statements beside ours."""
  text = _RATIOS
  for (key, clips), value in ratios(found).items():
    statement, printed = _STATEMENTS[key]
    text += f'| {statement} | {clips} | {printed} | {f"{value:.2f}" if value else NOT_YET} |\n'
  return text


def page(rows, scale):
  """The tables for readers, Markdown; arguments as of `of_stages`."""
  found = of_stages(rows, scale)
  picture = _PICTURE if drawable(rows) else ''
  return ''.join((_HEAD, picture, _MEMORY, _memory_lines(rows), _line_lines(rows),
                  _stage_lines(found), _ratio_lines(found)))


_HEAD = f"""# What cascades cost

Made by `python -m docs.pages` of what the TPU's compiler says of training steps
on a core of TPU v3: [frames.csv](frames.csv), one clip per core, and
[paper_scale.md](../preflight/paper_scale.md). MB are 10^6 bytes. The compiler doesn't tell times:
what a step and a training take is what they take at least, by the arithmetic and the memory
bandwidth of a core, without sums over cores. "(stale)" marks a program that has changed since it
was compiled.

## CVG, figure 3: memory by the number of output frames

The paper: "The first level generates half the total output frames at 64x64, while the second level
is trained to upscale windows of 6 frames into 12 128x128 frames regardless of the first level
output length. [...] the second level has a fixed memory cost of 10290MB [...]. Given the same GPU
memory budget, our model can generate sequences of up to 140 frames, more than twice the number of
frames compared to a non-hierarchical model." It measured GPUs, with a batch that it doesn't print.

Level 1 is [cvg/ucf101_level1](../../gin/cvg/ucf101_level1.gin); level 2 is
[cvg/ucf101_level2](../../gin/cvg/ucf101_level2.gin) in windows, and has the frozen level 1 in it,
whose whole videos it draws at every step. The paper's "comparable non-hierarchical model" is taken
for level 1 itself, with all frames, of 128x128 pixels: "flat" has one unit, and one block of each
discriminator, more. [DVD-GAN](../../gin/trivd_gan/dvd_gan_kinetics600_48_128.gin), of SSW-GAN's
sizes for 128x128, has half as many channels where pixels are many. All have the classes of UCF-101,
{cascade_programs.JUDGED} frames for the discriminator of frames, the plain projection head, neither
penalty nor average of weights: frames.csv has the bindings. Level 2 is compiled for the shortest
and the longest videos.
"""

_PICTURE = """
![Memory by the number of output frames](frames.svg)
"""

_MEMORY = """
| output frames | level 1, MB | level 2, MB | flat, MB | DVD-GAN, MB |
| ---: | ---: | ---: | ---: | ---: |
"""

_LINES = """
Straight lines through the rows that fit, "MB = start + slope x output frames":

| | start | slope, MB per frame | largest residual, MB |
| --- | ---: | ---: | ---: |
"""

_GROWTH = """
Length by length. Where memory comes close to the core's, the compiler keeps less of a step and
computes it again instead: memory grows less then, and operations grow more. The lines above have
this in them, the first rows of level 1 and of "flat" don't.

| | output frames | MB per frame | 10^9 operations per frame |
| --- | --- | ---: | ---: |
"""

_SAME_MEMORY = """
Output frames in the same memory, by these lines:

| memory | level 1 | flat | times as many | DVD-GAN |
| --- | ---: | ---: | ---: | ---: |
| the paper: level 2's, 10,290 MB | 140 | less than half of that | more than 2 | – |
"""

_STAGES = """
## SSW-GAN, computational costs

The paper compares a DVD-GAN with its SSW-GAN equivalent: "Our model takes roughly half of the
training time and requires 4x less GPU memory." Our copy has lost the table's numbers. Here, on
Kinetics-600 at 128 x 128 pixels with a batch of 512:
[stage 1](../../gin/ssw_gan/kinetics600_stage1.gin), 25 frames of 32 x 32;
[stage 2](../../gin/ssw_gan/kinetics600_stage2.gin), windows of 12 frames, with the frozen stage 1
in it; DVD-GAN of [12](../../gin/trivd_gan/dvd_gan_kinetics600_12_128.gin) and of
[48](../../gin/trivd_gan/dvd_gan_kinetics600_48_128.gin) frames. Weights, the optimizer's slots
and the copy of G that has standing statistics among them, take the same memory for any number of
clips; temporaries are mostly what clips take.

| program | clips per core | cores | peak GB | weights | temporaries | ms | steps | core-hours |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""

_RATIOS = """
SSW-GAN's memory is that of the stage that takes more, its training that of both, one after the
other; DVD-GAN is that of 48 frames, with one clip per core:

| | clips per core of the stages | the paper | ours |
| --- | ---: | ---: | ---: |
"""

_STATEMENTS = {
    'peak_bytes': ('peak memory, DVD-GAN / SSW-GAN', '4'),
    'temporary_bytes': ('temporaries alone, DVD-GAN / SSW-GAN', '–'),
    'core_hours': ('core-hours, SSW-GAN / DVD-GAN', 'roughly 0.5')}


def drawable(rows):
  """Whether there is anything to draw."""
  return any(megabytes(rows, part) for part in _DRAWN)


def drawing(rows):
  """Our figure 3, an SVG in bytes: programs, hollow where they don't fit, and straight lines."""
  with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': 'frames'}):
    fig = figure.Figure(figsize=(6.4, 3.8), layout='constrained')
    axes = fig.add_subplot()
    for part, (name, color) in _DRAWN.items():
      _draw_part(axes, rows, part, name, color)
    _style(axes)
    fig.legend(loc='outside lower center', frameon=False, fontsize=8)
    written = io.BytesIO()
    fig.savefig(written, format='svg', metadata={'Date': None})
  # The name of the one area depends on how NumPy writes numbers.
  return re.sub(rb'(?<=["#])p[0-9a-f]{10}(?=[")])', b'area', written.getvalue())


def _draw_part(axes, rows, part, name, color):
  """A part's marks, and its line once it is known."""
  memory, beyond = megabytes(rows, part), megabytes(rows, part, fitting=False)
  axes.plot(list(memory), list(memory.values()), 'o', color=color, label=name, markersize=5)
  axes.plot(list(beyond), list(beyond.values()), 'o', color=color, fillstyle='none', markersize=5)
  if part == 'level2':
    axes.plot(list(memory), list(memory.values()), color=color)
  elif fittable(rows):
    line, ends = fit(rows, part), np.array([0, max([*memory, *beyond])])
    axes.plot(ends, line.start + line.slope * ends, color=color)


def _style(axes):
  """Axes from zero on, and the memory of a core that a program gets."""
  frames = cascade_programs.frames_of('level1')
  axes.axhline(PROGRAM_MEGABYTES, color='#999999', linestyle='--', linewidth=1)
  axes.annotate('15.48 GiB', (frames[-1], PROGRAM_MEGABYTES), (0, 3), textcoords='offset points',
                ha='right', fontsize=8, color='#666666')
  axes.set(xlabel='output frames', ylabel='memory of a core with one clip, MB', ylim=(0, None),
           xlim=(0, frames[-1] + 4), xticks=[0, *frames])
  axes.yaxis.set_major_formatter('{x:,.0f}')
  axes.spines[['top', 'right']].set_visible(False)
