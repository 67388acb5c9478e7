"""The tasks of VideoGPT: uint8 and back, metrics against NumPy, batches learned by heart."""
import copy
import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import tasks
from tf_videogen.data import clips as clips_lib
from tf_videogen.layers import attention
from tf_videogen.layers import randomness
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.metrics import image_quality
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP = (4, 8, 8, 1)  # latents 2 x 4 x 4


pytestmark = pytest.mark.usefixtures('same_initial_values')


def _vqvae(codes=16, codebooks=1, hidden=16):
  quantizer = vector_quantizer.VectorQuantizer(codes, dim=8, codebooks=codebooks)
  return vqvae.VQVAE(quantizer, (2, 2, 2), hidden, residual_units=hidden, residual_layers=1,
                     attention=False)


def _always_the_same(make):
  """A function that makes a task: one around a model that is made once, its variables as then."""
  @functools.cache
  def made_once(**kwargs):
    tf.keras.utils.set_random_seed(0)
    task = make(**kwargs)
    return task, [variable.numpy() for variable in task.model.variables]

  @functools.wraps(make)
  def made(**kwargs):
    task, values = made_once(**kwargs)
    for variable, value in zip(task.model.variables, values, strict=True):
      variable.assign(value)
    return copy.copy(task)

  return made


@_always_the_same
def _vqvae_task(**kwargs):
  """A task whose codes are outputs of the encoder."""
  task = tasks.VQVAETask(_vqvae(**kwargs))
  task.build(CLIP)
  task.loss(_batch(), randomness.seed_of(1))
  return task


@_always_the_same
def _prior_task(codes=8, dropout=0.1, codebooks=1, **conditions):
  encoder = None
  if 'conditioning_frames' in conditions:
    encoder = resnet3d.ResNet3D(18, units=16, width=4)
  prior = videogpt.LatentTransformer(layers=1, width=32, heads=2, feedforward=64, dropout=dropout,
                                     attention=attention.CausalAttention)
  model = videogpt.VideoGPT(_vqvae(codes, codebooks, hidden=4), prior, encoder, **conditions)
  task = tasks.VideoGPTTask(model, vqvae_dir='')
  task.build(CLIP)
  video = tasks.videogpt.to_float(_batch()['video'])
  model.vqvae(video, training=True, seed=randomness.seed_of(1))  # codes that the encoder puts out
  return task


def _batch(clips=4, seed=0):
  """Bright squares that move over a dark gradient."""
  rng = np.random.default_rng(seed)
  video = np.zeros((clips,) + CLIP, np.uint8) + np.arange(0, 64, 8, dtype=np.uint8)[:, None]
  for clip in video:
    y, x, moves = rng.integers(4), rng.integers(4), rng.integers(3, size=2)
    for t, frame in enumerate(clip):
      top, left = y + moves[0] * t // 2, x + moves[1] * t // 2
      frame[top:top + 3, left:left + 3] = 250
  return {'video': tf.constant(video), 'valid': tf.ones([clips], tf.bool),
          'label': tf.constant(rng.integers(3, size=clips), tf.int32),
          'actions': tf.constant(rng.normal(size=(clips, 4, 2)), tf.float32)}


def _padded(batch, examples):
  """The first clips of the batch, filled up with others, as evaluation fills its last batch."""
  size = batch['video'].shape[0]
  rows = [i if i < examples else (7 * i) % size for i in range(size)]
  batch = {name: tf.gather(value, rows) for name, value in batch.items()}
  return {**batch, 'valid': tf.range(size) < examples}


def _numpy(sums):
  return {name: value.numpy() for name, value in sums.items()}


def _learn(task, batch, steps, learning_rate):
  """Terms of the loss after so many steps on one batch."""
  # The older class: one operation updates a variable, in place of a dozen.
  optimizer = tf.keras.optimizers.legacy.Adam(learning_rate, global_clipnorm=1.0)
  optimizer.apply_gradients([(tf.zeros_like(v), v) for v in task.trainable_variables])  # builds it

  @functools.partial(tf.function, autograph=False)
  def update(number):
    with tf.GradientTape() as tape:
      terms = task.loss(batch, randomness.seed_of(number))
    gradients = tape.gradient(terms['loss'], task.trainable_variables)
    optimizer.apply_gradients(zip(gradients, task.trainable_variables))
    return terms

  for number in range(steps):
    terms = update(tf.constant(number))
  return {name: float(term) for name, term in terms.items()}


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


# --- variance of the data ---


def _clips(tmp_path, video):
  np.savez(tmp_path / 'train.npz', video=video)
  return clips_lib.FileClips(str(tmp_path / 'train.npz'), frames=video.shape[1])


def test_variance_of_all_pixels(tmp_path):
  video = np.random.default_rng(0).integers(40, 90, size=(16, 2, 8, 8, 3)).astype(np.uint8)
  clips = _clips(tmp_path, video)
  expected = (video / 255).var()
  np.testing.assert_allclose(tasks.videogpt.variance_of(clips, examples=16), expected, rtol=1e-9)
  task = tasks.VQVAETask(_vqvae())
  task.build((2, 8, 8, 3))
  task.initialize(clips)  # 1,000 examples are whole epochs and one half
  np.testing.assert_allclose(task.model.data_variance, expected, rtol=0.01)


def test_a_given_variance_is_taken(tmp_path):
  task = tasks.VQVAETask(_vqvae(), data_variance=0.06)
  task.build(CLIP)
  task.initialize(_clips(tmp_path, np.zeros((2,) + CLIP, np.uint8)))
  np.testing.assert_allclose(task.model.data_variance, 0.06)


def test_clips_of_one_value_are_an_error(tmp_path):
  clips = _clips(tmp_path, np.full((3, 2, 8, 8, 1), 77, np.uint8))
  with pytest.raises(ValueError, match='their variance is 0') as error:
    tasks.videogpt.variance_of(clips)
  assert '\n' not in str(error.value)


# --- VQ-VAE ---


def test_loss_is_normalized_error_plus_commitment():
  task, batch = _vqvae_task(), _batch()
  task.model.data_variance.assign(0.05)
  task.commitment_cost = 0.5
  video = batch['video'].numpy() / 255 - 0.5
  reconstruction, quantized = task.model(tf.constant(video, tf.float32))
  nmse = np.mean((reconstruction.numpy() - video)**2) / 0.05
  terms = task.loss(batch, randomness.seed_of(1))
  np.testing.assert_allclose(terms['nmse'], nmse, rtol=1e-4)
  np.testing.assert_allclose(terms['commitment'], quantized.commitment, rtol=1e-4)
  np.testing.assert_allclose(terms['loss'], nmse + 0.5 * quantized.commitment, rtol=1e-4)


@pytest.mark.parametrize('codebooks', [1, 2])
def test_metrics_of_a_vqvae_against_numpy(codebooks):
  """Two batches, of which the second has two clips and two that fill it up."""
  task = _vqvae_task(codebooks=codebooks)
  task.model.data_variance.assign(0.05)
  batches = [_batch(seed=1), _padded(_batch(seed=2), 2)]
  sums = [_numpy(task.statistics(batch, randomness.seed_of(0))) for batch in batches]
  merged = {name: sums[0][name] + sums[1][name] for name in sums[0]}
  assert merged['examples'] == 6 and merged['uses'].shape == (codebooks, 16)
  assert merged['uses'].sum() == 6 * 32 * codebooks
  metrics = task.metrics(merged)

  video = tf.concat([batches[0]['video'], batches[1]['video'][:2]], axis=0)
  floats = tasks.videogpt.to_float(video)
  reconstruction, codes = task.model(floats)[0].numpy(), task.model.codes(floats).numpy()
  np.testing.assert_allclose(metrics['nmse'], np.mean((reconstruction - floats)**2) / 0.05, 1e-4)
  shown = np.round((np.clip(reconstruction, -0.5, 0.5) + 0.5) * 255).astype(np.uint8)
  error = ((shown.astype(float) - video.numpy())**2).mean((2, 3, 4))
  np.testing.assert_allclose(metrics['psnr'], np.mean(10 * np.log10(255**2 / error)), rtol=1e-4)
  np.testing.assert_allclose(metrics['ssim'], np.mean(image_quality.ssim(shown, video)), rtol=1e-4)
  perplexity, usage = [], []
  for c in range(codebooks):
    counts = np.bincount(codes[..., c].reshape(-1), minlength=16)
    share = counts[counts > 0] / counts.sum()
    perplexity.append(np.exp(-np.sum(share * np.log(share))))
    usage.append(np.mean(counts > 0))
  np.testing.assert_allclose(metrics['codebook_perplexity'], np.mean(perplexity), rtol=1e-4)
  np.testing.assert_allclose(metrics['codebook_usage'], np.mean(usage), rtol=1e-6)


def test_perplexity_and_usage_by_hand():
  task = _vqvae_task(codebooks=2)
  uses = np.zeros((2, 16), np.float32)
  uses[0, :4] = 5  # four codes, equally often: perplexity 4
  uses[1, 7] = 20  # one code: perplexity 1
  sums = {'examples': 1.0, 'squared_error': 0.0, 'psnr': 0.0, 'ssim': 0.0, 'uses': uses}
  metrics = task.metrics(sums)
  np.testing.assert_allclose(metrics['codebook_perplexity'], (4 + 1) / 2, rtol=1e-6)
  np.testing.assert_allclose(metrics['codebook_usage'], (4 / 16 + 1 / 16) / 2, rtol=1e-6)


def test_previews_of_a_vqvae():
  task, batch = _vqvae_task(), _batch()
  previews = task.previews(batch, randomness.seed_of(1))
  np.testing.assert_array_equal(previews['data'], batch['video'])
  expected = tasks.videogpt.to_uint8(task.model(tasks.videogpt.to_float(batch['video']))[0])
  np.testing.assert_array_equal(previews['reconstructions'], expected)


@pytest.mark.usefixtures('without_xla')
def test_reconstructions_are_those_of_previews():
  batch = _batch()
  for task in (_vqvae_task(), _prior_task(classes=3)):
    task.sample = lambda batch, seed: batch['video']  # a prior's previews have samples, too
    reconstructed = task.reconstruct(batch)
    assert reconstructed.dtype == tf.uint8 and np.ptp(reconstructed) > 0
    np.testing.assert_array_equal(
        reconstructed, task.previews(batch, randomness.seed_of(1))['reconstructions'])
    traced = tf.function(task.reconstruct, autograph=False)
    np.testing.assert_array_equal(traced(batch), reconstructed)


def test_a_prior_reconstructs_by_its_vqvae():
  task, batch = _prior_task(), _batch()
  reconstructed, _ = task.model.vqvae(tasks.videogpt.to_float(batch['video']))
  # One of 255 apart at most: the VQ-VAE itself adds and subtracts what passes gradients on.
  np.testing.assert_allclose(
      tf.cast(task.reconstruct(batch), tf.int32),
      tf.cast(tasks.videogpt.to_uint8(reconstructed), tf.int32), rtol=0, atol=1)


def test_a_vqvae_learns_one_batch():
  batch = _batch(clips=4)
  task = tasks.VQVAETask(_vqvae())
  task.build(CLIP)
  task.model.data_variance.assign((batch['video'].numpy() / 255).var())
  assert _learn(task, batch, steps=150, learning_rate=5e-3)['nmse'] < 0.1
  metrics = task.metrics(_numpy(task.statistics(batch, randomness.seed_of(0))))
  assert metrics['nmse'] < 0.15 and metrics['psnr'] > 18


# --- prior ---


@pytest.mark.parametrize('codebooks', [1, 2])
def test_an_untrained_prior_needs_log2_of_the_codes(codebooks):
  task = _prior_task(codes=8, codebooks=codebooks)
  terms = task.loss(_batch(), randomness.seed_of(1))
  for value in (terms, task.metrics(_numpy(task.statistics(_batch(), randomness.seed_of(0))))):
    np.testing.assert_allclose(value['bits_per_code'], 3, rtol=1e-6)
    np.testing.assert_allclose(value['nats_per_code'], np.log(8), rtol=1e-6)
  np.testing.assert_allclose(terms['loss'], np.log(8), rtol=1e-6)


def test_metrics_of_a_prior_against_numpy():
  """Two batches, of which the second has one clip and three that fill it up."""
  task = _prior_task(classes=3)
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  batches = [_batch(seed=1), _padded(_batch(seed=2), 1)]
  sums = [_numpy(task.statistics(batch, randomness.seed_of(0))) for batch in batches]
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
  task = _prior_task(dropout=0.0, actions=8)
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  terms = task.loss(_batch(), randomness.seed_of(1))
  metrics = task.metrics(_numpy(task.statistics(_batch(), randomness.seed_of(0))))
  for name in ('nats_per_code', 'bits_per_code'):
    np.testing.assert_allclose(terms[name], metrics[name], rtol=1e-5)
  np.testing.assert_array_equal(terms['loss'], terms['nats_per_code'])


@pytest.mark.parametrize('conditions', [
    pytest.param({}, id='no', marks=pytest.mark.slow),
    pytest.param({'classes': 3, 'actions': 8}, id='classes+actions', marks=pytest.mark.slow),
    pytest.param({'conditioning_frames': 1}, id='frames', marks=pytest.mark.slow)])
def test_a_prior_learns_one_batch(conditions):
  task, batch = _prior_task(dropout=0.0, **conditions), _batch(clips=2)
  codes = task.model.vqvae.codes(tasks.videogpt.to_float(batch['video']))
  assert np.any(codes[0] != codes[1])
  # Without conditions, a bit a clip says which of the two it is.
  assert _learn(task, batch, steps=250, learning_rate=3e-3)['bits_per_code'] < 0.1


@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_a_learned_prior_samples_what_it_learned(eager_scope):
  task, batch = _prior_task(dropout=0.0, classes=2, actions=8), _batch(clips=2)
  batch['label'] = tf.constant([0, 1])
  assert _learn(task, batch, steps=250, learning_rate=3e-3)['bits_per_code'] < 0.02
  task.sample = functools.partial(task.sample, top_k=1)
  with eager_scope():
    previews = task.previews(batch, randomness.seed_of(1))
  np.testing.assert_array_equal(previews['data'], batch['video'])
  np.testing.assert_array_equal(previews['samples'], previews['reconstructions'])
  assert previews['samples'].shape == (2,) + CLIP and previews['samples'].dtype == tf.uint8


@pytest.mark.parametrize('conditions, frames', [
    ({}, 0), ({'classes': 3}, 0), ({'actions': 8}, 0), ({'conditioning_frames': 2}, 2)])
def test_what_a_sample_is_conditioned_on(conditions, frames):
  task = _prior_task(**conditions)
  assert task.conditional == bool(conditions) and task.conditioning_frames == frames


@pytest.mark.usefixtures('without_xla')
def test_actions_of_longer_clips_are_cut():
  """Evaluations may compare longer clips than the model makes."""
  task, batch = _prior_task(actions=8), _batch()
  rng = np.random.default_rng(0)
  for v in task.trainable_variables:
    v.assign(v + 0.2 * rng.normal(size=v.shape))
  drawn = task.sample(batch, randomness.seed_of(1))
  more = tf.concat([batch['actions'], batch['actions'][:, :2] + 7], axis=1)
  np.testing.assert_array_equal(
      task.sample({**batch, 'actions': more}, randomness.seed_of(1)), drawn)
  assert np.any(task.sample({**batch, 'actions': more[:, 2:]}, randomness.seed_of(1)) != drawn)


def test_a_batch_without_the_condition_is_an_error():
  batch = _batch()
  del batch['label']
  with pytest.raises(ValueError, match='conditioned on label'):
    _prior_task(classes=3).loss(batch, randomness.seed_of(1))


def test_a_temperature_of_0_is_an_error():
  with pytest.raises(ValueError, match='temperature must be above 0, got 0'):
    _prior_task().sample(_batch(), randomness.seed_of(1), temperature=0)


def test_a_prior_without_a_trained_vqvae_is_an_error(tmp_path):
  task = _prior_task()
  task.vqvae_dir = str(tmp_path)
  with pytest.raises(FileNotFoundError, match='no checkpoint of the VQ-VAE'):
    task.initialize(None)


def test_the_vqvae_is_loaded_from_its_directory(tmp_path):
  tf.keras.utils.set_random_seed(1)
  trained = _prior_task.__wrapped__().model.vqvae
  tf.train.Checkpoint(model=trained).save(str(tmp_path / 'ckpt'))
  task = _prior_task()
  task.vqvae_dir = str(tmp_path)
  video = tasks.videogpt.to_float(_batch()['video'])
  assert np.any(task.model.vqvae.encode(video) != trained.encode(video))
  task.initialize(None)
  for a, b in zip(task.model.vqvae.variables, trained.variables, strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_vqvae_of_other_factors_is_an_error(tmp_path):
  """Its variables have the same shapes, its codes another meaning."""
  quantizer = vector_quantizer.VectorQuantizer(8, dim=8)
  trained = vqvae.VQVAE(quantizer, (1, 2, 2), hidden=4, residual_units=4, residual_layers=1,
                        attention=False)
  trained.build((None,) + CLIP)
  tf.train.Checkpoint(model=trained).save(str(tmp_path / 'ckpt'))
  task = _prior_task()
  task.vqvae_dir = str(tmp_path)
  with pytest.raises(ValueError, match=r'has downsampling \(1, 2, 2\), this config') as error:
    task.initialize(None)
  assert '\n' not in str(error.value)


def test_values_that_are_not_finite_make_no_video():
  video = tf.constant([0.0, np.nan])
  with pytest.raises(FloatingPointError, match='values that are not finite'):
    tasks.videogpt.to_uint8(video)
  in_a_graph = tf.function(tasks.videogpt.to_uint8)
  assert in_a_graph(tf.constant([0.0, 0.5])).numpy().tolist() == [128, 255]
