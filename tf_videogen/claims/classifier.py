"""A small network that tells where shapes move, whose features are compared by a Fréchet distance.

Networks such as I3D know nothing of clips of 16 x 16 pixels. This one is trained, within seconds,
on the training split of the moving shapes that a claim uses: from a clip, it tells in which of
eight directions the first shape begins to move, and whether faster than at the middle speed. How
often it is right on the test split is part of every result. The features are those before the last
layer, divided by their standard deviation over the test split, so that each counts alike. They lie
between -1 and 1 before that: one odd clip moves no mean.
"""

import functools
import math
import typing

import numpy as np
import tensorflow as tf

from tf_videogen.data import moving_shapes

DIRECTIONS = 8
FEATURES = 16
CLIPS, STEPS, BATCH, TEST_CLIPS = 4_096, 1_000, 32, 512


class Classifier(typing.NamedTuple):
  """A trained network.

  Attributes:
    network: a Keras model, from uint8 [B, T, H, W, C] to features and logits.
    scale: float64 [FEATURES], what features are divided by.
    accuracy: the share of test clips whose class it tells.
    real: float64 [TEST_CLIPS, FEATURES], scaled features of test clips.
  """
  network: typing.Any
  scale: np.ndarray
  accuracy: float
  real: np.ndarray

  def features(self, video):
    """uint8 [N, T, H, W, C] -> float64 [N, FEATURES], scaled."""
    return _in_batches(self.network, video)[0] / self.scale


@functools.lru_cache(maxsize=4)
def _trained(frames, size, shapes, channels, max_speed, classes, camera):
  clips = moving_shapes.MovingShapes(frames, size, shapes, channels, max_speed, classes=classes)
  clips = moving_shapes.Panned(clips, camera) if camera else clips
  video, label = _labelled(clips, 'train', CLIPS)
  network = Network()
  network.build_for(channels)
  optimizer = tf.keras.optimizers.Adam(3e-3)

  @tf.function(autograph=False)
  def step(video, label):
    with tf.GradientTape() as tape:
      _, logits = network(video)
      loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits))
    variables = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

  rng = np.random.default_rng(0)
  for i in range(STEPS):
    rows = rng.integers(len(video), size=BATCH)
    optimizer.learning_rate = 3e-3 * (1 - i / STEPS)
    step(tf.constant(video[rows]), tf.constant(label[rows]))
  video, label = _labelled(clips, 'test', TEST_CLIPS)
  features, logits = _in_batches(network, video)
  scale = np.maximum(features.std(0), 1e-3)
  accuracy = float(np.mean(logits.argmax(1) == label))
  return Classifier(network, scale, accuracy, features / scale)


def trained(clips, frames):
  """The `Classifier` for clips of a `MovingShapes` of so many frames, trained once per process.

  Raises:
    ValueError: if clips are not moving shapes.
  """
  if not isinstance(clips, moving_shapes.MovingShapes):
    raise ValueError(f'the classifier learns moving shapes, not {type(clips).__name__}')
  return _trained(frames, clips.size, clips.shapes, clips.channels, clips.max_speed, clips.classes,
                  clips.camera)


class Network(tf.keras.Model):
  """Three 3-D convolutions, a mean over positions, a dense layer of features, and the classes.

  A clip is brought to mean 0 and variance 1 first: its brightness tells nothing of motion.
  """

  def __init__(self):
    super().__init__()
    convolution = lambda i, channels, strides: tf.keras.layers.Conv3D(
        channels, 3, strides, 'same', activation='gelu',
        kernel_initializer=tf.keras.initializers.HeNormal(seed=i))
    self.convolutions = [convolution(0, 16, (1, 2, 2)), convolution(1, 32, (1, 2, 2)),
                         convolution(2, 32, (2, 1, 1))]
    dense = lambda i, units, activation: tf.keras.layers.Dense(
        units, activation, kernel_initializer=tf.keras.initializers.GlorotUniform(seed=i))
    self.hidden = dense(3, FEATURES, 'tanh')
    self.classes = dense(4, 2 * DIRECTIONS, None)

  def build_for(self, channels):
    """Creates the variables."""
    self(tf.zeros([1, 4, 8, 8, channels], tf.uint8))

  def call(self, video):
    """uint8 [B, T, H, W, C] -> features [B, FEATURES], logits [B, classes], float32."""
    x = tf.cast(video, tf.float32)
    mean, variance = tf.nn.moments(x, [1, 2, 3, 4], keepdims=True)
    x = (x - mean) * tf.math.rsqrt(variance + 1)
    for convolution in self.convolutions:
      x = convolution(x)
    features = self.hidden(tf.reduce_mean(x, [1, 2, 3]))
    return features, self.classes(features)


def _labelled(clips, split, count):
  """Clips, uint8 [N, T, H, W, C], and their classes, int32 [N]."""
  batches = clips.evaluation(split, 256, limit=count)
  video = np.concatenate([batch['video'].numpy() for batch in batches])[:count]
  moved = clips.truth(split, range(count)).displacements[:, 1, 0]  # [N, 2]
  angle = np.arctan2(moved[:, 0], moved[:, 1]) % (2 * math.pi)
  direction = np.minimum(angle / (2 * math.pi) * DIRECTIONS, DIRECTIONS - 1).astype(np.int32)
  fast = np.linalg.norm(moved, axis=-1) > (moving_shapes.MIN_SPEED + clips.max_speed) / 2
  return video, direction + DIRECTIONS * fast.astype(np.int32)


def _in_batches(network, video):
  """Features and logits of many clips: float64 [N, ...] each."""
  found = [network(tf.constant(video[i:i + 64])) for i in range(0, len(video), 64)]
  return [np.concatenate(parts).astype(np.float64) for parts in zip(*found)]
