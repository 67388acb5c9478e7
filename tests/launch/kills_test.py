"""Programs that are killed at any moment, and started again, end as if nothing had been.

The moments are drawn by a seed over the whole time that each program takes: training, checkpoints,
evaluations, previews, samples, exports, reports, preparation, the levels of a cascade.
"""

import os
import random

import numpy as np
import pytest
import tensorflow as tf

from tests import raw_data
from tests.launch import forks
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results

OF_CASCADE = 4  # of all kills: a GAN takes a minute to be traced


def jobs(folder, tiny_files, all_of_them=True):
  """(program, its arguments) one after the other; all that they write is in the folder.

  Without all of them, those that compile samplers and those of cascades are left out.
  """
  vqvae, prior = folder / 'vqvae', folder / 'prior'
  cascade = ['--gin_file=ssw_gan/smoke.gin', f'--model_dir={folder / "cascade"}',
             '--gin_param=experiment.Experiment.train_steps=2',
             '--gin_param=experiment.train.steps_per_loop=1',
             '--gin_param=experiment.train.checkpoint_interval=1', '--strategy=cpu']
  of_vqvae = [
      ('train', [f'--gin_file={tiny_files.vqvae_gin}', f'--model_dir={vqvae}', '--strategy=cpu']),
      ('evaluate', [f'--model_dir={vqvae}', '--strategy=cpu']),
      ('report', [f'--model_dir={vqvae}', f'--output={folder / "report.html"}']),
      ('prepare', ['--dataset=ucf101_clips/64', f'--manual_dir={folder.parent / "raw"}',
                   f'--data_dir={folder / "data"}', '--num_processes=1',
                   '--max_failed_share=1']),
  ]
  return of_vqvae + all_of_them * [
      ('train', [f'--gin_file={tiny_files.prior_gin}', f'--model_dir={prior}', '--strategy=cpu',
                 f'--gin_param=VQVAE_DIR="{vqvae}"']),
      ('sample', [f'--model_dir={prior}', '--num_samples=4', '--strategy=cpu',
                  f'--output={folder / "samples"}']),
      ('export', [f'--model_dir={prior}', f'--export_dir={folder / "exported"}',
                  '--batch_size=2']),
      ('train_cascade', cascade),
  ]


def _variables(folder):
  """The values of a directory's latest checkpoint, but counters of saves."""
  reader = tf.train.load_checkpoint(checkpoints.paths(str(folder))[0])
  types = reader.get_variable_to_dtype_map()
  return {name: reader.get_tensor(name) for name, dtype in types.items()
          if dtype != tf.string and 'save_counter' not in name}


def _arrays(path):
  with np.load(path) as found:
    return dict(found)


def _state(folder):
  """All that the jobs were to leave: {name: value}."""
  found = {}
  for model_dir in ('vqvae', 'prior', 'cascade/level1', 'cascade/level2'):
    path = folder / model_dir
    if not path.exists():
      continue
    found[f'{model_dir} log'] = [
        {name: value for name, value in row.items() if name != results.SPEED}
        for row in results.read_training_log(str(path))]
    rows = [(row.step, row.split, row.metric, row.value) for row in results.read_results(str(path))]
    # launch.evaluate adds its rows again where it was killed behind them.
    found[f'{model_dir} results'] = sorted(set(rows))
    found.update({f'{model_dir} {name}': value for name, value in _variables(path).items()})
    found[f'{model_dir} steps'] = [checkpoints.step_of(p) for p in checkpoints.paths(str(path))]
  for path in folder.rglob('*.npz'):
    if 'decoded' not in path.parts:
      name = path.relative_to(folder)
      found.update({f'{name} {key}': value for key, value in _arrays(path).items()})
  found['samples'] = sorted(path.name for path in folder.glob('samples/*'))
  if (folder / 'exported').exists():
    draw = tf.saved_model.load(str(folder / 'exported')).signatures['sample']
    inputs = {name: tf.zeros(spec.shape, spec.dtype)
              for name, spec in draw.structured_input_signature[1].items()}
    found['exported'] = draw(**inputs)['videos'].numpy()
  found['report'] = (folder / 'report.html').read_text().count('<figure')
  data = next((folder / 'data' / 'ucf101_clips' / '64').iterdir())
  found['prepared'] = {path.name: path.read_bytes() for path in data.glob('*.tfrecord*')}
  return found


def _left_overs(folder):
  return [os.path.join(inner, name) for inner, folders, names in os.walk(folder)
          for name in [*folders, *names]
          if name.endswith('.tmp') or '_temp' in name or name.startswith('checkpoint.tmp')]


def write_raw(folder):
  """Three raw videos of UCF-101, and its lists."""
  names = [f'ApplyEyeMakeup/v_ApplyEyeMakeup_g{group}_c01.avi' for group in ('08', '09', '01')]
  for i, name in enumerate(names):
    raw_data.write_video(folder / 'UCF-101' / name, raw_data.moving_square(20, 24, 32, seed=i),
                         codec='mpeg4')
  (folder / 'ucfTrainTestlist').mkdir()
  for number in '123':
    (folder / 'ucfTrainTestlist' / f'trainlist0{number}.txt').write_text(
        ''.join(f'{name} 1\n' for name in names[:2]))
    (folder / 'ucfTrainTestlist' / f'testlist0{number}.txt').write_text(f'{names[2]}\n')


def _kill_all(jobs_of_folder, run, rng, kills, seconds):
  """Runs jobs, each killed some times on the way; returns how many kills hit it running."""
  hits = 0
  planned = [OF_CASCADE if name == 'train_cascade' else 0 for name, _ in jobs_of_folder]
  quick = [job for job, number in enumerate(planned) if not number]
  for i in range(kills - sum(planned)):
    planned[quick[i % len(quick)]] += 1
  for job, (name, arguments) in enumerate(jobs_of_folder):
    for _ in range(planned[job]):
      ended = run(name, *arguments, kill_after=rng.uniform(0, seconds[job]))
      assert ended.status in (-9, 0), name
      hits += ended.status == -9
    assert run(name, *arguments).status == 0, name
  return hits


def check_equal(unbroken, broken):
  """Checks that two folders hold the same after their jobs, and that nothing is left over."""
  expected, found = _state(unbroken), _state(broken)
  assert expected.keys() == found.keys()
  for name, value in expected.items():
    if isinstance(value, np.ndarray):
      np.testing.assert_array_equal(found[name], value, err_msg=name)
    else:
      assert found[name] == value, name
  assert not _left_overs(broken)


@pytest.mark.parametrize('kills', [10, pytest.param(100, marks=pytest.mark.slow)])
def test_kills_change_nothing(kills, tiny_files, tmp_path):
  """Ten kills are of some of the jobs."""
  write_raw(tmp_path / 'raw')
  unbroken, broken = tmp_path / 'unbroken', tmp_path / 'broken'
  unbroken.mkdir()
  broken.mkdir()
  with forks.server(tmp_path / 'output') as run:
    seconds = []
    for name, arguments in jobs(unbroken, tiny_files, kills > 10):
      ended = run(name, *arguments)
      assert ended.status == 0, (name, (tmp_path / 'output').read_text()[-2000:])
      seconds.append(ended.seconds)
    hits = _kill_all(
        jobs(broken, tiny_files, kills > 10), run, random.Random(kills), kills, seconds)
  print(f'{hits} of {kills} kills came before the end of their program')
  assert hits > kills // 2
  check_equal(unbroken, broken)
