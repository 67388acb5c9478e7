"""launch.import_videogpt: a model directory of an authors' file, and what is done with it."""

import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.launch import in_process
from tests.published import small_models
from tests.published import torch_writer
from tf_videogen.launch import evaluate
from tf_videogen.launch import export
from tf_videogen.launch import import_videogpt
from tf_videogen.launch import report
from tf_videogen.launch import sample
from tf_videogen.launch import train
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import origin
from tf_videogen.published import torch_files

pytestmark = pytest.mark.usefixtures('no_config_left')

GIN = '''
from __gin__ import dynamic_registration
from tf_videogen import experiment
from tf_videogen.data import clips

include 'videogpt/published/{published}.gin'

TRAIN_STEPS = 10

experiment.Experiment:
  clips = @clips.FileClips()
  batch_size = 4
  splits = 'test'
  precision = 'float32'

experiment.train:
  steps_per_loop = 5
  checkpoint_interval = 5

clips.FileClips:
  train_path = '{clips}'
  test_path = '{clips}'
  frames = 8
'''


@pytest.fixture(name='folder', scope='module')
def _folder(tmp_path_factory):
  """Clips, configs for them, and files of a VQ-VAE and of a prior."""
  folder = tmp_path_factory.mktemp('authors')
  rng = np.random.default_rng(0)
  np.savez(folder / 'clips.npz', video=rng.integers(256, size=(8, *small_models.CLIP)).astype(
      np.uint8), label=rng.integers(5, size=8))
  for name in ('bair_stride4x2x2', 'bair_gpt', 'ucf101_uncond_gpt'):
    (folder / f'{name}.gin').write_text(GIN.format(published=name, clips=folder / 'clips.npz'))
  for kind in ('vqvae', 'frames', 'classes'):
    small_models.write(folder / kind, kind)
  return folder


def _imported(folder, kind, model_dir, config, *more):
  return in_process.run(
      import_videogpt.main, f'--checkpoint={folder / kind}', f'--model_dir={model_dir}',
      f'--gin_file={folder / config}.gin', *more)


def _run(program, *arguments):
  assert in_process.run(program.main, *arguments) == 0


def test_a_vqvae_is_imported_and_evaluated(folder, tmp_path, capsys):
  model_dir = tmp_path / 'vqvae'
  assert _imported(folder, 'vqvae', model_dir, 'bair_stride4x2x2') == 0
  said = capsys.readouterr().out
  assert said.startswith('VQVAETask, ') and 'for clips of 8x16x16x3' in said
  kept = (model_dir / 'config.gin').read_text()
  made_of = origin.read(kept)
  assert made_of.configs == (str(folder / 'bair_stride4x2x2.gin'),)
  bound = {param.partition('=')[0] for param in made_of.params}
  assert 'vqvae.VQVAE.hidden' in bound  # another one than the config's
  assert 'vqvae.VQVAE.downsampling' not in bound  # the same one
  _run(train, f'--model_dir={model_dir}', '--mode=evaluate')
  rows = (model_dir / 'results.csv').read_text().splitlines()
  assert any(row.startswith('0,test,nmse,') for row in rows)
  assert _imported(folder, 'vqvae', model_dir, 'bair_stride4x2x2') == 1
  assert 'has a model already: use another --model_dir' in capsys.readouterr().err


@pytest.mark.usefixtures('without_xla')
def test_a_prior_is_imported_and_sampled(folder, tmp_path, capsys):
  model_dir, out = tmp_path / 'prior', tmp_path / 'samples'
  assert _imported(folder, 'classes', model_dir, 'ucf101_uncond_gpt') == 0
  assert 'VideoGPTTask' in capsys.readouterr().out
  _run(sample, f'--model_dir={model_dir}', '--label=3', '--num_samples=2', f'--output={out}')
  with np.load(out / 'samples.npz') as made:
    assert made['samples'].shape == (2, *small_models.CLIP)
    assert made['labels'].tolist() == [3, 3]
  # It does not depend on the file any more, nor on data.
  reader = tf.train.load_checkpoint(checkpoints.paths(str(model_dir))[0])
  names = [name for name in reader.get_variable_to_shape_map() if 'output_map' in name]
  state = torch_files.read(str(folder / 'classes'))['state_dict']
  np.testing.assert_array_equal(
      reader.get_tensor(next(n for n in names if n.startswith('model/'))),
      state['fc_out.weight'].numpy().T)


@pytest.mark.slow
def test_an_imported_prior_is_used_as_any_other(folder, tmp_path, capsys):
  """Sampled, evaluated, exported, reported, trained for five steps, and five more; begun with."""
  model_dir = tmp_path / 'prior'
  assert _imported(folder, 'frames', model_dir, 'bair_gpt') == 0
  before = tmp_path / 'before'
  shutil.copytree(model_dir, before)
  _run(sample, f'--model_dir={model_dir}', '--num_samples=4', f'--output={tmp_path / "samples"}')
  _run(evaluate, f'--model_dir={model_dir}', '--gin_file=evaluation/videogpt_likelihood.gin')
  capsys.readouterr()
  _run(evaluate, f'--model_dir={model_dir}', '--gin_file=evaluation/videogpt_bair_authors.gin',
       '--networks=random', *(f'--gin_param={binding}' for binding in (
           'protocols.Protocol.clips=None', "protocols.Protocol.split='train'",
           'protocols.Protocol.videos=4', 'protocols.Protocol.trials=2',
           'fvd/measures.FrechetDistance.frames=8', 'fvd_star/measures.FrechetDistance.frames=8')))
  said = capsys.readouterr().out
  assert re.search(r'^fvd +\d', said, re.MULTILINE), said
  assert re.search(r'^fvd_star +\d', said, re.MULTILINE), said
  _run(export, f'--model_dir={model_dir}', f'--export_dir={tmp_path / "exported"}')
  _run(report, f'--model_dir={model_dir}', f'--output={tmp_path / "report.html"}')
  _run(train, f'--model_dir={model_dir}', '--gin_param=TRAIN_STEPS=5')
  _run(train, f'--model_dir={model_dir}', '--gin_param=TRAIN_STEPS=10')
  _run(train, f'--model_dir={before}', '--gin_param=TRAIN_STEPS=10')
  assert [checkpoints.step_of(path) for path in checkpoints.paths(str(model_dir))] == [10, 5, 0]
  losses = [row.split(',')[1] for row in
            (model_dir / 'training.csv').read_text().splitlines()[1:]]
  assert len(losses) == 2 and np.isfinite(np.asarray(losses, float)).all()
  assert (model_dir / 'finished.json').exists()
  _run(train, f'--gin_file={model_dir / "config.gin"}', f'--model_dir={tmp_path / "begun"}',
       f'--init_from={model_dir}', '--gin_param=TRAIN_STEPS=2')
  assert (tmp_path / 'begun' / 'finished.json').exists()


@pytest.mark.parametrize('kind, config, more, says', [
    ('vqvae', 'bair_gpt', [], 'is a VQ-VAE, but .*bair_gpt.gin is the config of a prior'),
    ('classes', 'bair_stride4x2x2', [], 'is a prior, but .* is the config of a VQ-VAE'),
    ('vqvae', 'bair_stride4x2x2', ['--vqvae={folder}/vqvae'], 'is a VQ-VAE itself: leave --vqvae'),
    ('classes', 'ucf101_uncond_gpt', ['--vqvae={folder}/vqvae'], 'is not the VQ-VAE of'),
    ('classes', 'ucf101_uncond_gpt', ['--gin_param=videogpt.LatentTransformer.width=24'],
     'fc_in.weight has the shape'),
    ('clips.npz', 'bair_gpt', [], 'is not a checkpoint of PyTorch')])
def test_mistakes(folder, tmp_path, capsys, kind, config, more, says):
  more = [argument.format(folder=folder) for argument in more]
  assert _imported(folder, kind, tmp_path / 'made', config, *more) == 1
  said = capsys.readouterr().err
  assert len(said.splitlines()) == 1
  assert re.search(says, said), said
  assert not os.path.exists(tmp_path / 'made' / 'checkpoint')


def test_flags_that_are_missing(folder, tmp_path, capsys):
  for arguments, says in (
      ([], '--checkpoint is missing'), ([f'--checkpoint={folder}/vqvae'], '--model_dir is missing'),
      ([f'--checkpoint={folder}/vqvae', f'--model_dir={tmp_path}/a'],
       'none of the released names (bair_gpt, bair_stride4x2x2,'),
      (['--checkpoint=no.ckpt', f'--model_dir={tmp_path}/a'], 'there is no file no.ckpt')):
    assert in_process.run(import_videogpt.main, *arguments) == 1
    assert says in capsys.readouterr().err


def test_a_released_name_has_its_config(folder, tmp_path):
  """The file of another size than the released one: sizes come from the file."""
  path = tmp_path / 'bair_stride4x2x2'
  shutil.copy(folder / 'vqvae', path)
  assert in_process.run(import_videogpt.main, f'--checkpoint={path}',
                        f'--model_dir={tmp_path / "made"}') == 0
  assert origin.read((tmp_path / 'made' / 'config.gin').read_text()).configs == (
      'videogpt/published/bair_stride4x2x2.gin',)


def test_a_file_that_calls_a_function_is_refused(tmp_path, capsys):
  class Calls:
    def __reduce__(self):
      return os.system, (f'touch {tmp_path}/executed',)

  torch_writer.save(tmp_path / 'bair_gpt', {'state_dict': Calls()})
  assert in_process.run(import_videogpt.main, f'--checkpoint={tmp_path / "bair_gpt"}',
                        f'--model_dir={tmp_path / "made"}') == 1
  assert "is refused: it uses 'posix.system'" in capsys.readouterr().err
  assert not (tmp_path / 'executed').exists() and not (tmp_path / 'made').exists()
