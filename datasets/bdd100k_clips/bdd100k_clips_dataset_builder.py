"""Builder of BDD100K, videos of driving; see the README.md beside this file."""

import os

import tensorflow_datasets as tfds

from tf_videogen.preparation import raw_files
from tf_videogen.preparation import video_builder

_FOLDERS = {'train': ('train',), 'validation': ('val', 'validation'), 'test': ('test',)}


class Builder(video_builder.VideoBuilder):
  """Videos of driving, every second frame, upright."""

  VERSION = tfds.core.Version('2.0.0')
  RELEASE_NOTES = {'2.0.0': 'Videos are stored in pieces.', '1.0.0': 'First release.'}
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
      'Register at https://bdd-data.berkeley.edu, download the parts of the videos '
      '(bdd100k_videos_train_00.zip and so on) and put them into this directory, as they are or '
      'extracted: bdd100k/videos/{train,val,test}/*.mov, in any folder.')
  # The finest level of the papers has every second frame of videos with 30 frames per second.
  BUILDER_CONFIGS = [
      video_builder.VideoConfig(
          name=f'{short_side}', short_side=short_side, frame_step=2,
          description=f'Shorter side {short_side}, every second frame.')
      for short_side in (64, 128, 256)]

  def _info(self):
    return self._video_info(homepage='https://bdd-data.berkeley.edu')

  def _sources(self, dl_manager):
    videos = self._belonging(raw_files.videos(
        os.fspath(dl_manager.manual_dir), 'bdd', self._extract_dir(),
        folders=raw_files.folder_names(_FOLDERS)))
    names = raw_files.of_split(videos, _FOLDERS)
    return {split: [video_builder.Source(os.path.splitext(os.path.basename(name))[0], videos[name])
                    for name in names[split]] for split in _FOLDERS}
