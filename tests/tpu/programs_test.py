"""The programs with --strategy=tpu, on one core that is a processor: every family, end to end.

Training is stopped by SIGTERM and goes on; numbers, previews and samples are those of a processor.
"""

import os
import signal

import gin
import numpy as np
import pytest
import tensorflow as tf

from tests import fake_tpu
from tests.evaluation import fakes
from tests.launch import in_process
from tests.tpu import families as families_lib
from tests.training import runs
from tf_videogen.launch import evaluate
from tf_videogen.launch import export
from tf_videogen.launch import sample
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import results

CANNOT_SAMPLE = ('vqvae', 'first_slice')
PROTOCOL = '''
from __gin__ import dynamic_registration
from tests.tpu import families
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols

protocols.Protocol.name = 'tiny'
protocols.Protocol.measures = [@measures.FrechetDistance()]
measures.FrechetDistance.between = ('real', '{stream}')
protocols.Protocol.clips = @families.clips()
protocols.Protocol.split = 'test'
protocols.Protocol.videos = 4
families.clips.name = '{name}'
protocols.Protocol.generated = 4
protocols.Protocol.frames = 4
measures.FrechetDistance.frames = 4
'''


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
  fakes.install(monkeypatch, tmp_path / 'cache')
  yield
  gin.clear_config()


def _run(program, *arguments):
  status = in_process.run(program.main, *arguments)
  gin.clear_config()
  return status


def _train(gin_file, model_dir, strategy, monkeypatch):
  """Trains one step, is stopped, and goes on to the end."""
  arguments = [
      train, f'--gin_file={gin_file}', f'--model_dir={model_dir}', f'--strategy={strategy}']
  append = results.TrainingLog.append

  def stopping(log, step, terms):
    append(log, step, terms)
    os.kill(os.getpid(), signal.SIGTERM)

  with monkeypatch.context() as patch:
    patch.setattr(results.TrainingLog, 'append', stopping)
    assert _run(*arguments) == 143
  assert [checkpoints.step_of(path) for path in checkpoints.paths(model_dir)] == [1]
  assert _run(*arguments) == 0
  assert [row['step'] for row in results.read_training_log(model_dir)] == [1, 2]


def _assert_same(ours, theirs):
  """Checks logs, results and previews of two model directories."""
  for mine, other in zip(*map(results.read_training_log, (ours, theirs)), strict=True):
    assert mine.keys() == other.keys()
    np.testing.assert_allclose([mine[key] for key in other if key != results.SPEED],
                               [other[key] for key in other if key != results.SPEED], rtol=1e-5)
  mine, other = map(runs.rows, (ours, theirs))
  assert [row[:3] for row in mine] == [row[:3] for row in other] and mine
  np.testing.assert_allclose([row[3] for row in mine], [row[3] for row in other], rtol=1e-5)
  mine, other = map(runs.previews, (ours, theirs))
  assert mine.keys() == other.keys()
  for name, value in mine.items():
    # A gray value is rounded; nothing else differs.
    np.testing.assert_allclose(value.astype(float), other[name].astype(float), atol=1, err_msg=name)


def _sampled(model_dir, output, strategy):
  assert _run(sample, f'--model_dir={model_dir}', f'--strategy={strategy}', '--num_samples=3',
              '--batch_size=2', f'--output={output}') == 0
  with np.load(os.path.join(output, 'samples.npz')) as found:
    return found['samples'].astype(float)


@pytest.mark.parametrize('name', families_lib.parameters('vqvae'))
def test_programs(name, families, tmp_path, monkeypatch):
  gin_file = families.gin_file(name)
  ours, theirs = str(tmp_path / 'tpu'), str(tmp_path / 'cpu')
  fake_tpu.executed_by_programs(monkeypatch)
  for model_dir, strategy in ((theirs, 'cpu'), (ours, 'tpu')):
    _train(gin_file, model_dir, strategy, monkeypatch)
  _assert_same(ours, theirs)
  protocol = tmp_path / 'protocol.gin'
  stream = 'reconstructed' if name in CANNOT_SAMPLE else 'generated'
  if name != 'first_slice':  # it makes no videos
    protocol.write_text(PROTOCOL.format(stream=stream, name=name))
    for model_dir, strategy in ((theirs, 'cpu'), (ours, 'tpu')):
      assert _run(evaluate, f'--gin_file={protocol}', f'--model_dir={model_dir}',
                  f'--strategy={strategy}') == 0
    values = [[row.value for row in results.read_results(path) if row.protocol]
              for path in (ours, theirs)]
    np.testing.assert_allclose(*values, rtol=1e-3)
  if name in CANNOT_SAMPLE:
    return
  samples = [_sampled(path, str(tmp_path / f'{kind}_samples'), kind)
             for path, kind in ((ours, 'tpu'), (theirs, 'cpu'))]
  np.testing.assert_allclose(*samples, atol=1)
  exported = str(tmp_path / 'exported')
  assert _run(export, f'--model_dir={ours}', f'--export_dir={exported}', '--batch_size=2') == 0
  draw = tf.saved_model.load(exported).signatures['sample']
  assert draw.structured_outputs['videos'].shape[0] == 2
