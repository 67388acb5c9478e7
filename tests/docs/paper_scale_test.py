"""Paper-scale configs on a TPU v3 core, by the committed tables of what its compiler said."""

import os
import random
import re

import gin
import pytest

from docs import evidence as evidence_command
from docs import shipped_configs
from docs.preflight import evidence
from docs.preflight import paper_scale
from tf_videogen.preflight import compiler
from tf_videogen.preflight import fingerprint

GUIDE = paper_scale.PAGE.parents[1] / 'tpu.md'
ROWS = paper_scale.TABLE.read()
WANTED = [wanted.key for wanted in paper_scale.TABLE.wanted]
EVIDENCE = evidence_command.chosen([])


@pytest.mark.parametrize('table', evidence_command.TABLES, ids=lambda table: table.path.stem)
def test_a_table_has_every_program_and_no_other(table):
  rows = table.read()
  missing = [wanted.name for wanted in table.wanted if wanted.key not in rows]
  assert not missing, f'python -m docs.evidence --compile {" ".join(map(repr, missing))}'
  assert list(rows) == [wanted.key for wanted in table.wanted]
  for wanted in table.wanted:
    row = rows[wanted.key]
    assert (row['config'], row['bindings'], row['program'], row['topology']) == (
        wanted.config, '; '.join(wanted.bindings), wanted.program, wanted.topology.name)


@pytest.mark.parametrize('table', evidence_command.TABLES, ids=lambda table: table.path.stem)
def test_rows_tell_what_was_compiled_and_when(table):
  for row in table.read().values():
    assert re.fullmatch(r'[0-9a-f]{16}', row['digest'])
    assert re.fullmatch(r'[0-9a-f]{16}', row['operations'])
    assert evidence.of_row(row).flops > 0 and evidence.of_row(row).bytes > 0
    assert re.fullmatch(r'[0-9a-f]{8,10}\+?', row['commit'])
    assert re.fullmatch(r'20\d\d-[01]\d-[0-3]\d', row['day'])


@pytest.mark.parametrize('name', [
    name for name, _ in WANTED if name.startswith(('cvg/', 'ssw_gan/'))])
def test_every_level_of_a_cascade_fits(name):
  row = ROWS[name, 'train']
  assert row['fits'] == 'yes' and int(row['batch']) * paper_scale.topology_of(name).cores == (
      256 if name.startswith('cvg/bdd100k_level') else 512)


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


def test_hours_follow_from_the_rest_of_a_row():
  for row in ROWS.values():
    assert row == evidence.with_hours(row, int(row['train_steps'] or 0))


def test_the_guide_quotes_the_table():
  quoted = re.findall(r'\[([\d,]+)\]\(\.\./gin/([\w/]+\.gin)\)', GUIDE.read_text())
  hours = {config: f'{float(row["core_hours"]):,.0f}'
           for (config, program), row in ROWS.items() if program == 'train'}
  assert len(quoted) == 6 and all(hours[config] == said for said, config in quoted)


def test_every_program_fits():
  for name, row in ROWS.items():
    assert row['fits'] == 'yes', (name, row['error'])
    assert 0 < int(row['peak_bytes']) <= 16 << 30 and float(row['flops']) > 0, name


@pytest.mark.slow
@pytest.mark.parametrize('table, wanted', EVIDENCE, ids=[wanted.name for _, wanted in EVIDENCE])
def test_a_row_is_true(table, wanted):
  """The program costs what its row says, to 2 %."""
  _, exported = wanted.export()
  outdated = f"bring the row up to date: python -m docs.evidence --compile '{wanted.name}'"
  moved = fingerprint.moved(
      evidence.of_row(table.read()[wanted.key]), fingerprint.of_hlo(exported.hlo))
  assert max(map(abs, moved)) <= evidence.TOLERANCE, outdated


# One, as a compile takes up to 12 GB. TF_VIDEOGEN_SAMPLE_SEED draws another.
DRAWN = random.Random(int(os.environ.get('TF_VIDEOGEN_SAMPLE_SEED', 0))).sample(EVIDENCE, 1)


@pytest.mark.slow
@pytest.mark.parametrize('table, wanted', DRAWN, ids=[wanted.name for _, wanted in DRAWN])
def test_a_row_is_compiled_again(table, wanted):
  """It is the row to the bit, or nearly so if the program is not the row's to the letter."""
  config, exported = wanted.export()
  row = table.read()[wanted.key]
  try:
    again = evidence.compiled(wanted, exported)
  except compiler.Unavailable as error:
    pytest.skip(str(error))
  # The config adds hours; a row may have fields that are empty.
  said = {field: text for field, text in row.items() if text and field in again
          and field not in ('commit', 'day', 'train_steps', 'core_hours', 'stale')}
  assert config.train_steps == int(row['train_steps'] or config.train_steps)
  if exported.digest == row['digest']:
    assert said == {field: again[field] for field in said}
  else:
    # The compiler trades memory for operations, so that memory moves further.
    for field, most in (('flops', evidence.TOLERANCE), ('bytes_accessed', evidence.TOLERANCE),
                        ('peak_bytes', 0.1)):
      assert float(again[field]) == pytest.approx(float(said[field]), rel=most), field
    assert again['fits'] == row['fits']
