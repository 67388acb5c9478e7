"""Shows the blind spots of a Video Transformer: which earlier pixels can't reach a prediction.

    python -m launch.inspect_connectivity --gin_file=video_transformer/bair_spatiotemporal.gin

The result is exact. It follows from blocks, masks and kernels, whatever the weights, and needs
neither a checkpoint nor the data. Prints the share of pairs of pixels that the model misses, by
distance (the largest of those in time, height and width): of all pairs, and of pairs within a
slice. Draws the pixels that reach the prediction of one pixel, --pixel, into --map.
"""

import os

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.launch import tpu_programs

with lazy.imports():
  import tensorflow as tf
  import tqdm
  from tf_videogen import bars
  from tf_videogen import experiment
  from tf_videogen import files
  from tf_videogen.models import connectivity
  from tf_videogen.models import video_transformer
  from tf_videogen.reporting import blind_spots

flags.DEFINE_string('pixel', None, 'T,H,W of the pixel whose map is drawn; by default the middle '
                    'of the last slice.')
flags.DEFINE_string('map', 'blind_spots.png', 'PNG file for the map.')
shared_flags.declare('gin_file', 'gin_param', 'data_dir', *shared_flags.UNPREPARED)


def _model():
  """The config's model, built without values of its variables."""
  values = flags.FLAGS
  if not values.gin_file:
    raise ValueError('--gin_file is missing: give the config, such as '
                     'video_transformer/bair_spatiotemporal.gin')
  configs.parse(values.gin_file, values.gin_param, values.data_dir, needs_all=False)
  config = configs.configured(experiment.Experiment)()
  spec = tpu_programs.example_spec(config.clips, values.clip_shape, values.actions)
  with tf.Graph().as_default():  # variables without values, layers without computing
    task = config.task()
    if not isinstance(task.model, video_transformer.VideoTransformer):
      raise ValueError(f'{", ".join(values.gin_file)} is not the config of a Video Transformer')
    task.build(tuple(spec['video'].shape))
  return task.model


def _pixel(text, model):
  """'T,H,W' -> (t, h, w); the middle of the last slice by default."""
  shape, slices = model.video_shape, model.subscaling
  if text is None:
    offsets = slices.offsets(model.generated_slices[-1])
    return tuple(size // 2 * factor + offset for size, factor, offset in zip(
        slices.slice_shape, slices.factors, offsets))
  numbers = text.split(',')
  if len(numbers) != 3 or not all(number.strip().isdigit() for number in numbers):
    raise ValueError(f'--pixel={text} must be T,H,W, such as 8,32,32')
  pixel = tuple(map(int, numbers))
  if any(i >= size for i, size in zip(pixel, shape)):
    raise ValueError(f'--pixel={text} is outside the video, which is {"x".join(map(str, shape))}')
  return pixel


def _map(model, pixel):
  """A drawing, PNG, of the pixels that reach the prediction of a pixel."""
  index, inside = model.subscaling.place(pixel)
  if index not in model.generated_slices:
    raise ValueError('this model has only the first slice: choose a --pixel in it, such as 0,0,0')
  return blind_spots.draw(blind_spots.kinds(
      connectivity.reached(model, index)[inside], connectivity.earlier(model, index)[inside],
      model.video_shape, pixel))


def main(argv):
  """Draws the map and prints the table."""
  del argv
  path = flags.FLAGS.map
  if not path.endswith('.png'):
    raise ValueError(f'--map={path} must end in .png')
  files.check_writable(os.path.dirname(path) or '.')
  model = _model()
  pixel = _pixel(flags.FLAGS.pixel, model)
  files.write(path, _map(model, pixel))
  print(f'{path}: what reaches pixel {",".join(map(str, pixel))}', flush=True)
  counts = connectivity.missed_by_distance(
      model, lambda slices: tqdm.tqdm(slices, 'slices', mininterval=bars.interval()))
  print(blind_spots.table(counts))


if __name__ == '__main__':
  program.run(main)
