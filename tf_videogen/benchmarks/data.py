"""Times the preparation of data."""

import functools
import os
import tempfile
import time

import av

from tf_videogen.benchmarks import timing
from tf_videogen.data import video_folder
from tf_videogen.preparation import png
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos

_COPIES, _PLAN_CLIPS = 20, 400_000  # copies of every video; clips of the plan


def bare_decode(path):
  """Decodes a video with PyAV alone, on one CPU core; returns its number of frames."""
  with av.open(path) as container:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return sum(1 for _ in container.decode(stream))


def preparation_of_videos(folder, short_side, repeats):
  """Times decoding of the videos below a folder, without and with scaling, encoding and writing.

  Args:
    folder: folder with videos.
    short_side: pixels of the short side to which videos are scaled.
    repeats: number of measurements per video, of which the median is taken.

  Returns:
    A dict of figures; 'plan' is what 400,000 such videos take.

  Raises:
    ValueError: if the folder has no videos.
  """
  names = raw_files.find(folder, raw_files.VIDEO_SUFFIXES)
  paths = [os.path.join(folder, name) for name in names]
  if not paths:
    raise ValueError(f'--manual_dir={folder} has no videos')
  read = functools.partial(raw_videos.read, short_side=short_side, encode=png.encode, threads=1)
  figures = timing.Figures()
  bare_s = read_s = frames = size = 0
  shares = {}
  for name, path in zip(names, paths):
    bare = timing.seconds(lambda path=path: bare_decode(path), repeats)
    ours = timing.seconds(lambda path=path: read(path), repeats)
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
