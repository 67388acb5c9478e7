"""Every binding is held against a table: what is wrong is told by name, before anything runs."""

import functools
import inspect
import re

import pytest
import tensorflow as tf

from tf_videogen import experiment
from tf_videogen.launch import bindings
from tf_videogen.launch import configs
from tf_videogen.tasks import lower_videos

pytestmark = pytest.mark.usefixtures('no_config_left')

VQVAE, PRIOR = 'videogpt/moving_mnist_vqvae.gin', 'videogpt/moving_mnist_prior.gin'
GAN, STAGE2 = 'trivd_gan/smoke.gin', 'ssw_gan/smoke_stage2.gin'
TRANSFORMER = 'video_transformer/moving_mnist_spatiotemporal.gin'
FOLDERS = 'evaluation/folders.gin'


@functools.cache
def _configurables():
  """All that the suite's configs bind or refer to: {class or function: 'module.Name'}."""
  found = {experiment.evaluate: 'experiment.evaluate',
           experiment.evaluate_continuously: 'experiment.evaluate_continuously',
           lower_videos.Bank: 'lower_videos.Bank'}
  for path in configs.GIN_DIR.rglob('*.gin'):
    text = path.read_text()
    modules = {alias or module: f'{package}.{module}' for package, module, alias in re.findall(
        r'^from (\S+) import (\w+)(?: as (\w+))?$', text, re.MULTILINE)}
    for selector in set(re.findall(r'\b([a-z_0-9]+\.\w+)\b', text)):
      if selector.partition('.')[0] in modules:
        configurable = bindings.configurable(selector, modules)
        if callable(configurable):
          found[configurable] = selector
  return found


def test_every_parameter_that_a_config_can_bind_has_a_kind():
  found, given = _configurables(), {'x', 'experiment', 'model_dir', 'strategy', 'args', 'kwargs'}
  assert len(found) > 50
  unknown = [f'{selector}.{name}' for configurable, selector in found.items()
             if configurable.__module__.startswith('tf_videogen.')
             for name in inspect.signature(configurable).parameters
             if name not in given and bindings.kind_of(configurable, name)[0] is None]
  # Of training, actions are callables, which no config has.
  assert unknown == []


def test_every_name_of_the_table_is_a_parameter():
  found = _configurables()
  names = {name for configurable in found for name in inspect.signature(configurable).parameters}
  classes = {configurable.__name__ for configurable in found}
  for entry in bindings.TABLE:
    owner, _, name = entry.rpartition('.')
    assert name in names and (not owner or owner in classes), entry


@pytest.mark.parametrize('config, binding, wanted', [
    (VQVAE, "vqvae.VQVAE.hidden = 'eight'", 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.hidden = 2.5', 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.hidden = True', 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.hidden = -8', 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.hidden = None', 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.hidden = [8]', 'a whole number of at least 1'),
    (VQVAE, 'vqvae.VQVAE.downsampling = (4, 4)', 'three whole numbers of at least 1'),
    (VQVAE, 'vqvae.VQVAE.downsampling = (4, 4, 0)', 'three whole numbers of at least 1'),
    (VQVAE, 'vqvae.VQVAE.downsampling = 4', 'three whole numbers of at least 1'),
    (VQVAE, "vqvae.ResidualStack.attention = 'no'", 'True or False'),
    (VQVAE, 'vqvae.VQVAE.quantizer = 64', 'a class or function, written with @'),
    (VQVAE, 'vector_quantizer.VectorQuantizer.decay = 1.0', 'of at least 0 and below 1'),
    (VQVAE, 'vector_quantizer.VectorQuantizer.codes = 0', 'a whole number of at least 1'),
    (VQVAE, "experiment.Experiment.batch_size = '4'", 'a whole number of at least 1'),
    (VQVAE, 'experiment.Experiment.batch_size = 0', 'a whole number of at least 1'),
    (VQVAE, 'experiment.Experiment.batch_size = @tasks.VQVAETask', 'a whole number of at least 1'),
    (VQVAE, 'experiment.Experiment.splits = ()', "a text, or a tuple of one or more texts"),
    (VQVAE, 'experiment.Experiment.splits = (1,)', 'a text, or a tuple of one or more texts'),
    (VQVAE, 'experiment.Experiment.seed = -1', 'a whole number from 0 to 2**63 - 1'),
    (VQVAE, f'experiment.Experiment.seed = {2**64}', 'a whole number from 0 to 2**63 - 1'),
    (VQVAE, "experiment.Experiment.precision = 'float16'", "one of 'auto', 'float32'"),
    (VQVAE, 'experiment.Experiment.clip_norm = -1.0', 'a number above 0, or None'),
    (VQVAE, 'experiment.Experiment.evaluation_limit = 0', 'a whole number of at least 1, or None'),
    (VQVAE, 'TRAIN_STEPS = -5', 'a whole number of at least 1'),
    (VQVAE, 'TRAIN_STEPS = 1e3', 'a whole number of at least 1'),
    (VQVAE, 'experiment.train.steps_per_loop = 0', 'a whole number of at least 1'),
    (VQVAE, 'experiment.train.checkpoint_interval = 0', 'a whole number of at least 1'),
    (VQVAE, 'experiment.train.evaluation_interval = -5', 'a whole number of at least 1, or None'),
    (VQVAE, 'experiment.train.keep_checkpoints = 0', 'of at least 1, or None for all'),
    (VQVAE, 'experiment.train.preview_clips = -1', 'a whole number of at least 0'),
    (VQVAE, 'optimizers.adam.learning_rate = -1e-3', 'a number above 0, or a schedule'),
    (VQVAE, "optimizers.adam.learning_rate = 'fast'", 'a number above 0, or a schedule'),
    (VQVAE, 'clips.PreparedClips.frames = 0', 'a whole number of at least 1'),
    (VQVAE, 'clips.PreparedClips.size = (64, 64)', 'a whole number of at least 1, or None'),
    (VQVAE, 'clips.PreparedClips.features = "label"', 'a dict, or None'),
    (VQVAE, 'tasks.VQVAETask.commitment_cost = -0.25', 'a number of at least 0'),
    (PRIOR, 'videogpt.LatentTransformer.dropout = 1.5', 'a number of at least 0 and below 1'),
    (PRIOR, 'videogpt.LatentTransformer.layers = 2.0', 'a whole number of at least 1'),
    (PRIOR, "videogpt.LatentTransformer.rematerialize = 'yes'", 'True or False'),
    (TRANSFORMER, 'video_transformer.VideoTransformer.subscale = (4, 2)', 'three whole numbers'),
    (TRANSFORMER, 'video_transformer.LayerStack.heads = []', 'of at least 1, or a list'),
    (TRANSFORMER, 'video_transformer.LayerStack.blocks = [(4, 8)]', 'a list of triples'),
    (GAN, 'dvd_gan.Generator.multipliers = ()', 'a tuple of one or more whole numbers'),
    (GAN, 'discriminators.Discriminators.views = ()', 'a text, or a tuple of one or more texts'),
    (GAN, 'optimizers.adam.beta_1 = 1', 'a number of at least 0 and below 1'),
    (GAN, 'tasks.VideoGANTask.average_decay = -0.1', 'a number of at least 0 and below 1'),
    (STAGE2, 'cascade.UpscalingGAN.lower = []', 'a list of one or more classes or objects'),
    (STAGE2, 'downsampled.DownsampledClips.factors = (2, 2, 2)', 'at most two whole numbers'),
    (FOLDERS, 'protocols.Protocol.trials = 0', 'a whole number of at least 1'),
    (FOLDERS, "protocols.Protocol.real_windows = 'last'", "one of 'first', 'random'"),
    (FOLDERS, "protocols.Protocol.sampling = 'warm'", 'a dict, or None'),
    (FOLDERS, 'protocols.Protocol.name = 3', 'a text in quotes'),
])
def test_a_wrong_value_is_told(config, binding, wanted):
  name, _, value = binding.partition(' = ')
  if name.isupper():
    name = 'experiment.Experiment.train_steps'
  with pytest.raises(ValueError) as error:
    configs.parse([config], [binding], needs_all=False)
  message = str(error.value)
  shown = value.replace('"', "'").replace('1e3', '1000.0').replace('1e-3', '0.001')
  assert message.startswith(f'in the config: {name} = {shown}: it must be '), message
  assert wanted in message and '\n' not in message, message


def test_a_schedule_may_stand_for_a_rate_and_a_class_of_elsewhere_is_held_to_its_defaults():
  configs.parse([VQVAE], [
      'optimizers.adam.learning_rate = @optimizers.cosine_decay()',
      'optimizers.cosine_decay.learning_rate = 1e-3', 'optimizers.cosine_decay.decay_steps = 10'])
  for value in (0.5, 3, [2, 3]):  # Keras's own take lists where one number is the default
    assert bindings.kind_of(tf.keras.layers.LayerNormalization, 'axis')[0].accepts(value)
  kind, _ = bindings.kind_of(tf.keras.optimizers.Adam, 'learning_rate')
  assert kind.reference and not kind.accepts('fast')


def test_a_scope_is_named():
  with pytest.raises(ValueError, match=r'level1/cascade\.FirstGenerator\.channels = 0: it must'):
    configs.parse([STAGE2], ['level1/cascade.FirstGenerator.channels = 0'], needs_all=False)
