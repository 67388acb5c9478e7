"""launch.sample: the files that it writes, and a prior from its training to its samples."""

import os
import shutil

from absl.testing import flagsaver
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tf_videogen.data import video_io
from tf_videogen.launch import evaluate
from tf_videogen.launch import program
from tf_videogen.launch import sample
from tf_videogen.launch import train


def _run(main, *arguments):
  """Runs a program in this process; returns its exit status."""
  with flagsaver.flagsaver(), pytest.raises(SystemExit) as info:
    program.run(main, ['program', *map(str, arguments)])
  return info.value.code or 0


def _check_names(folder, count):
  names = {'samples.npz', 'samples.gif', 'samples.png'}
  names |= {f'sample_{i:04d}.{end}' for i in range(count) for end in ('gif', 'mp4', 'png')}
  assert set(os.listdir(folder)) == names


def _check_videos(folder, videos):
  """Checks the files of single samples, uint8 [N, T, H, W, C]."""
  for i, video in enumerate(videos):
    path = os.path.join(folder, f'sample_{i:04d}')
    np.testing.assert_array_equal(video_io.read_video(path + '.gif', video.shape[-1])[0], video)
    assert video_io.read_video(path + '.mp4', video.shape[-1])[0].shape == video.shape
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


def test_from_training_to_samples(tiny_files, tmp_path, monkeypatch, capsys):
  function = tf.function  # XLA needs ten seconds for a sampler, however small
  monkeypatch.setattr(
      tf, 'function', lambda f, jit_compile=None, **kwargs: function(f, **kwargs))
  vqvae_dir, prior_dir, output = tmp_path / 'vqvae', tmp_path / 'prior', tmp_path / 'output'
  few = ['--gin_param=TRAIN_STEPS = 2', '--mode=train']
  assert _run(train.main, f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={vqvae_dir}',
              *few) == 0
  assert _run(train.main, f'--gin_file={tiny_files.prior_gin}', f'--model_dir={prior_dir}', *few,
              f'--gin_param=VQVAE_DIR = \'{vqvae_dir}\'') == 0
  shutil.rmtree(vqvae_dir)
  capsys.readouterr()
  assert _run(sample.main, f'--model_dir={prior_dir}', '--num_samples=3', '--batch_size=2',
              '--top_k=4', '--temperature=0.9', '--conditions=train', f'--output={output}') == 0
  assert f'3 samples in {output}' in capsys.readouterr().out
  with np.load(output / 'samples.npz') as found:
    assert found['samples'].shape == found['data'].shape == (3, 4, 8, 8, 1)
  _check_names(output, 3)
  assert _run(evaluate.main, f'--model_dir={prior_dir}',
              '--gin_param=experiment.evaluate.preview_clips = 0') == 0
  out = capsys.readouterr().out
  assert 'test/bits_per_code' in out and 'test/nats_per_clip' in out
