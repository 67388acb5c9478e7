"""Moving shapes: the stream, what the pixels show, and the truth that is told of them."""

import json

import numpy as np
import pytest
from scipy import ndimage
import tensorflow as tf

from tf_videogen.data import moving_shapes


def _numpy(dataset, batches=None):
  return list((dataset.take(batches) if batches else dataset).as_numpy_iterator())


def _clips(source, count, split='test'):
  return _numpy(source.evaluation(split, count, limit=count))[0]['video']


def _ground(video):
  """One color a clip, [N, 1, 1, 1, C]: most pixels of all frames show it."""
  return np.median(video, axis=(1, 2, 3), keepdims=True)


def _mass(video):
  """How much each pixel differs from the ground, [N, T, H, W]."""
  return np.abs(video - _ground(video)).sum(-1)


def _center(mass):
  """The center of mass of an image [H, W]."""
  rows, columns = np.mgrid[:mass.shape[0], :mass.shape[1]]
  return np.array([(mass * rows).sum(), (mass * columns).sum()]) / mass.sum()


# --- the stream ---


def test_shapes_and_ids():
  source = moving_shapes.MovingShapes(frames=5, size=16, examples=30)
  assert source.example_spec() == {
      'video': tf.TensorSpec([5, 16, 16, 3], tf.uint8), 'id': tf.TensorSpec([], tf.string)}
  batches = source.training(4, seed=0)
  assert batches.element_spec['video'] == tf.TensorSpec([4, 5, 16, 16, 3], tf.uint8)
  assert (source.count('train'), source.count('test')) == (30, 1000)
  last = _numpy(source.evaluation('test', 6, limit=19))[-1]
  assert last['id'].tolist() == [b'test/18'] + [b'test/0'] * 5
  assert last['valid'].tolist() == [True] + [False] * 5
  assert _clips(moving_shapes.MovingShapes(5, 16, channels=1), 2).shape == (2, 5, 16, 16, 1)


def test_clips_are_a_function_of_seed_split_and_number():
  first = _clips(moving_shapes.MovingShapes(frames=4), 20)
  tf.random.set_seed(5)
  np.random.seed(5)
  np.testing.assert_array_equal(_clips(moving_shapes.MovingShapes(frames=4), 20), first)
  source = moving_shapes.MovingShapes(frames=4, train_split='test')
  trained, = _numpy(source.training(40, seed=7), 1)
  numbers = [int(name.split(b'/')[1]) for name in trained['id']]
  stored = _clips(moving_shapes.MovingShapes(frames=4), 1000)
  np.testing.assert_array_equal(trained['video'], stored[numbers])
  assert (_clips(moving_shapes.MovingShapes(frames=4, seed=1), 20) != first).any((1, 2, 3, 4)).all()


def test_resumed_stream_equals_the_unbroken_one():
  make = lambda: moving_shapes.MovingShapes(frames=3, size=16, examples=23)
  unbroken = _numpy(make().training(5, seed=3), 12)  # two epochs and more
  assert len({name for batch in unbroken[:4] for name in batch['id']}) == 20
  for start in (1, 4, 9):
    resumed = _numpy(make().training(5, seed=3, start_step=start), 12 - start)
    for batch, expected in zip(resumed, unbroken[start:], strict=True):
      np.testing.assert_array_equal(batch['id'], expected['id'])
      np.testing.assert_array_equal(batch['video'], expected['video'])
  assert _numpy(make().training(5, seed=4), 1)[0]['id'].tolist() != unbroken[0]['id'].tolist()


def test_no_clip_comes_twice():
  # Seeds side by side, too: the training clips of one are not the test clips of another.
  found = [clip.tobytes() for seed in (0, 1) for split in ('train', 'test')
           for clip in _clips(moving_shapes.MovingShapes(frames=2, seed=seed), 400, split)]
  assert len(set(found)) == 1600


def test_identity():
  options = [{}, {'frames': 8}, {'size': 16}, {'shapes': 2}, {'channels': 1}, {'max_speed': 1.},
             {'seed': 1}]
  found = [json.dumps(moving_shapes.MovingShapes(**option).identity('test')) for option in options]
  found.append(json.dumps(moving_shapes.MovingShapes().identity('train')))
  assert len(set(found)) == len(found)
  assert json.dumps(moving_shapes.MovingShapes().identity('test')) == found[0]


# --- what is seen ---


@pytest.mark.parametrize('channels', [1, 3])
def test_pixels(channels):
  """A dark gray ground, a bright shape, and not much between them."""
  video = _clips(moving_shapes.MovingShapes(frames=2, channels=channels), 200)
  ground = _ground(video)[:, 0, 0, 0]  # [N, C]
  assert ground.max() <= 48 and ground.std() > 10 and (ground == ground[:, :1]).all()
  brightest = video.max((2, 3, 4))
  assert brightest.min() >= (255 if channels == 3 else 160)
  sides = np.sqrt((_mass(video) > 60).sum((2, 3)))  # areas: of discs pi r^2, of squares 4 r^2
  assert sides.min() > np.sqrt(np.pi) * 4 - 1 and sides.max() < 2 * 32 / 6 + 2
  if channels == 3:
    hues = np.round(video[:, 0].max((1, 2)) / 255)  # which channels are bright
    assert len(np.unique(hues, axis=0)) == 6


def test_discs_and_squares():
  """A shape's area against that of the square around it tells which it is: pi / 4, or 1."""
  source = moving_shapes.MovingShapes(frames=1, size=96, channels=1)
  mass = _mass(_clips(source, 60))[:, 0]
  peaks = mass.max((1, 2))
  areas = mass.sum((1, 2)) / peaks
  sides = mass.sum(2).max(1) / peaks  # the longest chord
  ratios = areas / sides**2
  disc = np.abs(ratios - np.pi / 4) < .04
  square = np.abs(ratios - 1) < .04
  assert (disc | square).all() and 15 < disc.sum() < 45
  assert sides.min() >= 2 * 12 - .5 and sides.max() <= 2 * 16 + .5


# --- what is true ---


@pytest.mark.parametrize('size, channels', [(16, 3), (32, 1), (32, 3)])
def test_positions_are_where_the_pixels_are(size, channels):
  source = moving_shapes.MovingShapes(size=size, channels=channels)
  mass = _mass(_clips(source, 40))
  centers = np.array([[_center(frame) for frame in clip] for clip in mass])  # [N, T, 2]
  positions = source.truth('test', range(40)).positions
  assert positions.shape == (40, 16, 1, 2) and positions.dtype == np.float32
  assert np.linalg.norm(centers - positions[:, :, 0], axis=-1).max() < .1


def test_shapes_bounce_and_stay_inside():
  source = moving_shapes.MovingShapes(frames=80, max_speed=3.)
  truth = source.truth('test', range(30))
  assert truth.positions.min() >= 32 / 8 - .5 - 1e-4
  assert truth.positions.max() <= 32 - .5 - 32 / 8 + 1e-4
  moved = truth.displacements[:, 1:, 0]
  back_and_forth = (moved > 0).any(1) & (moved < 0).any(1)
  assert back_and_forth[np.abs(moved).max(1) * 79 > 32].all()  # a way longer than the frame
  total = _mass(_clips(source, 30)).sum((2, 3))
  assert (np.ptp(total, axis=1) / total.mean(1)).max() < .03  # no part of a shape gets lost


def test_speeds_and_directions():
  truth = moving_shapes.MovingShapes(max_speed=2., shapes=2).truth('train', range(300))
  moved = truth.displacements
  np.testing.assert_array_equal(moved[:, 0], 0)
  np.testing.assert_allclose(moved[:, 1:], np.diff(truth.positions, axis=1), atol=1e-6)
  velocity = np.abs(moved).max(1)  # [N, S, 2], but for signs
  speed = np.linalg.norm(velocity, axis=-1)
  assert .5 - 1e-3 <= speed.min() < .53 and 1.97 < speed.max() <= 2 + 1e-3
  slower = np.abs(moved[:, 1:]) < velocity[:, None] - 1e-3  # the walls turn it back within a frame
  assert slower.sum(1).max() == 2 and slower.mean() < .1
  turned = np.sign(moved[:, 2:]) != np.sign(moved[:, 1:-1])  # never elsewhere
  assert not (turned & ~slower[:, 1:] & ~slower[:, :-1]).any()
  quadrants = np.sign(moved[:, 1]).astype(int) @ [2, 1]
  assert min(np.unique(quadrants[np.all(moved[:, 1] != 0, -1)], return_counts=True)[1]) > 100


def test_masks():
  source = moving_shapes.MovingShapes(shapes=3)
  truth, video = source.truth('test', range(20)), _clips(source, 20)
  assert truth.masks.shape == (20, 16, 3, 32, 32) and truth.masks.dtype == bool
  assert truth.masks.sum(2).max() == 1  # a pixel shows one shape
  shown = truth.masks.any(2)
  ground = (video == _ground(video)).all(-1)
  assert not ground[shown].any() and ground[~shown].mean() > .9
  # The last shape is in front of all others, so that its center is seen, in its color.
  for clip in range(20):
    row, column = np.round(truth.positions[clip, 0, 2]).astype(int)
    assert truth.masks[clip, 0, 2, row, column]
  area = truth.masks[:, :, 2].sum((2, 3))
  assert area.min() > np.pi * 16 - 8 and area.max() < (2 * 32 / 6 + 1)**2


def test_the_mask_of_one_shape_is_the_half_covered_pixels():
  source = moving_shapes.MovingShapes(channels=1)
  video, masks = _clips(source, 40), source.truth('test', range(40)).masks[:, :, 0]
  mass = _mass(video)
  half = mass.max((1, 2, 3), keepdims=True) / 2
  sure = np.abs(mass - half) > 1  # levels are rounded
  np.testing.assert_array_equal(masks[sure], (mass > half)[sure])


def test_motion_fields():
  source = moving_shapes.MovingShapes(shapes=2)
  fields, truth = source.motion_fields('test', range(20)), source.truth('test', range(20))
  assert fields.shape == (20, 16, 32, 32, 2) and fields.dtype == np.float32
  assert not fields[:, 0].any() and not fields[~truth.masks.any(2)].any()
  for clip, t, shape in ((0, 1, 0), (3, 7, 1), (19, 15, 1)):
    at = truth.masks[clip, t, shape]
    assert at.any() and (fields[clip, t][at] == truth.displacements[clip, t, shape]).all()


def test_motion_fields_warp_a_frame_into_the_next():
  source = moving_shapes.MovingShapes(channels=1)
  numbers = range(30)
  video = _clips(source, 30)[..., 0].astype(float)
  fields, truth = source.motion_fields('test', numbers), source.truth('test', numbers)
  rows, columns = np.mgrid[:32, :32]
  warped_errors, still_errors = [], []
  for clip in range(30):
    ground = np.median(video[clip])
    for t in range(1, 16):
      shown = truth.masks[clip, t, 0]
      from_where = [rows - fields[clip, t, ..., 0], columns - fields[clip, t, ..., 1]]
      warped = ndimage.map_coordinates(
          video[clip, t - 1], from_where, order=1, mode='grid-constant', cval=ground)
      offset = _center((warped - ground) * shown) - _center((video[clip, t] - ground) * shown)
      assert np.linalg.norm(offset) < .2
      warped_errors.append(np.abs(warped - video[clip, t])[shown].mean())
      still_errors.append(np.abs(video[clip, t - 1] - video[clip, t])[shown].mean())
  assert np.mean(warped_errors) < np.mean(still_errors) / 3  # soft edges get softer


# --- errors ---


@pytest.mark.parametrize('arguments, message', [
    (dict(frames=0), 'frames must be a positive integer, got 0'),
    (dict(size=7), 'size must be an integer of at least 8, got 7'),
    (dict(shapes=0), 'shapes must be an integer of at least 1, got 0'),
    (dict(examples=1.5), 'examples must be an integer of at least 1, got 1.5'),
    (dict(channels=2), 'channels must be 1 or 3, got 2'),
    (dict(max_speed=.4), 'max_speed must be at least 0.5 pixels per frame, got 0.4'),
    (dict(seed=-1), 'seed must be an integer of at least 0, got -1'),
])
def test_errors_of_arguments(arguments, message):
  with pytest.raises(ValueError, match=message):
    moving_shapes.MovingShapes(**arguments)


def test_errors_of_calls():
  source = moving_shapes.MovingShapes()
  for call in (source.count, source.identity, lambda split: source.evaluation(split, 2),
               lambda split: source.truth(split, [0]),
               lambda split: moving_shapes.MovingShapes(train_split=split).training(2, seed=0)):
    with pytest.raises(ValueError, match="no split 'validation'; there are: train, test"):
      call('validation')
  with pytest.raises(ValueError, match="of 'test' must be from 0 to 999, got 1000"):
    source.truth('test', [0, 1000])
  with pytest.raises(ValueError, match='must be from 0 to 999, got none'):
    source.motion_fields('test', [])


# --- classes ---


@pytest.mark.parametrize('channels', [1, 3])
def test_the_label_is_the_part_of_the_range_of_colors(channels):
  source = moving_shapes.MovingShapes(frames=2, channels=channels, classes=4, shapes=2)
  assert source.example_spec()['label'] == tf.TensorSpec([], tf.int32)
  batch, = _numpy(source.evaluation('test', 40, limit=40))
  assert sorted(set(batch['label'])) == [0, 1, 2, 3]
  assert [source.class_of(video) for video in batch['video']] == batch['label'].tolist()
  assert source.class_of(np.full((2, 32, 32, channels), 20, np.uint8)) == -1


def test_without_classes_nothing_has_changed():
  source, classes = moving_shapes.MovingShapes(), moving_shapes.MovingShapes(classes=2)
  assert 'label' not in source.example_spec()
  assert classes.identity('test') == [*source.identity('test'), 2]
  with pytest.raises(ValueError, match='classes must be an integer of at least 1, got 0'):
    moving_shapes.MovingShapes(classes=0)


# --- a camera that pans ---


def _panned(speed=1.5, **kwargs):
  return moving_shapes.Panned(moving_shapes.MovingShapes(**kwargs), speed)


def test_a_camera_moves_the_background_and_nothing_else():
  plain = moving_shapes.MovingShapes(frames=6, size=24)
  source, numbers = _panned(frames=6, size=24), range(8)
  still, moved = plain.truth('test', numbers), source.truth('test', numbers)
  for before, after in zip(still[:3], moved[:3]):
    np.testing.assert_array_equal(before, after)
  assert not still.ground.any() and not moved.ground[:, 0].any()
  np.testing.assert_allclose(np.linalg.norm(moved.ground[:, 1:], axis=-1), 1.5, rtol=1e-5)
  assert np.ptp(moved.ground[:, 1, 0]) > 1  # directions differ
  fields, shown = source.motion_fields('test', numbers), moved.masks.any(2)
  ground = np.broadcast_to(moved.ground[:, :, None, None], fields.shape)
  np.testing.assert_array_equal(fields[~shown], ground[~shown])
  np.testing.assert_array_equal(fields[shown], plain.motion_fields('test', numbers)[shown])


def test_the_pattern_moves_as_is_told_and_is_no_object():
  """The phases of a periodic pattern tell its motion: frequency k turns by -k times the motion."""
  source = _panned(frames=3, size=24, shapes=1, channels=1)
  video, truth = _clips(source, 30)[..., 0].astype(float), source.truth('test', range(30))
  hidden = ~truth.masks.any(2)
  ground = np.median(video, axis=(1, 2, 3), keepdims=True)
  apart = np.abs(video - ground)[hidden & (np.abs(video - ground) < 100)]
  assert apart.std() > 2
  pattern = source._pattern
  for number in range(5):
    scene = source._scene('test', tf.constant(number, tf.int64))
    frames = pattern(scene).numpy()[..., 0]  # [T, H, W]
    assert np.abs(frames).max() <= moving_shapes.PATTERN + 1e-3
    turned = np.fft.fft2(frames[0])
    k = np.fft.fftfreq(24)
    down, right = truth.ground[number, 1]
    turned = turned * np.exp(-2j * np.pi * (k[:, None] * down + k[None] * right))
    np.testing.assert_allclose(np.fft.ifft2(turned).real, frames[1], atol=1e-3)


def test_a_camera_has_a_speed_and_is_part_of_the_identity():
  with pytest.raises(ValueError, match='speed must be above 0'):
    _panned(speed=0)
  assert _panned().identity('test') != moving_shapes.MovingShapes().identity('test')
  assert _panned(classes=3).class_of(_clips(_panned(classes=3), 1)[0]) in range(3)
