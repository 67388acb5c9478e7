"""Prepares a data set, and reports which videos are in it, which are not, and why.

The report is `preparation_report.json`, beside the prepared data.
"""

import collections
import contextlib
import dataclasses
import errno
import fcntl
import functools
import json
import logging
import os
import shutil
import time
from unittest import mock

import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import download_manager
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.download import util as download_util

from tf_videogen import files
from tf_videogen.preparation import raw_videos

FILE_NAME = 'preparation_report.json'
UNLABELLED = 'train_videos_without_label'  # the note of their number
_TRIES = 2  # tries of a download
_TIMEOUT = (5, 20)  # the most seconds until an address answers, and between two bytes
LOCK = 'preparing.lock'  # the preparing process holds a lock on this file


@dataclasses.dataclass(frozen=True)
class Options:
  """How a data set is prepared.

  Attributes:
    processes: number of processes that decode at the same time; one per CPU core if 0.
    time_limit: the most seconds that decoding a file may take.
    max_failed_share: the share of unusable videos above which preparing stops; the data set's own
      share if None.
    cache_dir: path of the folder for decoded videos; `decoded` in the data directory if None.
    keep_decoded: whether the data set's decoded videos stay in that folder after preparing.
  """
  processes: int = 0
  time_limit: int = 120
  max_failed_share: float | None = None
  cache_dir: str | None = None
  keep_decoded: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
  """The outcome of preparing a video.

  Attributes:
    name: id of the video.
    path: path of the video's file.
    frames: number of frames; 0 if the video cannot be used.
    fps: frames per second; 0 if unknown.
    reason: why the video cannot be used, one of `raw_videos.REASONS`; '' if it can be used.
    detail: details of the reason; '' if there are none.
  """
  name: str
  path: str
  frames: int = 0
  fps: float = 0.0
  reason: str = ''
  detail: str = ''


class TooManyFailures(ValueError):
  """Too many videos are unusable: something else must be wrong."""


class Report:
  """Counts the outcomes of a data set's videos.

  Args:
    dataset: str, full name of the data set.
    expected: dict, split -> number of videos that it should have.
    max_failed_share: float, the largest share of unusable videos that `check` accepts.
  """

  def __init__(self, dataset, expected, max_failed_share):
    self.dataset = dataset
    self.expected = dict(expected)
    self.max_failed_share = max_failed_share
    self.frame_counts = {split: collections.Counter() for split in expected}
    self._seconds = collections.Counter()
    self.left_out = {}  # split -> number of videos, for splits without a single file
    self.notes = {}  # what else is to be known of the raw data, for JSON
    self._failed = []
    self._start = time.time()

  def add(self, split, outcome):
    """Adds an Outcome of a split."""
    if outcome.reason:
      self._failed.append({'split': split, 'id': outcome.name, 'path': outcome.path,
                           'reason': outcome.reason, 'detail': outcome.detail})
    else:
      self.frame_counts[split][outcome.frames] += 1
      self._seconds[split] += outcome.frames / outcome.fps if outcome.fps else 0

  def check(self):
    """Raises TooManyFailures if more videos failed than are allowed."""
    if len(self._failed) > self.max_failed_share * sum(self.expected.values()):
      raise TooManyFailures(
          f'{self.summary()}: more than the allowed {self.max_failed_share:.0%} cannot be used. Is '
          'it the right folder? To leave them out, raise --max_failed_share (for a folder of your '
          'own, bind from_video_folder.max_failed_share)')

  def summary(self):
    """Returns one line: how many videos there are, and how many cannot be used for each reason."""
    total, failed = sum(self.expected.values()), len(self._failed)
    prepared = sum(sum(counts.values()) for counts in self.frame_counts.values())
    reasons = collections.Counter(failure['reason'] for failure in self._failed)
    listed = ', '.join(f'{reason} {count:,}' for reason, count in reasons.most_common())
    return f'{total:,} videos: {prepared:,} prepared, {failed:,} unusable' + (
        f' ({listed})' if listed else '')

  def as_dict(self):
    """Returns the whole report, a dict for JSON."""
    return {
        'dataset': self.dataset,
        'summary': self.summary(),
        'splits': {split: {
            'videos': count,
            'prepared': sum(self.frame_counts[split].values()),
            'frames': sum(frames * videos for frames, videos in self.frame_counts[split].items()),
            'hours': round(self._seconds[split] / 3600, 4),
            'unusable': dict(collections.Counter(
                failure['reason'] for failure in self._failed if failure['split'] == split)),
        } for split, count in self.expected.items()},
        'left_out_splits': self.left_out,
        'notes': self.notes,
        'wall_time_s': round(time.time() - self._start, 1),
        'reasons': {reason: text for reason, text in raw_videos.REASONS.items()
                    if any(failure['reason'] == reason for failure in self._failed)},
        'failed': sorted(self._failed, key=lambda failure: (failure['split'], failure['id'])),
    }

  def write(self, folder):
    """Writes preparation_report.json into a folder; returns the path of the file."""
    path = os.path.join(os.fspath(folder), FILE_NAME)
    files.write(path, json.dumps(self.as_dict(), indent=2) + '\n')
    return path


def summary(path):
  """Returns the summary in the file of a report."""
  return files.read_json(path, {'summary': str})['summary']


def prepare(builder, manual_dir=None, beam_runner=None, beam_options=None, wait=False):
  """Downloads or generates a data set, unless it is already prepared.

  Args:
    builder: tfds.core.DatasetBuilder of the data set.
    manual_dir: str, path of the folder with files that the user downloaded, or None.
    beam_runner: str, name of a runner of Beam, such as 'DirectRunner'. If None, Beam is used only
      if there are options.
    beam_options: list of str, options of the pipeline as on a command line, or None.
    wait: bool, whether to wait for another process that prepares the same data set. If False, such
      a process is an error.

  Returns:
    bool, whether there was something to do.

  Raises:
    FileNotFoundError: if `manual_dir` isn't a folder, or lacks files that the data set needs.
    ValueError: if another process is preparing the same data set, Beam is not installed, a download
      fails, or too much of the raw data is damaged.
    OSError: if the data cannot be written.
  """
  if builder.data_path.exists():
    return False
  manual_dir = manual_dir and os.path.expanduser(manual_dir)
  if manual_dir is not None and not tf.io.gfile.isdir(manual_dir):
    raise FileNotFoundError(f'--manual_dir={manual_dir} is not a folder')
  with _sole_process(builder.data_path.parent, wait):
    if builder.data_path.exists():
      return False
    _remove_incomplete(builder)
    try:
      with _patience():
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(
            manual_dir=manual_dir, beam_runner=beam_runner,
            beam_options=_pipeline_options(beam_runner, beam_options)))
    except AssertionError as error:
      if 'anual dir' not in str(error):
        raise
      raise FileNotFoundError(' '.join(str(error).split())) from error  # says what belongs there
    except (tf.errors.OpError, RuntimeError) as error:
      # TFDS raises errors of files again, sometimes as a RuntimeError.
      cause = error if isinstance(error, tf.errors.OpError) else error.__cause__
      if not isinstance(cause, (tf.errors.OpError, OSError)):
        raise
      with files.told(os.fspath(builder.data_path.parent), 'written into'):
        raise cause
    except (requests.exceptions.RequestException, download_util.DownloadError,
            download_manager.NonMatchingChecksumError) as error:
      raise ValueError(f'{builder.name} cannot be downloaded ({type(error).__name__}, after '
                       f'{_TRIES} tries); check the network and the address. Files in the manual '
                       'directory are not downloaded') from error
  return True


def _patience():
  """Returns a context in which TFDS gives up soon, and once, on addresses that do not answer."""
  # Not only in the context: threads of other downloads go on for a while after an error.
  logging.getLogger('urllib3.connectionpool').setLevel(logging.ERROR)
  return mock.patch.multiple(
      downloader, MAX_RETRIES=_TRIES - 1,
      _open_url=functools.partial(downloader._open_url, timeout=_TIMEOUT))


def _pipeline_options(runner, options):
  """Returns Beam's options; None if Beam is not asked for."""
  if runner is None and not options:
    return None
  try:
    from apache_beam.options import pipeline_options  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise ValueError("Beam is not installed: pip install 'tf-videogen[beam]'") from error
  return pipeline_options.PipelineOptions(options or [])


@contextlib.contextmanager
def _sole_process(folder, wait):
  """Holds a lock on a local folder. The lock ends with the process, however that ends."""
  if files.is_remote(os.fspath(folder)):  # cloud storage has no locks
    yield
    return
  os.makedirs(folder, exist_ok=True)
  with open(os.path.join(folder, LOCK), 'w') as lock:
    try:
      fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
      if error.errno in (errno.EACCES, errno.EAGAIN):
        raise ValueError(
            f'another process is preparing the data in {folder}; wait until it is done') from error
      print(f'{folder} has no locks ({error.strerror}): prepare the data in one process only')
    yield


def _remove_incomplete(builder):
  """Removes what killed runs left of this version, while no other process prepares it."""
  if files.is_remote(os.fspath(builder.data_path)):
    return  # without a lock, it may belong to another process
  for path in builder.data_path.parent.glob(f'incomplete.*_{builder.data_path.name}'):
    shutil.rmtree(path)
    print(f'removed {path}, left by a run that did not finish', flush=True)
