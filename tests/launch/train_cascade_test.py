"""launch.train_cascade: level after level, killed and resumed in either, and errors in a line."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import processes
from tests.launch import in_process
from tf_videogen.evaluation import best
from tf_videogen.launch import cascades
from tf_videogen.launch import configs
from tf_videogen.launch import preflight
from tf_videogen.launch import sample
from tf_videogen.launch import train
from tf_videogen.launch import train_cascade
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results

NAME = 'python -m launch.train_cascade'
JUDGED = '{"protocol": "p", "metric": "fvd", "steps": [2, 4, 6]}'
SMOKE = '--gin_file=ssw_gan/smoke.gin'
# Two levels in seconds.
TINY = [SMOKE, '--strategy=cpu', *(f'--gin_param={binding}' for binding in (
    'experiment.Experiment.batch_size=2', 'experiment.Experiment.evaluation_limit=2',
    'experiment.Experiment.precision="float32"', 'experiment.train.steps_per_loop=2',
    'experiment.train.checkpoint_interval=2', 'TRAIN_STEPS=6',
    'moving_shapes.MovingShapes.examples=8', 'discriminators.Discriminators.channels=2',
    'cascade.FirstGenerator.channels=2', 'tasks.VideoGANTask.standing_passes=2',
    'tasks.VideoGANTask.standing_batch=2')),
        *(f'--level_param=2:{binding}' for binding in (
            'level2/cascade.UpscalingGenerator.channels=2',
            'tasks.UpscalingTask.standing_passes=2',
            'tasks.UpscalingTask.standing_batch=2'))]


def _run(*arguments, program=train_cascade, name=NAME):
  return in_process.run(program.main, *arguments, name=name)


def _digest(folder):
  """Of all files of a folder: name -> digest."""
  return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
          for path in sorted(pathlib.Path(folder).glob('*')) if path.is_file()}


def _weights(model_dir):
  """All that the latest checkpoint has."""
  reader = checkpoints.tf.train.load_checkpoint(checkpoints.paths(model_dir)[0])
  return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
          if 'save_counter' not in name and 'OBJECT_GRAPH' not in name}


# --- folders ---


def test_the_last_level_stands_for_the_cascade(tmp_path):
  folder = str(tmp_path)
  assert cascades.last_level(folder) == folder
  cascades.save(folder, cascades.Cascade(['a.gin', 'b.gin', 'c.gin']))
  cascades.save(folder, cascades.Cascade(['a.gin', 'b.gin', 'c.gin']))
  assert cascades.last_level(folder) == os.path.join(folder, 'level3')
  with pytest.raises(ValueError, match=r'is the directory of another cascade \(a.gin, '
                     r'b.gin, c.gin'):
    cascades.save(folder, cascades.Cascade(['a.gin']))
  with pytest.raises(ValueError, match='must list the config of at least one level'):
    cascades.Cascade([])


@pytest.mark.parametrize('message, arguments', [
    ('--model_dir is missing', [SMOKE]),
    ('--level=3: the cascade has 2 levels', [SMOKE, '--model_dir=DIR', '--level=3']),
    ('--level_param=TRAIN_STEPS=1 must be N:NAME=VALUE, N from 1 to 2',
     [SMOKE, '--model_dir=DIR', '--level_param=TRAIN_STEPS=1']),
    ('--gin_file must be the config of a cascade, such as',
     ['--gin_file=ssw_gan/smoke_stage1.gin', '--model_dir=DIR']),
    ('--gin_file must be the config of a cascade, such as', ['--model_dir=DIR']),
    ('give one --gin_file, ',
     [SMOKE, '--gin_file=ssw_gan/smoke_stage1.gin', '--model_dir=DIR']),
    pytest.param("no checkpoint of the level below in 'DIR/level1'",
                 [*TINY, '--model_dir=DIR', '--level=2'], marks=pytest.mark.slow),
])
def test_mistakes(tmp_path, capsys, message, arguments):
  assert _run(*[a.replace('DIR', str(tmp_path)) for a in arguments]) == 1
  error = capsys.readouterr().err.strip().splitlines()[-1]
  assert error.startswith(f'{NAME}: ') and message.replace('DIR', str(tmp_path)) in error


def test_a_trained_level_of_another_config(tmp_path, capsys):
  """It isn't skipped, whatever has changed."""
  folder = cascades.directory(str(tmp_path), 1)
  configs.parse(['ssw_gan/smoke_stage1.gin'], ['moving_shapes.MovingShapes.max_speed=3.0'])
  configs.keep(folder, True, (), ())
  tf.train.Checkpoint(step=tf.Variable(7)).save(os.path.join(folder, 'ckpt'))
  layout.set_finished(folder, 1500)
  arguments = [SMOKE, '--strategy=cpu', f'--model_dir={tmp_path}', '--level=1']
  assert _run(*arguments) == 1
  assert (f'{folder} is the directory of another config (moving_shapes.MovingShapes.max_speed was '
          '3.0, now 1.0)') in capsys.readouterr().err
  assert _run(*arguments, '--gin_param=experiment.Experiment.batch_size=4') == 1
  assert 'experiment.Experiment.batch_size was ' in capsys.readouterr().err
  before = _digest(folder)
  assert not _run(*arguments, '--gin_param=moving_shapes.MovingShapes.max_speed=3.0')
  assert 'level 1 (ssw_gan/smoke_stage1.gin) is trained, 1,500 steps' in capsys.readouterr().out
  assert _digest(folder) == before


def test_a_level_below_that_went_on(tmp_path):
  """Whoever trains level 1 longer is told that level 2 is not of it."""
  lower, folder = (cascades.directory(str(tmp_path), level) for level in (1, 2))
  cascades.keep_below(folder, lower)  # not trained yet
  assert not os.path.exists(folder)
  layout.set_finished(lower, 6)
  cascades.keep_below(folder, lower, writes=False)
  assert not os.path.exists(folder)
  cascades.keep_below(folder, lower)
  layout.set_finished(lower, 8)
  cascades.keep_below(folder, lower)  # level 2 has not begun
  tf.train.Checkpoint(step=tf.Variable(7)).save(os.path.join(folder, 'ckpt'))
  cascades.keep_below(folder, lower)
  layout.set_finished(lower, 9)
  with pytest.raises(ValueError, match=f'{folder} was trained from step 8 of {lower}, which is now '
                     f'at step 9: move {folder} away'):
    cascades.keep_below(folder, lower)
  layout.set_finished(lower, None)  # gone, say
  cascades.keep_below(folder, lower)


@pytest.mark.parametrize('module', [train, preflight])
def test_a_cascade_is_no_model(tmp_path, capsys, module):
  """For programs of one model; they say which program is for cascades."""
  assert _run(SMOKE, f'--model_dir={tmp_path / "run"}', program=module) == 1
  assert 'this is the config of a cascade: use launch.train_cascade, or ' in capsys.readouterr().err
  assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('module', [train, sample])
def test_a_cascade_whose_last_level_is_not_begun(tmp_path, capsys, module):
  cascades.save(str(tmp_path), cascades.Cascade(['a.gin', 'b.gin']))
  assert _run(f'--model_dir={tmp_path}', program=module) == 1
  assert f'the last level of the cascade in {tmp_path} has not started' in capsys.readouterr().err


def test_the_last_level_is_what_is_trained_and_evaluated(tiny_files, tmp_path, capsys):
  """By launch.train, of a cascade's directory, whatever model the level is."""
  cascades.save(str(tmp_path), cascades.Cascade(['a.gin', 'b.gin']))
  folder = cascades.directory(str(tmp_path), 2)
  configs.parse([tiny_files.vqvae_gin], [])
  configs.keep(folder, True, (), ())
  assert _run(f'--model_dir={tmp_path}', '--mode=evaluate', '--strategy=cpu', program=train) == 1
  assert f'no checkpoint in {folder}: train first' in capsys.readouterr().err
  assert sorted(os.listdir(tmp_path)) == ['cascade.json', 'level2']


# --- runs ---

LONG = 1200  # seconds: busy cores trace a level for five minutes


def _process(model_dir):
  """A cascade of TINY levels as it trains in a process of its own."""
  return processes.started(
      *processes.program('train_cascade', *TINY, f'--model_dir={model_dir}'))


@pytest.mark.slow
def test_levels_killed_and_resumed_are_the_unbroken_run(tmp_path, capsys):
  """SIGTERM in the first level, SIGKILL in the second; then what's done is skipped, and sampled."""
  whole, broken = str(tmp_path / 'whole'), str(tmp_path / 'broken')
  assert not _run(*TINY, f'--model_dir={whole}')
  for level, kind in ((1, signal.SIGTERM), (2, signal.SIGKILL)):
    folder = cascades.directory(broken, level)
    with _process(broken) as process:
      processes.until(lambda folder=folder: checkpoints.paths(folder), LONG, process)
      process.send_signal(kind)
      process.wait(120)
    assert layout.finished(folder) is None
  first = _digest(cascades.directory(broken, 1))
  assert first
  with _process(broken) as process:
    assert not process.wait(LONG)
  assert _digest(cascades.directory(broken, 1)) == first
  for level in (1, 2):
    expected = _weights(cascades.directory(whole, level))
    found = _weights(cascades.directory(broken, level))
    assert set(found) == set(expected)
    for name, value in expected.items():
      np.testing.assert_array_equal(found[name], value, err_msg=name)
    assert results.read_results(cascades.directory(broken, level))
  capsys.readouterr()
  assert not _run(*TINY, f'--model_dir={whole}')
  assert capsys.readouterr().out.count('is trained, 6 steps') == 2
  assert not _run(f'--model_dir={whole}', '--num_samples=3', '--temperature=0.5',
                  '--sample_frames=32', program=sample, name='sample')
  folder = pathlib.Path(cascades.directory(whole, 2)) / 'samples'
  with np.load(folder / 'samples.npz') as videos:
    assert videos['samples'].shape == (3, 32, 32, 32, 1)
    assert videos['level1'].shape == (3, 16, 16, 16, 1)
  assert (folder / 'levels.gif').stat().st_size > 1000


def test_the_best_of_a_level_that_is_not_evaluated(tmp_path, capsys, monkeypatch):
  """It is asked for before anything is trained of it, or waited for."""
  folder = cascades.directory(str(tmp_path), 1)
  layout.set_finished(folder, 6)
  of_two = [*TINY, f'--model_dir={tmp_path}', '--level=2', '--from_best']
  assert _run(*of_two) == 1
  error = capsys.readouterr().err.strip().splitlines()[-1]
  assert error.startswith(f'{NAME}: the last checkpoint of {folder} is not evaluated yet with '
                          '--keep_best: python -m launch.evaluate ')
  assert not os.path.exists(cascades.directory(str(tmp_path), 2))

  def evaluated(_):
    layout.set_finished(best.directory_of(folder), 4)
    (pathlib.Path(folder) / 'judged.json').write_text(JUDGED)

  monkeypatch.setattr(time, 'sleep', evaluated)
  monkeypatch.setattr(train, 'train', lambda config, *_: None)
  assert not _run(*of_two, '--wait')
  assert capsys.readouterr().out.count('waiting: ') == 1
  kept = (tmp_path / 'level2' / 'config.gin').read_text()
  assert f"LOWER_DIR = '{folder}/best'" in kept


@pytest.mark.slow
def test_a_level_of_the_best_one_below(tmp_path, capsys):
  """It has the weights of best/, not those of the last step."""
  folder, first = str(tmp_path), cascades.directory(str(tmp_path), 1)
  assert not _run(*TINY, f'--model_dir={folder}', '--level=1', '--noevaluate')
  shutil.copytree(first, tmp_path / 'best')
  os.rename(tmp_path / 'best', best.directory_of(first))
  steps = sorted(checkpoints.step_of(path) for path in checkpoints.paths(first))
  for path in pathlib.Path(best.directory_of(first)).glob(f'ckpt-{steps[-1]}.*'):
    path.unlink()
  tf.compat.v1.train.update_checkpoint_state(best.directory_of(first), f'ckpt-{steps[0]}')
  layout.set_finished(best.directory_of(first), steps[0])
  (pathlib.Path(first) / 'judged.json').write_text(JUDGED)
  assert not _run(*TINY, f'--model_dir={folder}', '--from_best', '--noevaluate')
  of_two = _weights(cascades.directory(folder, 2))
  of_best, of_last = _weights(best.directory_of(first)), _weights(first)
  kernel = next(name for name in of_best if 'averaged_generator/first' in name
                and not np.array_equal(of_best[name], of_last[name]))
  there = kernel.replace('averaged_generator', 'lower/0')
  np.testing.assert_array_equal(of_two[there], of_best[kernel])
  assert json.loads((tmp_path / 'level2' / 'below.json').read_text()) == {
      'step': steps[0], 'folder': 'best'}
  layout.set_finished(str(tmp_path / 'level2'), None)
  assert _run(*TINY, f'--model_dir={folder}', '--noevaluate') == 1
  assert 'trained from best of the level below, not from level1' in capsys.readouterr().err


@pytest.mark.slow
def test_a_level_alone(tmp_path, capsys):
  """The second one wants the first one trained to its end."""
  folder = str(tmp_path / 'cascade')
  assert not _run(*TINY, f'--model_dir={folder}', '--level=1', '--noevaluate')
  assert not os.path.exists(cascades.directory(folder, 2))
  assert json.loads((tmp_path / 'cascade' / 'cascade.json').read_text())['levels'] == [
      'ssw_gan/smoke_stage1.gin', 'ssw_gan/smoke_stage2.gin']
  first = cascades.directory(folder, 1)
  layout.set_finished(first, None)
  assert _run(*TINY, f'--model_dir={folder}', '--level=2') == 1
  assert 'is not trained to its end (its latest checkpoint is of step 6)' in capsys.readouterr().err
  layout.set_finished(first, 6)
  assert not _run(*TINY, f'--model_dir={folder}', '--level=2', '--noevaluate')
  assert layout.finished(cascades.directory(folder, 2)) == 6
