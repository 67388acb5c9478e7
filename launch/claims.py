"""Puts claims of the papers to the test in miniature: trains arms from several seeds, compares.

  python -m launch.claims                                          # all of gin/claims/
  python -m launch.claims videogpt_attention --output=runs/claims  # one of them
  python -m launch.claims --list

Every claim is a gin file with the rule of its verdict. Arms are trained one after the other, or
--jobs at a time, and measured. Results are in claims.csv and claims.html of --output. The same
command skips what is done and resumes what was stopped. SIGTERM and Ctrl-C save and exit with 143.
Numbers do not depend on --jobs, nor on how many processor cores there are.
"""

import difflib
import gc
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.launch import tpu_programs
from tf_videogen.launch import train

with lazy.imports():
  import gin
  import numpy as np
  import tensorflow as tf
  from tf_videogen import experiment
  from tf_videogen import files
  from tf_videogen import trained_model
  from tf_videogen.claims import claim as claim_lib
  from tf_videogen.claims import clip_measures
  from tf_videogen.claims import report
  from tf_videogen.claims import table
  from tf_videogen.data import moving_shapes
  from tf_videogen.layers import randomness
  from tf_videogen.model_directory import layout
  from tf_videogen.model_directory import results
  from tf_videogen.preflight import compiler
  from tf_videogen.preflight import hardware
  from tf_videogen.training import strategies

flags.DEFINE_string('output', None, 'Folder for all that is written; by default runs/claims.',
                    allow_override=True)
flags.DEFINE_integer('seeds', 3, 'Number of seeds from which every arm is trained.',
                     lower_bound=1)
flags.DEFINE_integer('jobs', 1, 'Number of processes that train; they share the processor cores.',
                     lower_bound=1)
flags.DEFINE_string('video_folder', None, 'Folder of videos to learn and to measure, in place of '
                    'moving shapes; claims that need shapes are left out. Give it an --output of '
                    'its own.')
flags.DEFINE_bool('list', False, 'Only print the claims and their statements.')
flags.DEFINE_string('part', None, 'Only do every N-th run, from the I-th on: I/N. --jobs uses it.')
flags.DEFINE_bool('costs', False, "Also ask the TPU's compiler for the arms' memory and FLOPs, as "
                  'launch.preflight does.')
shared_flags.declare('strategy')

PAGE, DRAWING, PICTURES = 'claims.html', 'differences.svg', 'pictures'
THREADS = 2  # of an operation: sums over more threads than that would be rounded differently
CORE = 'v3:2x2'  # of one core of this TPU are the costs
SHOWN = 4  # clips of seed 0 that the page shows
FOLDER = configs.GIN_DIR / 'claims'
VIDEOS = 'claims/arms/videos.gin'
_BELOW = ('VQVAE_DIR', 'LOWER_DIR', 'FIRST_SLICE_DIR')  # macros for the directory of an arm below


class Run(typing.NamedTuple):
  """An arm that is trained from one seed, of the claim of that name."""
  name: str
  claim: typing.Any
  arm: typing.Any
  seed: int

  def __str__(self):
    return f'{self.name}, {self.arm.name}, seed {self.seed}'

  @property
  def path(self):
    """The file with the measured values."""
    return os.path.join(
        flags.FLAGS.output, 'measured', self.name, f'{self.arm.name}, seed {self.seed}.npz')


@program.takes_arguments
def main(argv):
  """Tests the claims that are named, or all; see the module."""
  train.guarded(lambda: _run(argv[1:]))


def _run(wanted):
  values = flags.FLAGS
  os.environ['TF_NUM_INTRAOP_THREADS'] = str(THREADS)  # read when TensorFlow makes its devices
  values.output = values.output or 'runs/claims'
  claims = {pathlib.Path(name).stem: read(name) for name in chosen(wanted)}
  if values.list:
    for name, claim in claims.items():
      print(f'{name} ({claim.source})\n    {claim.statement}')
    return
  if values.video_folder:
    claims = {name: claim for name, claim in claims.items() if _suits_videos(name, claim, wanted)}
  files.check_writable(values.output)
  if values.jobs > 1 and not values.part:
    _spread(wanted)
  runs = [Run(name, claim, arm, seed) for name, claim in claims.items()
          for seed in range(values.seeds) for arm in claim.arms]
  if values.part:
    if not (part := re.fullmatch(r'(\d+)/([1-9]\d*)', values.part)):
      raise ValueError(f'--part={values.part}: write I/N, such as 0/2 for every second run')
    runs = runs[int(part[1])::int(part[2])]
  failed = _ask_costs(runs) if values.costs and not values.part else {}
  failed |= _do(runs, writes=not values.part)
  if not values.part:
    rows = table.read(os.path.join(values.output, table.FILE))
    print(table.markdown([row for row in rows if row.claim in claims]), end='')
    print(f'the page is {os.path.join(values.output, PAGE)}')
  if failed:
    raise ValueError(f'{len(failed)} claims are not done: {"; ".join(failed.values())}')


def chosen(wanted):
  """The names of claims, from words of the command line; all claims if there are none.

  Raises:
    FileNotFoundError: if there is no claim of a name. The message has the nearest ones.
  """
  names = sorted(path.stem for path in FOLDER.glob('*.gin'))
  for name in wanted:
    if name not in names and not tf.io.gfile.exists(name):
      near = difflib.get_close_matches(name, names, cutoff=.4) or names
      raise FileNotFoundError(f'no claim {name}; there are: {", ".join(near)}')
  return wanted or names


def read(name):
  """The `claim.Claim` of a name, or of the path of a gin file."""
  path = FOLDER / f'{name}.gin'
  configs.parse([str(path) if path.exists() else name], [])
  return configs.configured(claim_lib.Claim)()


def _suits_videos(name, claim, wanted):
  """Whether a claim can be tested on --video_folder; an error if it cannot, and was named."""
  configs.parse([claim.arms[0].config], claim.arms[0].bindings, needs_all=False)
  clips = configs.configured(experiment.Experiment)().clips
  suits = not claim.measure.needs_shapes and isinstance(
      getattr(clips, 'clips', clips), moving_shapes.MovingShapes)
  if name in wanted and not suits:
    raise ValueError(f'{name} cannot be put to the test on --video_folder: it measures '
                     f'{claim.measure.name} of clips whose truth is known; leave it out')
  return suits


def _of_videos(folder, text):
  """Bindings that put videos of a folder in the place of the parsed config's shapes."""
  clips = configs.configured(experiment.Experiment)().clips
  shapes = getattr(clips, 'clips', clips)
  owner = 'experiment.Experiment' if shapes is clips else 'downsampled.DownsampledClips'
  channels = [f'{name} = 3' for name, value in configs._bindings(text).items()
              if name.endswith('.image_channels') and value == '1']
  return [f'{owner}.clips = @video_folder.from_video_folder()', *channels,
          f'VIDEOS = {folder!r}', f'VIDEO_FRAMES = {shapes.frames}',
          f'VIDEO_SIZE = {shapes.size}', f'VIDEO_STEP = {shapes.frame_step}']


def _spread(names):
  """Does all runs in --jobs processes; exits with their status if one of them was stopped.

  What failed in one is told there, and tried and told again by the caller.
  """
  values, processes = flags.FLAGS, []
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(program.STOPPED))
  try:
    for number in range(values.jobs):
      processes.append(subprocess.Popen(
          [sys.executable, '-m', 'tf_videogen.launch.claims', *names, f'--output={values.output}',
           f'--seeds={values.seeds}', f'--strategy={values.strategy}',
           f'--part={number}/{values.jobs}',
           *([f'--video_folder={values.video_folder}'] if values.video_folder else [])]))
    for process in processes:
      process.wait()
  finally:
    for process in processes:
      if process.poll() is None:
        process.terminate()
    statuses = [process.wait() for process in processes]
  if stopped := [status for status in statuses if status not in (0, 1)]:
    sys.exit(stopped[0])


def _do(runs, writes):
  """Trains and measures what is not measured yet; returns what failed, {claim's name: reason}.

  Args:
    runs: a list of `Run`.
    writes: whether claims.csv and the page are written after the last run of a claim.
  """
  failed, seconds = {}, []
  for number, run in enumerate(runs):
    if run.name not in failed:
      try:
        began = time.time()
        if _one(run):
          seconds.append(time.time() - began)
          left = len(runs) - number - 1
          print(f'[{number + 1}/{len(runs)}] {run}: {run.claim.measure.name} '
                f'{np.mean(_measured(run)["values"]):.4g}, {seconds[-1]:.0f} s; '
                + (f'at most {np.mean(seconds) * left / 60:.0f} minutes left' if left else 'done'),
                flush=True)
      except (ValueError, FloatingPointError) as error:
        failed[run.name] = f'{run}: {str(error).splitlines()[0]}'
        print(f'claims: {failed[run.name]}', file=sys.stderr, flush=True)
    last = number + 1 == len(runs) or runs[number + 1].name != run.name
    if writes and last and run.name not in failed:
      _conclude(run.name, {other.name: other.claim for other in runs})
  return failed


def _one(run):
  """Trains and measures a run; returns whether there was anything to do."""
  began = time.time()
  trainings = _trainings(run, flags.FLAGS.output, flags.FLAGS.video_folder)
  made_of = repr(([os.path.basename(model_dir) for _, _, model_dir, _ in trainings],
                  run.arm.sampling, run.claim.measure.identity))
  measured = _measured(run)
  if measured and str(measured['made_of']) == made_of:
    return False
  print(f'{run}', flush=True)
  strategy = strategies.get(flags.FLAGS.strategy)
  for names, params, model_dir, _ in trainings:
    _train(names, params, model_dir, strategy)
  found = _measure(run, model_dir, strategy)
  tf.keras.backend.clear_session()
  gc.collect()  # frees what the run had on the devices
  files.write_arrays(run.path, {**found, 'made_of': made_of, 'seconds': time.time() - began},
                     compressed=True)
  return True


def _train(names, params, model_dir, strategy):
  """Trains a config, parsed anew, to its end."""
  configs.parse(names, params)
  config = configs.configured(experiment.Experiment)()
  flags.FLAGS.wait = True  # for another job that trains the same
  with train.sole(model_dir, strategy):
    if not layout.is_trained(model_dir, config.train_steps):
      configs.keep(model_dir, names=names, params=params)
      train.train(config, model_dir, strategy, evaluate_too=False)


def _trainings(run, output, videos=None):
  """What a run trains, the lowest arm first: (config files, bindings, folder, whole config)."""
  found, below = [], None
  for stage in run.arm.stages:
    params = [*stage.bindings, f'experiment.Experiment.seed = {run.seed}']
    if below:
      macro, = set(_BELOW) & configs.macros([stage.config])
      params.append(f'{macro} = {below!r}')
    names = [stage.config]
    configs.parse(names, params)
    if videos:
      names, params = [*names, VIDEOS], params + _of_videos(videos, gin.config_str())
      configs.parse(names, params)
    text = gin.config_str(max_line_length=100).replace(output, '')
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    stem = os.path.splitext(os.path.basename(stage.config))[0]
    below = os.path.join(output, 'trainings', f'{stem}_{key}_seed{run.seed}')
    found.append((names, params, below, text))
  return found


def _cost_file(model_dir):
  """The file with the costs of a training; those of all seeds are the same."""
  folder, name = os.path.split(model_dir)
  return os.path.join(os.path.dirname(folder), 'costs', f'{name}.json')


def _ask_costs(runs):
  """Asks the compiler for the costs of all arms; returns what failed, {claim's name: reason}."""
  failed = {}
  for run in (run for run in runs if not run.seed):
    try:
      for names, params, model_dir, _ in _trainings(
          run, flags.FLAGS.output, flags.FLAGS.video_folder):
        if tf.io.gfile.exists(_cost_file(model_dir)):
          continue
        print(f'{run}: asks what {os.path.basename(model_dir)} costs', flush=True)
        configs.parse(names, params)
        config = configs.configured(experiment.Experiment)()
        exported = tpu_programs.export_apart(tpu_programs.Request(
            tuple(names), tuple(params), None, 'train', config.batch_size))
        found = compiler.compile_program(exported, hardware.topology(CORE))
        if not found.compiled:
          raise ValueError(f'the compiler refuses {os.path.basename(model_dir)}: {found.error}')
        files.write(_cost_file(model_dir), json.dumps({
            'mib': found.peak_bytes / 2**20, 'tflop': found.flops * config.train_steps / 1e12}))
    except ValueError as error:
      failed[run.name] = f'{run}: {str(error).splitlines()[0]}'
      print(f'claims: {failed[run.name]}', file=sys.stderr, flush=True)
  return failed


def _costs(run):
  """(MiB of the largest stage, TFLOP of all stages) of an arm; None if one is not known."""
  trainings = _trainings(run, flags.FLAGS.output, flags.FLAGS.video_folder)
  paths = [_cost_file(model_dir) for _, _, model_dir, _ in trainings]
  if not all(tf.io.gfile.exists(path) for path in paths):
    return None
  stages = [json.loads(files.read(path)) for path in paths]
  return max(stage['mib'] for stage in stages), sum(stage['tflop'] for stage in stages)


def _measure(run, model_dir, strategy):
  """The arrays of a run's file: values; of seed 0, also clips and what the model made of them."""
  config = configs.configured(experiment.Experiment)()
  model = trained_model.TrainedModel(config, model_dir, strategy, run.arm.sampling)
  model.restore()
  measure = run.claim.measure
  found = {'values': measure.measure(model, config.clips), 'note': measure.note}
  if not run.seed and not (model.task.cannot_sample and not model.reconstructs):
    batch = next(iter(config.clips.evaluation(clip_measures.SPLIT, SHOWN, limit=SHOWN)))
    del batch['valid']
    found['data'] = batch['video'].numpy()
    if model.task.cannot_sample:
      found['videos'] = model.reconstruct(batch)
    else:
      found['videos'] = model.sample(batch, randomness.seed_of(0))
  return found


def _measured(run):
  """The arrays of a run's file, a dict; None if it is missing or damaged."""
  if not tf.io.gfile.exists(run.path):
    return None
  try:
    return files.read_arrays(run.path)
  except ValueError:
    return None


def _training_curve(run):
  """(step, value) of the measure in a run's training; [] if it is no term of the loss."""
  model_dir = _trainings(run, flags.FLAGS.output, flags.FLAGS.video_folder)[-1][2]
  return [(row['step'], row[run.claim.measure.name]) for row in results.read_training_log(model_dir)
          if run.claim.measure.name in row]


def _conclude(name, claims):
  """Writes the rows of a claim whose runs are all measured, and the page of all claims."""
  output, claim = flags.FLAGS.output, claims[name]
  runs = {arm.name: [_measured(Run(name, claim, arm, seed)) for seed in range(flags.FLAGS.seeds)]
          for arm in claim.arms}
  path = os.path.join(output, table.FILE)
  costs = {arm.name: _costs(Run(name, claim, arm, 0)) for arm in claim.arms}
  costs = {arm: found for arm, found in costs.items() if found}
  rows = table.replaced(table.read(path), table.rows(name, claim, runs, costs))
  files.write(path, table.text(rows))

  def videos(name):
    found = {arm.name: _measured(Run(name, shown[name], arm, 0)) for arm in shown[name].arms}
    found = {arm: arrays for arm, arrays in found.items() if arrays and 'videos' in arrays}
    data = {'data': arrays['data'] for arrays in found.values()}
    return {**data, **{arm: arrays['videos'] for arm, arrays in found.items()}}

  shown = {row.claim: claims.get(row.claim) or read(row.claim) for row in rows
           if row.claim in claims or (FOLDER / f'{row.claim}.gin').exists()}  # others: by path
  def curves(name):
    claim = shown[name]
    found = {arm.name: _training_curve(Run(name, claim, arm, 0)) for arm in claim.arms}
    return {arm: points for arm, points in found.items() if points}

  report.write(os.path.join(output, PAGE), shown, rows, videos, curves)
  files.write(os.path.join(output, DRAWING), report.overview(rows).standalone())
  if drawn := curves(name):
    files.write(os.path.join(output, PICTURES, f'{name}.svg'),
                report.training_plot(claim.measure.name, drawn).standalone())
  if shown_videos := videos(name):
    files.write(os.path.join(output, PICTURES, f'{name}.gif'), report.picture(shown_videos))


if __name__ == '__main__':
  program.run(main)
