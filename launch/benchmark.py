"""Times training and sampling on this machine; prints one line of JSON, medians in seconds.

Figures are in the precision that `auto` chooses here, and under "float32" in float32. Sampling is
timed in the precision that `auto` samples in. Each figure is printed on stderr when it is known.

video_transformer: the paper's base model. A training step of 4 x 32 x 32 slices; seconds to sample
a pixel of every video, also by a full pass; shares of the machine's rate of matrix products.
trivd_gan: a training step of both players with TSRUp and with ConvGRU units, and their ratio; clips
sampled per second. 5 + 11 frames of 32 x 32, two stages, 16 channels, the views of "stronger".
input: batches of a config's data alone, and its training step on one repeated batch. Input limits
training if `input_share` is near 1. Bytes read per clip and relative to its frames'; seconds to the
first batch at step 0 and at --step; whether this machine feeds the config on a TPU.
prepare: videos below a folder. On one CPU core: decoding alone by PyAV; decoding, scaling and
encoding. On all cores: all of `launch.prepare`, every file 20 times; a plan for 400,000 videos.
cascade: memory in MB of sampling 24, 48, 96 and 192 frames of 64 x 64 from a small cascade.
i3d: FVD's network with random weights, on clips of 16 frames; the time of FVD of 2 x 2,048 clips,
with resizing, statistics and the distance, relative to its passes through the network.
"""

import json
import os
import sys

from absl import flags

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import program
from tf_videogen.launch import shared_flags

with lazy.imports():
  from tf_videogen import experiment
  from tf_videogen.benchmarks import cascade_memory
  from tf_videogen.benchmarks import data
  from tf_videogen.benchmarks import input as input_lib
  from tf_videogen.benchmarks import metrics
  from tf_videogen.benchmarks import models
  from tf_videogen.training import precision as precisions
  from tf_videogen.training import strategies

flags.DEFINE_enum('work', 'videogpt_moving_mnist',
                  ['videogpt_moving_mnist', 'video_transformer', 'trivd_gan', 'input', 'prepare',
                   'cascade', 'i3d'],
                  'What to time.')
flags.DEFINE_integer('batch', 4, 'Clips per step, and number of clips to sample; not for '
                     '--work=input.', lower_bound=1)
flags.DEFINE_integer('repeats', 7, 'Measurements, whose median is printed.', lower_bound=1)
flags.DEFINE_bool('small', False, 'Tiny models, as a check.')
flags.DEFINE_integer('short_side', 64, 'Shorter side for --work=prepare.', lower_bound=1)
flags.DEFINE_integer('hosts', 1, 'Hosts to simulate for --work=input.', lower_bound=1)
flags.DEFINE_integer('step', None, 'Where --work=input resumes; by default at 90 % of an epoch.',
                     lower_bound=0)
shared_flags.declare('strategy', 'tpu', 'gin_file', 'gin_param', 'data_dir', 'manual_dir')


def main(argv):
  """Times --work; models in both precisions, if there are two."""
  del argv
  values = flags.FLAGS
  if values.work == 'prepare':
    if not values.manual_dir:
      raise ValueError('--manual_dir is missing: give a folder with videos')
    print(json.dumps({'work': 'prepare', 'processors': os.cpu_count(),
                      **data.preparation_of_videos(
                          values.manual_dir, values.short_side, values.repeats)}))
    return
  if values.work == 'cascade':
    print(json.dumps({'work': 'cascade', 'batch': values.batch, 'processors': os.cpu_count(),
                      **cascade_memory.measure(values.batch)}))
    return
  strategy = strategies.get(values.strategy, values.tpu)
  if values.work == 'input':
    if not values.gin_file:
      raise ValueError('--gin_file is missing: give the config whose input is to be timed')
    configs.parse(values.gin_file, values.gin_param, values.data_dir)
    config = configs.configured(experiment.Experiment)()
    figures = input_lib.pipeline(config, strategy, values.repeats, values.hosts, values.step)
    print(json.dumps({'work': 'input', 'config': values.gin_file[-1],
                      'processors': os.cpu_count(), **figures,
                      'feeds': input_lib.feeds(values.gin_file[-1], figures)}))
    return
  if values.work == 'i3d':
    print(json.dumps({'work': 'i3d', 'batch': values.batch, 'processors': os.cpu_count(),
                      **metrics.i3d_clips(values.batch, values.repeats, strategy)}))
    return
  figures = {}
  with strategies.scope(strategy):
    sampling = precisions.for_sampling('auto', strategy)
    for precision in dict.fromkeys([precisions.resolve('auto', strategy), 'float32']):
      precisions.use(precision, strategy)
      print(f'{values.work} in {precision}', file=sys.stderr)
      work = {'videogpt_moving_mnist': models.videogpt_moving_mnist,
              'video_transformer': models.video_transformer_base,
              'trivd_gan': models.trivd_gan_units}[values.work]
      figures[precision] = work(
          values.batch, values.repeats, values.small, precision == sampling)
  precision = next(iter(figures))
  print(json.dumps({'work': values.work, 'batch': values.batch, 'precision': precision,
                    'processors': os.cpu_count(),
                    **figures['float32'], **figures[precision], 'float32': figures['float32']}))


if __name__ == '__main__':
  program.run(main)
