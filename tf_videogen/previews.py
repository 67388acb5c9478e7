"""What a task shows of the first clips of a split, as of the latest evaluation."""

import os

import numpy as np
import tensorflow as tf

from tf_videogen.data import video_io
from tf_videogen.layers import randomness
from tf_videogen.reporting import color_wheel
from tf_videogen.training import strategies


def maker(built):
  """What makes a task's previews: one program for all evaluations, where there are programs."""
  return strategies.on_replicas(tf.distribute.get_strategy(), built.task.previews)


def write(experiment, built, model_dir, count, make):
  """Writes previews/<split>.npz, and a summary for TensorBoard's current writer.

  Args:
    experiment: an Experiment, of whose first split the first clips are shown.
    built: a building.Built, ready to sample.
    model_dir: the directory.
    count: how many clips, at most; 0: nothing is written.
    make: what `maker` returns.
  """
  if not count:
    return
  split = experiment.splits[0]
  batch = next(iter(experiment.clips.evaluation(split, count, limit=count)))
  videos = make(batch, randomness.seed_of(experiment.seed))
  clips = int(np.sum(batch['valid']))  # of a small split, what fills up the batch isn't shown
  videos = {name: video[:clips] for name, video in videos.items()}
  if 'motion' in videos:
    videos['motion'] = color_wheel.picture(videos['motion'])
  directory = os.path.join(model_dir, 'previews')
  given = {'conditioning_frames': np.int32(built.task.conditioning_frames)}
  video_io.write_npz(os.path.join(directory, f'{split}.npz'), {**videos, **given})
  for name, video in videos.items():
    gif = video_io.gif_bytes(video_io.grid(video))
    summary = tf.compat.v1.Summary()
    summary.value.add(tag=f'{split}/{name}', image={'encoded_image_string': gif})
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), int(built.step.numpy()))
