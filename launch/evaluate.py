"""Evaluates a model, two folders of videos, or a baseline: prints, and adds to a results.csv.

  python -m launch.evaluate --model_dir=runs/vqvae
  python -m launch.evaluate --model_dir=runs/bair_prior --gin_file=evaluation/videogpt_bair.gin
  python -m launch.evaluate --real=bair_clips/original --generated=samples.npz --frames=16

measure what a model's task measures; what a paper's table has; two folders of videos, GIFs, PNG
files or .npz. Networks come by launch.get_networks; what lacks one is reported as missing.
"""

import os
import sys

from absl import flags
import gin

from tf_videogen import experiment
from tf_videogen.data import clips
from tf_videogen.evaluation import best
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import records
from tf_videogen.evaluation import run
from tf_videogen.evaluation import videos
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import configs
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.model_directory import origin
from tf_videogen.training import preemption
from tf_videogen.training import strategies

flags.DEFINE_string('real', None, 'Folder or file of real videos, or a prepared data set.')
flags.DEFINE_string('generated', None, 'Folder or file of generated videos.')
flags.DEFINE_string('split', 'test', 'Split of a data set that --real names.')
flags.DEFINE_enum('baseline', None, ['copy_last_frame', 'real_vs_real'], 'No model.')
flags.DEFINE_bool('paired', False, 'Videos are pairs: SSIM and PSNR, too.')
flags.DEFINE_integer('conditioning_frames', None, 'How many first frames are given.',
                     lower_bound=0)
flags.DEFINE_integer('frames', None, 'Of each video of folders, the first; by default all.',
                     lower_bound=1)
flags.DEFINE_integer('size', None, 'Of the clips of a data set: their middle.', lower_bound=1)
flags.DEFINE_integer('frame_step', None, 'Between frames of a data set.', lower_bound=1)
flags.DEFINE_integer('videos', None, 'How many of each folder; by default all.', lower_bound=2)
flags.DEFINE_enum('on_mismatch', 'refuse', ['refuse', 'cut'], 'If sides differ.')
flags.DEFINE_enum('value_range', None, list(written_clips.RANGES), 'Of arrays of floats.')
flags.DEFINE_enum('networks', 'published', ['published', 'random'], 'Weights.')
flags.DEFINE_string('output', None, 'Folder for what is written; by default --model_dir.',
                    allow_override=True)
flags.DEFINE_string('keep_best', None, 'Metric by which <model_dir>/best is chosen.')
flags.DEFINE_bool('follow', False, 'Every checkpoint, as it comes.')
flags.DEFINE_integer('follow_timeout', 3600, 'Seconds without a new one.', lower_bound=1)
shared_flags.declare(*configs.FLAGS, 'batch_size')

_OF_MODELS = ('keep_best', 'follow', 'follow_timeout')
_TWO_SIDES = 'two sides are compared: name --real and --generated, or --real and --baseline'


def main(argv):
  """Evaluates."""
  del argv
  values = flags.FLAGS
  strategy = strategies.get(values.strategy, values.tpu)
  if values.real or values.generated:
    _refuse(_OF_MODELS, 'models, not for folders')
    evaluate_folders(strategy)
    return
  _refuse(('paired', 'frames', 'size', 'frame_step', 'videos', 'split', 'on_mismatch',
           'value_range'), 'folders; bind Protocol\'s with --gin_param')
  if values.baseline:
    _refuse(_OF_MODELS, 'models, not for baselines')
  else:
    _refuse(('conditioning_frames',), 'folders and baselines')
  configs.parse_flags(needs_model=not values.baseline)
  try:
    gin.query_parameter('protocols.Protocol.name')
  except ValueError:
    if values.baseline:
      raise ValueError(
          '--baseline needs a protocol, --gin_file=evaluation/..., or --real') from None
    _refuse(_OF_MODELS, 'protocols: add one with --gin_file=evaluation/...')
    evaluate_task(strategy)
    return
  evaluate_protocol(strategy)


def evaluate_task(strategy):
  """What the model's task measures."""
  config = configs.configured(experiment.Experiment)()
  evaluate = configs.configured(experiment.evaluate)
  program.print_results(evaluate(config, flags.FLAGS.model_dir, strategy))


def evaluate_protocol(strategy):
  """A protocol, of a model or of a baseline."""
  values = flags.FLAGS
  protocol = _protocol()
  config = None if values.baseline else configs.configured(experiment.Experiment)()
  if protocol.clips is None and config is None:
    raise ValueError(f'the protocol {protocol.name} has no data of its own: name it with --real')
  real = videos.DataVideos(
      protocol.clips or config.clips, protocol.split, protocol.videos, protocol.real_windows,
      protocol.seed)
  if values.baseline:
    evaluate_baseline(protocol, real, strategy, protocol.split)
    return
  if values.keep_best:
    best.check(values.keep_best, protocol)
  if values.follow:
    follow(protocol, config, real, strategy)
    return
  _refuse(('follow_timeout',), '--follow')
  make = videos.ModelSamples(
      config, values.model_dir, strategy, shared_flags.batch_size(strategy), protocol.sampling)
  evaluate_checkpoint(protocol, config, real, make, strategy)


def evaluate_checkpoint(protocol, config, real, make, strategy, after_batch=lambda: None):
  """A protocol, of the checkpoint that a ModelSamples has."""
  values = flags.FLAGS
  directory, kept, said = values.output or values.model_dir, None, None
  if not strategies.has_workers(strategy):
    kept = records.Trials(directory, protocol.name, [gin.config_str(), make.identity])
  of_task = []
  if protocol.task_metrics:
    of_task = task_values(config, protocol, strategy, make.checkpoint)
  found = run.run(protocol, real, make, strategy, shared_flags.batch_size(strategy), _random(),
                  kept=kept, after_batch=after_batch)
  found.values += of_task
  ranked = [value for value in found.values if value.metric == values.keep_best]
  if ranked and strategies.is_chief(strategy):
    # Before its rows: with them, a step is done.
    said = best.keep(values.model_dir, directory, protocol.name, ranked[0], make)
  finish(protocol.name, protocol.split, make.step, found, strategy)
  if kept:
    kept.remove()
  if said:
    print(said, flush=True)
  if values.keep_best and not ranked:
    raise ValueError(f'--keep_best={values.keep_best}: not measured; ' + found.missing.get(
        values.keep_best, f'there are: {", ".join(value.metric for value in found.values)}'))


def follow(protocol, config, real, strategy):
  """A protocol, of every checkpoint of the model directory as it comes."""
  values, make = flags.FLAGS, None
  if strategies.has_workers(strategy):
    raise ValueError('--follow is for one process: use another --strategy')

  def evaluate_one(path):
    nonlocal make
    if make is None:
      make = videos.ModelSamples(
          config, values.model_dir, strategy, shared_flags.batch_size(strategy), protocol.sampling,
          restored=False, after_batch=stop.check)
    if not make.restore(path):
      return False
    print(f'step {make.step}')
    evaluate_checkpoint(protocol, config, real, make, strategy, stop.check)
    return True

  done = lambda: records.evaluated_steps(
      values.output or values.model_dir, protocol.name, _random())
  try:
    with preemption.StopRequest() as stop:
      experiment.follow(values.model_dir, config.train_steps, done, evaluate_one, stop,
                        values.follow_timeout)
  except preemption.Stopped:
    sys.exit(program.STOPPED)


def task_values(config, protocol, strategy, checkpoint):
  """What the task measures of a protocol's split, of as many videos, as values of the protocol."""
  config.splits, split = (protocol.split,), f'{protocol.split}/'
  config.evaluation_limit = protocol.videos
  measured = experiment.measure(config, flags.FLAGS.model_dir, strategy, checkpoint)
  examples = int(measured[f'{split}examples'])
  return [protocols.Value(name.removeprefix(split), value, float('nan'), examples, '', '')
          for name, value in measured.items() if name != f'{split}examples']


def evaluate_baseline(protocol, real, strategy, split):
  """A baseline, which needs no model."""
  values = flags.FLAGS
  make = generated = None
  if values.baseline == 'real_vs_real':
    real, generated = real.half(0), real.half(1)
    protocol.measures = [measure for measure in protocol.measures if not measure.paired]
  else:
    make = videos.CopyLastFrame(_given_frames(protocol))
  found = run.run(protocol, real, make, strategy, shared_flags.batch_size(strategy), _random(),
                  generated)
  finish(f'{protocol.name}_{values.baseline}', split, 0, found, strategy)


def evaluate_folders(strategy):
  """Folders, against folders, data sets or a protocol's data; and baselines on them."""
  values = flags.FLAGS
  if values.generated and values.baseline:
    raise ValueError('two sides are compared: either --generated or --baseline')
  if values.paired and values.gin_file:
    raise ValueError('--paired is the protocol evaluation/folders_paired.gin: include it in yours')
  names = values.gin_file or ['evaluation/folders_paired.gin' if values.paired else
                              'evaluation/folders.gin']
  configs.parse(names, values.gin_param, values.data_dir)
  protocol = _protocol()
  generated = written_clips.WrittenClips(values.generated, values.value_range) if (
      values.generated) else None
  if values.real and os.path.exists(values.real):
    split, sides = _name(values.real), _folder_sides(protocol, generated)
  else:
    split = values.split if values.real else protocol.split
    sides = _data_sides(protocol, generated)
  protocol.note = ', '.join(filter(None, [protocol.note, _sides_note(sides[0], generated)]))
  if values.baseline:
    evaluate_baseline(protocol, sides[0], strategy, split)
    return
  found = run.run(protocol, sides[0], None, strategy, shared_flags.batch_size(strategy), _random(),
                  sides[1], _given_frames(protocol))
  finish(protocol.name, split, 0, found, strategy)


def _folder_sides(protocol, generated):
  """Sources of real and of generated clips, both of files."""
  values = flags.FLAGS
  _refuse(('size', 'frame_step', 'split'), 'data sets, not for folders')
  if not (generated or values.baseline):
    raise ValueError(_TWO_SIDES)
  real = written_clips.WrittenClips(values.real, values.value_range)
  sides = videos.matched(
      real, generated or real, values.frames or protocol.frames, values.videos,
      values.on_mismatch == 'cut', _paired(protocol))
  for found in dict.fromkeys((real, generated or real)):
    tell_skipped(found)
  return sides


def _data_sides(protocol, generated):
  """A data set, --real or the protocol's own, and beside it the source of generated clips."""
  values = flags.FLAGS
  if values.real:
    data = clips.PreparedClips(
        values.real, values.frames or 16, values.frame_step or 1, values.data_dir,
        size=values.size, drop_short=True)
    try:
      real = videos.DataVideos(data, values.split, values.videos)
    except (ValueError, FileNotFoundError) as error:
      raise FileNotFoundError(
          f'there is no folder {values.real}; as a data set: {error}') from error
  elif protocol.clips is None or generated is None:
    raise ValueError(_TWO_SIDES)
  else:
    _refuse(('size', 'frame_step', 'split'), '--real; the protocol has its own data')
    real = videos.DataVideos(protocol.clips, protocol.split, values.videos or protocol.videos,
                             protocol.real_windows, protocol.seed)
  if generated is None:
    return [real, None]
  sides = videos.like(generated, real, values.frames or protocol.frames, values.videos,
                      values.on_mismatch == 'cut', _paired(protocol))
  tell_skipped(generated)
  return sides


def _paired(protocol):
  return any(measure.paired for measure in protocol.measures)


def _sides_note(real, generated):
  """What exactly was compared: 'a/, b.npz, 16 frames of 64 x 64 pixels'."""
  values = flags.FLAGS
  skipped = len(generated.skipped) if generated else 0
  parts = [_name(path) for path in (values.real, values.generated) if path]
  parts.append('{} frames of {} x {} pixels'.format(*real.shape[:3]))
  parts += [f'{skipped} unreadable ones left out'] if skipped else []
  return ', '.join(parts + (['cut to what both have'] if values.on_mismatch == 'cut' else []))


def _name(path):
  return os.path.basename(os.path.normpath(path)) if os.path.exists(path) else path


def _refuse(names, what_for):
  """Refuses flags that would be ignored."""
  for name in names:
    if flags.FLAGS[name].present:
      raise ValueError(f'--{name} is for {what_for}')


def tell_skipped(found):
  """Says which clips cannot be read."""
  for name, reason in list(found.skipped.items())[:3]:
    print(f'skipped {name}: {reason}', file=sys.stderr)
  if found.skipped:
    print(f'{len(found.skipped)} of the clips in {found.path} cannot be read and are left out',
          file=sys.stderr)


def finish(name, split, step, found, strategy):
  """Prints what was found, and writes it down."""
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
  directory = flags.FLAGS.output or flags.FLAGS.model_dir
  if directory:
    records.write(directory, name, split, step, found, gin.operative_config_str())
    print(f'written into {directory}; python -m launch.report --model_dir={directory} makes a page')


def _protocol():
  """The configured protocol; numbers tell where the command line varies it."""
  protocol = configs.configured(protocols.Protocol)()
  varied = origin.Origin(params=tuple(flags.FLAGS.gin_param)).varied()
  if varied:
    protocol.note = ', '.join(filter(None, [protocol.note, f'varied: {"; ".join(varied)}']))
  return protocol


def _given_frames(protocol):
  """How many first frames are given: by the flag, or else by the protocol."""
  given = flags.FLAGS.conditioning_frames
  return protocol.conditioning_frames or 0 if given is None else given


def _random():
  return flags.FLAGS.networks == 'random'


if __name__ == '__main__':
  program.run(main)
