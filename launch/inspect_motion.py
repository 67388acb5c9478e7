"""Shows how well a video GAN predicts each frame, and the motion that its recurrent units predict.

    python -m launch.inspect_motion --model_dir=runs/trivd_gan_smoke

Samples continue clips of a split. PSNR and SSIM of every predicted frame are printed, beside those
of copies of the last given frame. The motion of units that warp (TrIVD-GAN, section 4.4) is drawn
as colors into motion.gif and motion.png, below the clips and samples. For data.MovingShapes, whose
truth is known, the distances of shapes from their true places and the agreement of motion follow.
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
  from tf_videogen import files
  from tf_videogen.data import video_io
  from tf_videogen.evaluation import prediction
  from tf_videogen.reporting import color_wheel
  from tf_videogen.training import strategies

flags.DEFINE_integer('clips', 64, 'Number of clips to continue.', lower_bound=1)
flags.DEFINE_string('motion_split', None, 'Split of the clips; by default the first that the '
                    'config evaluates.')
flags.DEFINE_integer('shown', 6, 'Number of these clips to draw.', lower_bound=1)
flags.DEFINE_string('motion_output', None, 'Folder for the drawings; by default '
                    '<model_dir>/motion.')
shared_flags.declare(*configs.FLAGS, 'batch_size')

_ROW_PIXELS = 64  # smaller frames are drawn larger, by a whole factor, up to this side


def table(rows):
  """Formats {name: a number for every predicted frame} as text, with one column per frame."""
  width = max(map(len, rows))
  frames = range(1, len(next(iter(rows.values()))) + 1)
  lines = ['frame'.ljust(width) + ''.join(f'{frame:>8}' for frame in frames)]
  for name, values in rows.items():
    lines.append(name.ljust(width) + ''.join(f'{value:8.3f}' for value in values))
  return '\n'.join(lines)


def drawing(found, count):
  """Clips, samples, and motion, predicted and true, one below the other.

  Args:
    found: a prediction.Predictions.
    count: number of clips that are drawn.

  Returns:
    uint8 [N, T, H', W', 3].
  """
  rows = [np.broadcast_to(video[:count], video[:count].shape[:-1] + (3,))
          for video in (found.data, found.samples)]
  known = [field[:count] for field in (found.motion, found.true_motion) if field is not None]
  if known:
    fastest = np.percentile(np.linalg.norm(known[-1], axis=-1), 99.5) or None
    rows += [color_wheel.picture(field, fastest) for field in known]
  factor = max(1, _ROW_PIXELS // found.data.shape[3])
  rows = [np.pad(video_io.enlarge(row, factor), [(0, 0), (0, 0), (0, 2), (0, 0), (0, 0)],
                 constant_values=255) for row in rows]
  return np.concatenate(rows, axis=2)


def main(argv):
  """Prints the table and the agreement of motion, and writes the drawings."""
  del argv
  values = flags.FLAGS
  configs.parse_flags()
  config = configs.configured(experiment.Experiment)()
  strategy = strategies.get(values.strategy, values.tpu)
  directory = values.motion_output or os.path.join(values.model_dir, 'motion')
  files.check_writable(directory)
  found = prediction.predict(config, values.model_dir, strategy, values.clips,
                             values.motion_split, shared_flags.batch_size(strategy))
  print(table(prediction.by_frame(found)))
  for name, value in prediction.agreement(found).items():
    print(f'{name}: {value:.3f}')
  drawn = drawing(found, values.shown)
  video_io.write_gif(os.path.join(directory, 'motion.gif'), video_io.grid(drawn, len(drawn)))
  video_io.write_png_strip(os.path.join(directory, 'motion.png'), drawn[:2])
  print(f'the drawings are in {directory}')


if __name__ == '__main__':
  program.run(main)
