"""Variants of FVD: each changes one thing, and as much as NumPy says."""

import dataclasses
import pathlib

import numpy as np
import pytest

from tests import raw_data
from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import parts
from tf_videogen.evaluation import variants
from tf_videogen.evaluation import videos
from tf_videogen.metrics import frechet
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained

BY_NAME = {variant.name: variant for variant in variants.VARIANTS}


def _rows(seed, shift=0.0):
  return np.random.default_rng(seed).normal(shift, 1 + shift, [60, 12]).astype(np.float32)


def test_distances_of_rows():
  a, b = _rows(0), _rows(1, 0.3)
  found = {name: distance(a, b) for name, distance in variants.DISTANCES.items()}
  expected = frechet.distance(*(
      frechet.Gaussian(60, x.mean(0, np.float64), np.cov(x, rowvar=False)) for x in (a, b)))
  over_n = frechet.distance(*(
      frechet.Gaussian(60, x.mean(0, np.float64), np.cov(x, rowvar=False, ddof=0)) for x in (a, b)))
  assert found[''] == pytest.approx(expected, rel=1e-6)
  assert found['over_n'] == pytest.approx(over_n, rel=1e-6) and over_n < expected
  assert found['sqrtm'] == pytest.approx(expected, rel=1e-6)
  assert found['sqrtm_over_n'] == pytest.approx(over_n, rel=1e-6)
  assert found['float32'] == pytest.approx(expected, rel=1e-3) and found['float32'] != expected


def test_transforms_of_videos():
  batch = np.stack([raw_data.moving_square(16, 33, 47, seed) for seed in range(2)])
  errors = {}
  for name, transform in variants.TRANSFORMS.items():
    made = transform(batch)
    assert made.shape == batch.shape and made.dtype == np.uint8, name
    errors[name] = np.abs(made.astype(int) - batch).mean()
  assert errors[''] == 0 < errors['truncated'] < 1
  assert 0 < errors['h264_18'] < errors['h264_23'] < errors['h264_28'] < 6
  assert 0 < errors['gif'] < 4
  ten = variants.TRANSFORMS['ten_repeated'](batch)
  np.testing.assert_array_equal(ten[:, 10:], batch[:, :6])
  for name in ('gif', 'h264_23', 'truncated'):
    assert variants.TRANSFORMS[name](batch[..., :1]).shape == (2, 16, 33, 47, 1)


def test_every_variant_changes_one_thing():
  plain = variants.Variant('', '')
  sets = ('videogpt', 'stylegan_v', 'common_metrics', 'cd_fvd')
  for variant in variants.VARIANTS:
    changed = [field.name for field in dataclasses.fields(variant)
               if field.name not in ('name', 'what')
               and getattr(variant, field.name) != getattr(plain, field.name)]
    if variant.name == 'reference':
      assert not changed
    elif variant.name == 'ten_repeated':
      assert changed == ['real', 'generated']
    elif variant.name not in sets:
      assert len(changed) == 1 and len(variant.changes) <= 1, variant
    assert set(variant.changes) <= set(networks.CHANGES) and variant.distance in variants.DISTANCES
    assert {variant.real, variant.generated} <= set(variants.TRANSFORMS)
  assert set(sets) < set(BY_NAME) and len(BY_NAME) == len(variants.VARIANTS)


def test_values_and_differences(networks, cpu):
  real, made = fakes.videos(20, 16, 8, 10), fakes.videos(18, 16, 8, 10, seed=1)
  found = variants.run(fakes.Source(real), fakes.Source(made), cpu, 8)
  values = {value.metric: value for value in found.values}
  left_out = {'fvd_windows'}
  assert set(values) == {f'fvd_{name}' for name in BY_NAME} - left_out
  assert found.warnings == [
      'fvd_windows is left out: real videos are not longer than clips, or no files']
  reference = runs.distance(real, made, 16)
  assert values['fvd_reference'].value == pytest.approx(reference, rel=1e-4)
  assert values['fvd_truncated'].value == pytest.approx(
      runs.distance(real, videos.truncated(made), 16), rel=1e-4)
  ten = [video[:, np.arange(16) % 10] for video in (real, made)]
  assert values['fvd_ten_repeated'].value == pytest.approx(runs.distance(*ten, 16), rel=1e-4)
  value = values['fvd_values_half']
  assert value.value != pytest.approx(reference, rel=1e-3)
  difference = value.value - values['fvd_reference'].value
  assert value.note.startswith(f'{difference:+.4g}, x {value.value / reference:.3f}')
  assert 'pixels in [-0.5, 0.5]' in value.note and value.examples == 18
  assert 'i3d_kinetics400@' in value.network


def _only(monkeypatch, *names):
  """Leaves the other variants out, which take a moment each."""
  monkeypatch.setattr(variants, 'VARIANTS', tuple(BY_NAME[name] for name in names))


def test_few_videos_windows_and_square_frames(networks, cpu, monkeypatch):
  _only(monkeypatch, 'reference', 'crop', 'few', 'windows')
  real, made = fakes.videos(20), fakes.videos(18, seed=1)
  other = fakes.videos(20, seed=2)
  found = variants.run(fakes.Source(real), fakes.Source(made), cpu, 8, True, fakes.Source(other))
  values = {value.metric: value.value for value in found.values}
  assert values['fvd_few'] != values['fvd_reference'] != values['fvd_windows']
  assert found.warnings == ['fvd_crop is left out: frames are square']
  fewer = variants.run(fakes.Source(real[:15]), fakes.Source(made), cpu, 8, True)
  assert 'fvd_few is left out: there are fewer than 16 videos' in fewer.warnings
  assert all('random-network' in value.network for value in found.values)


def test_a_missing_network_is_told(cpu, monkeypatch, tmp_path):
  _only(monkeypatch, 'reference')
  fakes.install(monkeypatch, tmp_path / 'cache', missing=['i3d_kinetics400'])
  found = variants.run(fakes.Source(fakes.videos(4)), fakes.Source(fakes.videos(4)), cpu)
  assert not found.values and 'get it with' in found.missing['fvd']


class _Stopped(Exception):
  pass


def test_a_stopped_run_resumes(networks, cpu, monkeypatch):
  """What the passes before have found is not computed again; nothing is left at the end."""
  monkeypatch.setattr(parts, 'EVERY', 0)
  _only(monkeypatch, 'reference', 'truncated', 'values_half', 'over_n')
  sources = [fakes.Source(fakes.videos(20)), fakes.Source(fakes.videos(18, seed=1))]
  whole = runs.numbers(variants.run(*sources, cpu, 8))
  seen, add = fakes.count_clips(monkeypatch), measuring.add

  def stopping(total, more):
    if seen['i3d_kinetics400+values_half'] > 24:  # within the last pass
      raise _Stopped
    return add(total, more)

  monkeypatch.setattr(measuring, 'add', stopping)
  seen['i3d_kinetics400+values_half'] = 0
  with pytest.raises(_Stopped):
    variants.run(*sources, cpu, 8)
  monkeypatch.setattr(measuring, 'add', add)
  assert seen == {'i3d_kinetics400': 20 + 2 * 18, 'i3d_kinetics400+values_half': 20 + 8}
  seen.update(dict.fromkeys(seen, 0))
  assert runs.numbers(variants.run(*sources, cpu, 8)) == whole and len(whole) == 4
  assert seen == {'i3d_kinetics400': 0, 'i3d_kinetics400+values_half': 18}
  assert not list(pathlib.Path(pretrained.cache_dir(), 'parts').iterdir())
