"""Recurrent units against their equations in NumPy; causality, gradients, kinds of numbers."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import hyper_networks_test as references
from tests.layers import spectral_weights
from tf_videogen.layers import hyper_networks
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import rematerialization
from tf_videogen.layers import spectral_norm

UNITS = [recurrent_units.ConvGRU, recurrent_units.ConvLSTM, recurrent_units.KTrajGRU,
         recurrent_units.TSRUc, recurrent_units.TSRUp, recurrent_units.TSRUs,
         recurrent_units.PTSRUs, recurrent_units.DynamicConvLSTM]
WARPING = UNITS[2:7]

convolve, gate, normal, value = (
    references.convolve, references.gate, references.normal, references.value)


def _sigmoid(x):
  return 1 / (1 + np.exp(-x))


def _relu(x):
  return np.maximum(x, 0)


def _warped(h, weights):
  """Eq. 11: position (i, j) reads (i + m - 1, j + n - 1), which are (i + m, j + n) when padded."""
  padded, out = np.pad(h, [(0, 0), (1, 1), (1, 1), (0, 0)]), np.zeros(h.shape)
  for b, i, j, m, n in np.ndindex(*h.shape[:3], 3, 3):
    out[b, i, j] += weights[b, i, j, 3 * m + n] * padded[b, i + m, j + n]
  return out


def _conv_gru(unit, h, x, before):
  gates, content = unit.parts
  r, u = _sigmoid(gate(gates, 0, h, x)), _sigmoid(gate(gates, 1, h, x))
  c = _relu(gate(content, 0, r * h, x))
  return u * h + (1 - u) * c, None


def _lstm(state, i, f, o, g, rho):
  c = _sigmoid(f) * state[..., 2:] + _sigmoid(i) * rho(g)
  return np.concatenate([_sigmoid(o) * rho(c), c], -1)


def _conv_lstm(unit, state, x, before, rho=_relu):
  return _lstm(state, *[gate(unit.parts[0], n, state[..., :2], x) for n in range(4)], rho), None


def _k_traj_gru(unit, h, x, before):
  f, gates, content = unit.parts
  weights = references.factorized(f, h, x)
  warped = _warped(h, weights)
  r, u = _sigmoid(gate(gates, 0, warped, x)), _sigmoid(gate(gates, 1, warped, x))
  c = np.tanh(gate(content, 0, r * warped, x))
  return u * h + (1 - u) * c, weights


def _tsru_c(unit, h, x, before):
  f, content, update = unit.parts
  weights = references.factorized(f, h, x)
  warped = _warped(h, weights)
  c, u = _relu(gate(content, 0, warped, x)), _sigmoid(gate(update, 0, h, x))
  return u * warped + (1 - u) * c, weights


def _tsru_p(unit, h, x, before):
  f, gates = unit.parts
  weights = references.factorized(f, h, x)
  c, u = _relu(gate(gates, 0, h, x)), _sigmoid(gate(gates, 1, h, x))
  return u * _warped(h, weights) + (1 - u) * c, weights


def _tsru_s(unit, h, x, before, predict=references.factorized):
  f, content, update = unit.parts
  weights = predict(f, h, x)
  warped = _warped(h, weights)
  c = _relu(gate(content, 0, warped, x))
  u = _sigmoid(convolve(
      np.concatenate([warped, c], -1), value(update.kernel), update.bias.numpy()))
  return u * warped + (1 - u) * c, weights


def _ptsru_s(unit, h, x, before):
  return _tsru_s(unit, h, x, before, references.pixelwise)


def _dynamic_conv_lstm(unit, state, x, before):
  """c = q = 2. Differences one by one, dynamic convolutions sample by sample."""
  convolution, dense = value(unit.convolution), value(unit.dense)
  batch, c, q = len(x), 2, 2
  of_x, of_h = np.zeros([batch, 4, 3, 3, q * c, c]), np.zeros([batch, 4, 3, 3, c, c])
  for b, i, j in np.ndindex(batch, c, c):
    image = (x[b, ..., i] - before[b, ..., j])[np.newaxis, ..., np.newaxis]
    image = references.max_pool(
        _relu(convolve(image, convolution, unit.convolution_bias.numpy())))
    told = (image.reshape(-1) @ dense + unit.dense_bias.numpy()).reshape(q + 1, 4, 3, 3)
    for m in range(q):
      of_x[b, :, :, :, m * c + i, j] = told[m]
    of_h[b, :, :, :, i, j] = told[q]
  of_x, of_h = references.softmax(of_x, -2), references.softmax(of_h, -2)
  gates = np.zeros([4, *state.shape[:3], c])
  for n, b in np.ndindex(4, batch):
    gates[n, b] = (convolve(x[b:b + 1], of_x[b, n]) + convolve(state[b:b + 1, ..., :c], of_h[b, n])
                   + unit.bias.numpy()[n * c:(n + 1) * c])[0]
  return _lstm(state, *gates, _relu), None


REFERENCES = dict(zip(UNITS, [_conv_gru, _conv_lstm, _k_traj_gru, _tsru_c, _tsru_p, _tsru_s,
                              _ptsru_s, _dynamic_conv_lstm]))


def _unit(*args, **kwargs):
  """The same numbers every time, in a unit that is made once."""
  return references.randomize(
      _built(tf.keras.mixed_precision.global_policy().name, *args, **kwargs))


@functools.cache
def _built(policy, kind, *args, channels=4, x_channels=4, **kwargs):
  assert policy == tf.keras.mixed_precision.global_policy().name
  unit = kind(channels, *args, **kwargs)
  unit.build([None, None, None, None, x_channels])
  return unit


def _expected(reference, unit, x, state):
  h, outputs, weights = np.zeros([*x[:, 0].shape[:3], unit.channels]), [], []
  if state is not None:
    h = state
  before = h
  for t in range(x.shape[1]):
    h, of_warp = reference(unit, h, x[:, t], before)
    before = x[:, t]
    outputs.append(h)
    weights.append(of_warp)
  return np.stack(outputs, 1), None if of_warp is None else np.stack(weights, 1)


@spectral_weights.computed_once()
@pytest.mark.parametrize('initial', [False, True])
@pytest.mark.parametrize('kind', UNITS)
def test_equals_its_equations(kind, initial):
  unit = _unit(kind)
  x, state = normal(2, 3, 4, 8, 4), normal(2, 4, 8, 4, seed=1) if initial else None
  outputs, weights = unit(x, state)
  expected, expected_weights = _expected(REFERENCES[kind], unit, x, state)
  np.testing.assert_allclose(outputs, expected, atol=1e-4)
  if kind in WARPING:
    np.testing.assert_allclose(weights, expected_weights, atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(weights, -1), np.ones([2, 3, 4, 8]), atol=1e-5)
  else:
    assert weights is None


def test_other_kernels_channels_and_activations():
  unit = _unit(recurrent_units.ConvGRU, 5, x_channels=3)
  x = normal(2, 2, 5, 7, 3)
  np.testing.assert_allclose(unit(x)[0], _expected(_conv_gru, unit, x, None)[0], atol=1e-4)
  unit = _unit(recurrent_units.ConvLSTM, activation=tf.tanh, x_channels=3)
  tanh_lstm = lambda *args: _conv_lstm(*args, rho=np.tanh)
  np.testing.assert_allclose(unit(x)[0], _expected(tanh_lstm, unit, x, None)[0], atol=1e-4)
  assert unit.parts[0].kernels[0].w.shape == [3, 3, 2 + 3, 2]


def test_tsru_s_with_pixelwise_kernels_is_ptsru_s():
  unit = _unit(recurrent_units.TSRUs, kernels=hyper_networks.PixelwiseKernels)
  other = _unit(recurrent_units.PTSRUs)
  x = normal(1, 2, 5, 6, 4)
  np.testing.assert_array_equal(unit(x)[0], other(x)[0])


@spectral_weights.computed_once()
@pytest.mark.parametrize('kind', UNITS)
def test_later_inputs_change_nothing_before(kind):
  unit = _unit(kind)
  x, state = normal(2, 4, 4, 4, 4), tf.constant(normal(2, 4, 4, 4, seed=1))
  changed = x.copy()
  changed[:, 2] += 1
  first, second = unit(x, state)[0].numpy(), unit(changed, state)[0].numpy()
  np.testing.assert_array_equal(first[:, :2], second[:, :2])
  assert all(np.abs(first[:, t] - second[:, t]).max() > 1e-3 for t in (2, 3))


@pytest.mark.parametrize('kind', UNITS)
def test_gradients_reach_all_variables_and_inputs(kind):
  unit = _unit(kind)
  x, state = tf.constant(normal(2, 3, 4, 4, 4)), tf.constant(normal(2, 4, 4, 4, seed=1))
  with tf.GradientTape() as tape:
    tape.watch([x, state])
    loss = tf.reduce_sum(unit(x, state, training=True)[0] ** 2)
  gradients = tape.gradient(loss, [x, state, *unit.trainable_variables])
  assert all(np.abs(g).max() > 0 for g in gradients)
  assert all(np.abs(gradients[0][:, t]).max() > 0 for t in range(3))


_GATE = 9 * (4 + 3) * 4 + 4
_FACTORIZED = 9 * 7 * 3 + 3 + 48 * 3 + 3 + 3 * 81 + 81 + 9 * 7 * 9 + 9
_PIXELWISE = 9 * 7 * 3 + 3 + 9 * 3 * 3 + 3 + 9 * 3 * 9 + 9


@pytest.mark.parametrize('kind, x_channels, expected', [
    (recurrent_units.ConvGRU, 3, 3 * _GATE),
    (recurrent_units.ConvLSTM, 3, 4 * (9 * (2 + 3) * 2 + 2)),
    (recurrent_units.KTrajGRU, 3, 3 * _GATE + _FACTORIZED),
    (recurrent_units.TSRUc, 3, 2 * _GATE + _FACTORIZED),
    (recurrent_units.TSRUp, 3, 2 * _GATE + _FACTORIZED),
    (recurrent_units.TSRUs, 3, _GATE + 9 * 8 * 4 + 4 + _FACTORIZED),
    (recurrent_units.PTSRUs, 3, _GATE + 9 * 8 * 4 + 4 + _PIXELWISE),
    # K = 4 (q + 1) k^2 = 4 x 4 x 9
    (recurrent_units.DynamicConvLSTM, 6, 9 * 4 + 4 + 16 * 4 * 144 + 144 + 8)])
def test_parameters(kind, x_channels, expected):
  unit = _unit(kind, x_channels=x_channels)
  assert sum(v.shape.num_elements() for v in unit.trainable_variables) == expected
  kernels = references.submodules(unit, spectral_norm.SpectralKernel)
  assert {v.ref() for v in unit.trainable_variables if len(v.shape) > 1} == {
      kernel.w.ref() for kernel in kernels}


@pytest.mark.parametrize('kind', UNITS)
def test_training_moves_power_iterations_once(kind):
  unit = _unit(kind)
  kernels = references.submodules(unit, spectral_norm.SpectralKernel)
  alone = [spectral_norm.SpectralKernel(kernel.w.shape) for kernel in kernels]
  for kernel, other in zip(kernels, alone):
    other.set_weights(kernel.get_weights())
  x = normal(1, 3, 4, 4, 4)
  unit(x)
  for kernel, other in zip(kernels, alone):
    np.testing.assert_array_equal(kernel.u, other.u)
  unit(x, training=True)
  for kernel, other in zip(kernels, alone):
    other.value(True)
    np.testing.assert_allclose(kernel.u, other.u, rtol=1e-5)


@pytest.mark.parametrize('kind', UNITS)
def test_bfloat16(kind):
  x, state = normal(2, 2, 4, 4, 4), normal(2, 4, 4, 4, seed=1)
  expected = _unit(kind)(x, state)[0].numpy()
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  unit = _unit(kind)
  with tf.GradientTape() as tape:
    outputs, weights = unit(tf.constant(x), tf.constant(state))
    loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 2)
  gradients = tape.gradient(loss, unit.trainable_variables)
  assert outputs.dtype == tf.bfloat16 and (weights is None or weights.dtype == tf.float32)
  assert {v.dtype for v in unit.variables} == {g.dtype for g in gradients} == {tf.float32}
  np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.1, rtol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize('kind', [recurrent_units.TSRUp, recurrent_units.DynamicConvLSTM])
def test_xla_agrees(kind):
  unit = _unit(kind)
  x, state = tf.constant(normal(1, 2, 4, 4, 4)), tf.constant(normal(1, 4, 4, 4, seed=1))

  def run(x, state):
    with tf.GradientTape() as tape:
      outputs = unit(x, state)[0]
      loss = tf.reduce_sum(outputs ** 2)
    return [outputs, *tape.gradient(loss, unit.trainable_variables)]

  found = tf.function(run, jit_compile=True, autograph=False)(x, state)
  for a, b in zip(found, run(x, state), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-3)


def _gradients_and_program(unit, x, state):
  """Gradients, and what XLA is given."""
  def run(x, state):
    with tf.GradientTape() as tape:
      tape.watch(x)
      loss = tf.reduce_sum(unit(x, state)[0] ** 2)
    return tape.gradient(loss, [x, *unit.trainable_variables])

  compiled = tf.function(run, jit_compile=True, autograph=False)
  return run(x, state), compiled.experimental_get_compiler_ir(x, state)(stage='hlo')


def test_the_images_of_a_dynamic_conv_lstm_are_not_kept(monkeypatch):
  unit = _unit(recurrent_units.DynamicConvLSTM, channels=16, x_channels=16)
  x, state = tf.constant(normal(1, 2, 8, 8, 16)), tf.constant(normal(1, 8, 8, 16, seed=1))
  found, program = _gradients_and_program(unit, x, state)
  monkeypatch.setattr(rematerialization, 'rematerialize', lambda function: function)
  expected, keeping = _gradients_and_program(unit, x, state)
  for a, b in zip(found, expected, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-4)
  images = 'f32[2,1,8,8,4,8,8]'  # of both time steps: c^2 images of H x W and four features
  assert images in keeping and images not in program


def test_errors():
  with pytest.raises(ValueError, match='channels is 5, .* choose an even number'):
    recurrent_units.ConvLSTM(5)
  with pytest.raises(ValueError, match='channels is 5, .* choose an even number'):
    recurrent_units.DynamicConvLSTM(5)
  with pytest.raises(ValueError, match='x has 7 channels, .* needs a multiple of 2'):
    recurrent_units.DynamicConvLSTM(4)(tf.zeros([1, 1, 4, 4, 7]))
  with pytest.raises(ValueError, match='kernel is 4, .* choose an odd number'):
    recurrent_units.ConvGRU(4, kernel=4)
  with pytest.raises(ValueError, match=r'x has the shape \[1, 4, 4, 3\], expected \[B, T, H, W'):
    recurrent_units.ConvGRU(4)(tf.zeros([1, 4, 4, 3]))
  with pytest.raises(ValueError, match=r'state has the shape \[1, 4, 4, 2\], .* \[B, 4, 4, 4\]'):
    recurrent_units.ConvGRU(4)(tf.zeros([1, 2, 4, 4, 3]), tf.zeros([1, 4, 4, 2]))
  for kind in (recurrent_units.TSRUp, recurrent_units.DynamicConvLSTM):
    with pytest.raises(ValueError, match='x has 6x8 positions'):
      kind(4)(tf.zeros([1, 1, 6, 8, 4]))
