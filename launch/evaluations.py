"""Evaluation protocols for the programs: reads them from gin, prints and writes their results."""

import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import gin
  from tf_videogen.evaluation import protocols
  from tf_videogen.evaluation import records
  from tf_videogen.model_directory import origin
  from tf_videogen.training import strategies

FLAGS = ('batch_size', 'networks', 'output')  # flags that this module reads

flags.DEFINE_enum('networks', 'published', ['published', 'random'],
                  'Weights of the networks for the metrics.')
flags.DEFINE_string('output', None, 'Folder for the results; by default --model_dir, if any.',
                    allow_override=True)
shared_flags.declare(*FLAGS)


def is_bound():
  """Whether the config binds a protocol."""
  try:
    gin.query_parameter('protocols.Protocol.name')
  except ValueError:
    return False
  return True


def configured():
  """The configured protocol. If the command line varies it, a note on every number says so."""
  protocol = configs.configured(protocols.Protocol)()
  varied = origin.Origin(params=tuple(flags.FLAGS.gin_param)).varied()
  return protocol.noted(f'varied: {"; ".join(varied)}') if varied else protocol


def refuse(names, what_for):
  """Refuses flags that would be ignored.

  Args:
    names: names of the flags.
    what_for: what the flags are for, a phrase.

  Raises:
    ValueError: if one of the flags is given.
  """
  for name in names:
    if flags.FLAGS[name].present:
      raise ValueError(f'--{name} is for {what_for}')


def random_networks():
  """Whether --networks asks for networks with random weights."""
  return flags.FLAGS.networks == 'random'


def finish(name, split, step, found, strategy, directory):
  """Prints the results of an evaluation, and adds them to results.csv; see `finish_each`."""
  finish_each([name], split, step, [found], strategy, directory)


def finish_each(names, split, step, found, strategy, directory):
  """Prints the results of evaluations, and adds them to results.csv.

  Several evaluations are printed as one table with a column each.

  Args:
    names: names of the protocol, one for each evaluation.
    split: split of the data that was compared with.
    step: step of the checkpoint; 0 if there is none.
    found: list of Evaluation.
    strategy: a tf.distribute.Strategy. Its chief alone prints and writes.
    directory: folder of results.csv. If None, nothing is written.
  """
  if not strategies.is_chief(strategy):
    return
  for warning in dict.fromkeys(warning for one in found for warning in one.warnings):
    print(f'warning: {warning}', file=sys.stderr)
  if len(found) == 1:
    _print_lines(found[0])
  else:
    _print_columns(names, found)
  if directory:
    for name, one in zip(names, found):
      records.write(directory, name, split, step, one, gin.operative_config_str(),
                    program.command_line())
    print(f'written into {directory}; python -m launch.report --model_dir={directory} makes a page')


def _print_lines(found):
  width = max([len(value.metric) for value in found.values] + [len(m) for m in found.missing] + [0])
  for value in found.values:
    spread = f' +- {value.spread:.4g}' if value.spread == value.spread else ''
    about = '; '.join(filter(None, [f'{value.examples:,} videos', value.network, value.note]))
    trust = f'  90 % in {value.low:.5g} to {value.high:.5g}' if value.low == value.low else ''
    trust += f'  floor {value.floor:.4g}' if value.floor == value.floor else ''
    print(f'{value.metric:<{width}}  {value.value:.6g}{spread}{trust}  ({about})')
  for metric, how in found.missing.items():
    print(f'{metric:<{width}}  missing: {how}')


def _print_columns(names, found):
  """A row for each metric: value and interval of each evaluation, then what all have in common."""
  cells = [{value.metric: f'{value.value:.6g}' + (
      f' [{value.low:.5g}, {value.high:.5g}]' if value.low == value.low else '')
            for value in one.values} for one in found]
  floors = {value.metric: f'floor {value.floor:.4g}; ' for value in found[0].values
            if value.floor == value.floor}
  networks = {value.metric: value.network for value in found[0].values}
  metrics = list(dict.fromkeys(metric for one in cells for metric in one))
  rows = [['', *names, '']] + [
      [metric, *(one.get(metric, '-') for one in cells),
       f'({floors.get(metric, "")}{networks[metric] or "no network"})'] for metric in metrics]
  rows.append(['videos', *(f'{max(v.examples for v in one.values):,}' for one in found), ''])
  widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
  for row in rows:
    print('  '.join([cell.ljust(width) for cell, width in zip(row, widths)] + row[-1:]).rstrip())
  for metric, how in found[0].missing.items():
    print(f'{metric}  missing: {how}')
