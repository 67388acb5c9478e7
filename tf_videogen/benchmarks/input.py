"""Times the batches that training waits for, and counts the bytes that are read for them."""

import functools
import os
import time

import numpy as np
import tensorflow as tf

from tf_videogen import building
from tf_videogen.benchmarks import timing
from tf_videogen.data import clips as clips_lib
from tf_videogen.preflight import amounts
from tf_videogen.preflight import hardware
from tf_videogen.preflight import known
from tf_videogen.training import strategies

_BATCHES = 16  # per measurement, because some are ready before it
_LATE = 0.9  # of an epoch, where resuming is timed
_DECODED = 512  # frames that are decoded alone
_OWN = 2_000  # bytes, of which counting reads some itself
_QUIET = 3  # times in a row that nothing happens, until nothing is read ahead


def pipeline(config, strategy, repeats, hosts=1, step=None):
  """Times the batches of an Experiment's data alone, and its training step on one repeated batch.

  Args:
    config: an Experiment.
    strategy: a tf.distribute.Strategy.
    repeats: number of measurements, of which the median is taken.
    hosts: number of hosts, each of which is simulated if there are several.
    step: number of the step at which resuming is timed; at 90 % of the first epoch if None.

  Returns:
    A dict of figures. Of prepared clips in local files, bytes are counted, too.
  """
  size = config.batch_size
  built = building.build(config, strategy, config.clips.example_spec())
  if step is None:
    step = int(_LATE * config.clips.count(config.clips.train_split) / size)
  first_s, resumed_s = (_seconds_to_first(config, start) for start in (0, step))
  with strategies.scope(strategy):
    loop = building.make_trainer(config, built)
    make_dataset = loop.make_dataset
    batches = iter(strategies.distribute(strategy, functools.partial(make_dataset, 0)))
    used = time.process_time(), time.perf_counter()
    input_s = timing.seconds(
        lambda: [next(batches) for _ in range(_BATCHES)], repeats) / _BATCHES
    busy = (time.process_time() - used[0]) / (time.perf_counter() - used[1])
    loop.make_dataset = lambda *where: make_dataset(*where).take(1).cache().repeat()
    step_s = timing.seconds(lambda: loop.train(1), repeats)
  consumed = size * loop.batches
  figures = {'batch': size,
             'input_s': round(input_s, 5), 'input_clips_per_s': round(size / input_s, 1),
             'input_processors': round(busy, 2),
             'step_s': step_s, 'step_clips_per_s': round(consumed / step_s, 1),
             'input_share': round(input_s * loop.batches / step_s, 4),
             'first_batch_s': first_s, 'resumed_at_step': step, 'resumed_first_batch_s': resumed_s}
  if isinstance(config.clips, clips_lib.PreparedClips):
    png_s = png_seconds(config.clips)
    figures['png_share'] = png_s and round(png_s * size / (busy * input_s), 3)
    figures.update(_bytes_of_hosts(config, hosts))
  return {**figures, 'clips_per_step': consumed}


def _seconds_to_first(config, step):
  """Returns the seconds until the first batch of a step, with what precedes it."""
  start = time.perf_counter()
  next(iter(config.clips.training(config.batch_size, config.seed, step)))
  return round(time.perf_counter() - start, 3)


def bytes_read():
  """Returns how many bytes this process has read from files so far, by the system's count.

  None, if the system keeps no count. What comes over the network does not count.
  """
  try:
    with open('/proc/self/io', encoding='ascii') as file:
      return int(file.readline().removeprefix('rchar: '))
  except (OSError, ValueError):
    return None


def settled_bytes():
  """Returns `bytes_read()` when nothing more is read ahead, nor decoded before more is read."""
  quiet, now = 0, bytes_read()
  while quiet < _QUIET:
    busy = time.process_time()
    time.sleep(0.05)
    last, now = now, bytes_read()
    idle = now - last < _OWN and time.process_time() - busy < 0.02
    quiet = quiet + 1 if idle else 0
  return now


def bytes_of_steps(clips, batch_size, host=0, hosts=1, first=0, steps=_BATCHES):
  """Returns the number of bytes that a host reads per step, by the system's count.

  Batches are read ahead, at the end as many as before the first of the counted steps.
  """
  batches = iter(clips.training(batch_size, 0, first, host, hosts))
  next(batches)
  before = settled_bytes()
  for _ in range(steps):
    next(batches)
  return (settled_bytes() - before) / steps


def bytes_of_frames(clips):
  """Returns how many bytes the frames of a clip have in their records, the mean over videos.

  None, if it is not known how many frames each video has.
  """
  index, videos = clips.index(clips.train_split), clips.videos(clips.train_split)
  if not index.frames[videos].all():
    return None
  places = np.concatenate([[0], np.cumsum(index.sizes)])
  size = (places[index.rows[1:]] - places[index.rows[:-1]])[videos]
  return float(np.mean(size / index.frames[videos])) * clips.frames


def _bytes_of_hosts(config, hosts):
  """Returns figures of the bytes that are read, {} if they cannot be counted."""
  if bytes_read() is None or not config.clips.unreachable():  # on remote storage
    return {}
  of_hosts = [bytes_of_steps(config.clips, config.batch_size, host, hosts)
              for host in range(hosts)]
  of_clip, of_frames = sum(of_hosts) / config.batch_size, bytes_of_frames(config.clips)
  return {'read_bytes_per_clip': round(of_clip),
          'read_over_frames': of_frames and round(of_clip / of_frames, 3),
          'read_shares_of_hosts': [round(found / sum(of_hosts), 3) for found in of_hosts]}


def png_seconds(clips):
  """Returns how many seconds of one processor decoding the images of a clip takes, alone.

  None, if frames are stored otherwise.
  """
  frames, index = [], clips.index(clips.train_split)
  name = clips.features['video']
  for record in tf.data.TFRecordDataset(index.paths).as_numpy_iterator():
    frames += tf.train.Example.FromString(record).features.feature[name].bytes_list.value
    if len(frames) >= _DECODED:
      break
  if not frames or not frames[0].startswith(b'\x89PNG'):
    return None
  size = min(clips.frames, len(frames))
  decode = tf.function(lambda encoded: [tf.io.decode_png(encoded[t]) for t in range(size)],
                       autograph=False)
  parts = [tf.constant(frames[i:i + size]) for i in range(0, len(frames) - size + 1, size)]
  decode(parts[0])
  start = time.process_time()
  for part in parts:
    decode(part)
  return (time.process_time() - start) / len(parts) * clips.frames / size


def feeds(config_name, figures):
  """Returns a sentence: whether this machine's rate of clips feeds a config's training on TPUs.

  Args:
    config_name: name of the config, such as 'videogpt/bair_vqvae.gin'.
    figures: dict of figures, as `pipeline` returns it.
  """
  row = known.row(config_name, 'train')
  if row is None or not row['bound_s']:
    return f'the table of preflight has no bound on a step of {config_name}'
  topology = hardware.topology(row['topology'])
  generation, hosts = topology.name.partition(':')[0], topology.hosts
  clips = int(row['batch']) * topology.cores * figures['clips_per_step'] / figures['batch']
  needed = clips / float(row['bound_s']) / hosts
  made, processors = figures['input_clips_per_s'], os.cpu_count()
  cores = figures['input_processors'] * needed / made
  has = hardware.HOST_PROCESSORS.get(generation)
  return (
      f'a step on {topology.name}, {topology.cores} cores, takes at least '
      f'{amounts.seconds(float(row["bound_s"]))} for {clips:,.0f} clips: at most '
      f'{amounts.rounded(needed)} clips per second on each of {hosts} hosts. This machine, '
      f'{processors} processors, makes {amounts.rounded(made)} and '
      f'{"feeds" if made >= needed else "does not feed"} such a host, which needs '
      f'{amounts.rounded(cores)} processors like these for the input'
      + (f' (a host of {generation} has {has})' if has else ''))
