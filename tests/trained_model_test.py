"""Trained models, opened: what they make of which rows, what they cannot, what they refuse."""

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tests.evaluation import fakes
from tf_videogen import trained_model
from tf_videogen.layers import randomness

SEED = randomness.seed_of(3)


@pytest.fixture(scope='module', name='prior_dir')
def _prior_dir(tiny, cpu, tmp_path_factory):
  """A prior of classes and its directory; untrained, as after 3 steps."""
  experiment = tiny.experiment(lambda: tiny.prior('', classes=3))
  directory = tmp_path_factory.mktemp('prior')
  fakes.save(experiment, directory, cpu, change=_noisy)
  return experiment, str(directory)


def _noisy(task):
  """Makes a model's samples differ from each other."""
  rng = np.random.default_rng(0)
  for variable in task.model.variables:
    if variable.dtype.is_floating:
      variable.assign(variable + 0.3 * rng.normal(size=variable.shape).astype(np.float32))


def _batch(count, frames=4, size=8):
  rng = np.random.default_rng(1)
  return {'video': rng.integers(256, size=(count, frames, size, size, 1), dtype=np.uint8),
          'label': (np.arange(count) % 3).astype(np.int32),
          'actions': np.zeros((count, frames, 2), np.float32),
          'id': np.full(count, b'x'), 'index': np.arange(count)}


def _restored(*args, **kwargs):
  model = trained_model.TrainedModel(*args, **kwargs)
  assert model.restore()
  return model


@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_samples_and_reconstructions_of_a_prior(prior_dir, cpu):
  model = _restored(*prior_dir, cpu, {'temperature': 0.5}, 4)
  assert model.step == 3 and model.checkpoint.endswith('ckpt-3')
  assert model.identity[:2] == [model.checkpoint, 3]
  assert model.conditioning_frames == 0 and model.labelled and model.reconstructs and model.drawn
  batch = _batch(4)
  drawn = model.sample(batch, SEED)
  assert drawn.shape == (4, 4, 8, 8, 1) and drawn.dtype == np.uint8
  np.testing.assert_array_equal(
      drawn, model.task.sample({k: tf.constant(batch[k]) for k in ('video', 'label', 'actions')},
                               SEED, temperature=0.5))
  assert (model.sample(batch, randomness.seed_of(4)) != drawn).any()
  # A batch that is filled up: the rows that are there, in order.
  few = {name: value[:3] for name, value in batch.items()}
  np.testing.assert_array_equal(model.sample(few, SEED), drawn[:3])
  whole = model.reconstruct(batch)
  for count in (1, 3):
    np.testing.assert_array_equal(
        model.reconstruct({name: value[:count] for name, value in batch.items()}), whole[:count])
  # Of longer clips the model sees the frames that it knows.
  longer = _batch(4, frames=6)
  longer['video'][:, :4] = batch['video']
  np.testing.assert_array_equal(model.reconstruct(longer), whole)
  np.testing.assert_array_equal(model.sample(longer, SEED), drawn)
  level, = model.levels(few, SEED)
  np.testing.assert_array_equal(level, drawn[:3])
  previews = model.previews(few, SEED)
  np.testing.assert_array_equal(previews['data'], batch['video'][:3])
  np.testing.assert_array_equal(previews['reconstructions'], whole[:3])


class _Task(tiny_lib.FakeTask):
  """A task whose model does nothing."""

  def __init__(self):
    super().__init__(tf.keras.Sequential([tf.keras.layers.Dense(1)]))

  def build(self, clip_shape):
    """Creates the variables."""
    self.model.build((None, clip_shape[0]))


class _Noise(_Task):
  """Samples noise of the seed, brighter for higher labels."""

  reconstructs = True

  def sample(self, batch, seed, temperature=1.0):
    """uint8 [B, T, H, W, C]."""
    noise = randomness.uniform(batch['video'].shape, seed) * temperature * 60
    label = tf.reshape(batch['label'], [-1, 1, 1, 1, 1])
    return tf.cast(noise, tf.uint8) + 60 * tf.cast(label, tf.uint8)

  def reconstruct(self, batch):
    """uint8 [B, T, H, W, C]."""
    return batch['video'] // 2


def test_two_replicas_reconstruct_the_same_and_sample_apart(tiny, cpu, two_replicas, tmp_path):
  experiment = tiny.experiment(_Noise)
  fakes.save(experiment, tmp_path, cpu)
  made = lambda strategy, rows: _restored(
      experiment, str(tmp_path), strategy, {'temperature': 0.9}, rows)
  batch = _batch(6)
  together, alone = (made(strategy, 8) for strategy in (two_replicas, cpu))
  for model in (together, alone):
    np.testing.assert_array_equal(model.reconstruct(batch), batch['video'] // 2)
    drawn = model.sample(batch, SEED)
    assert drawn.shape == batch['video'].shape
    np.testing.assert_array_equal(drawn.max((1, 2, 3, 4)) // 60, batch['label'])
  rows = 4  # of the first replica
  same = {name: np.concatenate([value[:rows]] * 2) for name, value in batch.items()}
  drawn = together.sample(same, SEED)
  assert (drawn[:rows] != drawn[rows:]).any()  # of the same conditions, on two replicas
  assert len(made(two_replicas, 3).sample(_batch(3), SEED)) == 3


@pytest.mark.parametrize('rows, expected', [(None, 3), (4, 4), (7, 7)])
def test_batches_are_filled_up(tiny, cpu, tmp_path, monkeypatch, rows, expected):
  experiment = tiny.experiment(_Noise)
  fakes.save(experiment, tmp_path, cpu)
  model, seen = _restored(experiment, str(tmp_path), cpu, rows=rows), []
  monkeypatch.setattr(model.task, 'reconstruct', lambda batch: seen.append(
      batch['video'].shape[0]) or batch['video'])
  np.testing.assert_array_equal(model.reconstruct(_batch(3)), _batch(3)['video'])
  assert seen == [expected]
  if rows:
    with pytest.raises(ValueError, match=f'for {rows} clips per call, and this batch has 8: give'):
      model.reconstruct(_batch(8))


def test_other_checkpoints_of_the_same_model(tiny, cpu, tmp_path):
  """What is compiled remains; one that cannot be read is said, and changes nothing."""
  experiment = tiny.experiment(_Noise)
  for step in (3, 5):
    fakes.save(experiment, tmp_path, cpu, step)
  model = _restored(experiment, str(tmp_path), cpu)
  assert model.step == 5
  assert model.restore(str(tmp_path / 'ckpt-3')) and model.step == 3
  assert model.identity[:2] == [str(tmp_path / 'ckpt-3'), 3]
  assert not model.restore(str(tmp_path / 'ckpt-4')) and model.step == 3
  assert {v.ref() for v in model.variables} == {v.ref() for v in model.task.model.variables}


def test_nan_in_a_checkpoint_is_refused(tiny, cpu, tmp_path):
  def spoil(task):
    variable = [v for v in task.model.variables if v.dtype.is_floating][-1]
    variable.assign(tf.fill(variable.shape, np.nan))
    spoil.name = variable.name

  experiment = tiny.experiment()
  fakes.save(experiment, tmp_path, cpu, change=spoil)
  model = trained_model.TrainedModel(experiment, str(tmp_path), cpu)
  with pytest.raises(ValueError, match='has values that are not finite .NaN.: training has failed'
                     ) as error:
    model.restore()
  assert str(error.value).startswith(f'{spoil.name} in {tmp_path / "ckpt-3"} has ')


def test_what_a_model_cannot_do(tiny, cpu, tmp_path):
  vqvae = tiny.experiment()
  fakes.save(vqvae, tmp_path / 'vqvae', cpu)
  model = _restored(vqvae, str(tmp_path / 'vqvae'), cpu)
  assert model.reconstruct(_batch(2)).shape == (2, 4, 8, 8, 1) and model.conditioning_frames == 0
  with pytest.raises(ValueError, match='VQVAETask has nothing to sample from'):
    model.sample(_batch(2), SEED)
  for options in ({}, {'temperature': 1.0}):
    with pytest.raises(ValueError, match='VQVAETask has nothing to sample from'):
      trained_model.TrainedModel(vqvae, str(tmp_path / 'vqvae'), cpu, options)
  with pytest.raises(FileNotFoundError, match='is not a model directory'):
    trained_model.TrainedModel(vqvae, str(tmp_path), cpu)


def test_options_that_a_task_lacks(tiny, prior_dir, cpu, tmp_path):
  """They are refused before anything is restored."""
  with pytest.raises(ValueError, match="VideoGPTTask has no sampling option 'frames'; it samples "
                     'by: temperature, top_k, top_p$'):
    trained_model.TrainedModel(*prior_dir, cpu, {'frames': 30})
  transformer = tiny.experiment(tiny.video_transformer)
  fakes.save(transformer, tmp_path, cpu)
  for name in ('top_k', 'top_p'):
    with pytest.raises(ValueError, match=f"has no sampling option '{name}'; it samples by: "
                       'temperature, conditioning_frames, frames$'):
      trained_model.TrainedModel(transformer, str(tmp_path), cpu, {'temperature': 0.9, name: 1})


class _Continuing(_Task):
  """A task of given frames, of its own number or the protocol's; a sample has only those."""

  conditioning_frames = 1

  def sample(self, batch, seed, conditioning_frames=None, frames=4):
    """uint8 [B, T, H, W, C]."""
    given = self.conditioning_frames if conditioning_frames is None else conditioning_frames
    video = batch['video'][:, :given]
    return tf.pad(video, [[0, 0], [0, frames - given], [0, 0], [0, 0], [0, 0]])


def test_a_model_is_given_what_the_protocol_gives(tiny, cpu, tmp_path):
  experiment = tiny.experiment(_Continuing)
  fakes.save(experiment, tmp_path, cpu)
  model = _restored(experiment, str(tmp_path), cpu, {'conditioning_frames': 3, 'frames': 6}, 2)
  assert model.conditioning_frames == 3
  batch = _batch(2, frames=6)
  drawn = model.sample(batch, SEED)
  assert drawn.shape == (2, 6, 8, 8, 1) and not drawn[:, 3:].any()
  np.testing.assert_array_equal(drawn[:, :3], batch['video'][:, :3])
  assert trained_model.TrainedModel(experiment, str(tmp_path), cpu).conditioning_frames == 1
  assert not model.reconstructs
  with pytest.raises(ValueError, match='_Continuing reconstructs nothing'):
    model.reconstruct(batch)
