"""What a model directory says of itself, and when training says that it ended."""

import json
import os
import signal

import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen import experiment as experiments
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout

HOW = {'evaluate_too': False, 'steps_per_loop': 1, 'checkpoint_interval': 2, 'preview_clips': 0}


def test_shapes_of_clips_are_what_was_saved(tmp_path):
  spec = {'video': tf.TensorSpec([5, 16, 16, 3], tf.uint8), 'label': tf.TensorSpec([], tf.int32),
          'actions': tf.TensorSpec([5, 2], tf.float32), 'id': tf.TensorSpec([], tf.string)}
  model_dir = str(tmp_path / 'run')  # is made
  layout.save_spec(spec, model_dir)
  assert os.listdir(model_dir) == ['clips.json']
  assert layout.saved_spec(model_dir) == spec
  layout.save_spec({'video': spec['video']}, model_dir)
  assert layout.saved_spec(model_dir) == {'video': spec['video']}
  assert layout.saved_reduction(model_dir) == {}
  written = json.loads((tmp_path / 'run' / 'clips.json').read_text())
  assert written == {'video': {'shape': [5, 16, 16, 3], 'dtype': 'uint8'}}
  reduction = {'frame_step': 2, 'downsampled': [['nearest', 4]]}
  layout.save_spec(spec, model_dir, reduction)
  assert layout.saved_spec(model_dir) == spec
  assert layout.saved_reduction(model_dir) == reduction
  assert layout.saved_class_names(model_dir) == []
  layout.save_spec(spec, model_dir, class_names=['cats', 'dogs'])
  assert layout.saved_class_names(model_dir) == ['cats', 'dogs']
  assert layout.saved_spec(model_dir) == spec


@pytest.mark.parametrize('folder', ['nowhere', '.'])
def test_no_model_directory(tmp_path, folder):
  model_dir = str(tmp_path / folder)
  with pytest.raises(FileNotFoundError, match='is not a model directory .*no clips.json.*; train '
                                              'a model there first') as error:
    layout.saved_spec(model_dir)
  assert model_dir in str(error.value) and '\n' not in str(error.value)
  assert layout.finished(model_dir) is None


def test_finished(tmp_path):
  model_dir = str(tmp_path)
  layout.set_finished(model_dir, None)  # nothing to take away
  assert layout.finished(model_dir) is None and not os.listdir(model_dir)
  for step in (7, 12):
    layout.set_finished(model_dir, step)
    assert layout.finished(model_dir) == step
    assert json.loads((tmp_path / 'finished.json').read_text()) == {'step': step}
  layout.set_finished(model_dir, None)
  assert layout.finished(model_dir) is None and not os.listdir(model_dir)


@pytest.mark.usefixtures('eagerly')
@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_a_run_says_that_it_ended(tiny, cpu, tmp_path):
  """Not while it goes on, not where it was stopped; again when it has gone on to a later end."""
  model_dir, meanwhile, stops = str(tmp_path), [], []

  def action(_):
    meanwhile.append(layout.finished(model_dir))
    if stops:
      os.kill(os.getpid(), stops.pop())

  def train(steps):
    del meanwhile[:]
    experiment = tiny.experiment(tiny_lib.OneNumberTask, train_steps=steps)
    return experiments.train(experiment, model_dir, cpu, actions=[action], **HOW)

  stops.append(signal.SIGTERM)
  assert not train(3)
  assert meanwhile == [None] and layout.finished(model_dir) is None
  assert train(3)
  assert meanwhile == [None] * 2 and layout.finished(model_dir) == 3
  assert train(3)  # nothing to do
  assert not meanwhile and layout.finished(model_dir) == 3
  stops.append(signal.SIGTERM)
  assert not train(5)  # now it is a longer one
  assert meanwhile == [None] and layout.finished(model_dir) is None
  assert train(5)
  assert layout.finished(model_dir) == 5
  assert layout.saved_spec(model_dir) == tiny.clips().example_spec()


@pytest.mark.usefixtures('eagerly')
@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_an_end_that_cannot_be_read_anymore(tiny, cpu, tmp_path):
  """The last checkpoint is damaged: the steps before it are not the end."""
  model_dir, meanwhile = str(tmp_path), []
  action = lambda _: meanwhile.append(layout.finished(model_dir))
  experiment = tiny.experiment(tiny_lib.OneNumberTask, train_steps=3)
  train = lambda: experiments.train(experiment, model_dir, cpu, actions=[action], **HOW)
  assert train()
  assert [checkpoints.step_of(path) for path in checkpoints.paths(model_dir)] == [3, 2]
  os.truncate(os.path.join(model_dir, 'ckpt-3.index'), 9)
  assert train()
  assert meanwhile == 4 * [None] and layout.finished(model_dir) == 3
