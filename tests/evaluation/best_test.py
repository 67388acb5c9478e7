"""`best/` has the best checkpoint, changes for a better one alone, and outlives crashes."""

import pytest
import tensorflow as tf

from tf_videogen.evaluation import best
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import records
from tf_videogen.metrics import networks
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.model_directory import results

NETWORK = 'i3d_kinetics400@1a2b3c4d'
NAN = float('nan')


class Crash(BaseException):
  """What no handler catches."""


class _Model:
  """A maker whose checkpoint says which step it is of."""

  def __init__(self, step):
    self.step = step

  def save(self, path):
    checkpoint = tf.train.Checkpoint(step=tf.Variable(self.step))
    checkpoint.save_counter.assign(1)
    checkpoint.write(path)


@pytest.fixture(name='evaluated', params=['local', 'ram'])
def _evaluated(request, tmp_path):
  """Evaluates a step: keeps the best, then writes the row; `kept()` is the step in best/."""
  model_dir = str(tmp_path) if request.param == 'local' else f'ram://{tmp_path.name}'
  for name in ('config.gin', 'clips.json'):
    tf.io.gfile.makedirs(model_dir)
    with tf.io.gfile.GFile(f'{model_dir}/{name}', 'w') as f:
      f.write(name)

  def evaluate(step, value, metric='fvd', network=NETWORK, protocol='p'):
    found = protocols.Value(metric, value, NAN, 8, network, '')
    said = best.keep(model_dir, model_dir, protocol, found, _Model(step))
    results.append_rows(model_dir, [results.Result(
        step, 'train', metric, value, protocol=protocol, network=network)])
    return said.removeprefix(f'{model_dir}/best ')

  def kept():
    found = tf.train.Checkpoint(step=tf.Variable(0))
    path = checkpoints.restore_latest(found, f'{model_dir}/best')
    if path is None:
      return None
    assert found.step.numpy() == checkpoints.step_of(path)
    for name in ('config.gin', 'clips.json'):
      with tf.io.gfile.GFile(f'{model_dir}/best/{name}') as f:
        assert f.read() == name
    return checkpoints.step_of(path)

  evaluate.kept, evaluate.folder = kept, f'{model_dir}/best'
  return evaluate


def test_changes_for_a_better_one_alone(evaluated):
  assert evaluated(1, 9.5) == 'is now step 1: fvd 9.5 is the best of 1'
  assert evaluated(2, 9.75) == 'is unchanged: fvd 9.5 of step 1 is the best'
  assert evaluated(3, 9.5) == 'is unchanged: fvd 9.5 of step 1 is the best'
  assert evaluated.kept() == 1
  assert evaluated(4, 8) == 'is now step 4: fvd 8 is the best of 4' and evaluated.kept() == 4
  assert evaluated(5, NAN) == 'is unchanged: fvd of step 5 is not a number'
  assert evaluated(6, 8.5) and evaluated.kept() == 4
  assert evaluated(2, 7) and evaluated.kept() == 2  # an earlier one, evaluated again
  assert sorted(tf.io.gfile.listdir(evaluated.folder)) == [
      'checkpoint', 'ckpt-2.data-00000-of-00001', 'ckpt-2.index', 'clips.json', 'config.gin',
      'finished.json']
  assert tf.train.get_checkpoint_state(evaluated.folder).model_checkpoint_path.endswith('ckpt-2')


def test_of_other_metrics_the_highest(evaluated):
  steps = []
  for step, value in enumerate([9.5, 9.75, 8, 10], 1):
    evaluated(step, value, 'is')
    steps.append(evaluated.kept())
  assert steps == [1, 2, 2, 4]


def test_other_protocols_and_metrics_do_not_count(evaluated):
  evaluated(1, 2.0)
  evaluated(2, 1.0, protocol='other')
  evaluated(3, 1.5)
  assert evaluated.kept() == 3
  evaluated(4, 0.1, 'fid')
  evaluated(5, 1.4)
  assert evaluated.kept() == 5


def test_random_networks_among_themselves(evaluated):
  random = networks.NOT_COMPARABLE
  evaluated(1, 2.0, network=random)
  evaluated(2, 1.0, network=random)
  assert evaluated.kept() == 2
  evaluated(1, 50.0)
  assert evaluated.kept() == 1
  assert 'is not comparable' in evaluated(3, 0.5, network=random)
  assert evaluated.kept() == 1
  evaluated(4, 40.0)
  assert evaluated.kept() == 4


def test_says_what_was_not_kept(evaluated):
  model_dir = evaluated.folder.removesuffix('/best')
  results.append_rows(model_dir, [results.Result(1, 'train', 'fvd', 2.0, protocol='p')])
  said = evaluated(2, 3.0)
  assert said.endswith('fvd 2 of step 1 is the best, which was evaluated without --keep_best')
  assert not tf.io.gfile.exists(evaluated.folder)


def _no_better(evaluated, patience, metric='fvd', protocol='p'):
  return best.no_better_since(evaluated.folder.removesuffix('/best'), protocol, metric, patience)


def test_no_better_since(evaluated):
  for step, value in ((10, 9.0), (20, 8.0), (30, 8.0), (40, NAN)):
    assert not _no_better(evaluated, 2)
    evaluated(step, value)
  assert _no_better(evaluated, 2) == (
      'none of the 2 checkpoints after step 20 has a better fvd than its 8')
  assert not _no_better(evaluated, 3) and not _no_better(evaluated, 1, protocol='other')
  evaluated(50, 7.5)
  assert not _no_better(evaluated, 1)
  for step, value in ((10, 1.0), (20, 2.0), (30, 1.5)):
    evaluated(step, value, 'is')
  assert _no_better(evaluated, 1, 'is') and not _no_better(evaluated, 2, 'is')


def test_no_better_of_no_number(evaluated):
  evaluated(1, NAN)
  evaluated(2, NAN)
  assert _no_better(evaluated, 2) == 'fvd was not a number at 2 checkpoints'
  evaluated(3, 5.0, network=networks.NOT_COMPARABLE)
  assert _no_better(evaluated, 2)  # of other networks


def test_the_last_one_is_evaluated(evaluated):
  model_dir = evaluated.folder.removesuffix('/best')
  assert not best.is_final(model_dir)
  evaluated(2, 9.0)
  assert not best.is_final(model_dir)
  layout.set_finished(model_dir, 4)
  assert not best.is_final(model_dir)
  results.append_rows(  # without --keep_best
      model_dir, [results.Result(4, 'train', 'fvd', 9.5, protocol='p')])
  assert not best.is_final(model_dir)
  assert best.judged(model_dir, 'p', 'fvd') == {2} and not best.judged(model_dir, 'p', 'fid')
  evaluated(4, 9.5)
  assert best.is_final(model_dir) and best.directory_of(model_dir) == evaluated.folder


@pytest.mark.parametrize('old, new', [(1, 2), (2, 1)])
@pytest.mark.parametrize('where', ['save', 'state', 'remove'])
def test_a_crash_leaves_the_old_or_the_new(evaluated, monkeypatch, where, old, new):
  evaluated(old, 9.0)

  def crash(*args, **kwargs):
    raise Crash

  target, name = {'save': (_Model, 'save'), 'remove': (tf.io.gfile, 'remove'), 'state': (
      tf.compat.v1.train, 'update_checkpoint_state')}[where]
  with monkeypatch.context() as patch:
    patch.setattr(target, name, crash)
    with pytest.raises(Crash):
      evaluated(new, 8.0)
  assert evaluated.kept() == (old if where == 'save' else max(old, new))
  # The row was not written: the same command evaluates the step again.
  evaluated(new, 8.0)
  assert evaluated.kept() == new
  assert len(tf.io.gfile.glob(f'{evaluated.folder}/ckpt-*')) == 2


def test_what_can_be_kept():
  protocol = protocols.Protocol('p', [
      measures.FrechetDistance('fvd'), measures.PowerSpectrum()])
  best.check('fvd', protocol)
  for metric in ('power_spectrum', 'psnr', 'nothing'):
    with pytest.raises(ValueError, match=f'--keep_best={metric} is not a metric of the protocol p '
                       'that ranks checkpoints; its metrics that do: fvd$'):
      best.check(metric, protocol)
  protocol.task_metrics = True
  best.check('psnr', protocol)
  with pytest.raises(ValueError, match='that do: fvd, the metrics of the task'):
    best.check('least_nats_per_frame', protocol)


def test_steps_that_a_protocol_has_evaluated(tmp_path):
  row = lambda step, metric, network='', protocol='p': results.Result(
      step, 'train', metric, 1.0, protocol=protocol, network=network)
  random = networks.NOT_COMPARABLE
  results.append_rows(str(tmp_path), [
      row(1, 'ssim'), row(1, 'fvd', NETWORK), row(2, 'ssim'), row(2, 'fvd', random),
      row(3, 'fvd', NETWORK, 'other'), row(4, 'fvd', random), row(4, 'fvd', NETWORK)])
  assert records.evaluated_steps(str(tmp_path), 'p') == {1, 4}
  assert records.evaluated_steps(str(tmp_path), 'p', random_networks=True) == {1, 2, 4}
