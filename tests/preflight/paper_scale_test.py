"""Paper-scale configs on a TPU v3 core, by the committed table of what its compiler said."""

import os
import random
import re

import pytest

from tests.preflight import paper_scale
from tf_videogen.preflight import compiler

GUIDE = paper_scale.TABLE.parents[1] / 'tpu.md'
WANTED = paper_scale.wanted()


def test_the_table_has_every_program():
  assert set(paper_scale.read()) == set(WANTED)


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
