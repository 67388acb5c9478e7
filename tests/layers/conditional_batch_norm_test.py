"""Batch normalization against NumPy: a time step at a time, recorded, in windows, over replicas."""

import numpy as np
import pytest
import tensorflow as tf

from tests.layers import spectral_weights
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import replicas
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm

B, T, H, W, C, D = 4, 3, 2, 5, 6, 7
ALL = conditional_batch_norm.Steps(recorded=tf.ones([T], tf.bool))


def _draw(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _videos(seed=0, frames=T):
  """Every step and channel with a mean and a deviation of its own."""
  return _draw(frames, 1, 1, C, seed=9) + _draw(B, frames, H, W, C, seed=seed) * (
      1 + np.arange(frames).reshape(frames, 1, 1, 1))


def _norm(conditional=True, steps=T):
  """Random weights, and standing statistics of so many time steps."""
  norm = conditional_batch_norm.ConditionalBatchNorm(conditional)
  norm(tf.zeros([B, T, H, W, C]), tf.zeros([B, D]) if conditional else None)
  norm.keep(steps)
  spectral_weights.randomize(norm)
  return norm


def _moments(x):
  """Means and variances by loops over time steps and channels: [T, C] twice."""
  x = x.astype(np.float64)
  mean, variance = np.zeros([2, x.shape[1], C])
  for t in range(x.shape[1]):
    for c in range(C):
      mean[t, c], variance[t, c] = x[:, t, :, :, c].mean(), x[:, t, :, :, c].var()
  return mean, variance


def _reference(norm, x, condition, mean, variance):
  normalized = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
  if condition is None:
    return normalized * norm.gain.numpy() + norm.offset.numpy()
  gain, offset = (spectral_weights.dense(layer, condition) for layer in (norm.gain, norm.offset))
  return normalized * (1 + gain[:, None, None, None]) + offset[:, None, None, None]


@pytest.mark.parametrize('conditional', [True, False])
def test_batches_of_training(conditional):
  norm, x = _norm(conditional), _videos()
  condition = _draw(B, D, seed=1) if conditional else None
  found = norm(x, condition, training=True)
  np.testing.assert_allclose(found, _reference(norm, x, condition, *_moments(x)), atol=2e-5)
  for variable in norm.standing.variables:  # not recorded
    assert np.all(variable == float(variable is norm.standing.variance))


@pytest.mark.parametrize('conditional', [True, False])
def test_standing_statistics_are_averages_over_passes(conditional):
  norm = _norm(conditional)
  x, condition = _videos(), _draw(B, D, seed=1) if conditional else None
  def expect(mean, variance):
    expected = _reference(norm, x, condition, mean, variance)
    np.testing.assert_allclose(norm(x, condition), expected, atol=2e-5)

  expect(np.zeros([T, C]), np.ones([T, C]))  # nothing is recorded
  for seeds in ((2, 3, 4), (5, 6)):
    for seed in seeds:
      video = _videos(seed)
      found = norm(video, condition, steps=ALL)
      expected = _reference(norm, video, condition, *_moments(video))
      np.testing.assert_allclose(found, expected, atol=5e-5)
    norm(_videos(7), condition, training=True)
    means, variances = zip(*[_moments(_videos(seed)) for seed in seeds])
    np.testing.assert_allclose(norm.standing.mean, np.mean(means, 0), atol=1e-5)
    np.testing.assert_allclose(norm.standing.variance, np.mean(variances, 0), rtol=1e-4)
    np.testing.assert_array_equal(norm.standing.passes, [len(seeds)] * T)
    expect(np.mean(means, 0), np.mean(variances, 0))
    norm.standing.reset()
  expect(np.zeros([T, C]), np.ones([T, C]))


def test_statistics_that_are_not_kept_are_0_and_1():
  norm, x = conditional_batch_norm.ConditionalBatchNorm(False), _videos(frames=5)
  np.testing.assert_allclose(norm(x), x / np.sqrt(1 + 1e-5), rtol=1e-5)
  assert norm.standing is None
  norm.keep(7)
  np.testing.assert_allclose(norm(x), x / np.sqrt(1 + 1e-5), rtol=1e-5)
  np.testing.assert_array_equal(norm.standing.passes, [0] * 7)


# Of a video of seven time steps: where windows begin, which of their frames are recorded.
WINDOWS = {
    'side by side': [(0, [1, 1, 1]), (3, [1, 1, 1, 1])],
    'overlapping, each step in one': [(0, [1, 1, 1, 0, 0]), (2, [0, 1, 1, 1, 1])],
    'the last first': [(3, [0, 1, 1, 1]), (0, [1, 1, 1, 1, 0, 0])],
}


@pytest.mark.parametrize('windows, traced', [
    pytest.param(windows, traced, id=f'{name}-{traced}', marks=marks)
    for traced in (False, True) for name, windows in WINDOWS.items()
    for marks in [pytest.mark.slow if traced and not name.startswith('overlapping') else ()]])
def test_windows_are_recorded_as_the_whole(windows, traced):
  """Frames that are not recorded are normalized by their batch, too; starts are ints or tensors."""
  norm, whole, condition = _norm(steps=7), _norm(steps=7), _draw(B, D, seed=1)
  number = tf.constant if traced else int
  def record(x, first, recorded):
    return norm(x, condition, steps=conditional_batch_norm.Steps(first, tf.cast(recorded, tf.bool)))
  record = tf.function(record, autograph=False) if traced else record
  for seed in range(2):
    video = _videos(seed, frames=7)
    expected = whole(video, condition, steps=conditional_batch_norm.Steps(
        recorded=tf.ones([7], tf.bool))).numpy()
    for first, recorded in windows:
      span = slice(first, first + len(recorded))
      found = record(tf.constant(video[:, span]), number(first), tf.constant(recorded))
      assert found.shape == (B, len(recorded), H, W, C)
      np.testing.assert_allclose(found, expected[:, span], atol=1e-5)
  for found, expected in zip(norm.standing.variables, whole.standing.variables, strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-5)
  np.testing.assert_array_equal(norm.standing.passes, [2] * 7)
  # What is evaluated are windows of the whole, too.
  video = _videos(5, frames=7)
  evaluate = lambda x, first: norm(x, condition, steps=conditional_batch_norm.Steps(first))
  evaluate = tf.function(evaluate, autograph=False) if traced else evaluate
  expected = norm(video, condition).numpy()
  for first, frames in ((0, 7), (0, 2), (4, 3), (6, 1)):
    span = slice(first, first + frames)
    found = evaluate(tf.constant(video[:, span]), number(first))
    assert found.shape == (B, frames, H, W, C)
    np.testing.assert_allclose(found, expected[:, span], atol=1e-5)


def test_every_time_step_counts_its_own_passes():
  """The first is never recorded, the second once, the third twice."""
  norm, videos = _norm(False), [_videos(seed) for seed in range(3)]
  for video, recorded in zip(videos, ([0, 0, 1], [0, 0, 0], [0, 1, 1])):
    norm(video, steps=conditional_batch_norm.Steps(recorded=tf.cast(recorded, tf.bool)))
  (first, last) = (_moments(videos[i]) for i in (0, 2))
  for variable, initial, of_first, of_last in zip(
      (norm.standing.mean, norm.standing.variance), (0, 1), first, last):
    expected = [np.full(C, initial), of_last[1], (of_first[2] + of_last[2]) / 2]
    np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-5)
  np.testing.assert_array_equal(norm.standing.passes, [0, 1, 2])


def test_power_iterations_stand_still_while_statistics_are_recorded():
  norm, x, condition = _norm(), _videos(), _draw(B, D, seed=1)
  vectors = [kernel.u for kernel in spectral_norm.kernels(norm)]
  for u in vectors:
    u.assign(_draw(C, seed=4))
  for how in ({'steps': ALL}, {}):
    norm(x, condition, **how)
    for u in vectors:
      np.testing.assert_array_equal(u, _draw(C, seed=4))
  norm(x, condition, training=True)
  assert len(vectors) == 2 and all(np.any(u != _draw(C, seed=4)) for u in vectors)


def test_no_checkpoint_has_standing_statistics(tmp_path):
  """Nor a layer's variables; norms of any number of time steps read the same checkpoint."""
  model = tf.keras.layers.Layer()
  model.norm = norm = _norm(False)
  assert len(norm.variables) == len(model.variables) == 2
  norm(_videos(), steps=ALL)
  kept = {v.ref() for v in norm.standing.variables}
  assert len(kept) == 3 and not kept & {v.ref() for v in model.variables + norm.weights}
  path = tf.train.Checkpoint(model=model).write(str(tmp_path / 'of'))
  stored = [name for name, _ in tf.train.list_variables(path) if name.startswith('model/')]
  assert sorted(stored) == [f'model/norm/{name}/.ATTRIBUTES/VARIABLE_VALUE'
                            for name in ('gain', 'offset')]
  before = [v.numpy() for v in norm.standing.variables]
  tf.train.Checkpoint(model=model).read(path).assert_consumed()
  for variable, value in zip(norm.standing.variables, before):
    np.testing.assert_array_equal(variable, value)
  other = tf.keras.layers.Layer()
  other.norm = _norm(False, steps=9)
  tf.train.Checkpoint(model=other).read(path).assert_consumed()
  np.testing.assert_array_equal(other.norm.gain, norm.gain)


def test_norms_of_a_layer():
  """In attributes and lists, of layers of layers; no other layers."""
  model = tf.keras.layers.Layer()
  model.parts = [_norm(), tf.keras.layers.BatchNormalization()]
  model.norm = _norm(False)
  model.block = residual_blocks.GeneratorBlock(3)
  expected = [model.parts[0], model.norm, model.block.norm_1, model.block.norm_2]
  assert {id(norm) for norm in conditional_batch_norm.norms(model)} == {id(x) for x in expected}
  assert len(conditional_batch_norm.norms(model)) == 4


def test_gradients_flow_through_the_statistics():
  norm, x, weight = _norm(False), tf.constant(_videos()), _draw(B, T, H, W, C, seed=3)
  with tf.GradientTape() as tape:
    tape.watch(x)
    loss = tf.reduce_sum(norm(x, training=True) * weight)
  found = tape.gradient(loss, x).numpy()
  x = x.numpy().astype(np.float64)
  def value(x):
    return np.sum(_reference(norm, x, None, *_moments(x)) * weight)
  for index in [(0, 0, 0, 0, 0), (1, 2, 1, 4, 5), (3, 1, 0, 2, 3)]:
    step = np.zeros_like(x)
    step[index] = 1e-5
    expected = (value(x + step) - value(x - step)) / 2e-5
    assert found[index] == pytest.approx(expected, abs=1e-3)


def test_parameters():
  conditional, regular = _norm(True), _norm(False)
  count = lambda variables: sum(int(np.prod(v.shape)) for v in variables)
  assert count(conditional.trainable_variables) == 2 * (D * C + C)
  assert count(conditional.non_trainable_variables) == 2 * C  # two vectors u
  assert count(regular.trainable_variables) == 2 * C
  assert not regular.non_trainable_variables
  assert count(regular.standing.variables) == 2 * T * C + T


@pytest.mark.parametrize('conditional', [True, False])
def test_begins_as_an_affine_map_of_the_condition_about_1(conditional):
  norm = conditional_batch_norm.ConditionalBatchNorm(conditional)
  x = _videos()
  mean, variance = _moments(x)
  expected = (x - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5)
  condition = tf.zeros([B, D]) if conditional else None
  np.testing.assert_allclose(norm(x, condition, training=True), expected, atol=2e-5)


def test_bfloat16_features_have_float32_statistics():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  norm, condition = _norm(), _draw(B, D, seed=1)
  x = tf.cast(_videos(), tf.bfloat16)
  found = norm(x, condition, steps=ALL)
  assert found.dtype == tf.bfloat16
  assert {v.dtype for v in norm.variables + norm.standing.variables} == {tf.float32}
  rounded = tf.cast(x, tf.float32).numpy()
  mean, variance = _moments(rounded)
  np.testing.assert_allclose(norm.standing.mean, mean, atol=1e-5)
  np.testing.assert_allclose(norm.standing.variance, variance, rtol=1e-5)
  expected = _reference(norm, rounded, condition, mean, variance)
  np.testing.assert_allclose(tf.cast(found, tf.float32), expected, rtol=0.02, atol=0.05)
  evaluated = tf.cast(norm(x, condition), tf.float32)
  np.testing.assert_allclose(evaluated, expected, rtol=0.02, atol=0.05)


def _step(norm, x, condition, weight):
  """Outputs and gradients of this replica's rows; those of the variables are of all. Records."""
  rows = x.shape[0] // replicas.count()
  x, condition, weight = (
      tf.slice(value, [replicas.index() * rows] + [0] * (len(value.shape) - 1),
               [rows, *value.shape[1:]])
      for value in (x, condition, weight))
  condition = condition if norm.conditional else None
  with tf.GradientTape() as tape:
    tape.watch(x)
    y = norm(x, condition, training=True)
    loss = tf.reduce_sum(y * weight)
  of_x, of_variables = tape.gradient(loss, (x, norm.trainable_variables))
  return (y, norm(x, condition, steps=ALL)), of_x, replicas.total(of_variables)


@pytest.mark.parametrize('conditional', [True, pytest.param(False, marks=pytest.mark.slow)])
def test_replicas_agree(two_replicas, conditional):
  with two_replicas.scope():
    norm = _norm(conditional)
  alone = _norm(conditional)
  condition = tf.constant(_draw(B, D, seed=1))
  weight = tf.constant(_draw(B, T, H, W, C, seed=3))
  run = tf.function(lambda x: two_replicas.run(_step, args=(norm, x, condition, weight)),
                    autograph=False)
  for seed in range(2):
    x = tf.constant(_videos(seed))
    y, of_x, of_variables = tf.nest.map_structure(
        two_replicas.experimental_local_results, run(x))
    expected_y, expected_of_x, expected_of_variables = _step(alone, x, condition, weight)
    for found, expected in zip(y, expected_y, strict=True):
      np.testing.assert_allclose(tf.concat(found, 0), expected, atol=1e-5)
    np.testing.assert_allclose(tf.concat(of_x, 0), expected_of_x, atol=1e-5)
    for found, expected in zip(of_variables, expected_of_variables, strict=True):
      for value in found:
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-4)
  state = lambda norm: norm.non_trainable_variables + norm.standing.variables
  for found, expected in zip(state(norm), state(alone), strict=True):
    values = two_replicas.experimental_local_results(found)
    assert len(values) == 2
    for value in values:
      np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
  np.testing.assert_array_equal(alone.standing.passes, [2] * T)


def test_calls_that_cannot_be_meant():
  x = tf.zeros([B, T, H, W, C])
  with pytest.raises(ValueError, match=r'conditional=True\) was called without a condition'):
    conditional_batch_norm.ConditionalBatchNorm()(x)
  with pytest.raises(ValueError, match=r'conditional=False\) was called with a condition'):
    conditional_batch_norm.ConditionalBatchNorm(False)(x, tf.zeros([B, D]))
  norm, steps = _norm(False), conditional_batch_norm.Steps
  with pytest.raises(ValueError, match='must be recorded outside of training, after `keep`'):
    norm(x, training=True, steps=ALL)
  with pytest.raises(ValueError, match='must be recorded outside of training, after `keep`'):
    conditional_batch_norm.ConditionalBatchNorm(False)(x, steps=ALL)
  longer = tf.zeros([B, T + 1, H, W, C])
  for video, how in ((longer, {}), (x, {'steps': steps(1)}), (x, {'steps': ALL._replace(first=1)})):
    with pytest.raises(ValueError, match='standing statistics have 3 time steps, got 4'):
      norm(video, **how)
  assert norm(longer, training=True).shape == longer.shape
  assert norm(x[:, :2]).shape == norm(x[:, :2], steps=steps(1)).shape == (B, 2, H, W, C)
