"""launch.export: the same videos for the same seed, in a process that doesn't know this package."""

import sys

import numpy as np
import pytest

from tests import processes
from tests.launch import in_process
from tf_videogen.launch import export
from tf_videogen.launch import sample

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


@pytest.mark.slow
def test_a_process_without_this_package_samples_the_same(tiny_files, prior_dir, tmp_path, capsys):
  chosen = [f'--model_dir={prior_dir}', '--batch_size=4', '--temperature=0.9', '--top_k=5']
  sampled = tmp_path / 'samples'
  assert in_process.run(sample.main, '--num_samples=4', '--seed=3', f'--output={sampled}',
                        *chosen) == 0
  capsys.readouterr()
  exported = tmp_path / 'exported'
  assert in_process.run(export.main, f'--export_dir={exported}', *chosen) == 0
  assert 'seed: int32 []\n  label: int32 [4]\n' in capsys.readouterr().out

  with np.load(tiny_files.test) as clips:
    np.save(tmp_path / 'label.npy', clips['label'][:4])
  done = processes.run(sys.executable, '-c', ELSEWHERE, cwd=tmp_path, PYTHONPATH='')
  assert not done.returncode, done.stderr
  drawn = np.load(tmp_path / 'drawn.npy')
  with np.load(sampled / 'samples.npz') as here:
    np.testing.assert_array_equal(drawn[0], here['samples'])
  np.testing.assert_array_equal(drawn[0], drawn[1])
  assert np.any(drawn[0] != drawn[2])


def test_mistakes(prior_dir, tmp_path, capsys):
  assert in_process.run(export.main, f'--model_dir={prior_dir}') == 1
  assert '--export_dir is missing' in capsys.readouterr().err
  assert in_process.run(export.main, f'--model_dir={tmp_path}', '--export_dir=no') == 1
  assert 'config.gin' in capsys.readouterr().err
