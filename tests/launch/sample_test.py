"""launch.sample: the files that it writes, and a trained prior's samples and numbers."""

import os
import shutil

import numpy as np
import PIL.Image
import pytest

from tests import raw_data
from tests.launch import in_process
from tf_videogen.launch import evaluate
from tf_videogen.launch import sample


def _check_names(folder, count):
  names = {'samples.npz', 'samples.gif', 'samples.png'}
  names |= {'.sample_files.json'}
  names |= {f'sample_{i:04d}.{end}' for i in range(count) for end in ('gif', 'mp4', 'png')}
  assert set(os.listdir(folder)) == names


def _check_videos(folder, videos):
  """Checks the files of single samples, uint8 [N, T, H, W, C]."""
  for i, video in enumerate(videos):
    path = os.path.join(folder, f'sample_{i:04d}')
    np.testing.assert_array_equal(raw_data.read_video(path + '.gif', video.shape[-1])[0], video)
    assert raw_data.read_video(path + '.mp4', video.shape[-1])[0].shape == video.shape
    with PIL.Image.open(path + '.png') as strip:
      assert strip.width >= video.shape[0] * video.shape[2] and strip.height >= video.shape[1]


@pytest.mark.parametrize('conditioning_frames', [None, 0, 1])
def test_write(tmp_path, conditioning_frames):
  rng = np.random.default_rng(0)
  samples = np.repeat(rng.integers(256, size=(10, 3, 8, 8, 1), dtype=np.uint8), 2, axis=2)
  videos = {'samples': samples}
  if conditioning_frames is not None:
    videos |= {'data': 255 - samples, 'conditioning_frames': np.int32(conditioning_frames)}
  sample.write(videos, str(tmp_path), fps=5)
  _check_names(tmp_path, 10)
  _check_videos(tmp_path, samples)
  with np.load(tmp_path / 'samples.npz') as found:
    assert set(found) == set(videos) | {'fps'} and found['fps'] == 5
    for name, value in videos.items():
      np.testing.assert_array_equal(found[name], value)


@pytest.mark.usefixtures('without_xla', 'built_eagerly')
def test_samples_of_a_prior(prior_dir, tmp_path, capsys):
  assert in_process.run(
      sample.main, f'--model_dir={prior_dir}', '--num_samples=3', '--batch_size=2', '--top_k=4',
      '--temperature=0.9', '--conditions=train', f'--output={tmp_path}') == 0
  assert f'3 samples in {tmp_path}' in capsys.readouterr().out
  with np.load(tmp_path / 'samples.npz') as found:
    assert found['samples'].shape == found['data'].shape == (3, 4, 8, 8, 1)
  _check_names(tmp_path, 3)


def test_numbers_of_a_prior(prior_dir, tmp_path, capsys):
  model_dir = tmp_path / 'copy'
  shutil.copytree(prior_dir, model_dir)
  assert in_process.run(evaluate.main, f'--model_dir={model_dir}',
                        '--gin_param=experiment.evaluate.preview_clips = 0') == 0
  out = capsys.readouterr().out
  assert 'test/bits_per_code' in out and 'test/nats_per_clip' in out
