"""Times the preparation of data, and the batches that training waits for."""

import functools
import os
import tempfile
import time

import av

from tf_videogen import building
from tf_videogen.benchmarks import timing
from tf_videogen.data import clips as clips_lib
from tf_videogen.data import video_folder
from tf_videogen.preparation import png
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import raw_videos
from tf_videogen.training import strategies

_COPIES, _PLAN_CLIPS = 20, 400_000  # copies of every video; clips of the plan


def input_pipeline(config, strategy, repeats):
  """Times the batches of an Experiment's data alone, and its training step on one repeated batch.

  Args:
    config: an Experiment.
    strategy: a tf.distribute.Strategy.
    repeats: number of measurements, of which the median is taken.

  Returns:
    A dict of figures. If the clips are prepared ones, reading their shards is timed, too.
  """
  size = config.batch_size
  built = building.build(config, strategy, config.clips.example_spec())
  with strategies.scope(strategy):
    loop = building.make_trainer(config, built)
    make_dataset = loop.make_dataset
    batches = iter(strategies.distribute(strategy, functools.partial(make_dataset, 0)))
    # Several batches per measurement, because some were ready before it.
    input_s = timing.seconds(lambda: [next(batches) for _ in range(16)], repeats) / 16
    loop.make_dataset = lambda *where: make_dataset(*where).take(1).cache().repeat()
    step_s = timing.seconds(lambda: loop.train(1), repeats)
  figures = {'batch': size,
             'input_s': round(input_s, 5), 'input_clips_per_s': round(size / input_s, 1),
             'step_s': step_s, 'step_clips_per_s': round(size / step_s, 1),
             'input_share': round(input_s / step_s, 4)}
  if isinstance(config.clips, clips_lib.PreparedClips):
    clips = config.clips.count(config.clips.train_split)
    read_s = timing.seconds(lambda: sum(1 for _ in config.clips.raw_records()), repeats)
    figures['raw_read_clips_per_s'] = round(clips / read_s, 1)
    figures['raw_read_share'] = round(size / input_s / (clips / read_s), 4)
  return figures


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
