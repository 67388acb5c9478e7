"""What the authors' code computes of models of its own, at tiny sizes, is computed here to 1e-4.

The models have random weights; `videogpt_public/` of the real data has them, and the numbers.
"""

import functools
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import experiment
from tf_videogen import objectives
from tf_videogen.launch import configs
from tf_videogen.layers import convolution
from tf_videogen.layers import layer_norm
from tf_videogen.layers import resnet3d
from tf_videogen.models import vqvae
from tf_videogen.published import videogpt as published

FOLDER = pathlib.Path(os.environ.get('TF_VIDEOGEN_REAL_DATA', '.')) / 'videogpt_public'
VQVAES = ['vqvae_stride4x4x4', 'vqvae_stride4x2x2', 'vqvae_stride2x4x4']
PRIORS = ['gpt_uncond_full', 'gpt_uncond_sparse', 'gpt_class_full', 'gpt_frames_full']
TOLERANCE = 1e-4

pytestmark = [
    pytest.mark.real_data, pytest.mark.usefixtures('no_config_left'),
    pytest.mark.skipif(not FOLDER.is_dir(), reason='needs videogpt_public/ of the real data')]


def _model(name, **changed):
  """The model of a file, as `launch.import_videogpt` builds it; `changed` are bindings."""
  weights = published.open_weights(str(FOLDER / f'{name}.ckpt'))
  bindings = published.bindings(weights) | {
      key.replace('__', '.'): value for key, value in changed.items()}
  config = 'bair_stride4x2x2'
  if weights.is_prior:
    config = 'bair_gpt' if 'frames' in name else 'ucf101_uncond_gpt'
  configs.parse([f'videogpt/published/{config}.gin'],
                [f'{key}={value}' for key, value in bindings.items()], imports=published.IMPORTS)
  model = configs.configured(experiment.Experiment)().task().model
  model.build((None,) + published.clip_shape(weights))
  published.assign(weights, model)
  return model


@functools.cache
def _kept(name):
  return _model(name)


@functools.cache
def _truth(name):
  with np.load(FOLDER / f'{name}.npz') as arrays:
    return dict(arrays)


def _error(name, model):
  """The largest difference of what a model computes to what the authors' code did."""
  truth = _truth(name)
  video = tf.constant(truth['video'])
  if name in VQVAES:
    reconstruction, quantized = model(video)
    return max(np.abs(model.encode(video) - truth['z']).max(),
               np.abs(reconstruction - truth['reconstruction']).max(),
               np.sum(quantized.codes[..., 0] != truth['codes']))
  logits = model(truth['codes'][..., np.newaxis].astype(np.int32),
                 model.conditions(video, truth.get('label')))
  return np.abs(logits.numpy().reshape(truth['logits'].shape) - truth['logits']).max()


@pytest.mark.parametrize('name', VQVAES)
def test_vqvaes(name):
  model, truth = _kept(name), _truth(name)
  video = tf.constant(truth['video'])
  reconstruction, quantized = model(video)
  np.testing.assert_allclose(model.encode(video), truth['z'], atol=TOLERANCE)
  np.testing.assert_array_equal(quantized.codes[..., 0], truth['codes'])
  np.testing.assert_allclose(reconstruction, truth['reconstruction'], atol=TOLERANCE)
  codes = tf.constant(truth['codes'][..., np.newaxis], tf.int32)
  np.testing.assert_allclose(model.decode_codes(codes), truth['reconstruction'], atol=TOLERANCE)


@pytest.mark.parametrize('name', PRIORS)
def test_priors(name):
  model, truth = _kept(name), _truth(name)
  codes = truth['codes'][..., np.newaxis].astype(np.int32)
  found = model.vqvae.codes(tf.constant(truth['video'])).numpy()
  assert np.mean(found == codes) > 0.999  # of 2,048 codes one has two that are as near
  logits = model(codes, model.conditions(tf.constant(truth['video']), truth.get('label')))
  np.testing.assert_allclose(
      logits.numpy().reshape(truth['logits'].shape), truth['logits'], atol=TOLERANCE)
  nats = objectives.categorical_nll(logits, codes.reshape([len(codes), -1]))
  loss = np.mean(nats) / model.prior.tokens
  np.testing.assert_allclose(loss, truth['loss'], atol=TOLERANCE)


@pytest.mark.parametrize('name', PRIORS)
def test_logits_of_sampling(name):
  """Token by token with caches, given the codes before: every 37th token is compared."""
  model, truth = _kept(name), _truth(name)
  conditions = model.conditions(tf.constant(truth['video']), truth.get('label'))
  prior, codebook = model.prior, model.vqvae.quantizer.codebook[0]
  flat = truth['codes'].reshape([len(truth['codes']), -1])
  expected = truth['logits'].reshape([len(flat), prior.tokens, -1])
  frames_kv, caches = prior.frames_kv(conditions), prior.initial_caches(len(flat))
  step = tf.function(lambda previous, t, caches: prior.step(
      previous, t, caches, conditions, frames_kv), autograph=False)
  previous = tf.zeros([len(flat), codebook.shape[1]])
  for t in range(prior.tokens):
    logits, caches = step(previous, tf.constant(t), caches)
    if t % 37 in (0, 1) or t == prior.tokens - 1:
      np.testing.assert_allclose(logits, expected[:, t], atol=TOLERANCE)
    previous = tf.gather(codebook, flat[:, t])


# --- each option is needed: without it, numbers are others, or weights do not fit ---


def _evenly(self, x):
  """The padding of TensorFlow, which puts an odd zero behind."""
  zeros = [(after, before) for before, after in self._zeros or [(0, 0)] * 3]
  return tf.keras.layers.Conv3D.call(self, tf.pad(x, [(0, 0), *zeros, (0, 0)]))


def _block_without_relu(self, x, training=False):
  shortcut = x if self.projection is None else self.projection(x, training=training)
  h = tf.nn.relu(self.first(x, training=training))
  return tf.nn.relu(shortcut + self.second(h, training=training))


@pytest.mark.parametrize('name, changed', [
    ('vqvae_stride4x2x2', {'vqvae__VQVAE__mirrored': True}),
    ('vqvae_stride2x4x4', {'vqvae__VQVAE__mirrored': True}),
    ('gpt_uncond_full', {'conditional_norm__ConditionalLayerNorm__epsilon_outside': False}),
    ('gpt_class_full', {'videogpt__LatentTransformer__heads': 2})])
def test_other_values_of_options_compute_other_numbers(name, changed):
  assert _error(name, _model(name, **changed)) > TOLERANCE


@pytest.mark.parametrize('name, changed, match', [
    ('vqvae_stride4x2x2', {'vqvae__ResidualStack__norm': '@layer_norm.LayerNorm'},
     'running_mean, which the model does not have'),
    ('vqvae_stride4x2x2', {'vqvae__VQVAE__latent_kernel': 3}, 'has the shape'),
    ('gpt_uncond_full', {'videogpt__LatentTransformer__codebook_axis': True}, 'has no .*d_3'),
    ('gpt_frames_full', {'videogpt__LatentTransformer__cross_values': None}, 'has the shape')])
def test_other_values_of_options_do_not_fit(name, changed, match):
  with pytest.raises(ValueError, match=match):
    _model(name, **changed)


@pytest.mark.parametrize('name, owner, attribute, value', [
    ('vqvae_stride4x2x2', convolution.SamePadConv3D, 'call', _evenly),
    ('gpt_frames_full', convolution.SamePadConv3D, 'call', _evenly),
    ('gpt_frames_full', resnet3d._Block, 'call', _block_without_relu)])
def test_what_the_code_does_is_needed(name, owner, attribute, value, monkeypatch):
  monkeypatch.setattr(owner, attribute, value)
  assert _error(name, _model(name)) > TOLERANCE


def test_the_epsilon_of_the_resnets_norms_is_needed():
  """Of Keras's layers it is 1e-3."""
  model = _model('gpt_frames_full')
  norms = [layer for layer in model.frame_encoder.submodules
           if isinstance(layer, layer_norm.LayerNorm)]
  assert len(norms) == 1 + 2 * 5 + 4
  for norm in norms:
    norm.epsilon = 1e-3
  assert _error('gpt_frames_full', model) > TOLERANCE


def test_no_position_embedding_is_needed():
  """One that is not zero changes what attention reads."""
  model = _model('vqvae_stride4x4x4')
  assert all(block.position is None for block in model.encoder[-1].blocks)
  position = vqvae.positions.SpatioTemporalEmbedding((2, 4, 4), 24, stddev=0.1)
  for block in model.encoder[-1].blocks:
    block.position = position
  assert _error('vqvae_stride4x4x4', model) > TOLERANCE
