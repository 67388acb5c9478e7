"""Processes that decode: order, death, hanging, memory; and no file, however broken, stops them."""

import collections
import os
import signal
import time

import numpy as np
from PIL import Image
import pytest
import tensorflow as tf

from tests import raw_data
from tests.preparation import mutations
from tf_videogen.preparation import decoding
from tf_videogen.preparation import raw_videos
from tf_videogen.preparation import video_cache


@pytest.fixture(name='good')
def _good(tmp_path):
  """Paths of a good video of every kind."""
  video = raw_data.moving_square(24)
  paths = [tmp_path / 'a.mp4', tmp_path / 'b.avi', tmp_path / 'c.gif', tmp_path / 'd.mov']
  raw_data.write_video(paths[0], video)
  raw_data.write_video(paths[1], video, codec='mpeg4')
  raw_data.square_gif(paths[2], 24)
  raw_data.write_video(paths[3], video, rotation=1)
  pictures = [Image.fromarray(frame) for frame in video]
  for name in ('e.png', 'f.webp'):
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=40)
  return paths


def _jobs(paths):
  return [decoding.Job(str(path), short_side=24) for path in paths]


def test_every_job_once(good, tmp_path):
  jobs = _jobs([*good, tmp_path / 'missing.mp4'])
  with decoding.Pool(2) as pool:
    outcomes = dict(pool.decode(jobs))
  assert list(outcomes) != [] and set(outcomes) == set(jobs)
  assert outcomes[jobs[4]].reason == 'missing'
  for job in jobs[:4]:
    expected = raw_videos.read(job.path, 24)
    frames = [tf.io.decode_png(frame) for frame in outcomes[job].frames]
    np.testing.assert_array_equal(frames, expected.frames)
    assert (outcomes[job].fps, outcomes[job].width) == (expected.fps, expected.width)


def test_a_process_that_dies(good):
  decoder = decoding.Decoder()
  job, = _jobs(good[:1])
  assert len(decoder.decode(job).frames) == 24
  os.kill(decoder._process.pid, signal.SIGSEGV)
  died = decoder.decode(job)
  assert (died.reason, died.detail) == ('crashed', 'SIGSEGV')
  assert len(decoder.decode(job).frames) == 24  # by a new process
  decoder.close()


_HANGING_LIBRARY = """
import av, ctypes
_open = av.open
def hanging_open(name, *args, **kwargs):
  if name.endswith('stuck.mp4'):
    ctypes.PyDLL(None).pause()  # in C, with Python's lock held, until a signal
  return _open(name, *args, **kwargs)
av.open = hanging_open
"""


def test_a_library_that_hangs(tmp_path, good, monkeypatch):
  (tmp_path / 'sitecustomize.py').write_text(_HANGING_LIBRARY)
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  hanging = tmp_path / 'stuck.mp4'
  hanging.write_bytes(good[0].read_bytes())
  jobs = _jobs([hanging, *good])
  start = time.time()
  with decoding.Pool(1, time_limit=2) as pool:
    outcomes = dict(pool.decode(jobs))
  assert (outcomes[jobs[0]].reason, outcomes[jobs[0]].detail) == ('time', 'more than 2 s')
  assert all(len(outcomes[job].frames) == 24 for job in jobs[1:])
  assert 1 < time.time() - start < 30


def test_a_pipe_is_no_file(tmp_path):
  os.mkfifo(tmp_path / 'pipe.mp4')
  with pytest.raises(raw_videos.Unusable, match='missing'):
    raw_videos.read(str(tmp_path / 'pipe.mp4'))


def test_memory_is_limited(tmp_path):
  raw_data.write_video(tmp_path / 'large.avi', np.zeros((3, 4096, 4096, 3), np.uint8),
                       codec='mpeg4')
  decoder = decoding.Decoder(memory_limit=400 << 20)
  outcome = decoder.decode(decoding.Job(str(tmp_path / 'large.avi'), short_side=4096))
  raw_data.write_video(tmp_path / 'small.avi', raw_data.moving_square(3), codec='mpeg4')
  assert len(decoder.decode(decoding.Job(str(tmp_path / 'small.avi'))).frames) == 3
  decoder.close()
  assert outcome.reason in ('size', 'undecodable', 'truncated', 'crashed')


def test_a_process_that_dies_in_its_answer(good, monkeypatch):
  """Half a message has come."""
  decoder = decoding.Decoder()
  job, = _jobs(good[:1])
  decoder.decode(job)
  pid = decoder._process.pid

  def half():
    os.kill(pid, signal.SIGKILL)
    raise OSError('got end of file during message')

  monkeypatch.setattr(decoder._connection, 'recv', half)
  assert (decoder.decode(job).reason, decoder._process) == ('crashed', None)
  assert len(decoder.decode(job).frames) == 24
  decoder.close()


def test_storage_that_does_not_answer(monkeypatch):
  monkeypatch.setattr(decoding.time, 'sleep', lambda seconds: None)
  asked = []

  def copy(*args, **kwargs):
    asked.append(args)
    raise tf.errors.UnavailableError(None, None, 'try later')

  monkeypatch.setattr(tf.io.gfile, 'copy', copy)
  outcome = decoding.Decoder().decode(decoding.Job('gs://bucket/a.mp4'))
  assert (outcome.reason, outcome.detail, len(asked)) == ('unreadable', 'try later', 4)
  assert video_cache.VideoCache('/nowhere').get(decoding.Job('no://bucket/a.mp4')) is None


def test_leaving_early_ends_the_processes(good):
  pool = decoding.Pool(2)
  with pool:
    next(iter(pool.decode(_jobs(good * 3))))
    processes = [decoder._process for decoder in pool._decoders if decoder._process]
    assert processes
  assert all(process.poll() is not None for process in processes)


def test_cache(good, tmp_path):
  cache = video_cache.VideoCache(tmp_path / 'cache')
  job, other = _jobs(good[:2])
  assert cache.get(job) is None
  decoder = decoding.Decoder()
  video = decoder.decode(job)
  decoder.close()
  cache.put(job, video)
  assert cache.get(job) == video and cache.get(other) is None
  assert cache.get(decoding.Job(job.path, short_side=25)) is None
  kept, = (tmp_path / 'cache').glob('*/*.npz')
  content = kept.read_bytes()
  for damaged in (content[:100], b''):
    kept.write_bytes(damaged)
    assert cache.get(job) is None
  kept.write_bytes(content)
  os.utime(job.path, (1, 1))
  assert cache.get(job) is None  # the file is another one now
  cache.clear()
  assert not (tmp_path / 'cache').exists()


def _outcomes_of_mutations(content, suffix, folder, number=500):
  """What becomes of broken versions of a file: reason, or 'decoded' -> how many."""
  paths = []
  for i, mutated in enumerate(mutations.of([content], number)):
    paths.append(folder / f'{i:03d}{suffix}')
    paths[-1].write_bytes(mutated)
  jobs = _jobs(paths)
  with decoding.Pool(2, time_limit=60) as pool:
    outcomes = dict(pool.decode(jobs))
  assert set(outcomes) == set(jobs)
  lost = {job.path: str(outcome) for job, outcome in outcomes.items()
          if getattr(outcome, 'reason', '') in ('crashed', 'time', 'missing')}
  assert not lost
  return collections.Counter(getattr(outcome, 'reason', 'decoded') for outcome in outcomes.values())


@pytest.mark.parametrize('name', ['a.mp4', 'b.avi', 'c.gif', 'e.png', 'f.webp'])
def test_fifty_broken_files(good, tmp_path, name):
  _check_broken_files(tmp_path / name, 50)


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    'a.mp4', 'b.avi', 'c.gif', 'd.mov', 'e.png', 'f.webp'])
def test_five_hundred_broken_files(good, tmp_path, name):
  _check_broken_files(tmp_path / name, 500)


def _check_broken_files(path, number):
  """Each is decoded or refused with a reason; no process is lost, none takes its time limit.

  A PNG file has checksums, by which almost all are refused.
  """
  counts = _outcomes_of_mutations(path.read_bytes(), path.suffix, path.parent, number)
  least = 0 if path.suffix == '.png' else number / 10
  assert least <= counts['decoded'] < number * 9 / 10
  assert set(counts) - {'decoded'} <= set(raw_videos.REASONS)


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize('name', [
    'kinetics600/R6llTwEh07w.mp4', 'kinetics600/flipping_a_pancake.mkv',
    'ucf101/UCF-101/BaseballPitch/v_BaseballPitch_g01_c01.avi', 'tgif/1.gif'])
def test_five_hundred_broken_real_files(real_data, tmp_path, name):
  counts = _outcomes_of_mutations(
      (real_data / name).read_bytes(), (real_data / name).suffix, tmp_path)
  print(name, dict(counts))
  assert 50 < counts['decoded'] < 450
