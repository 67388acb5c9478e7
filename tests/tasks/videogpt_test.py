"""The task of VideoGPT's prior: uint8 and back, metrics against NumPy, batches learned by heart."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks import videogpt_tasks
from tf_videogen import tasks
from tf_videogen.layers import randomness
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import vqvae

CLIP = videogpt_tasks.CLIP


pytestmark = pytest.mark.usefixtures('same_initial_values')


# --- pixels ---


def test_every_pixel_value_survives_the_round_trip():
  values = tf.range(256)
  floats = tasks.videogpt.to_float(tf.cast(values, tf.uint8))
  assert floats.dtype == tf.float32 and floats[0] == -0.5 and floats[-1] == 0.5
  np.testing.assert_allclose(floats, np.arange(256) / 255 - 0.5, atol=1e-7)
  np.testing.assert_array_equal(tasks.videogpt.to_uint8(floats), values)


def test_values_are_rounded_and_clipped():
  values = tf.constant([-9.0, -0.51, 10.4 / 255 - 0.5, 10.6 / 255 - 0.5, 0.7])
  pixels = tasks.videogpt.to_uint8(values)
  np.testing.assert_array_equal(pixels, [0, 0, 10, 11, 255])
  assert pixels.dtype == tf.uint8
  np.testing.assert_array_equal(tasks.videogpt.to_uint8(tf.constant([0.25], tf.bfloat16)), [191])


# --- prior ---


@pytest.mark.parametrize('codebooks', [1, 2])
def test_an_untrained_prior_needs_log2_of_the_codes(codebooks):
  task = videogpt_tasks.prior_task(codes=8, codebooks=codebooks)
  terms = task.loss(videogpt_tasks.batch(), randomness.seed_of(1))
  sums = videogpt_tasks.arrays(task.statistics(videogpt_tasks.batch(), randomness.seed_of(0)))
  for value in (terms, task.metrics(sums)):
    np.testing.assert_allclose(value['bits_per_code'], 3, rtol=1e-6)
    np.testing.assert_allclose(value['nats_per_code'], np.log(8), rtol=1e-6)
  np.testing.assert_allclose(terms['loss'], np.log(8), rtol=1e-6)


def test_metrics_of_a_prior_against_numpy():
  """Two batches, of which the second has one clip and three that fill it up."""
  task = videogpt_tasks.prior_task(classes=3)
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  batches = [videogpt_tasks.batch(seed=1), videogpt_tasks.padded(videogpt_tasks.batch(seed=2), 1)]
  sums = [videogpt_tasks.arrays(task.statistics(batch, randomness.seed_of(0))) for batch in batches]
  metrics = task.metrics({name: sums[0][name] + sums[1][name] for name in sums[0]})
  nats = []
  for batch, clips in zip(batches, (4, 1)):
    codes = task.model.vqvae.codes(tasks.videogpt.to_float(batch['video'])).numpy()
    logits = task.model(codes, task.model.conditions(label=batch['label'])).numpy()
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(log_p, codes.reshape([4, -1, 1]), axis=2)[..., 0]
    nats.extend(-chosen.sum(1)[:clips])
  np.testing.assert_allclose(metrics['nats_per_clip'], np.mean(nats), rtol=1e-4)
  np.testing.assert_allclose(metrics['nats_per_code'], np.mean(nats) / 32, rtol=1e-4)
  np.testing.assert_allclose(metrics['bits_per_code'], np.mean(nats) / 32 / np.log(2), rtol=1e-4)


def test_loss_of_a_prior_is_its_metric_without_dropout():
  task = videogpt_tasks.prior_task(dropout=0.0, actions=8)
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  terms = task.loss(videogpt_tasks.batch(), randomness.seed_of(1))
  sums = videogpt_tasks.arrays(task.statistics(videogpt_tasks.batch(), randomness.seed_of(0)))
  metrics = task.metrics(sums)
  for name in ('nats_per_code', 'bits_per_code'):
    np.testing.assert_allclose(terms[name], metrics[name], rtol=1e-5)
  np.testing.assert_array_equal(terms['loss'], terms['nats_per_code'])


@pytest.mark.parametrize('conditions', [
    pytest.param({}, id='no', marks=pytest.mark.slow),
    pytest.param({'classes': 3, 'actions': 8}, id='classes+actions', marks=pytest.mark.slow),
    pytest.param({'conditioning_frames': 1}, id='frames', marks=pytest.mark.slow)])
def test_a_prior_learns_one_batch(conditions):
  task, batch = videogpt_tasks.prior_task(dropout=0.0, **conditions), videogpt_tasks.batch(clips=2)
  codes = task.model.vqvae.codes(tasks.videogpt.to_float(batch['video']))
  assert np.any(codes[0] != codes[1])
  # Without conditions, a bit a clip says which of the two it is.
  assert videogpt_tasks.learn(task, batch, steps=250, learning_rate=3e-3)['bits_per_code'] < 0.1


@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_a_learned_prior_samples_what_it_learned(eager_scope):
  task = videogpt_tasks.prior_task(dropout=0.0, classes=2, actions=8)
  batch = videogpt_tasks.batch(clips=2)
  batch['label'] = tf.constant([0, 1])
  assert videogpt_tasks.learn(task, batch, steps=250, learning_rate=3e-3)['bits_per_code'] < 0.02
  task.sample = functools.partial(task.sample, top_k=1)
  with eager_scope():
    previews = task.previews(batch, randomness.seed_of(1))
  np.testing.assert_array_equal(previews['data'], batch['video'])
  np.testing.assert_array_equal(previews['samples'], previews['reconstructions'])
  assert previews['samples'].shape == (2,) + CLIP and previews['samples'].dtype == tf.uint8


@pytest.mark.parametrize('conditions, frames', [
    ({}, 0), ({'classes': 3}, 0), ({'actions': 8}, 0), ({'conditioning_frames': 2}, 2)])
def test_what_a_sample_is_conditioned_on(conditions, frames):
  task = videogpt_tasks.prior_task(**conditions)
  assert task.conditional == bool(conditions) and task.conditioning_frames == frames


@pytest.mark.usefixtures('without_xla')
def test_actions_of_longer_clips_are_cut():
  """Evaluations may compare longer clips than the model makes."""
  task, batch = videogpt_tasks.prior_task(actions=8), videogpt_tasks.batch()
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  drawn = task.sample(batch, randomness.seed_of(1))
  more = tf.concat([batch['actions'], batch['actions'][:, :2] + 7], axis=1)
  np.testing.assert_array_equal(
      task.sample({**batch, 'actions': more}, randomness.seed_of(1)), drawn)
  assert np.any(task.sample({**batch, 'actions': more[:, 2:]}, randomness.seed_of(1)) != drawn)


def test_a_batch_without_the_condition_is_an_error():
  batch = videogpt_tasks.batch()
  del batch['label']
  with pytest.raises(ValueError, match='conditioned on label'):
    videogpt_tasks.prior_task(classes=3).loss(batch, randomness.seed_of(1))


def test_a_temperature_of_0_is_an_error():
  with pytest.raises(ValueError, match='temperature must be above 0, got 0'):
    videogpt_tasks.prior_task().sample(videogpt_tasks.batch(), randomness.seed_of(1), temperature=0)


def test_a_prior_without_a_trained_vqvae_is_an_error(tmp_path):
  task = videogpt_tasks.prior_task()
  task.vqvae_dir = str(tmp_path)
  with pytest.raises(FileNotFoundError, match='no checkpoint of the VQ-VAE'):
    task.initialize(None)


def test_the_vqvae_is_loaded_from_its_directory(tmp_path):
  tf.keras.utils.set_random_seed(1)
  trained = videogpt_tasks.prior_task.__wrapped__().model.vqvae
  tf.train.Checkpoint(model=trained).save(str(tmp_path / 'ckpt'))
  task = videogpt_tasks.prior_task()
  task.vqvae_dir = str(tmp_path)
  video = tasks.videogpt.to_float(videogpt_tasks.batch()['video'])
  assert np.any(task.model.vqvae.encode(video) != trained.encode(video))
  task.initialize(None)
  for a, b in zip(task.model.vqvae.variables, trained.variables, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_vqvae_of_other_factors_is_an_error(tmp_path):
  """Its variables have the same shapes, its codes another meaning."""
  quantizer = vector_quantizer.VectorQuantizer(8, dim=8)
  stack = functools.partial(vqvae.ResidualStack, layers=1, units=4, attention=False)
  trained = vqvae.VQVAE(quantizer, (1, 2, 2), hidden=4, residual_stack=stack)
  trained.build((None,) + CLIP)
  tf.train.Checkpoint(model=trained).save(str(tmp_path / 'ckpt'))
  task = videogpt_tasks.prior_task()
  task.vqvae_dir = str(tmp_path)
  with pytest.raises(ValueError, match=r'has downsampling \(1, 2, 2\), but this config') as error:
    task.initialize(None)
  assert '\n' not in str(error.value)


def test_values_that_are_not_finite_make_no_video():
  video = tf.constant([0.0, np.nan])
  with pytest.raises(FloatingPointError, match='values that are not finite'):
    tasks.videogpt.to_uint8(video)
  in_a_graph = tf.function(tasks.videogpt.to_uint8)
  assert in_a_graph(tf.constant([0.0, 0.5])).numpy().tolist() == [128, 255]
