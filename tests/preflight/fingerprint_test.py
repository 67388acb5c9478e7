"""Fingerprints tell programs apart by their arithmetic, not by their constants."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tf_videogen import building
from tf_videogen.layers import batch_norm
from tf_videogen.preflight import fingerprint
from tf_videogen.preflight import programs
from tf_videogen.training import optimizers


@pytest.fixture(autouse=True)
def _keep_policy():
  yield
  tf.keras.mixed_precision.set_global_policy('float32')


def _of(function, *specs):
  inputs = {f'x{i}': spec for i, spec in enumerate(specs)}
  exported = programs.export('train', lambda given: function(*given.values()), inputs, 1, 0)
  return fingerprint.of_hlo(exported.hlo)


def _floats(*shape):
  return tf.TensorSpec(shape)


def test_flops_and_bytes_of_products():
  found = _of(tf.matmul, _floats(3, 5, 7), _floats(3, 7, 11))
  assert found.flops == 2 * 3 * 5 * 7 * 11
  assert found.bytes == 4 * 3 * (5 * 7 + 7 * 11 + 5 * 11)
  assert _of(tf.matmul, tf.TensorSpec([5, 7], tf.bfloat16),
             tf.TensorSpec([7, 11], tf.bfloat16)).bytes == 2 * (5 * 7 + 7 * 11 + 5 * 11)


@pytest.mark.parametrize('strides, outputs', [(1, 4 * 8 * 8), (2, 2 * 4 * 4)])
def test_flops_of_convolutions_and_of_their_gradients(strides, outputs):
  """Taps, channels in and out, positions; the gradients do not multiply by the zeros of strides."""
  convolve = lambda x, kernel: tf.nn.conv3d(x, kernel, [1, *[strides] * 3, 1], 'SAME')
  forward = 2 * 2 * outputs * 27 * 3 * 6
  specs = _floats(2, 4, 8, 8, 3), _floats(3, 3, 3, 3, 6)
  assert _of(convolve, *specs).flops == forward

  def gradients(x, kernel):
    with tf.GradientTape() as tape:
      tape.watch((x, kernel))
      y = tf.reduce_sum(convolve(x, kernel) * np.arange(6.))
    return tape.gradient(y, (x, kernel))
  # Three convolutions, of as many operations each; sums are small beside them.
  assert 3 * forward <= _of(gradients, *specs).flops < 3.05 * forward


@pytest.mark.parametrize('steps', [1, 5])
def test_loops_count_as_often_as_they_run(steps):
  def loop(x):
    return tf.while_loop(lambda i, _: i < steps, lambda i, y: (i + 1, tf.matmul(y, y)), [0, x])[1]
  assert _of(loop, _floats(8, 8)).flops == steps * 2 * 8**3


def test_a_loop_whose_beginning_the_data_tells_counts_from_zero():
  def loop(x, start):
    return tf.while_loop(lambda i, _: i < 5, lambda i, y: (i + 1, tf.matmul(y, y)), [start, x])[1]
  assert _of(loop, _floats(8, 8), tf.TensorSpec([], tf.int32)).flops == 5 * 2 * 8**3


def test_a_loop_of_unknown_length_counts_once():
  def loop(x, end):
    return tf.while_loop(lambda i, _: i < end, lambda i, y: (i + 1, tf.matmul(y, y)), [0, x])[1]
  assert _of(loop, _floats(8, 8), tf.TensorSpec([], tf.int32)).flops == 2 * 8**3


def test_constants_do_not_count_but_shapes_and_types_do():
  add = lambda constant: lambda x: x + constant
  first = _of(add(1.5), _floats(4, 4))
  assert _of(add(2.5), _floats(4, 4)) == first
  assert _of(add(1.5), _floats(2, 8)).operations != first.operations
  assert _of(add(tf.constant(1.5, tf.bfloat16)), tf.TensorSpec([4, 4], tf.bfloat16)) != first
  assert _of(lambda x: x * 1.5, _floats(4, 4)).operations != first.operations
  assert first.flops == 16


class _Task(tiny_lib.FakeTask):
  """The square of some channels, normalized with an epsilon; noise is of the seed."""

  def __init__(self, channels, epsilon):
    super().__init__(tf.keras.Sequential(
        [tf.keras.layers.Dense(channels), batch_norm.SyncBatchNorm(epsilon=epsilon)]))

  def build(self, clip_shape):
    """Creates variables."""
    self.model.build((None, *clip_shape))

  def loss(self, batch, seed):
    """{'loss': []}."""
    x = tf.cast(batch['video'], tf.float32)
    x += tf.random.stateless_uniform(x.shape, seed)
    return {'loss': tf.reduce_mean(self.model(x, training=True)**2)}


def _training(tiny, channels=4, epsilon=1e-3, **kwargs):
  """A training step."""
  function, inputs, parameters = building.program(
      tiny.experiment(lambda: _Task(channels, epsilon), **kwargs), tiny.clips().example_spec(),
      'train', 2)
  return programs.export('train', function, inputs, 2, parameters)


def test_an_epsilon_a_seed_and_a_learning_rate_leave_a_fingerprint(tiny):
  """A width moves it."""
  program = _training(tiny)
  first = fingerprint.of_hlo(program.hlo)
  assert _training(tiny).digest == program.digest
  rate = functools.partial(optimizers.adam, learning_rate=0.5)
  changed = _training(tiny, epsilon=1e-5, optimizer=rate, seed=5)
  assert fingerprint.of_hlo(changed.hlo) == first and changed.digest != program.digest
  wider = fingerprint.of_hlo(_training(tiny, channels=8).hlo)
  assert wider.operations != first.operations and min(fingerprint.moved(first, wider)) > 0.02
