"""Clips made smaller: pixels by NumPy, the rest of the stream as the source has it."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen.data import clips as clips_lib
from tf_videogen.data import downsampled
from tf_videogen.data import moving_shapes
from tf_videogen.layers import resampling

NEAREST, BILINEAR = resampling.nearest, resampling.bilinear
BOTH = pytest.mark.parametrize('downsample', [NEAREST, BILINEAR])


def _numpy(dataset, batches=None):
  return list((dataset.take(batches) if batches else dataset).as_numpy_iterator())


def _nearest(video, factor):
  return video[..., ::factor, ::factor, :]


def _bilinear(video, factor):
  """Means of the middle 2 x 2 pixels of boxes, not rounded; middle pixels, if factors are odd."""
  *leading, height, width, channels = video.shape
  boxes = video.reshape(
      *leading, height // factor, factor, width // factor, factor, channels).astype(np.float64)
  middle = slice((factor - 1) // 2, factor // 2 + 1)
  return boxes[..., middle, :, middle, :].mean((-4, -2))


def _smaller(video, downsample, factors):
  """By NumPy; halves become even numbers, as TensorFlow rounds them, and NumPy."""
  video = video.astype(np.float64)
  for factor in factors:
    video = (_nearest if downsample is NEAREST else _bilinear)(video, factor)
  return np.round(video).astype(np.uint8)


def _shapes(**kwargs):
  return moving_shapes.MovingShapes(frames=3, size=24, examples=10, **kwargs)


def _assert_smaller(found, whole, downsample, factors):
  """Batches of smaller clips, and those of the source, of which all else is the same."""
  for ours, theirs in zip(found, whole, strict=True):
    assert ours.keys() == theirs.keys() and ours['video'].dtype == np.uint8
    expected = _smaller(theirs['video'], downsample, factors)
    assert np.ptp(expected) > 50
    np.testing.assert_array_equal(ours['video'], expected)
    for name in ours.keys() - {'video'}:
      np.testing.assert_array_equal(ours[name], theirs[name])


_STREAMS = (lambda clips: clips.evaluation('test', 4, limit=6),
            lambda clips: clips.training(4, seed=1, start_step=2).take(3))


@functools.cache
def _whole(stream):
  """Batches of moving shapes as they are."""
  return _numpy(stream(_shapes()))


def _slow(*cases):
  return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize('downsample, factors', [
    (NEAREST, ()), (NEAREST, (2, 3)), (BILINEAR, (3,)), (BILINEAR, (4,)),
    *_slow((NEAREST, (2,)), (NEAREST, (3,)), (NEAREST, (4,)), (BILINEAR, ()), (BILINEAR, (2,)),
           (BILINEAR, (2, 3)))])
def test_moving_shapes(downsample, factors):
  source = _shapes()
  clips = downsampled.DownsampledClips(source, downsample, factors)
  side = 24 // int(np.prod(factors))
  assert clips.example_spec() == {
      'video': tf.TensorSpec([3, side, side, 3], tf.uint8), 'id': tf.TensorSpec([], tf.string)}
  assert [clips.count(split) for split in ('train', 'test')] == [10, 1000]
  assert (clips.frames, clips.frame_step, clips.train_split) == (3, 1, 'train')
  for stream in _STREAMS:
    dataset = stream(clips)
    assert dataset.element_spec['video'].shape == (4, 3, side, side, 3)
    _assert_smaller(_numpy(dataset), _whole(stream), downsample, factors)


def test_a_number_is_one_factor():
  found, expected = (_numpy(downsampled.DownsampledClips(
      _shapes(), BILINEAR, factors).evaluation('test', 2, 2)) for factors in (4, [4]))
  np.testing.assert_array_equal(found[0]['video'], expected[0]['video'])


def test_levels_one_after_the_other_are_not_rounded_between():
  """Twice by two is bilinear twice: means of 4 x 4 pixels, where once by four is of 2 x 2."""
  source = _shapes()
  video = _numpy(source.evaluation('test', 6, 6))[0]['video']
  twice, once = (_numpy(downsampled.DownsampledClips(
      source, BILINEAR, factors).evaluation('test', 6, 6))[0]['video'] for factors in ((2, 2), 4))
  boxes = video.reshape(6, 3, 6, 4, 6, 4, 3).astype(np.float64)
  np.testing.assert_array_equal(twice, np.round(boxes.mean((3, 5))))
  assert (twice != once).any()


def test_two_hosts_have_the_rows_of_one():
  clips = downsampled.DownsampledClips(_shapes(), NEAREST, 2)
  whole = _numpy(clips.training(4, seed=3), 2)
  parts = [_numpy(clips.training(4, seed=3, host=host, hosts=2), 2) for host in range(2)]
  for number, batch in enumerate(whole):
    rows = [part[number]['video'] for part in parts]
    np.testing.assert_array_equal(np.concatenate(rows), batch['video'])


# --- sources with labels, actions, and windows of longer videos ---


def _arrays(examples=7, frames=9):
  rng = np.random.default_rng(0)
  return {'video': rng.integers(256, size=(examples, frames, 8, 12, 1)).astype(np.uint8),
          'label': np.arange(examples) % 5,
          'actions': rng.normal(size=(examples, frames, 2)).astype(np.float32)}


@pytest.fixture(name='files')
def _files(tmp_path):
  """Makes clips of files of arrays; a frame of two is left out."""
  path = str(tmp_path / 'clips.npz')
  np.savez(path, **_arrays())
  return clips_lib.FileClips(path, 3, frame_step=2, test_path=path)


@pytest.fixture(name='prepared')
def _prepared(tmp_path):
  """The same of what TFDS wrote; smaller clips are cut out."""
  features = tfds.features.FeaturesDict({
      'video': tfds.features.Video(shape=(9, 8, 12, 1)), 'id': tfds.features.Text(),
      'label': tfds.features.ClassLabel(num_classes=5),
      'actions': tfds.features.Tensor(shape=(9, 2), dtype=np.float32)})
  arrays = _arrays()
  examples = [{'id': f'clip{i}', **{name: array[i] for name, array in arrays.items()}}
              for i in range(7)]
  tfds.dataset_builders.AdhocBuilder(
      name='toy', version='1.0.0', features=features, data_dir=str(tmp_path),
      split_datasets={'train': list(enumerate(examples)), 'test': list(enumerate(examples[:5]))},
  ).download_and_prepare()
  return clips_lib.PreparedClips(
      'toy', 3, frame_step=2, data_dir=str(tmp_path), size=8,
      features={'actions': 'actions', 'label': 'label'})


@pytest.mark.parametrize('kind, downsample', [
    ('files', NEAREST), ('prepared', BILINEAR),
    *_slow(('files', BILINEAR), ('prepared', NEAREST))])
def test_what_else_an_example_has_is_kept(request, kind, downsample):
  """Labels, actions, ids; windows of time and places of crops; the order of training."""
  source = request.getfixturevalue(kind)
  clips = downsampled.DownsampledClips(source, downsample, (2, 2))
  spec, whole = clips.example_spec(), source.example_spec()
  assert set(spec) == set(whole) == {'video', 'label', 'actions', 'id'}
  width = 2 if kind == 'prepared' else 3
  assert {**whole, 'video': tf.TensorSpec([3, 2, width, 1], tf.uint8)} == spec
  assert (clips.frame_step, clips.span) == (2, 5)
  for stream in (lambda clips: clips.evaluation('test', 3),
                 lambda clips: clips.training(4, seed=1, start_step=1).take(5)):
    _assert_smaller(_numpy(stream(clips)), _numpy(stream(source)), downsample, (2, 2))
  assert clips.count('train') == 7


def test_a_data_set_that_is_not_prepared_is_described(prepared, tmp_path):
  """By a builder, as clips of the data set themselves are."""
  source = clips_lib.PreparedClips('toy', 4, data_dir=str(tmp_path / 'nowhere'))
  clips = downsampled.DownsampledClips(source, NEAREST, 2)
  assert clips.dataset == 'toy'
  clips.describe(prepared._builder)  # pylint: disable=protected-access
  assert clips.example_spec()['video'] == tf.TensorSpec([4, 4, 6, 1], tf.uint8)
  shapes = downsampled.DownsampledClips(_shapes(), NEAREST, 2)
  assert shapes.dataset is None


def test_statistics_of_other_sizes_and_sources_are_others(files):
  """By `identity` the real side's statistics are kept."""
  make = downsampled.DownsampledClips
  sources = [
      files, make(files, NEAREST, 2), make(files, NEAREST, 4), make(files, NEAREST, (2, 2)),
      make(files, BILINEAR, 2), make(_shapes(), NEAREST, 2), make(_shapes(seed=1), NEAREST, 2)]
  identities = [str(source.identity('test')) for source in sources]
  assert len(set(identities)) == len(sources)
  assert make(files, NEAREST, [2]).identity('test') == sources[1].identity('test')
  assert make(_shapes(), NEAREST, 2).identity('train') != sources[-2].identity('test')


# --- errors ---


@BOTH
@pytest.mark.parametrize('factors, sides', [(5, '24 x 24'), ((2, 5), '12 x 12'), (48, '24 x 24')])
def test_a_factor_that_does_not_divide(downsample, factors, sides):
  """Found before any clip is read."""
  clips = downsampled.DownsampledClips(_shapes(), downsample, factors)
  for call in (clips.example_spec, lambda: clips.training(2, 0),
               lambda: clips.evaluation('test', 2)):
    with pytest.raises(ValueError, match=f'frames of {sides} cannot be made .* times smaller'):
      call()


def test_a_split_that_is_not_there(files):
  clips = downsampled.DownsampledClips(files, NEAREST, 2)
  with pytest.raises(ValueError, match="no file for split 'validation'"):
    clips.evaluation('validation', 2)
