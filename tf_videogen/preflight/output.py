"""Costs as text for people, and tables and plots of sweeps."""

import io

import matplotlib
from matplotlib import figure

from tf_videogen import files
from tf_videogen.preflight import amounts
from tf_videogen.preflight import costs
from tf_videogen.preflight import hardware

_GIB = 1 << 30
gib, si, seconds, rounded = amounts.gib, amounts.si, amounts.seconds, amounts.rounded


def lines(cost, steps=None, efficiency=None, price=None):
  """Describes the cost of one program, as a list of lines.

  Args:
    cost: a costs.Cost.
    steps: number of steps of the whole training, for its core-hours; left out if None.
    efficiency: fraction of the bound's speed for the second figure of core-hours; left out if None.
    price: price per chip and hour, for the price of the training; left out if None.
  """
  if not cost.compiled:
    return [f'{cost.program}: does not compile for {cost.topology}, batch {cost.batch} per core: '
            f'{cost.error}']
  verdict = 'fits' if cost.fits else 'DOES NOT FIT'
  bound_by = 'arithmetic' if cost.compute_s >= cost.memory_s else 'memory bandwidth'
  out = [
      f'{cost.program}: batch {cost.batch} per core, compiled, {verdict}: {gib(cost.peak_bytes)} '
      f'of {gib(cost.hbm_bytes)} GiB',
      f'  arguments {gib(cost.argument_bytes)}, temporaries {gib(cost.temporary_bytes)}, code '
      f'{gib(cost.code_bytes)} GiB',
      f'  {si(cost.flops)}FLOP, {si(cost.bytes_accessed)}B moved, {cost.intensity:.0f} FLOP/B: at '
      f'least {seconds(cost.bound_s)} ({bound_by}; arithmetic alone {seconds(cost.compute_s)})']
  if cost.summed_bytes and cost.cores > 1:
    out.append(f'  {si(cost.summed_bytes)}B added up over the {cost.cores} cores, not in the bound')
  if cost.loops_of_unknown_length:
    out.append(f'  {cost.loops_of_unknown_length} loops whose length depends on the data are '
               'counted once')
  if cost.loops_of_unknown_start:
    out.append(f'  {cost.loops_of_unknown_start} loops whose start depends on the data are '
               'counted from their first turn: figures are upper bounds')
  if steps:
    out += _core_hours(cost, steps, efficiency, price)
  return out


def _core_hours(cost, steps, efficiency, price):
  """The lines of `lines` about the whole training."""
  def figures(unit, price_of_core=1):
    hours = lambda share: costs.core_hours(cost.bound_s, steps, cost.cores, share) * price_of_core
    text = f'{rounded(hours(1.0))}{unit} at the bound'
    return text if efficiency is None else (
        f'{text}, {rounded(hours(efficiency))} at {efficiency:.0%} of its speed')

  out = [f'  {steps:,} steps on {cost.cores} cores: {figures(" core-hours")}']
  if price is not None:
    of_core = price / hardware.topology(cost.topology).generation.cores
    out.append(f'  at {price:,.2f} per chip and hour, they cost {figures("", of_core)}')
  return out


def table(name, rows):
  """Formats a sweep as a table with one row per value.

  Args:
    name: the binding whose values are swept.
    rows: list of (value, Cost).

  Returns:
    str.
  """
  head = (name.split('.')[-1], 'parameters', 'fits', 'peak GiB', 'GFLOP', 'GB moved', 'bound s')
  body = [(str(value), f'{c.parameters:,}', 'yes' if c.fits else 'no',
           f'{c.peak_bytes / _GIB:.2f}', f'{c.flops / 1e9:,.0f}', f'{c.bytes_accessed / 1e9:,.1f}',
           f'{c.bound_s:.4f}') if c.compiled else
          (str(value), f'{c.parameters:,}', 'no', c.error) for value, c in rows]
  widths = [max(len(row[i]) for row in [head, *body] if len(row) == len(head) or i < 3)
            for i in range(len(head))]
  return '\n'.join('  '.join(cell.rjust(width) for cell, width in zip(row, widths))
                   for row in [head, *body])


def plot(path, name, rows):
  """Plots memory, FLOPs and time bound of a sweep against its values.

  Args:
    path: path of the file, SVG if it ends in .svg, else PNG.
    name, rows: see `table`.
  """
  rows = [(value, cost) for value, cost in rows if cost.compiled]
  values = [value for value, _ in rows]
  numeric = all(isinstance(value, (int, float)) for value in values)
  at = values if numeric else range(len(values))
  quantities = (
      ('peak memory per core, GiB', [cost.peak_bytes / _GIB for _, cost in rows]),
      ('TFLOP per core and step', [cost.flops / 1e12 for _, cost in rows]),
      ('bound on a step, s', [cost.bound_s for _, cost in rows]))
  fig = figure.Figure(figsize=(10.5, 3), layout='constrained')
  for axes, (title, heights) in zip(fig.subplots(1, 3), quantities):
    axes.plot(at, heights, 'o-', color='#2f6fb3')
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(name.split('.')[-1])
    axes.set_xticks(at, [str(value) for value in values], rotation=0 if numeric else 30)
    axes.set_ylim(bottom=0)
    axes.spines[['top', 'right']].set_visible(False)
  if rows:
    fig.axes[0].axhline(rows[0][1].hbm_bytes / _GIB, color='#d9762b', linestyle='--')
  file_format = 'svg' if path.endswith('.svg') else 'png'
  drawing = io.BytesIO()
  with matplotlib.rc_context({'svg.hashsalt': name}):
    fig.savefig(drawing, format=file_format, dpi=110)
  files.write(path, drawing.getvalue())
