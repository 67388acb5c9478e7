"""The times and memory of TrIVD-GAN's Table 1, beside the TPU compiler's figures of our programs.

costs.md is made from tf_videogen/preflight/paper_scale.csv. The paper's milliseconds and gigabytes
are those of one core of TPU v3 with 8 clips (appendices E.3, F.4). Our programs are compiled for
the same.
"""

import pathlib

import numpy as np

from docs.preflight import paper_scale

PAGE = pathlib.Path(__file__).with_suffix('.md')
# Row: (end of the config's name, views, milliseconds, gigabytes), in the order of Table 1.
TABLE_1 = {
    'Clip': ('clip', 'clV', 488, 3.49),
    'Downsampled': ('downsampled', 'dV', 370, 3.01),
    'Cropped': ('cropped', 'crV', 371, 3.10),
    'Cropped + Downsampled': ('cropped_downsampled', 'dV, crV', 467, 3.30),
    'MoCoGAN-like, K = 1': ('mocogan_like_k1', 'F, clV', 568, 3.95),
    'MoCoGAN-like, K = 8': ('mocogan_like_k8', 'F, clV', 660, 3.95),
    'DVD-GAN-FP': ('dvd_gan_fp', 'F, dV', 537, 3.53),
    'DVD-GAN-FP, faster': ('faster', 'dF, crV', 453, 3.54),
    'DVD-GAN-FP, stronger': ('stronger', 'dF, dV, crV', 548, 3.65),
}
# Unit: (end of the config's name, milliseconds), appendix F.4.
UNITS = {'ConvGRU': ('conv_gru', 284), 'TSRU': ('tsru_p', 354),
         'Dynamic ConvLSTM': ('dynamic_conv_lstm', 6385)}


def discriminators(row):
  """The number of discriminators of a row of Table 1."""
  return TABLE_1[row][1].count(',') + 1


def found():
  """The figures of rows and units that paper_scale.csv has: {row or unit: {field: number}}."""
  rows = paper_scale.TABLE.read()
  names = {row: f'table1_{values[0]}' for row, values in TABLE_1.items()}
  names |= {unit: f'table2_{values[0]}' for unit, values in UNITS.items()}
  costs = {}
  for name, of_config in names.items():
    row = rows.get((f'trivd_gan/kinetics600_{of_config}.gin', 'train'))
    if row:
      costs[name] = {field: float(row[field]) for field in
                     ('peak_bytes', 'flops', 'bytes_accessed', 'bound_s')}
      costs[name]['label'] = name + ' (stale)' * bool(row['stale'])
  return costs


def fit(costs, field, further):
  """A least-squares fit of Table 1's milliseconds: a + b * field + c * further discriminators.

  Args:
    costs: as `found` returns them.
    field: 'flops', in units of 10^12, or 'bytes_accessed', in units of 10^9.
    further: whether there is a term c. Further discriminators are those besides the first one.

  Returns:
    [a, b] or [a, b, c], and the largest error in milliseconds.
  """
  scale = {'flops': 1e12, 'bytes_accessed': 1e9}[field]
  columns = np.array([[1.0, costs[row][field] / scale] + [discriminators(row) - 1.0] * further
                      for row in TABLE_1])
  times = np.array([ms for _, _, ms, _ in TABLE_1.values()])
  factors, *_ = np.linalg.lstsq(columns, times, rcond=None)
  return factors, np.abs(columns @ factors - times).max()


def page(costs):
  """The page of the tables, Markdown; `costs` as `found` returns them."""
  lines = [_HEAD]
  for row, (_, views, ms, gigabytes) in TABLE_1.items():
    cost = costs[row]
    peak = cost['peak_bytes'] / 1e9
    lines.append(f'| {cost["label"]} | {views} | {discriminators(row)} | {ms} | {gigabytes:.2f} | '
                 f'{peak:.2f} | {peak / gigabytes:.2f} | {cost["flops"] / 1e12:.2f} | '
                 f'{cost["bytes_accessed"] / 1e9:.1f} | {cost["bound_s"] * 1e3:.0f} |\n')
  lines.append(_FITS)
  for field, unit in (('flops', 'TFLOP'), ('bytes_accessed', 'GB')):
    for further in (False, True):
      (start, slope, *more), worst = fit(costs, field, further)
      more = f'{more[0]:.0f}' if more else '-'
      lines.append(f'| {unit} | {start:.0f} | {slope:.1f} | {more} | {worst:.0f} |\n')
  lines.append(_UNITS)
  base, base_ms = costs['ConvGRU'], UNITS['ConvGRU'][1]
  for unit, (_, ms) in UNITS.items():
    cost = costs[unit]
    ratio = lambda field, cost=cost: f'{cost[field] / base[field]:.2f}'
    lines.append(f'| {cost["label"]} | {ms} | {ms / base_ms:.2f} | {ratio("flops")} | '
                 f'{ratio("bytes_accessed")} | {ratio("bound_s")} | {cost["flops"] / 1e12:.2f} | '
                 f'{cost["bytes_accessed"] / 1e9:.1f} | {cost["peak_bytes"] / 1e9:.2f} |\n')
  return ''.join(lines)


_HEAD = """# What a step of TrIVD-GAN-FP costs

Made by `python -m docs.pages` of
[what the TPU's compiler says](../preflight/paper_scale.md). A step is two updates of the
discriminators and one of the generator, with 8 clips per core: three passes of G with 8, two of D
with 16 and one with 8 (appendix E.3). The compiler doesn't tell times: "ms at least" is by the
arithmetic and the memory bandwidth of a core, without sums over cores. "(stale)" marks a program
that has changed since it was compiled.

## Table 1: decompositions of the discriminator, ch = 48

| row | views | D | paper ms | paper GB | our GB | ratio | TFLOP | GB moved | ms at least |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""

_FITS = """
Among rows with equally many discriminators the order by FLOPs is the order by the paper's times.
What FLOPs leave unexplained is the number of networks: each has its own spectral normalization,
gradients to be summed over cores, optimizer's slots, and many small kernels, whatever it looks at.
Least squares of the paper's nine times, "ms = a + b x unit + c x further discriminators":

| unit | a | b | c | largest error, ms |
| --- | ---: | ---: | ---: | ---: |
"""

_UNITS = """
## Appendix F.4: recurrent units, with the "faster" discriminators

Ratios are to the ConvGRU's. FLOPs hardly tell the units apart, bytes do: TSRU warps states by
kernels of every position, and the Dynamic ConvLSTM reads an image for every pair of channels at
every step (which the paper calls prohibitively expensive).

| unit | paper ms | ratio | by FLOPs | by bytes | by ms at least | TFLOP | GB moved | our GB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""
