"""Tells what a config costs on a TPU before you rent one: asks the TPU's compiler, without a TPU.

    python -m launch.preflight --gin_file=videogpt/bair_prior.gin --topology=v3:2x2
    python -m launch.preflight --gin_file=... --sweep=videogpt.LatentTransformer.layers=2,4,8,16

Prints known figures of the suite's own configs. Then builds the programs of one core, compiles
them, and prints memory, FLOPs, a bound on the time of a step, core-hours, and, if a program does
not fit, the batch that does. Sums over replicas are not included. The first use installs the
compiler into a folder of its own, 1.1 GB. The exit status is 0 if all programs compile and fit.
"""

import ast
import json
import re
import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.launch import tpu_programs

with lazy.imports():
  from tf_videogen import experiment
  from tf_videogen import files
  from tf_videogen.model_directory import origin
  from tf_videogen.preflight import compiler
  from tf_videogen.preflight import costs
  from tf_videogen.preflight import hardware
  from tf_videogen.preflight import known
  from tf_videogen.preflight import output
  from tf_videogen.preflight import waiting

flags.DEFINE_string('topology', 'v3:2x2', 'TPU slice: generation:chips along each axis, or its '
                    'type, such as v3-8.')
flags.DEFINE_multi_enum('program', ['train'], ['train', 'evaluate', 'sample', 'record'],
                        'What to compile; may be repeated. `record` makes standing statistics.')
flags.DEFINE_integer('batch_per_core', None, "Clips per core; by default the config's batch over "
                     'all cores of the slice.', lower_bound=1)
flags.DEFINE_bool('find_batch', False, 'Find the largest batch per core that fits, even '
                  'if the chosen batch fits.')
flags.DEFINE_float('efficiency', 0.4, "Share of the bound's speed at which core-hours are "
                   'printed, too.', lower_bound=0.01, upper_bound=1.0)
flags.DEFINE_float('price_per_chip_hour', None, 'Price per chip and hour, to print the price of '
                   'training.',
                   lower_bound=0.0)
flags.DEFINE_string('sweep', None, 'BINDING=V1,V2,...: print a table with one row per value.')
flags.DEFINE_string('plot', None, 'File (.png or .svg) for a plot of the sweep.')
flags.DEFINE_bool('json', False, 'Print one line of JSON per program.')
flags.DEFINE_string('export_hlo', None, 'Also write the HLO of the (one) program into this file.')
shared_flags.declare('gin_file', 'gin_param', 'data_dir', *shared_flags.UNPREPARED)


def _say(words):
  print(f'preflight: {words}', file=sys.stderr, flush=True)


def _config(extra=()):
  values = flags.FLAGS
  if not values.gin_file:
    raise ValueError('--gin_file is missing: give the config, such as videogpt/bair_prior.gin')
  configs.parse(values.gin_file, [*values.gin_param, *extra], values.data_dir, needs_all=False)
  return configs.configured(experiment.Experiment)()


def _batch(config, topology, name='train'):
  if flags.FLAGS.batch_per_core:
    return flags.FLAGS.batch_per_core
  if name == 'record':
    return max(1, -(-config.task().standing_batch // topology.cores))
  if config.batch_size % topology.cores:
    raise ValueError(f'Experiment.batch_size = {config.batch_size} is not divisible by the '
                     f'{topology.cores} cores of {topology.name}; choose another --topology or '
                     '--batch_per_core')
  return config.batch_size // topology.cores


def _cost(name, topology, batch, export_to=None, extra=()):
  values = flags.FLAGS
  with waiting.told(_say, f'building {name}, batch {batch}'):
    exported = tpu_programs.export_apart(tpu_programs.Request(
        tuple(values.gin_file), (*values.gin_param, *extra), values.data_dir, name, batch,
        values.clip_shape, values.actions))
  if export_to:
    files.write(export_to, exported.hlo)
  return costs.cost(exported, compiler.compile_program(exported, topology, _say), topology)


def _is_the_run(config, cost):
  """Whether the program is a step of the config's training, so that core-hours can be given."""
  return (cost.program == 'train' and cost.compiled
          and cost.batch * cost.cores == config.batch_size)


def _as_json(config, cost, extra):
  fields = {**cost._asdict(), **extra}
  if _is_the_run(config, cost):
    hours = costs.core_hours(cost.bound_s, config.train_steps, cost.cores)
    fields.update(train_steps=config.train_steps, core_hours=hours,
                  core_hours_at_efficiency=hours / flags.FLAGS.efficiency,
                  efficiency=flags.FLAGS.efficiency)
    if flags.FLAGS.price_per_chip_hour is not None:
      chip = hardware.topology(cost.topology).generation.cores
      fields.update(price=hours / chip * flags.FLAGS.price_per_chip_hour)
  return json.dumps(fields)


def _check(config, name, topology):
  """Prints the cost of one program; returns whether it fits."""
  batch = _batch(config, topology, name)
  cost, extra = _cost(name, topology, batch, flags.FLAGS.export_hlo), {}
  if not flags.FLAGS.json:
    steps = config.train_steps if _is_the_run(config, cost) else None
    print('\n'.join(output.lines(cost, steps, flags.FLAGS.efficiency,
                                 flags.FLAGS.price_per_chip_hour)), flush=True)
  if flags.FLAGS.find_batch or cost.too_large:
    fits = lambda size: (cost if size == batch else _cost(name, topology, size)).fits
    largest = costs.largest_batch(fits, batch)
    clips = batch * topology.cores if name == 'record' else config.batch_size
    cores = costs.smallest_cores(clips, largest)
    extra.update(largest_batch=largest, smallest_cores=cores)
    if not flags.FLAGS.json:
      print(f'  largest batch per core that fits: {largest}')
      print(f"  smallest number of cores for the config's {clips} clips: {cores or '-'}")
  if flags.FLAGS.json:
    print(_as_json(config, cost, extra), flush=True)
  return cost.fits


def _values(sweep):
  """'name=1,2,(3, 4)' -> ('name', ['1', '2', '(3, 4)'])."""
  name, _, text = sweep.partition('=')
  values = re.findall(r"(?:\([^)]*\)|\[[^\]]*\]|'[^']*'|[^,])+", text)
  if not name or not values:
    raise ValueError(f'--sweep={sweep} must be BINDING=V1,V2,...')
  return name, [value.strip() for value in values]


def _check_flags():
  values = flags.FLAGS
  if values.sweep and (values.find_batch or values.export_hlo or len(values.program) > 1):
    raise ValueError('--sweep takes one --program, and no --find_batch or --export_hlo')
  if values.plot and not values.sweep:
    raise ValueError('--plot draws a --sweep: give one')
  if values.export_hlo and len(values.program) > 1:
    raise ValueError('--export_hlo takes one --program')


def _sweep(topology):
  """Prints the table of a sweep; returns whether all fit."""
  name, values = _values(flags.FLAGS.sweep)
  rows = []
  for value in values:
    binding = [f'{name}={value}']
    config = _config(binding)
    program_name = flags.FLAGS.program[0]
    cost = _cost(program_name, topology, _batch(config, topology, program_name), extra=binding)
    rows.append((_number(value), cost))
    if flags.FLAGS.json:
      print(_as_json(config, cost, {'binding': name, 'value': value}), flush=True)
  if not flags.FLAGS.json:
    print(f'{flags.FLAGS.program[0]}, {topology.name}, batch {rows[0][1].batch} per core')
    print(output.table(name, rows))
  if flags.FLAGS.plot:
    output.plot(flags.FLAGS.plot, name, rows)
  return all(cost.fits for _, cost in rows)


def _number(text):
  try:
    value = ast.literal_eval(text)
  except (ValueError, SyntaxError):
    return text
  return value if isinstance(value, (int, float)) else text


def _say_what_is_known():
  """Prints what the table of paper-scale programs has, before anything is compiled."""
  values = flags.FLAGS
  if len(values.gin_file) > 1 or origin.Origin(params=tuple(values.gin_param)).varied():
    return
  for name in values.program:
    row = known.row(configs.name_of(configs.find(values.gin_file[0])), name)
    if row:
      print(f'known: {known.sentence(row)}', flush=True)


def main(argv):
  """Compiles the programs that the flags name; the exit status is 0 if all fit."""
  del argv
  topology = hardware.topology(flags.FLAGS.topology)
  _check_flags()
  if flags.FLAGS.sweep:
    sys.exit(0 if _sweep(topology) else 1)
  config = _config()
  if not flags.FLAGS.json:
    print(f'{", ".join(flags.FLAGS.gin_file)} on {topology.name}, {topology.cores} cores')
    _say_what_is_known()
  fits = [_check(config, name, topology) for name in flags.FLAGS.program]
  sys.exit(0 if all(fits) else 1)


if __name__ == '__main__':
  program.run(main)
