"""launch.evaluate --follow and --keep_best: the best checkpoint, and every one as it comes."""

import os
import shutil
import signal
import time

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.launch import evaluations
from tests.launch import in_process
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen.evaluation import best as kept
from tf_videogen.launch import configs
from tf_videogen.launch import evaluate
from tf_videogen.launch import evaluations as launched
from tf_videogen.launch import program
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results

PROGRAM = evaluate
networks, clean, run_fixture, fails_fixture = evaluations.FIXTURES


@pytest.fixture(name='saved_vqvae', scope='module')
def _saved_vqvae(tiny_files, tmp_path_factory, cpu):
  """What the directory of `vqvae` is a copy of."""
  model_dir = tmp_path_factory.mktemp('saved') / 'vqvae'
  configs.parse([tiny_files.vqvae_gin], [])
  configs.keep(str(model_dir))
  for step, noise in ((2, 0.3), (4, 0.0), (6, 0.5)):
    fakes.save(configs.configured(experiments.Experiment)(), model_dir, cpu, step,
               lambda task, noise=noise: _add_noise(task, noise))
  return model_dir


@pytest.fixture(name='vqvae')
def _vqvae(networks, saved_vqvae, tiny_files, tmp_path):
  """The directory of a VQ-VAE with checkpoints of steps 2, 4 and 6, its last; and arguments."""
  model_dir = shutil.copytree(saved_vqvae, tmp_path / 'vqvae')
  protocol = evaluations.protocol_file(
      tmp_path, tiny_files, 'videogpt_bair_vqvae', task_metrics=False)
  return model_dir, [f'--gin_file={protocol}', f'--model_dir={model_dir}', '--strategy=cpu']


def _add_noise(task, scale):
  rng = np.random.default_rng(0)
  for variable in task.model.decoder.trainable_variables:
    variable.assign_add(scale * rng.normal(size=variable.shape).astype(np.float32))


def _values(model_dir, metric):
  return {row.step: row.value for row in results.read_results(str(model_dir))
          if row.metric == metric}


@pytest.mark.usefixtures('eagerly')
def test_every_checkpoint_and_the_best(run, vqvae, monkeypatch):
  """Each once, the oldest first, by one model; what is kept can be evaluated and trained."""
  model_dir, arguments = vqvae
  arguments += ['--gin_param=protocols.Protocol.task_metrics=True']
  built, build = [], building.build
  monkeypatch.setattr(building, 'build', lambda *args: built.append(1) or build(*args))
  lines, _ = run(*arguments, '--follow', '--keep_best=nmse', '--patience=1')
  assert not layout.asked_to_stop(str(model_dir))  # step 6 is the last one anyway
  assert len(built) == 1 + 3  # for samples, and at each step for the task
  values = _values(model_dir, 'nmse')
  assert list(values) == [2, 4, 6] and values[4] < values[2] < values[6]
  assert lines[f'{model_dir}/best'] == (
      f'{model_dir}/best is unchanged: nmse {values[4]:.6g} of step 4 is the best')
  best = model_dir / 'best'
  assert {path.name for path in best.iterdir()} == {
      'checkpoint', 'ckpt-4.index', 'ckpt-4.data-00000-of-00001', 'clips.json', 'config.gin',
      'finished.json'}
  assert kept.judged(str(model_dir), 'videogpt_bair_vqvae', 'nmse') == {2, 4, 6}
  rows = results.read_results(str(model_dir))
  again, _ = run(*arguments, '--follow', '--keep_best=nmse')
  assert not again and results.read_results(str(model_dir)) == rows
  arguments[1] = f'--model_dir={best}'
  run(*arguments)
  for metric in ('nmse', 'r_fvd'):
    assert _values(best, metric)[4] == pytest.approx(_values(model_dir, metric)[4], rel=1e-5)
  assert in_process.run(train.main, arguments[1], '--strategy=cpu', '--mode=train',
                        '--gin_param=TRAIN_STEPS=5') == 0
  assert [checkpoints.step_of(path) for path in checkpoints.paths(str(best))] == [5, 4]


@pytest.mark.usefixtures('eagerly')
def test_what_was_evaluated_without_keeping_is_judged_later(run, vqvae):
  model_dir, arguments = vqvae
  run(*arguments, '--follow')
  rows = len(results.read_results(str(model_dir)))
  run(*arguments, '--follow', '--keep_best=r_fvd')
  assert len(results.read_results(str(model_dir))) == 2 * rows
  values = _values(model_dir, 'r_fvd')
  best, = checkpoints.paths(str(model_dir / 'best'))
  assert checkpoints.step_of(best) == min(values, key=values.get)


@pytest.mark.usefixtures('eagerly')
def test_values_of_random_networks_are_measured_again(run, vqvae):
  model_dir, arguments = vqvae
  arguments += ['--follow', '--keep_best=r_fvd']
  run(*arguments, '--networks=random')
  assert len(_values(model_dir, 'r_fvd')) == 3
  rows = len(results.read_results(str(model_dir)))
  run(*arguments)
  assert len(results.read_results(str(model_dir))) == 2 * rows
  values = _values(model_dir, 'r_fvd')
  best, = checkpoints.paths(str(model_dir / 'best'))
  assert checkpoints.step_of(best) == min(values, key=values.get)
  run(*arguments, '--networks=random')
  assert len(results.read_results(str(model_dir))) == 2 * rows


@pytest.mark.usefixtures('eagerly')
def test_a_crash_before_the_rows_are_written(run, vqvae, monkeypatch):
  """The step is evaluated again, and kept again."""
  model_dir, arguments = vqvae
  arguments += ['--follow', '--keep_best=r_fvd']
  finish = launched.finish

  def crash(*_):
    raise KeyboardInterrupt

  monkeypatch.setattr(launched, 'finish', crash)
  assert in_process.run(evaluate.main, *arguments) == 130
  kept = lambda: [checkpoints.step_of(path) for path in checkpoints.paths(str(model_dir / 'best'))]
  assert not results.read_results(str(model_dir)) and kept() == [2]
  monkeypatch.setattr(launched, 'finish', finish)
  run(*arguments)
  values = _values(model_dir, 'r_fvd')
  assert list(values) == [2, 4, 6] and kept() == [min(values, key=values.get)]


@pytest.mark.usefixtures('eagerly')
def test_what_does_not_come(run, vqvae):
  """A checkpoint that cannot be read is left out; following ends where none is new."""
  model_dir, arguments = vqvae
  (model_dir / 'ckpt-4.data-00000-of-00001').write_bytes(b'')
  start = time.time()
  run(*arguments, '--follow', '--follow_timeout=1', '--gin_param=TRAIN_STEPS=8')
  assert time.time() - start > 1
  assert list(_values(model_dir, 'r_fvd')) == [2, 6] and not (model_dir / 'best').exists()


@pytest.mark.usefixtures('eagerly')
def test_patience(run, vqvae, monkeypatch):
  """Training is asked to stop, and following ends with its last checkpoint."""
  model_dir, arguments = vqvae
  arguments += ['--gin_param=protocols.Protocol.task_metrics=True', '--follow', '--keep_best=nmse',
                '--patience=1', '--gin_param=TRAIN_STEPS=8']
  ask = layout.ask_to_stop

  def stopped(folder, reason):
    ask(folder, reason)
    layout.set_finished(folder, 6)  # as training would

  monkeypatch.setattr(layout, 'ask_to_stop', stopped)
  lines, _ = run(*arguments)
  reason = layout.asked_to_stop(str(model_dir))
  assert reason.startswith('none of the 1 checkpoints after step 4 has a better nmse than its ')
  assert f'asked the training to stop: {reason}' in lines.values()
  assert list(_values(model_dir, 'nmse')) == [2, 4, 6]


@pytest.mark.usefixtures('eagerly')
def test_sigterm_ends_following(vqvae, monkeypatch):
  """Also while it waits, and in the midst of an evaluation."""
  model_dir, arguments = vqvae
  arguments += ['--follow', '--gin_param=TRAIN_STEPS=8']
  finish = launched.finish

  def stop(name, split, step, *rest):
    finish(name, split, step, *rest)
    if step == at:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(launched, 'finish', stop)
  for at, steps in ((2, [2]), (6, [2, 4, 6])):
    assert in_process.run(evaluate.main, *arguments) == program.STOPPED
    assert list(_values(model_dir, 'r_fvd')) == steps


@pytest.mark.usefixtures('eagerly')
def test_what_cannot_be_kept_or_followed(fails, vqvae, monkeypatch, capsys):
  model_dir, arguments = vqvae
  of_task = '--gin_param=protocols.Protocol.task_metrics=True'
  fails('--keep_best=fvd is not a metric of the protocol videogpt_bair_vqvae that ranks '
        'checkpoints; its metrics that do: r_fvd', *arguments, '--keep_best=fvd')
  fails('that do: r_fvd, the metrics of the task', *arguments, of_task,
        '--keep_best=gradient_norm')
  for flag in ('--keep_best=r_fvd', '--follow', '--follow_timeout=5', '--patience=2'):
    name = flag.partition('=')[0]
    fails(f'{name} is for protocols: add one with', arguments[1], flag)
  fails('--follow_timeout is for --follow', *arguments, '--follow_timeout=5')
  # What the protocol names, and nobody measures.
  assert in_process.run(evaluate.main, *arguments, of_task, '--keep_best=is') == 1
  said = capsys.readouterr().err.splitlines()[-1]
  assert said.endswith('--keep_best=is: not measured; there are: r_fvd, nmse, '
                       'nmse_fixed_variance, psnr, ssim, codebook_perplexity, codebook_usage')
  fakes.install(monkeypatch, model_dir / 'cache', missing=['i3d_kinetics400'])
  assert in_process.run(evaluate.main, *arguments, '--keep_best=r_fvd') == 1
  said = capsys.readouterr().err.splitlines()[-1]
  assert '--keep_best=r_fvd: not measured; ' in said and 'launch.get_networks' in said
  assert not (model_dir / 'best').exists()
