"""Evaluation protocols for the programs: reads them from gin, prints and writes their results."""

import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
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
  """Prints the results of an evaluation, and adds them to results.csv.

  Args:
    name: name of the protocol.
    split: split of the data that was compared with.
    step: step of the checkpoint; 0 if there is none.
    found: an Evaluation.
    strategy: a tf.distribute.Strategy. Its chief alone prints and writes.
    directory: folder of results.csv. If None, nothing is written.
  """
  if not strategies.is_chief(strategy):
    return
  for warning in found.warnings:
    print(f'warning: {warning}', file=sys.stderr)
  width = max([len(value.metric) for value in found.values] + [len(m) for m in found.missing] + [0])
  for value in found.values:
    spread = f' +- {value.spread:.4g}' if value.spread == value.spread else ''
    about = '; '.join(filter(None, [f'{value.examples:,} videos', value.network, value.note]))
    print(f'{value.metric:<{width}}  {value.value:.6g}{spread}  ({about})')
  for metric, how in found.missing.items():
    print(f'{metric:<{width}}  missing: {how}')
  if directory:
    records.write(directory, name, split, step, found, gin.operative_config_str())
    print(f'written into {directory}; python -m launch.report --model_dir={directory} makes a page')
