"""Measures: sums of batches give what NumPy computes of all videos at once."""

import numpy as np
import pytest

from tests.evaluation import fakes
from tests.metrics import references
from tf_videogen import files
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import measuring
from tf_videogen.metrics import feature_sets
from tf_videogen.metrics import frechet
from tf_videogen.metrics import frechet_sampling
from tf_videogen.metrics import image_quality
from tf_videogen.metrics import power_spectrum

I3D = 'i3d_kinetics400'


@pytest.fixture(name='extract')
def _extract(networks, cpu):
  """All networks."""
  return extraction.Extractor(cpu, fakes.MIN_FRAMES)


def _totals(measure, extract, batch_size=5, labels=None, **streams):
  """{stream: sums} of videos that come in batches."""
  totals = {}
  for stream, video in streams.items():
    totals[stream] = {}
    for start in range(0, len(video), batch_size):
      rows = np.arange(start, min(start + batch_size, len(video)))
      clips = measuring.Clips(video[rows], rows / len(video), extract=extract,
                             label=None if labels is None else labels[rows])
      measuring.add(totals[stream], measure.statistics(clips))
  return totals


def _outcome(measure, extract, **kwargs):
  return measure.metrics(_totals(measure, extract, **kwargs))


def _distance(a, b, output='logits', network=I3D):
  """Of all videos at once, whose means and covariances are NumPy's."""
  features = [fakes.outputs(network, video)[output].astype(np.float64) for video in (a, b)]
  return frechet.distance(*(
      frechet.Gaussian(len(x), x.mean(0), np.cov(x, rowvar=False)) for x in features))


def _score(video, network=I3D):
  return references.inception_score(fakes.outputs(network, video)['logits'])


# --- Fréchet distances ---


@pytest.mark.parametrize('network, output', [(I3D, 'logits'), ('i3d_kinetics600', 'features')])
@pytest.mark.parametrize('frames, looked_at', [(16, 16), (None, 18), (5, 5)])
def test_distance_of_the_first_frames(extract, network, output, frames, looked_at):
  real, generated = fakes.videos(23, 18), fakes.videos(15, 18, seed=1)
  measure = measures.FrechetDistance('d', network, output, frames=frames)
  outcome = _outcome(measure, extract, real=real, generated=generated)
  expected = _distance(real[:, :looked_at], generated[:, :looked_at], output, network)
  assert outcome.values == {'d': pytest.approx(expected, rel=1e-4)} and expected > 0.01
  assert not outcome.warnings and not outcome.curves and measure.networks == (network,)
  assert measure.needs_frames() == (frames or 1)


def test_distance_of_all_windows_is_their_mean(extract, networks):
  real, generated = fakes.videos(20, 12), fakes.videos(20, 12, seed=1)
  generated[:, 6:] //= 2
  measure = measures.FrechetDistance('unrolled', frames=9, windows='all')
  outcome = _outcome(measure, extract, real=real, generated=generated)
  each = [_distance(real[:, i:i + 9], generated[:, i:i + 9]) for i in range(4)]
  assert outcome.values == {'unrolled': pytest.approx(np.mean(each), rel=1e-4)}
  (position, value, spread), = [zip(*curve) for curve in outcome.curves.values()]
  assert list(outcome.curves) == [('unrolled', 'unrolled')] and position == (0, 1, 2, 3)
  np.testing.assert_allclose(value, each, rtol=1e-4)
  assert np.isnan(spread).all() and outcome.axis == 'first frame of the window of 9'
  assert each[3] > 1.1 * each[0]
  assert networks.seen == {I3D: 4 * 40}


def test_distance_to_reconstructions(extract):
  videos = {stream: fakes.videos(12, seed=i)
            for i, stream in enumerate(('real', 'reconstructed', 'generated'))}
  measure = measures.FrechetDistance('fvd_star', between=('reconstructed', 'generated'))
  assert measure.streams == ('reconstructed', 'generated')
  outcome = _outcome(measure, extract, **videos)
  expected = _distance(videos['reconstructed'], videos['generated'])
  assert outcome.values == {'fvd_star': pytest.approx(expected, rel=1e-4)}


def test_distance_of_classes(extract):
  real, generated = fakes.videos(30), fakes.videos(30, seed=1)
  labels = np.random.default_rng(0).integers(4, size=30)
  measure = measures.FrechetDistance(
      'fid', 'i3d_kinetics600', 'features', classes={'run': 3, 'sit': 0})
  outcome = _outcome(measure, extract, labels=labels, real=real, generated=generated)
  run, sit = (_distance(real[labels == c], generated[labels == c], 'features', 'i3d_kinetics600')
              for c in (3, 0))
  assert list(outcome.values) == ['fid_class_mean', 'fid_class_run', 'fid_class_sit']
  np.testing.assert_allclose(list(outcome.values.values()), [(run + sit) / 2, run, sit], rtol=1e-3)
  assert outcome.examples == {
      'fid_class_run': (labels == 3).sum(), 'fid_class_sit': (labels == 0).sum()}
  with pytest.raises(ValueError, match='a measure of classes needs clips with labels'):
    _totals(measure, extract, real=real)


def test_a_distance_with_what_says_how_far_to_trust_it(extract):
  """Interval, floor, curve and further measures, of the rows of all batches."""
  real, generated = fakes.videos(60), fakes.videos(40, seed=1)
  measure = measures.FrechetDistance(sets=measures.FrechetDistance.SETS)
  totals = _totals(measure, extract, real=real, generated=generated)
  rows = [np.asarray(totals[stream]['', 0, 'rows']) for stream in measure.streams]
  for found, video in zip(rows, (real, generated)):
    np.testing.assert_allclose(found, fakes.outputs(I3D, video)['logits'], rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32
  outcome = measure.metrics(totals)
  rows = [frechet_sampling.in_order(side) for side in rows]
  value = outcome.values['fvd']
  assert value == pytest.approx(_distance(real, generated), rel=1e-4)
  assert outcome.intervals == {'fvd': frechet_sampling.interval(*rows)}
  assert outcome.intervals['fvd'][0] < value < outcome.intervals['fvd'][1]
  assert outcome.floors == {'fvd': frechet_sampling.floor(rows[0], 40)}
  assert list(outcome.curves) == [('fvd_by_videos', 'fvd')] and outcome.axis == 'videos'
  curve = outcome.curves['fvd_by_videos', 'fvd']
  assert [position for position, _, _ in curve][0] < 15 and curve[-1][:2] == (
      40, pytest.approx(value, rel=1e-4))
  assert outcome.values == {
      'fvd': value, 'fvd_infinity': frechet_sampling.at_infinity(frechet_sampling.by_count(*rows)),
      'kvd': feature_sets.kernel_distance(*rows),
      **dict(zip(('precision', 'recall'), feature_sets.precision_recall(*rows))),
      **dict(zip(('density', 'coverage'), feature_sets.density_coverage(*rows)))}


def test_sets_need_videos_and_a_single_window(extract):
  video = fakes.videos(5)
  measure = measures.FrechetDistance(sets=('recall', 'coverage'))
  outcome = _outcome(measure, extract, real=video, generated=video)
  assert list(outcome.values) == ['fvd', 'recall'] and not outcome.intervals and not outcome.floors
  assert 'density and coverage: at least 6 real videos are needed, got 5' in outcome.warnings
  with pytest.raises(ValueError, match='FrechetDistance.sets must be some of kvd, precision, .*x'):
    measures.FrechetDistance(sets=('kvd', 'x'))
  measure = measures.FrechetDistance(sets=('kvd', 'recall'), frames=9, windows='all')
  outcome = _outcome(measure, extract, real=video, generated=video)
  assert list(outcome.values) == ['fvd']
  assert 'kvd, recall are left out: they need a single window, and no classes' in outcome.warnings


def test_rows_are_joined_whatever_they_come_from(tmp_path):
  """From batches, from a file, from another worker; sums beside them are added."""
  a, b, c = (np.full([n, 2], n, np.float32) for n in (1, 2, 3))
  total = measuring.add({}, {('x', 'rows'): measuring.Rows(a), 'count': np.float64(1)})
  measuring.add(total, {('x', 'rows'): measuring.Rows(b), 'count': np.float64(2)})
  total = files.unpacked(files.packed(total))
  measuring.add(total, {('x', 'rows'): c, 'count': np.float64(3)})
  np.testing.assert_array_equal(np.asarray(total['x', 'rows']), np.concatenate([a, b, c]))
  assert total['count'] == 6


@pytest.mark.parametrize('count, said', [
    (6, None),
    (5, 'fvd: 5 videos for 5 features: the covariance is singular and the distance biased upwards; '
        'use at least 6, better thousands'),
    (1, 'fvd: 9 real and 1 generated videos: a distance needs at least 2')])
def test_few_videos_are_said_to_be_few(extract, count, said):
  real, generated = fakes.videos(9), fakes.videos(count, seed=1)
  outcome = _outcome(measures.FrechetDistance(), extract, real=real, generated=generated)
  assert outcome.warnings == ([said] if said else [])
  assert outcome.values == ({} if count == 1 else {
      'fvd': pytest.approx(_distance(real, generated), rel=1e-3)})


def test_a_class_without_videos_is_said_and_left_out(extract):
  measure = measures.FrechetDistance(classes={'run': 1, 'fly': 2})
  video = fakes.videos(8)
  outcome = _outcome(measure, extract, labels=np.ones(8, int), real=video, generated=video)
  assert list(outcome.values) == ['fvd_class_mean', 'fvd_class_run']
  assert outcome.warnings == [
      'fvd of fly: 0 real and 0 generated videos: a distance needs at least 2']


@pytest.mark.parametrize('kwargs', [{'windows': 'last'}, {'windows': 'all', 'frames': None}])
def test_windows_that_are_none(kwargs):
  with pytest.raises(ValueError, match="FrechetDistance.windows must be 'first', or"):
    measures.FrechetDistance(**kwargs)


def test_measures_of_the_same_frames_share_a_network_call(extract, networks):
  clips = measuring.Clips(fakes.videos(4), np.arange(4) / 4, extract=extract)
  for measure in (measures.FrechetDistance(), measures.FrechetDistance(output='features'),
                  measures.FrechetDistance(frames=None), measures.InceptionScore(),
                  measures.FrechetDistance(windows='all')):
    measure.statistics(clips)
  assert networks.seen == {I3D: 4}
  measures.InceptionScore(frames=15).statistics(clips)
  assert networks.seen == {I3D: 8}


# --- Inception Score ---


@pytest.mark.parametrize('frames', [None, 16])
def test_score(extract, frames):
  video = fakes.videos(21, 18)
  measure = measures.InceptionScore('is', 'c3d_ucf101', frames)
  outcome = _outcome(measure, extract, generated=video)
  expected = _score(video[:, :frames], 'c3d_ucf101')
  assert outcome.values == {'is': pytest.approx(expected, rel=1e-4)} and expected > 1.05
  assert not outcome.spreads and measure.streams == ('generated',)


def test_score_of_splits(extract):
  """Of consecutive parts, whatever the batches."""
  video = fakes.videos(21)
  outcome = _outcome(measures.InceptionScore(splits=3), extract, generated=video, batch_size=4)
  scores = [_score(part) for part in np.split(video, 3)]
  assert outcome.values == {'is': pytest.approx(np.mean(scores), rel=1e-4)}
  assert outcome.spreads == {'is': pytest.approx(np.std(scores, ddof=1), rel=1e-2)}


def test_score_of_classes_and_of_real_videos(extract):
  video, labels = fakes.videos(24), np.arange(24) % 3
  measure = measures.InceptionScore(classes={'a': 0, 'c': 2, 'z': 9}, stream='real')
  outcome = _outcome(measure, extract, labels=labels, real=video)
  a, c = (_score(video[labels == i]) for i in (0, 2))
  assert list(outcome.values) == ['is_class_mean', 'is_class_a', 'is_class_c']
  np.testing.assert_allclose(list(outcome.values.values()), [(a + c) / 2, a, c], rtol=1e-4)
  assert outcome.examples == {'is_class_a': 8, 'is_class_c': 8}
  assert outcome.warnings == ['is: there are no videos of z'] and measure.streams == ('real',)


def test_parts_have_equal_sizes():
  """1/49 * 49 is below 1: a share alone would put a clip into the part before."""
  for parts in (1, 3, 10, 49):
    clips = measuring.Clips(np.zeros(490), np.arange(490) / 490)
    np.testing.assert_array_equal(clips.part(parts), np.arange(490) * parts // 490)


# --- similarity ---


def _samples(real, count, seed=1):
  """So many samples of each clip, all first ones first; nearer and farther ones."""
  rng = np.random.default_rng(seed)
  scale = rng.uniform(0, 80, [count, *real.shape[:2], 1, 1, 1])  # of each frame
  noise = rng.uniform(-1, 1, [count, *real.shape]) * scale
  return np.clip(real + noise, 0, 255).astype(np.uint8)


def _pairs_outcome(measure, real, samples, batch_size=2):
  total = {}
  for start in range(0, len(real), batch_size):
    part = slice(start, start + batch_size)
    video = np.concatenate([one[part] for one in samples])
    share = np.tile(np.arange(len(real))[part] / len(real), len(samples))
    measuring.add(total, measure.statistics(measuring.Clips(video, share, real=real[part])))
  return measure.metrics({'generated': total})


@pytest.mark.parametrize('name', ['ssim', 'psnr'])
def test_similarity_of_the_best_sample(name):
  real = fakes.videos(5, 6, 12, 12)
  samples = _samples(real, 4)
  measure = measures.Similarity(name, conditioning_frames=2, best_of=(1, 3, 4))
  outcome = _pairs_outcome(measure, real, samples)
  function = getattr(image_quality, name)
  values = np.stack([function(one, real).numpy() for one in samples])[:, :, 2:]  # [4, 5, frames]
  for best_of in (1, 3, 4):
    best = values[:best_of].mean(2).argmax(0)  # of a clip, by its mean over the predicted frames
    assert best_of == 1 or (best != values[:best_of].max(2).argmax(0)).any()
    expected = np.mean([values[best[i], i] for i in range(5)], 0)
    curve = outcome.curves[name, f'best of {best_of}']
    assert [frame for frame, _, _ in curve] == [3, 4, 5, 6]
    np.testing.assert_allclose([value for _, value, _ in curve], expected, rtol=1e-5)
    metric = name if best_of == 1 else f'{name}_best_of_{best_of}'
    assert outcome.values[metric] == pytest.approx(expected.mean(), rel=1e-5)
  assert outcome.values[f'{name}_best_of_4'] > outcome.values[name]
  assert outcome.axis == 'frame' and len(outcome.values) == 3


def test_similarity_of_some_frames():
  real = fakes.videos(3, 6, 12, 12)
  samples = _samples(real, 1)
  outcome = _pairs_outcome(measures.Similarity(frames=4, conditioning_frames=1), real, samples)
  expected = image_quality.ssim(samples[0], real).numpy()[:, 1:4]
  assert outcome.values == {'ssim': pytest.approx(expected.mean(), rel=1e-5)}
  assert len(outcome.curves['ssim', 'ssim']) == 3


def test_similarity_of_what_is_not_there():
  real = fakes.videos(3, 6)
  with pytest.raises(ValueError, match='ssim compares samples with the clips that they continue'):
    measures.Similarity().statistics(measuring.Clips(real, np.zeros(3)))
  with pytest.raises(ValueError, match='best of 4 samples, but there are 2: raise Protocol'):
    _pairs_outcome(measures.Similarity(best_of=(1, 4)), real, _samples(real, 2))
  with pytest.raises(ValueError, match="Similarity.name must be 'ssim' or 'psnr', got 'lpips'"):
    measures.Similarity('lpips')


# --- power spectra ---


def test_power_spectra_of_subsets(extract):
  real, generated = fakes.videos(9, 5), fakes.videos(6, 5, seed=1)
  measure = measures.PowerSpectrum(frames=(1, 5), subsets=3)
  outcome = _outcome(measure, extract, batch_size=4, real=real, generated=generated)
  assert not outcome.values and outcome.axis == 'cycles per pixel' and measure.needs_frames() == 5
  assert list(outcome.curves) == [('power_spectrum', f'{stream}, frame {frame}')
                                  for stream in ('real', 'generated') for frame in (1, 5)]
  for stream, video in (('real', real), ('generated', generated)):
    for frame in (1, 5):
      means = [power_spectrum.radial(part[:, frame - 1]).mean(0) for part in np.split(video, 3)]
      position, value, spread = zip(*outcome.curves['power_spectrum', f'{stream}, frame {frame}'])
      np.testing.assert_allclose(position, [1 / 8, 2 / 8, 3 / 8, 4 / 8])
      np.testing.assert_allclose(value, np.mean(means, 0), rtol=1e-9)
      np.testing.assert_allclose(spread, np.std(means, 0, ddof=1), rtol=1e-6)


def test_one_subset_has_no_deviation(extract):
  video = fakes.videos(4, 2, 8, 6)
  outcome = _outcome(measures.PowerSpectrum((2,), 1), extract, real=video, generated=video)
  for curve in outcome.curves.values():
    assert len(curve) == 4 and np.isnan([spread for _, _, spread in curve]).all()


# --- trials ---


def test_trials_are_averaged():
  trials = [measuring.Measured(
      {'a': a, 'b': 1.0}, {'a': 9.0}, {('a', 's'): [(1, a, np.nan), (2, 2 * a, np.nan)]}, 'frame',
      {'b': 3}, [f'few {a}'], intervals={'a': (a - 1, a + 2)}, floors={'a': 0.5})
            for a in (1.0, 2.0, 6.0)]
  merged = measuring.over_trials(trials)
  assert merged.values == {'a': 3, 'b': 1}
  assert merged.intervals == {'a': [2, 5]} and merged.floors == {'a': 0.5}
  assert merged.examples == {'b': 3} and merged.axis == 'frame'
  assert merged.spreads == {'a': pytest.approx(7**0.5), 'b': 0} and merged.warnings == ['few 1.0']
  np.testing.assert_allclose(merged.curves['a', 's'], [(1, 3, 7**0.5), (2, 6, 28**0.5)])
  assert measuring.over_trials(trials[:1]) is trials[0]


# --- frames ---


def test_distance_of_single_frames():
  """The outputs of all frames of all videos count, each on its own."""
  real, generated = fakes.videos(10, 4), fakes.videos(9, 4, seed=1)
  extract = lambda name, video: {'frames': video.mean((2, 3)).astype(np.float32)}
  measure = measures.FrechetDistance('fid_frames', 'given', 'frames', frames=None)
  outcome = _outcome(measure, extract, real=real, generated=generated)
  rows = [video.mean((2, 3)).astype(np.float32).reshape([-1, 3]) for video in (real, generated)]
  expected = frechet.distance(*(
      frechet.Gaussian(len(x), x.mean(0, np.float64), np.cov(x, rowvar=False)) for x in rows))
  assert outcome.values['fid_frames'] == pytest.approx(expected, rel=1e-5)
  assert outcome.intervals and 'fid_frames_infinity' in outcome.values
