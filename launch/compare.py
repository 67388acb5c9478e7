"""Compares videos without a model: two folders, a folder and a data set, or a baseline.

  python -m launch.compare --real=real_videos/ --generated=samples.npz --frames=16
  python -m launch.compare --real=bair_clips/original --baseline=real_vs_real
  python -m launch.compare --gin_file=evaluation/... --baseline=copy_last_frame

Folders have videos, GIFs, PNG files or arrays. Numbers are printed, and added to the results.csv of
--output. launch.get_networks gets the networks; metrics without theirs are reported as missing.
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
  from tf_videogen.evaluation import run
  from tf_videogen.evaluation import videos
  from tf_videogen.evaluation import written_clips
  from tf_videogen.training import strategies

flags.DEFINE_string('real', None, 'Folder or file of real videos, or a prepared data set; by '
                    'default the data of the protocol.')
flags.DEFINE_string('generated', None, 'Folder or file of generated videos.')
flags.DEFINE_enum('baseline', None, ['copy_last_frame', 'real_vs_real'],
                  'Baseline to compare in place of --generated.')
flags.DEFINE_string('split', 'test', 'Split of the data set given with --real.')
flags.DEFINE_bool('paired', False, 'Compare pairs, also by SSIM and PSNR.')
flags.DEFINE_integer('conditioning_frames', None, 'Number of first frames that are given.',
                     lower_bound=0)
flags.DEFINE_integer('frames', None, 'Number of first frames to compare; by default all.',
                     lower_bound=1)
flags.DEFINE_integer('size', None, 'Side of squares cut from the middle of stored frames.',
                     lower_bound=1)
flags.DEFINE_integer('frame_step', None, 'Distance between frames of clips of a data set.',
                     lower_bound=1)
flags.DEFINE_integer('videos', None, 'Number of videos per side; by default all.', lower_bound=2)
flags.DEFINE_enum('on_mismatch', 'refuse', ['refuse', 'cut'],
                  'What to do if the sides differ.')
flags.DEFINE_enum('value_range', None, ['0,1', '-1,1', '0,255'],
                  'Range of arrays of floats.')
_OF_CONFIGS = ('gin_file', 'gin_param', 'data_dir', 'strategy', 'tpu')
shared_flags.declare(*_OF_CONFIGS, *evaluations.FLAGS)

_TWO_SIDES = 'two sides are compared: give --real and --generated, or --real and --baseline'
_OF_DATA_SETS = ('size', 'frame_step', 'split')


def main(argv):
  """Compares the two sides that the flags name."""
  del argv
  values = flags.FLAGS
  evaluations.refuse(('model_dir',), 'models; give a folder for results with --output')
  if values.generated and values.baseline:
    raise ValueError('two sides are compared: give either --generated or --baseline')
  if not (values.real or values.generated or values.baseline):
    raise ValueError(_TWO_SIDES)
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
  generated = written_clips.WrittenClips(values.generated, values.value_range) if (
      values.generated) else None
  if values.real and os.path.exists(values.real):
    split, sides = _name(values.real), _folder_sides(protocol, generated)
  elif values.real:
    split, sides = values.split, _data_sides(protocol, generated)
  else:
    split, sides = protocol.split, _protocol_sides(protocol, generated)
  if values.real or values.generated:
    protocol = protocol.noted(_sides_note(sides[0], generated))
  _compare(protocol, *sides, split, strategy)


def _compare(protocol, real, generated, split, strategy):
  """Compares two sources, or one source with a baseline of it."""
  values, make, name = flags.FLAGS, None, protocol.name
  given = values.conditioning_frames
  if given is None:
    given = protocol.conditioning_frames or 0
  if values.baseline:
    name = f'{name}_{values.baseline}'
  if values.baseline == 'real_vs_real':
    real, generated = real.half(0), real.half(1)
    protocol, given = protocol.unpaired(), 0
  elif values.baseline:
    make, generated = videos.CopyLastFrame(given), None
  found = run.run(protocol, real, make, strategy, shared_flags.batch_size(strategy),
                  evaluations.random_networks(), generated, given)
  evaluations.finish(name, split, 0, found, strategy, values.output)


def _folder_sides(protocol, generated):
  """The sources of real and of generated clips, both from files."""
  values = flags.FLAGS
  evaluations.refuse(_OF_DATA_SETS, 'data sets, not for folders')
  if not (generated or values.baseline):
    raise ValueError(_TWO_SIDES)
  real = written_clips.WrittenClips(values.real, values.value_range)
  for found in dict.fromkeys((real, generated or real)):
    tell_skipped(found)  # before the numbers of clips may be refused
  return videos.matched(
      real, generated or real, values.frames or protocol.frames, values.videos,
      values.on_mismatch == 'cut', protocol.paired)


def _data_sides(protocol, generated):
  """The source of a prepared data set's clips, and the source of generated clips from files."""
  values = flags.FLAGS
  data = clips.PreparedClips(
      values.real, values.frames or 16, values.frame_step or 1, values.data_dir, size=values.size,
      drop_short=True)
  try:
    real = videos.DataVideos(data, values.split, values.videos)
  except (ValueError, FileNotFoundError) as error:
    raise FileNotFoundError(
        f'there is no folder {values.real}; read as a data set: {error}') from error
  return _beside(protocol, real, generated)


def _protocol_sides(protocol, generated):
  """The source of the protocol's own clips, and the source of generated clips from files."""
  values = flags.FLAGS
  evaluations.refuse(_OF_DATA_SETS, '--real; the protocol has its own data')
  if protocol.clips is None:
    raise ValueError(_TWO_SIDES if generated else (
        f'the protocol {protocol.name} has no data of its own: give data with --real, or a '
        'protocol that has data with --gin_file=evaluation/...'))
  real = videos.DataVideos(protocol.clips, protocol.split, values.videos or protocol.videos,
                           protocol.real_windows, protocol.seed)
  return _beside(protocol, real, generated)


def _beside(protocol, real, generated):
  """[source of a data set's clips, source of clips from files, or None for a baseline]."""
  values = flags.FLAGS
  if generated is None:
    if not values.baseline:
      raise ValueError(_TWO_SIDES)
    evaluations.refuse(('on_mismatch', 'value_range'), 'two sides; a baseline has one')
    if not values.real:
      evaluations.refuse(('frames',), '--real; bind Protocol.frames with --gin_param')
    return [real, None]
  tell_skipped(generated)
  return videos.like(generated, real, values.frames or protocol.frames, values.videos,
                     values.on_mismatch == 'cut', protocol.paired)


def _sides_note(real, generated):
  """A description of the two sides: 'a, b.npz, 16 frames of 64 x 64 pixels'."""
  values = flags.FLAGS
  skipped = len(generated.skipped) if generated else 0
  parts = [_name(path) for path in (values.real, values.generated) if path]
  parts.append('{} frames of {} x {} pixels'.format(*real.shape[:3]))
  parts += [f'{skipped} unreadable ones left out'] if skipped else []
  return ', '.join(parts + (['cut to what both have'] if values.on_mismatch == 'cut' else []))


def _name(path):
  return os.path.basename(os.path.normpath(path)) if os.path.exists(path) else path


def tell_skipped(found):
  """Prints on stderr how many clips are left out, and the first three of them."""
  found.survey()
  for name, reason in list(found.skipped.items())[:3]:
    print(f'skipped {name}: {reason}', file=sys.stderr)
  if found.skipped:
    print(f'{len(found.skipped)} of the clips in {found.path} cannot be read and are left out',
          file=sys.stderr)
  if found.previews:
    print(f'{len(found.previews)} files in {found.path} are taken for previews of the clips beside '
          f'them and left out, such as {found.previews[0]}', file=sys.stderr)


if __name__ == '__main__':
  program.run(main)
