"""What a task shows of the first clips of a split, as of the latest evaluation."""

import os

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.data import video_io
from tf_videogen.layers import randomness
from tf_videogen.reporting import color_wheel
from tf_videogen.training import strategies


def maker(built):
  """What makes a task's previews: one program for all evaluations, where there are programs."""
  return strategies.on_replicas(tf.distribute.get_strategy(), built.task.previews)


def made(experiment, built, count, make):
  """Previews of the first clips of an experiment's first split, {name: uint8 [N, T, H, W, C]}.

  Args:
    experiment: an Experiment.
    built: a building.Built, ready to sample.
    count: how many clips, at most; 0: none, and the dict is empty.
    make: what `maker` returns.
  """
  if not count:
    return {}
  split = experiment.splits[0]
  batch = next(iter(experiment.clips.evaluation(split, count, limit=count)))
  videos = make(batch, randomness.seed_of(experiment.seed))
  clips = int(np.sum(batch['valid']))  # of a small split, what fills up the batch isn't shown
  videos = {name: video[:clips] for name, video in videos.items()}
  if 'motion' in videos:
    videos['motion'] = color_wheel.picture(videos['motion'])
  return videos


def write(videos, experiment, built, model_dir, summary_writer):
  """Writes previews/<split>.npz, and GIFs for TensorBoard.

  Args:
    videos: what `made` returns; nothing is written where it is empty.
    experiment, built: as there.
    model_dir: the directory.
    summary_writer: () -> a writer of summaries.
  """
  if not videos:
    return
  split = experiment.splits[0]
  directory = os.path.join(model_dir, 'previews')
  files.remove_left(directory)  # an evaluation that was killed does not train again
  given = {'conditioning_frames': np.int32(built.task.conditioning_frames)}
  video_io.write_npz(os.path.join(directory, f'{split}.npz'), {**videos, **given})
  with files.told(os.path.join(model_dir, 'summaries'), 'written into'):
    with summary_writer().as_default():
      for name, video in videos.items():
        gif = video_io.gif_bytes(video_io.grid(video))
        summary = tf.compat.v1.Summary()
        summary.value.add(tag=f'{split}/{name}', image={'encoded_image_string': gif})
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), int(built.step.numpy()))
