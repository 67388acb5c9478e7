"""Measures the memory that sampling from a small cascade takes, by the number of frames.

Each length is measured in a process of its own. The process computes standing statistics and draws
samples, as `launch.sample` does. This is part of `launch.benchmark`.
"""

from concurrent.futures import process as processes
import functools
import multiprocessing
import resource
import time

import numpy as np
import tensorflow as tf

from tf_videogen import tasks
from tf_videogen.layers import randomness
from tf_videogen.layers import resampling
from tf_videogen.models import cascade
from tf_videogen.models import discriminators
from tf_videogen.training import standing_statistics

FRAMES = (24, 48, 96, 192)
_WINDOW = (12, 64, 64, 3)


def make_task(frames):
  """A task whose samples have `frames` frames of 64 x 64; level 1 makes half as many of 32 x 32."""
  first = lambda: cascade.FirstGenerator(16, (8, 8, 4, 2))
  upscale = lambda: cascade.UpscalingGenerator(16, (8, 8, 4, 2), factor=2)
  networks = functools.partial(
      discriminators.Discriminators, ('F', 'dV', 'M'), 16, (1, 2, 4, 8))
  task = tasks.UpscalingTask(
      cascade.UpscalingGAN(upscale, networks, [first], resampling.nearest, piece_frames=12),
      frames // 2, standing_passes=2, standing_batch=8)
  task.build(_WINDOW)
  return task


def sampling(frames, batch):
  """Draws samples in this process, and measures memory and time.

  Args:
    frames: number of frames of a sample.
    batch: number of samples that are drawn at once.

  Returns:
    The peak memory of the process in MB, and the seconds that the samples took.
  """
  task = make_task(frames)
  standing = standing_statistics.Recorder(task, None, _WINDOW)
  standing.renew_frozen()
  standing.renew()
  clips = {'video': tf.zeros([batch, *_WINDOW], tf.uint8)}
  start = time.time()
  drawn = task.sample(clips, randomness.seed_of(0)).numpy()
  assert drawn.shape == (batch, frames, *_WINDOW[1:]) and np.ptp(drawn)
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.time() - start


def measure(batch, lengths=FRAMES):
  """Measures all lengths: {'sampling_mb_<frames>': MB, 'sampling_s_<frames>': seconds}."""
  figures = {}
  for frames in lengths:
    with processes.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as process:
      memory, taken = process.submit(sampling, frames, batch).result()
    figures[f'sampling_mb_{frames}'] = round(memory)
    figures[f'sampling_s_{frames}'] = round(taken, 2)
  return figures
