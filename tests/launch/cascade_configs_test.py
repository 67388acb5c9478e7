"""Configs of CVG and SSW-GAN: levels follow each other, and are what the papers print."""

import functools
import re
import types

import pytest

from docs import shipped_configs
from docs.preflight import paper_scale
from tests import shapes
from tf_videogen import experiment
from tf_videogen.evaluation import protocols
from tf_videogen.launch import cascades
from tf_videogen.launch import configs
from tf_videogen.layers import pieces

pytestmark = pytest.mark.usefixtures('no_config_left')

# Of the last level: windows' frames, whole videos' frames, pixels, frame steps of all levels.
PRINTED = {
    'cvg/kinetics600': (12, 48, 128, (4, 2)),
    'cvg/kinetics600_window3': (6, 48, 128, (4, 2)),
    'cvg/kinetics600_no_md': (6, 48, 128, (4, 2)),
    'cvg/kinetics600_window6_no_md': (12, 48, 128, (4, 2)),
    'cvg/ucf101': (16, 16, 128, (2, 1)),
    'cvg/bdd100k': (12, 48, 256, (8, 4, 2)),
    'cvg/bdd100k_ablation': (6, 50, 128, (8, 4)),
    'cvg/bdd100k_ablation_no_md': (6, 50, 128, (8, 4)),
    'ssw_gan/kinetics600': (12, 50, 128, (8, 4)),
    'ssw_gan/kinetics600_no_md': (12, 50, 128, (8, 4)),
    'ssw_gan/kinetics600_window3': (6, 50, 128, (8, 4)),
    'ssw_gan/kinetics600_ablation': (6, 50, 128, (8, 4)),
    'ssw_gan/kinetics600_ablation_no_md': (6, 50, 128, (8, 4)),
    'ssw_gan/kinetics600_appendix_c_conv_gru': (12, 50, 128, (8, 4)),
    'ssw_gan/bdd100k': (12, 100, 128, (8, 4, 2)),
    'ssw_gan/bdd100k_ablation': (6, 50, 128, (8, 4)),
    'ssw_gan/bdd100k_ablation_no_md': (6, 50, 128, (8, 4)),
    'ssw_gan/smoke': (8, 16, 32, (2, 1)),
}
OF_PAPERS = [name for name in PRINTED if 'smoke' not in name]

# (ch, multipliers) of G and of the discriminators, by data set, pixels, and whether from noise.
# SSW-GAN, appendices B.1 (which prints D from its end) and B.2; those marked are printed nowhere.
_FIRST_D = (128, (2, 4, 8, 16, 16))
SIZES = {
    ('kinetics600', 32, True): ((128, (8, 8, 4, 2)), _FIRST_D),
    ('kinetics600', 128, False): ((128, (8, 8, 4, 2, 1)), (96, (1, 2, 4, 8, 16, 16))),
    ('bdd100k', 32, True): ((128, (8, 8, 4, 2)), _FIRST_D),
    ('bdd100k', 128, False): ((96, (8, 4, 4, 2, 2)), (64, (1, 2, 4, 8, 8, 16))),
    ('ucf101', 64, True): ((128, (8, 8, 8, 4, 2)), _FIRST_D),  # chosen
    ('ucf101', 128, False): ((128, (8, 8, 4, 2, 1)), (96, (1, 2, 4, 8, 16, 16))),  # chosen
    ('bdd100k', 64, True): ((128, (8, 8, 8, 4, 2)), _FIRST_D),  # chosen
    ('bdd100k', 64, False): ((96, (8, 4, 4, 2)), (64, (1, 2, 4, 8, 16))),  # chosen
    ('bdd100k', 256, False): ((96, (8, 4, 4, 2, 2, 1)), (64, (1, 2, 4, 8, 8, 16, 16))),  # chosen
}


@functools.cache
def _levels(name):
  configs.parse([f'{name}.gin'], [])
  return configs.configured(cascades.Cascade)().levels


def _step(clips):
  """Between two frames of a clip; of BDD100K every second one is stored."""
  stored = 2 if 'bdd100k' in (clips.dataset or '') else 1
  return stored * clips.frame_step


def _config(level):
  shipped_configs.parse(level)
  return configs.configured(experiment.Experiment)()


@functools.cache
def _made(level):
  """Of a level: its Experiment, and the task and the optimizers that it makes."""
  config = _config(level)
  return types.SimpleNamespace(
      config=config, clips=config.clips, task=config.task(), players=config.optimizer())


def test_all_cascades():
  assert {f'{name}.gin' for name in PRINTED} == set(shipped_configs.CASCADES)


@pytest.mark.parametrize('name', PRINTED, scope='module')
def test_levels_follow_each_other(name):
  """Sizes, frame steps, windows, discriminators; each level's frozen ones are those below it."""
  levels = _levels(name)
  window, frames, side, steps = PRINTED[name]
  found, generators, reductions = [], [], []
  for number, level in enumerate(levels, start=1):
    config, task = _made(level).config, _made(level).task
    shape = shipped_configs.clip_shape(config.clips)
    found.append(_step(config.clips))
    reductions.append(config.clips.reduction())
    model = task.model
    generators.append(type(model.generator).__name__)
    assert shape[1] == model.generator.resolution
    if number == 1:
      first = shape[0]
      assert not task.conditioning_frames and not model.generator.continues
      model._check(shape, 0)
      model.discriminators.check(shape, 0)
      below = _sizes(model.generator)
      sizes = [below]
      continue
    assert len(model.lower) == number - 1
    assert [_sizes(lower) for lower in model.lower] == sizes
    sizes.append(_sizes(model.generator))
    model._check_levels(shape, task.first_frames)
    model.discriminators.check(shape, 0, model.pair_shape(shape))
    assert task.first_frames == first
    assert found[-2] == model.generator.repeats * found[-1]
    assert reductions[-2] == task.low_reduction(config.clips)
    assert model.matching == ('no_md' not in level)
    assert model.downsample.__name__ == ('bilinear' if name.startswith('cvg') else 'nearest')
  assert tuple(found) == steps and shape[:2] == (window, side)
  assert model.frames_of_levels(first)[-1] == frames


@pytest.mark.parametrize('name', PRINTED, scope='module')
def test_pieces_of_whole_videos_are_worth_their_margins(name):
  """Of every level: frames that are computed, at most half as many again as there are."""
  for level in _levels(name)[1:]:
    task = _made(level).task
    model = task.model
    for generator, frames in zip(model.levels[1:], model.frames_of_levels(task.first_frames)[1:]):
      count, size = pieces.divided(frames, model.piece_frames)
      window = generator.repeats * generator.window(size, frames // generator.repeats)
      assert count * min(window, frames) <= (1.5 * frames if count > 1 else frames)


def _sizes(generator):
  return (type(generator).__name__, generator.channels, generator.multipliers,
          generator.resolution, generator.classes)


@pytest.mark.parametrize('name', OF_PAPERS, scope='module')
def test_training_as_printed(name):
  """Batch, steps, rates, two updates of the discriminators, no average, no penalty."""
  for level in _levels(name):
    made = _made(level)
    config, task, players = made.config, made.task, made.players
    three_levels = re.match('cvg/bdd100k_level', level)
    assert config.batch_size == (256 if three_levels else 512)
    thousands = 300 if 'kinetics' in level else 35 if level.startswith('ssw_gan') else 100
    thousands = 100 if 'ablation' in level and level.startswith('ssw_gan/kin') else thousands
    assert config.train_steps == 1000 * thousands
    assert (task.average_decay, task.orthogonality) == (0.0, 0.0)
    assert players.discriminator_updates == 2
    assert float(players.generator.learning_rate) == pytest.approx(1e-4)
    assert float(players.discriminator.learning_rate) == pytest.approx(5e-4)
    assert (task.standing_passes, task.standing_batch) == (200, 256)


@pytest.mark.parametrize('name', OF_PAPERS, scope='module')
def test_sizes_as_printed(name):
  """Of networks, views and noise; of Adam, the decay rates."""
  for number, level in enumerate(_levels(name), start=1):
    clips, model, players = _made(level).clips, _made(level).task.model, _made(level).players
    generator, judges = model.generator, model.discriminators
    dataset = clips.dataset.split('_clips/')[0]
    sizes, (channels, multipliers) = SIZES[dataset, generator.resolution, number == 1]
    assert (generator.channels, generator.multipliers) == sizes
    for network in judges.networks:
      assert [block.channels for block in network.blocks] == [channels * m for m in multipliers]
      assert type(network.head).__name__ == 'Projection'
    assert tuple(judges.views) == ('F', 'dV', 'M')[:2 + (number > 1 and 'no_md' not in level)]
    assert judges.frames == min(8, clips.frames) and judges.factor == 2
    assert generator.latent == 128
    assert generator.classes == {'kinetics600': 600, 'ucf101': 101, 'bdd100k': 1}[dataset]
    if number > 1:
      assert type(generator.units[0].blocks[0]).__name__ == (
          'ConvGRULayer' if 'conv_gru' in level else 'SeparableBlock')
    for player in (players.generator, players.discriminator):
      assert (player.beta_1, player.beta_2) == (0.0, 0.999)


def _evaluations(name):
  """Names of the protocols in a cascade's header."""
  header = (configs.GIN_DIR / f'{name}.gin').read_text().split('\nfrom __gin__')[0]
  return re.findall(r'--gin_file=(evaluation/\w+\.gin)', header)


@pytest.mark.parametrize('name', OF_PAPERS, scope='module')
def test_evaluations_suit_the_last_level(name):
  """Its data, frame size and step; as many frames as windows or whole videos have."""
  last = _made(_levels(name)[-1]).clips
  window, whole = PRINTED[name][:2]
  assert _evaluations(name)
  for protocol_name in _evaluations(name):
    configs.parse([protocol_name], [])
    protocol = configs.configured(protocols.Protocol)()
    real = protocol.clips
    assert (real.dataset, real.size, real.frame_step) == (last.dataset, last.size, last.frame_step)
    sampling = protocol.sampling
    made = window if sampling.get('window') else sampling.get('frames', whole)
    compared = protocol.frames or made
    assert real.frames == compared <= made
    frames = re.search(r'_(\d+)\.gin', protocol_name)
    assert compared == (int(frames.group(1)) if frames else whole)


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    name for name in shipped_configs.NAMES if name.startswith(('cvg/', 'ssw_gan/'))])
def test_every_level_builds(name):
  """With as many trainable parameters as the table of costs says, none of them below."""
  config = _config(name)
  with shapes.alone():
    task = config.task()
    task.build(shipped_configs.clip_shape(config.clips))
  generator, discriminators = (sum(v.shape.num_elements() for v in variables)
                               for variables in task.trainable_variables)
  print(f'{name}: {generator:,} trainable parameters of G, {discriminators:,} of D')
  assert generator and discriminators
  row = paper_scale.TABLE.read().get((name, 'train'))
  assert row is None or int(row['parameters']) == generator + discriminators
  mine = {id(v) for variables in task.trainable_variables for v in variables}
  for level in getattr(task.model, 'lower', ()):
    assert level.trainable_variables
    assert all((id(v) in mine) == task.joint for v in level.trainable_variables)


def test_stages_trained_together():
  config = _config('ssw_gan/kinetics600_appendix_h_joint.gin')
  task, shape = config.task(), shipped_configs.clip_shape(config.clips)
  task.model._check_levels(shape, task.first_frames)
  task.model.discriminators.check(shape, 0)
  assert task.joint and shape == (6, 64, 64, 3) and not task.model.matching
  assert task.model.frames_of_levels(task.first_frames) == [6, 12]
  assert task.lower_dir is None


def test_a_gan_unrolled():
  """SSW-GAN's figure 3: 6 frames in training, 50 in samples."""
  config = _config('trivd_gan/dvd_gan_kinetics600_6_128.gin')
  task = config.task()
  assert config.clips.frames == 6 and task.sampled_frames == 50
