"""A trained prior for the tests of programs that read one."""

import shutil

import pytest

from tests.launch import in_process
from tf_videogen.launch import train


@pytest.fixture(scope='session')
def prior_dir(tiny_files, tmp_path_factory):
  """The model directory of a prior of two steps; its VQ-VAE's is gone. Tests don't write there."""
  folder = tmp_path_factory.mktemp('trained')
  vqvae, prior = folder / 'vqvae', folder / 'prior'
  few = ['--strategy=cpu', '--mode=train', '--gin_param=TRAIN_STEPS=2']
  assert in_process.run(
      train.main, f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={vqvae}', *few) == 0
  assert in_process.run(
      train.main, f'--gin_file={tiny_files.prior_gin}', f'--model_dir={prior}', *few,
      f"--gin_param=VQVAE_DIR='{vqvae}'") == 0
  shutil.rmtree(vqvae)
  return prior
