"""Runs of protocols: the same numbers by any batches, what samples are drawn for, what is kept."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import fakes
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import run
from tf_videogen.evaluation import videos as videos_lib
from tf_videogen.metrics import frechet
from tf_videogen.metrics import inception_score

I3D = 'i3d_kinetics400'


def _all_measures():
  return [measures.FrechetDistance('fvd', frames=9),
          measures.FrechetDistance('unrolled', frames=9, windows='all'),
          measures.FrechetDistance('fvd_star', between=('reconstructed', 'generated'), frames=9),
          measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'), frames=9),
          measures.InceptionScore('is', splits=2), measures.Similarity('ssim', best_of=(1, 2)),
          measures.PowerSpectrum((1, 10), 2)]


def _protocol(*of_measures, **kwargs):
  return protocols.Protocol('p', list(of_measures) or _all_measures(), **kwargs)


def _numbers(found):
  return {value.metric: value.value for value in found.values}


def _distance(a, b, frames=9):
  logits = [fakes.outputs(I3D, video[:, :frames])['logits'] for video in (a, b)]
  return frechet.distance(*(frechet.gaussian(frechet.sums(x)) for x in logits))


class Spy:
  """A maker, but that it keeps the batches and the videos that it made."""

  def __init__(self, make):
    self.make, self.batches, self.made = make, [], []

  def __getattr__(self, name):
    return getattr(self.make, name)

  def sample(self, batch, seed):
    self.batches.append({name: array.copy() for name, array in batch.items()})
    self.made.append(self.make.sample(batch, seed))
    return self.made[-1]

  def seen(self, name):
    """What batches had, one after the other."""
    return np.concatenate([batch[name] for batch in self.batches])


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
  return run.run(_protocol(samples_per_condition=2), real, Echo(), strategy, batch_size, True)


_in_batches_of_eight = functools.cache(functools.partial(_evaluate_echo, batch_size=8))


@pytest.mark.parametrize('batch_size', [1, 6, 22, 64])
def test_batches_change_nothing(networks, cpu, batch_size):
  _check_same(_evaluate_echo(cpu, batch_size), _in_batches_of_eight(cpu))


def test_replicas_change_nothing(networks, cpu, two_replicas):
  _check_same(_evaluate_echo(two_replicas, 8), _in_batches_of_eight(cpu))


def _check_same(found, expected):
  assert len(_numbers(expected)) == 7 and len(expected.curves) == 7
  assert all(abs(value) > 1e-3 for value in _numbers(expected).values())
  for ours, theirs in zip(found.values, expected.values):
    assert ours.metric == theirs.metric and ours.examples == theirs.examples
    assert ours.value == pytest.approx(theirs.value, rel=1e-6), ours.metric
    assert ours.spread == pytest.approx(theirs.spread, rel=1e-5, nan_ok=True), ours.metric
  assert found.curves.keys() == expected.curves.keys()
  for key, (axis, curve) in found.curves.items():
    assert axis == expected.curves[key][0]
    np.testing.assert_allclose(curve, expected.curves[key][1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('count', [1, 5, 11])
def test_outputs_of_two_replicas_are_in_order(networks, cpu, two_replicas, count):
  video = fakes.videos(count)
  for strategy in (cpu, two_replicas):
    outputs = extraction.Extractor(strategy, [I3D], batch_size=2)(I3D, video)
    for name, expected in fakes.outputs(I3D, video).items():
      np.testing.assert_allclose(outputs[name], expected, rtol=1e-4, atol=1e-4)


def test_networks_multiply_in_float32(networks, cpu, monkeypatch):
  found, whole = [], fakes.Network.__call__

  def call(self, video):
    found.append(tf.config.experimental.tensor_float_32_execution_enabled())
    return whole(self, video)

  monkeypatch.setattr(fakes.Network, '__call__', call)
  extraction.Extractor(cpu, [I3D])(I3D, fakes.videos(2))
  assert found == [False] and tf.config.experimental.tensor_float_32_execution_enabled()


def test_a_batch_that_workers_cannot_divide(networks, cpu, monkeypatch):
  monkeypatch.setattr(run.strategies, 'worker', lambda strategy: (0, 3))
  with pytest.raises(ValueError, match='--batch_size=8 is not divisible by the 3 workers'):
    run.run(_protocol(), fakes.Source(fakes.videos(8)), fakes.Noise(), cpu)


# --- what is compared ---


def test_numbers_of_real_and_generated_videos(networks, cpu):
  real, make = fakes.videos(20, 16), Spy(fakes.Noise())
  found = run.run(_protocol(measures.FrechetDistance(frames=9), measures.InceptionScore()),
                  fakes.Source(real), make, cpu)
  generated = np.concatenate(make.made)
  score = inception_score.score(inception_score.sums(fakes.outputs(I3D, generated)['logits']))
  assert _numbers(found) == {'fvd': pytest.approx(_distance(real, generated), rel=1e-4),
                             'is': pytest.approx(score, rel=1e-4)}
  fvd = found.values[0]
  assert fvd.examples == 20 and fvd.network.startswith(f'{I3D}@') and fvd.note == ''
  assert np.isnan(fvd.spread) and not found.missing and not found.warnings


def test_only_the_frames_of_the_protocol_count(networks, cpu):
  real, make = fakes.videos(14, 16), Spy(fakes.Noise())
  found = run.run(_protocol(measures.FrechetDistance(frames=None), frames=10), fakes.Source(real),
                  make, cpu)
  expected = _distance(real, np.concatenate(make.made), 10)
  assert _numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}


def test_conditions_come_again_where_more_samples_are_wanted(networks, cpu):
  real, make = fakes.videos(6), Spy(fakes.Noise())
  protocol = _protocol(measures.FrechetDistance(), generated=15)
  found = run.run(protocol, fakes.Source(real), make, cpu, 4)
  np.testing.assert_array_equal(make.seen('index'), np.arange(15))
  np.testing.assert_array_equal(make.seen('video'), real[np.arange(15) % 6])
  assert len(set(make.make.seeds)) == len(make.make.seeds) == 5  # batches of 4, 2; 4, 2; 3
  assert found.values[0].examples == 15
  expected = _distance(real, np.concatenate(make.made), 16)
  assert _numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}
  assert len(run.run(_protocol(measures.InceptionScore(), generated=4), fakes.Source(real),
                     fakes.Noise(), cpu).gallery['samples']) == 4


def test_several_samples_of_a_condition(networks, cpu):
  real = fakes.videos(6, 4, 12, 12)
  make = Spy(fakes.Noise(1))
  measure = measures.Similarity(best_of=(1, 2))
  found = run.run(_protocol(measure, measures.InceptionScore(), samples_per_condition=2),
                  fakes.Source(real), make, cpu, 3)
  assert len(set(make.make.seeds)) == 4
  first, second = (np.concatenate(make.made[i::2]) for i in range(2))
  clips = measuring.Clips(np.concatenate([first, second]), np.zeros(12), real=real)
  expected = measures.Similarity(best_of=(1, 2), conditioning_frames=1)
  expected = expected.metrics({'generated': expected.statistics(clips)})
  assert {name: _numbers(found)[name] for name in expected.values} == pytest.approx(expected.values)
  assert {value.examples for value in found.values} == {12}
  assert len(found.curves['ssim', 'best of 2'][1]) == 3  # the given frame is left out


def test_trials_differ_and_are_averaged(networks, cpu):
  real, make = fakes.videos(12), Spy(fakes.Noise())
  r_fvd = measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'))
  protocol = _protocol(measures.FrechetDistance(), r_fvd, trials=3, note='by hand',
                       sampling={'temperature': 0.9, 'frames': 16})
  fvd, r_fvd = run.run(protocol, fakes.Source(real), make, cpu).values
  assert len(set(make.make.seeds)) == len(make.made) == 6
  each = [_distance(real, np.concatenate(make.made[i:i + 2]), 16) for i in (0, 2, 4)]
  assert fvd.value == pytest.approx(np.mean(each), rel=1e-4)
  assert fvd.spread == pytest.approx(np.std(each, ddof=1), rel=1e-2) and fvd.spread > 0
  assert fvd.note == 'temperature 0.9, frames 16, 3 trials, by hand'
  assert np.isnan(r_fvd.spread) and r_fvd.note == 'by hand'  # of no samples


def test_seeds(networks, cpu):
  real = fakes.Source(fakes.videos(6))
  drawn = [run.run(_protocol(measures.InceptionScore(), seed=seed), real, fakes.Noise(),
                   cpu).gallery for seed in (0, 0, 1)]
  np.testing.assert_array_equal(drawn[0]['samples'], drawn[1]['samples'])
  assert (drawn[0]['samples'] != drawn[2]['samples']).any()


def test_random_windows_of_longer_samples(networks, cpu):
  real, make = fakes.videos(40, 9), Spy(fakes.Noise(frames=20))
  protocol = _protocol(measures.FrechetDistance(frames=None), frames=9, generated_windows='random',
                       samples_per_condition=2)
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


def _keep_clips(measure, seen):
  statistics = measure.statistics

  def keeping(clips):
    seen.append(clips.video)
    return statistics(clips)

  measure.statistics = keeping


def test_random_windows_are_not_compared_in_pairs(networks, cpu):
  with pytest.raises(ValueError, match='ssim compares frame by frame, and random windows'):
    run.run(_protocol(measures.Similarity(), generated_windows='random'),
            fakes.Source(fakes.videos(4)), fakes.Noise(), cpu)


def test_classes_are_balanced_and_alone_on_both_sides(networks, cpu):
  real, labels = fakes.videos(30), np.random.default_rng(0).integers(5, size=30)
  classes = {'run': 3, 'sit': 1}
  make = Spy(fakes.Noise())
  measure = measures.FrechetDistance(classes=classes)
  found = run.run(_protocol(measure, measures.FrechetDistance('all'), classes=classes, generated=14,
                            samples_per_condition=2), fakes.Source(real, labels), make, cpu, 8)
  drawn, generated = make.seen('label'), np.concatenate(make.made)
  assert (drawn == 3).sum() == (drawn == 1).sum() == 14
  run_fvd, sit = (_distance(real[labels == c], generated[drawn == c], 16) for c in (3, 1))
  both = _distance(real[np.isin(labels, [1, 3])], generated, 16)
  assert _numbers(found) == pytest.approx({
      'fvd_class_mean': (run_fvd + sit) / 2, 'fvd_class_run': run_fvd, 'fvd_class_sit': sit,
      'all': both}, rel=1e-3)
  assert [value.examples for value in found.values] == [28, 14, 14, 28]
  with pytest.raises(ValueError, match='videos have no labels: set PreparedClips.features'):
    run.run(_protocol(measure, classes=classes), fakes.Source(real, name='plain'), make, cpu)


# --- networks ---


def test_what_needs_a_missing_network_is_reported(cpu, tmp_path, monkeypatch):
  fakes.install(monkeypatch, tmp_path, missing=('i3d_kinetics600', 'c3d_ucf101'))
  protocol = _protocol(
      measures.FrechetDistance('fid', 'i3d_kinetics600'), measures.FrechetDistance('fvd'),
      measures.InceptionScore('is', 'c3d_ucf101'), measures.Similarity())
  found = run.run(protocol, fakes.Source(fakes.videos(8)), fakes.Noise(), cpu)
  assert [value.metric for value in found.values] == ['fvd', 'ssim']
  assert list(found.missing) == ['fid', 'is']
  assert found.missing['fid'].endswith('python -m launch.get_networks --network=i3d_kinetics600')
  assert 'c3d_ucf101 is not there; get it with' in found.missing['is']


def test_what_another_worker_lacks_is_missing(networks, cpu, monkeypatch):
  monkeypatch.setattr(extraction.strategies, 'any_worker', lambda strategy: lambda here: True)
  missing = extraction.Extractor(cpu, [I3D]).missing
  assert missing[I3D].startswith('the machine of another worker lacks i3d_kinetics400; there: ')


def test_random_networks_say_so(networks, cpu):
  protocol = _protocol(measures.FrechetDistance('fid', 'i3d_kinetics600'), measures.Similarity())
  found = run.run(protocol, fakes.Source(fakes.videos(8)), fakes.Noise(), cpu, random_networks=True)
  assert [value.network for value in found.values] == ['random-network, not comparable', '']


def test_short_clips_are_said_to_be_repeated(networks, cpu):
  protocol = _protocol(measures.FrechetDistance('d', frames=None), measures.InceptionScore(),
                       measures.Similarity(), measures.FrechetDistance(frames=4), frames=6)
  found = run.run(protocol, fakes.Source(fakes.videos(8, 10)), fakes.Noise(), cpu)
  assert [value.note for value in found.values] == [
      '6 frames, repeated to 9', '6 frames, repeated to 9', '', '4 frames, repeated to 9']
  found = run.run(_protocol(measures.FrechetDistance(frames=9)), fakes.Source(fakes.videos(8, 10)),
                  fakes.Noise(), cpu)
  assert found.values[0].note == ''


# --- statistics of real videos are kept ---


def _evaluate(networks, cpu, real, *of_measures, random=False, **kwargs):
  """Evaluates anew; returns the numbers, and how many real videos networks looked at."""
  networks.seen.clear()
  protocol = _protocol(*(of_measures or [measures.FrechetDistance(frames=9)]), **kwargs)
  found = run.run(protocol, real, fakes.Noise(), cpu, 8, random)
  return _numbers(found), {name: seen - real.count for name, seen in networks.seen.items()}


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


# --- baselines and sources ---


def test_copy_last_frame(networks, cpu):
  real = fakes.videos(10)
  make = Spy(videos_lib.CopyLastFrame(5))
  protocol = _protocol(measures.FrechetDistance(), measures.FrechetDistance(
      'fvd_star', between=('reconstructed', 'generated')), conditioning_frames=5, trials=20,
                       sampling={'temperature': 0.9})
  found = run.run(protocol, fakes.Source(real), make, cpu)
  made = np.concatenate(make.made)
  assert len(made) == 10  # once: every trial would have the same
  np.testing.assert_array_equal(made[:, :5], real[:, :5])
  np.testing.assert_array_equal(made[:, 5:], np.repeat(real[:, 4:5], 11, 1))
  assert _numbers(found) == {'fvd': pytest.approx(_distance(real, made, 16), rel=1e-4)}
  assert found.values[0].note == '' and np.isnan(found.values[0].spread)
  assert found.warnings == ['fvd_star is of reconstructions, which only models make: left out']
  assert found.conditioning_frames == 5
  with pytest.raises(ValueError, match='copy_last_frame needs at least one frame that is given'):
    videos_lib.CopyLastFrame(0)


def test_two_sources(networks, cpu):
  real, generated = fakes.videos(9), fakes.videos(14, seed=1)
  protocol = _protocol(measures.FrechetDistance(), trials=3, samples_per_condition=2,
                       sampling={'temperature': 0.9})
  found = run.run(protocol, fakes.Source(real), None, cpu, generated=fakes.Source(generated))
  assert _numbers(found) == {'fvd': pytest.approx(_distance(real, generated, 16), rel=1e-4)}
  assert found.values[0].examples == 14 and found.values[0].note == ''
  assert found.gallery.keys() == {'samples'}
  np.testing.assert_array_equal(found.gallery['samples'], generated[:8])


def test_two_sources_in_pairs(networks, cpu):
  real = fakes.videos(9, 4, 12, 12)
  generated = real // 2
  generated[:, :2] = real[:, :2]
  protocol = _protocol(measures.Similarity('psnr'))
  found = run.run(protocol, fakes.Source(real), None, cpu, 4, False, fakes.Source(generated), 2)
  expected = measures.Similarity('psnr', 2).statistics(
      measuring.Clips(generated, np.zeros(9), real=real))
  assert _numbers(found) == {'psnr': pytest.approx(np.mean(expected['best_of', 1]) / 9, rel=1e-5)}
  assert found.gallery.keys() == {'samples', 'data'} and found.conditioning_frames == 2
  with pytest.raises(ValueError, match='in pairs, and there are 9 real and 8 generated ones'):
    run.run(protocol, fakes.Source(real), None, cpu, 4, False, fakes.Source(generated[:8]))


def test_classes_of_two_sources(networks, cpu):
  real, generated, labels = fakes.videos(16), fakes.videos(16, seed=1), np.arange(16) % 2
  classes = {'one': 1}
  found = run.run(
      _protocol(measures.FrechetDistance(classes=classes), classes=classes),
      fakes.Source(real, labels), None, cpu, generated=fakes.Source(generated, labels))
  expected = pytest.approx(_distance(real[1::2], generated[1::2], 16), rel=1e-3)
  assert _numbers(found) == {'fvd_class_mean': expected, 'fvd_class_one': expected}


# --- what cannot be ---


def test_classes_of_a_model_that_takes_none(networks, cpu):
  make = fakes.Noise()
  make.labelled = False
  with pytest.raises(ValueError, match='is of some classes, and the model takes none'):
    run.run(_protocol(measures.FrechetDistance(), classes={'run': 1}),
            fakes.Source(fakes.videos(6), np.arange(6) % 2), make, cpu)


def test_windows_that_are_no_windows():
  with pytest.raises(ValueError, match="generated_windows must be 'first' or 'random', got 'last'"):
    _protocol(generated_windows='last')


@pytest.mark.parametrize('frames, said', [
    (None, 'a reconstruction has 8 frames, and the protocol p compares 16'),
    (10, 'a reconstruction has 8 frames, and the protocol p compares 10')])
def test_reconstructions_that_are_shorter(networks, cpu, frames, said):
  make = fakes.Noise()
  make.reconstruct = lambda batch: batch['video'][:, :8]
  r_fvd = measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'), frames=None)
  with pytest.raises(ValueError, match=said):
    run.run(_protocol(r_fvd, frames=frames), fakes.Source(fakes.videos(6)), make, cpu)


class Smaller(fakes.Maker):
  """A maker of videos of fewer rows."""

  def sample(self, batch, seed):
    return batch['video'][:, :, :6]


@pytest.mark.parametrize('kwargs, make, message', [
    ({'conditioning_frames': 5}, fakes.Noise(1),
     'the protocol p gives 5 frames to the model, and this model takes 1'),
    ({'frames': 20}, fakes.Noise(), 'Protocol.frames is 20, and the clips have 16'),
    ({'frames': 8}, fakes.Noise(), 'fvd looks at 9 frames, and the clips have 8'),
    ({}, fakes.Noise(frames=15), 'a sample has 15 frames, and the protocol p compares 16; set'),
    ({}, fakes.Noise(frames=17), 'a sample has 17 frames, and the protocol p compares 16; set'),
    ({'frames': 12}, fakes.Noise(frames=11),
     'a sample has 11 frames, and the protocol p compares 12'),
    ({}, Smaller(), 'a sample has 6 x 8 pixels, and the clips 8 x 8')
], ids=['conditioning', 'longer', 'short_for_fvd', 'short_sample', 'long_sample',
        'short_for_frames', 'size'])
def test_what_does_not_fit(networks, cpu, kwargs, make, message):
  with pytest.raises(ValueError, match=message):
    run.run(_protocol(measures.FrechetDistance(frames=9), **kwargs), fakes.Source(fakes.videos(4)),
            make, cpu)


def test_longer_samples_than_the_protocols(networks, cpu):
  make = Spy(fakes.Noise(frames=20))
  real = fakes.videos(8)
  found = run.run(_protocol(measures.FrechetDistance(frames=None), frames=12), fakes.Source(real),
                  make, cpu)
  expected = _distance(real, np.concatenate(make.made), 12)
  assert _numbers(found) == {'fvd': pytest.approx(expected, rel=1e-4)}


def test_fewer_videos_than_the_protocols_are_said(networks, cpu):
  found = run.run(_protocol(measures.InceptionScore(), videos=256), fakes.Source(fakes.videos(8)),
                  fakes.Noise(), cpu)
  assert found.warnings == ['the protocol p is of 256 real videos; here are 8']


@pytest.mark.parametrize('name', ['trials', 'samples_per_condition'])
def test_protocols_that_are_none(name):
  with pytest.raises(ValueError, match=f'Protocol.{name} must be at least 1, got 0'):
    _protocol(**{name: 0})


# --- videos to look at ---


def test_gallery_of_a_model_that_continues_frames(networks, cpu):
  real, make = fakes.videos(11), Spy(fakes.Noise(2))
  found = run.run(_protocol(samples_per_condition=2, trials=2), fakes.Source(real), make, cpu, 6)
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
  found = run.run(_protocol(measures.FrechetDistance(between=('real', 'reconstructed'))),
                  fakes.Source(real), fakes.Noise(), cpu, 2)
  assert found.gallery.keys() == {'data', 'reconstructions'}
  np.testing.assert_array_equal(found.gallery['data'], real)


def test_gallery_of_an_unconditional_model(networks, cpu):
  found = run.run(_protocol(measures.InceptionScore()), fakes.Source(fakes.videos(5)),
                  fakes.Noise(), cpu)
  assert found.gallery.keys() == {'samples'}
