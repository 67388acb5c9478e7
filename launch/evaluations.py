"""Protocols of evaluation at the edge: as gin binds them, and what is said and written of them."""

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

FLAGS = ('batch_size', 'networks', 'output')  # what this reads

flags.DEFINE_enum('networks', 'published', ['published', 'random'], 'Weights.')
flags.DEFINE_string('output', None, 'Folder for what is written; by default --model_dir, if any.',
                    allow_override=True)
shared_flags.declare(*FLAGS)


def is_bound():
  """Whether the config has a protocol."""
  try:
    gin.query_parameter('protocols.Protocol.name')
  except ValueError:
    return False
  return True


def configured():
  """The configured protocol; numbers tell where the command line varies it."""
  protocol = configs.configured(protocols.Protocol)()
  varied = origin.Origin(params=tuple(flags.FLAGS.gin_param)).varied()
  return protocol.noted(f'varied: {"; ".join(varied)}') if varied else protocol


def refuse(names, what_for):
  """Refuses flags that would be ignored."""
  for name in names:
    if flags.FLAGS[name].present:
      raise ValueError(f'--{name} is for {what_for}')


def random_networks():
  """Whether networks shall have random weights."""
  return flags.FLAGS.networks == 'random'


def finish(name, split, step, found, strategy, directory):
  """Prints what was found, and writes it down.

  Args:
    name: of the protocol.
    split: of the data that it compared with.
    step: of the checkpoint, 0 where there is none.
    found: an Evaluation.
    strategy: whose chief alone does it.
    directory: where rows are added to results.csv; None: nowhere.
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
