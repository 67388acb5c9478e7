"""The level below an upscaling level: it is loaded; directories that do not suit."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tests.tasks import cascade_tasks
from tf_videogen.data import clip_source
from tf_videogen.data import downsampled
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.model_directory import layout

FIRST = cascade_tasks.FIRST
task, changing = cascade_tasks.task_fixture, cascade_tasks.changing_fixture  # fixtures
three, changing_three = cascade_tasks.three_fixture, cascade_tasks.changing_three_fixture


# --- the level below ---


@pytest.fixture(scope='module', name='trained')
def _trained(tiny, task, tmp_path_factory):
  """Model directories of a first and of a second level, with random weights; and the models."""
  first = tiny.first_level_task()
  first.build((FIRST, 4, 4, 1))
  spectral_weights.randomize(first.model, 1)
  made = {}
  for level, model in ((1, first.model), (2, task.model)):
    size = 2 * 2**level
    model_dir = str(tmp_path_factory.mktemp(f'level{level}'))
    tf.train.Checkpoint(model=model).save(os.path.join(model_dir, 'ckpt'))
    _describe(model_dir, (4, size, size, 1), level=level)
    made[level] = (model_dir, model)
  return made


def _clips(level):
  """What a level of three takes for real; only how it is made of videos is known."""
  source = clip_source.ClipSource(FIRST, 2**(3 - level), 'train')
  return downsampled.DownsampledClips(source, resampling.nearest, [2] * (3 - level))


def _describe(model_dir, shape, finished=1, level=1, **reduction):
  layout.save_spec({'video': tf.TensorSpec(shape, tf.uint8)}, model_dir,
                   {**_clips(level).reduction(), **reduction})
  layout.set_finished(model_dir, finished)


def _assert_same(level, source):
  for variable, expected in zip(level.variables, source.variables, strict=True):
    np.testing.assert_array_equal(variable, expected)


def _differ(level, source):
  return any(np.any(a != b) for a, b in zip(level.variables, source.variables, strict=True))


def test_the_first_level_is_loaded(changing, trained, monkeypatch):
  """Its averaged weights; nothing else changes."""
  model_dir, first = trained[1]
  task = changing
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  assert _differ(task.model.lower[0], first.averaged_generator)
  others = [task.model.generator, task.model.averaged_generator, task.model.discriminators]
  before = [[v.numpy() for v in part.variables] for part in others]
  task.initialize(_clips(2))
  _assert_same(task.model.lower[0], first.averaged_generator)
  assert _differ(first.generator, first.averaged_generator)
  for part, values in zip(others, before):
    for variable, value in zip(part.variables, values, strict=True):
      np.testing.assert_array_equal(variable, value)


def test_a_second_level_brings_the_first(changing_three, trained, monkeypatch):
  model_dir, second = trained[2]
  task = changing_three
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  assert _differ(task.model.lower[0], second.lower[0])
  assert _differ(task.model.lower[1], second.averaged_generator)
  task.initialize(_clips(3))
  _assert_same(task.model.lower[0], second.lower[0])
  _assert_same(task.model.lower[1], second.averaged_generator)


@pytest.fixture(name='copied')
def _copied(trained, tmp_path):
  """A copy of the first level's directory."""
  model_dir = str(tmp_path / 'level1')
  shutil.copytree(trained[1][0], model_dir)
  return model_dir


@pytest.mark.parametrize('folder', [None, '', 'empty', 'nowhere'])
def test_no_checkpoint(task, tmp_path, monkeypatch, folder):
  (tmp_path / 'empty').mkdir()
  monkeypatch.setattr(task, 'lower_dir', folder and str(tmp_path / folder))
  cascade_tasks.wrong(
      FileNotFoundError, 'no checkpoint of the level below in .*: train it first, and give its '
                         '--model_dir here', lambda: task.initialize(_clips(2)))


def test_directories_that_do_not_suit(changing, trained, copied, monkeypatch):
  """Of frames of another size, of training that has not ended, of another architecture."""
  task = changing
  monkeypatch.setattr(task, 'lower_dir', copied)
  initialize = lambda: task.initialize(_clips(2))
  for shape, found in (((6, 8, 8, 1), '8 x 8 x 1'), ((6, 4, 4, 3), '4 x 4 x 3')):
    _describe(copied, shape)
    cascade_tasks.wrong(
        ValueError, f'level1 was trained on frames of {found}, and this level upscales frames '
                    'of 4 x 4 x 1: name the directory of the level below', initialize)
  for name, value in (('frame_step', 2), ('frame_step', None), ('downsampled', []),
                      ('downsampled', [['bilinear', 2], ['bilinear', 2]])):
    _describe(copied, (6, 4, 4, 1), **{name: value})
    wanted = {'frame_step': '4', 'downsampled': "[['nearest', 4]]"}[name]
    cascade_tasks.wrong(
        ValueError, re.escape(f'level1 was trained on clips with {name} = {value}, and this '
                              f'level upscales those with {name} = {wanted}: name the'),
        initialize)
  _describe(copied, (6, 4, 4, 1), finished=None)
  cascade_tasks.wrong(
      ValueError, r'the level below in .* is not trained to its end \(its latest checkpoint is '
                  r'of step 1\): the command that trains it goes on from there', initialize)
  os.remove(os.path.join(copied, 'clips.json'))
  cascade_tasks.wrong(FileNotFoundError, 'level1 is not a model directory', initialize)
  _describe(copied, (9, 4, 4, 1))
  initialize()  # of any number of frames
  _assert_same(task.model.lower[0], trained[1][1].averaged_generator)


@pytest.mark.parametrize('change', [
    {'channels': 4}, {'latent': 6}, {'unit': recurrent_units.ConvLSTM},
    {'unit': recurrent_units.TSRUp}])
def test_of_another_architecture(tiny, task, tmp_path, monkeypatch, change):
  model_dir, other = str(tmp_path), tiny.first_level(**change)()
  other(tf.zeros([1, other.latent]), tf.zeros([1], tf.int32), None, 1)
  model = tf.train.Checkpoint(averaged_generator=other)
  tf.train.Checkpoint(model=model).save(os.path.join(model_dir, 'ckpt'))
  _describe(model_dir, (4, 4, 4, 1))
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  cascade_tasks.wrong(
      ValueError, 'ckpt-1 was made by another configuration than the level below of this config',
      lambda: task.initialize(_clips(2)))


@pytest.mark.parametrize('level, other', [(2, 2), (3, 1)])
def test_of_another_level(request, trained, tmp_path, monkeypatch, level, other):
  """With one more or one less below it, though frames are as large."""
  model_dir, side = str(tmp_path / 'other'), 2**level
  shutil.copytree(trained[other][0], model_dir)
  _describe(model_dir, (4, side, side, 1), level=level - 1)
  task = request.getfixturevalue({2: 'changing', 3: 'changing_three'}[level])
  monkeypatch.setattr(task, 'lower_dir', model_dir)
  cascade_tasks.wrong(
      ValueError, 'was made by another configuration than the level below of this config',
      lambda: task.initialize(_clips(level)))
