"""Keeps the best checkpoint of a model directory, by a metric of a protocol, in `best/`.

TrIVD-GAN, section 4.1: "we validate the best model according to performance on the training set".
`judged.json` lists the steps among which it was chosen.

`<model_dir>/best/` is a model directory of its own, with one checkpoint. A new checkpoint is
complete before the old one is removed, so that a crash leaves at least one of the two.
"""

import json
import os
import re

import tensorflow as tf

from tf_videogen import files
from tf_videogen.metrics import networks
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results
from tf_videogen.reporting import glossary

_FOLDER = 'best'
_JUDGED_FILE = 'judged.json'  # in the model directory: protocol, metric, and the judged steps
_JUDGED_FORM = {'protocol': str, 'metric': str, 'steps': [int]}
_BESIDES = ('config.gin', 'operative_config.gin', 'clips.json')  # copied as training wrote them


def directory_of(model_dir):
  """The directory in which a model directory's best checkpoint is kept."""
  return os.path.join(model_dir, _FOLDER)


def judged(model_dir, protocol=None, metric=None):
  """The steps of the checkpoints among which the best one was chosen: a set of int.

  Args:
    model_dir: the model directory.
    protocol, metric: names of the protocol and the metric. If the last judgment was by others, the
      set is empty. If `protocol` is None, the last judgment counts, whatever it was by.
  """
  found = files.read_json_if_there(os.path.join(model_dir, _JUDGED_FILE), _JUDGED_FORM,
                                   'delete it, and checkpoints are evaluated again')
  same = found and (protocol is None or (found['protocol'], found['metric']) == (protocol, metric))
  return set(found['steps']) if same else set()


def is_final(model_dir):
  """Whether training has ended, and the best of all checkpoints, the last one too, is known."""
  kept = layout.finished(directory_of(model_dir))
  return kept is not None and layout.finished(model_dir) in judged(model_dir)


def check(metric, protocol):
  """Raises a ValueError if a metric of a protocol cannot tell which checkpoint is the best.

  Args:
    metric: name of the metric.
    protocol: a Protocol.
  """
  ranked = [name for name, entry in glossary.METRICS.items() if entry.better]
  possible = [measure.name for measure in protocol.measures if measure.name in ranked]
  if metric in possible or (protocol.task_metrics and metric in ranked):
    return
  there = possible + (['the metrics of the task'] if protocol.task_metrics else [])
  raise ValueError(
      f'--keep_best={metric} is not a metric of the protocol {protocol.name} that ranks '
      f'checkpoints; its metrics that do: {", ".join(there) or "none"}')


def keep(model_dir, directory, protocol, value, make):
  """Keeps a checkpoint if its value is better than all that the protocol has found before.

  Values of random networks are compared only with each other, and only while there are no others.

  Args:
    model_dir: the model directory, local or gs://.
    directory: folder whose results.csv has the values of other steps.
    protocol: name of the protocol.
    value: a `protocols.Value` of the checkpoint.
    make: a `trained_model.TrainedModel` with the weights of the checkpoint.

  Returns:
    A line of text that says what was done.
  """
  said = _kept(model_dir, directory, protocol, value, make)
  steps = judged(model_dir, protocol, value.metric) | {make.step}
  files.write(os.path.join(model_dir, _JUDGED_FILE), json.dumps(
      {'protocol': protocol, 'metric': value.metric, 'steps': sorted(steps)}))
  return said


def _kept(model_dir, directory, protocol, value, make):
  folder = directory_of(model_dir)
  rows = [row for row in _rows(directory, protocol, value.metric) if row.step != make.step]
  if _is_random(value) and _comparable(rows, False):
    return f'{folder} is unchanged: {value.metric} of random networks is not comparable'
  others = _comparable(rows, _is_random(value))
  sign = _sign(value.metric)
  best = min(others, key=lambda row: sign * row.value, default=None)
  if value.value != value.value:
    return f'{folder} is unchanged: {value.metric} of step {make.step} is not a number'
  if best is not None and sign * best.value <= sign * value.value:
    there = tf.io.gfile.exists(os.path.join(folder, f'ckpt-{best.step}.index'))
    return (f'{folder} is unchanged: {value.metric} {best.value:.6g} of step {best.step} is the '
            'best' + ('' if there else ', which was evaluated without --keep_best'))
  _replace(model_dir, folder, make)
  return (f'{folder} is now step {make.step}: {value.metric} {value.value:.6g} is the best of '
          f'{len({row.step for row in others}) + 1}')


def no_better_since(directory, protocol, metric, patience):
  """Says whether at least `patience` checkpoints after the best one were no better.

  Args:
    directory: folder whose results.csv has the values.
    protocol: name of the protocol.
    metric: name of a metric that `check` accepts.
    patience: number of checkpoints, at least 1. Checkpoints whose value is not a number count, too.

  Returns:
    A phrase that says so, or None if there are fewer such checkpoints.
  """
  rows = _rows(directory, protocol, metric, numbers=False)
  rows = _comparable(rows, False) or rows
  best = min((row for row in rows if row.value == row.value),
             key=lambda row: _sign(metric) * row.value, default=None)
  after = {row.step for row in rows if best is None or row.step > best.step}
  if len(after) < patience:
    return None
  if best is None:
    return f'{metric} was not a number at {len(after)} checkpoints'
  return (f'none of the {len(after)} checkpoints after step {best.step:,} has a better {metric} '
          f'than its {best.value:.6g}')


def _rows(directory, protocol, metric, numbers=True):
  """Rows of results.csv of a protocol and a metric; with `numbers`, none whose value is NaN."""
  return [row for row in results.read_results(directory)
          if (row.protocol, row.metric) == (protocol, metric)
          and (row.value == row.value or not numbers)]


def _sign(metric):
  """The factor that makes smaller values better: -1 if higher values are better, else 1."""
  return -1 if glossary.metric(metric).better == 'higher' else 1


def _is_random(row):
  return networks.NOT_COMPARABLE in row.network


def _comparable(rows, random):
  """The rows of random networks if `random`, else the rows of other networks."""
  return [row for row in rows if _is_random(row) == random]


def _replace(model_dir, folder, make):
  """Writes a checkpoint into the folder, then removes the older ones."""
  for name in _BESIDES:
    if tf.io.gfile.exists(os.path.join(model_dir, name)):
      files.write(os.path.join(folder, name), files.read(os.path.join(model_dir, name)))
  name = f'ckpt-{make.step}'
  make.save(os.path.join(folder, name))
  layout.set_finished(folder, make.step)  # no training continues there
  tf.compat.v1.train.update_checkpoint_state(folder, name)
  # Index files first: a checkpoint without its index does not count as one.
  for path in sorted(tf.io.gfile.glob(os.path.join(folder, 'ckpt-*')),
                     key=lambda path: not path.endswith('.index')):
    found = re.search(r'/(ckpt-\d+)\.(index|data-\d+-of-\d+)$', path)
    if found and found.group(1) != name:
      tf.io.gfile.remove(path)
