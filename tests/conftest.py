"""A tiny experiment that tests of training and of the programs share: clips, tasks, gin files."""

import functools
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import experiment
from tf_videogen.data import clips as clips_lib
from tf_videogen.layers import attention as attention_layers
from tf_videogen.layers import block_attention
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import video_transformer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae
from tf_videogen.tasks import likelihood
from tf_videogen.tasks import slices
from tf_videogen.training import optimizers

@pytest.fixture(autouse=True)
def _float32():
  """No test inherits the precision that another one trained in."""
  yield
  if tf.keras.mixed_precision.global_policy().name != 'float32':
    tf.keras.mixed_precision.set_global_policy('float32')


FRAMES, SIZE, CLASSES, ACTIONS = 4, 8, 3, 2  # of a clip; ACTIONS are numbers a frame

VQVAE_GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen.data import clips
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import vqvae
from tf_videogen.tasks import likelihood
from tf_videogen.training import optimizers

TRAIN_STEPS = 6

experiment.Experiment.task = @likelihood.VQVAETask
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

likelihood.VQVAETask.model = @vqvae.VQVAE()

vqvae.VQVAE.quantizer = @vector_quantizer.VectorQuantizer()
vqvae.VQVAE.downsampling = (2, 2, 2)
vqvae.VQVAE.hidden = 8
vqvae.VQVAE.residual_units = 4
vqvae.VQVAE.residual_layers = 1
vqvae.VQVAE.attention = False

vector_quantizer.VectorQuantizer.codes = 8
vector_quantizer.VectorQuantizer.dim = 4

optimizers.adam.learning_rate = 1e-3
'''

PRIOR_GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen.layers import attention
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae
from tf_videogen.tasks import likelihood

include '{vqvae}'

VQVAE_DIR = %gin.REQUIRED  # model directory of the trained VQ-VAE

experiment.Experiment.task = @likelihood.VideoGPTTask

likelihood.VideoGPTTask.model = @videogpt.VideoGPT()
likelihood.VideoGPTTask.vqvae_dir = %VQVAE_DIR

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


@pytest.fixture(scope='session')
def tiny_files(tmp_path_factory):
  """Paths of .npz files of 24 clips to train on and 10 to test, and of gin files that use them."""
  folder = tmp_path_factory.mktemp('tiny')
  paths = types.SimpleNamespace(
      train=str(folder / 'train.npz'), test=str(folder / 'test.npz'),
      vqvae_gin=str(folder / 'tiny_vqvae.gin'), prior_gin=str(folder / 'tiny_prior.gin'))
  _write_clips(paths.train, 24, seed=1)
  _write_clips(paths.test, 10, seed=2)
  pathlib.Path(paths.vqvae_gin).write_text(VQVAE_GIN.format(train=paths.train, test=paths.test))
  pathlib.Path(paths.prior_gin).write_text(PRIOR_GIN.format(vqvae=paths.vqvae_gin))
  return paths


class Tiny:
  """Makes tiny experiments; what a test gives by name replaces what is given here."""

  def __init__(self, files):
    self.files = files

  def clips(self):
    """The clips, [4, 8, 8, 1], with labels and actions."""
    return clips_lib.FileClips(self.files.train, FRAMES, test_path=self.files.test)

  def vqvae(self, codes=8, attention=False, **quantizer):
    """A VQ-VAE of latents [2, 4, 4]."""
    quantizer = vector_quantizer.VectorQuantizer(codes, dim=4, **quantizer)
    return vqvae.VQVAE(quantizer, (2, 2, 2), hidden=8, residual_units=4, residual_layers=1,
                       attention=attention)

  def prior(self, vqvae_dir, dropout=0.0, **conditions):
    """A task: one block of attention over 32 codes."""
    prior = videogpt.LatentTransformer(
        layers=1, width=8, heads=2, feedforward=16, dropout=dropout,
        attention=attention_layers.CausalAttention)
    return likelihood.VideoGPTTask(videogpt.VideoGPT(self.vqvae(), prior, **conditions), vqvae_dir)

  def video_transformer(self, **kwargs):
    """A task: eight slices of [2, 4, 4], a layer of attention in the encoder and in the decoder."""
    stack = functools.partial(
        video_transformer.LayerStack, blocks=[(2, 2, 4)], heads=2, width=8,
        attention=functools.partial(block_attention.BlockLocalAttention, head_width=4))
    model = video_transformer.VideoTransformer(
        (2, 2, 2), video_transformer.SliceDecoder(stack, embedding=8),
        video_transformer.SliceEncoder(stack, embedding=8))
    return slices.VideoTransformerTask(model, **kwargs)

  def experiment(self, task=None, **kwargs):
    """An Experiment, of the VQ-VAE where there is no task."""
    kwargs = {'clips': self.clips(), 'optimizer': optimizers.adam, 'batch_size': 4,
              'train_steps': 6, 'precision': 'float32', **kwargs}
    return experiment.Experiment(task or (lambda: likelihood.VQVAETask(self.vqvae())), **kwargs)


@pytest.fixture(scope='session')
def tiny(tiny_files):
  """Tiny experiments."""
  return Tiny(tiny_files)


@pytest.fixture(scope='session')
def cpu():
  """A strategy of one replica."""
  return tf.distribute.OneDeviceStrategy('/cpu:0')


@pytest.fixture
def without_xla(monkeypatch):
  """XLA needs ten seconds for a sampler, however small."""
  function = tf.function
  monkeypatch.setattr(
      tf, 'function', lambda f=None, jit_compile=None, **options: function(f, **options))


@pytest.fixture
def same_initial_values():
  """What a test finds, it finds every time, alone or after others."""
  tf.keras.utils.set_random_seed(0)
