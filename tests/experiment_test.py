"""Training and evaluation of tiny models, whole, stopped and going on."""

import glob
import os
import shutil
import signal

from absl import logging
import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import experiment as experiments
from tf_videogen.data import clip_source
from tf_videogen.data import clips as clips_lib
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results
from tf_videogen.training import optimizers

pytestmark = [pytest.mark.filterwarnings('ignore:Even though the `tf.config'),
              pytest.mark.usefixtures('eagerly')]

STEPS = 5
HOW = {'steps_per_loop': 2, 'checkpoint_interval': 3, 'evaluation_interval': 3, 'preview_clips': 2}


def _stop(_):
  os.kill(os.getpid(), signal.SIGTERM)


def _losses(model_dir):
  return {row['step']: row['loss'] for row in results.read_training_log(model_dir)}


def _values(model_dir):
  return {(row.step, row.split, row.metric): row.value for row in results.read_results(model_dir)}


def _assert_alike(found, expected):
  assert found.keys() == expected.keys()
  for key, value in expected.items():
    np.testing.assert_allclose(found[key], value, 1e-5, err_msg=str(key))


@pytest.fixture(scope='module', name='experiment')
def _experiment(tiny):
  return tiny.experiment(train_steps=STEPS, splits=('test', 'train'), evaluation_limit=6)


@pytest.fixture(scope='module', name='unbroken')
def _unbroken(experiment, cpu, eager_scope, tmp_path_factory):
  """The model directory of a VQ-VAE that was trained without a stop."""
  model_dir = str(tmp_path_factory.mktemp('unbroken'))
  seen = []
  with eager_scope():
    assert experiments.train(experiment, model_dir, cpu, actions=[seen.append], **HOW) is True
  assert len(seen) == 4 and all('loss' in terms for terms in seen)
  return model_dir


def test_a_whole_run(unbroken):
  log = results.read_training_log(unbroken)
  # Loops of 2 steps that end at multiples of 2, and at the evaluations.
  assert [row['step'] for row in log] == [2, 3, 4, 5]
  assert set(log[0]) == {
      'step', 'loss', 'nmse', 'commitment', 'gradient_norm', 'learning_rate', 'steps_per_second'}
  rows = results.read_results(unbroken)
  assert len(rows) == len(_values(unbroken))  # none twice
  assert {row.step for row in rows} == {3, STEPS}
  assert {row.split for row in rows} == {'test', 'train'}
  assert {row.metric for row in rows} == {
      'nmse', 'nmse_fixed_variance', 'psnr', 'ssim', 'codebook_perplexity', 'codebook_usage'}
  assert {row.examples for row in rows} == {6}
  assert [checkpoints.step_of(path) for path in checkpoints.paths(unbroken)] == [STEPS, 3]
  with np.load(os.path.join(unbroken, 'previews', 'test.npz')) as previews:
    assert previews['data'].shape == previews['reconstructions'].shape == (2, 4, 8, 8, 1)
    assert previews['data'].dtype == np.uint8 and previews['conditioning_frames'] == 0
  for part in ('train', 'evaluation'):
    assert glob.glob(os.path.join(unbroken, 'summaries', part, 'events.out.tfevents.*'))


def test_stopped_and_resumed_is_the_unbroken_run(experiment, unbroken, cpu, tmp_path):
  model_dir, stops = str(tmp_path), [_stop, _stop]
  def action(terms):
    if stops:
      stops.pop()(terms)
  run = lambda: experiments.train(experiment, model_dir, cpu, actions=[action], **HOW)
  assert run() is False
  assert checkpoints.step_of(checkpoints.paths(model_dir)[0]) == 2
  assert run() is False  # in the evaluation of step 3
  assert checkpoints.step_of(checkpoints.paths(model_dir)[0]) == 3 and not _values(model_dir)
  assert run() is True
  _assert_alike(_losses(model_dir), _losses(unbroken))
  _assert_alike(_values(model_dir), _values(unbroken))
  assert len(results.read_results(model_dir)) == len(_values(unbroken))


def test_asked_to_stop(experiment, unbroken, cpu, tmp_path, capsys):
  """Training ends at a checkpoint, evaluated; without the file it goes on to its end."""
  model_dir = str(tmp_path)
  ask = lambda _: layout.ask_to_stop(model_dir, 'fvd got worse')
  assert experiments.train(experiment, model_dir, cpu, actions=[ask], **HOW) is True
  assert 'stopped early: fvd got worse; to resume, delete ' in capsys.readouterr().out
  assert layout.finished(model_dir) == 3 and layout.is_trained(model_dir, STEPS)
  assert [checkpoints.step_of(path) for path in checkpoints.paths(model_dir)] == [3]
  assert {row.step for row in results.read_results(model_dir)} == {3}
  before = _losses(model_dir)
  assert experiments.train(experiment, model_dir, cpu, **HOW) is True  # again
  assert _losses(model_dir) == before and layout.finished(model_dir) == 3
  os.remove(layout.stop_file(model_dir))
  assert not layout.is_trained(model_dir, STEPS)
  assert experiments.train(experiment, model_dir, cpu, **HOW) is True
  _assert_alike(_losses(model_dir), _losses(unbroken))
  assert layout.finished(model_dir) == STEPS and layout.is_trained(model_dir, STEPS)


def test_asked_to_stop_between_checkpoints(tiny, cpu, tmp_path, capsys):
  """Loops of 2 steps and checkpoints at every third: where it is asked, one is written."""
  experiment, model_dir = tiny.experiment(train_steps=12), str(tmp_path)
  ask = lambda _: results.read_training_log(model_dir)[-1]['step'] == 6 and layout.ask_to_stop(
      model_dir, 'fvd got worse')
  assert experiments.train(
      experiment, model_dir, cpu, evaluate_too=False, actions=[ask], **HOW) is True
  assert layout.finished(model_dir) == 8
  assert [checkpoints.step_of(path) for path in checkpoints.paths(model_dir)] == [8, 6, 4]
  capsys.readouterr()
  layout.set_finished(model_dir, None)
  assert experiments.train(experiment, model_dir, cpu, evaluate_too=False, **HOW) is True
  assert layout.finished(model_dir) == 8


def test_asked_to_stop_at_the_end(experiment, unbroken, cpu, tmp_path, capsys):
  """Whoever has come to the end does not stop early."""
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  layout.ask_to_stop(model_dir, 'fvd got worse')
  assert experiments.train(experiment, model_dir, cpu, **HOW) is True
  assert 'stopped early' not in capsys.readouterr().out and layout.finished(model_dir) == STEPS


def test_goes_on_from_the_latest_readable(experiment, unbroken, cpu, tmp_path, monkeypatch):
  """The damaged checkpoint's steps are done again, and nothing is written twice."""
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  os.truncate(os.path.join(model_dir, f'ckpt-{STEPS}.index'), 9)
  warnings = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: warnings.append(text % args))
  assert experiments.train(experiment, model_dir, cpu, **HOW)
  assert f'ckpt-{STEPS} cannot be read' in warnings[0]
  _assert_alike(_losses(model_dir), _losses(unbroken))
  assert _values(model_dir) == _values(unbroken)
  assert len(results.read_results(model_dir)) == len(_values(unbroken))
  assert checkpoints.step_of(checkpoints.paths(model_dir)[0]) == STEPS


def test_a_missing_evaluation_is_made_up(experiment, unbroken, cpu, tmp_path):
  """A run that was killed between its last checkpoint and the evaluation."""
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  path = os.path.join(model_dir, results.RESULTS_FILE)
  with open(path) as f:
    lines = f.readlines()
  with open(path, 'w') as f:
    f.writelines(line for line in lines if not line.startswith(f'{STEPS},'))
  shutil.rmtree(os.path.join(model_dir, 'previews'))
  assert experiments.train(experiment, model_dir, cpu, **HOW)
  _assert_alike(_values(model_dir), _values(unbroken))
  assert os.path.exists(os.path.join(model_dir, 'previews', 'test.npz'))
  before = results.read_results(model_dir)
  assert experiments.train(experiment, model_dir, cpu, **HOW)
  assert results.read_results(model_dir) == before


def test_training_longer(tiny, unbroken, cpu, tmp_path, monkeypatch, capsys):
  """With another rate, which is in the log; a rate of 0 is told once."""
  model_dir, warnings = str(tmp_path / 'run'), []
  shutil.copytree(unbroken, model_dir)
  monkeypatch.setattr(logging, 'warning', lambda text, *args: warnings.append(text % args))
  longer = lambda steps, rate: experiments.train(
      tiny.experiment(train_steps=steps, optimizer=lambda: optimizers.adam(rate)), model_dir, cpu,
      evaluate_too=False, steps_per_loop=1)
  assert longer(STEPS + 2, 0.01) and longer(STEPS + 4, 0.)
  rates = [row['learning_rate'] for row in results.read_training_log(model_dir)]
  assert rates[-5:] == [np.float32(3e-4), np.float32(0.01), np.float32(0.01), 0., 0.]
  assert [warning for warning in warnings if 'learning rate is 0' in warning] == [
      f'the learning rate is 0 at step {STEPS + 3}, so nothing is learned any more: its schedule '
      f'(decay_steps) ends before Experiment.train_steps = {STEPS + 4}']
  out = capsys.readouterr().out
  assert f', from step {STEPS} to {STEPS + 2}\n' in out
  assert f'trained to step {STEPS + 4}, in {model_dir}\n' in out


def test_begins_with_the_weights_of_another_run(tiny, experiment, unbroken, cpu, tmp_path):
  """And with a step and an optimizer of its own; what was begun so goes on by itself."""
  model_dir = str(tmp_path / 'tuned')
  tuned = tiny.experiment(train_steps=1, optimizer=lambda: optimizers.adam(0.))
  for _ in range(2):
    assert experiments.train(tuned, model_dir, cpu, evaluate_too=False, init_from=unbroken)
  assert [checkpoints.step_of(path) for path in checkpoints.paths(model_dir)] == [1]
  values = lambda folder: {
      name: tf.train.load_variable(checkpoints.paths(folder)[0], name)
      for name, _ in tf.train.list_variables(checkpoints.paths(folder)[0])}
  ours, theirs = values(model_dir), values(unbroken)
  kernels = [name for name in ours if name.startswith('model/') and '/kernel/' in name
             and 'OPTIMIZER' not in name]
  assert len(kernels) > 5
  for name in kernels:
    np.testing.assert_array_equal(ours[name], theirs[name])
  wider = tiny.experiment(lambda: tiny.vqvae_task(codes=16), train_steps=1)
  with pytest.raises(ValueError, match='was made by another configuration than the model to begin'):
    experiments.train(wider, str(tmp_path / 'wider'), cpu, init_from=unbroken)


def test_of_a_small_split_nothing_is_shown_twice(tiny, experiment, unbroken, cpu, tmp_path):
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  experiments.evaluate(experiment, model_dir, cpu, preview_clips=12)
  with np.load(os.path.join(model_dir, 'previews', 'test.npz')) as previews:
    assert previews['data'].shape == previews['reconstructions'].shape == (10, 4, 8, 8, 1)


def test_groups_in_tensorboard(unbroken):
  tags = set()
  for path in glob.glob(os.path.join(unbroken, 'summaries', '*', 'events.out.tfevents.*')):
    for event in tf.compat.v1.train.summary_iterator(path):
      tags |= {value.tag for value in event.summary.value}
  assert {'train/loss', 'train/nmse', 'train/gradient_norm', 'rates/learning_rate',
          'rates/steps_per_second', 'test/nmse', 'train/psnr', 'test/data'} <= tags
  assert {tag.split('/')[0] for tag in tags if '/' in tag} == {'train', 'test', 'rates'}


def test_evaluate_appends(experiment, unbroken, cpu, tmp_path):
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  output = experiments.evaluate(experiment, model_dir, cpu, preview_clips=0)
  rows = results.read_results(model_dir)
  again = rows[len(results.read_results(unbroken)):]
  assert {f'{row.split}/{row.metric}': row.value for row in again} == {
      name: value for name, value in output.items() if not name.endswith('/examples')}
  _assert_alike({(row.step, row.split, row.metric): row.value for row in again},
                {key: value for key, value in _values(unbroken).items() if key[0] == STEPS})
  with pytest.raises(FileNotFoundError, match='no checkpoint in .*: train first'):
    experiments.evaluate(experiment, str(tmp_path / 'empty'), cpu)


def test_evaluate_continuously(experiment, unbroken, cpu, tmp_path):
  """What was not evaluated yet, the oldest first; then there is nothing to wait for."""
  model_dir = str(tmp_path / 'run')
  shutil.copytree(unbroken, model_dir)
  os.remove(os.path.join(model_dir, results.RESULTS_FILE))
  output = experiments.evaluate_continuously(experiment, model_dir, cpu, 60, poll_seconds=1)
  rows = results.read_results(model_dir)
  assert list(dict.fromkeys(row.step for row in rows)) == [3, STEPS]
  last = _values(model_dir)[STEPS, 'test', 'nmse']
  assert last == output['test/nmse']
  np.testing.assert_allclose(last, _values(unbroken)[STEPS, 'test', 'nmse'], 1e-5)
  assert experiments.evaluate_continuously(experiment, model_dir, cpu, 60, 1) is None


def test_evaluate_continuously_gives_up(experiment, cpu, tmp_path):
  assert experiments.evaluate_continuously(experiment, str(tmp_path), cpu, 0.1, 0.1) is None


def test_clips_without_a_class_are_told(tiny, unbroken, cpu, tmp_path, monkeypatch):
  """Where the model is told classes; it trains on them as clips of no class."""
  arrays = dict(np.load(tiny.files.train))
  arrays['label'][[3, 7]] = -1
  np.savez(tmp_path / 'train.npz', **arrays)
  clips = clips_lib.FileClips(str(tmp_path / 'train.npz'), arrays['video'].shape[1] - 1)
  warnings = []
  monkeypatch.setattr(logging, 'warning', lambda text, *args: warnings.append(text % args))
  for classes in (0, 3):
    experiments.train(
        tiny.experiment(lambda: tiny.prior(unbroken, classes=classes), clips=clips, train_steps=1),
        str(tmp_path / f'{classes}'), cpu, evaluate_too=False)
  told, = warnings
  assert told.startswith('2 clips of the training file (train) have no label (it is -1), and '
                         'VideoGPTTask trains on them as clips of no class: ')


def test_a_process_looks_at_the_splits_that_it_reads(tiny, unbroken, cpu, tmp_path, monkeypatch):
  """A trainer whose evaluation is another process's looks at no other; nor does that process."""
  looked = []
  monkeypatch.setattr(clip_source.ClipSource, 'check', lambda self, splits: looked.append(splits))
  model_dir = shutil.copytree(unbroken, tmp_path / 'run')
  experiment = tiny.experiment(train_steps=STEPS, splits=('validation', 'test'))
  experiments.train(experiment, str(model_dir), cpu, evaluate_too=False, **HOW)
  experiments.evaluate_continuously(experiment, str(tmp_path / 'empty'), cpu, 0.1, 0.1)
  assert list(map(list, looked)) == [['train'], ['validation', 'test']]


def test_an_evaluator_tells_what_it_cannot_read_before_it_waits(tiny, cpu, tmp_path):
  with pytest.raises(ValueError, match="no file for split 'validation'"):
    experiments.evaluate_continuously(
        tiny.experiment(splits=('validation',)), str(tmp_path), cpu, 0.1, 0.1)


def test_errors_before_training(tiny, unbroken, two_replicas, cpu, tmp_path):
  odd = tiny.experiment(batch_size=3)
  with pytest.raises(ValueError, match='Experiment.batch_size = 3 is not divisible by the 2 '):
    experiments.train(odd, str(tmp_path), two_replicas)
  other = tiny.experiment(lambda: tiny.prior(unbroken))
  with pytest.raises(ValueError, match='was made by another configuration'):
    experiments.train(other, unbroken, cpu)
  with pytest.raises(FileNotFoundError, match='no checkpoint of the VQ-VAE in'):
    experiments.train(tiny.experiment(lambda: tiny.prior('nowhere')), str(tmp_path / 'p'), cpu)
