"""Projection heads by hand, and over replicas: the same outputs and the same gradients."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import projection
from tf_videogen.layers import replicas

CHANNELS = 3


def _head(kind=projection.MixedProjection, **kwargs):
  """A head whose parameters are no special case."""
  head = kind(**kwargs)
  head.build([None, None, CHANNELS])
  rng = np.random.default_rng(0)
  for variable in head.variables:
    variable.assign(rng.normal(size=variable.shape))
  return head


def _scores(head, features, labels):
  """r_x and r_xy, a clip and a time step after the other."""
  w = head.linear.value().numpy()[:, 0]
  embedding = head.embedding.value().numpy()
  r_x = np.array([[np.dot(h, w) + head.bias.numpy() for h in clip] for clip in features])
  r_xy = np.array([[np.dot(h, embedding[label]) for h in clip]
                   for clip, label in zip(features, labels)])
  return r_x, r_xy


def _features(batch, time=2, seed=1):
  return np.random.default_rng(seed).normal(size=(batch, time, CHANNELS)).astype(np.float32)


def test_plain_projection():
  head, features = _head(projection.Projection, classes=4), _features(6, time=5)
  real, fake = head(features, [3, 0, 3], parts=2)
  r_x, r_xy = _scores(head, features, [3, 0, 3, 3, 0, 3])
  np.testing.assert_allclose(real, r_x[:3] + r_xy[:3], atol=1e-5)
  np.testing.assert_allclose(fake, r_x[3:] + r_xy[3:], atol=1e-5)


def test_projection_of_clips():
  """As of the sum of a clip's features: the bias counts once."""
  head, features = _head(projection.ClipProjection, classes=4), _features(6, time=5)
  real, fake = head(features, [3, 0, 3], parts=2)
  r_x, r_xy = _scores(head, features, [3, 0, 3, 3, 0, 3])
  of_clips = (r_x - head.bias.numpy() + r_xy).sum(1, keepdims=True) + head.bias.numpy()
  np.testing.assert_allclose(real, of_clips[:3], atol=1e-4)
  np.testing.assert_allclose(fake, of_clips[3:], atol=1e-4)


def test_mixed_projection_by_hand():
  head, features = _head(classes=3), _features(4)
  real, fake = head(features, [2, 0], parts=2)
  x, xy = _scores(head, features, [2, 0, 2, 0])
  np.testing.assert_allclose(real, [
      [[x[0, 0] + xy[0, 0] + xy[0, 1], x[0, 1] + xy[0, 0] + xy[0, 1]],
       [x[0, 0] + xy[1, 0] + xy[1, 1], x[0, 1] + xy[1, 0] + xy[1, 1]]],
      [[x[1, 0] + xy[0, 0] + xy[0, 1], x[1, 1] + xy[0, 0] + xy[0, 1]],
       [x[1, 0] + xy[1, 0] + xy[1, 1], x[1, 1] + xy[1, 0] + xy[1, 1]]]], atol=1e-5)
  np.testing.assert_allclose(fake, [
      [[x[2, 0] + xy[2, 0] + xy[2, 1], x[2, 1] + xy[2, 0] + xy[2, 1]],
       [x[2, 0] + xy[3, 0] + xy[3, 1], x[2, 1] + xy[3, 0] + xy[3, 1]]],
      [[x[3, 0] + xy[2, 0] + xy[2, 1], x[3, 1] + xy[2, 0] + xy[2, 1]],
       [x[3, 0] + xy[3, 0] + xy[3, 1], x[3, 1] + xy[3, 0] + xy[3, 1]]]], atol=1e-5)


@pytest.mark.parametrize('kind', [
    projection.Projection, projection.ClipProjection, projection.MixedProjection])
def test_the_dummy_class_is_a_vector_of_length_1(kind):
  head, features = _head(kind), _features(2)
  vector = head.embedding.w.numpy()[0]
  for _ in range(3):
    found, = head(features, None, training=True)
  np.testing.assert_allclose(
      np.abs(head.embedding.value()[0]), np.abs(vector) / np.linalg.norm(vector), rtol=1e-5)
  np.testing.assert_array_equal(found, head(features, [0, 5], training=True)[0])


@pytest.mark.parametrize('kind', [
    projection.Projection, projection.ClipProjection, projection.MixedProjection])
def test_parameters_and_training(kind):
  head = _head(kind, classes=7)
  assert sum(v.shape.num_elements() for v in head.trainable_variables) == 8 * CHANNELS + 1
  before = [head.linear.u.numpy(), head.embedding.u.numpy()]
  head(_features(2), [1, 2])
  np.testing.assert_array_equal(head.embedding.u, before[1])
  with tf.GradientTape() as tape:
    outputs, = head(_features(2), [1, 2], training=True)
    loss = tf.reduce_sum(outputs**2)
  assert np.abs(head.embedding.u - before[1]).max() > 1e-3
  assert abs(head.linear.u.numpy()[0]) == pytest.approx(1)  # of a matrix of one column
  # One step of the iteration, not more.
  w, u = head.embedding.w.numpy(), before[1]
  u = w.T @ (w @ u)
  np.testing.assert_allclose(head.embedding.u, u / np.linalg.norm(u), rtol=1e-4)
  for gradient in tape.gradient(loss, head.trainable_variables):
    assert np.abs(gradient).max() > 1e-3


def test_mixed_precision_computes_in_float32():
  tf.keras.mixed_precision.set_global_policy('mixed_bfloat16')
  head, features = _head(classes=2), _features(2)
  outputs, = head(features, [1, 1])
  assert outputs.dtype == tf.float32
  assert {v.dtype for v in head.variables} == {tf.float32}
  x, xy = _scores(head, features, [1, 1])
  np.testing.assert_allclose(outputs[0, 1], x[0] + xy[1].sum(), atol=1e-5)


def _run(strategy, head, features, labels, parts):
  """Outputs and gradients of a loss that divides by the replicas, as each replica has them.

  Args:
    strategy: of two replicas, or None.
    head: made in the strategy's scope.
    features: [parts, B, T, C] of the global batch.
    labels: [B].
    parts: 2.
  """
  def step(features, labels):
    features = tf.reshape(features, [-1, *features.shape[2:]])  # [parts * B, T, C]
    with tf.GradientTape() as tape:
      tape.watch(features)
      outputs = head(features, labels, parts)
      # Weights by the output's own value: a loss whose gradient is not the same for all outputs.
      loss = sum(tf.reduce_mean(tf.sin(3 * x)) for x in outputs) / replicas.count()
    variables = head.trainable_variables
    *gradients, own = tape.gradient(loss, [*variables, features])
    return outputs, replicas.total(gradients), tf.reshape(own, [parts, -1, *own.shape[1:]])

  if strategy is None:
    return step(tf.constant(features), tf.constant(labels))

  @tf.function(autograph=False)
  def both(features, labels):
    def replica():
      rows = tf.range(2) + 2 * replicas.index()
      return step(tf.ensure_shape(tf.gather(features, rows, axis=1), [2, 2, *features.shape[2:]]),
                  tf.gather(labels, rows))
    return strategy.run(replica)

  outputs, gradients, own = tf.nest.map_structure(
      strategy.experimental_local_results, both(tf.constant(features), tf.constant(labels)))
  return ([np.concatenate(x) for x in outputs], [g[0] for g in gradients],
          np.concatenate(own, axis=1))


@pytest.mark.parametrize('kind', [
    projection.Projection, projection.ClipProjection, projection.MixedProjection])
def test_two_replicas_are_one(two_replicas, kind):
  features, labels = _features(8).reshape(2, 4, 2, CHANNELS), [2, 0, 1, 2]
  with two_replicas.scope():
    head = _head(kind, classes=3)
  found = _run(two_replicas, head, features, labels, 2)
  expected = _run(None, _head(kind, classes=3), features, labels, 2)
  for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(expected)):
    assert np.abs(b).max() > 1e-3
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_replicas_that_keep_to_themselves(two_replicas):
  features, labels = _features(8).reshape(2, 4, 2, CHANNELS), [2, 0, 1, 2]
  with two_replicas.scope():
    head = _head(classes=3, gather=False)
  outputs = _run(two_replicas, head, features, labels, 2)[0]
  for rows in (slice(0, 2), slice(2, 4)):
    expected = _run(None, _head(classes=3), features[:, rows], labels[rows], 2)[0]
    for found, part in zip(outputs, expected):
      assert found.shape == (4, 2, 2)
      np.testing.assert_allclose(found[rows], part, atol=1e-5)


def test_gathered_rows_are_in_the_order_of_the_replicas(two_replicas):
  x = tf.random.stateless_normal([4, 3, 2], [1, 2])

  @tf.function(autograph=False)
  def both():
    return two_replicas.run(
        lambda: replicas.gathered(tf.gather(x, tf.range(2) + 2 * replicas.index())))

  for found in two_replicas.experimental_local_results(both()):
    np.testing.assert_array_equal(found, x)
  np.testing.assert_array_equal(replicas.gathered(x), x)


def test_compiles():
  head, features = _head(classes=3), _features(4)
  compiled = tf.function(lambda x: head(x, tf.constant([2, 0]), 2), jit_compile=True)
  for found, expected in zip(compiled(tf.constant(features)), head(features, [2, 0], 2)):
    np.testing.assert_allclose(found, expected, atol=1e-5)
