"""A model directory and data in a file system that only TensorFlow knows, as gs:// is."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tests.launch import in_process
from tf_videogen.launch import evaluate
from tf_videogen.launch import export
from tf_videogen.launch import report
from tf_videogen.launch import sample
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results


@pytest.mark.slow
@pytest.mark.usefixtures('without_xla')
def test_from_training_to_samples(tiny_files, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)  # a path that is read as a local one would be made here
  remote = 'ram://bucket'
  for path in (tiny_files.train, tiny_files.test):
    tf.io.gfile.copy(path, os.path.join(remote, os.path.basename(path)), overwrite=True)
  data = [f"--gin_param=clips.FileClips.{name}_path='{remote}/{name}.npz'"
          for name in ('train', 'test')]
  vqvae, prior = f'{remote}/vqvae', f'{remote}/prior'

  for steps in (3, 6):  # stops, goes on
    assert in_process.run(train.main, f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={vqvae}',
                          f'--gin_param=TRAIN_STEPS={steps}', *data) == 0
  assert [row['step'] for row in results.read_training_log(vqvae)] == [1, 2, 3, 4, 5, 6]
  assert checkpoints.step_of(checkpoints.paths(vqvae)[0]) == 6
  assert in_process.run(train.main, f'--gin_file={tiny_files.prior_gin}', f'--model_dir={prior}',
                        '--gin_param=TRAIN_STEPS=2', f"--gin_param=VQVAE_DIR='{vqvae}'", *data,
                        '--mode=train') == 0
  assert in_process.run(evaluate.main, f'--model_dir={prior}',
                        '--gin_param=experiment.evaluate.preview_clips = 2') == 0
  assert in_process.run(sample.main, f'--model_dir={prior}', '--num_samples=2') == 0
  assert in_process.run(export.main, f'--model_dir={prior}', f'--export_dir={remote}/export') == 0
  assert 'sample' in tf.saved_model.load(f'{remote}/export').signatures
  with tf.io.gfile.GFile(f'{prior}/samples/samples.npz', 'rb') as f, np.load(f) as found:
    assert found['samples'].shape == (2, 4, 8, 8, 1)
  assert in_process.run(report.main, f'--model_dir={vqvae}', f'--model_dir={prior}',
                        f'--output={remote}/report.html') == 0
  assert tf.io.gfile.exists(f'{remote}/report.html')
  assert not os.listdir(tmp_path)
