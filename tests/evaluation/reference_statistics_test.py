"""Statistics of real videos in a file: the same numbers as of the videos; what is refused."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen import files
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import real_statistics
from tf_videogen.evaluation import reference_statistics
from tf_videogen.evaluation import run


def _protocol():
  return runs.protocol(measures.FrechetDistance(sets=('kvd', 'recall')),
                       measures.PowerSpectrum((1,), 1), measures.InceptionScore())


@pytest.fixture(name='path')
def _path(networks, cpu, tmp_path):
  path = str(tmp_path / 'real.npz')
  names = run.export(path, _protocol(), fakes.Source(fakes.videos(20)), cpu, 'test', 4)
  assert names == ['fvd', 'power_spectrum']
  return path


def test_the_same_numbers_as_of_the_videos(path, networks, cpu):
  made = fakes.Source(fakes.videos(18, seed=1))
  real = reference_statistics.ReferenceVideos(path)
  assert real.count == 20 and real.shape == (16, 8, 8, 3) and reference_statistics.is_one(path)
  assert real.about['protocol'] == 'p' and real.about['split'] == 'test'
  assert real.about['measures'][0]['networks'][0].startswith('i3d_kinetics400@')
  before = dict(networks.seen)
  found, = run.run_each(_protocol(), real, [made], cpu, 4)
  assert networks.seen[runs.I3D] == before[runs.I3D] + 18  # samples alone
  expected, = run.run_each(_protocol(), fakes.Source(fakes.videos(20)), [made], cpu, 4)
  assert runs.numbers(found) == runs.numbers(expected) and found.values[0].high > 0
  assert [(v.low, v.floor) for v in found.values][0] == (
      expected.values[0].low, expected.values[0].floor)
  assert found.curves.keys() == expected.curves.keys()


def test_what_a_file_does_not_have_is_left_out(path, networks, cpu):
  real = reference_statistics.ReferenceVideos(path)
  protocol = runs.protocol(measures.FrechetDistance(frames=9), measures.InceptionScore(),
                           measures.Similarity())
  found, = run.run_each(protocol, real, [fakes.Source(fakes.videos(8))], cpu, 4)
  assert list(runs.numbers(found)) == ['is']
  assert 'has no statistics for fvd by i3d_kinetics400@' in found.warnings[0]
  assert 'it has fvd by i3d_kinetics400@' in found.warnings[0]
  assert found.warnings[1] == 'ssim needs real videos, not their statistics: left out'
  random, = run.run_each(_protocol(), real, [fakes.Source(fakes.videos(8))], cpu, 4, True)
  assert 'fvd' not in runs.numbers(random)  # another network


def test_a_changed_file_is_noticed(path, tmp_path):
  with open(path, 'rb') as file:
    arrays = files.unpacked(file.read())
  name = next(name for name in arrays if name[0] == 'sums' and 'products' in name[2])
  arrays[name] = arrays[name] + 1
  (tmp_path / 'changed.npz').write_bytes(files.packed(arrays))
  with pytest.raises(ValueError, match=r'changed\.npz was changed or damaged: its digest'):
    reference_statistics.ReferenceVideos(str(tmp_path / 'changed.npz'))
  (tmp_path / 'torn.npz').write_bytes(b'PK and no more')
  with pytest.raises(ValueError, match=r'torn\.npz cannot be read as statistics'):
    reference_statistics.ReferenceVideos(str(tmp_path / 'torn.npz'))
  np.savez(tmp_path / 'videos.npz', video=fakes.videos(2))
  assert not reference_statistics.is_one(str(tmp_path / 'videos.npz'))
  assert not reference_statistics.is_one(str(tmp_path / 'nowhere'))


def test_another_format_is_refused(path, monkeypatch):
  monkeypatch.setattr(real_statistics, 'FORMAT', 99)
  with pytest.raises(ValueError, match='statistics of format 3, but this version reads 99: export'):
    reference_statistics.ReferenceVideos(path)


def test_networks_must_be_there(networks, cpu, tmp_path, monkeypatch):
  fakes.install(monkeypatch, tmp_path / 'cache', missing=[runs.I3D])
  with pytest.raises(ValueError, match='the network i3d_kinetics400 is not there; get it with'):
    run.export(str(tmp_path / 'a.npz'), _protocol(), fakes.Source(fakes.videos(4)), cpu, 'test')
