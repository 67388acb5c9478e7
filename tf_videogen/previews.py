"""Previews: a task's videos for the first clips of a split, at the latest evaluation."""

import os

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.data import video_io
from tf_videogen.layers import randomness
from tf_videogen.reporting import color_wheel
from tf_videogen.training import strategies


def maker(built):
  """Returns a function that makes a task's previews, see `strategies.on_replicas`.

  Keep it for all evaluations, so that a program is compiled only once.
  """
  return strategies.on_replicas(tf.distribute.get_strategy(), built.task.previews)


def made(experiment, built, count, make):
  """Previews of the first clips of an experiment's first split, {name: uint8 [N, T, H, W, C]}.

  Motion becomes a picture with the colors of a color wheel.

  Args:
    experiment: an Experiment.
    built: a building.Built, ready to sample.
    count: the most clips that are previewed. If 0, the dict is empty.
    make: the function that `maker` returns.
  """
  if not count:
    return {}
  split = experiment.splits[0]
  batch = next(iter(experiment.clips.evaluation(split, count, limit=count)))
  videos = make(batch, randomness.seed_of(experiment.seed))
  clips = int(np.sum(batch['valid']))  # the padding of a small split is not shown
  videos = {name: video[:clips] for name, video in videos.items()}
  if 'motion' in videos:
    videos['motion'] = color_wheel.picture(videos['motion'])
  return videos


def write(videos, experiment, built, model_dir, summary_writer):
  """Writes previews/<split>.npz, and GIFs for TensorBoard.

  Args:
    videos: the dict that `made` returns. If it is empty, nothing is written.
    experiment, built: as in `made`.
    model_dir: the model directory.
    summary_writer: () -> a writer of summaries.
  """
  if not videos:
    return
  split = experiment.splits[0]
  directory = os.path.join(model_dir, 'previews')
  files.remove_left(directory)  # left by killed evaluations; else only training removes such files
  given = {'conditioning_frames': np.int32(built.task.conditioning_frames)}
  video_io.write_npz(os.path.join(directory, f'{split}.npz'), {**videos, **given})
  with files.told(os.path.join(model_dir, 'summaries'), 'written into'):
    with summary_writer().as_default():
      for name, video in videos.items():
        gif = video_io.gif_bytes(video_io.grid(video))
        summary = tf.compat.v1.Summary()
        summary.value.add(tag=f'{split}/{name}', image={'encoded_image_string': gif})
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), int(built.step.numpy()))
