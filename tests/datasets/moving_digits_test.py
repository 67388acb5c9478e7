"""The generator of moving digits: physics, rendering, determinism, digits, and nats per frame."""


import numpy as np
import pytest

from tf_videogen.datasets.moving_mnist_clips import digits
from tf_videogen.datasets.moving_mnist_clips import moving_digits


def _reference_path(x, y, vx, vy, frames, step):
  """One point, one coordinate and one frame at a time."""
  path = []
  for _ in range(frames):
    x, y = x + step * vx, y + step * vy
    if x <= 0:
      x, vx = 0, -vx
    elif x >= 1:
      x, vx = 1, -vx
    if y <= 0:
      y, vy = 0, -vy
    elif y >= 1:
      y, vy = 1, -vy
    path.append((x, y))
  return path


@pytest.mark.parametrize('step', [0.1, 0.37, 1.5])
def test_bounce_equals_the_reference(step):
  rng = np.random.default_rng(0)
  starts, angles = rng.random((40, 2)), 2 * np.pi * rng.random(40)
  velocities = np.stack([np.cos(angles), np.sin(angles)], -1)
  path = moving_digits.bounce(starts, velocities, 50, step)
  assert path.shape == (50, 40, 2) and path.min() == 0 and path.max() == 1
  for i in range(40):
    expected = _reference_path(*starts[i], *velocities[i], 50, step)
    np.testing.assert_allclose(path[:, i], expected, atol=1e-12)


def test_walls_stop_for_a_frame_and_turn_back():
  path = moving_digits.bounce([[0.85, 0.5]], [[1., 0.]], 4, 0.1)
  np.testing.assert_allclose(path[:, 0, 0], [0.95, 1, 0.9, 0.8])
  np.testing.assert_allclose(path[:, 0, 1], 0.5)


def test_render_places_by_the_integer_part_and_overlaps_by_the_maximum():
  images = np.stack([np.full((28, 28), 90), np.full((28, 28), 40)]).astype(np.uint8)
  images[0, 0, 0] = 10
  path = np.array([[[0.999, 0.25], [1., 0.25]], [[0., 0.], [1., 1.]]])
  video = moving_digits.render(images, path, 64)
  expected = np.zeros((2, 64, 64, 1), np.uint8)
  expected[0, 9:37, 35:63] = 90  # int(36 * 0.999) = 35
  expected[0, 9, 35] = 10
  expected[0, 9:37, 63] = 40  # the rest of the second digit is under the first
  expected[1, :28, :28] = 90
  expected[1, 0, 0] = 10
  expected[1, 36:, 36:] = 40
  np.testing.assert_array_equal(video, expected)
  with pytest.raises(ValueError, match='digits of 28 pixels do not fit into a canvas of 20'):
    moving_digits.render(images, path, 20)


def test_an_example_is_a_function_of_seed_split_and_index():
  images = digits.optdigits(28)['train'][0]
  make = lambda seed, split, index: moving_digits.moving_digits(
      images, moving_digits.random_generator(seed, split, index))
  later = [make(1, 'train', index)[0] for index in (2, 1, 0)]
  for index in range(3):
    video, chosen = make(1, 'train', index)
    assert video.shape == (20, 64, 64, 1) and video.dtype == np.uint8 and chosen.shape == (2,)
    np.testing.assert_array_equal(video, later[2 - index])
  videos = [later[2], later[1], make(2, 'train', 0)[0], make(1, 'test', 0)[0]]
  assert len({video.tobytes() for video in videos}) == 4


def test_first_video_of_the_data_set_stays_what_it_is():
  """Random numbers of NumPy are the same in all its versions as long as this holds."""
  rng = moving_digits.random_generator(2015, 'train', 0)
  np.testing.assert_array_equal(rng.integers(1437, size=2), [154, 319])
  np.testing.assert_allclose(rng.random(2), [0.01030405, 0.40853003], atol=1e-6)


def test_directions_and_starts_are_uniform():
  image = np.full((1, 1, 1), 255, np.uint8)  # the corner of a digit of one pixel tells the position
  tops, lefts, moves = [], [], []
  for index in range(400):
    rng = moving_digits.random_generator(0, 'train', index)
    video, _ = moving_digits.moving_digits(image, rng, num_digits=1, frames=2, size=201)
    (_, *first, _), (_, *second, _) = np.argwhere(video)
    tops.append(first[0])
    lefts.append(first[1])
    moves.append(np.subtract(second, first))
  assert abs(np.mean(tops) - 100) < 12 and abs(np.mean(lefts) - 100) < 12
  free = np.linalg.norm(moves, axis=1)
  assert np.median(free) == pytest.approx(20, abs=1)  # step_length of the way that is free
  assert np.linalg.norm(np.mean(moves, axis=0)) < 3


def test_optdigits_are_divided_without_overlap():
  parts = digits.optdigits(28)
  assert {name: len(images) for name, (images, _) in parts.items()} == {
      'train': 1437, 'validation': 180, 'test': 180}
  seen = [{image.tobytes() for image in images} for images, _ in parts.values()]
  assert len(set.union(*seen)) == sum(map(len, seen)) == 1797
  for images, labels in parts.values():
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert set(labels) == set(range(10))
    assert images.max(axis=(1, 2)).min() == 255 and images.min() == 0  # the whole range
    assert not images[:, :2].any() and not images[:, :, -2:].any()  # MNIST's kind of margin


@pytest.mark.parametrize('digit_size', [16, 20, 28])
def test_sizes_of_digits(digit_size):
  assert digits.optdigits(digit_size)['test'][0].shape == (180, digit_size, digit_size)
  images = np.random.default_rng(0).integers(256, size=(12, 28, 28), dtype=np.uint8)
  parts = digits.mnist(images, np.arange(12), images[:3], np.arange(3), digit_size)
  assert {name: images.shape for name, (images, _) in parts.items()} == {
      'train': (10, digit_size, digit_size), 'validation': (2, digit_size, digit_size),
      'test': (3, digit_size, digit_size)}
  np.testing.assert_array_equal(parts['validation'][1], [10, 11])


def test_errors_of_mnist_files(tmp_path):
  np.savez(tmp_path / 'a.npz', x_train=np.zeros((2, 28, 28), np.uint8))
  with pytest.raises(ValueError, match='has no x_test, y_test, y_train; expected the mnist.npz'):
    digits.mnist_from_file(str(tmp_path / 'a.npz'), 28)
  floats = np.zeros((2, 28, 28))
  with pytest.raises(ValueError, match=r'must be uint8 \[N, 28, 28\], got float64 \[2, 28, 28\]'):
    digits.mnist(floats, [0, 1], floats, [0, 1], 28)


def test_grey_entropy():
  videos = np.zeros((2, 5, 4, 4, 1), np.uint8)
  assert moving_digits.grey_entropy(videos) == 0
  videos[0, :, 0, 0] = 51  # 0.2, in half of the frames
  videos[1, 0, 1, 1] = 255
  expected = -(0.2 * np.log(0.2) + 0.8 * np.log(0.8)) / 2
  assert moving_digits.grey_entropy(videos) == pytest.approx(expected)


@pytest.mark.real_data
def test_lower_bound_of_the_loss_with_mnist(real_data):
  images, _ = digits.mnist_from_file(str(real_data / 'moving_mnist' / 'mnist.npz'), 28)['test']
  nats = []
  for index in range(2000):
    rng = moving_digits.random_generator(2015, 'test', index)
    video, _ = moving_digits.moving_digits(images, rng)
    nats.append(moving_digits.grey_entropy(video[10:]))
  nats = np.mean(nats)
  print(f'Moving MNIST, frames 11 to 20 of 2,000 test videos: {nats:.2f} nats per frame')
  assert 85.0 <= nats <= 87.5
