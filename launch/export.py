"""Exports the sampler of a trained model as a SavedModel, which needs nothing but TensorFlow.

  python -m launch.export --model_dir=runs/prior --export_dir=exported

Elsewhere:

  sample = tf.saved_model.load('exported').signatures['sample']
  videos = sample(seed=tf.constant(3))['videos']  # uint8 [batch_size, T, H, W, C]

With the same seed and --batch_size, the videos are the first batch of `launch.sample --seed`, on
the same kind of machine. The signature of a conditional model also takes `video` (the given first
frames), `label` and `actions`.
"""

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  from tf_videogen import experiment
  from tf_videogen import file_sets
  from tf_videogen import sampling

flags.DEFINE_string('export_dir', None, 'Folder for the SavedModel.')
shared_flags.declare('gin_file', 'gin_param', 'model_dir', 'batch_size', *shared_flags.SAMPLING)


def main(argv):
  """Exports the sampler, and prints the inputs of its signature."""
  del argv
  values = flags.FLAGS
  if not values.export_dir:
    raise ValueError('--export_dir is missing: give the folder for the SavedModel')
  file_sets.check_place(values.export_dir)
  configs.parse_flags()
  config = configs.configured(experiment.Experiment)()
  inputs = sampling.export(
      config, values.model_dir, values.export_dir, shared_flags.batch_size(),
      shared_flags.sampling_options())
  print(f'exported to {values.export_dir}; its signature "sample" takes')
  for name, spec in inputs.items():
    print(f'  {name}: {spec.dtype.name} {list(spec.shape)}')


if __name__ == '__main__':
  program.run(main)
