"""Makes a model directory from a checkpoint of VideoGPT's authors, without PyTorch.

  python -m launch.import_videogpt --checkpoint=bair_gpt --model_dir=runs/bair_gpt

The file is one that the authors released, or another one that their code (wilson1yan/VideoGPT)
wrote. Nothing in it is executed. A file with a released name has its config in
`gin/videogpt/published/`. For others, --gin_file says which data it was trained on. Sizes come from
the file. The directory can then be sampled, evaluated, exported and trained further like any other.
"""

import os

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.launch import train

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import building
  from tf_videogen import experiment
  from tf_videogen.model_directory import checkpoints
  from tf_videogen.model_directory import layout
  from tf_videogen.published import videogpt
  from tf_videogen.training import checkpoint_manager

flags.DEFINE_string('checkpoint', None, "The authors' file of a VQ-VAE or of a prior.")
flags.DEFINE_string('vqvae', None, 'The file of the VQ-VAE that a prior was trained on, if the '
                    'file of the prior does not have its factors.')
shared_flags.declare('gin_file', 'gin_param', 'model_dir', 'data_dir')

_PUBLISHED = 'videogpt/published'


def _config_files(path):
  """The config files of --gin_file, or the config of a file with a released name."""
  if flags.FLAGS.gin_file:
    return list(flags.FLAGS.gin_file)
  name = os.path.basename(path).split('.')[0]
  known = sorted(p.stem for p in (configs.GIN_DIR / _PUBLISHED).glob('*.gin'))
  if name not in known:
    raise ValueError(f'--gin_file is missing: {path} has none of the released names '
                     f'({", ".join(known)}), so give the config of its data, such as '
                     f'{_PUBLISHED}/{known[0]}.gin')
  return [f'{_PUBLISHED}/{name}.gin']


def _bindings(weights, names):
  """The bindings 'NAME=VALUE' that a checkpoint determines."""
  vqvae = flags.FLAGS.vqvae and videogpt.open_weights(flags.FLAGS.vqvae)
  if vqvae and not weights.is_prior:
    raise ValueError(f'{weights.path} is a VQ-VAE itself: leave --vqvae out')
  has_prior = 'VQVAE_DIR' in configs.macros(names)
  if weights.is_prior != has_prior:
    kinds = {True: 'a prior', False: 'a VQ-VAE'}
    raise ValueError(f'{weights.path} is {kinds[weights.is_prior]}, but {names[0]} is the config '
                     f'of {kinds[has_prior]}')
  bound = [f'{name}={value}' for name, value in videogpt.bindings(weights, vqvae).items()]
  return bound + (["VQVAE_DIR=''"] if has_prior else [])


def _parse(names, params):
  """Parses a config and bindings; returns the bindings that change the config."""
  data_dir = flags.FLAGS.data_dir
  configs.parse(names, [], data_dir, needs_all=False)
  before = configs.bound()
  configs.parse(names, params, data_dir, imports=videogpt.IMPORTS)
  after = configs.bound()
  names = [param.partition('=')[0].strip() for param in params]
  return [param for name, param in zip(names, params)
          if '.' not in name or before.get(name) != after[name]]


def _spec(weights):
  """The TensorSpecs of an example of the clips that a checkpoint was trained on."""
  spec = {'video': tf.TensorSpec(videogpt.clip_shape(weights), tf.uint8)}
  if videogpt.classes(weights):
    spec['label'] = tf.TensorSpec([], tf.int32)
  return spec


def main(argv):
  """Reads the file, and writes the model directory."""
  del argv
  values = flags.FLAGS
  if not values.checkpoint:
    raise ValueError("--checkpoint is missing: give the authors' file")
  if not values.model_dir:
    raise ValueError('--model_dir is missing: give the folder of the model')
  weights = videogpt.open_weights(values.checkpoint)
  names = _config_files(values.checkpoint)
  params = _parse(names, _bindings(weights, names) + values.gin_param)
  config = configs.configured(experiment.Experiment)()
  strategy, spec = tf.distribute.get_strategy(), _spec(weights)
  with train.sole(values.model_dir, strategy):
    if checkpoints.paths(values.model_dir):
      raise ValueError(f'{values.model_dir} has a model already: use another --model_dir')
    built = building.build(config, strategy, spec, 'float32')
    videogpt.assign(weights, built.task.model)
    configs.keep(values.model_dir, names=names, params=params)
    layout.save_spec(spec, values.model_dir)
    checkpoint_manager.CheckpointManager(
        built.checkpoint, values.model_dir, max_to_keep=1, step_counter=built.step,
        checkpoint_interval=1).save(checkpoint_number=0)
  print(f'{building.described(built)}, for clips of {"x".join(map(str, spec["video"].shape))}, '
        f'from {values.checkpoint}, in {values.model_dir}')


if __name__ == '__main__':
  program.run(main)
