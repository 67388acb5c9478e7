"""Keeps decoded videos in a folder, so that a stopped preparation resumes where it was."""

import dataclasses
import hashlib
import io
import os
import zipfile

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.preparation import raw_videos

_LAYOUT = 2  # part of every name: another layout or another decoder finds none of the old files


class VideoCache:
  """Decoded videos, found by path, size and time of their file and by the arguments of decoding.

  Args:
    folder: str, path of the folder, local or remote (gs://). It is made when the first video is put
      into it.
  """

  def __init__(self, folder):
    self.folder = os.fspath(folder)

  def get(self, job):
    """Returns the RawVideo of a `decoding.Job`, or None if it isn't here."""
    path = self._path(job)
    if path is None or not tf.io.gfile.exists(path):
      return None
    try:
      arrays = files.read_arrays(path)
      ends = np.cumsum(arrays['lengths'])
      content = arrays['content'].tobytes()
      frames = [content[end - length:end] for end, length in zip(ends, arrays['lengths'])]
      fps, height, width = arrays['fps_height_width']
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, tf.errors.OpError):
      return None  # damaged on disk
    return raw_videos.RawVideo(frames, float(fps), int(height), int(width))

  def put(self, job, video):
    """Keeps a RawVideo whose frames are files (bytes), unless the job's file is gone."""
    path = self._path(job)
    if path is None:
      return
    buffer = io.BytesIO()
    np.savez(buffer, content=np.frombuffer(b''.join(video.frames), np.uint8),
             lengths=np.array([len(frame) for frame in video.frames], np.int64),
             fps_height_width=np.array([video.fps, video.height, video.width], np.float64))
    files.write(path, buffer.getvalue())

  def clear(self):
    """Removes the folder."""
    if tf.io.gfile.exists(self.folder):
      tf.io.gfile.rmtree(self.folder)

  def _path(self, job):
    """Returns the path of a job's video; None if size and time of the job's file are unknown."""
    found = files.size_and_time(job.path)
    if found is None:
      return None
    identity = repr((_LAYOUT, dataclasses.astuple(job), found))
    name = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return os.path.join(self.folder, name[:2], f'{name}.npz')
