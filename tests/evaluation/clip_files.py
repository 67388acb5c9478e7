"""What tests of clips in files share: videos, how they are written and read."""

import numpy as np
from PIL import Image

from tf_videogen.evaluation import written_clips


def videos(count=3, frames=4, height=8, width=10, channels=3, seed=0):
  """Random videos of 200 colours, as many as a GIF keeps exactly."""
  rng = np.random.default_rng(seed)
  colours = rng.integers(256, size=(200, channels), dtype=np.uint8)
  return colours[rng.integers(200, size=(count, frames, height, width))]


def all_of(found, limit=None):
  """All frames of the clips that can be read."""
  names = list(found.headers())[:limit]
  return [video for _, video in found.read(names, lambda name: range(found.header(name).frames))]


def read(path, value_range=None, limit=None):
  return all_of(written_clips.WrittenClips(str(path), value_range), limit)


def write_pictures(folder, video):
  folder.mkdir(parents=True, exist_ok=True)
  for i, frame in enumerate(video):
    picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
    picture.save(folder / f'frame{i}.png')


def check(found, videos):
  assert len(found) == len(videos)
  for one, video in zip(found, videos):
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, video)


def survey(path):
  found = written_clips.WrittenClips(str(path))
  return found.survey(), found
