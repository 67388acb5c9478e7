"""A prior for the tests of programs that read one."""

import shutil

import gin
import pytest

from tests.evaluation import fakes
from tf_videogen import experiment
from tf_videogen.launch import configs


@pytest.fixture(scope='session')
def prior_dir(tiny_files, tmp_path_factory, cpu):
  """The model directory of a prior, untrained, as after two steps; its VQ-VAE's is gone.

  Tests don't write there.
  """
  folder = tmp_path_factory.mktemp('trained')
  vqvae, prior = folder / 'vqvae', folder / 'prior'
  few = 'TRAIN_STEPS=2'
  _save(vqvae, cpu, tiny_files.vqvae_gin, few)
  _save(prior, cpu, tiny_files.prior_gin, few, f"VQVAE_DIR='{vqvae}'")
  gin.clear_config()
  shutil.rmtree(vqvae)
  return prior


def _save(model_dir, strategy, gin_file, *params):
  """Writes a model directory as training begins one."""
  configs.parse([gin_file], params)
  configs.keep(str(model_dir), True, [gin_file], params)
  config = configs.configured(experiment.Experiment)()
  fakes.save(config, model_dir, strategy, step=2,
             change=lambda task: task.initialize(config.clips))
