"""Times training and sampling on this machine; prints one line of JSON, medians in seconds.

Figures are of the precision that `auto` finds here, and under "float32" of that one; those of
sampling of the one that `auto` samples in. Each is printed on stderr as it comes.

video_transformer: the paper's base model, a training step of 4 x 32 x 32 slices; seconds to draw a
pixel of every video, also by a full pass; shares of the machine's rate of products of matrices.
trivd_gan: a training step of both players with TSRUp, with ConvGRU units, and their ratio; clips
sampled a second. 5 + 11 frames of 32 x 32, two stages, 16 channels, the views of "stronger".
input: batches of a config's data alone, and its step on one batch over and over: input holds
training up where `input_share` comes near 1. `raw_read_share` is of the rate at which the shards
can be read at all. For a TPU's step, see `launch.preflight`.
prepare: videos below a folder, on one core: decoded alone by PyAV; decoded, scaled and encoded; on
all cores: all of `launch.prepare`, every file 20 times; what 400,000 such videos take.
cascade: memory, in MB, of sampling 24, 48, 96 and 192 frames of 64 x 64 from a small cascade.
i3d: FVD's network with random weights, on clips of 16 frames; what FVD of 2 x 2,048 clips takes,
resizing, statistics and the distance included, as a share of its passes through the network.
"""

import functools
import json
import os
import statistics
import sys
import tempfile
import time

from absl import flags
import av
import numpy as np
import tensorflow as tf

from tf_videogen import building
from tf_videogen import experiment
from tf_videogen.data import clip_source
from tf_videogen.data import clips as clips_lib
from tf_videogen.data import png
from tf_videogen.data import raw_files
from tf_videogen.data import raw_videos
from tf_videogen.data import video_folder
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measures
from tf_videogen.layers import attention
from tf_videogen.layers import masked_convolution
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import vector_quantizer
from tf_videogen.launch import cascade_memory
from tf_videogen.launch import configs
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags
from tf_videogen.metrics import frechet
from tf_videogen.metrics import i3d
from tf_videogen.models import discriminators
from tf_videogen.models import trivd_gan
from tf_videogen.models import video_transformer
from tf_videogen.models import videogpt
from tf_videogen.models import vqvae
from tf_videogen.tasks import adversarial
from tf_videogen.tasks import likelihood
from tf_videogen.tasks import slices
from tf_videogen.training import optimizers
from tf_videogen.training import precision as precisions
from tf_videogen.training import strategies
from tf_videogen.training import trainer

flags.DEFINE_enum('work', 'videogpt_moving_mnist',
                  ['videogpt_moving_mnist', 'video_transformer', 'trivd_gan', 'input', 'prepare',
                   'cascade', 'i3d'],
                  'What to time.')
flags.DEFINE_integer('batch', 4, 'Clips of a step, and clips that are sampled; of the config with '
                     '--work=input.', lower_bound=1)
flags.DEFINE_integer('repeats', 7, 'Measurements, of which the median is printed.', lower_bound=1)
flags.DEFINE_bool('small', False, 'Tiny models, to see that it runs.')
flags.DEFINE_integer('short_side', 64, 'To which --work=prepare scales.', lower_bound=1)
shared_flags.declare('strategy', 'tpu', 'gin_file', 'gin_param', 'data_dir', 'manual_dir')

_COPIES, _PLAN_CLIPS = 20, 400_000  # of --work=prepare
_FVD_CLIPS = 2_048  # on each side, of --work=i3d


class RandomClips(clip_source.ClipSource):
  """Noise, [16, size, size, channels]: nothing is read, so that only computing is timed."""

  def __init__(self, size, channels=1):
    super().__init__(frames=16, frame_step=1, train_split='train')
    self.shape = (16, size, size, channels)

  def example_spec(self):
    return {'video': tf.TensorSpec(self.shape, tf.uint8)}

  def training(self, batch_size, seed, start_step=0, host=0, hosts=1):
    del seed, start_step, host, hosts
    noise = randomness.uniform((batch_size,) + self.shape, randomness.seed_of(0))
    video = tf.cast(noise * 255.0, tf.uint8)
    return tf.data.Dataset.from_tensors({'video': video}).repeat()


class Figures(dict):
  """Figures by name, printed on stderr as they come."""

  def __setitem__(self, name, value):
    super().__setitem__(name, float(f'{value:.4g}'))
    print(f'{name}: {self[name]}', file=sys.stderr, flush=True)


def seconds(function, repeats):
  """The median time of a call; the first two, which compile and warm up, are not counted.

  Of calls that take long there are fewer: three, once they took half a minute.
  """
  times = []
  for i in range(repeats + 2):
    start = time.perf_counter()
    function()
    if i > 1:
      times.append(time.perf_counter() - start)
      if len(times) >= 3 and sum(times) > 30:
        break
  return round(statistics.median(times), 4)


def make_vqvae(small):
  """16 x 64 x 64 -> 4 x 16 x 16, 240 hidden, 2 residual layers, 512 codes of 64."""
  quantizer = vector_quantizer.VectorQuantizer(codes=512, dim=64)
  return vqvae.VQVAE(quantizer, (4, 4, 4), hidden=16 if small else 240,
                     residual_units=16 if small else 128, residual_layers=2, attention=False)


def make_prior(small, pattern):
  """8 layers, 192 wide, 4 heads, feed-forward 768, unconditional, without dropout."""
  return videogpt.LatentTransformer(
      layers=1 if small else 8, width=32 if small else 192, heads=4, feedforward=768, dropout=0.0,
      attention=pattern)


def train_step(task, clips, batch, optimizer=None, of=trainer.LikelihoodTrainer):
  """A function that takes one training step, as `launch.train` does."""
  optimizer = optimizer or optimizers.adam()
  optimizer.build(task.trainable_variables)
  step = tf.Variable(0, dtype=tf.int64, trainable=False,
                     aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
  loop = of(task, optimizer, step, 0, None, lambda start, *_: clips.training(batch, 0, start))
  return lambda: [term.numpy() for term in loop.train(1).values()]


def sampler(model, batch):
  """A function that samples codes without conditions, as `launch.sample` does."""
  sample = tf.function(
      functools.partial(model.sample_codes, batch, videogpt.Conditions(),
                        randomness.seed_of(0)),
      autograph=False, jit_compile=True)
  return lambda: sample().numpy()


def videogpt_moving_mnist(batch, repeats, small, sampling):
  """Times both stages, with full attention, and for the prior with sparse attention as well.

  Sampling is left out unless `sampling`.
  """
  clips = RandomClips(32 if small else 64)
  shape = tuple(clips.example_spec()['video'].shape)
  video = likelihood.to_float(next(iter(clips.training(batch, 0)))['video'])
  model = make_vqvae(small)
  task = likelihood.VQVAETask(model, data_variance=0.1)
  task.build(shape)
  task.initialize(clips)
  encode = tf.function(model.codes)
  figures = Figures()
  figures['vqvae_train_step_s'] = seconds(train_step(task, clips, batch), repeats)
  figures['vqvae_encode_s'] = seconds(lambda: encode(video).numpy(), repeats)
  patterns = {'': attention.CausalAttention, '_sparse': attention.SparseCausalAttention}
  for name, pattern in patterns.items():
    prior = likelihood.VideoGPTTask(videogpt.VideoGPT(model, make_prior(small, pattern)), '')
    prior.build(shape)
    figures[f'prior_train_step{name}_s'] = seconds(train_step(prior, clips, batch), repeats)
    if sampling:
      figures[f'prior_sample{name}_s'] = seconds(sampler(prior.model, batch), max(1, repeats // 2))
  return figures


def make_video_transformer(size, small):
  """The base model for 16 x size x size, s = (4, 2, 2).

  The blocks are those of the paper for 64 x 64, and of 128 positions for other sizes.
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
  """The time of one step of sampling, from the difference of two samples of different length."""
  rng = np.random.default_rng(0)
  shape = (batch, *model.video_shape, model.channels)
  video = tf.constant(rng.integers(model.pixels.values, size=shape), tf.int32)
  sample = tf.function(model.sample_slice, autograph=False, jit_compile=True)
  last = int(np.prod(model.subscaling.slice_shape))

  def draw(count):
    return lambda: sample(video, tf.constant(5), tf.constant(last - count),
                          randomness.seed_of(0)).numpy()

  few = max(1, pixels // 8)
  return (seconds(draw(pixels), repeats) - seconds(draw(few), repeats)) / (pixels - few)


def matrix_product_rate(repeats, size=2048):
  """FLOP/s of a product of two square matrices of the policy's type."""
  dtype = tf.keras.mixed_precision.global_policy().compute_dtype
  x = tf.cast(randomness.normal([size, size], randomness.seed_of(0)), dtype)
  product = tf.function(lambda: tf.reduce_sum(tf.matmul(x, x)))
  return 2 * size**3 / seconds(lambda: product().numpy(), repeats)


def position_flops(part, without=()):
  """FLOPs of one position of an encoder or a decoder, forward: two for every parameter of its
  products, and the scores and sums of its block in every layer.
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
  """Times the Video Transformer's training step and, if `sampling`, drawing a pixel."""
  size = 32 if small else 64
  model = make_video_transformer(size, small)
  task = slices.VideoTransformerTask(model)
  clips = RandomClips(size, 3)
  task.build(clips.shape)
  figures = Figures()
  figures['train_step_s'] = seconds(train_step(task, clips, batch), repeats)
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
  figures['encode_slice_s'] = seconds(lambda: encode(video, index).numpy(), repeats)
  figures['pixel_by_full_pass_s'] = seconds(lambda: decode(channels, z).numpy(), repeats)
  if not sampling:
    return figures
  pixels = 32 if small else 512
  figures['pixel_s'] = seconds_a_pixel(model, batch, pixels, repeats)
  figures['pixel_16x16_s'] = seconds_a_pixel(
      make_video_transformer(size // 2, small), batch, pixels, repeats)
  figures['times_faster'] = figures['pixel_by_full_pass_s'] / figures['pixel_s']
  # The decoder's map of the encoder's output is of whole slices.
  figures['pixel_flops'] = position_flops(model.decoder, without=[model.decoder.condition])
  figures['pixel_share_of_rate'] = batch * figures['pixel_flops'] / figures['pixel_s'] / rate
  return figures


def make_trivd_gan(unit, small):
  """A task of 5 + 11 frames of 32 x 32, with two stages of the generator and three views."""
  channels = 4 if small else 16
  model = trivd_gan.VideoGAN(
      functools.partial(trivd_gan.Generator, unit, channels, multipliers=(4, 2)),
      functools.partial(
          discriminators.Discriminators, ('dF', 'dV', 'crV'), channels, multipliers=(2, 4, 8)))
  return adversarial.AdversarialTask(model, conditioning_frames=5)


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
  for _ in range(repeats):  # one after the other, as speed wanders
    for name, step in steps.items():
      times[name].append(seconds(step, 1))
  figures = Figures()
  for name, found in times.items():
    figures[f'{name}_train_step_s'] = statistics.median(found)
  figures['tsru_p_over_conv_gru'] = statistics.median(
      a / b for a, b in zip(times['tsru_p'], times['conv_gru']))
  if sampling:
    clip = next(iter(clips.training(batch, 0)))
    draw = tf.function(lambda: sampled.sample(clip, randomness.seed_of(0)), autograph=False)
    figures['sampled_clips_per_s'] = batch / seconds(lambda: draw().numpy(), repeats)
  return figures


def input_pipeline(config, strategy, repeats):
  """Times the batches of an Experiment's data, and its step without them."""
  size = config.batch_size
  built = building.build(config, strategy, config.clips.example_spec())
  with strategy.scope():
    loop = building.make_trainer(config, built)
    make_dataset = loop.make_dataset
    batches = iter(strategies.distribute(strategy, functools.partial(make_dataset, 0)))
    # Several batches a measurement: some were ready before it.
    input_s = seconds(lambda: [next(batches) for _ in range(16)], repeats) / 16
    loop.make_dataset = lambda *where: make_dataset(*where).take(1).cache().repeat()
    step_s = seconds(lambda: loop.train(1)['loss'].numpy(), repeats)
  figures = {'batch': size,
             'input_s': round(input_s, 5), 'input_clips_per_s': round(size / input_s, 1),
             'step_s': step_s, 'step_clips_per_s': round(size / step_s, 1),
             'input_share': round(input_s / step_s, 4)}
  if isinstance(config.clips, clips_lib.PreparedClips):
    clips = config.clips.count(config.clips.train_split)
    read_s = seconds(lambda: sum(1 for _ in config.clips.raw_records()), repeats)
    figures['raw_read_clips_per_s'] = round(clips / read_s, 1)
    figures['raw_read_share'] = round(size / input_s / (clips / read_s), 4)
  return figures


def bare_decode(path):
  """Decodes a video by PyAV, on one core, and does nothing with it; returns how many frames."""
  with av.open(path) as container:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return sum(1 for _ in container.decode(stream))


def preparation_of_videos(folder, short_side, repeats):
  """Times decoding of the videos below a folder, without and with scaling, encoding and writing."""
  names = raw_files.find(folder, raw_files.VIDEO_SUFFIXES)
  paths = [os.path.join(folder, name) for name in names]
  if not paths:
    raise ValueError(f'--manual_dir={folder} has no videos')
  read = functools.partial(raw_videos.read, short_side=short_side, encode=png.encode, threads=1)
  figures = Figures()
  bare_s = read_s = frames = size = 0
  shares = {}
  for name, path in zip(names, paths):
    bare = seconds(lambda path=path: bare_decode(path), repeats)
    ours = seconds(lambda path=path: read(path), repeats)
    bare_s, read_s, frames = bare_s + bare, read_s + ours, frames + bare_decode(path)
    size += sum(map(len, read(path).frames))
    shares[os.path.basename(name)] = round(bare / ours, 3)
  figures['bare_decode_frames_per_s'] = frames / bare_s
  figures['prepare_frames_per_core_s'] = frames / read_s
  figures['prepare_clips_per_core_s'] = len(paths) / read_s
  figures['share_of_bare_decode'] = bare_s / read_s
  figures['bytes_per_frame'] = size / frames
  with tempfile.TemporaryDirectory() as scratch:
    for i in range(_COPIES):
      for name, path in zip(names, paths):
        link = os.path.join(scratch, 'videos', 'train', f'{i:05d}_{name.replace(os.sep, "_")}')
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(os.path.abspath(path), link)
    start = time.perf_counter()
    clips = video_folder.from_video_folder(
        os.path.join(scratch, 'videos'), 1, short_side, data_dir=scratch, max_failed_share=1.0)
    count = clips.count('train')
    figures['all_of_prepare_clips_per_core_s'] = count / (
        time.perf_counter() - start) / os.cpu_count()
  plan = {'clips': _PLAN_CLIPS,
          'decoding_core_hours': _PLAN_CLIPS / figures['prepare_clips_per_core_s'] / 3600,
          'core_hours': _PLAN_CLIPS / figures['all_of_prepare_clips_per_core_s'] / 3600,
          'gigabytes': _PLAN_CLIPS * size / len(paths) / 1e9}
  return {'videos': len(paths), 'frames': frames, **figures, 'share_by_video': shares,
          'plan': {name: float(f'{value:.4g}') for name, value in plan.items()}}


def i3d_clips(batch, repeats, strategy):
  """Times I3D alone, and all that FVD does with a clip; one after the other, as speed wanders."""
  rng = np.random.default_rng(0)
  with strategy.scope():
    network = i3d.I3D()
    network.build()
  video = tf.constant(rng.uniform(-1, 1, (batch, 16, i3d.SIZE, i3d.SIZE, 3)), tf.float32)
  clips = rng.integers(0, 256, (batch, 16, 64, 64, 3), np.uint8)
  forward = tf.function(network, autograph=False)
  extract = extraction.Extractor(strategy, ['i3d_kinetics400'], batch, random=True)
  total = {}
  def whole():
    measures.add(total, frechet.sums(extract('i3d_kinetics400', clips)['logits']))
  passes, wholes = [], []
  for _ in range(repeats):
    passes.append(seconds(lambda: forward(video)['logits'].numpy(), 1))
    wholes.append(seconds(whole, 1))
  figures = Figures()
  figures['clips_per_s'] = batch / statistics.median(passes)
  figures['fvd_clips_per_s'] = batch / statistics.median(wholes)
  gaussian = frechet.gaussian(total)
  figures['distance_s'] = seconds(lambda: frechet.distance(gaussian, gaussian), 1)
  batches = 2 * _FVD_CLIPS / batch
  share = statistics.median(a / b for a, b in zip(wholes, passes))
  figures['fvd_over_passes'] = share + figures['distance_s'] / (
      batches * statistics.median(passes))
  return figures


def main(argv):
  """Times --work, models in both precisions, where there are two."""
  del argv
  values = flags.FLAGS
  if values.work == 'prepare':
    if not values.manual_dir:
      raise ValueError('--manual_dir is missing: a folder with videos')
    print(json.dumps({'work': 'prepare', 'processors': os.cpu_count(),
                      **preparation_of_videos(
                          values.manual_dir, values.short_side, values.repeats)}))
    return
  if values.work == 'cascade':
    print(json.dumps({'work': 'cascade', 'batch': values.batch, 'processors': os.cpu_count(),
                      **cascade_memory.measure(values.batch)}))
    return
  strategy = strategies.get(values.strategy, values.tpu)
  if values.work == 'input':
    if not values.gin_file:
      raise ValueError('--gin_file is missing: name the config whose input is to be timed')
    configs.parse(values.gin_file, values.gin_param, values.data_dir)
    config = configs.configured(experiment.Experiment)()
    print(json.dumps({'work': 'input', 'config': values.gin_file[-1],
                      'processors': os.cpu_count(),
                      **input_pipeline(config, strategy, values.repeats)}))
    return
  if values.work == 'i3d':
    print(json.dumps({'work': 'i3d', 'batch': values.batch, 'processors': os.cpu_count(),
                      **i3d_clips(values.batch, values.repeats, strategy)}))
    return
  figures = {}
  with strategy.scope():
    sampling = precisions.for_sampling('auto', strategy)
    for precision in dict.fromkeys([precisions.resolve('auto', strategy), 'float32']):
      precisions.use(precision, strategy)
      print(f'{values.work} in {precision}', file=sys.stderr)
      work = {'videogpt_moving_mnist': videogpt_moving_mnist,
              'video_transformer': video_transformer_base,
              'trivd_gan': trivd_gan_units}[values.work]
      figures[precision] = work(
          values.batch, values.repeats, values.small, precision == sampling)
  precision = next(iter(figures))
  print(json.dumps({'work': values.work, 'batch': values.batch, 'precision': precision,
                    'processors': os.cpu_count(),
                    **figures['float32'], **figures[precision], 'float32': figures['float32']}))


if __name__ == '__main__':
  program.run(main)
