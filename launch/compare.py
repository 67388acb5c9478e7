"""Compares videos without a model: folders, a folder and a data set, or a baseline.

  python -m launch.compare --real=real_videos/ --generated=samples.npz --frames=16 --size=64
  python -m launch.compare --real=bair_clips/original --baseline=real_vs_real
"""

import os
import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import evaluations
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  from tf_videogen import files
  from tf_videogen.data import clips
  from tf_videogen.evaluation import reference_statistics
  from tf_videogen.evaluation import run
  from tf_videogen.evaluation import sides as sides_lib
  from tf_videogen.evaluation import variants
  from tf_videogen.evaluation import videos
  from tf_videogen.evaluation import windows
  from tf_videogen.evaluation import written_clips
  from tf_videogen.training import strategies

flags.DEFINE_string('real', None, 'Real videos: folder, file, data set, or statistics.')
flags.DEFINE_multi_string('generated', None, 'Generated videos: folder or file; may be repeated.')
flags.DEFINE_enum('baseline', None, ['copy_last_frame', 'real_vs_real'],
                  'Baseline to compare in place of --generated.')
flags.DEFINE_string('split', 'test', 'Split of the data set given with --real.')
flags.DEFINE_bool('paired', False, 'Compare pairs of the same name, too.')
flags.DEFINE_integer('conditioning_frames', None, 'Number of first frames that are given.',
                     lower_bound=0)
flags.DEFINE_integer('frames', None, 'Number of frames of a clip; by default all.', lower_bound=1)
flags.DEFINE_enum('windows', 'first', ['first', 'random'], 'Which windows.')
flags.DEFINE_integer('windows_per_video', 1, 'Number of random windows per video.', lower_bound=1)
flags.DEFINE_integer('frame_step', None, 'Distance between frames of real clips.', lower_bound=1)
flags.DEFINE_float('frame_rate', None, 'Frames per second to which files are reduced.',
                   lower_bound=0.01)
flags.DEFINE_integer('size', None, 'Side of squares: files are scaled, data sets cut.',
                     lower_bound=1)
flags.DEFINE_integer('videos', None, 'Number of videos per side, drawn by a seed.', lower_bound=2)
flags.DEFINE_enum('on_mismatch', 'refuse', ['refuse', 'cut', 'scale'],
                  'What to do if sides differ in size or length.')
flags.DEFINE_enum('value_range', None, ['0,1', '-1,1', '0,255'],
                  'Range of arrays of floats.')
flags.DEFINE_string('export_statistics', None, 'File for the statistics of real videos (.npz).')
flags.DEFINE_bool('variants', False, 'Compute FVD as other code does, too.')
_OF_CONFIGS = ('gin_file', 'gin_param', 'data_dir', 'strategy', 'tpu')
shared_flags.declare(*_OF_CONFIGS, *evaluations.FLAGS)

_TWO_SIDES = 'two sides are compared: give --real and --generated, or --real and --baseline'
_OF_FOLDERS = ('frame_rate', 'windows_per_video')
_OF_REAL = ('size', 'frame_step', 'split', 'windows', *_OF_FOLDERS)


def main(argv):
  """Compares the sides that the flags name."""
  del argv
  values = flags.FLAGS
  evaluations.refuse(('model_dir',), 'models; give a folder for results with --output')
  if values.generated and values.baseline:
    raise ValueError('two sides are compared: give either --generated or --baseline')
  if not (values.real or values.generated or values.baseline or values.export_statistics):
    raise ValueError(_TWO_SIDES)
  if values.export_statistics and (values.generated or values.baseline):
    raise ValueError('--export_statistics is of real videos alone: leave out --generated and '
                     '--baseline')
  if values.paired and values.gin_file:
    raise ValueError('--paired cannot be used with --gin_file: include '
                     'evaluation/folders_paired.gin in yours')
  strategy = strategies.get(values.strategy, values.tpu)
  names = values.gin_file or ['evaluation/folders_paired.gin' if values.paired else
                              'evaluation/folders.gin']
  configs.parse(names, values.gin_param, values.data_dir)
  protocol = evaluations.configured()
  if values.output:
    files.check_writable(values.output)
  found = [written_clips.WrittenClips(path, values.value_range) for path in values.generated or []]
  labels = _labels(values.generated or [])
  if values.variants and len(found) != 1:
    raise ValueError('--variants compare one --generated')
  if values.export_statistics:
    _export(protocol, strategy)
    return
  split, sides, real = _sides(protocol, found)
  _compare(protocol, sides, real, found, labels, split, strategy)


def _export(protocol, strategy):
  """Writes the statistics of the real videos."""
  values = flags.FLAGS
  split, sides, real = _sides(protocol, [])
  known = set(real.skipped) if real else ()
  protocol = protocol.noted(_sides_note(sides.real, None, [real] * (real is not None)))
  names = run.export(values.export_statistics, protocol, sides.real, strategy, split,
                     shared_flags.batch_size(strategy), evaluations.random_networks())
  if real:
    tell_skipped(real, known)
  if strategies.is_chief(strategy):
    print(f'statistics of {sides.real.count:,} videos for {", ".join(names)} written into '
          f'{values.export_statistics}; compare with --real={values.export_statistics}')


def _labels(paths):
  """What tells several folders apart: their last parts, as many as are needed."""
  parts = [os.path.normpath(path).split(os.sep) for path in paths]
  count = next((n for n in range(1, 100) if len({tuple(p[-n:]) for p in parts}) == len(parts)), 100)
  return ['_'.join(part[-count:]) for part in parts]


def _sides(protocol, generated):
  """What is compared with some WrittenClips.

  Returns:
    Name of the split of the real videos; `sides.Sides`; the WrittenClips of the real videos, None
    if they are a data set's.
  """
  values = flags.FLAGS
  if not (generated or values.baseline or values.export_statistics):
    raise ValueError(_TWO_SIDES)
  if values.real and reference_statistics.is_one(values.real):
    evaluations.refuse((*_OF_REAL, 'baseline', 'paired', 'export_statistics'),
                       'videos; --real has statistics of videos')
    real = reference_statistics.ReferenceVideos(values.real)
    _tell_skipped(generated, protocol)
    return real.about['split'], sides_lib.like(real, generated, _wishes(protocol)), None
  if values.real and os.path.exists(values.real):
    evaluations.refuse(('split',), 'data sets, not for folders')
    real = written_clips.WrittenClips(values.real, values.value_range)
    _tell_skipped([real, *generated], protocol)
    return _name(values.real), sides_lib.matched(real, generated, _wishes(protocol)), real
  if values.real:
    return values.split, _data_sides(protocol, generated), None
  return protocol.split, _protocol_sides(protocol, generated), None


def _compare(protocol, sides, real, found, labels, split, strategy):
  """Compares real clips with each side of generated ones, or with a baseline of them."""
  values, name = flags.FLAGS, protocol.name
  given = values.conditioning_frames
  if given is None:
    given = protocol.conditioning_frames or 0
  batch_size, is_random = shared_flags.batch_size(strategy), evaluations.random_networks()
  files_read = [real] * (real is not None)
  known = {one: set(one.skipped) for one in files_read + found}
  if values.variants:
    name += '_variants'
    evaluated = [variants.run(sides.real, sides.generated[0], strategy, batch_size, is_random,
                              sides.real.random_windows() if real else None)]
  elif values.baseline == 'copy_last_frame':
    evaluated = [run.run(protocol, sides.real, videos.CopyLastFrame(given), strategy, batch_size,
                         is_random)]
  elif values.baseline:
    evaluated = run.run_each(protocol.unpaired(), sides.real.half(0), [sides.real.half(1)],
                             strategy, batch_size, is_random)
  else:
    evaluated = run.run_each(protocol, sides.real, sides.generated, strategy, batch_size,
                             is_random, given)
  for one, told in known.items():
    tell_skipped(one, told)
  for evaluation, one in zip(evaluated, found or [None]):
    evaluation.warnings[:0] = sides.told
    if values.real or one:
      _note(evaluation, _sides_note(sides.real, one, files_read + [one] * (one is not None)))
  names = [f'{name}_{values.baseline}' if values.baseline else name]
  if len(values.generated or []) > 1:
    names = [f'{name}_{label}' for label in labels]
  evaluations.finish_each(names, split, 0, evaluated, strategy, values.output)


def _note(evaluation, note):
  """Adds words to the note of every number."""
  for value in evaluation.values:
    value.note = ', '.join(filter(None, [value.note, note]))


def _wishes(protocol):
  """What the flags ask of folders."""
  values = flags.FLAGS
  return sides_lib.Wishes(
      values.frames or protocol.frames, values.videos, values.on_mismatch, values.size,
      protocol.paired and not values.baseline, windows.Windows(
          values.windows, values.windows_per_video, values.frame_step or 1, values.frame_rate,
          protocol.seed))


def _data_sides(protocol, generated):
  """The sides of a prepared data set's clips, and of generated clips from files."""
  values = flags.FLAGS
  evaluations.refuse(_OF_FOLDERS, 'folders; --real is a data set')
  split = {'train_split': values.split, 'crop': 'center'} if values.windows == 'random' else {}
  data = clips.PreparedClips(
      values.real, values.frames or 16, values.frame_step or 1, values.data_dir, size=values.size,
      drop_short=True, **split)
  try:
    real = videos.DataVideos(data, values.split, values.videos, values.windows, protocol.seed,
                             drawn=not _wishes(protocol).paired)
  except (ValueError, FileNotFoundError) as error:
    raise FileNotFoundError(
        f'there is no folder {values.real}; read as a data set: {error}') from error
  return _beside(protocol, real, generated)


def _protocol_sides(protocol, generated):
  """The sides of the protocol's own clips, and of generated clips from files."""
  values = flags.FLAGS
  evaluations.refuse(_OF_REAL, '--real; the protocol has its own data')
  if protocol.clips is None:
    raise ValueError(_TWO_SIDES if generated else (
        f'the protocol {protocol.name} has no data of its own: give data with --real, or a '
        'protocol that has data with --gin_file=evaluation/...'))
  real = videos.DataVideos(protocol.clips, protocol.split, values.videos or protocol.videos,
                           protocol.real_windows, protocol.seed,
                           drawn=bool(values.videos) and not _wishes(protocol).paired)
  return _beside(protocol, real, generated)


def _beside(protocol, real, generated):
  """The sides of a data set's clips, and of clips from files; only the first for a baseline."""
  values = flags.FLAGS
  if not generated:
    evaluations.refuse(('on_mismatch', 'value_range'), 'two sides; a baseline has one')
    if not values.real:
      evaluations.refuse(('frames',), '--real; bind Protocol.frames with --gin_param')
    return sides_lib.Sides(real, [], [])
  _tell_skipped(generated, protocol)
  return sides_lib.like(real, generated, _wishes(protocol))


def _sides_note(real, generated, found):
  """A description of the two sides: 'a, b.npz, 16 frames of 64 x 64 pixels'."""
  values = flags.FLAGS
  skipped = sum(len(one.skipped) for one in dict.fromkeys(found))
  parts = [_name(path) for path in (values.real, generated and generated.path) if path]
  parts.append('{} frames of {} x {} pixels'.format(*real.shape[:3]))
  if values.windows == 'random':
    parts.append(f'{values.windows_per_video} random windows per video')
  parts += [f'frame step {values.frame_step}'] if values.frame_step else []
  parts += [f'{values.frame_rate:g} frames per second'] if values.frame_rate else []
  parts += [f'{skipped} unreadable ones left out'] if skipped else []
  how = {'cut': 'cut to what both have', 'scale': 'scaled to what both have'}
  return ', '.join(filter(None, [*parts, how.get(values.on_mismatch)]))


def _name(path):
  return os.path.basename(os.path.normpath(path)) if os.path.exists(path) else path


def _tell_skipped(found, protocol):
  """Tells what is left out of some WrittenClips, before lengths or sizes may be refused."""
  wishes = _wishes(protocol)
  for one in found:
    one.headers(None if wishes.paired else one.drawn(wishes.limit, wishes.windows.seed))
    tell_skipped(one)


def tell_skipped(found, known=None):
  """Prints on stderr how many clips are left out, and the first three of them, and previews.

  Args:
    found: a `written_clips.WrittenClips`, after its headers are read.
    known: names that have been told before, which are not repeated; None before the first time.
  """
  new = {name: reason for name, reason in found.skipped.items() if name not in (known or ())}
  for name, reason in list(new.items())[:3]:
    print(f'skipped {name}: {reason}', file=sys.stderr)
  if new:
    print(f'{len(new)} {"more " if known else ""}of the clips in {found.path} cannot be read and '
          'are left out', file=sys.stderr)
  if found.previews and known is None:
    print(f'{len(found.previews)} files in {found.path} are taken for previews of the clips beside '
          f'them and left out, such as {found.previews[0]}', file=sys.stderr)


if __name__ == '__main__':
  program.run(main)
