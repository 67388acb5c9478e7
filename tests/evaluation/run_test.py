"""Runs of protocols: the same numbers by any batches, what is compared, what cannot be."""

import functools

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import run
from tf_videogen.metrics import inception_score

I3D = runs.I3D


class Echo(fakes.Maker):
  """A maker whose samples are functions of the condition alone, and of how often it was asked."""

  conditioning_frames = 1
  reconstructs = True

  def __init__(self):
    self._asked = {}

  def sample(self, batch, seed):
    made = batch['video'].copy()
    for one, i in zip(made, batch['index']):
      time = self._asked[i] = self._asked.get(i, -1) + 1
      one[1:] = one[1:] // (2 + time) + (np.arange(one[1:].size) % (7 + i + time)).reshape(
          one[1:].shape).astype(np.uint8)
    return made

  def reconstruct(self, batch):
    return batch['video'] // 64 * 64


# --- batches and replicas ---


@functools.cache
def _evaluate_echo(strategy, batch_size):
  real = fakes.Source(fakes.videos(22, 11))
  return run.run(runs.protocol(samples_per_condition=2), real, Echo(), strategy, batch_size, True)


_in_batches_of_eight = functools.cache(functools.partial(_evaluate_echo, batch_size=8))


@pytest.mark.parametrize('batch_size', [1, 6, 22, 64])
def test_batches_change_nothing(networks, cpu, batch_size):
  _check_same(_evaluate_echo(cpu, batch_size), _in_batches_of_eight(cpu))


def test_replicas_change_nothing(networks, cpu, two_replicas):
  _check_same(_evaluate_echo(two_replicas, 8), _in_batches_of_eight(cpu))


def _check_same(found, expected):
  assert len(runs.numbers(expected)) == 7 and len(expected.curves) == 7 + 3
  assert all(abs(value) > 1e-3 for value in runs.numbers(expected).values())
  for ours, theirs in zip(found.values, expected.values):
    assert ours.metric == theirs.metric and ours.examples == theirs.examples
    assert ours.value == pytest.approx(theirs.value, rel=1e-6), ours.metric
    assert ours.spread == pytest.approx(theirs.spread, rel=1e-5, nan_ok=True), ours.metric
  assert found.curves.keys() == expected.curves.keys()
  for key, (axis, curve) in found.curves.items():
    assert axis == expected.curves[key][0]
    np.testing.assert_allclose(curve, expected.curves[key][1], rtol=1e-6, atol=1e-9)


def test_a_batch_that_workers_cannot_divide(networks, cpu, monkeypatch):
  monkeypatch.setattr(run.strategies, 'worker', lambda strategy: (0, 3))
  with pytest.raises(ValueError, match='--batch_size=8 is not divisible by the 3 workers'):
    run.run(runs.protocol(), fakes.Source(fakes.videos(8)), fakes.Noise(), cpu)


# --- what is compared ---


def test_numbers_of_real_and_generated_videos(networks, cpu):
  real, make = fakes.videos(20, 16), runs.Spy(fakes.Noise())
  found = run.run(runs.protocol(measures.FrechetDistance(frames=9), measures.InceptionScore()),
                  fakes.Source(real), make, cpu)
  generated = np.concatenate(make.made)
  score = inception_score.score(inception_score.sums(fakes.outputs(I3D, generated)['logits']))
  assert runs.numbers(found) == {'fvd': pytest.approx(runs.distance(real, generated), rel=1e-4),
                                 'is': pytest.approx(score, rel=1e-4)}
  fvd = found.values[0]
  assert fvd.examples == 20 and fvd.network.startswith(f'{I3D}@') and fvd.note == ''
  assert np.isnan(fvd.spread) and not found.missing and not found.warnings


def test_only_the_frames_of_the_protocol_count(networks, cpu):
  real, make = fakes.videos(14, 16), runs.Spy(fakes.Noise())
  found = run.run(runs.protocol(measures.FrechetDistance(frames=None), frames=10),
                  fakes.Source(real), make, cpu)
  expected = runs.distance(real, np.concatenate(make.made), 10)
  assert runs.numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}


def test_conditions_come_again_where_more_samples_are_wanted(networks, cpu):
  real, make = fakes.videos(6), runs.Spy(fakes.Noise())
  protocol = runs.protocol(measures.FrechetDistance(), generated=15)
  found = run.run(protocol, fakes.Source(real), make, cpu, 4)
  np.testing.assert_array_equal(make.seen('index'), np.arange(15))
  np.testing.assert_array_equal(make.seen('video'), real[np.arange(15) % 6])
  assert len(set(make.make.seeds)) == len(make.make.seeds) == 5  # batches of 4, 2; 4, 2; 3
  assert found.values[0].examples == 15
  expected = runs.distance(real, np.concatenate(make.made), 16)
  assert runs.numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}
  assert len(run.run(runs.protocol(measures.InceptionScore(), generated=4), fakes.Source(real),
                     fakes.Noise(), cpu).gallery['samples']) == 4


def test_several_samples_of_a_condition(networks, cpu):
  real = fakes.videos(6, 4, 12, 12)
  make = runs.Spy(fakes.Noise(1))
  measure = measures.Similarity(best_of=(1, 2))
  found = run.run(runs.protocol(measure, measures.InceptionScore(), samples_per_condition=2),
                  fakes.Source(real), make, cpu, 3)
  assert len(set(make.make.seeds)) == 4
  first, second = (np.concatenate(make.made[i::2]) for i in range(2))
  clips = measuring.Clips(np.concatenate([first, second]), np.zeros(12), real=real)
  expected = measures.Similarity(best_of=(1, 2), conditioning_frames=1)
  expected = expected.metrics({'generated': expected.statistics(clips)})
  assert {name: runs.numbers(found)[name] for name in expected.values} == pytest.approx(
      expected.values)
  assert {value.examples for value in found.values} == {12}
  assert len(found.curves['ssim', 'best of 2'][1]) == 3  # the given frame is left out


def test_trials_differ_and_are_averaged(networks, cpu):
  real, make = fakes.videos(12), runs.Spy(fakes.Noise())
  r_fvd = measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'))
  protocol = runs.protocol(measures.FrechetDistance(), r_fvd, trials=3, note='by hand',
                           sampling={'temperature': 0.9, 'frames': 16})
  fvd, r_fvd = run.run(protocol, fakes.Source(real), make, cpu).values
  assert len(set(make.make.seeds)) == len(make.made) == 6
  each = [runs.distance(real, np.concatenate(make.made[i:i + 2]), 16) for i in (0, 2, 4)]
  assert fvd.value == pytest.approx(np.mean(each), rel=1e-4)
  assert fvd.spread == pytest.approx(np.std(each, ddof=1), rel=1e-2) and fvd.spread > 0
  assert fvd.note == 'temperature 0.9, frames 16, 3 trials, by hand'
  assert np.isnan(r_fvd.spread) and r_fvd.note == 'by hand'  # of no samples


def test_seeds(networks, cpu):
  real = fakes.Source(fakes.videos(6))
  drawn = [run.run(runs.protocol(measures.InceptionScore(), seed=seed), real, fakes.Noise(),
                   cpu).gallery for seed in (0, 0, 1)]
  np.testing.assert_array_equal(drawn[0]['samples'], drawn[1]['samples'])
  assert (drawn[0]['samples'] != drawn[2]['samples']).any()


def test_random_windows_of_longer_samples(networks, cpu):
  real, make = fakes.videos(40, 9), runs.Spy(fakes.Noise(frames=20))
  protocol = runs.protocol(measures.FrechetDistance(frames=None), frames=9,
                           generated_windows='random', samples_per_condition=2)
  seen = []
  _keep_clips(protocol.measures[0], seen)
  found = run.run(protocol, fakes.Source(real), make, cpu)
  starts = []
  for whole, window in zip(np.concatenate(make.made), np.concatenate(seen[5:])):
    starts += [i for i in range(12) if (whole[i:i + 9] == window).all()]
  assert len(starts) == 80 and set(starts) == set(range(12))
  first, second = (np.concatenate([starts[i + 8 * k:i + 8 * k + 8] for i in range(0, 80, 16)])
                   for k in range(2))
  assert (first != second).any()  # two samples of a clip don't have the same window
  assert found.values[0].examples == 80


def test_random_windows_do_not_depend_on_batches_nor_on_hosts(networks, cpu, monkeypatch):
  seen = {}
  for batch_size, hosts in ((4, 1), (6, 1), (4, 2)):
    clips = []
    for host in range(hosts):
      monkeypatch.setattr(run.strategies, 'worker', lambda strategy, at=(host, hosts): at)
      protocol = runs.protocol(measures.InceptionScore(), frames=9, generated_windows='random')
      _keep_clips(protocol.measures[0], clips)
      run.run(protocol, fakes.Source(fakes.videos(14, 9)), None, cpu, batch_size, True,
              fakes.Source(fakes.videos(14, 20, seed=1)))
    seen[batch_size, hosts] = sorted(clip.tobytes() for batch in clips for clip in batch)
  assert len(seen[4, 1]) == 14 and seen[4, 1] == seen[6, 1] == seen[4, 2]


def _keep_clips(measure, seen):
  statistics = measure.statistics

  def keeping(clips):
    seen.append(clips.video)
    return statistics(clips)

  measure.statistics = keeping


def test_random_windows_are_not_compared_in_pairs(networks, cpu):
  with pytest.raises(ValueError, match='ssim compares frame by frame, but random windows'):
    run.run(runs.protocol(measures.Similarity(), generated_windows='random'),
            fakes.Source(fakes.videos(4)), fakes.Noise(), cpu)


def test_classes_are_balanced_and_alone_on_both_sides(networks, cpu):
  real, labels = fakes.videos(30), np.random.default_rng(0).integers(5, size=30)
  classes = {'run': 3, 'sit': 1}
  make = runs.Spy(fakes.Noise())
  measure = measures.FrechetDistance(classes=classes)
  found = run.run(runs.protocol(measure, measures.FrechetDistance('all'), classes=classes,
                                generated=14, samples_per_condition=2),
                  fakes.Source(real, labels), make, cpu, 8)
  drawn, generated = make.seen('label'), np.concatenate(make.made)
  assert (drawn == 3).sum() == (drawn == 1).sum() == 14
  run_fvd, sit = (runs.distance(real[labels == c], generated[drawn == c], 16) for c in (3, 1))
  both = runs.distance(real[np.isin(labels, [1, 3])], generated, 16)
  assert runs.numbers(found) == pytest.approx({
      'fvd_class_mean': (run_fvd + sit) / 2, 'fvd_class_run': run_fvd, 'fvd_class_sit': sit,
      'all': both}, rel=1e-3)
  assert [value.examples for value in found.values] == [28, 14, 14, 28]
  with pytest.raises(ValueError, match='videos have no labels: set PreparedClips.features'):
    run.run(runs.protocol(measure, classes=classes), fakes.Source(real, name='plain'), make, cpu)


# --- networks ---


def test_what_needs_a_missing_network_is_reported(cpu, tmp_path, monkeypatch):
  fakes.install(monkeypatch, tmp_path, missing=('i3d_kinetics600', 'c3d_ucf101'))
  protocol = runs.protocol(
      measures.FrechetDistance('fid', 'i3d_kinetics600'), measures.FrechetDistance('fvd'),
      measures.InceptionScore('is', 'c3d_ucf101'), measures.Similarity())
  found = run.run(protocol, fakes.Source(fakes.videos(8)), fakes.Noise(), cpu)
  assert [value.metric for value in found.values] == ['fvd', 'ssim']
  assert list(found.missing) == ['fid', 'is']
  assert found.missing['fid'].endswith('python -m launch.get_networks --network=i3d_kinetics600')
  assert 'c3d_ucf101 is not there; get it with' in found.missing['is']


def test_random_networks_say_so(networks, cpu):
  protocol = runs.protocol(
      measures.FrechetDistance('fid', 'i3d_kinetics600'), measures.Similarity())
  found = run.run(protocol, fakes.Source(fakes.videos(8)), fakes.Noise(), cpu, random_networks=True)
  assert [value.network for value in found.values] == ['random-network, not comparable', '']


def test_short_clips_are_said_to_be_repeated(networks, cpu):
  protocol = runs.protocol(measures.FrechetDistance('d', frames=None), measures.InceptionScore(),
                           measures.Similarity(), measures.FrechetDistance(frames=4), frames=6)
  found = run.run(protocol, fakes.Source(fakes.videos(8, 10)), fakes.Noise(), cpu)
  assert [value.note for value in found.values] == [
      '6 frames, repeated to 9', '6 frames, repeated to 9', '', '4 frames, repeated to 9']
  found = run.run(runs.protocol(measures.FrechetDistance(frames=9)),
                  fakes.Source(fakes.videos(8, 10)), fakes.Noise(), cpu)
  assert found.values[0].note == ''


# --- what cannot be ---


def test_classes_of_a_model_that_takes_none(networks, cpu):
  make = fakes.Noise()
  make.labelled = False
  with pytest.raises(ValueError, match='is for some classes, but the model has no classes'):
    run.run(runs.protocol(measures.FrechetDistance(), classes={'run': 1}),
            fakes.Source(fakes.videos(6), np.arange(6) % 2), make, cpu)


def test_windows_that_are_no_windows():
  with pytest.raises(ValueError, match="generated_windows must be 'first' or 'random', got 'last'"):
    runs.protocol(generated_windows='last')


@pytest.mark.parametrize('frames, said', [
    (None, 'a reconstruction has 8 frames, but the protocol p compares 16'),
    (10, 'a reconstruction has 8 frames, but the protocol p compares 10')])
def test_reconstructions_that_are_shorter(networks, cpu, frames, said):
  make = fakes.Noise()
  make.reconstruct = lambda batch: batch['video'][:, :8]
  r_fvd = measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'), frames=None)
  with pytest.raises(ValueError, match=said):
    run.run(runs.protocol(r_fvd, frames=frames), fakes.Source(fakes.videos(6)), make, cpu)


class Smaller(fakes.Maker):
  """A maker of videos of fewer rows."""

  def sample(self, batch, seed):
    return batch['video'][:, :, :6]


@pytest.mark.parametrize('kwargs, make, message', [
    ({'conditioning_frames': 5}, fakes.Noise(1),
     'the protocol p gives 5 frames to the model, but this model takes 1'),
    ({'frames': 20}, fakes.Noise(), 'Protocol.frames is 20, but the clips have 16'),
    ({'frames': 8}, fakes.Noise(), 'fvd needs 9 frames, but the clips have 8'),
    ({}, fakes.Noise(frames=15), 'a sample has 15 frames, but the protocol p compares 16; set'),
    ({}, fakes.Noise(frames=17), 'a sample has 17 frames, but the protocol p compares 16; set'),
    ({'frames': 12}, fakes.Noise(frames=11),
     'a sample has 11 frames, but the protocol p compares 12'),
    ({}, Smaller(), 'a sample has 6 x 8 pixels, but the clips have 8 x 8')
], ids=['conditioning', 'longer', 'short_for_fvd', 'short_sample', 'long_sample',
        'short_for_frames', 'size'])
def test_what_does_not_fit(networks, cpu, kwargs, make, message):
  with pytest.raises(ValueError, match=message):
    run.run(runs.protocol(measures.FrechetDistance(frames=9), **kwargs),
            fakes.Source(fakes.videos(4)), make, cpu)


def test_longer_samples_than_the_protocols(networks, cpu):
  make = runs.Spy(fakes.Noise(frames=20))
  real = fakes.videos(8)
  found = run.run(runs.protocol(measures.FrechetDistance(frames=None), frames=12),
                  fakes.Source(real), make, cpu)
  expected = runs.distance(real, np.concatenate(make.made), 12)
  assert runs.numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}


def test_fewer_videos_than_the_protocols_are_said(networks, cpu):
  found = run.run(runs.protocol(measures.InceptionScore(), videos=256),
                  fakes.Source(fakes.videos(8)), fakes.Noise(), cpu)
  assert found.warnings == ['the protocol p uses 256 real videos, but there are 8']


@pytest.mark.parametrize('name', ['trials', 'samples_per_condition'])
def test_protocols_that_are_none(name):
  with pytest.raises(ValueError, match=f'Protocol.{name} must be at least 1, got 0'):
    runs.protocol(**{name: 0})


# --- videos to look at ---


def test_gallery_of_a_model_that_continues_frames(networks, cpu):
  real, make = fakes.videos(11), runs.Spy(fakes.Noise(2))
  found = run.run(
      runs.protocol(samples_per_condition=2, trials=2), fakes.Source(real), make, cpu, 6)
  assert {kind: video.shape for kind, video in found.gallery.items()} == dict.fromkeys(
      ('data', 'reconstructions', 'samples', 'samples_2'), (8, 16, 8, 8, 3))
  np.testing.assert_array_equal(found.gallery['data'], real[:8])
  np.testing.assert_array_equal(found.gallery['reconstructions'], real[:8] // 32 * 32)
  for i, kind in enumerate(('samples', 'samples_2')):
    np.testing.assert_array_equal(
        found.gallery[kind], np.concatenate([make.made[i], make.made[2 + i]])[:8])
  assert found.conditioning_frames == 2


def test_gallery_of_reconstructions(networks, cpu):
  real = fakes.videos(5)
  found = run.run(runs.protocol(measures.FrechetDistance(between=('real', 'reconstructed'))),
                  fakes.Source(real), fakes.Noise(), cpu, 2)
  assert found.gallery.keys() == {'data', 'reconstructions'}
  np.testing.assert_array_equal(found.gallery['data'], real)


def test_gallery_of_an_unconditional_model(networks, cpu):
  found = run.run(runs.protocol(measures.InceptionScore()), fakes.Source(fakes.videos(5)),
                  fakes.Noise(), cpu)
  assert found.gallery.keys() == {'samples'}
