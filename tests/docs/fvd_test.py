"""The page of FVD's variants is what its table says, with the weights at every number."""

import csv

import numpy as np
import pytest

from docs import fvd
from tf_videogen.evaluation import variants


def test_the_page_is_that_of_the_table():
  assert fvd.PAGE.read_text(encoding='utf-8') == fvd.page()


def test_every_variant_has_an_expectation():
  assert set(fvd.EXPECTED) == {variant.name for variant in variants.VARIANTS} - {'reference'}


def test_every_number_says_its_weights():
  if not fvd.TABLE.exists():
    pytest.skip('nothing has been measured')
  with open(fvd.TABLE, encoding='utf-8', newline='') as file:
    rows = list(csv.DictReader(file))
  names = {variant.name for variant in variants.VARIANTS}
  assert {row['variant'] for row in rows} <= names and rows[0]['variant'] == 'reference'
  assert len(rows) >= len(names) - 2
  lines = [line for line in fvd.page().splitlines() if line.startswith('| `')]
  assert len(lines) == len(rows) - 1
  weights = 'random' if 'random' in rows[0]['network'] else 'published'
  assert all(f'({weights})' in line for line in lines)


def test_clips_of_both_sides(tmp_path):
  video = np.random.default_rng(0).integers(256, size=[3, 100, 70, 90, 3], dtype=np.uint8)
  np.savez(tmp_path / 'a.npz', video=video)
  real, other = fvd._clips([str(tmp_path)])
  assert real.shape == (6, fvd.STORED, *fvd.SIZE, 3)
  assert other.shape == (6, fvd.FRAMES, *fvd.SIZE, 3)
  assert other.std() < real.std() / 2  # blurred
