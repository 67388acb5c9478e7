"""The programs behind docs/cascades/costs.md: what is compiled, and the rows kept of it.

Level 1, level 2 and models without levels for CVG's figure 3, stages for SSW-GAN's table of costs,
each with one clip a core. `cascade_costs` is the command.
"""

import csv
import io
import pathlib
import re
import typing

from tests import shipped_configs
from tf_videogen import experiment
from tf_videogen import files
from tf_videogen.launch import configs
from tf_videogen.launch import tpu_programs
from tf_videogen.preflight import compiler
from tf_videogen.preflight import costs
from tf_videogen.preflight import hardware

TABLE = pathlib.Path(__file__).parents[2] / 'docs' / 'cascades' / 'frames.csv'
TOPOLOGY = hardware.topology('v3:16x16')  # the configs' batch of 512: one clip a core
DVD_GAN = 'trivd_gan/dvd_gan_kinetics600_{frames}_128.gin'
STAGE = 'ssw_gan/kinetics600_stage{number}.gin'
CLASSES = 101
JUDGED = 6  # frames that discriminators of frames see: as many as level 1's shortest videos have
_WINDOW = 12  # frames of level 2's windows, whatever the video
FIELDS = ('part', 'frames', 'config', 'bindings', 'batch', 'parameters', 'digest', 'fits',
          'peak_bytes', 'argument_bytes', 'temporary_bytes', 'code_bytes', 'flops',
          'bytes_accessed', 'bound_s', 'train_steps', 'error')


class Wanted(typing.NamedTuple):
  """A program of the table.

  part: 'level1', 'level2', 'flat', 'dvd_gan', 'stage1' or 'stage2'.
  frames: of the whole output.
  config, bindings: see `configs.parse`.
  """
  part: str
  frames: int
  config: str
  bindings: tuple

  @property
  def key(self):
    """What finds its row."""
    return self.part, self.frames


def _level1(frames):
  return Wanted('level1', frames, 'cvg/ucf101_level1.gin', (
      f'clips.PreparedClips.frames = {frames // 2}',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _level2(frames):
  return Wanted('level2', frames, 'cvg/ucf101_level2.gin', (
      f'clips.PreparedClips.frames = {_WINDOW}',
      f'upscaling.UpscalingTask.first_frames = {frames // 2}',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _flat(frames):
  """Level 1 with all frames, of 128 x 128 pixels: a unit and a block of discriminators more."""
  return Wanted('flat', frames, 'cvg/ucf101_level1.gin', (
      f'clips.PreparedClips.frames = {frames}',
      'clips.PreparedClips.frame_step = 1',
      'downsampled.DownsampledClips.factors = ()',
      'level1/cvg.FirstLevel.multipliers = (8, 8, 8, 4, 2, 1)',
      'discriminators.Discriminators.multipliers = (1, 2, 4, 8, 16, 16)',
      f'discriminators.Discriminators.frames = {JUDGED}'))


def _dvd_gan(frames):
  """DVD-GAN with the levels' classes, judged frames and head, without penalty and average."""
  return Wanted('dvd_gan', frames, DVD_GAN.format(frames=48), (
      f'clips.PreparedClips.frames = {frames}',
      f'trivd_gan.Generator.classes = {CLASSES}',
      f'discriminators.Discriminators.classes = {CLASSES}',
      f'discriminators.Discriminators.frames = {JUDGED}',
      'discriminators.Discriminators.head = @projection.Projection',
      'adversarial.AdversarialTask.orthogonality = 0.0',
      'adversarial.AdversarialTask.average_decay = 0.0',
      'adversarial.AdversarialTask.average_start = 0'))


def wanted():
  """The programs that the table has, the fastest to compile first."""
  short = [make(frames) for frames in (12, 24, 48) for make in (_level1, _flat)]
  stages = [Wanted(f'stage{i}', 50, STAGE.format(number=i), ()) for i in (1, 2)]
  return [*short[:2], _level2(12), *short[2:], *stages, _flat(36), _level1(96), _level1(144),
          _level2(144), *map(_dvd_gan, (12, 24, 48, 96))]


PARTS = tuple(dict.fromkeys(program.part for program in wanted()))


def frames_of(part):
  """For which numbers of output frames a part is compiled, ascending."""
  return sorted(program.frames for program in wanted() if program.part == part)


def configured(program):
  """The Experiment of a program, parsed alone."""
  configs.parse([program.config], program.bindings, needs_all=False)
  return configs.configured(experiment.Experiment)()


def export(program):
  """(Experiment, programs.Program) of a row: one clip a core."""
  config = configured(program)
  return config, tpu_programs.export_apart(tpu_programs.Request(
      (program.config,), program.bindings, None, 'train', 1,
      *shipped_configs.unprepared(config.clips)))


def read():
  """The table: {(part, frames): row}, all values text."""
  if not TABLE.exists():
    return {}
  with open(TABLE, newline='') as f:
    return {(row['part'], int(row['frames'])): row for row in csv.DictReader(f)}


def write(rows):
  """Writes the table, in the order of `wanted`."""
  text = io.StringIO()
  writer = csv.DictWriter(text, FIELDS, lineterminator='\n')
  writer.writeheader()
  writer.writerows(rows[program.key] for program in wanted() if program.key in rows)
  files.write(str(TABLE), text.getvalue())


def complete(rows, *parts):
  """Whether a table has all programs of these parts."""
  return all(program.key in rows for program in wanted() if program.part in parts)


def row_of(program, config, exported):
  """Compiles a program; its row, all values text."""
  cost = costs.cost(exported, compiler.compile_program(exported, TOPOLOGY, say=print), TOPOLOGY)
  values = {**cost._asdict(), **program._asdict(), 'bindings': '; '.join(program.bindings),
            'digest': exported.digest, 'fits': 'yes' if cost.fits else 'no',
            'peak_bytes': cost.peak_bytes or required_bytes(cost.error),
            'flops': f'{cost.flops:.6g}', 'bytes_accessed': f'{cost.bytes_accessed:.6g}',
            'bound_s': f'{cost.bound_s:.5g}', 'train_steps': config.train_steps}
  return {field: str(values[field]) for field in FIELDS}


def required_bytes(error):
  """The memory that a program wants which is refused for it; 0 where the compiler doesn't tell."""
  found = re.search(r'out of memory: required (\d[\d.]*)([KMGT])', error)
  return round(float(found.group(1)) * 1024**(' KMGT'.index(found.group(2)))) if found else 0
