"""What all tasks share: conditions of samples, what a task cannot, programs that are made once."""

import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen.layers import randomness
from tf_videogen.layers import xla_context
from tf_videogen.tasks import task as task_lib

SEED = randomness.seed_of(3)
BATCH = {'video': tf.zeros([2, 4, 8, 8, 1], tf.uint8)}
SPEC = {'video': tf.TensorSpec([4, 8, 8, 1], tf.uint8), 'label': tf.TensorSpec([], tf.int32),
        'actions': tf.TensorSpec([4, 2], tf.float32), 'id': tf.TensorSpec([], tf.string)}


@pytest.mark.parametrize('kind', [task_lib.Task, task_lib.LossTask, task_lib.AdversarialTask])
def test_a_contract_alone_is_no_task(kind):
  with pytest.raises(TypeError, match='abstract'):
    kind(tf.keras.layers.Layer())


@pytest.mark.parametrize('frames, conditions, names', [
    (0, [], set()), (2, [], {'video'}), (0, ['label'], {'label'}),
    (1, ['label', 'actions'], {'video', 'label', 'actions'})])
def test_what_a_sample_is_conditioned_on(frames, conditions, names):
  """Of the video, the frames that are given."""
  task = tiny_lib.FakeTask()
  assert not task.conditional and task.condition_spec(SPEC) == {}
  task.conditioning_frames, task.conditions = frames, conditions
  assert task.conditional == bool(names)
  expected = {name: SPEC[name] for name in names}
  if frames:
    expected['video'] = tf.TensorSpec([frames, 8, 8, 1], tf.uint8)
  assert task.condition_spec(SPEC) == expected


def test_what_a_task_has_by_default():
  model = tf.keras.Sequential([tf.keras.layers.Dense(3)])
  model.build((None, 2))
  task = tiny_lib.FakeTask(model)
  assert task.model is model and task.trainable_variables == model.trainable_variables
  assert len(task.trainable_variables) == 2
  assert not task.recordings and not task.standing_passes and not task.reconstructs
  assert task.initialize(None) is None and task.prepare_samples() is None


def test_what_a_task_cannot():
  task = tiny_lib.FakeTask()
  task.cannot_sample = 'there is nothing; sample from the other one'
  for function in (task.sample, task.levels):
    with pytest.raises(ValueError, match='^there is nothing; sample from the other one$'):
      function(BATCH, SEED)
  with pytest.raises(ValueError, match='^FakeTask reconstructs nothing$'):
    task.reconstruct(BATCH)


def test_samples_are_the_only_level():
  """Options are passed on."""
  task = tiny_lib.FakeTask()
  task.sample = lambda batch, seed, temperature=1.0: (batch, seed, temperature)
  assert task.levels(BATCH, SEED) == [(BATCH, SEED, 1.0)]
  assert task.levels(BATCH, SEED, temperature=0.5) == [(BATCH, SEED, 0.5)]


def test_programs_are_made_once(monkeypatch):
  """One a key, whatever the function is; other tasks have their own."""
  made = []
  monkeypatch.setattr(
      xla_context, 'compiled', lambda function: made.append(function) or function)
  # pylint: disable=protected-access
  task, other = tiny_lib.FakeTask(), tiny_lib.FakeTask()
  double, treble = (lambda x: 2 * x), (lambda x: 3 * x)
  assert task._program('double', double)(2) == 4 and task._program(('treble', 3), treble)(2) == 6
  assert task._program('double', lambda x: x) is double and made == [double, treble]
  assert other._program('double', treble) is treble and len(made) == 3
