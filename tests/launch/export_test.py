"""launch.export: the same videos for the same seed, in a process that doesn't know this package."""

import os
import subprocess
import sys

from absl.testing import flagsaver
import numpy as np
import pytest

from tf_videogen.launch import export
from tf_videogen.launch import program
from tf_videogen.launch import sample
from tf_videogen.launch import train

ELSEWHERE = '''
import sys
import numpy as np
import tensorflow as tf
loaded = tf.saved_model.load('exported')
label = tf.constant(np.load('label.npy'), tf.int32)
drawn = [loaded.signatures['sample'](seed=tf.constant(seed), label=label)['videos'].numpy()
         for seed in (3, 3, 4)]
assert not any(name.startswith('tf_videogen') for name in sys.modules)
np.save('drawn.npy', drawn)
'''


def _run(main, *arguments):
  with flagsaver.flagsaver(), pytest.raises(SystemExit) as info:
    program.run(main, ['program', *map(str, arguments)])
  return info.value.code or 0


def test_a_process_without_this_package_samples_the_same(tiny_files, tmp_path, capsys):
  vqvae, prior = tmp_path / 'vqvae', tmp_path / 'prior'
  fast = ['--strategy=cpu', '--mode=train', '--gin_param=TRAIN_STEPS=2']
  assert _run(train.main, f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={vqvae}', *fast) == 0
  assert _run(train.main, f'--gin_file={tiny_files.prior_gin}', f'--model_dir={prior}',
              f"--gin_param=VQVAE_DIR='{vqvae}'", *fast) == 0
  chosen = ['--batch_size=4', '--temperature=0.9', '--top_k=5']
  assert _run(sample.main, f'--model_dir={prior}', '--num_samples=4', '--seed=3', *chosen) == 0
  capsys.readouterr()
  assert _run(export.main, f'--model_dir={prior}', f'--export_dir={tmp_path / "exported"}',
              *chosen) == 0
  assert 'seed: int32 []\n  label: int32 [4]\n' in capsys.readouterr().out

  with np.load(tiny_files.test) as clips:
    np.save(tmp_path / 'label.npy', clips['label'][:4])
  environ = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
  subprocess.run([sys.executable, '-c', ELSEWHERE], cwd=tmp_path, check=True, env=environ)
  drawn = np.load(tmp_path / 'drawn.npy')
  with np.load(prior / 'samples' / 'samples.npz') as sampled:
    np.testing.assert_array_equal(drawn[0], sampled['samples'])
  np.testing.assert_array_equal(drawn[0], drawn[1])
  assert np.any(drawn[0] != drawn[2])

  assert _run(export.main, f'--model_dir={vqvae}', f'--export_dir={tmp_path / "no"}') == 1
  assert 'VQVAETask has nothing to sample from' in capsys.readouterr().err
  assert _run(export.main, f'--model_dir={prior}') == 1
  assert '--export_dir is missing' in capsys.readouterr().err
