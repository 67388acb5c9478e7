"""Builder of TGIF, the Tumblr GIF data set; see the README.md beside this file."""

import os

import tensorflow_datasets as tfds

from tf_videogen.datasets.tgif_clips import lists
from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder


class Builder(video_builder.VideoBuilder):
  """Animated GIFs from Tumblr."""

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MAX_FAILED_SHARE = 0.5  # many addresses are dead
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      'Only addresses of the GIFs are distributed. `python -m launch.download_tgif '
      '--manual_dir=<this directory>` fetches the lists of the splits and what is still there. '
      'GIFs from elsewhere do as well, in any folder, under the last part of their address, such '
      'as tumblr_n9n04znLpA1qddk8uo1_500.gif, beside train.txt, val.txt and test.txt of '
      f'{lists.BASE_URL}.')
  BUILDER_CONFIGS = [
      video_builder.VideoConfig(
          name=f'{short_side}', short_side=short_side, description=f'Shorter side {short_side}.')
      for short_side in (64, 128, 256)]

  def _info(self):
    return self._video_info(homepage='http://raingo.github.io/TGIF-Release/')

  def _sources(self, dl_manager):
    root = os.fspath(dl_manager.manual_dir)
    videos = self._belonging(raw_files.videos(root, 'gif', self._extract_dir()))
    paths = {os.path.basename(name): path for name, path in videos.items()}
    found = {os.path.basename(name): os.path.join(root, name)
             for name in reversed(raw_files.find(root, tuple(lists.FILES.values())))}
    sources = {}
    for split, file_name in lists.FILES.items():
      path = found.get(file_name)
      if not path:
        raw_files.tell_download(dl_manager, file_name)
        path = dl_manager.download(f'{lists.BASE_URL}/{file_name}')
      names = dict.fromkeys(map(lists.file_name, lists.urls(os.fspath(path))))
      sources[split] = [
          video_builder.Source(os.path.splitext(name)[0], paths.get(name, os.path.join(root, name)))
          for name in names]
    return sources
