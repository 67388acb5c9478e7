"""VideoGPT's prior: causality to the bit, steps equal the full pass, sampling, parameters."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import attention
from tf_videogen.layers import randomness
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP, SMALL = (4, 4, 8, 1), (4, 4, 4, 1)  # latents 2 x 2 x 4, 2 x 2 x 2
PATTERNS = {
    'full': attention.CausalAttention,
    'sparse': functools.partial(attention.SparseCausalAttention, block=4, local_blocks=1),
}
CONDITIONS = {'frames': {'conditioning_frames': 2}, 'vector': {'classes': 3, 'actions': 8}}
PATTERNS_AND_CODEBOOKS = pytest.mark.parametrize('pattern, codebooks', [
    ('full', 1), ('sparse', 2),
    *[pytest.param(*both, marks=pytest.mark.slow) for both in (('full', 2), ('sparse', 1))]])


pytestmark = pytest.mark.usefixtures('same_initial_values')


def _new(pattern='full', codebooks=1, layers=2, dropout=0.0, resnet=False, **conditions):
  """Not built yet; frames are encoded by one convolution, or by a ResNet."""
  quantizer = vector_quantizer.VectorQuantizer(codes=6, dim=4, codebooks=codebooks)
  first_stage = vqvae.VQVAE(quantizer, (2, 2, 2), hidden=4, residual_units=4, residual_layers=1,
                            attention=False)
  prior = videogpt.LatentTransformer(layers, width=12, heads=2, feedforward=20, dropout=dropout,
                                     attention=PATTERNS[pattern])
  encoder = None
  if 'conditioning_frames' in conditions:
    encoder = (resnet3d.ResNet3D(18, units=16, width=8) if resnet else
               tf.keras.layers.Conv2D(16, 4, 4))
  return videogpt.VideoGPT(first_stage, prior, encoder, **conditions)


def _model(pattern='full', codebooks=1, layers=2, dropout=0.0, resnet=False, clip=CLIP,
           **conditions):
  """A prior of random weights, of which none is zero, and of random codes; tests change nothing."""
  return _built(clip, pattern, codebooks, layers, dropout, resnet, **conditions)


@functools.cache
def _built(clip, *how, **conditions):
  tf.keras.utils.set_random_seed(0)
  model = _new(*how, **conditions)
  model.build((None,) + clip)
  prior, rng = model.prior, np.random.default_rng(1)
  for v in prior.trainable_variables:
    v.assign(v + 0.3 * rng.normal(size=v.shape))
  for table in prior.position.tables:
    table.assign(rng.normal(size=table.shape))  # so that the most likely codes differ
  return model


def _codes(model, clips=2, seed=0):
  shape = (clips,) + model.latent_shape + (model.prior.codebooks,)
  return np.random.default_rng(seed).integers(model.prior.codes, size=shape).astype(np.int32)


def _conditions(model, clips=2, seed=0):
  rng = np.random.default_rng(seed)
  return model.conditions(
      video=tf.constant(rng.uniform(-0.5, 0.5, size=(clips,) + CLIP), tf.float32),
      label=rng.integers(3, size=clips),
      actions=rng.normal(size=(clips, 4, 2)).astype(np.float32))


# --- causality and steps ---


@PATTERNS_AND_CODEBOOKS
def test_later_codes_do_not_change_a_bit(pattern, codebooks):
  model = _model(pattern, codebooks)
  codes, conditions = _codes(model), _conditions(model)
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
  model = _model(pattern, codebooks, layers, **CONDITIONS[condition])
  codes, conditions = _codes(model), _conditions(model)
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
  model = _model(**CONDITIONS[condition])
  codes = _codes(model)
  one, other = (model(codes, _conditions(model, seed=seed)).numpy() for seed in (0, 1))
  assert (np.abs(one - other).max(-1) > 1e-4).all()


def test_frames_after_the_given_ones_do_not_matter():
  model = _model(conditioning_frames=2)
  video = np.random.default_rng(0).uniform(-0.5, 0.5, size=(2,) + CLIP).astype(np.float32)
  frames = model.conditions(video).frames
  assert frames.shape == (2, 2 * 1 * 2, 16)  # two frames of 4 x 8, a quarter a side
  video[:, 2:] = 0
  np.testing.assert_array_equal(model.conditions(video).frames, frames)


def test_condition_vector_is_class_and_flattened_actions():
  model = _new(classes=3, actions=8)
  actions = np.arange(16, dtype=np.float32).reshape([2, 4, 2])
  expected = np.concatenate([np.eye(3)[[2, 0]], actions.reshape([2, 8])], axis=1)
  for given in (actions, actions.reshape([2, 8])):
    conditions = model.conditions(label=np.array([2, 0]), actions=given)
    np.testing.assert_array_equal(conditions.vector, expected)
    assert conditions.frames is None


def test_the_last_frames_action_may_be_left_out():
  actions = np.arange(16, dtype=np.float32).reshape([2, 4, 2])
  conditions = _new(actions=6).conditions(actions=actions)
  np.testing.assert_array_equal(conditions.vector, actions[:, :3].reshape([2, 6]))


def test_transformer_block():
  """Pre-norm, residual, x sigmoid(1.702 x); attention itself is tested by its own tests."""
  rng = np.random.default_rng(2)
  block = videogpt.TransformerBlock(
      attention.CausalAttention((6,)), width=8, heads=2, feedforward=10, dropout=0.5, depth=1,
      cross_attention=True, condition_size=5)
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


# --- sampling ---


def _sampler(model, conditions=videogpt.Conditions(), clips=2, compiled=False, **kwargs):
  """Codes as a function of an integer seed; eager unless it is compiled."""
  sample = lambda seed: model.sample_codes(clips, conditions, seed, **kwargs)
  if compiled:
    sample = tf.function(sample, jit_compile=True, autograph=False)
  return lambda seed: sample(randomness.seed_of(seed)).numpy()


@pytest.mark.parametrize('pattern, codebooks, compiled', [
    ('full', 1, False), pytest.param('sparse', 1, False, marks=pytest.mark.slow),
    *[pytest.param(*both, True, marks=pytest.mark.slow) for both in (('full', 2), ('sparse', 1))]])
def test_samples(pattern, codebooks, compiled):
  model = _model(pattern, codebooks, layers=1, clip=SMALL)
  sample = _sampler(model, compiled=compiled)
  codes = sample(1)
  assert codes.shape == (2, 2, 2, 2, codebooks) and codes.dtype == np.int32
  assert codes.min() >= 0 and codes.max() < 6
  np.testing.assert_array_equal(sample(1), codes)
  assert np.any(sample(2) != codes) and np.any(codes[0] != codes[1])
  np.testing.assert_array_equal(_sampler(model, compiled=compiled, segments=1)(1), codes)


ALL_CONDITIONS = {'conditioning_frames': 2, 'classes': 3, 'actions': 8}


@pytest.mark.parametrize('pattern, codebooks, compiled, layers, wanted', [
    ('full', 1, False, 2, ALL_CONDITIONS), ('sparse', 2, True, 1, CONDITIONS['vector']),
    *[pytest.param(*both, True, 2, ALL_CONDITIONS, marks=pytest.mark.slow)
      for both in (('sparse', 2), ('full', 1))]])
def test_top_1_is_the_most_likely_code_of_the_full_pass(
    pattern, codebooks, compiled, layers, wanted):
  model = _model(pattern, codebooks, layers=layers, **wanted)
  conditions = _conditions(model)
  codes = _sampler(model, conditions, compiled=compiled, top_k=1, segments=2)(1)
  greedy = np.argmax(model(codes, conditions), axis=-1)
  np.testing.assert_array_equal(codes.reshape([2, -1]), greedy)
  assert len(np.unique(codes)) > 1


def test_samples_of_a_low_temperature_are_the_most_likely_codes():
  model = _model(layers=1, clip=SMALL)
  codes = _sampler(model, temperature=1e-6, segments=1)(1)
  greedy = np.argmax(model(codes, videogpt.Conditions()), axis=-1)
  np.testing.assert_array_equal(codes.reshape([2, -1]), greedy)


def test_frequencies_of_samples_are_the_probabilities():
  model = _model(layers=1, clip=SMALL)
  codes = _sampler(model, clips=4000, segments=1)(1).reshape([4000, -1])
  logits = model(_codes(model, clips=1), videogpt.Conditions())[0, 0]  # of the first code
  probabilities = tf.nn.softmax(logits).numpy()
  frequencies = np.bincount(codes[:, 0], minlength=6) / 4000
  deviation = np.sqrt(probabilities * (1 - probabilities) / 4000)
  assert (np.abs(frequencies - probabilities) < 4 * deviation).all()
  assert probabilities.max() > 1.5 * probabilities.min()


def _numpy_truncated(logits, top_k, top_p):
  """Row by row, code by code: the logits that stay."""
  out = np.full_like(logits, -1e30)
  for row, kept in zip(logits, out):
    order = np.argsort(-row, kind='stable')
    allowed = [i for i in order if top_k is None or row[i] >= row[order[top_k - 1]]]
    weights = np.exp(row[allowed] - row.max())
    weights /= weights.sum()
    total = 0.0
    for i, weight in zip(allowed, weights):
      if i == order[0] or top_p is None or total < top_p:
        kept[i] = row[i]
      total += weight
  return out


@pytest.mark.parametrize('top_p', [None, 0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize('top_k', [None, 1, 3, 10, 20])
def test_truncated_logits(top_k, top_p):
  logits = np.random.default_rng(3).normal(size=(50, 10), scale=2).astype(np.float32)
  expected = _numpy_truncated(logits, None if top_k is None else min(top_k, 10), top_p)
  np.testing.assert_array_equal(videogpt.truncate_logits(tf.constant(logits), top_k, top_p),
                                expected)


def test_equal_logits_stay_together():
  logits = tf.constant([[1.0, 3.0, 2.0, 2.0, 0.0]])
  kept = np.float32([[-1e30, 3.0, 2.0, 2.0, -1e30]])
  np.testing.assert_array_equal(videogpt.truncate_logits(logits, top_k=2), kept)
  np.testing.assert_array_equal(videogpt.truncate_logits(logits, top_p=0.6), kept)  # 0.52, 0.19
  np.testing.assert_array_equal(videogpt.truncate_logits(tf.zeros([1, 5]), 1, 0.0), [[0.0] * 5])


# --- training ---


def test_dropout_is_a_function_of_the_seed():
  model = _model(dropout=0.5, conditioning_frames=1)
  codes, conditions = _codes(model), _conditions(model)
  run = lambda number: model(
      codes, conditions, None if number is None else randomness.seed_of(number)).numpy()
  without, first = run(None), run(1)
  np.testing.assert_array_equal(run(None), without)
  np.testing.assert_array_equal(run(1), first)
  assert np.any(first != run(2)) and np.any(first != without)


@pytest.mark.parametrize('conditions', [
    pytest.param({}, marks=pytest.mark.slow), {'classes': 3, 'conditioning_frames': 1}])
def test_rematerialized_blocks_train_the_same(conditions):
  model = _model('sparse', dropout=0.3, **conditions)
  codes = _codes(model)
  blocks = []

  def gradients(variables):
    with tf.GradientTape() as tape:
      loss = tf.reduce_mean(model(codes, _conditions(model), randomness.seed_of(3))**2)
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
  model = _model(dropout=0.5, conditioning_frames=1)
  masks, dropout = [], randomness.dropout

  def recorded(x, rate, seed):
    masks.append(dropout(tf.ones_like(x), rate, seed).numpy())
    return dropout(x, rate, seed)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(randomness, 'dropout', recorded)
    model(_codes(model), _conditions(model), randomness.seed_of(1))
  assert len(masks) == 6 and len({mask.tobytes() for mask in masks}) == 6
  for mask in masks:
    np.testing.assert_allclose(np.mean(mask > 0), 0.5, atol=0.1)


def test_the_vqvae_is_frozen():
  model = _model(resnet=True, **ALL_CONDITIONS)
  video = tf.constant(np.random.default_rng(0).uniform(-0.5, 0.5, (2,) + CLIP), tf.float32)
  frozen = model.vqvae.variables
  assert frozen and not {id(v) for v in frozen} & {id(v) for v in model.trainable_variables}
  with tf.GradientTape() as tape:
    logits = model(model.vqvae.codes(video), _conditions(model))
    loss = tf.reduce_mean(logits**2)
  trained, untrained = tape.gradient(loss, [model.trainable_variables, frozen])
  assert all(gradient is None for gradient in untrained)
  for v, gradient in zip(model.trainable_variables, trained):
    assert gradient is not None and np.any(gradient), v.name


# --- parameters ---


def _resnet_parameters(channels, width, units, blocks):
  count, inputs = 27 * channels * width, width
  for group, repeats in enumerate(blocks):
    outputs = units if group == 3 else width * 2**group
    for i in range(repeats):
      changes = i == 0 and (inputs != outputs or group in (1, 2))
      count += 27 * inputs * outputs + 27 * outputs**2 + 4 * outputs + changes * inputs * outputs
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
  shape = shape + ((codebooks,) if codebooks > 1 else ())
  ends = codebooks * dim * width + width + codebooks * width * codes
  return ends + _position_parameters(shape, width) + layers * block + norm


def _trained(model):
  return sum(v.shape.num_elements() for v in model.trainable_variables)


@PATTERNS_AND_CODEBOOKS
def test_parameters_without_conditions(pattern, codebooks):
  assert _trained(_model(pattern, codebooks)) == _prior_parameters(
      (2, 2, 4), layers=2, width=12, feedforward=20, codes=6, dim=4, codebooks=codebooks)


def test_parameters_with_all_conditions():
  model = _model(resnet=True, **ALL_CONDITIONS)
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


BAIR = pytest.mark.parametrize('actions, parameters', [(0, 131_341_107), (64, 134_552_371)])


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
  with tf.Graph().as_default():  # variables of their shapes, no values
    first_stage = vqvae.VQVAE(vector_quantizer.VectorQuantizer(), (2, 2, 2), residual_layers=0)
    model = videogpt.VideoGPT(first_stage, videogpt.LatentTransformer(attention=pattern),
                              resnet3d.ResNet3D(34), conditioning_frames=1, actions=actions)
    tf.autograph.experimental.do_not_convert(model.build)((None, 16, 64, 64, 3))
  assert _trained(model) == _parameters_for_bair(actions) == parameters


# --- errors ---


@pytest.mark.parametrize('conditions, missing', [
    ({'conditioning_frames': 1}, 'video'), ({'classes': 3}, 'label'), ({'actions': 8}, 'actions')])
def test_missing_conditions_are_errors(conditions, missing):
  model = _new(**conditions)
  with pytest.raises(ValueError, match=f'conditioned on {missing}, and the batch has none'):
    model.conditions()


@pytest.mark.parametrize('shape, found', [([2, 4, 3], '4 x 3'), ([2, 9], '9')])
def test_another_number_of_actions_is_an_error(shape, found):
  with pytest.raises(ValueError, match=f'actions = 8, and the clips have {found} numbers'):
    _new(actions=8).conditions(actions=tf.zeros(shape))


@pytest.mark.parametrize('kwargs', [
    {'conditioning_frames': 1}, {'frame_encoder': resnet3d.ResNet3D(18, 8, 4)}])
def test_encoder_and_number_of_frames_go_together(kwargs):
  with pytest.raises(ValueError, match='give both or neither'):
    videogpt.VideoGPT(vqvae.VQVAE(vector_quantizer.VectorQuantizer()),
                      videogpt.LatentTransformer(), **kwargs)
