"""A tiny experiment of each kind of model, for tests of what runs on a TPU."""

import functools

import pytest

from tests import tiny as tiny_lib
from tests.training import runs
from tf_videogen import experiment as experiments
from tf_videogen import tasks
from tf_videogen.layers import block_attention
from tf_videogen.models import video_transformer
from tf_videogen.tasks import lower_videos


GIN = """
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tests.tpu import families

experiment.Experiment.task = @families.task
experiment.Experiment.clips = @families.clips()
experiment.Experiment.optimizer = @families.optimizer
experiment.Experiment.batch_size = 4
experiment.Experiment.train_steps = {steps}
experiment.Experiment.evaluation_limit = 4
experiment.Experiment.precision = 'float32'
experiment.train.steps_per_loop = 1
experiment.train.checkpoint_interval = 1
experiment.train.preview_clips = 2
families.task.name = '{name}'
families.clips.name = '{name}'
families.optimizer.name = '{name}'
"""

_made = []  # the Families that gin files speak of


def task(name):
  """A task, for gin files."""
  return _made[-1].experiment(name).task()


def clips(name):
  """Clips, for gin files."""
  return _made[-1].experiment(name).clips


def optimizer(name):
  """An optimizer, for gin files."""
  return _made[-1].experiment(name).optimizer()


class Families:
  """Experiments of two steps, by name.

  Args:
    tiny: a `tiny.Tiny`.
    folder: a `pathlib.Path`, for model directories of earlier stages; they are trained on a
      processor when they are asked for.
    strategy: what trains those.
  """

  NAMES = ('vqvae', 'prior', 'video_transformer', 'first_slice', 'other_slices', 'video_gan',
           'class_gan', 'cascade_level1', 'cascade_level2', 'cascade_level2_bank', 'joint_levels')

  def __init__(self, tiny, folder, strategy):
    self._tiny, self._folder, self._strategy = tiny, folder, strategy
    self._stages = {}
    _made.append(self)

  def gin_file(self, name):
    """The path of a config of a family, for programs."""
    path = self._folder / f'{name}.gin'
    path.write_text(GIN.format(name=name, steps=runs.STEPS))
    return str(path)

  def experiment(self, name):
    """The Experiment of a family."""
    return getattr(self, f'_{name}')()

  def _trained(self, name, experiment):
    """The model directory of an earlier stage."""
    if name not in self._stages:
      self._stages[name] = str(self._folder / name)
      assert experiments.train(experiment, self._stages[name], self._strategy, evaluate_too=False)
    return self._stages[name]

  def _likelihood(self, task, **kwargs):
    return self._tiny.experiment(
        task, **{'train_steps': runs.STEPS, 'evaluation_limit': 6, **kwargs})

  def _vqvae(self):
    return self._likelihood(self._tiny.vqvae_task)

  def _prior(self):
    vqvae = self._trained('vqvae', self._likelihood(self._tiny.vqvae_task, train_steps=1))
    return self._likelihood(functools.partial(
        self._tiny.prior, vqvae, dropout=0.1, classes=tiny_lib.CLASSES))

  def _video_transformer(self):
    return self._likelihood(functools.partial(self._tiny.video_transformer, primed_frames=1))

  def _decoder(self):
    stack = functools.partial(
        video_transformer.LayerStack, blocks=[(2, 2, 4)], heads=2, width=8,
        attention=functools.partial(block_attention.BlockLocalAttention, head_width=4))
    return stack, video_transformer.SliceDecoder(stack, embedding=8)

  def _first_slice_model(self):
    return video_transformer.VideoTransformer((2, 2, 2), self._decoder()[1])

  def _first_slice_task(self):
    return tasks.VideoTransformerTask(self._first_slice_model())

  def _other_slices_task(self, first_slice_dir):
    stack, decoder = self._decoder()
    model = video_transformer.VideoTransformer(
        (2, 2, 2), decoder, video_transformer.SliceEncoder(stack, embedding=8),
        self._first_slice_model())
    return tasks.VideoTransformerTask(model, first_slice_dir=first_slice_dir)

  def _first_slice(self):
    return self._likelihood(self._first_slice_task)

  def _other_slices(self):
    first = self._trained('first', self._likelihood(self._first_slice_task, train_steps=1))
    return self._likelihood(functools.partial(self._other_slices_task, first))

  def _gan(self, task, **kwargs):
    return self._tiny.gan_experiment(
        task, **{'train_steps': runs.STEPS, 'evaluation_limit': 4, **kwargs})

  def _video_gan(self):
    return self._gan(functools.partial(
        self._tiny.video_gan, discriminators={'multipliers': (2,)}, orthogonality=1e-3))

  def _class_gan(self):
    return self._gan(functools.partial(self._tiny.class_gan, {'multipliers': (2,)}),
                     clips=self._tiny.clips())

  def _level1(self, **kwargs):
    task = functools.partial(self._tiny.first_level_task, {'multipliers': (2,)}, standing_passes=1)
    return self._tiny.cascade_experiment(
        1, task, **{'train_steps': runs.STEPS, 'evaluation_limit': 4, **kwargs})

  def _level2(self, **kwargs):
    task = functools.partial(
        self._tiny.cascade_task, 2, discriminators={'views': ('F', 'M'), 'multipliers': (2,)},
        first_frames=4, standing_passes=1, **kwargs)
    return self._tiny.cascade_experiment(
        2, task, train_steps=runs.STEPS, evaluation_limit=4)

  def _cascade_level2_bank(self):
    return self._level2(lower_dir=self._trained('level1', self._level1(train_steps=1)),
                        draws=lower_videos.Bank(2, 2))

  def _cascade_level1(self):
    return self._level1()

  def _cascade_level2(self):
    return self._level2(lower_dir=self._trained('level1', self._level1(train_steps=1)))

  def _joint_levels(self):
    return self._level2(joint=True)


def parameters(*quick):
  """All families, for tests; but for those that are named here, a test is a slow one."""
  return [name if name in quick else pytest.param(name, marks=pytest.mark.slow)
          for name in Families.NAMES]
