"""Makes one HTML page of one or more model directories: videos, numbers, curves, configuration.

  python -m launch.report --model_dir=runs/vqvae --model_dir=runs/prior --output=runs/report.html

The page needs no network and no other file. It shows the results that training, evaluation and
sampling have written into the directories. On top is one number with its interval, the paper's, a
scale, warnings, and real videos beside generated ones. Runs of the same task are compared: numbers,
differing bindings, curves, samples for the same conditions and seeds. Then come the results of
protocols, beside the paper's numbers for the config of each run. One bar plays and scrubs all
videos.
"""
import os
import re

from absl import flags

from tf_videogen.launch import cascades
from tf_videogen.launch import config_text
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import files
  from tf_videogen.model_directory import origin
  from tf_videogen.model_directory import results
  from tf_videogen.reporting import comparison
  from tf_videogen.reporting import headline
  from tf_videogen.reporting import page
  from tf_videogen.reporting import paper_numbers
  from tf_videogen.reporting import plots
  from tf_videogen.reporting import runs
  from tf_videogen.reporting import runs_compared
  from tf_videogen.reporting import summary
  from tf_videogen.reporting import tables

MAX_BYTES = 8_000_000  # for the animations of all runs; comparisons of runs have half of it
MAX_FACTS = 48


class _OneOrMore(flags.Flag):
  """A flag that is a string, or a list of strings if it is given repeatedly.

  The other programs share a --model_dir that is a string. This flag may take its place if a process
  imports both: given once, it has the same value.
  """

  def parse(self, argument):
    if self.present:
      self.value = _listed(self.value) + [argument]
      self.present += 1
    else:
      super().parse(argument)


shared_flags.declare()  # defines its --model_dir first, which this one then replaces
flags.DEFINE_flag(_OneOrMore(
    parser=flags.ArgumentParser(), serializer=None, name='model_dir', default=None,
    help_string='Folder of a run, or of a cascade; may be repeated.', allow_override=True))
flags.DEFINE_string('output', None, 'File for the page; by default report.html in the first '
                    '--model_dir.', allow_override=True)
flags.DEFINE_string('curves', None, 'Also write the curves of the first --model_dir into this '
                    'folder, one .svg per curve.')
flags.DEFINE_string('tables', None, 'Also write the numbers of protocols into this folder: '
                    'numbers.csv, numbers.md, numbers.tex.')
flags.DEFINE_string('title', 'Video generation report', 'The title of the page.')
flags.DEFINE_string('note', '', 'A text at the top of the page.')
flags.DEFINE_multi_string('command', [], 'A command that made the runs, shown at the top.')
flags.DEFINE_multi_string('paper', [], 'A number of the paper: METRIC=VALUE or SPLIT/METRIC=VALUE; '
                          'replaces the number that the suite knows.')


def main(argv):
  """Writes the page, and the curves if --curves names a folder."""
  del argv
  values = flags.FLAGS
  model_dirs = _listed(values.model_dir)
  if not model_dirs:
    raise ValueError('--model_dir is missing: give the folder of a run')
  output = values.output or os.path.join(model_dirs[0], 'report.html')
  model_dirs = list(dict.fromkeys(level for model_dir in model_dirs for level in _begun(model_dir)))
  given = given_numbers(values.paper)
  compared = [comparisons(model_dir, given) for model_dir in model_dirs]
  sections = [section(*of_run, given, MAX_BYTES // len(model_dirs))
              for of_run in zip(model_dirs, titles(model_dirs), compared)]
  for i, of_run in enumerate(sections, start=1):
    of_run.anchor = page.anchor(i, of_run.title)
  table = summary.Summary([summary.Run(of_run.title, of_run.anchor, rows)
                           for of_run, rows in zip(sections, compared)])
  opening = [_headline(model_dirs, sections, compared, given)]
  opening += [page.Text(values.note)] if values.note else []
  opening.append(page.Commands('', values.command))
  groups = _comparable(model_dirs, sections)
  if any(compared):
    sections.insert(0, page.Section('Summary', [table], 'summary'))
  heading = lambda task: f'{task}: the runs compared' if len(groups) > 1 else 'The runs compared'
  sections = [runs_compared.section(group, MAX_BYTES // 2 // len(groups), heading(task))
              for task, group in groups.items()] + sections
  files.check_writable(os.path.dirname(output) or '.')
  page.write_page(output, values.title, [page.Section('', opening), *sections])
  print(f'the report is {output}')
  if values.tables:
    write_tables(values.tables, table.runs)
  if values.curves:
    for plot in plots.training_plots(results.read_training_log(model_dirs[0]),
                                     results.read_results(model_dirs[0])):
      name = re.sub(r'\W+', '_', plot.title.lower())
      files.write(os.path.join(values.curves, f'{name}.svg'), plot.standalone())


def write_tables(folder, measured):
  """Writes the numbers of a list of `summary.Run` as numbers.csv, numbers.md and numbers.tex."""
  for ending, write in (('csv', tables.csv_text), ('md', tables.markdown), ('tex', tables.latex)):
    files.write(os.path.join(folder, f'numbers.{ending}'),
                write([run.measured() for run in measured]))


def _headline(model_dirs, sections, compared, given):
  """The top of the page; without protocols, of what training evaluates."""
  rows_of = lambda model_dir, rows: rows or comparison.of_training(
      results.read_results(model_dir), given)
  subjects = list(dict.fromkeys(_subject(_bindings(model_dir)) for model_dir in model_dirs))
  return headline.headline(
      [(of_run.title, model_dir, rows_of(model_dir, rows))
       for model_dir, of_run, rows in zip(model_dirs, sections, compared)],
      subjects[0] if len(subjects) == 1 else '')


def _comparable(model_dirs, sections):
  """The tasks that have two or more runs, {task: [Run, ...]}.

  A level of a cascade is not compared with the other levels, but with the same level of another
  cascade.
  """
  groups = {}
  for model_dir, of_run in zip(model_dirs, sections):
    bindings = _bindings(model_dir)
    task = bindings.get('Experiment.task', '').removesuffix('Task')
    task = f'{task} {_level(model_dir)}'.strip()
    groups.setdefault(task, []).append(runs_compared.Run(
        of_run.title, of_run.anchor, model_dir, {
            name: value for name, value in bindings.items() if not name.endswith('.data_dir')}))
  return {task: runs for task, runs in groups.items() if task and len(runs) > 1}


def _level(model_dir):
  """The name of a cascade's level, such as 'level2'; '' if the directory is not in a cascade's."""
  above, _, name = model_dir.rstrip('/').rpartition('/')
  return name if os.path.join(above, name) in cascades.directories(above) else ''


def _begun(model_dir):
  """The directories of a cascade's first level and of later ones that exist; else [model_dir]."""
  levels = cascades.directories(model_dir)
  return levels[:1] + [level for level in levels[1:] if tf.io.gfile.isdir(level)]


def section(model_dir, title, compared, given, max_bytes):
  """The section of a model directory, with facts from its configuration."""
  bindings = _bindings(model_dir)
  lead = ': '.join(filter(None, [_subject(bindings), runs.clip_sentence(model_dir)]))
  return runs.run_section(
      model_dir, title, lead=lead and lead + '.', facts=_facts(bindings),
      commands=_commands(model_dir), paper=given, max_bytes=max_bytes, comparisons=compared)


def comparisons(model_dir, given):
  """The results of protocols for a run, beside the paper's numbers for its config.

  Args:
    model_dir: The directory, local or gs://.
    given: Numbers that stand in for the paper's, see `given_numbers`.

  Returns:
    A list of `comparison.Comparison`.
  """
  made_of = origin.read(_config(model_dir))
  numbers = paper_numbers.for_config(made_of.configs[0]) if made_of.configs else []
  rows = results.read_results(model_dir)
  measured = {row.protocol for row in rows}
  numbers += [number for number in paper_numbers.for_baselines() if number.protocol in measured]
  return comparison.compare(rows, numbers, given, made_of.varied())


def titles(model_dirs):
  """The names of directories, with as many parent folders as are needed to tell them apart."""
  parts = [os.path.normpath(model_dir).split(os.sep) for model_dir in model_dirs]
  length = 1
  while len({tuple(some[-length:]) for some in parts}) < len({tuple(some) for some in parts}):
    length += 1
  return ['/'.join(some[-length:]) for some in parts]


def given_numbers(flag_values):
  """['psnr=25.1', 'test/nmse=0.2'] -> {'psnr': 25.1, ('test', 'nmse'): 0.2}."""
  numbers = {}
  for text in flag_values:
    name, _, value = text.partition('=')
    try:
      split, _, metric = name.rpartition('/')
      numbers[(split, metric) if split else metric] = float(value)
    except ValueError:
      raise ValueError(f'--paper={text}: write METRIC=VALUE or SPLIT/METRIC=VALUE') from None
  return numbers


def _config(model_dir):
  """The text of a model directory's config; '' if it has none."""
  path = os.path.join(model_dir, results.CONFIG_FILE)
  return files.read(path) if tf.io.gfile.exists(path) else ''


def _bindings(model_dir):
  """The bindings of a run's configuration that the run uses, see `config_text.read_bindings`."""
  return config_text.read_bindings(
      _config(model_dir), os.path.join(model_dir, results.CONFIG_FILE), config_text.OF_A_RUN)


def _subject(bindings):
  """'VQVAE on moving_digits', as far as the configuration tells."""
  task = bindings.get('Experiment.task', '').removesuffix('Task')
  return ' on '.join(filter(None, [task, config_text.data_of(bindings)]))


def _facts(bindings):
  """The first bindings, (name, value): experiment, task and clips first; without data_dir."""
  order = ('Experiment', 'Task', 'Clips')
  def rank(name):
    owner = name.split('.')[0]
    return next((i for i, end in enumerate(order) if owner.endswith(end)), len(order))
  names = sorted((name for name in bindings if not name.endswith('.data_dir')), key=rank)
  return [(name, bindings[name]) for name in names[:MAX_FACTS]]


def _commands(model_dir):
  """Commands that repeat the run in another folder, and that evaluate, sample and show this one."""
  commands = []
  if tf.io.gfile.exists(os.path.join(model_dir, results.CONFIG_FILE)):
    config = os.path.join(model_dir, results.CONFIG_FILE)
    commands += [f'python -m launch.train --gin_file={config} --model_dir=ANOTHER_FOLDER',
                 f'python -m launch.evaluate --model_dir={model_dir}']
    if tf.io.gfile.glob(os.path.join(model_dir, 'samples', '*.npz')):
      commands.append(f'python -m launch.sample --model_dir={model_dir}')
  return commands + [f'python -m launch.report --model_dir={model_dir}']


def _listed(value):
  if value is None:
    return []
  return [value] if isinstance(value, str) else list(value)


if __name__ == '__main__':
  program.run(main)
