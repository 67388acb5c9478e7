"""Paper-scale configs on a TPU v3 core, by the committed table of what its compiler said."""

import os
import random
import re

import gin
import pytest

from tests import shipped_configs
from tests.preflight import paper_scale
from tf_videogen.preflight import compiler
from tf_videogen.preflight import programs

GUIDE = paper_scale.TABLE.parents[1] / 'tpu.md'
WANTED = paper_scale.wanted()


def test_the_table_has_no_other_programs():
  assert set(paper_scale.read()) <= set(WANTED)


@pytest.mark.parametrize('name', [
    name for name, _ in WANTED if name.startswith(('cvg/', 'ssw_gan/'))])
def test_every_level_of_a_cascade_fits(name):
  row = paper_scale.read()[name, 'train']
  assert row['fits'] == 'yes' and int(row['batch']) * paper_scale.topology_of(name).cores == (
      256 if name.startswith('cvg/bdd100k_level') else 512)


def test_the_table_has_every_program():
  assert set(WANTED) - set(paper_scale.read()) == set()


@pytest.mark.parametrize('name, cores, clips', [
    ('videogpt/bair_prior.gin', 8, 4),
    ('video_transformer/kinetics600_spatiotemporal_large.gin', 128, 2),
    ('trivd_gan/kinetics600_table1_clip.gin', 64, 8),
    ('trivd_gan/kinetics600_table3.gin', 512, 1),
    ('trivd_gan/dvd_gan_kinetics600_6_128.gin', 64, 8),
    ('trivd_gan/dvd_gan_kinetics600_12_128.gin', 128, 4),
    ('trivd_gan/dvd_gan_kinetics600_48_128.gin', 512, 1)])
def test_cores(name, cores, clips):
  assert paper_scale.topology_of(name).cores == cores
  shipped_configs.parse(name)
  batch = gin.query_parameter('experiment.Experiment.batch_size')
  gin.clear_config()
  assert batch / cores == clips


def test_the_same_program_is_compiled_once():
  """Another config of the same digest, batch and topology has the same row, but for its steps."""
  name, other = (f'trivd_gan/kinetics600_{stem}.gin' for stem in (
      'projection_mixed', 'table1_dvd_gan_fp'))
  exported = programs.Program('train', 8, 5, b'')
  row = {**next(iter(paper_scale.read().values())), 'config': other, 'program': 'train',
         'topology': 'v3:4x8', 'digest': exported.digest, 'bound_s': '0.5', 'train_steps': '689000',
         'core_hours': '6124.4'}
  rows = {(other, 'train'): row}
  assert paper_scale.same(rows, name, exported) == row
  assert paper_scale.adopted(row, name, 700_000) == {
      **row, 'config': name, 'train_steps': '700000', 'core_hours': '6222.2'}
  assert paper_scale.adopted(row, other, 689_000) == row
  for changed in ({'digest': 'another'}, {'topology': 'v3:2x2'}, {'program': 'sample'},
                  {'config': name}):
    assert paper_scale.same({(other, 'train'): {**row, **changed}}, name, exported) is None


def test_hours_follow_from_the_rest_of_a_row():
  for (name, _), row in paper_scale.read().items():
    assert row == paper_scale.adopted(row, name, int(row['train_steps'] or 0))


def test_the_page_is_the_table():
  assert paper_scale.PAGE.read_text() == paper_scale.page(paper_scale.read().values())


def test_the_guide_quotes_the_table():
  quoted = re.findall(r'\[([\d,]+)\]\(\.\./gin/([\w/]+\.gin)\)', GUIDE.read_text())
  hours = {config: f'{float(row["core_hours"]):,.0f}'
           for (config, program), row in paper_scale.read().items() if program == 'train'}
  assert len(quoted) == 6 and all(hours[config] == said for said, config in quoted)


@pytest.mark.parametrize('row', paper_scale.read().values(),
                         ids=lambda row: f'{row["config"]}-{row["program"]}')
def test_fits(row):
  assert row['fits'] == 'yes', row['error']
  assert 0 < int(row['peak_bytes']) <= 16 << 30 and float(row['flops']) > 0


def _drawn():
  """A sample of the table. TF_VIDEOGEN_SAMPLE_SEED draws another one."""
  seed = int(os.environ.get('TF_VIDEOGEN_SAMPLE_SEED', 0))
  return random.Random(seed).sample(sorted(paper_scale.read()), 2)


@pytest.mark.slow
@pytest.mark.parametrize('name, program', WANTED, ids=[f'{n}-{p}' for n, p in WANTED])
def test_the_table_is_what_the_compiler_says(name, program):
  """Compiles what has changed since the table was made, and a sample of the rest."""
  try:
    compiler.environment()
  except compiler.Unavailable as error:
    pytest.skip(str(error))
  config, exported = paper_scale.export(name, program)
  row = paper_scale.read().get((name, program))
  if row is None or row['digest'] != exported.digest or (name, program) in _drawn():
    assert paper_scale.row_of(name, config, exported) == row, (
        f'bring the table up to date: python -m tests.preflight.paper_scale {name}')
