"""VQ-VAE: shapes, parameters by formula, codes and reconstructions that agree, errors."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tests import shapes
from tf_videogen.layers import batch_norm
from tf_videogen.layers import layer_norm
from tf_videogen.layers import positions
from tf_videogen.layers import randomness
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import vqvae

SEED = randomness.seed_of(5)


pytestmark = pytest.mark.usefixtures('same_initial_values')


def _stack(layers=2, units=6, **kwargs):
  return functools.partial(vqvae.ResidualStack, layers, units, **kwargs)


def _model(downsampling=(2, 2, 2), codebooks=1, hidden=8, attention=True, layers=2, **kwargs):
  quantizer = vector_quantizer.VectorQuantizer(codes=16, dim=4, codebooks=codebooks)
  kwargs = {'residual_stack': _stack(layers, attention=attention), **kwargs}
  return vqvae.VQVAE(quantizer, downsampling, hidden, **kwargs)


def _video(shape, seed=0):
  return tf.constant(np.random.default_rng(seed).uniform(-0.5, 0.5, size=shape), tf.float32)


@functools.cache
def _trained_a_step(codebooks, channels, attention=True):
  """A model with codes that are outputs of its encoder; tests change nothing of it."""
  tf.keras.utils.set_random_seed(0)
  model, video = _model(codebooks=codebooks, attention=attention), _video((2, 4, 8, 8, channels))
  model.build((None,) + tuple(video.shape[1:]))
  model(video, training=True, seed=SEED)
  return model


def _size(variables):
  return sum(v.shape.num_elements() for v in variables)


# --- shapes ---


SHAPES = [  # downsampling, clip, latents
    ((4, 4, 4), (8, 16, 8, 3), (2, 4, 2)), ((2, 4, 4), (4, 8, 12, 1), (2, 2, 3)),
    ((1, 8, 8), (3, 16, 8, 1), (3, 2, 1)), ((4, 2, 1), (8, 4, 3, 3), (2, 2, 3))]


@pytest.mark.parametrize('downsampling, clip, latents, attention', [
    *[(*shapes, i == 0) for i, shapes in enumerate(SHAPES)],
    *[pytest.param(*shapes, i > 0, marks=pytest.mark.slow)
      for i, shapes in enumerate(SHAPES)]])
def test_shapes(downsampling, clip, latents, attention):
  model = _model(downsampling, attention=attention, layers=1)
  model.build((None,) + clip)
  assert model.latent_shape(clip) == latents
  reconstruction, quantized = model(_video((2,) + clip))
  assert reconstruction.shape == (2,) + clip and reconstruction.dtype == tf.float32
  assert quantized.vectors.shape == (2,) + latents + (4,)
  assert quantized.codes.shape == (2,) + latents + (1,) and quantized.codes.dtype == tf.int32
  assert quantized.commitment.shape == ()


@pytest.mark.parametrize('downsampling, latents', [
    ((4, 4, 4), (4, 16, 16)), ((1, 8, 8), (16, 8, 8)), ((2, 4, 4), (8, 16, 16)),
    ((16, 1, 1), (1, 64, 64)), ((4, 2, 2), (4, 32, 32)), ((1, 4, 4), (16, 16, 16)),
    ((8, 1, 1), (2, 64, 64)), ((2, 2, 2), (8, 32, 32)), ((4, 1, 1), (4, 64, 64)),
    ((1, 2, 2), (16, 32, 32))])
def test_latent_sizes_of_table_5(downsampling, latents):
  assert _model(downsampling).latent_shape((16, 64, 64, 3)) == latents


def test_a_clip_that_the_factors_do_not_divide_is_an_error():
  model = _model((4, 4, 4))
  with pytest.raises(ValueError, match='does not divide clips of 16 x 64 x 62') as error:
    model.build((None, 16, 64, 62, 3))
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('downsampling', [(3, 4, 4), (2, 0, 4), (-2, 4, 4), (1, 1, 1)])
def test_factors_are_powers_of_two(downsampling):
  with pytest.raises(ValueError, match='powers of two') as error:
    _model(downsampling)
  assert '\n' not in str(error.value)


# --- parameters ---


def _expected_parameters(clip, downsampling, hidden, units, layers, attention, latents,
                         strided_kernel=4, latent_kernel=1):
  """Trainable parameters of encoder and decoder, layer by layer; `latents` are channels."""
  def convolution(kernel, inputs, outputs, bias=True):
    return kernel**3 * inputs * outputs + bias * outputs

  norm = lambda channels: 2 * channels
  stages = int(np.log2(max(downsampling)))
  channels = clip[-1]
  down = (convolution(strided_kernel, channels, hidden) +
          (stages - 1) * convolution(strided_kernel, hidden, hidden) +
          convolution(3, hidden, hidden))
  up = ((stages - 1) * convolution(strided_kernel, hidden, hidden) +
        convolution(strided_kernel, hidden, channels))
  block = (norm(hidden) + convolution(3, hidden, units, bias=False) +
           norm(units) + convolution(1, units, hidden, bias=False))
  position = 0
  if attention:
    block += norm(hidden) + 3 * (4 * hidden**2 + hidden)  # queries, keys, values; output with bias
    widths = [len(range(i, hidden, 3)) for i in range(3)]
    position = sum(size // factor * width
                   for size, factor, width in zip(clip, downsampling, widths))
  middle = convolution(1, hidden, latents) + convolution(latent_kernel, latents, hidden)
  return down + middle + up + 2 * (layers * block + norm(hidden)) + position


def _state(codes, dim, codebooks=1):
  """Numbers that are not trained: codebook, sums, counts; a flag, a variance, three factors."""
  return codebooks * codes * (2 * dim + 1) + 1 + 1 + 3


KERNELS = {'strided_kernel': 2, 'latent_kernel': 3}


@pytest.mark.parametrize('downsampling, kwargs, attention', [
    ((4, 2, 2), {}, True), ((1, 8, 8), KERNELS, False),
    *[pytest.param(*others, marks=pytest.mark.slow)
      for others in (((4, 2, 2), {}, False), ((1, 8, 8), KERNELS, True))]])
def test_parameters(downsampling, kwargs, attention):
  clip = (4, 8, 8, 3)
  model = _model(downsampling, hidden=10, attention=attention, codebooks=2, **kwargs)
  model.build((None,) + clip)
  assert _size(model.trainable_variables) == _expected_parameters(
      clip, downsampling, hidden=10, units=6, layers=2, attention=attention, latents=8, **kwargs)
  assert _size(model.non_trainable_variables) == _state(16, 4, codebooks=2)


@pytest.mark.parametrize('layers', [1, pytest.param(4, marks=pytest.mark.slow)])
def test_parameters_for_bair(layers):
  """Of one of the four blocks a side, which have as many each; or of all four."""
  clip = (16, 64, 64, 3)
  with shapes.alone():
    assert vqvae.ResidualStack().layers == 4 and vqvae.ResidualStack().units == 128
    stack = functools.partial(vqvae.ResidualStack, layers)
    model = vqvae.VQVAE(vector_quantizer.VectorQuantizer(), (2, 2, 2), residual_stack=stack)
    tf.autograph.experimental.do_not_convert(model.build)((None,) + clip)
  expected = functools.partial(_expected_parameters, clip, (2, 2, 2), hidden=240, units=128,
                               attention=True, latents=256)
  assert expected(layers=4) == 14_204_307
  assert _size(model.trainable_variables) == expected(layers=layers)
  assert _size(model.non_trainable_variables) == _state(1024, 256)


def test_three_more_blocks_a_side_stand_in_for_attention():
  """Table 3 compares networks of as many parameters, with attention and without."""
  def count(layers, attention):
    return _expected_parameters((16, 64, 64, 3), (2, 2, 2), 240, 128, layers, attention, 256)

  differences = {layers: count(layers, False) - count(4, True) for layers in range(4, 10)}
  assert min(differences, key=lambda layers: abs(differences[layers])) == 7
  assert abs(differences[7]) < 0.03 * count(4, True)


def test_all_blocks_share_one_position_embedding():
  model = _trained_a_step(3, 3)
  blocks = model.encoder[-1].blocks + model.decoder[0].blocks
  assert len(blocks) == 4 and len({id(block.position) for block in blocks}) == 1
  tables = blocks[0].position.tables
  assert [table.shape for table in tables] == [(2, 3), (4, 3), (4, 2)]
  assert {id(table) for table in tables} <= {id(v) for v in model.trainable_variables}
  assert len(model.trainable_variables) == len({id(v) for v in model.trainable_variables})


# --- values ---


def _numpy_convolution(x, layer):
  """3-D convolution with zero padding: [B, T, H, W, C] -> [B, T, H, W, D]."""
  kernel = layer.kernel.numpy()
  size, (_, t, h, w, _) = kernel.shape[0], x.shape
  before = (size - 1) // 2
  padded = np.pad(x, [(0, 0)] + [(before, size - 1 - before)] * 3 + [(0, 0)])
  assert layer.bias is None
  return sum(
      padded[:, i:i + t, j:j + h, k:k + w] @ kernel[i, j, k]
      for i in range(size) for j in range(size) for k in range(size))


def _numpy_norm_relu(x, layer):
  x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
  return np.maximum(x * layer.gamma.numpy() + layer.beta.numpy(), 0)


@pytest.mark.parametrize('attention', [False, True])
def test_attention_residual_block(attention):
  rng = np.random.default_rng(1)
  position = positions.SpatioTemporalEmbedding((2, 3, 4), 8, stddev=1.0) if attention else None
  block = vqvae.AttentionResidualBlock(8, 6, layer_norm.LayerNorm, attention, position)
  x = rng.normal(size=(2, 2, 3, 4, 8)).astype(np.float32)
  block(x)
  for v in block.trainable_variables:
    v.assign(rng.normal(size=v.shape, scale=0.5))
  h = _numpy_convolution(_numpy_norm_relu(x, block.norm_1), block.convolution_1)
  h = _numpy_convolution(_numpy_norm_relu(h, block.norm_2), block.convolution_2)
  if attention:
    h = _numpy_norm_relu(h, block.norm_3)
    h = block.attention(tf.constant(h + position.grid().numpy(), tf.float32)).numpy()
  np.testing.assert_allclose(block(x), x + h, atol=1e-3)


@pytest.mark.parametrize('codebooks', [pytest.param(1, marks=pytest.mark.slow), 3])
def test_codes_and_their_videos_are_those_of_the_call(codebooks):
  video = _video((2, 4, 8, 8, 3))
  model = _trained_a_step(codebooks, 3)
  reconstruction, quantized = model(video)
  codes = model.codes(video)
  assert codes.shape == (2, 2, 4, 4, codebooks) and len(np.unique(codes)) > 3
  assert 0 <= np.min(codes) and np.max(codes) < 16
  np.testing.assert_array_equal(codes, quantized.codes)
  np.testing.assert_allclose(model.quantizer.lookup(codes), quantized.vectors, atol=1e-5)
  np.testing.assert_allclose(model.decode_codes(codes), reconstruction, atol=1e-4)


def test_several_codebooks_quantize_slices_of_the_channels():
  video = _video((1, 4, 8, 8, 3))
  model = _trained_a_step(3, 3)
  z, codebook = model.encode(video).numpy(), model.quantizer.codebook.numpy()
  for c in range(3):
    distances = ((z[..., None, 4 * c:4 * c + 4] - codebook[c])**2).sum(-1)
    np.testing.assert_array_equal(model.codes(video)[..., c], distances.argmin(-1))


@pytest.mark.parametrize('attention', [pytest.param(False, marks=pytest.mark.slow), True])
def test_gradients_reach_every_parameter(attention):
  video = _video((2, 4, 8, 8, 3))
  model = _trained_a_step(3, 3, attention)
  with tf.GradientTape() as tape:
    reconstruction, quantized = model(video, training=True, seed=SEED)
    loss = tf.reduce_mean((reconstruction - video)**2) + quantized.commitment
  for v, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
    assert gradient is not None and np.any(gradient), v.name


@pytest.mark.parametrize('mirrored, strides', [
    (True, [(2, 1, 1), (2, 2, 2)]), (False, [(2, 2, 2), (2, 1, 1)])])
def test_strides_of_the_decoder(mirrored, strides):
  model = _model((4, 2, 2), mirrored=mirrored, layers=1, attention=False)
  model.build((None, 4, 4, 4, 1))
  assert [layer.strides for layer in model.encoder[:2]] == [(2, 2, 2), (2, 1, 1)]
  assert [layer.strides for layer in model.decoder[1:]] == strides


def test_attention_without_positions():
  stack = _stack(1, position_embedding=False)
  model = _model(residual_stack=stack)
  model.build((None, 4, 8, 8, 1))
  assert model.encoder[-1].position is None and model.encoder[-1].blocks[0].attention is not None
  assert not any('axis_' in v.name for v in model.trainable_variables)


def test_batch_norm_as_in_the_authors_code():
  video = _video((2, 4, 8, 8, 1))
  model = _model(residual_stack=_stack(1, norm=batch_norm.SyncBatchNorm))
  model.build((None,) + tuple(video.shape[1:]))
  norms = [layer for layer in model.submodules if isinstance(layer, batch_norm.SyncBatchNorm)]
  assert len(norms) == 2 * 3 + 2 and all(norm.synchronized for norm in norms)
  before = model(video)[0].numpy()
  np.testing.assert_array_equal(model(video)[0], before)
  moving = [v.numpy() for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
  model(video, training=True, seed=SEED)
  after = [v.numpy() for norm in norms for v in (norm.moving_mean, norm.moving_variance)]
  assert all(np.any(a != b) for a, b in zip(moving, after))
  # Outside of training a clip's reconstruction is a function of the clip alone.
  np.testing.assert_allclose(model(video)[0][:1], model(video[:1])[0], atol=1e-4)
