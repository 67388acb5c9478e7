"""Tiny experiments that tests of training and of the programs share: clips, tasks, gin files.

`tests/conftest.py` has the fixtures of them.
"""

import contextlib
import copy
import functools
import inspect
import pathlib
import types
from unittest import mock

import numpy as np
import tensorflow as tf

from tf_videogen import building
from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.data import clips as clips_lib
from tf_videogen.data import downsampled
from tf_videogen.data import moving_shapes
from tf_videogen.layers import attention as attention_layers
from tf_videogen.layers import block_attention
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import cascade
from tf_videogen.models import discriminators as discriminators_lib
from tf_videogen.models import dvd_gan
from tf_videogen.models import trivd_gan
from tf_videogen.models import video_transformer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae
from tf_videogen.tasks import task as task_lib
from tf_videogen.training import optimizers

FRAMES, SIZE, CLASSES, ACTIONS = 4, 8, 3, 2  # of a clip; ACTIONS are numbers a frame

VQVAE_GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.data import clips
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import vqvae
from tf_videogen.training import optimizers

TRAIN_STEPS = 6

experiment.Experiment.task = @tasks.VQVAETask
experiment.Experiment.clips = @clips.FileClips()
experiment.Experiment.optimizer = @optimizers.adam
experiment.Experiment.batch_size = 4
experiment.Experiment.train_steps = %TRAIN_STEPS
experiment.Experiment.precision = 'float32'
experiment.train.steps_per_loop = 1
experiment.train.checkpoint_interval = 3
experiment.train.evaluation_interval = 3
experiment.train.preview_clips = 2

clips.FileClips.train_path = '{train}'
clips.FileClips.test_path = '{test}'
clips.FileClips.frames = 4

tasks.VQVAETask.model = @vqvae.VQVAE()
tasks.VQVAETask.data_variance = 0.06

vqvae.VQVAE.quantizer = @vector_quantizer.VectorQuantizer()
vqvae.VQVAE.downsampling = (2, 2, 2)
vqvae.VQVAE.hidden = 8
vqvae.VQVAE.residual_stack = @vqvae.ResidualStack
vqvae.ResidualStack.units = 4
vqvae.ResidualStack.layers = 1
vqvae.ResidualStack.attention = False

vector_quantizer.VectorQuantizer.codes = 8
vector_quantizer.VectorQuantizer.dim = 4

optimizers.adam.learning_rate = 1e-3
'''

PRIOR_GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.layers import attention
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

include '{vqvae}'

VQVAE_DIR = %gin.REQUIRED  # model directory of the trained VQ-VAE

experiment.Experiment.task = @tasks.VideoGPTTask

tasks.VideoGPTTask.model = @videogpt.VideoGPT()
tasks.VideoGPTTask.vqvae_dir = %VQVAE_DIR

videogpt.VideoGPT.vqvae = @vqvae.VQVAE()
videogpt.VideoGPT.prior = @videogpt.LatentTransformer()
videogpt.VideoGPT.classes = 3

videogpt.LatentTransformer.layers = 1
videogpt.LatentTransformer.width = 8
videogpt.LatentTransformer.heads = 2
videogpt.LatentTransformer.feedforward = 16
videogpt.LatentTransformer.dropout = 0.1
videogpt.LatentTransformer.attention = @attention.CausalAttention
'''


def _write_clips(path, examples, seed):
  """A square of the label's gray moves over noise, pushed by the actions."""
  rng = np.random.default_rng(seed)
  label = rng.integers(CLASSES, size=examples)
  actions = rng.integers(-1, 2, size=(examples, FRAMES + 1, ACTIONS))
  video = rng.integers(60, size=(examples, FRAMES + 1, SIZE, SIZE, 1))
  for clip, gray, moves in zip(video, label, actions):
    place = rng.integers(SIZE, size=ACTIONS)
    for frame, move in zip(clip, moves):
      place = (place + move) % (SIZE - 2)
      frame[place[0]:place[0] + 3, place[1]:place[1] + 3] = 120 + 60 * gray
  np.savez(path, video=video.astype(np.uint8), label=label, actions=actions.astype(np.float32))


def write_files(folder):
  """Writes clips and gin files into a folder.

  Returns:
    Paths: of .npz files of 24 clips to train on and 10 to test, and of gin files that use them.
  """
  paths = types.SimpleNamespace(
      train=str(folder / 'train.npz'), test=str(folder / 'test.npz'),
      vqvae_gin=str(folder / 'tiny_vqvae.gin'), prior_gin=str(folder / 'tiny_prior.gin'))
  _write_clips(paths.train, 24, seed=1)
  _write_clips(paths.test, 10, seed=2)
  pathlib.Path(paths.vqvae_gin).write_text(VQVAE_GIN.format(train=paths.train, test=paths.test))
  pathlib.Path(paths.prior_gin).write_text(PRIOR_GIN.format(vqvae=paths.vqvae_gin))
  return paths


def _keeping_datasets(make):
  """A function that makes clips: copies of the same ones, which make each Dataset once."""
  @functools.cache
  def made_once(*args):
    clips = make(*args)
    clips.training, clips.evaluation = map(functools.cache, (clips.training, clips.evaluation))
    return clips

  @functools.wraps(make)
  def copied(*args, **kwargs):
    bound = inspect.signature(make).bind(*args, **kwargs)
    bound.apply_defaults()
    return copy.copy(made_once(*bound.args))

  return copied


class Tiny:
  """Makes tiny experiments; what a test gives by name replaces what is given here."""

  def __init__(self, files):
    self.files = files

  @_keeping_datasets
  def clips(self):
    """The clips, [4, 8, 8, 1], with labels and actions."""
    return clips_lib.FileClips(self.files.train, FRAMES, test_path=self.files.test)

  def vqvae(self, codes=8, attention=False, downsampling=(2, 2, 2), **quantizer):
    """A VQ-VAE; its latents are [2, 4, 4] unless it is said otherwise."""
    quantizer = vector_quantizer.VectorQuantizer(codes, dim=4, **quantizer)
    stack = functools.partial(vqvae.ResidualStack, layers=1, units=4, attention=attention)
    return vqvae.VQVAE(quantizer, downsampling, hidden=8, residual_stack=stack)

  def vqvae_task(self, **kwargs):
    """A task; to compute the variance takes as long as all training."""
    return tasks.VQVAETask(self.vqvae(**kwargs), data_variance=0.06)

  def prior(self, vqvae_dir, dropout=0.0, downsampling=(2, 2, 2), **conditions):
    """A task: one block of attention over 32 codes, unless `downsampling` says otherwise."""
    prior = videogpt.LatentTransformer(
        layers=1, width=8, heads=2, feedforward=16, dropout=dropout,
        attention=attention_layers.CausalAttention)
    model = videogpt.VideoGPT(self.vqvae(downsampling=downsampling), prior, **conditions)
    return tasks.VideoGPTTask(model, vqvae_dir)

  def video_transformer(self, **kwargs):
    """A task: eight slices of [2, 4, 4], a layer of attention in the encoder and in the decoder."""
    stack = functools.partial(
        video_transformer.LayerStack, blocks=[(2, 2, 4)], heads=2, width=8,
        attention=functools.partial(block_attention.BlockLocalAttention, head_width=4))
    model = video_transformer.VideoTransformer(
        (2, 2, 2), video_transformer.SliceDecoder(stack, embedding=8),
        video_transformer.SliceEncoder(stack, embedding=8))
    return tasks.VideoTransformerTask(model, **kwargs)

  @_keeping_datasets
  def shapes(self, frames=5, size=16, frame_step=1):
    """Clips of moving shapes, [frames, size, size, 1], without labels."""
    return moving_shapes.MovingShapes(
        frames, size=size, channels=1, examples=24, frame_step=frame_step)

  def video_gan(self, generator=(), discriminators=(), **kwargs):
    """A task: one stage from 8 x 8 to 16 x 16 pixels, two networks; two frames are given.

    A generator whose encoder is None is DVD-GAN's.

    Args:
      generator, discriminators: what replaces the arguments of these parts that are given here.
      **kwargs: the task's.
    """
    encoder = functools.partial(trivd_gan.Encoder, multipliers=(2,))
    generator = {'unit': recurrent_units.TSRUp, 'channels': 2, 'multipliers': (2,), 'start': 8,
                 'encoder': encoder, 'image_channels': 1, 'latent': 4, **dict(generator)}
    make = trivd_gan.Generator
    if generator['encoder'] is None:
      make = dvd_gan.Generator
      del generator['encoder']
    discriminators = {'views': ('dF', 'crV'), 'channels': 2, 'multipliers': (1, 2), 'frames': 2,
                      **dict(discriminators)}
    model = dvd_gan.VideoGAN(
        functools.partial(make, **generator),
        functools.partial(discriminators_lib.Discriminators, **discriminators))
    kwargs = {'conditioning_frames': 2, 'average_decay': 0.5, 'average_start': 1,
              'standing_passes': 2, 'standing_batch': 4, **kwargs}
    return tasks.VideoGANTask(model, **kwargs)

  def class_gan(self, discriminators=(), **kwargs):
    """A task: 8 x 8 pixels of `clips` from noise and their classes, no frames are given."""
    return self.video_gan({'unit': recurrent_units.ConvGRU, 'start': 4, 'encoder': None,
                           'classes': CLASSES}, {'classes': CLASSES, **dict(discriminators)},
                          conditioning_frames=0, **kwargs)

  @_keeping_datasets
  def cascade_clips(self, level):
    """What a level of three takes for real: 6 frames of 4 x 4, 4 of 8 x 8 or 16 x 16."""
    whole = self.shapes(6 if level == 1 else 4, 16, frame_step=2**(3 - level))
    smaller = downsampled.DownsampledClips(whole, resampling.nearest, (2,) * (3 - level))
    return whole if level == 3 else smaller

  def first_level(self, **kwargs):
    """A callable, of a generator from noise: a unit, to 4 x 4 pixels."""
    return functools.partial(cascade.FirstGenerator, **{
        'channels': 2, 'multipliers': (1,), 'image_channels': 1, 'latent': 4, **kwargs})

  def upscaling_level(self, level=2, **kwargs):
    """A callable, of a generator of twice as many frames, twice as large: to 8 x 8, 16 x 16, ..."""
    return functools.partial(cascade.UpscalingGenerator, **{
        'channels': 2, 'multipliers': (1,) * (level - 1), 'factor': 2, 'image_channels': 1,
        'latent': 3 + level, **kwargs})

  def first_level_task(self, discriminators=(), **kwargs):
    """A task: 6 frames of 4 x 4 pixels, from noise."""
    discriminators = {'views': ('F',), 'channels': 2, 'multipliers': (1, 2), 'frames': 2,
                      **dict(discriminators)}
    networks = functools.partial(discriminators_lib.Discriminators, **discriminators)
    kwargs = {'conditioning_frames': 0, 'orthogonality': 0.0, 'average_decay': 0.5,
              'average_start': 1, 'standing_passes': 2, 'standing_batch': 4, **kwargs}
    return tasks.VideoGANTask(dvd_gan.VideoGAN(self.first_level(), networks), **kwargs)

  def cascade_task(self, level=2, generator=(), discriminators=(), lower=None, **kwargs):
    """A task of an upscaling level: windows of 2 frames below become 4, pieces have 6.

    Args:
      level: 2, 3, ...
      generator, discriminators: what replaces the arguments of these parts that are given here.
      lower: callables of the levels below, in place of those that are given here.
      **kwargs: the task's.
    """
    discriminators = {'views': ('F', 'dV', 'M'), 'channels': 2, 'multipliers': (1, 2), 'frames': 2,
                      **dict(discriminators)}
    if lower is None:
      lower = [self.first_level(), *[self.upscaling_level(i) for i in range(2, level)]]
    model = cascade.UpscalingGAN(
        self.upscaling_level(level, **dict(generator)),
        functools.partial(discriminators_lib.Discriminators, **discriminators), lower,
        resampling.nearest, piece_frames=6)
    kwargs = {'first_frames': 6, 'standing_passes': 2, 'standing_batch': 4, **kwargs}
    return tasks.UpscalingTask(model, **kwargs)

  def cascade_experiment(self, level, task=None, **kwargs):
    """An Experiment of a level; its task is made by `task`, where there is one."""
    made = self.first_level_task if level == 1 else functools.partial(self.cascade_task, level)
    return self.gan_experiment(task or made, **{'clips': self.cascade_clips(level), **kwargs})

  def gan_experiment(self, task=None, **kwargs):
    """An Experiment of a video GAN on moving shapes."""
    kwargs = {'clips': self.shapes(), 'optimizer': self.two_players, 'evaluation_limit': 6,
              **kwargs}
    return self.experiment(task or self.video_gan, **kwargs)

  def two_players(self, discriminator_updates=2):
    """Optimizers whose updates are the gradients, and have a state."""
    sgd = functools.partial(tf.keras.optimizers.SGD, momentum=0.5)
    return optimizers.TwoPlayers(sgd(0.01), sgd(0.01), discriminator_updates)

  def experiment(self, task=None, **kwargs):
    """An Experiment, of the VQ-VAE where there is no task."""
    kwargs = {'clips': self.clips(), 'optimizer': optimizers.adam, 'batch_size': 4,
              'train_steps': 6, 'precision': 'float32', **kwargs}
    return experiment.Experiment(task or self.vqvae_task, **kwargs)


class FakeTask(task_lib.LossTask):
  """A task without any variables, which can do nothing: tests say what it can."""

  def __init__(self, model=None):
    super().__init__(tf.keras.layers.Layer() if model is None else model)

  def build(self, clip_shape):
    """There is nothing to create."""

  def _cannot(self, *args):
    raise NotImplementedError

  loss = statistics = metrics = previews = _cannot


class OneNumberTask(FakeTask):
  """A task of one variable; its loss takes part of the batch and of the seed."""

  def build(self, clip_shape):
    """Creates the variable."""
    self.model.w = tf.Variable(0.5)

  def loss(self, batch, seed):
    """A square, whose gradient differs from step to step."""
    mean = tf.reduce_mean(tf.cast(batch['video'], tf.float32)) / 255
    # Integers, which XLA draws alike; its floats are others.
    noise = tf.cast(seed[1] % 5, tf.float32) / 5
    return {'loss': (self.model.w - mean - noise)**2}


def built_eagerly():
  """A context in which models are built eagerly: tiny ones in half the time."""
  return mock.patch.object(building, '_in_a_graph', contextlib.nullcontext)


@contextlib.contextmanager
def eagerly():
  """A context in which functions run eagerly, and models are built eagerly."""
  before = tf.config.functions_run_eagerly()
  with built_eagerly():
    tf.config.run_functions_eagerly(True)
    try:
      yield
    finally:
      tf.config.run_functions_eagerly(before)
