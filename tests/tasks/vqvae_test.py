"""The task of VQ-VAEs: variance of the data, loss and metrics against NumPy, one batch learned."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks import videogpt_tasks
from tf_videogen import tasks
from tf_videogen.data import clips as clips_lib
from tf_videogen.layers import randomness
from tf_videogen.metrics import image_quality

CLIP = videogpt_tasks.CLIP


pytestmark = pytest.mark.usefixtures('same_initial_values')


# --- variance of the data ---


def _clips(tmp_path, video):
  np.savez(tmp_path / 'train.npz', video=video)
  return clips_lib.FileClips(str(tmp_path / 'train.npz'), frames=video.shape[1])


def test_variance_of_all_pixels(tmp_path):
  video = np.random.default_rng(0).integers(40, 90, size=(16, 2, 8, 8, 3)).astype(np.uint8)
  clips = _clips(tmp_path, video)
  expected = (video / 255).var()
  np.testing.assert_allclose(tasks.videogpt.variance_of(clips, examples=16), expected, rtol=1e-9)
  task = tasks.VQVAETask(videogpt_tasks.vqvae_of())
  task.build((2, 8, 8, 3))
  task.initialize(clips)  # 1,000 examples are whole epochs and one half
  np.testing.assert_allclose(task.model.data_variance, expected, rtol=0.01)


def test_a_given_variance_is_taken(tmp_path):
  task = tasks.VQVAETask(videogpt_tasks.vqvae_of(), data_variance=0.06)
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
  task, batch = videogpt_tasks.vqvae_task(), videogpt_tasks.batch()
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
  task = videogpt_tasks.vqvae_task(codebooks=codebooks)
  task.model.data_variance.assign(0.05)
  batches = [videogpt_tasks.batch(seed=1), videogpt_tasks.padded(videogpt_tasks.batch(seed=2), 2)]
  sums = [videogpt_tasks.arrays(task.statistics(batch, randomness.seed_of(0))) for batch in batches]
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
  task = videogpt_tasks.vqvae_task(codebooks=2)
  uses = np.zeros((2, 16), np.float32)
  uses[0, :4] = 5  # four codes, equally often: perplexity 4
  uses[1, 7] = 20  # one code: perplexity 1
  sums = {'examples': 1.0, 'squared_error': 0.0, 'psnr': 0.0, 'ssim': 0.0, 'uses': uses}
  metrics = task.metrics(sums)
  np.testing.assert_allclose(metrics['codebook_perplexity'], (4 + 1) / 2, rtol=1e-6)
  np.testing.assert_allclose(metrics['codebook_usage'], (4 / 16 + 1 / 16) / 2, rtol=1e-6)


def test_previews_of_a_vqvae():
  task, batch = videogpt_tasks.vqvae_task(), videogpt_tasks.batch()
  previews = task.previews(batch, randomness.seed_of(1))
  np.testing.assert_array_equal(previews['data'], batch['video'])
  expected = tasks.videogpt.to_uint8(task.model(tasks.videogpt.to_float(batch['video']))[0])
  np.testing.assert_array_equal(previews['reconstructions'], expected)


@pytest.mark.usefixtures('without_xla')
def test_reconstructions_are_those_of_previews():
  batch = videogpt_tasks.batch()
  for task in (videogpt_tasks.vqvae_task(), videogpt_tasks.prior_task(classes=3)):
    task.sample = lambda batch, seed: batch['video']  # a prior's previews have samples, too
    reconstructed = task.reconstruct(batch)
    assert reconstructed.dtype == tf.uint8 and np.ptp(reconstructed) > 0
    np.testing.assert_array_equal(
        reconstructed, task.previews(batch, randomness.seed_of(1))['reconstructions'])
    traced = tf.function(task.reconstruct, autograph=False)
    np.testing.assert_array_equal(traced(batch), reconstructed)


def test_a_prior_reconstructs_by_its_vqvae():
  task, batch = videogpt_tasks.prior_task(), videogpt_tasks.batch()
  reconstructed, _ = task.model.vqvae(tasks.videogpt.to_float(batch['video']))
  # One of 255 apart at most: the VQ-VAE itself adds and subtracts what passes gradients on.
  np.testing.assert_allclose(
      tf.cast(task.reconstruct(batch), tf.int32),
      tf.cast(tasks.videogpt.to_uint8(reconstructed), tf.int32), rtol=0, atol=1)


def test_a_vqvae_learns_one_batch():
  batch = videogpt_tasks.batch(clips=4)
  task = tasks.VQVAETask(videogpt_tasks.vqvae_of())
  task.build(CLIP)
  task.model.data_variance.assign((batch['video'].numpy() / 255).var())
  assert videogpt_tasks.learn(task, batch, steps=150, learning_rate=5e-3)['nmse'] < 0.1
  metrics = task.metrics(videogpt_tasks.arrays(task.statistics(batch, randomness.seed_of(0))))
  assert metrics['nmse'] < 0.15 and metrics['psnr'] > 18


def test_pixels_are_rounded_or_cut_off():
  video = tf.constant([-0.6, -0.5, 0.4 / 255 - 0.5, 0.6 / 255 - 0.5, 254.9 / 255 - 0.5, 0.5, 0.7])
  assert tasks.videogpt.to_uint8(video).numpy().tolist() == [0, 0, 0, 1, 255, 255, 255]
  cut = tasks.videogpt.to_uint8(video, truncates=True)
  assert cut.numpy().tolist() == [0, 0, 0, 0, 254, 255, 255]
