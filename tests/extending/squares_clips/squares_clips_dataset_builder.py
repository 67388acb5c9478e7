"""Videos of squares; see the README.md beside this file."""

import os

import tensorflow_datasets as tfds

from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder


class Builder(video_builder.VideoBuilder):
  """Videos of a square that crosses a picture."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = 'Put the videos into this directory: {train,test}/<id>.mp4.'
  BUILDER_CONFIGS = [video_builder.VideoConfig(
      name='16', short_side=16, min_frames=6, description='Shorter side 16.')]

  def _info(self):
    return self._video_info(homepage='https://example.com/squares')

  def _sources(self, dl_manager):
    folder = os.fspath(dl_manager.manual_dir)
    sources = {'train': [], 'test': []}
    for name in raw_files.find(folder, ('.mp4',)):
      split, file_name = os.path.split(name)
      sources[split].append(video_builder.Source(
          os.path.splitext(file_name)[0], os.path.join(folder, name)))
    return sources
