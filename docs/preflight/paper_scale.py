"""The papers' configs on cores of TPU v3: the table that `known` reads, and its page.

The table has one row per program, at the paper's batch. `python -m docs.evidence` makes the rows,
see there. `python -m docs.pages` makes the page.
"""

import pathlib
import re

from docs import shipped_configs
from docs.preflight import evidence
from tf_videogen.preflight import hardware
from tf_videogen.preflight import known

PAGE = pathlib.Path(__file__).with_suffix('.md')
# Starts of the names of configs that need more than the eight cores of all others. Clips per core:
# two (slices of videos) for the Video Transformer; eight for TrIVD-GAN, as the paper measured it
# (appendix E.3), or fewer if weights or videos are large; four for CVG and SSW-GAN, but two for
# CVG's third level of BDD100K, because four need 16.20 GiB and only 15.48 are free.
_TOPOLOGIES = {
    'v3:4x4': ('video_transformer/bair_spatiotemporal_large.gin',
               'video_transformer/bair_spatiotemporal_large_actions.gin',
               'video_transformer/bair_spatiotemporal_width2048.gin'),
    'v3:8x8': ('video_transformer/kinetics600_spatiotemporal_large.gin',
               'video_transformer/kinetics600_single_frame_large.gin',
               'video_transformer/kinetics600_first_slice_large.gin',
               'trivd_gan/dvd_gan_kinetics600_12_', 'cvg/kinetics600_', 'cvg/ucf101_',
               'cvg/bdd100k_ablation_', 'cvg/bdd100k_level3.gin', 'ssw_gan/'),
    'v3:16x16': ('trivd_gan/dvd_gan_kinetics600_48_', 'trivd_gan/kinetics600_table3.gin'),
    'v3:4x8': ('trivd_gan/', 'cvg/bdd100k_level'),  # the rest: the first match counts
}
# Configs whose evaluation and sampling are in the table, too.
_WHOLE = ('videogpt/bair_vqvae.gin', 'videogpt/bair_prior.gin', 'videogpt/ucf101_vqvae.gin',
          'videogpt/ucf101_prior.gin', 'video_transformer/bair_spatiotemporal.gin',
          'video_transformer/kinetics600_spatiotemporal.gin')
_NOT_TRAINED_AT_PAPER_SCALE = re.compile('quickstart|_small|_cooking|smoke|published/')


def _wanted():
  """The programs that the table should have, a list of evidence.Wanted."""
  found = [(name, 'train') for name in shipped_configs.NAMES
           if not _NOT_TRAINED_AT_PAPER_SCALE.search(name)]
  for name in _WHOLE:
    found += [(name, 'evaluate')] + ([] if 'vqvae' in name else [(name, 'sample')])
  return [evidence.Wanted((name, program), name, (), program, topology_of(name))
          for name, program in found]


def topology_of(name):
  """The TPU slice of a config: its cores share the batch."""
  found = [topology for topology, names in _TOPOLOGIES.items() if name.startswith(names)]
  return hardware.topology((found or ['v3:2x2'])[0])


TABLE = evidence.Table(known.PATH, ('config', 'program'), _wanted())


def _cells(row):
  """The cells of a row, for readers."""
  marks = ' (stale)' * bool(row['stale'])
  loops = f' + {row["loops_of_unknown_length"]} loops' * (row['loops_of_unknown_length'] > '0')
  at_most = '≤ ' * (row['loops_of_unknown_start'] > '0')
  hours = f'{float(row["core_hours"]):,.0f}' if row['core_hours'] else ''
  return (row['config'].removesuffix('.gin') + marks, row['program'],
          str(hardware.topology(row['topology']).cores), row['batch'],
          f'{int(row["parameters"]):,}', f'{int(row["peak_bytes"]) / 2**30:.2f}',
          f'{at_most}{float(row["flops"]) / 1e12:,.2f}{loops}',
          f'{at_most}{float(row["bytes_accessed"]) / 1e9:,.1f}', f'{float(row["bound_s"]):,.3f}',
          hours, f'{row["day"]}, {row["commit"]}')


def page(rows):
  """The page of the table, Markdown."""
  lines = [f'| {" | ".join(_cells(row))} |\n' for row in rows]
  return _HEAD.format(rows=len(lines), wanted=len(TABLE.wanted)) + ''.join(lines)


_HEAD = ("""# What the papers' configs cost on a core of TPU v3

The table shows what the TPU's compiler says of the configs at the paper's batch, over cores of 16
GiB each: {rows} of {wanted} programs. The Video Transformer trains on one slice of a clip.
`python -m launch.preflight` asks the same of one program:

    python -m launch.preflight --gin_file=CONFIG --program=PROGRAM --topology=TOPOLOGY

with `v3:2x2` for 8 cores, `v3:4x4` for 32, `v3:4x8` for 64, `v3:8x8` for 128, `v3:16x16` for 512.
Programs that are the same but for their number of steps are compiled once.

- Times are what a step takes at least, by the arithmetic and the memory bandwidth of a core. Sums
  over cores are not in them. [tpu.md](../tpu.md) explains.
- The body of a loop counts as often as it runs. Where only the data tell at which turn a loop
  begins, it counts from its first turn on, and figures with "≤" are upper bounds: the Video
  Transformer's sampling skips the pixels that are given. Where only the data tell how often a loop
  runs, it counts once: "+ 2 loops" says how many such loops a program has.
- The last column says on which day, and at which commit, a program was compiled. A row stays true
  as long as the program's operations, shapes and types do. "(stale)" marks a program that has
  changed since then; [the table](../../tf_videogen/preflight/paper_scale.csv) says how far its
  operations and bytes moved.
- `python -m docs.evidence` lists the stale rows. `python -m docs.evidence --compile NAME` compiles
  those that are asked for, and makes this page anew.

"""
         '| config | program | cores | clips per core | parameters | peak GiB | TFLOP | GB moved '
         '| step s | core-hours | compiled |\n'
         '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n')
