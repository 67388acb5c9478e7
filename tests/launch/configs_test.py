"""Configs: every file under gin/ is sound, and what is wrong in one is said in one line."""

import os
import pathlib
import re

from absl import flags
from absl.testing import flagsaver
import gin
import numpy as np
import pytest
import tensorflow as tf

from docs import papers
from docs import shipped_configs
from tests import shapes
from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.launch import configs
from tf_videogen.launch import hints
from tf_videogen.models import vqvae

pytestmark = pytest.mark.usefixtures('no_config_left')

VQVAE = 'videogpt/moving_mnist_vqvae.gin'
PRIOR = 'videogpt/moving_mnist_prior.gin'


def test_find(tmp_path, monkeypatch):
  path = tmp_path / 'mine.gin'
  path.write_text('')
  assert configs.find(str(path)) == str(path)
  monkeypatch.chdir(tmp_path)
  assert os.path.samefile(configs.find(VQVAE), configs.GIN_DIR / VQVAE)


@pytest.mark.parametrize('name, message', [
    ('videogpt/moving_mnist_vqave.gin', r'did you mean .*videogpt/moving_mnist_vqvae\.gin'),
    ('moving_mnist_vqvae.gin', r'did you mean .*videogpt/moving_mnist_vqvae\.gin'),
    ('zzz', r'there are: .*\.gin'),
    ('videogpt', r'^no config videogpt; '),
])
def test_a_misspelt_file(name, message):
  with pytest.raises(FileNotFoundError, match=message) as info:
    configs.find(name)
  assert str(info.value).startswith(f'no config {name}; ') and '\n' not in str(info.value)


@pytest.mark.parametrize('param, message', [
    ('vqvae.VQVEA.hidden = 3', 'tf_videogen.models.vqvae has no VQVEA; did you mean VQVAE?'),
    ('vqvea.VQVAE.hidden = 3',
     "'vqvea' was not provided by an import statement; did you mean vqvae?"),
    ('prior.Prior.hidden = 3',
     '; a config must import what it uses: from tf_videogen... import prior'),
    ('vqvae.VQVAE.hiden = 3', "doesn't have a parameter named 'hiden'; did you mean hidden?"),
    ('vqvae.VQVAE.norm = @vqvae.LayerNrom', 'LayerNrom'),
    ('TRAIN_STEP = 3', 'the config has no macro TRAIN_STEP; did you mean TRAIN_STEPS?'),
    ('DATASET = 3', 'the config has no macro DATASET; there are: TRAIN_STEPS'),
    ('TRAIN_STEPS = many', 'a text needs quotes; type --gin_param="TRAIN_STEPS=\'many\'"'),
    ('vqvae.VQVAE.hidden', 'is not a binding; write NAME=VALUE'),
    ("vqvae.VQVAE.hidden = 'a", 'in the config: '),
    ('experiment.Experiment.clips = cl?ps', 'a text needs quotes; type '),
])
def test_a_misspelt_binding(param, message):
  with pytest.raises(ValueError) as info:
    configs.parse([VQVAE], [param])
  assert message in str(info.value) and '\n' not in str(info.value)
  assert len(str(info.value)) < 400


def test_what_is_required():
  with pytest.raises(ValueError, match=r"the config needs VQVAE_DIR: add --gin_param=\"VQVAE_DIR="):
    configs.parse([PRIOR], [])
  configs.parse([PRIOR], ["VQVAE_DIR='a'"])
  configs.parse([PRIOR], [], needs_all=False)
  assert gin.query_parameter('VQVAE_DIR/macro.value') == 'VQVAE_DIR'


@pytest.mark.parametrize('binding, message', [
    ('experiment.Experiment.seed = 5', r"missing 5 required positional arguments: 'task', 'clips'"),
    ('experiment.Experiment.batch_size = %gin.REQUIRED', 'batch_size')])
def test_a_config_without_an_experiment(binding, message, tmp_path):
  path = tmp_path / 'partial.gin'
  path.write_text(f'from __gin__ import dynamic_registration\nfrom tf_videogen import experiment\n'
                  f'{binding}\n')
  with pytest.raises(ValueError, match=message) as info:
    configs.parse([str(path)], [])
    configs.configured(experiment.Experiment)()
  assert '\n' not in str(info.value)


def test_what_no_config_binds():
  """A class is what the config is about; a function has defaults for what can be bound."""
  class Nobody:
    pass

  def nobody(arguments):
    return arguments
  with pytest.raises(ValueError, match='the config does not bind Nobody, so there is nothing'):
    configs.configured(Nobody)
  assert configs.configured(nobody)(3) == 3


def test_params_and_data_dir():
  configs.parse([VQVAE], ['vqvae.VQVAE.hidden=16', 'TRAIN_STEPS=3'], '/data')
  assert gin.query_parameter('vqvae.VQVAE.hidden') == 16
  assert gin.query_parameter('clips.PreparedClips.data_dir') == '/data'
  assert configs.configured(experiment.Experiment)().train_steps == 3


def test_what_the_constructor_wants(tmp_path):
  path = tmp_path / 'little.gin'
  path.write_text('from __gin__ import dynamic_registration\n'
                  'from tf_videogen import experiment\n'
                  'experiment.Experiment.batch_size = %gin.REQUIRED\n')
  with pytest.raises(ValueError, match='batch_size') as info:
    configs.parse([str(path)], [])
    configs.configured(experiment.Experiment)()
  assert '\n' not in str(info.value)


def _keep(model_dir, *params, files=(VQVAE,), checkpoint=True):
  configs.parse(list(files), list(params))
  configs.keep(str(model_dir))
  if checkpoint:
    (model_dir / 'ckpt-1.index').write_text('')


def test_keep(tmp_path):
  _keep(tmp_path)
  _keep(tmp_path)
  _keep(tmp_path, 'TRAIN_STEPS=7', 'experiment.train.steps_per_loop=3',
        "experiment.Experiment.splits=('test',)", "clips.PreparedClips.data_dir='elsewhere'")
  for param in ('vqvae.VQVAE.hidden=16', 'optimizers.adam.beta_1=0.5'):
    with pytest.raises(ValueError, match='is the directory of another config') as info:
      _keep(tmp_path, param)
    assert param.split('=')[0] in str(info.value) and '\n' not in str(info.value)
  configs.parse([str(tmp_path / configs.CONFIG)], [])  # as evaluation and sampling do
  assert configs.configured(experiment.Experiment)().train_steps == 7


def test_a_run_may_be_longer_or_faster(tmp_path, capsys):
  _keep(tmp_path)
  _keep(tmp_path)
  assert not capsys.readouterr().out
  _keep(tmp_path, 'TRAIN_STEPS=900', 'optimizers.adam.learning_rate=0.002')
  out = capsys.readouterr().out
  assert f'{tmp_path} resumes with a change: experiment.Experiment.train_steps was ' in out
  assert ', now 900\n' in out
  assert 'optimizers.adam.learning_rate was ' in out and ', now 0.002\n' in out
  with pytest.raises(ValueError, match='another config .*learning_rate was 0.002, now @'):
    _keep(tmp_path, 'optimizers.adam.learning_rate=@optimizers.cosine_decay()',
          'optimizers.cosine_decay.learning_rate=0.002', 'optimizers.cosine_decay.decay_steps=5')


def test_a_kept_config_is_small(tmp_path):
  _keep(tmp_path, files=('trivd_gan/kinetics600_table1_stronger.gin',))
  text = (tmp_path / configs.CONFIG).read_text()
  assert max(map(len, text.splitlines())) <= 110 and len(text) < 16_000


def test_keep_before_the_first_checkpoint(tmp_path):
  """A first start that failed doesn't bind the directory to its config."""
  _keep(tmp_path, checkpoint=False)
  _keep(tmp_path, 'vqvae.VQVAE.hidden=16')
  assert 'hidden = 16' in (tmp_path / configs.CONFIG).read_text()


def _kept_comments(model_dir, *params, files=()):
  """The comments on top of a config that is kept as by these flags."""
  with flagsaver.flagsaver(model_dir=str(model_dir), gin_file=list(files), gin_param=list(params)):
    configs.parse_flags()
    configs.keep(str(model_dir))
  text = (model_dir / configs.CONFIG).read_text()
  return [line for line in text.split('\nfrom ')[0].splitlines() if line.startswith('# ')]


def test_a_kept_config_says_what_it_was_made_of(tmp_path):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  run, other, mine = tmp_path / 'run', tmp_path / 'other', tmp_path / 'mine.gin'
  mine.write_text(f"include '{VQVAE}'\n")
  named = f'# config: {VQVAE}'
  assert _kept_comments(run, files=[VQVAE]) == [named]
  assert _kept_comments(run, files=[str(configs.GIN_DIR / VQVAE)]) == [named]
  (run / 'ckpt-1.index').write_text('')
  assert _kept_comments(run, 'TRAIN_STEPS = 7') == [named, '# with: TRAIN_STEPS=7']
  # Started again from its own config, and as another run's.
  assert _kept_comments(run) == [named, '# with: TRAIN_STEPS=7']
  assert _kept_comments(run, 'TRAIN_STEPS=8') == [named, '# with: TRAIN_STEPS=8']
  again = _kept_comments(other, 'vqvae.VQVAE.hidden=16', files=[str(run / configs.CONFIG)])
  assert again == [named, '# with: TRAIN_STEPS=8; vqvae.VQVAE.hidden=16']
  assert _kept_comments(other, files=[str(mine)]) == [f'# config: {mine}']
  assert _kept_comments(other, files=[VQVAE, str(mine)]) == [f'{named}, {mine}']


def test_an_older_kept_config_stays_compatible(tmp_path):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  _kept_comments(tmp_path, files=[VQVAE])
  path = tmp_path / configs.CONFIG
  path.write_text(path.read_text().split('\n', 1)[1])
  (tmp_path / 'ckpt-1.index').write_text('')
  assert _kept_comments(tmp_path) == []
  assert _kept_comments(tmp_path, files=[VQVAE]) == [f'# config: {VQVAE}']


def test_protocols_are_no_origin(tmp_path, monkeypatch):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()
  (tmp_path / 'gin' / 'evaluation').mkdir(parents=True)
  (tmp_path / 'gin' / 'evaluation' / 'p.gin').write_text('')
  monkeypatch.setattr(configs, 'GIN_DIR', tmp_path / 'gin')
  (tmp_path / 'gin' / 'a.gin').write_text(
      'from __gin__ import dynamic_registration\nfrom tf_videogen import experiment\n'
      'experiment.Experiment.seed = 1\n')
  for files in (['a.gin', 'evaluation/p.gin'], ['evaluation/p.gin']):
    assert _kept_comments(tmp_path, files=files) == ['# config: a.gin']


def _bindings_of_its_command(name):
  """What the command in a config's header gives and proposes; checks the rest of it."""
  header = (configs.GIN_DIR / name).read_text().split('\nfrom ')[0].split('\ninclude ')[0]
  comment = ' '.join(re.sub(r'\\?\n#', ' ', '\n' + header).split())
  program = 'sample' if '_cooking' in name else 'train'
  command = f'python -m launch.{program} --gin_file={name} --model_dir=runs/'
  if '/published/' in name:  # weights of others
    stem = pathlib.PurePath(name).stem
    command = f'python -m launch.import_videogpt --checkpoint={stem} --model_dir=runs/{stem}'
  assert command in comment
  given = dict(re.findall(r'--gin_param="(\w+)=([^"]*)"', comment))
  # What it proposes besides.
  proposed = re.findall(r'--gin_param=(\w+\.[\w.]+=\d+)', comment)
  assert len(proposed) == comment.count('--gin_param=') - len(given)
  return [f'{macro}={value}' for macro, value in given.items()] + proposed


@pytest.mark.parametrize('name', shipped_configs.NAMES)
def test_every_config_parses(name, tmp_path):
  """As the command in its header gives what it requires; what is kept of it is the same."""
  configs.parse([name], _bindings_of_its_command(name))
  clips = gin.query_parameter('experiment.Experiment.clips')
  assert clips.selector.split('.')[-1] in (
      'PreparedClips', 'FileClips', 'MovingShapes', 'DownsampledClips')
  configs.keep(str(tmp_path))
  before = gin.config_str()
  configs.parse([str(tmp_path / configs.CONFIG)], [])
  assert gin.config_str() == before


def test_folders_called_like_ours_are_in_nobodys_way(tmp_path, monkeypatch, caplog):
  """Such as a clone of VideoGPT, beside which somebody trains."""
  for name in ('videogpt', 'base'):
    (tmp_path / name).mkdir()
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(tmp_path)
  configs.parse(['videogpt/bair_prior_layers2.gin'], [], needs_all=False)
  assert gin.query_parameter('videogpt.LatentTransformer.layers') == 2 and not caplog.text


def test_shared_parts_are_no_configs_and_are_included():
  parts = {path.relative_to(configs.GIN_DIR).as_posix()
           for path in (configs.GIN_DIR / 'base').rglob('*.gin')}
  included = {name for path in configs.GIN_DIR.rglob('*.gin')
              for name in re.findall(r"^include '(base/.*)'$", path.read_text(), re.MULTILINE)}
  assert parts and parts == included
  assert not parts & {*shipped_configs.NAMES, *papers.all_configs()}


def _built_task(name):
  shipped_configs.parse(name)
  tf.keras.mixed_precision.set_global_policy('float32')
  config = configs.configured(experiment.Experiment)()
  shape = shipped_configs.clip_shape(config.clips)
  with shapes.alone():
    task = config.task()
    task.build(shape)
  return task, shape


def _parameters(variables):
  return sum(variable.shape.num_elements() for variable in variables)


def _check_task(name):
  task, clip_shape = _built_task(name)
  check = _check_slices if isinstance(task, tasks.VideoTransformerTask) else _check_latents
  check(name, task, clip_shape)
  count = _parameters(task.trainable_variables)
  print(f'{name}: {count:,} trainable parameters')
  return count


def _check_latents(name, task, clip_shape):
  model = task.model if isinstance(task, tasks.VQVAETask) else task.model.vqvae
  assert isinstance(model, vqvae.VQVAE)
  latents = model.latent_shape(clip_shape)
  named = re.search(r'latent(\d+)x(\d+)x(\d+)', name)
  if named:
    assert latents == tuple(map(int, named.groups()))
  for pattern, quantity in (('codes', 'codes'), ('codebooks', 'codebooks')):
    named = re.search(rf'_{pattern}(\d+)', name)
    if named:
      assert getattr(model.quantizer, quantity) == int(named.group(1))


def _shapes(variables):
  return [tuple(variable.shape) for variable in variables]


def _first_slice_of(name):
  """The config of the decoder of the first slice that a config names in its command."""
  command = re.sub(r'\\?\n# *', ' ', (configs.GIN_DIR / name).read_text())
  first = re.search(r"FIRST_SLICE_DIR='runs/(\w+)'", command)
  return f'video_transformer/{first.group(1) if first else "kinetics600_first_slice_large"}.gin'


def _check_slices(name, task, clip_shape):
  """Section 4.1: slices of 4 x 32 x 32, or of one frame; what the name says; 46M, 373M."""
  model = task.model
  frame = (1, *clip_shape[1:3])
  assert model.subscaling.slice_shape == (frame if 'single_frame' in name else (4, 32, 32))
  assert (model.first_slice is None) == ('kinetics' not in name or 'first_slice' in name
                                         or 'single_frame' in name)
  stacks = [part.stack for part in (model.encoder, model.decoder) if part is not None]
  if model.first_slice is not None:
    assert _shapes(model.first_slice.variables) == _shapes(
        _built_task(_first_slice_of(name))[0].model.variables)
  for stack in stacks:
    found = {'layers': len(stack.layers), 'width': stack.width,
             'heads': {layer.attention.heads for layer in stack.layers}}
    large = 'large' in name or 'cooking' in name
    expected = {'layers': 16 if 'first_slice' in name else 8, 'width': 2048 if large else 512,
                'heads': {8, 16} if large else {8}}
    named = re.search(r'_(layers|width|heads)(\d+)\.', name)
    if named:
      value = int(named.group(2))
      expected[named.group(1)] = {value} if named.group(1) == 'heads' else value
    if '_small' not in name:
      assert found == expected
  of_table_1 = re.search(r'_(spatiotemporal|spatial|single_frame)(_large)?\.gin', name)
  if of_table_1 and clip_shape[-1] == 3 and 'first_slice' not in name:
    millions = 373 if '_large' in name else 46
    assert abs(_parameters(task.trainable_variables) / 1e6 - millions) < 0.005 * millions


@pytest.mark.parametrize('name, least', [
    ('videogpt/moving_mnist_vqvae.gin', 1e6),
    pytest.param('video_transformer/moving_mnist_single_frame_small.gin', 1e5,
                 marks=pytest.mark.slow)])
def test_a_config_builds(name, least):
  assert _check_task(name) > least


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    name for name in shipped_configs.NAMES if name.startswith(('videogpt/', 'video_transformer/'))])
def test_every_config_builds(name):
  """Those of video GANs: trivd_gan_configs_test, cascade_configs_test."""
  _check_task(name)


@pytest.mark.slow
def test_table_3_compares_like_with_like():
  """More residual blocks stand in for the attention's parameters, one more or less is further."""
  attention = _check_task('videogpt/bair_vqvae.gin')
  without = _check_task('videogpt/bair_vqvae_no_attention.gin')
  print(f'Table 3: {attention:,} with attention, {without:,} without')
  assert abs(without - attention) < 0.03 * attention


def test_names_of_before(tmp_path):
  """A file with one says what it is called now; every new name is one that gin files bind."""
  bound = ''.join(path.read_text() for path in configs.GIN_DIR.rglob('*.gin'))
  for old, new in hints.NAMES.items():
    name = new.partition(' ')[0].rstrip(',')
    assert name in bound or name == 'PreparedClips.features'
    module, _, rest = old.partition('.')
    path = tmp_path / 'old.gin'
    path.write_text('from __gin__ import dynamic_registration\n'
                    f'from tf_videogen.of_before import {module}\n{module}.{rest}.size = 3\n')
    with pytest.raises(ValueError) as error:
      configs.parse([str(path)], [])
    assert str(error.value).endswith(f'; {old} is now {new}')
    assert '\n' not in str(error.value)


def _bindings_of(path):
  """How many bindings a file itself has, macros among them; and whether it varies a config."""
  text = re.sub(r'#.*', '', path.read_text())
  included = re.findall(r"^include '(?!base/)", text, re.MULTILINE)
  return len(re.findall(r'^\s*[\w./]+ = ', text, re.MULTILINE)), bool(included)


def test_a_variant_is_its_base_and_a_few_bindings():
  files = [path for path in configs.GIN_DIR.rglob('*.gin') if path.parent.name != 'base']
  assert all(len(path.read_text().splitlines()) <= 60 for path in configs.GIN_DIR.rglob('*.gin'))
  distances = [count for count, varies in map(_bindings_of, files) if varies]
  assert len(distances) > 100 and np.median(distances) <= 3
