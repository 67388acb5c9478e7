"""Configs of the Video Transformer: which videos they train on, and in which windows."""

import gin
import pytest

from docs import shipped_configs
from tf_videogen import experiment
from tf_videogen.evaluation import protocols
from tf_videogen.launch import configs

pytestmark = pytest.mark.usefixtures('no_config_left')

NAMES = [name for name in shipped_configs.NAMES if name.startswith('video_transformer/')]
HELD_OUT = 256  # "256 BAIR Robot Pushing validation videos" (Table 3)


def _clips(name):
  shipped_configs.parse(name)
  return configs.configured(experiment.Experiment)().clips


def test_validation_videos_of_bair_are_not_trained_on():
  shipped_configs.parse('evaluation/video_transformer_bair_validation.gin')
  protocol = configs.configured(protocols.Protocol)()
  assert protocol.split == f'train[-{HELD_OUT}:]' and protocol.task_metrics
  assert not protocol.measures  # nothing is sampled
  gin.clear_config()
  splits = {}
  for name in NAMES:
    clips = _clips(name)
    if hasattr(clips, 'dataset'):
      splits.setdefault(clips.dataset.split('_')[0], set()).add(clips.train_split)
    gin.clear_config()
  assert splits == {'bair': {f'train[:-{HELD_OUT}]'}, 'kinetics600': {'train'},
                    'moving': {'train'}}


def test_windows_of_spatial_subscaling():
  """All windows of four frames of a clip of 30; of its first 16 frames samples and scores are."""
  shipped_configs.parse('video_transformer/bair_spatial.gin')
  made = configs.configured(experiment.Experiment)()
  task = made.task()
  assert made.clips.frames == 30
  assert (task.frames, task.evaluated_frames, task.sample_frames) == (4, 16, 16)
