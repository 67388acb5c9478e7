"""A model directory goes from one line of TensorFlow to the other, and back.

TF_VIDEOGEN_OTHER_VENV names an environment of launch/install.sh with the line that this one is not.
"""

import csv
import os
import pathlib
import shutil
import sys

import numpy as np
import pytest

from tests import processes

OTHER = os.environ.get('TF_VIDEOGEN_OTHER_VENV', '')
PYTHONS = {'this': sys.executable, 'other': str(pathlib.Path(OTHER) / 'bin' / 'python')}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    not OTHER, reason='TF_VIDEOGEN_OTHER_VENV is not set')]


def _run(python, name, *arguments):
  done = processes.run(PYTHONS[python], '-m', f'launch.{name}', '--strategy=cpu', *arguments)
  assert done.returncode == 0, done.stderr


def _train(python, config, model_dir, steps, *params):
  _run(python, 'train', f'--gin_file={config}', f'--model_dir={model_dir}',
       f'--gin_param=TRAIN_STEPS = {steps}', *[f'--gin_param={param}' for param in params])


@pytest.fixture(name='trained', params=PYTHONS)
def _trained(request, tiny_files, tmp_path):
  """A VQ-VAE and a prior that one of the two has trained, and who it was."""
  _train(request.param, tiny_files.vqvae_gin, tmp_path / 'vqvae', 3)
  vqvae_dir = f"VQVAE_DIR = '{tmp_path}/vqvae'"
  _train(request.param, tiny_files.prior_gin, tmp_path / 'prior', 3, vqvae_dir)
  return tmp_path, vqvae_dir


def test_versions_differ():
  versions = [processes.run(python, '-c', 'import tensorflow; print(tensorflow.__version__)').stdout
              for python in PYTHONS.values()]
  assert sorted(version[:4] for version in versions) == ['2.15', '2.20']


def test_samples_numbers_and_further_training_are_the_same(trained, tiny_files):
  folder, vqvae_dir = trained
  samples, numbers = {}, {}
  for python in PYTHONS:
    model_dir = folder / python
    shutil.copytree(folder / 'prior', model_dir)
    _run(python, 'sample', f'--model_dir={model_dir}', '--num_samples=4')
    with np.load(model_dir / 'samples' / 'samples.npz') as found:
      samples[python] = found['samples'].astype(int)
    _train(python, tiny_files.prior_gin, model_dir, 6, vqvae_dir)
    with open(model_dir / 'results.csv', newline='') as file:
      numbers[python] = {(row['step'], row['metric']): float(row['value'])
                         for row in csv.DictReader(file)}
  assert np.abs(samples['this'] - samples['other']).max() <= 1 and samples['this'].std() > 1
  assert {step for step, _ in numbers['this']} == {'3', '6'}
  assert numbers['other'] == pytest.approx(numbers['this'], rel=1e-5)
