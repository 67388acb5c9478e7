"""The programs behind costs.md, and frames.csv, the table of what the TPU's compiler said of them.

Level 1, level 2 and models without levels for CVG's figure 3, stages for SSW-GAN's table of costs,
each with one clip per core. `python -m docs.evidence` makes rows, see there.
"""

import pathlib

from docs.preflight import evidence
from tf_videogen.preflight import hardware

TOPOLOGY = hardware.topology('v3:16x16')  # the configs' batch of 512: one clip per core
DVD_GAN = 'trivd_gan/dvd_gan_kinetics600_{frames}_128.gin'
STAGE = 'ssw_gan/kinetics600_stage{number}.gin'
CLASSES = 101
JUDGED = 6  # frames that discriminators of frames see: as many as level 1's shortest videos have
_WINDOW = 12  # frames of level 2's windows, whatever the video


def _program(part, frames, config, bindings):
  """A program of the table.

  Args:
    part: 'level1', 'level2', 'flat', 'dvd_gan', 'stage1' or 'stage2'.
    frames: number of frames of the whole output.
    config, bindings: see `configs.parse`.
  """
  return evidence.Wanted((part, str(frames)), config, bindings, 'train', TOPOLOGY)


def _level1(frames):
  return _program('level1', frames, 'cvg/ucf101_level1.gin', (
      f'clips.PreparedClips.frames = {frames // 2}',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _level2(frames):
  return _program('level2', frames, 'cvg/ucf101_level2.gin', (
      f'clips.PreparedClips.frames = {_WINDOW}',
      f'tasks.UpscalingTask.first_frames = {frames // 2}',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _flat(frames):
  """Level 1 with all frames, of 128 x 128 pixels: a unit and a block of discriminators more."""
  return _program('flat', frames, 'cvg/ucf101_level1.gin', (
      f'clips.PreparedClips.frames = {frames}',
      'clips.PreparedClips.frame_step = 1',
      'downsampled.DownsampledClips.factors = ()',
      'level1/cascade.FirstGenerator.multipliers = (8, 8, 8, 4, 2, 1)',
      'discriminators.Discriminators.multipliers = (1, 2, 4, 8, 16, 16)',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _dvd_gan(frames):
  """DVD-GAN with the levels' classes, judged frames and head, without penalty and average."""
  return _program('dvd_gan', frames, DVD_GAN.format(frames=48), (
      f'clips.PreparedClips.frames = {frames}',
      f'dvd_gan.Generator.classes = {CLASSES}',
      f'discriminators.Discriminators.classes = {CLASSES}',
      f'discriminators.Discriminators.frames = {JUDGED}',
      'discriminators.Discriminators.head = @projection.Projection',
      'tasks.VideoGANTask.orthogonality = 0.0',
      'tasks.VideoGANTask.average_decay = 0.0',
      'tasks.VideoGANTask.average_start = 0'))


def _wanted():
  """The programs that the table has, the fastest to compile first."""
  short = [make(frames) for frames in (12, 24, 48) for make in (_level1, _flat)]
  stages = [_program(f'stage{i}', 50, STAGE.format(number=i), ()) for i in (1, 2)]
  return [*short[:2], _level2(12), *short[2:], *stages, _flat(36), _level1(96), _level1(144),
          _level2(144), *map(_dvd_gan, (12, 24, 48, 96))]


TABLE = evidence.Table(
    pathlib.Path(__file__).with_name('frames.csv'), ('part', 'frames'), _wanted())


def read():
  """The table's rows: {(part, frames): row}, all values of rows text."""
  return {(part, int(frames)): row for (part, frames), row in TABLE.read().items()}


def frames_of(part):
  """For which numbers of output frames a part is compiled, ascending."""
  return sorted(int(frames) for of, frames in (wanted.key for wanted in TABLE.wanted) if of == part)


def complete(rows, *parts):
  """Whether a table has all programs of these parts."""
  return all((part, frames) in rows for part in parts for frames in frames_of(part))
