"""Compiles every paper-scale config for a TPU v3 core and keeps what the compiler says.

    python -m tests.preflight.paper_scale [videogpt/bair_prior.gin ...]

brings docs/preflight/paper_scale.csv, and the page beside it, up to date: a row a program, compiled
again only where the program has another digest, and once for all configs whose program is the same.
A few minutes a program, one at a time, in the order of the names that are given; stopped, it goes
on where it was.
"""

import csv
import io
import pathlib
import re
import sys
import time

from tests import shipped_configs
from tf_videogen import experiment
from tf_videogen import files
from tf_videogen.launch import configs
from tf_videogen.launch import tpu_programs
from tf_videogen.preflight import compiler
from tf_videogen.preflight import costs
from tf_videogen.preflight import hardware

TABLE = pathlib.Path(__file__).parents[2] / 'docs' / 'preflight' / 'paper_scale.csv'
PAGE = TABLE.with_suffix('.md')
# Configs, by how their names begin, for more cores than the eight of the others: two clips (slices
# of videos) a core of the Video Transformer; eight of TrIVD-GAN, as the paper measured it (appendix
# E.3), or fewer, where weights or videos are large; four of CVG and SSW-GAN, two of CVG's third
# level of BDD100K, of which four want 16.20 GiB where 15.48 are free.
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
    'v3:4x8': ('trivd_gan/', 'cvg/bdd100k_level'),  # all others
}
_FIELDS = ('config', 'program', 'topology', 'batch', 'parameters', 'digest', 'fits', 'peak_bytes',
           'argument_bytes', 'temporary_bytes', 'code_bytes', 'flops', 'bytes_accessed', 'bound_s',
           'train_steps', 'core_hours', 'error')
# Evaluation and sampling of these, too.
_WHOLE = ('videogpt/bair_vqvae.gin', 'videogpt/bair_prior.gin', 'videogpt/ucf101_vqvae.gin',
          'videogpt/ucf101_prior.gin', 'video_transformer/bair_spatiotemporal.gin',
          'video_transformer/kinetics600_spatiotemporal.gin')
_NOT_TRAINED_AT_PAPER_SCALE = re.compile('quickstart|_small|_cooking|smoke')


def wanted():
  """The programs that the table has: a list of (config, program)."""
  found = [(name, 'train') for name in shipped_configs.NAMES
           if not _NOT_TRAINED_AT_PAPER_SCALE.search(name)]
  for name in _WHOLE:
    found += [(name, 'evaluate')] + ([] if 'vqvae' in name else [(name, 'sample')])
  return found


def topology_of(name):
  """The slice of TPUs that shares a config's batch."""
  found = [topology for topology, names in _TOPOLOGIES.items() if name.startswith(names)]
  return hardware.topology((found or ['v3:2x2'])[0])


def export(name, program):
  """(Experiment, Program) of a row: the paper's batch over the cores of the topology."""
  configs.parse([name], [], needs_all=False)
  config = configs.configured(experiment.Experiment)()
  batch = config.batch_size // topology_of(name).cores
  return config, tpu_programs.export_apart(tpu_programs.Request(
      (name,), (), None, program, batch,
      *shipped_configs.unprepared(config.clips)))


def read():
  """The table: {(config, program): row}, all values text."""
  if not TABLE.exists():
    return {}
  with open(TABLE, newline='') as f:
    return {(row['config'], row['program']): row for row in csv.DictReader(f)}


def row_of(name, config, exported):
  """Compiles a program; its row, all values text."""
  topology = topology_of(name)
  cost = costs.cost(exported, compiler.compile_program(exported, topology, say=print), topology)
  values = {**cost._asdict(), 'config': name, 'digest': exported.digest,
            'fits': 'yes' if cost.fits else 'no', 'flops': f'{cost.flops:.6g}',
            'bytes_accessed': f'{cost.bytes_accessed:.6g}', 'bound_s': f'{cost.bound_s:.5g}',
            'train_steps': '', 'core_hours': ''}
  return adopted({field: str(values[field]) for field in _FIELDS}, name, config.train_steps)


def same(rows, name, exported):
  """The row of the same program of another config; None if there is none."""
  key = (exported.name, exported.digest, topology_of(name).name)
  return next((row for row in rows.values() if row['config'] != name
               and (row['program'], row['digest'], row['topology']) == key), None)


def adopted(row, name, train_steps):
  """The row of a program as that of a config, which trains for as many steps."""
  row = {**row, 'config': name}
  if row['program'] == 'train':
    cores = hardware.topology(row['topology']).cores
    hours = costs.core_hours(float(row['bound_s']), train_steps, cores)
    row.update(train_steps=str(train_steps), core_hours=f'{hours:.1f}')
  return row


def write(rows):
  """Writes the table and its page, in the order of `wanted`."""
  rows = [rows[key] for key in wanted() if key in rows]
  text = io.StringIO()
  writer = csv.DictWriter(text, _FIELDS, lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows)
  files.write(str(TABLE), text.getvalue())
  files.write(str(PAGE), page(rows))


_HEAD = ("""# What the papers' configs cost on a core of TPU v3

What the TPU's compiler says of the configs at the paper's batch, over cores of 16 GiB each: {rows}
of {wanted} programs. The Video Transformer trains on one slice of a clip. Made by
`python -m tests.preflight.paper_scale`; one row by

    python -m launch.preflight --gin_file=CONFIG --program=PROGRAM --topology=TOPOLOGY

with `v3:2x2` for 8 cores, `v3:4x4` for 32, `v3:4x8` for 64, `v3:8x8` for 128, `v3:16x16` for 512.
Programs that are the same but for their number of steps are compiled once. Times are what a step
takes at least, by the arithmetic and the memory bandwidth of a core; sums over cores are not in
them. [tpu.md](../tpu.md) explains.

"""
         '| config | program | cores | clips a core | parameters | peak GiB | TFLOP | GB moved '
         '| step s | core-hours |\n'
         '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n')


def page(rows):
  """The table for readers, Markdown."""
  lines = []
  for row in rows:
    hours = f'{float(row["core_hours"]):,.0f}' if row['core_hours'] else ''
    cells = (row['config'].removesuffix('.gin'), row['program'],
             str(hardware.topology(row['topology']).cores), row['batch'],
             f'{int(row["parameters"]):,}', f'{int(row["peak_bytes"]) / 2**30:.2f}',
             f'{float(row["flops"]) / 1e12:,.2f}', f'{float(row["bytes_accessed"]) / 1e9:,.1f}',
             f'{float(row["bound_s"]):,.3f}', hours)
    lines.append(f'| {" | ".join(cells)} |\n')
  return _HEAD.format(rows=len(lines), wanted=len(wanted())) + ''.join(lines)


def main(names):
  """Brings the rows of these configs up to date, of all by default."""
  unknown = set(names) - {name for name, _ in wanted()}
  if unknown:
    sys.exit(f'no such config: {", ".join(sorted(unknown))}')
  chosen = wanted()
  if names:
    chosen = sorted((key for key in chosen if key[0] in names), key=lambda key: names.index(key[0]))
  for name, program in chosen:
    start = time.time()
    config, exported = export(name, program)
    rows = read()
    old = rows.get((name, program))
    if old is None or old['digest'] != exported.digest:
      row = same(rows, name, exported)
      rows[name, program] = (adopted(row, name, config.train_steps) if row
                             else row_of(name, config, exported))
      write(rows)
    row = rows[name, program]
    print(f'{name} {program}: fits: {row["fits"]}, {int(row["peak_bytes"]) / 2**30:.2f} GiB, '
          f'{time.time() - start:.0f} s {row["error"]}', flush=True)


if __name__ == '__main__':
  main(sys.argv[1:])
