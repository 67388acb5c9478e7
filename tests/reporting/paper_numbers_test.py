"""The numbers that the papers print: a clean table, and the one that the configs' headers tell."""

import csv
import io
import math
import re

import pytest

from docs import papers
from tf_videogen.reporting import paper_numbers

COLUMNS = ['paper', 'table', 'row', 'config', 'protocol', 'metric', 'value', 'std', 'note']
PAPERS = ('videogpt', 'video_transformer', 'trivd_gan', 'cvg', 'ssw_gan')
METRICS = ('fvd', 'fvd_unrolled', 'fvd_star', 'r_fvd', 'is', 'fid', 'ssim', 'psnr', 'bits_per_dim',
           'bits_per_code', 'nats_per_code', 'nats_per_frame', 'nmse')
# Its header bounds a difference ("within 0.01 bits/dim"), which is no metric of a model.
WITHOUT_A_VALUE = ('video_transformer/bair_spatiotemporal_shuffled_blocks.gin',)

TEXT = papers.NUMBERS.read_text(encoding='utf-8')
ROWS = list(csv.DictReader(io.StringIO(TEXT)))
CONFIGS = [config for config in papers.all_configs() if not config.startswith('evaluation/')]


def _has_number(printed):
  return not printed.startswith('no number') and re.search(r'\d', printed) is not None


def _rows_of(config):
  """Its rows; a cascade's are those of its last level, which carries all others."""
  config = (papers.levels(config) or (config,))[-1]
  return [row for row in ROWS if row['config'] == config]


def test_columns():
  lines = list(csv.reader(io.StringIO(TEXT)))
  assert lines[0] == COLUMNS
  assert {len(line) for line in lines} == {len(COLUMNS)}


def test_fields():
  for row in ROWS:
    assert row['paper'] in PAPERS and row['metric'] in METRICS, row
    assert row['table'] and row['row'] and row['protocol'].startswith(row['paper'] + '_'), row
    # DVD-GAN's numbers are of CVG's tables, its configs beside TrIVD-GAN's.
    folder = 'trivd_gan' if row['row'].startswith('DVD-GAN') else row['paper']
    assert row['config'] == '' or re.fullmatch(folder + r'/\w+\.gin', row['config']), row
    assert all(field == field.strip() for field in row.values()), row


def test_values_are_numbers():
  for row in ROWS:
    assert re.fullmatch(r'\d+(\.\d+)?', row['value']), row
    assert re.fullmatch(r'(\d+(\.\d+)?)?', row['std']), row


def test_quoted_numbers():
  """What a paper has from elsewhere belongs to no config of its own."""
  quoted = [row for row in ROWS if row['note'].startswith('quoted')]
  assert {row['paper'] for row in quoted} == set(PAPERS) - {'ssw_gan'}  # which has no numbers
  assert {row['config'].split('_kinetics')[0] for row in quoted} == {'', 'trivd_gan/dvd_gan'}
  without = {(row['paper'], row['row']) for row in ROWS if not row['config'] and row not in quoted}
  assert without == {('video_transformer', 'Lower bound'), ('trivd_gan', 'copy-last-frame'),
                     ('trivd_gan', 'ConvLSTM with ReLU')}


def test_no_row_occurs_twice():
  keys = [tuple(row[name] for name in ('paper', 'table', 'row', 'protocol', 'metric', 'note'))
          for row in ROWS]
  assert sorted(keys) == sorted(set(keys))


def test_configs_exist():
  named = {row['config'] for row in ROWS if row['config']}
  assert named and named <= set(CONFIGS)


@pytest.mark.parametrize('config', CONFIGS)
def test_every_header_says_what_the_paper_prints(config):
  assert papers.printed(config)


@pytest.mark.parametrize('config', CONFIGS)
def test_headers_and_table_name_the_same_configs(config):
  expected = _has_number(papers.printed(config)) and config not in WITHOUT_A_VALUE
  assert bool(_rows_of(config)) == expected


@pytest.mark.parametrize('config', [config for config in CONFIGS if _rows_of(config)])
def test_numbers_are_as_the_header_has_them(config):
  """Every number of the table is in the header, and every one with a deviation is in the table."""
  printed = papers.printed(config)
  numbers = re.findall(r'\d+(?:\.\d+)?', printed)
  deviations = set(re.findall(r'(\d+(?:\.\d+)?) \+- (\d+(?:\.\d+)?)', printed))
  rows = _rows_of(config)
  assert [row['value'] for row in rows if row['value'] not in numbers] == []
  assert {(row['value'], row['std']) for row in rows if row['std']} == deviations


def test_numbers_of_a_config():
  numbers = paper_numbers.for_config('videogpt/bair_prior.gin')
  fvd, star = [[number for number in numbers if number.metric == metric and
                number.protocol == 'videogpt_bair'] for metric in ('fvd', 'fvd_star')]
  assert [number.printed for number in fvd + star] == ['103.6 ± 2.0', '94.6 ± 1.5']
  assert fvd[0].source == 'Table 4, 16 layers; also Table 5, Table 6, Table 7'
  assert (fvd[0].protocol, fvd[0].value, fvd[0].std) == ('videogpt_bair', 103.6, 2.0)
  assert star[0].source == 'Table 5, 8 x 32 x 32'
  by_authors = [number for number in numbers if number.protocol == 'videogpt_bair_authors']
  assert [number._replace(protocol='videogpt_bair') for number in by_authors] == [
      number for number in numbers if number.protocol == 'videogpt_bair']


def test_a_number_has_the_deviation_that_one_of_its_tables_prints():
  number = next(number for number in paper_numbers.for_config('videogpt/bair_prior_layers8.gin')
                if number.metric == 'fvd')
  assert (number.printed, number.source) == ('103.3 ± 2.2', 'Table 4, 8 layers; also Table 1')


def test_different_numbers_of_a_metric_stay_apart():
  numbers = [number for number in
             paper_numbers.for_config('video_transformer/bair_spatiotemporal.gin')
             if number.metric == 'bits_per_dim']
  assert [(number.printed, number.note) for number in numbers] == [
      ('1.53', ''), ('1.55', 'validation set')]
  assert numbers[1].source == 'Table 3, Layers 8; also Heads 8, Hidden size 512'
  assert math.isnan(numbers[0].std)


def test_numbers_of_other_protocols_and_papers():
  """A model of Kinetics-600 that is evaluated on UCF-101, too; DVD-GAN, whose numbers CVG has."""
  numbers = paper_numbers.for_config('trivd_gan/kinetics600_table3.gin')
  assert [(n.protocol, n.metric, n.printed) for n in numbers] == [
      ('trivd_gan_kinetics600_test', 'is', '12.54 ± 0.06'),
      ('trivd_gan_kinetics600_test', 'fvd', '25.74 ± 0.66'), ('trivd_gan_ucf101', 'fvd', '67.7')]
  numbers = paper_numbers.for_config('trivd_gan/dvd_gan_kinetics600_48_128.gin')
  assert [(n.protocol, n.metric, n.value) for n in numbers] == [
      ('cvg_kinetics600_48', 'is', 81.41), ('cvg_kinetics600_48', 'fid', 28.44)]


def test_a_cascade_has_its_numbers_by_its_last_level():
  numbers = paper_numbers.for_config('cvg/kinetics600_level2.gin')
  assert [(n.protocol, n.metric, n.value) for n in numbers] == [
      (f'cvg_kinetics600_{frames}', metric, value)
      for frames, values in ((12, (104.00, 2.09, 591.90)), (48, (77.36, 14.00, 517.21)))
      for metric, value in zip(('is', 'fid', 'fvd'), values)]
  assert numbers[-1].source == 'Table 1, 2-Level CVG; also Table 4'


@pytest.mark.parametrize('config', ['', 'mine.gin', 'videogpt/smoke.gin', 'trivd_gan/smoke.gin',
                                    'cvg/kinetics600_level1.gin'])
def test_a_config_without_numbers(config):
  assert paper_numbers.for_config(config) == []
