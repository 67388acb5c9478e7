"""The section of a page that shows one model directory, in the order in which people ask."""

import os

import numpy as np
import tensorflow as tf

from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results as results_lib
from tf_videogen.reporting import galleries
from tf_videogen.reporting import page
from tf_videogen.reporting import plots
from tf_videogen.reporting import protocol_blocks

MAX_GALLERIES = 4  # The newest files of a folder.


def run_section(model_dir, title='', lead='', facts=(), commands=(), paper=None,
                max_bytes=5_000_000, comparisons=()):
  """Gathers a model directory into a `page.Section`.

  Args:
    model_dir: The directory, local or gs://.
    title: The heading; the directory's name if empty.
    lead: A sentence that names the model and the data it was trained on.
    facts: A list of (key, value), text, of the configuration.
    commands: Shell commands that reproduce the run.
    paper: The paper's numbers, see `page.Numbers`; none if None.
    max_bytes: The size in bytes that moving pictures may take, all together.
    comparisons: A list of `comparison.Comparison`, the values of protocols.

  Raises:
    FileNotFoundError: if there is no such directory, or nothing in it that could be shown.
  """
  if not tf.io.gfile.isdir(model_dir):
    raise FileNotFoundError(f'there is no model directory {model_dir}: give one that '
                            'launch.train has written')
  log = results_lib.read_training_log(model_dir)
  results = results_lib.read_results(model_dir)
  protocols = protocol_blocks.protocol_blocks(model_dir, comparisons, max_bytes // 2)
  pictures = read_galleries(model_dir, max_bytes // 2 if protocols else max_bytes)
  config = _text(os.path.join(model_dir, results_lib.CONFIG_FILE))
  if not (log or results or pictures or config):
    raise FileNotFoundError(
        f'{model_dir} is not a model directory: it has no {results_lib.CONFIG_FILE}, '
        f'{results_lib.TRAINING_FILE}, {results_lib.RESULTS_FILE}, previews or samples')
  blocks = [page.Text(lead, lead=True)] if lead else []
  blocks += [page.Tiles(tiles(model_dir, log)), *protocols, *pictures]
  blocks += [page.Numbers(results, paper or {},
                          'Numbers of the evaluations during training' if protocols else 'Numbers')]
  blocks += [page.Curves('Training', plots.training_plots(log, results), _reading_aid(log))]
  blocks += [page.Facts('Configuration', list(facts)), page.Commands('The same again', commands)]
  blocks += [page.Folded('The complete config.gin', config)] if config else []
  return page.Section(title or os.path.basename(os.path.normpath(model_dir)), blocks)


def read_galleries(model_dir, max_bytes):
  """The galleries of previews/*.npz, then of samples/*.npz, which share `max_bytes`.

  Of each folder, the `MAX_GALLERIES` newest files are read; see `galleries.read_gallery`.
  """
  paths = [(folder, path) for folder in ('previews', 'samples')
           for path in _newest(os.path.join(model_dir, folder, '*.npz'))]
  found = []
  for folder, path in paths:
    gallery = galleries.read_gallery(path, max_bytes=max_bytes // len(paths))
    if folder == 'previews':
      gallery.title = f'Clips of the {gallery.title} split'
      gallery.text = 'As of the latest evaluation.'
    found.append(gallery)
  return found


def tiles(model_dir, log):
  """Large figures: parameters, steps, time and speed of training; unknown ones are left out."""
  found = []
  stored, step = stored_parameters(model_dir)
  if stored:
    found.append((rounded(stored), 'parameters, codebooks and frozen stages included'))
  step = max([step] + [row['step'] for row in log])
  if step:
    found.append((f'{step:,}', 'step' if step == 1 else 'steps'))
  seconds = training_seconds(log)
  if seconds:
    found.append((duration(seconds), 'of training'))
    found.append((f'{log[-1]["step"] / seconds:.3g}', 'steps per second'))
  return found


def stored_parameters(model_dir):
  """The number of values of the model in the latest readable checkpoint, and its step; or (0, 0).

  All variables under 'model' count, trained or not. State of an optimizer does not.
  """
  for path in checkpoints.paths(model_dir):
    try:
      variables = tf.train.list_variables(path)
    except checkpoints.UNREADABLE:
      continue
    total = sum(int(np.prod(shape)) for name, shape in variables
                if name.startswith('model/') and '.OPTIMIZER_SLOT' not in name)
    return total, checkpoints.step_of(path)
  return 0, 0


def training_seconds(log):
  """The seconds that training took, by the steps and the speed of every loop; no evaluations."""
  seconds, last = 0., 0
  for row in log:
    speed = row.get(results_lib.SPEED, 0.)
    if speed > 0:
      seconds += (row['step'] - last) / speed
    last = row['step']
  return seconds


def clip_sentence(model_dir):
  """'clips of 16 frames, 64 × 64 pixels, color', from clips.json; '' without that file."""
  try:
    frames, height, width, channels = layout.saved_spec(model_dir)['video'].shape
  except FileNotFoundError:
    return ''
  return (f'clips of {page.count(frames, "frame")}, {width} × {height} pixels, '
          f'{"gray" if channels == 1 else "color"}')


def duration(seconds):
  """'45 s', '12 min', '3 h 20 min', '2 d 4 h'."""
  if seconds < 100:
    return f'{max(1, round(seconds))} s'
  minutes = round(seconds / 60)
  if minutes < 100:
    return f'{minutes} min'
  hours, minutes = divmod(minutes, 60)
  if hours < 48:
    return f'{hours} h {minutes} min' if minutes else f'{hours} h'
  days, hours = divmod(hours, 24)
  return f'{days} d {hours} h' if hours else f'{days} d'


def rounded(number):
  """'950', '12.3 k', '1.25 M', '3.1 G'."""
  for unit, suffix in ((1e9, ' G'), (1e6, ' M'), (1e3, ' k')):
    if number >= unit:
      return f'{number / unit:.3g}{suffix}'
  return str(number)


def _reading_aid(log):
  if len(log) < plots.FEW_POINTS:
    return 'Against the step. Points in other colors are evaluations.' if log else ''
  return ('Against the step: the values of single steps, faint, and their running mean. '
          'Points in other colors are evaluations.')


def _newest(pattern):
  """At most MAX_GALLERIES paths, the latest written, sorted by name."""
  paths = tf.io.gfile.glob(pattern)
  paths.sort(key=lambda path: tf.io.gfile.stat(path).mtime_nsec)
  return sorted(paths[-MAX_GALLERIES:])


def _text(path):
  """The content of a text file; '' if it is not there."""
  if not tf.io.gfile.exists(path):
    return ''
  with tf.io.gfile.GFile(path) as f:
    return f.read()
