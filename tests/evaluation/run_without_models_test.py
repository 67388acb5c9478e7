"""Runs without a model: baselines, and videos of two sources."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import run
from tf_videogen.evaluation import videos as videos_lib


# --- baselines and sources ---


def test_copy_last_frame(networks, cpu):
  real = fakes.videos(10)
  make = runs.Spy(videos_lib.CopyLastFrame(5))
  protocol = runs.protocol(measures.FrechetDistance(), measures.FrechetDistance(
      'fvd_star', between=('reconstructed', 'generated')), conditioning_frames=5, trials=20,
                           sampling={'temperature': 0.9})
  found = run.run(protocol, fakes.Source(real), make, cpu)
  made = np.concatenate(make.made)
  assert len(made) == 10  # once: every trial would have the same
  np.testing.assert_array_equal(made[:, :5], real[:, :5])
  np.testing.assert_array_equal(made[:, 5:], np.repeat(real[:, 4:5], 11, 1))
  assert runs.numbers(found) == {'fvd': pytest.approx(runs.distance(real, made, 16), rel=1e-4)}
  assert found.values[0].note == '' and np.isnan(found.values[0].spread)
  assert found.warnings == [
      'fvd_star measures reconstructions, which only autoencoders make: left out']
  assert found.conditioning_frames == 5
  with pytest.raises(ValueError, match='copy_last_frame needs at least one given frame'):
    videos_lib.CopyLastFrame(0)


def test_two_sources(networks, cpu):
  real, generated = fakes.videos(9), fakes.videos(14, seed=1)
  protocol = runs.protocol(measures.FrechetDistance(), trials=3, samples_per_condition=2,
                           sampling={'temperature': 0.9})
  found = run.run(protocol, fakes.Source(real), None, cpu, generated=fakes.Source(generated))
  assert runs.numbers(found) == {'fvd': pytest.approx(runs.distance(real, generated, 16), rel=1e-4)}
  assert found.values[0].examples == 14 and found.values[0].note == ''
  assert found.gallery.keys() == {'samples', 'data'}
  np.testing.assert_array_equal(found.gallery['data'], real[:8])
  np.testing.assert_array_equal(found.gallery['samples'], generated[:8])


def test_two_sources_in_pairs(networks, cpu):
  real = fakes.videos(9, 4, 12, 12)
  generated = real // 2
  generated[:, :2] = real[:, :2]
  protocol = runs.protocol(measures.Similarity('psnr'))
  found = run.run(protocol, fakes.Source(real), None, cpu, 4, False, fakes.Source(generated), 2)
  expected = measures.Similarity('psnr', 2).statistics(
      measuring.Clips(generated, np.zeros(9), real=real))
  assert runs.numbers(found) == {
      'psnr': pytest.approx(np.mean(expected['best_of', 1]) / 9, rel=1e-5)}
  assert found.gallery.keys() >= {'samples', 'data', 'worst_data'}
  assert found.conditioning_frames == 2
  with pytest.raises(ValueError, match='in pairs, but there are 9 real and 8 generated ones'):
    run.run(protocol, fakes.Source(real), None, cpu, 4, False, fakes.Source(generated[:8]))


def test_classes_of_two_sources(networks, cpu):
  real, generated, labels = fakes.videos(16), fakes.videos(16, seed=1), np.arange(16) % 2
  classes = {'one': 1}
  found = run.run(
      runs.protocol(measures.FrechetDistance(classes=classes), classes=classes),
      fakes.Source(real, labels), None, cpu, generated=fakes.Source(generated, labels))
  expected = pytest.approx(runs.distance(real[1::2], generated[1::2], 16), rel=1e-3)
  assert runs.numbers(found) == {'fvd_class_mean': expected, 'fvd_class_one': expected}


# --- several sides ---


def test_several_generated_sides_see_the_real_one_once(networks, cpu):
  real = fakes.videos(20)
  made = [fakes.videos(n, seed=n) for n in (10, 14)]
  protocol = runs.protocol(measures.FrechetDistance(), measures.InceptionScore())
  found = run.run_each(protocol, fakes.Source(real), [fakes.Source(m, name=str(len(m)))
                                                      for m in made], cpu, 4, True)
  assert networks.seen == {runs.I3D: 20 + 10 + 14}
  for one, video in zip(found, made):
    alone = run.run(protocol, fakes.Source(real), None, cpu, 4, True, fakes.Source(video))
    assert runs.numbers(one) == runs.numbers(alone)
    assert {value.examples for value in one.values} == {len(video)}


def test_pairs_are_read_once(networks, cpu, monkeypatch):
  """Real videos are measured beside the generated ones."""
  reads, whole = [], fakes.Source.batches

  def counting(self, *args, **kwargs):
    reads.append(self._name)
    return whole(self, *args, **kwargs)

  monkeypatch.setattr(fakes.Source, 'batches', counting)
  real, made = fakes.videos(18), fakes.videos(18, seed=1)
  protocol = runs.protocol(measures.FrechetDistance(), measures.Similarity())
  found = run.run(protocol, fakes.Source(real, name='real'), None, cpu, 4, False,
                  fakes.Source(made, name='made'))
  assert sorted(reads) == ['made', 'real'] and networks.seen == {runs.I3D: 36}
  assert runs.numbers(found)['fvd'] == pytest.approx(runs.distance(real, made, 16), rel=1e-4)
  again = run.run(protocol, fakes.Source(real, name='real'), None, cpu, 4, False,
                  fakes.Source(made, name='made'))
  assert runs.numbers(again) == runs.numbers(found)
  assert networks.seen == {runs.I3D: 36 + 18}  # the statistics are in the cache
