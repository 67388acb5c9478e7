"""A pass over files that was stopped goes on where it was, with the same numbers."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import parts
from tf_videogen.evaluation import run


@pytest.fixture(name='at_once', autouse=True)
def _at_once(monkeypatch, tmp_path):
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(parts, 'EVERY', 0)


def test_what_is_kept_comes_back(tmp_path):
  one = parts.Parts(['a'])
  assert one.read() == (0, {}, {})
  rows = measuring.Rows(np.ones([2, 3]), np.zeros([1, 3]))
  sums = {0: {('', 0, 'sum'): np.arange(3.), ('', 0, 'rows'): rows}, 2: {'count': np.ones([])}}
  one.keep(4, sums, {'samples': np.zeros([2, 2])})
  done, totals, more = parts.Parts(['a']).read()
  assert done == 4 and totals.keys() == {0, 2} and totals[2] == {'count': 1}
  np.testing.assert_array_equal(totals[0]['', 0, 'rows'], np.asarray(rows))
  assert more['samples'].shape == (2, 2)
  assert parts.Parts(['b']).read()[0] == 0 and parts.Parts(['a'], kept=False).read()[0] == 0
  one.remove()
  assert parts.Parts(['a']).read() == (0, {}, {}) and not list(tmp_path.glob('cache/parts/*'))


def test_a_damaged_file_starts_anew(tmp_path):
  parts.Parts(['a']).keep(4, {}, {})
  path, = tmp_path.glob('cache/parts/*')
  path.write_bytes(path.read_bytes()[:50])
  assert parts.Parts(['a']).read() == (0, {}, {})


class _Stopped(fakes.Source):
  """A source that stops after some batches; `seen` has the clips that it gave."""

  def __init__(self, video, after, name):
    super().__init__(video, name=name)
    self.after, self.seen = after, []

  def batches(self, *args, **kwargs):
    first = args[3] if len(args) > 3 else 0
    for number, batch in enumerate(super().batches(*args, **kwargs), first):
      if number == self.after:
        raise KeyboardInterrupt
      self.skipped[f'{self._name} {number}'] = 'damaged'
      self.seen += batch['index'].tolist()
      yield batch


@pytest.mark.parametrize('stopped, paired', [('real', ()), ('generated', ()),
                                             ('real', (measures.Similarity('psnr'),))])
def test_a_stopped_pass_resumes(networks, cpu, tmp_path, stopped, paired):
  videos = {'real': fakes.videos(26 if paired else 30), 'generated': fakes.videos(26, seed=1)}
  protocol = runs.protocol(
      measures.FrechetDistance(sets=('kvd',)), measures.InceptionScore(), *paired)

  def compared(after=None):
    sources = {name: _Stopped(video, after if name == stopped else None, name)
               for name, video in videos.items()}
    found = run.run(protocol, sources['real'], None, cpu, 4, True, sources['generated'])
    return found, sources

  expected, _ = compared()
  with pytest.raises(KeyboardInterrupt):
    compared(after=3)
  found, sources = compared()
  assert sources[stopped].seen == list(range(12, len(videos[stopped])))  # three batches were kept
  assert runs.numbers(found) == pytest.approx(runs.numbers(expected), rel=1e-6)
  assert [value.examples for value in found.values] == [26] * len(found.values)
  np.testing.assert_array_equal(found.gallery['samples'], expected.gallery['samples'])
  assert not list((tmp_path / 'cache' / 'parts').iterdir())
  if not paired:  # where whatever cannot be read is an error
    assert sources[stopped].skipped == {f'{stopped} {number}': 'damaged' for number in range(
        -(-len(videos[stopped]) // 4))}
