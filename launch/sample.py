"""Samples videos from a trained model directory: GIF, MP4, PNG strips and .npz.

  python -m launch.sample --model_dir=runs/prior --num_samples=16 --seed=0

Conditions (first frames, classes, actions) are taken from the clips of --conditions, a split of the
config's data set; a small split is repeated. --samples_per_condition draws several samples for each
condition, and with --label=NAME all samples have one class. For a cascade, levels.gif shows all
levels side by side. Files go to <model_dir>/samples, or to --output.
"""

import os

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  import numpy as np
  from tf_videogen import experiment
  from tf_videogen import file_sets
  from tf_videogen import files
  from tf_videogen import sampling
  from tf_videogen.data import video_io
  from tf_videogen.training import strategies

flags.DEFINE_integer('num_samples', 16, 'Number of clips to sample.', lower_bound=1)
flags.DEFINE_integer('seed', 0, 'The same seed gives the same clips.', lower_bound=0,
                     upper_bound=2**63 - 1)
flags.DEFINE_string('conditions', None, 'Split from which conditions are taken; by default the '
                    'first that the config evaluates.')
flags.DEFINE_integer('samples_per_condition', 1, 'Number of samples, out of --num_samples, with '
                     'the same conditions.', lower_bound=1)
flags.DEFINE_string('label', None, 'Class of all samples, as a name or number.')
flags.DEFINE_string('output', None, 'Folder for the files; by default <model_dir>/samples.')
flags.DEFINE_integer('fps', 8, 'Frames per second of GIF and MP4.', lower_bound=1)
shared_flags.declare(*configs.FLAGS, 'batch_size', *shared_flags.SAMPLING)

_SHOWN_PIXELS = 96  # smaller samples are shown larger, by a whole factor, up to this width


def write(videos, directory, fps):
  """Writes the videos that `sampling.sample` returns: all together, and every sample alone.

  Files of an earlier call are removed when all new ones are in place.

  Args:
    videos: dict that `sampling.sample` returns.
    directory: folder for the files.
    fps: frames per second of GIF and MP4.
  """
  with file_sets.replacing(directory, 'sample', last='samples.npz') as aside:
    _write(videos, aside, fps)


def _write(videos, directory, fps):
  given = int(videos.get('conditioning_frames', 0))
  shown = videos['samples']
  if given:
    shown = video_io.outline(shown, given)
  shown = video_io.enlarge(shown, max(1, _SHOWN_PIXELS // shown.shape[3]))
  video_io.write_gif(os.path.join(directory, 'samples.gif'), video_io.grid(shown), fps)
  video_io.write_png_strip(os.path.join(directory, 'samples.png'), shown[:8])
  below = [videos[name][:8] for name in sorted(videos) if name.startswith('level')]
  if below:
    levels = side_by_side([*below, videos['samples'][:8]])
    levels = video_io.enlarge(levels, max(1, _SHOWN_PIXELS // levels.shape[3]))
    levels = video_io.grid(levels, columns=len(below) + 1)
    video_io.write_gif(os.path.join(directory, 'levels.gif'), levels, fps)
  for i, video in enumerate(videos['samples']):
    path = os.path.join(directory, f'sample_{i:04d}')
    video_io.write_gif(path + '.gif', video, fps)
    video_io.write_mp4(path + '.mp4', video, fps)
    video_io.write_png_strip(path + '.png', video)
  video_io.write_npz(os.path.join(directory, 'samples.npz'), {**videos, 'fps': fps})


def side_by_side(levels):
  """Videos of all levels, brought to the size and length of the last level by nearest neighbors.

  Args:
    levels: list of uint8 [N, T_i, H_i, W_i, C], one per level.

  Returns:
    uint8 [N * levels, T, H, W, C]: the levels of the first video, then those of the second, ...
  """
  times, side = levels[-1].shape[1:3]
  shown = []
  for level in levels:
    frames = np.arange(times) * level.shape[1] // times
    shown.append(video_io.enlarge(level[:, frames], side // level.shape[2]))
  return np.stack(shown, axis=1).reshape(-1, *levels[-1].shape[1:])


def main(argv):
  """Samples videos and writes them."""
  del argv
  values = flags.FLAGS
  configs.parse_flags()
  strategy = strategies.get(values.strategy, values.tpu)
  config = configs.configured(experiment.Experiment)()
  directory = values.output or os.path.join(values.model_dir, 'samples')
  files.check_writable(directory)
  videos = sampling.sample(
      config, values.model_dir, strategy, values.num_samples, values.seed, values.conditions,
      shared_flags.batch_size(strategy), values.samples_per_condition,
      shared_flags.sampling_options(), values.label)
  write(videos, directory, values.fps)
  print(f'{len(videos["samples"])} samples in {directory}')


if __name__ == '__main__':
  program.run(main)
