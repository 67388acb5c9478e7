"""VideoGPT's prior: causality to the bit, steps equal the full pass, training, parameters."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tests import shapes
from tests.models import small_priors
from tf_videogen.layers import attention
from tf_videogen.layers import randomness
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP = small_priors.CLIP
CONDITIONS, ALL_CONDITIONS = small_priors.CONDITIONS, small_priors.ALL_CONDITIONS
PATTERNS_AND_CODEBOOKS = pytest.mark.parametrize('pattern, codebooks', [
    ('full', 1), ('sparse', 2),
    *[pytest.param(*both, marks=pytest.mark.slow) for both in (('full', 2), ('sparse', 1))]])


pytestmark = pytest.mark.usefixtures('same_initial_values')


# --- causality and steps ---


@PATTERNS_AND_CODEBOOKS
def test_later_codes_do_not_change_a_bit(pattern, codebooks):
  model = small_priors.built(pattern, codebooks)
  codes, conditions = small_priors.codes_of(model), small_priors.conditions_of(model)
  logits = tf.function(lambda codes: model(codes, conditions), autograph=False)
  before, tokens = logits(codes).numpy(), model.prior.tokens
  assert tokens == 16 * codebooks
  for t in (0, 1, 3, 4, 5, tokens // 2, tokens - 2, tokens - 1):
    changed = codes.reshape([2, -1]).copy()
    changed[:, t] = (changed[:, t] + 1) % 6
    after = logits(changed.reshape(codes.shape)).numpy()
    np.testing.assert_array_equal(after[:, :t + 1], before[:, :t + 1])  # row t sees codes before t
    reached = slice(t + 1, None if pattern == 'full' else t + 2)
    assert (np.abs(after - before)[:, reached].max(-1) > 0).all()


@pytest.mark.parametrize('pattern, codebooks, condition, layers', [
    ('full', 1, 'frames', 2), ('sparse', 2, 'vector', 1),
    *[pytest.param(*others, 2, marks=pytest.mark.slow) for others in (
        ('full', 1, 'vector'), ('full', 2, 'frames'), ('full', 2, 'vector'),
        ('sparse', 1, 'frames'), ('sparse', 1, 'vector'), ('sparse', 2, 'frames'),
        ('sparse', 2, 'vector'))]])
def test_steps_are_rows_of_the_full_pass(pattern, codebooks, condition, layers):
  model = small_priors.built(pattern, codebooks, layers, **CONDITIONS[condition])
  codes, conditions = small_priors.codes_of(model), small_priors.conditions_of(model)
  expected = model(codes, conditions).numpy()
  flat, prior, quantizer = codes.reshape([2, -1]), model.prior, model.vqvae.quantizer
  frames_kv = prior.frames_kv(conditions)
  caches = prior.initial_caches(2, prior.tokens // 2)
  previous = tf.zeros([2, 4])
  for t in range(prior.tokens):
    if t == prior.tokens // 2:
      caches = prior.extend_caches(caches, prior.tokens)
    logits, caches = prior.step(previous, tf.constant(t), caches, conditions, frames_kv)
    np.testing.assert_allclose(logits, expected[:, t], atol=1e-4)
    previous = tf.gather(quantizer.codebook[t % codebooks], flat[:, t])


@pytest.mark.parametrize('condition', CONDITIONS)
def test_conditions_matter(condition):
  model = small_priors.built(**CONDITIONS[condition])
  codes = small_priors.codes_of(model)
  one, other = (
      model(codes, small_priors.conditions_of(model, seed=seed)).numpy() for seed in (0, 1))
  assert (np.abs(one - other).max(-1) > 1e-4).all()


def test_frames_after_the_given_ones_do_not_matter():
  model = small_priors.built(conditioning_frames=2)
  video = np.random.default_rng(0).uniform(-0.5, 0.5, size=(2,) + CLIP).astype(np.float32)
  frames = model.conditions(video).frames
  assert frames.shape == (2, 2 * 1 * 2, 16)  # two frames of 4 x 8, a quarter a side
  video[:, 2:] = 0
  np.testing.assert_array_equal(model.conditions(video).frames, frames)


def test_condition_vector_is_class_and_flattened_actions():
  model = small_priors.new(classes=3, actions=8)
  actions = np.arange(16, dtype=np.float32).reshape([2, 4, 2])
  expected = np.concatenate([np.eye(3)[[2, 0]], actions.reshape([2, 8])], axis=1)
  for given in (actions, actions.reshape([2, 8])):
    conditions = model.conditions(label=np.array([2, 0]), actions=given)
    np.testing.assert_array_equal(conditions.vector, expected)
    assert conditions.frames is None


def test_the_last_frames_action_may_be_left_out():
  actions = np.arange(16, dtype=np.float32).reshape([2, 4, 2])
  conditions = small_priors.new(actions=6).conditions(actions=actions)
  np.testing.assert_array_equal(conditions.vector, actions[:, :3].reshape([2, 6]))


def test_transformer_block():
  """Pre-norm, residual, x sigmoid(1.702 x); attention itself is tested by its own tests."""
  rng = np.random.default_rng(2)
  block = videogpt.TransformerBlock(
      attention.CausalAttention((6,)), width=8, heads=2, feedforward=10, dropout=0.5, depth=1,
      cross_attention=attention.MultiHeadAttention(2, value_width=6), condition_size=5)
  x, frames = (tf.constant(rng.normal(size=(2, n, 8)), tf.float32) for n in (6, 3))
  conditions = videogpt.Conditions(frames, tf.constant(rng.normal(size=(2, 5)), tf.float32))
  block(x, conditions)
  for v in block.trainable_variables:
    v.assign(rng.normal(size=v.shape, scale=0.5))

  def norm(x, layer):
    normalized = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    affine = (conditions.vector.numpy() @ layer.condition_kernel.numpy())[:, None]
    return normalized * (layer.gain + affine[..., :8]) + layer.bias + affine[..., 8:]

  y = x.numpy()
  y = y + block.attention(norm(y, block.norms[0])).numpy()
  y = y + block.cross_attention(norm(y, block.norms[1]), frames).numpy()
  h = norm(y, block.norms[2]) @ block.expand.kernel.numpy() + block.expand.bias.numpy()
  h = h / (1 + np.exp(-1.702 * h))
  y = y + h @ block.contract.kernel.numpy() + block.contract.bias.numpy()
  np.testing.assert_allclose(block(x, conditions), y, rtol=1e-4, atol=1e-3)


# --- training ---


def test_dropout_is_a_function_of_the_seed():
  model = small_priors.built(dropout=0.5, conditioning_frames=1)
  codes, conditions = small_priors.codes_of(model), small_priors.conditions_of(model)
  run = lambda number: model(
      codes, conditions, None if number is None else randomness.seed_of(number)).numpy()
  without, first = run(None), run(1)
  np.testing.assert_array_equal(run(None), without)
  np.testing.assert_array_equal(run(1), first)
  assert np.any(first != run(2)) and np.any(first != without)


@pytest.mark.parametrize('conditions', [
    pytest.param({}, marks=pytest.mark.slow), {'classes': 3, 'conditioning_frames': 1}])
def test_rematerialized_blocks_train_the_same(conditions):
  model = small_priors.built('sparse', dropout=0.3, **conditions)
  codes = small_priors.codes_of(model)
  blocks = []

  def gradients(variables):
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(
          model(codes, small_priors.conditions_of(model), randomness.seed_of(3))**2)
    return loss, tape.gradient(loss, variables)

  loss, plain = gradients(model.trainable_variables)
  call = type(model.prior.blocks[0]).call
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(type(model.prior.blocks[0]), 'call',
                  lambda self, *args: blocks.append(self) or call(self, *args))
    patch.setattr(model.prior, 'rematerialize', True)
    again, rematerialized = gradients(model.trainable_variables)
  assert len(blocks) == 4  # two blocks, forward and backward
  np.testing.assert_allclose(loss, again, rtol=1e-6)
  for ours, theirs in zip(rematerialized, plain, strict=True):
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_every_dropout_has_a_mask_of_its_own():
  """Two layers, three dropouts each: a seed that two of them share would repeat a mask."""
  model = small_priors.built(dropout=0.5, conditioning_frames=1)
  masks, dropout = [], randomness.dropout

  def recorded(x, rate, seed):
    masks.append(dropout(tf.ones_like(x), rate, seed).numpy())
    return dropout(x, rate, seed)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(randomness, 'dropout', recorded)
    model(small_priors.codes_of(model), small_priors.conditions_of(model), randomness.seed_of(1))
  assert len(masks) == 6 and len({mask.tobytes() for mask in masks}) == 6
  for mask in masks:
    np.testing.assert_allclose(np.mean(mask > 0), 0.5, atol=0.1)


def test_the_vqvae_is_frozen():
  model = small_priors.built(resnet=True, **ALL_CONDITIONS)
  video = tf.constant(np.random.default_rng(0).uniform(-0.5, 0.5, (2,) + CLIP), tf.float32)
  frozen = model.vqvae.variables
  assert frozen and not {id(v) for v in frozen} & {id(v) for v in model.trainable_variables}
  with tf.GradientTape() as tape:
    logits = model(model.vqvae.codes(video), small_priors.conditions_of(model))
    loss = tf.reduce_mean(logits**2)
  trained, untrained = tape.gradient(loss, [model.trainable_variables, frozen])
  assert all(gradient is None for gradient in untrained)
  for v, gradient in zip(model.trainable_variables, trained):
    assert gradient is not None and np.any(gradient), v.name


# --- parameters ---


def _resnet_parameters(channels, width, units, blocks):
  count, inputs = 27 * channels * width + 2 * width, width  # the stem and its norm
  for group, repeats in enumerate(blocks):
    outputs = units if group == 3 else width * 2**group
    for i in range(repeats):
      count += 27 * inputs * outputs + 27 * outputs**2 + 4 * outputs
      count += inputs * outputs + 2 * outputs if i == 0 else 0  # a projection and its norm
      inputs = outputs
  return count


def _position_parameters(shape, width):
  widths = [len(range(i, width, len(shape))) for i in range(len(shape))]
  return sum(size * channels for size, channels in zip(shape, widths))


def _prior_parameters(shape, layers, width, feedforward, codes, dim, codebooks=1, condition=0,
                      frames_width=0):
  """Of the transformer; `frames_width` are channels of the encoded frames, 0 for none."""
  norm = 2 * width * (1 + condition)
  block = 2 * norm + 4 * width**2 + width + (2 * width + 1) * feedforward + width
  if frames_width:
    block += norm + 2 * width**2 + 2 * frames_width * width + width
  shape = shape + (codebooks,)
  ends = dim * width + width + width * codes
  return ends + _position_parameters(shape, width) + layers * block + norm


def _trained(model):
  return sum(v.shape.num_elements() for v in model.trainable_variables)


@PATTERNS_AND_CODEBOOKS
def test_parameters_without_conditions(pattern, codebooks):
  assert _trained(small_priors.built(pattern, codebooks)) == _prior_parameters(
      (2, 2, 4), layers=2, width=12, feedforward=20, codes=6, dim=4, codebooks=codebooks)


def test_parameters_with_all_conditions():
  model = small_priors.built(resnet=True, **ALL_CONDITIONS)
  assert _trained(model) == (
      _prior_parameters((2, 2, 4), layers=2, width=12, feedforward=20, codes=6, dim=4,
                        condition=11, frames_width=16) +
      _resnet_parameters(1, width=8, units=16, blocks=(2, 2, 2, 2)) +
      _position_parameters((2, 1, 2), 16))


def _parameters_for_bair(actions):
  transformer = _prior_parameters((8, 32, 32), layers=16, width=512, feedforward=2048, codes=1024,
                                  dim=256, condition=actions, frames_width=512)
  return transformer + (_resnet_parameters(3, width=64, units=512, blocks=(3, 4, 6, 3)) +
                        _position_parameters((1, 16, 16), 512))


BAIR = pytest.mark.parametrize('actions, parameters', [(0, 131_344_315), (64, 134_555_579)])


@BAIR
def test_parameters_for_bair_by_formula(actions, parameters):
  """And that the formula's numbers are what there is by default."""
  assert _parameters_for_bair(actions) == parameters
  prior, quantizer = videogpt.LatentTransformer(), vector_quantizer.VectorQuantizer()
  assert (prior.layers, prior.width, prior.feedforward) == (16, 512, 2048)
  assert (quantizer.codes, quantizer.dim, quantizer.codebooks) == (1024, 256, 1)


@pytest.mark.slow
@BAIR
def test_parameters_for_bair(actions, parameters):
  pattern = functools.partial(attention.CausalAttention, query_chunk=8192)  # the smallest graph
  with shapes.alone():
    stack = functools.partial(vqvae.ResidualStack, layers=0)
    first_stage = vqvae.VQVAE(vector_quantizer.VectorQuantizer(), (2, 2, 2), residual_stack=stack)
    model = videogpt.VideoGPT(first_stage, videogpt.LatentTransformer(attention=pattern),
                              resnet3d.ResNet3D(34), conditioning_frames=1, actions=actions)
    tf.autograph.experimental.do_not_convert(model.build)((None, 16, 64, 64, 3))
  assert _trained(model) == _parameters_for_bair(actions) == parameters


# --- errors ---


@pytest.mark.parametrize('conditions, missing', [
    ({'conditioning_frames': 1}, 'video'), ({'classes': 3}, 'label'), ({'actions': 8}, 'actions')])
def test_missing_conditions_are_errors(conditions, missing):
  model = small_priors.new(**conditions)
  with pytest.raises(ValueError, match=f'conditioned on {missing}, but the batch has none'):
    model.conditions()


@pytest.mark.parametrize('shape, found', [([2, 4, 3], '4 x 3'), ([2, 9], '9')])
def test_another_number_of_actions_is_an_error(shape, found):
  with pytest.raises(ValueError, match=f'actions = 8, but the clips have {found} numbers'):
    small_priors.new(actions=8).conditions(actions=tf.zeros(shape))


@pytest.mark.parametrize('kwargs', [
    {'conditioning_frames': 1}, {'frame_encoder': resnet3d.ResNet3D(18, 8, 4)}])
def test_encoder_and_number_of_frames_go_together(kwargs):
  with pytest.raises(ValueError, match='give both or neither'):
    videogpt.VideoGPT(vqvae.VQVAE(vector_quantizer.VectorQuantizer()),
                      videogpt.LatentTransformer(), **kwargs)
