"""Tasks of small VQ-VAEs and priors, batches for them, and how they learn."""

import copy
import functools

import numpy as np
import tensorflow as tf

from tf_videogen import tasks
from tf_videogen.layers import attention
from tf_videogen.layers import randomness
from tf_videogen.layers import resnet3d
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae

CLIP = (4, 8, 8, 1)  # latents 2 x 4 x 4


def vqvae_of(codes=16, codebooks=1, hidden=16):
  """A VQ-VAE that halves all sides; not built yet."""
  quantizer = vector_quantizer.VectorQuantizer(codes, dim=8, codebooks=codebooks)
  stack = functools.partial(vqvae.ResidualStack, layers=1, units=hidden, attention=False)
  return vqvae.VQVAE(quantizer, (2, 2, 2), hidden, stack)


def _always_the_same(make):
  """A function that makes a task: one around a model that is made once, its variables as then."""
  @functools.cache
  def made_once(**kwargs):
    tf.keras.utils.set_random_seed(0)
    task = make(**kwargs)
    return task, [variable.numpy() for variable in task.model.variables]

  @functools.wraps(make)
  def made(**kwargs):
    task, values = made_once(**kwargs)
    for variable, value in zip(task.model.variables, values, strict=True):
      variable.assign(value)
    return copy.copy(task)

  return made


@_always_the_same
def vqvae_task(**kwargs):
  """A task whose codes are outputs of the encoder."""
  task = tasks.VQVAETask(vqvae_of(**kwargs))
  task.build(CLIP)
  task.loss(batch(), randomness.seed_of(1))
  return task


@_always_the_same
def prior_task(codes=8, dropout=0.1, codebooks=1, **conditions):
  """A task of one layer, whose VQ-VAE's codes are outputs of the encoder."""
  encoder = None
  if 'conditioning_frames' in conditions:
    encoder = resnet3d.ResNet3D(18, units=16, width=4)
  prior = videogpt.LatentTransformer(layers=1, width=32, heads=2, feedforward=64, dropout=dropout,
                                     attention=attention.CausalAttention)
  model = videogpt.VideoGPT(vqvae_of(codes, codebooks, hidden=4), prior, encoder, **conditions)
  task = tasks.VideoGPTTask(model, vqvae_dir='')
  task.build(CLIP)
  video = tasks.videogpt.to_float(batch()['video'])
  model.vqvae(video, training=True, seed=randomness.seed_of(1))  # codes that the encoder puts out
  return task


def batch(clips=4, seed=0):
  """Bright squares that move over a dark gradient."""
  rng = np.random.default_rng(seed)
  video = np.zeros((clips,) + CLIP, np.uint8) + np.arange(0, 64, 8, dtype=np.uint8)[:, None]
  for clip in video:
    y, x, moves = rng.integers(4), rng.integers(4), rng.integers(3, size=2)
    for t, frame in enumerate(clip):
      top, left = y + moves[0] * t // 2, x + moves[1] * t // 2
      frame[top:top + 3, left:left + 3] = 250
  return {'video': tf.constant(video), 'valid': tf.ones([clips], tf.bool),
          'label': tf.constant(rng.integers(3, size=clips), tf.int32),
          'actions': tf.constant(rng.normal(size=(clips, 4, 2)), tf.float32)}


def padded(batch, examples):
  """The first clips of the batch, filled up with others, as evaluation fills its last batch."""
  size = batch['video'].shape[0]
  rows = [i if i < examples else (7 * i) % size for i in range(size)]
  batch = {name: tf.gather(value, rows) for name, value in batch.items()}
  return {**batch, 'valid': tf.range(size) < examples}


def arrays(sums):
  """Sums of a batch, as NumPy has them."""
  return {name: value.numpy() for name, value in sums.items()}


def learn(task, batch, steps, learning_rate):
  """Terms of the loss after so many steps on one batch."""
  # The older class: one operation updates a variable, in place of a dozen.
  optimizer = tf.keras.optimizers.legacy.Adam(learning_rate, global_clipnorm=1.0)
  optimizer.apply_gradients([(tf.zeros_like(v), v) for v in task.trainable_variables])  # builds it

  @functools.partial(tf.function, autograph=False)
  def update(number):
    with tf.GradientTape() as tape:
      terms = task.loss(batch, randomness.seed_of(number))
    gradients = tape.gradient(terms['loss'], task.trainable_variables)
    optimizer.apply_gradients(zip(gradients, task.trainable_variables))
    return terms

  for number in range(steps):
    terms = update(tf.constant(number))
  return {name: float(term) for name, term in terms.items()}
