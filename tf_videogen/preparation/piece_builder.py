"""The base class of this suite's builders: a video is stored in pieces of a few frames.

A clip of a long video then reads its own frames and a little more, not the whole video. A record
has the frames of a piece, and what else a builder stores of a video. `first_frame` is the place of
the piece in the video, `video_frames` the length of the whole video. The pieces of a video lie one
after the other. `clip_index/` beside the shards tells where, see `preparation.clip_index`.
"""

import collections

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import hashing

from tf_videogen.preparation import clip_index

PIECE_FRAMES = 8


class PieceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A builder of videos. Its metadata have `piece_frames`, and `frame_counts`.

  `frame_counts` is the number of videos of each length in each split.

  Attributes:
    FRAMEWISE: names of the features that have one entry per frame.
  """

  FRAMEWISE = ('video',)

  def _stored(self, features, **metadata):
    """Returns what the info of a builder is made with, a dict of named arguments.

    Args:
      features: dict, name -> feature of a video. Those of FRAMEWISE have any number of frames.
      **metadata: what else the data set's metadata have.
    """
    return {
        'features': tfds.features.FeaturesDict({
            **features, clip_index.FIRST_FRAME: np.int32, clip_index.VIDEO_FRAMES: np.int32}),
        'disable_shuffling': True,  # by TFDS, which would tear the pieces apart
        'metadata': tfds.core.MetadataDict(piece_frames=PIECE_FRAMES, **metadata)}

  def _in_pieces(self, split):
    """Returns a function of (name, example) that yields the (key, record) of a video's pieces.

    Videos are in the order of a hash of their names, which TFDS would shuffle them by.
    """
    return _Pieces(split, self.FRAMEWISE)

  def _example_writer(self):
    return clip_index.Writer(self.info.file_format)

  def _download_and_prepare(self, dl_manager, download_config):
    super()._download_and_prepare(dl_manager, download_config)
    counts = {}
    for split, info in self.info.splits.items():
      frames = clip_index.collect(info, PIECE_FRAMES).frames
      counts[split] = {str(length): videos
                       for length, videos in sorted(collections.Counter(frames.tolist()).items())}
    self.info.metadata['frame_counts'] = counts


class _Pieces:
  """Divides examples of a split into pieces; can be sent to Beam's workers."""

  def __init__(self, split, framewise):
    self._split, self._framewise = split, framewise

  def __call__(self, name, example):
    order = hashing.Hasher(self._split).hash_key(name) >> 64
    frames = len(example['video'])
    for piece, first in enumerate(range(0, frames, PIECE_FRAMES)):
      cut = {feature: example[feature][first:first + PIECE_FRAMES] for feature in self._framewise}
      yield clip_index.key(order, piece, frames), {
          **example, **cut, clip_index.FIRST_FRAME: first, clip_index.VIDEO_FRAMES: frames}
