"""Configs of TrIVD-GAN: tables compare like with like, models have the sizes that equations say."""

import functools
import re

import gin
import pytest
import tensorflow as tf

from docs import shipped_configs
from docs.preflight import paper_scale
from tests import shapes
from tf_videogen import experiment
from tf_videogen.launch import configs

pytestmark = pytest.mark.usefixtures('no_config_left')

NAMES = [name for name in shipped_configs.NAMES if name.startswith('trivd_gan/')]
STEPS = 'TRAIN_STEPS/gin.macro.value'
VIEWS, FRAMES = (f'discriminators.Discriminators.{name}' for name in ('views', 'frames'))
UNIT = 'trivd_gan.Generator.unit'

# Table 1: the columns' marks, K of the sampled frames, thousands of steps.
TABLE_1 = {
    'clip': (('clV',), 8, 758),
    'downsampled': (('dV',), 8, 1000),
    'cropped': (('crV',), 8, 997),
    'cropped_downsampled': (('dV', 'crV'), 8, 792),
    'mocogan_like_k1': (('F', 'clV'), 1, 651),
    'mocogan_like_k8': (('F', 'clV'), 8, 561),
    'dvd_gan_fp': (('F', 'dV'), 8, 689),
    'faster': (('dF', 'crV'), 8, 817),
    'stronger': (('dF', 'dV', 'crV'), 8, 675),
}
TABLE_2 = {
    'conv_lstm': 'ConvLSTM', 'conv_gru': 'ConvGRU', 'traj_gru': 'KTrajGRU', 'tsru_c': 'TSRUc',
    'tsru_p': 'TSRUp', 'tsru_s': 'TSRUs', 'ptsru_s': 'PTSRUs',
    'dynamic_conv_lstm': 'DynamicConvLSTM',
}


@functools.cache
def _bindings(name):
  """What a config binds: name -> value, as text."""
  shipped_configs.parse(f'trivd_gan/{name}.gin')
  lines = gin.config_str(max_line_length=10_000).splitlines()
  found = dict(line.split(' = ', 1) for line in lines if ' = ' in line and line[0] != '#')
  return {re.sub(r'^(\w+)$', r'\1/gin.macro.value', key): value for key, value in found.items()}


def _changes(name, base):
  """The bindings in which a config differs from another one: name -> value, None if it has none."""
  one, other = _bindings(name), _bindings(base)
  return {key: one.get(key) for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_table_1_has_nine_rows_and_table_2_eight():
  for table, rows in ((1, TABLE_1), (2, TABLE_2)):
    prefix = f'trivd_gan/kinetics600_table{table}_'
    found = {name.removeprefix(prefix).removesuffix('.gin') for name in NAMES
             if name.startswith(prefix)}
    assert found == set(rows)


@pytest.mark.parametrize('row', TABLE_1)
def test_table_1(row):
  views, frames, thousands = TABLE_1[row]
  name, base = f'kinetics600_table1_{row}', 'kinetics600_table1_dvd_gan_fp'
  assert _changes(name, base).keys() <= {VIEWS, FRAMES, STEPS}
  found = _bindings(name)
  assert (found[VIEWS], found[FRAMES], found[STEPS]) == (
      str(views), str(frames), str(thousands * 1000))


@pytest.mark.parametrize('row', TABLE_2)
def test_table_2(row):
  """As DVD-GAN-FP_faster, but for the unit and 500,000 steps."""
  changes = _changes(f'kinetics600_table2_{row}', 'kinetics600_table1_faster')
  unit = {} if row == 'conv_gru' else {UNIT: f'@recurrent_units.{TABLE_2[row]}'}
  assert changes == {STEPS: '500000', **unit}
  assert _bindings('kinetics600_table1_faster')[UNIT] == '@recurrent_units.ConvGRU'


def _widths(generator, discriminators):
  return {'trivd_gan.Generator.channels': str(generator),
          'discriminators.Discriminators.channels': str(discriminators)}


TSRU_P = {UNIT: '@recurrent_units.TSRUp'}
DATASET, SPLITS = 'clips.PreparedClips.dataset', 'experiment.Experiment.splits'


@pytest.mark.parametrize('name, base, changes', [
    ('kinetics600_table3', 'kinetics600_table1_stronger',
     {STEPS: '700000', **TSRU_P, **_widths(120, 120)}),
    ('ucf101', 'kinetics600_table3',
     {STEPS: '1000000', **_widths(92, 92), DATASET: "'ucf101_clips/64'", SPLITS: "('test',)"}),
    ('bair_original', 'kinetics600_table1_stronger',
     {STEPS: '500000', **TSRU_P, 'discriminators.Discriminators.channels': '92',
      'generator/optimizers.adam.learning_rate': '2e-05',
      'discriminator/optimizers.adam.learning_rate': '3e-05',
      'tasks.VideoGANTask.conditioning_frames': '1', DATASET: "'bair_clips/original'",
      SPLITS: "('test',)"}),
    ('bair_balanced', 'bair_original', {DATASET: "'bair_clips/balanced'"}),
    ('kinetics600_ucf101_dvd_gan_fp', 'kinetics600_table1_dvd_gan_fp', {STEPS: '1000000'}),
    ('kinetics600_ucf101_trivd_gan_fp', 'kinetics600_table1_stronger',
     {STEPS: '1000000', **TSRU_P}),
    ('kinetics600_projection_mixed', 'kinetics600_table1_dvd_gan_fp', {STEPS: '700000'}),
    ('kinetics600_projection_plain', 'kinetics600_projection_mixed',
     {'discriminators.Discriminators.head': '@projection.ClipProjection'}),
    ('kinetics600_appendix_f1_conv_lstm_tanh', 'kinetics600_table2_conv_lstm',
     {STEPS: '180000', 'recurrent_units.ConvLSTM.activation': '@tf.tanh'}),
    ('dvd_gan_kinetics600_48_128', 'dvd_gan_kinetics600_12_128',
     {'clips.PreparedClips.frames': '48'}),
    ('dvd_gan_kinetics600_6_128', 'dvd_gan_kinetics600_12_128',
     {'clips.PreparedClips.frames': '6', 'clips.PreparedClips.frame_step': '4', FRAMES: '6',
      'tasks.VideoGANTask.sampled_frames': '50'}),
])
def test_what_else_the_paper_compares(name, base, changes):
  assert _changes(name, base) == changes


def _experiment(name):
  shipped_configs.parse(name)
  config = configs.configured(experiment.Experiment)()
  return config, config.task(), shipped_configs.clip_shape(config.clips)


@pytest.mark.parametrize('name', NAMES)
def test_models_suit_their_clips(name):
  """Without variables: resolution, views, given frames and classes."""
  config, task, shape = _experiment(name)
  generator, discriminators = task.model.generator, task.model.discriminators
  discriminators.check(shape, task.conditioning_frames)
  assert generator.resolution == shape[1] == shape[2]
  assert generator.continues == (task.conditioning_frames > 0)
  assert generator.classes == discriminators.classes
  assert ('label' in getattr(config.clips, 'features', {})) == (generator.classes > 1)
  assert generator.upsampling_stages == len(generator.multipliers)
  updates = 1 if name == 'trivd_gan/smoke.gin' else 2  # the papers have two
  assert config.optimizer().discriminator_updates == updates


def test_the_networks_of_a_config_have_what_it_binds():
  """Bindings reach the encoder, both optimizers, the heads and the units."""
  config, task, _ = _experiment('trivd_gan/kinetics600_table3.gin')
  assert task.model.generator.encoder.blocks[0].channels == 2 * 120
  optimizer = config.optimizer()
  assert (float(optimizer.generator.learning_rate.numpy()),
          float(optimizer.discriminator.learning_rate.numpy())) == pytest.approx((1e-4, 5e-4))
  assert optimizer.generator.beta_1 == optimizer.discriminator.beta_1 == 0
  assert type(task.model.generator.stages[0].unit).__name__ == 'TSRUp'
  _, task, _ = _experiment('trivd_gan/kinetics600_appendix_f1_conv_lstm_tanh.gin')
  rho = task.model.generator.stages[2].unit.activation
  assert float(rho(tf.constant(.5))) == pytest.approx(0.46212, abs=1e-5)
  _, task, _ = _experiment('trivd_gan/kinetics600_projection_plain.gin')
  assert [type(network.head).__name__ for network in task.model.discriminators.networks] == [
      'ClipProjection', 'ClipProjection']


def _conv(taps, inputs, outputs):
  return taps * inputs * outputs + outputs


def _factorized(x, c):
  """Appendix F.1, hidden layers half as wide as their inputs."""
  width = (x + c) // 2
  return (_conv(9, x + c, width) + _conv(1, 16 * width, width) + _conv(1, width, 81)
          + _conv(9, x + c, 9))


def _pixelwise(x, c):
  width = (x + c) // 2
  return _conv(9, x + c, width) + _conv(9, width, width) + _conv(9, width, 9)


def _dynamic(x, c, features=4):
  kernels = 4 * (x // (c // 2) + 1) * 9
  return _conv(9, 1, features) + _conv(16, features, kernels) + 2 * c


_UNITS = {
    'ConvGRU': lambda x, c: 3 * _conv(9, x + c, c),
    'ConvLSTM': lambda x, c: 4 * _conv(9, x + c // 2, c // 2),
    'KTrajGRU': lambda x, c: 3 * _conv(9, x + c, c) + _factorized(x, c),
    'TSRUc': lambda x, c: 2 * _conv(9, x + c, c) + _factorized(x, c),
    'TSRUp': lambda x, c: 2 * _conv(9, x + c, c) + _factorized(x, c),
    'TSRUs': lambda x, c: _conv(9, x + c, c) + _conv(9, 2 * c, c) + _factorized(x, c),
    'PTSRUs': lambda x, c: _conv(9, x + c, c) + _conv(9, 2 * c, c) + _pixelwise(x, c),
    'DynamicConvLSTM': _dynamic,
}


def _value(bindings, name, default):
  value = bindings.get(name)
  return default if value is None else eval(value)  # pylint: disable=eval-used


def _generator_parameters(bindings):
  """Of appendix A's generator and encoder, or of DVD-GAN's generator, from the bindings alone."""
  maker = bindings['dvd_gan.VideoGAN.generator'].removeprefix('@')
  channels, multipliers, start = {'trivd_gan.Generator': (48, (8, 4, 2), 8),
                                  'dvd_gan.Generator': (128, (8, 8, 4, 2, 1), 4)}[maker]
  value = lambda name, default: _value(bindings, f'{maker}.{name}', default)
  unit = _UNITS[bindings[f'{maker}.unit'].split('.')[-1]]
  channels, start = value('channels', channels), value('start', start)
  widths = [m * channels for m in value('multipliers', multipliers)]
  classes, features = value('classes', 1), value('latent', 128)
  condition = value('latent', 128) + features
  norm = lambda channels: 2 * _conv(1, condition, channels)
  count = classes * features + _conv(1, condition, start**2 * widths[0])
  for x, c in zip([widths[0]] + widths, widths):
    block = 2 * norm(c) + 2 * _conv(9, c, c)
    count += unit(x, c) + _conv(9, c, c) + 2 * block + _conv(1, c, c)
  count += 2 * widths[-1] + _conv(9, widths[-1], value('image_channels', 3))
  if maker == 'dvd_gan.Generator':
    return count
  given = _value(bindings, 'tasks.VideoGANTask.conditioning_frames', None)
  of_blocks = [value('image_channels', 3)] + [
      m * channels for m in (2, 4, 8, 16, 16)[:len(widths)]]
  for x, c, state in zip(of_blocks, of_blocks[1:], widths[::-1]):
    count += _conv(9, x, c) + _conv(9, c, c) + _conv(1, x, c) + _conv(9, given * c, state)
  return count


def _discriminator_parameters(bindings):
  """Of appendix A's discriminators, from the bindings alone."""
  value = lambda name, default: _value(
      bindings, f'discriminators.Discriminators.{name}', default)
  pixels = _value(bindings, 'trivd_gan.Generator.image_channels', 3)
  channels = [pixels] + [m * value('channels', None)
                         for m in value('multipliers', (2, 4, 8, 16, 16))]
  count = 0
  for view in value('views', None):
    for stage, (x, c) in enumerate(zip(channels, channels[1:])):
      taps = 27 if view.endswith('V') and stage < 2 else 9
      last = stage == len(channels) - 2
      count += _conv(taps, x, c) + _conv(taps, c, c)
      count += 0 if last and x == c else _conv(1, x, c)
    count += channels[-1] + 1 + value('classes', 1) * channels[-1]
  return count


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_parameters(name):
  bindings = _bindings(name.removeprefix('trivd_gan/').removesuffix('.gin'))
  with shapes.alone():
    _, task, shape = _experiment(name)
    tf.autograph.experimental.do_not_convert(task.build)(shape)
  found = [sum(variable.shape.num_elements() for variable in variables)
           for variables in task.trainable_variables]
  print(f'{name}: {found} trainable parameters of G with its encoder, of D')
  assert found == [_generator_parameters(bindings), _discriminator_parameters(bindings)]
  row = paper_scale.TABLE.read().get((name, 'train'))
  assert row is None or int(row['parameters']) == sum(found)
