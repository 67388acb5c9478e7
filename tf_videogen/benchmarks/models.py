"""Times training steps and sampling of models: VideoGPT, Video Transformer, TrIVD-GAN.

The functions for one model return `timing.Figures`. They take the same arguments: `batch`, the
number of clips of a step; `repeats`, the number of measurements, of which the median is taken;
`small`, whether the models are tiny; `sampling`, whether sampling is timed, too.
"""

import functools
import statistics

import numpy as np
import tensorflow as tf

from tf_videogen import tasks
from tf_videogen.benchmarks import timing
from tf_videogen.data import clip_source
from tf_videogen.layers import attention
from tf_videogen.layers import masked_convolution
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import vector_quantizer
from tf_videogen.models import discriminators
from tf_videogen.models import dvd_gan
from tf_videogen.models import trivd_gan
from tf_videogen.models import video_transformer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae
from tf_videogen.training import optimizers
from tf_videogen.training import trainer


class RandomClips(clip_source.ClipSource):
  """Noise, [16, size, size, channels]. Nothing is read, so that only computing is timed."""

  def __init__(self, size, channels=1):
    super().__init__(frames=16, frame_step=1, train_split='train')
    self.shape = (16, size, size, channels)

  def example_spec(self):
    """See `ClipSource`."""
    return {'video': tf.TensorSpec(self.shape, tf.uint8)}

  def training(self, batch_size, seed, start_step=0, host=0, hosts=1):
    """See `ClipSource`: one batch of noise, repeated without end."""
    del seed, start_step, host, hosts
    noise = randomness.uniform((batch_size,) + self.shape, randomness.seed_of(0))
    video = tf.cast(noise * 255.0, tf.uint8)
    return tf.data.Dataset.from_tensors({'video': video}).repeat()


def make_vqvae(small):
  """16 x 64 x 64 -> 4 x 16 x 16, 240 hidden channels, 2 residual layers, 512 codes of 64."""
  quantizer = vector_quantizer.VectorQuantizer(codes=512, dim=64)
  stack = functools.partial(
      vqvae.ResidualStack, layers=2, units=16 if small else 128, attention=False)
  return vqvae.VQVAE(quantizer, (4, 4, 4), hidden=16 if small else 240, residual_stack=stack)


def make_prior(small, pattern):
  """8 layers, width 192, 4 heads, feed-forward 768, unconditional, without dropout.

  `pattern` is the class of its attention.
  """
  return videogpt.LatentTransformer(
      layers=1 if small else 8, width=32 if small else 192, heads=4, feedforward=768, dropout=0.0,
      attention=pattern)


def train_step(task, clips, batch, optimizer=None, of=trainer.LossTrainer):
  """Returns a function that takes one training step, as `launch.train` does.

  Args:
    task: a task, built.
    clips: a ClipSource.
    batch: number of clips of a step.
    optimizer: Adam if None.
    of: class of the trainer.
  """
  optimizer = optimizer or optimizers.adam()
  optimizer.build(task.trainable_variables)
  step = tf.Variable(0, dtype=tf.int64, trainable=False,
                     aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
  loop = of(task, optimizer, step, 0, None, lambda start, *_: clips.training(batch, 0, start))
  return lambda: loop.train(1)


def sampler(model, batch):
  """Returns a function that samples codes without conditions, as `launch.sample` does."""
  sample = tf.function(
      functools.partial(model.sample_codes, batch, videogpt.Conditions(),
                        randomness.seed_of(0)),
      autograph=False, jit_compile=True)
  return lambda: sample().numpy()


def videogpt_moving_mnist(batch, repeats, small, sampling):
  """Times both stages of VideoGPT, the prior with full and with sparse attention.

  Sampling is timed only if `sampling`.
  """
  clips = RandomClips(32 if small else 64)
  shape = tuple(clips.example_spec()['video'].shape)
  video = tasks.videogpt.to_float(next(iter(clips.training(batch, 0)))['video'])
  model = make_vqvae(small)
  task = tasks.VQVAETask(model, data_variance=0.1)
  task.build(shape)
  task.initialize(clips)
  encode = tf.function(model.codes)
  figures = timing.Figures()
  figures['vqvae_train_step_s'] = timing.seconds(train_step(task, clips, batch), repeats)
  figures['vqvae_encode_s'] = timing.seconds(lambda: encode(video).numpy(), repeats)
  patterns = {'': attention.CausalAttention, '_sparse': attention.SparseCausalAttention}
  for name, pattern in patterns.items():
    prior = tasks.VideoGPTTask(videogpt.VideoGPT(model, make_prior(small, pattern)), '')
    prior.build(shape)
    figures[f'prior_train_step{name}_s'] = timing.seconds(train_step(prior, clips, batch), repeats)
    if sampling:
      figures[f'prior_sample{name}_s'] = timing.seconds(
          sampler(prior.model, batch), max(1, repeats // 2))
  return figures


def make_video_transformer(size, small):
  """The paper's base model for 16 x size x size, s = (4, 2, 2); a tiny one if `small`.

  For 64 x 64, the blocks are those of the paper. For other sizes, they have 128 positions, too.
  """
  side = size // 2
  stretched = [(1, side, 128 // side), (1, 128 // side, side)]
  blocks = [(4, 8, 4), (4, 4, 8)] + stretched
  stack = functools.partial(
      video_transformer.LayerStack, blocks=blocks + blocks[::-1], layers=2 if small else 8,
      heads=2 if small else 8, width=32 if small else 512)
  embedding = 16 if small else 128
  model = video_transformer.VideoTransformer(
      (4, 2, 2), video_transformer.SliceDecoder(stack, embedding=embedding),
      video_transformer.SliceEncoder(stack, embedding=embedding))
  model.build((None, 16, size, size, 3))
  return model


def seconds_a_pixel(model, batch, pixels, repeats):
  """The time to sample one pixel of every video, from two samples of different length.

  Args:
    model: a VideoTransformer, built.
    batch: number of videos.
    pixels: number of pixels of the longer sample.
    repeats: number of measurements, of which the median is taken.

  Returns:
    Seconds.
  """
  rng = np.random.default_rng(0)
  shape = (batch, *model.video_shape, model.channels)
  video = tf.constant(rng.integers(model.pixels.values, size=shape), tf.int32)
  sample = tf.function(model.sample_slice, autograph=False, jit_compile=True)
  last = int(np.prod(model.subscaling.slice_shape))

  def draw(count):
    return lambda: sample(video, tf.constant(5), tf.constant(last - count),
                          randomness.seed_of(0)).numpy()

  few = max(1, pixels // 8)
  many_s, few_s = (timing.seconds(draw(count), repeats) for count in (pixels, few))
  return (many_s - few_s) / (pixels - few)


def matrix_product_rate(repeats, size=2048):
  """FLOP/s of a product of two `size` x `size` matrices in the policy's compute type."""
  dtype = tf.keras.mixed_precision.global_policy().compute_dtype
  x = tf.cast(randomness.normal([size, size], randomness.seed_of(0)), dtype)
  product = tf.function(lambda: tf.reduce_sum(tf.matmul(x, x)))
  return 2 * size**3 / timing.seconds(lambda: product().numpy(), repeats)


def position_flops(part, without=()):
  """FLOPs of the forward pass of an encoder or a decoder, per position.

  A parameter of a matrix product takes two FLOPs. The scores and sums of attention over the
  position's block are added in every layer. Dense layers in `without` are left out.
  """
  dense = [layer for layer in part.submodules
           if isinstance(layer, tf.keras.layers.Dense) and layer not in without]
  parameters = sum(layer.kernel.shape.num_elements() for layer in dense)
  if isinstance(part.convolution, masked_convolution.MaskedConv3D):
    parameters += part.convolution.taps * part.embedding * part.convolution.filters
  layers = [layer.attention for layer in part.stack.layers]
  attended = sum(2 * of.blocks.length * of.heads * of.head_width for of in layers)
  return 2 * (parameters + attended)


def video_transformer_base(batch, repeats, small, sampling):
  """Times the Video Transformer's training step and, if `sampling`, the sampling of a pixel."""
  size = 32 if small else 64
  model = make_video_transformer(size, small)
  task = tasks.VideoTransformerTask(model)
  clips = RandomClips(size, 3)
  task.build(clips.shape)
  figures = timing.Figures()
  figures['train_step_s'] = timing.seconds(train_step(task, clips, batch), repeats)
  rate = matrix_product_rate(repeats)
  figures['matrix_product_flops_per_s'] = rate
  positions = batch * np.prod(model.subscaling.slice_shape)
  figures['train_step_flops'] = 3 * positions * (
      position_flops(model.encoder) + position_flops(model.decoder))
  figures['train_step_share_of_rate'] = figures['train_step_flops'] / figures['train_step_s'] / rate
  index = tf.fill([batch], 5)
  video = model.pixels.split(next(iter(clips.training(batch, 0)))['video'])
  encode, decode = (tf.function(f, autograph=False) for f in (model.encoder, model.decoder))
  z, channels = encode(video, index), model.subscaling.slice(video, index)
  figures['encode_slice_s'] = timing.seconds(lambda: encode(video, index).numpy(), repeats)
  figures['pixel_by_full_pass_s'] = timing.seconds(lambda: decode(channels, z).numpy(), repeats)
  if not sampling:
    return figures
  pixels = 32 if small else 512
  figures['pixel_s'] = seconds_a_pixel(model, batch, pixels, repeats)
  figures['pixel_16x16_s'] = seconds_a_pixel(
      make_video_transformer(size // 2, small), batch, pixels, repeats)
  figures['times_faster'] = figures['pixel_by_full_pass_s'] / figures['pixel_s']
  # The decoder maps the encoder's output for whole slices at once, not for each pixel.
  figures['pixel_flops'] = position_flops(model.decoder, without=[model.decoder.condition])
  figures['pixel_share_of_rate'] = batch * figures['pixel_flops'] / figures['pixel_s'] / rate
  return figures


def make_trivd_gan(unit, small):
  """A task of 5 + 11 frames of 32 x 32, with two stages of the generator and three views.

  `unit` is the class of the recurrent units.
  """
  channels = 4 if small else 16
  model = dvd_gan.VideoGAN(
      functools.partial(trivd_gan.Generator, unit, channels, multipliers=(4, 2)),
      functools.partial(
          discriminators.Discriminators, ('dF', 'dV', 'crV'), channels, multipliers=(2, 4, 8)))
  return tasks.VideoGANTask(model, conditioning_frames=5)


def trivd_gan_units(batch, repeats, small, sampling):
  """Times TrIVD-GAN's training step with two recurrent units and, if `sampling`, its samples."""
  clips, steps, times = RandomClips(32, 3), {}, {'tsru_p': [], 'conv_gru': []}
  for name, unit in (('tsru_p', recurrent_units.TSRUp), ('conv_gru', recurrent_units.ConvGRU)):
    task = make_trivd_gan(unit, small)
    task.build(clips.shape)
    players = optimizers.TwoPlayers(optimizers.adam(1e-4), optimizers.adam(5e-4))
    steps[name] = train_step(task, clips, batch, players, trainer.AdversarialTrainer)
    if name == 'tsru_p':
      sampled = task
  for _ in range(repeats):  # in turn, because the speed drifts
    for name, step in steps.items():
      times[name].append(timing.seconds(step, 1))
  figures = timing.Figures()
  for name, found in times.items():
    figures[f'{name}_train_step_s'] = statistics.median(found)
  figures['tsru_p_over_conv_gru'] = statistics.median(
      a / b for a, b in zip(times['tsru_p'], times['conv_gru']))
  if sampling:
    clip = next(iter(clips.training(batch, 0)))
    draw = tf.function(lambda: sampled.sample(clip, randomness.seed_of(0)), autograph=False)
    figures['sampled_clips_per_s'] = batch / timing.seconds(lambda: draw().numpy(), repeats)
  return figures
