"""Statistics of real videos: they are kept, and taken where they are those that are wanted."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import run

I3D = runs.I3D


# --- statistics of real videos are kept ---


def _evaluate(networks, cpu, real, *of_measures, random=False, **kwargs):
  """Evaluates anew; returns the numbers, and how many real videos networks looked at."""
  networks.seen.clear()
  protocol = runs.protocol(*(of_measures or [measures.FrechetDistance(frames=9)]), **kwargs)
  found = run.run(protocol, real, fakes.Noise(), cpu, 8, random)
  return runs.numbers(found), {name: seen - real.count for name, seen in networks.seen.items()}


def test_statistics_of_real_videos_are_computed_once(networks, cpu):
  real, once = fakes.Source(fakes.videos(12)), {I3D: 12}
  first, looked = _evaluate(networks, cpu, real)
  assert looked == once
  assert _evaluate(networks, cpu, real) == (first, {I3D: 0})
  damaged = next((networks.cache / 'real_statistics').iterdir())
  damaged.write_bytes(damaged.read_bytes()[:100])
  assert _evaluate(networks, cpu, real) == (first, once)
  assert _evaluate(networks, cpu, real) == (first, {I3D: 0})


@pytest.mark.parametrize('other', [
    dict(real=fakes.Source(fakes.videos(12, seed=5))), dict(of=measures.FrechetDistance(frames=10)),
    dict(of=measures.FrechetDistance(frames=9, output='features')), dict(frames=9),
    dict(of=measures.FrechetDistance(frames=9, windows='all')), dict(network='i3d_kinetics600'),
    dict(real=fakes.Source(fakes.videos(12), name='elsewhere'))], ids=lambda other: list(other)[0])
def test_statistics_of_others_are_not_taken(networks, cpu, other):
  _evaluate(networks, cpu, fakes.Source(fakes.videos(12)))
  network = other.get('network', I3D)
  measure = other.get('of') or measures.FrechetDistance('fvd', network, frames=9)
  real = other.get('real') or fakes.Source(fakes.videos(12))
  kwargs = {'frames': other['frames']} if 'frames' in other else {}
  _, looked = _evaluate(networks, cpu, real, measure, **kwargs)
  assert looked[network] >= 12
  assert _evaluate(networks, cpu, real, measure, **kwargs)[1][network] == looked[network] - (
      12 if measure.windows == 'first' else 12 * 8)


def test_statistics_of_classes_are_not_those_of_all(networks, cpu):
  real = fakes.Source(fakes.videos(12), np.arange(12) % 2)
  whole = _evaluate(networks, cpu, real)
  assert _evaluate(networks, cpu, real, classes={'one': 1})[1] == {I3D: 6}
  assert _evaluate(networks, cpu, real) == (whole[0], {I3D: 0})


def test_statistics_by_other_weights_are_not_taken(networks, cpu, monkeypatch):
  real = fakes.Source(fakes.videos(12))
  _evaluate(networks, cpu, real)
  monkeypatch.setattr(
      fakes, 'weights', lambda name, of=fakes.weights: {k: 2 * v for k, v in of(name).items()})
  assert _evaluate(networks, cpu, real)[1] == {I3D: 12}


def test_statistics_by_random_networks_are_neither_kept_nor_taken(networks, cpu):
  real = fakes.Source(fakes.videos(12))
  for _ in range(2):
    assert _evaluate(networks, cpu, real, random=True)[1] == {I3D: 12}
  assert not (networks.cache / 'real_statistics').exists()


def test_statistics_that_another_worker_lacks_are_computed_by_all(networks, cpu, monkeypatch):
  real = fakes.Source(fakes.videos(12))
  _evaluate(networks, cpu, real)
  asked = []

  def any_worker(here):  # that the network is missing, and then that the statistics are
    asked.append(here)
    return len(asked) == 2

  monkeypatch.setattr(run.strategies, 'any_worker', lambda strategy: any_worker)
  assert _evaluate(networks, cpu, real)[1] == {I3D: 12}
  assert asked == [False, False]
