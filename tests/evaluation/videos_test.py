"""Where videos are from: rows of hosts, halves, windows; what sides differ in; seeds."""

import types

import numpy as np
import pytest

from tf_videogen.data import clips as clips_lib
from tf_videogen.evaluation import videos
from tf_videogen.layers import randomness

TRAIN, TEST = 24, 10  # clips of the tiny files


# --- data sets ---


@pytest.fixture(name='clips')
def _clips(tiny):
  return tiny.clips()


def _all_of(source, batch_size=4, hosts=1):
  """What hosts read, by index; checks that each clip comes once."""
  found = {}
  for host in range(hosts):
    for batch in source.batches(batch_size, host, hosts):
      assert len(batch['video']) == len(batch['index']) <= batch_size // hosts
      for row, index in enumerate(batch['index']):
        assert index not in found
        found[int(index)] = {name: value[row] for name, value in batch.items()}
  assert sorted(found) == list(range(source.count))
  return [found[i] for i in range(source.count)]


def _pixels(rows):
  return np.stack([row['video'] for row in rows])


@pytest.fixture(name='stored')
def _stored(tiny_files):
  """What the files of the two splits have."""
  return types.SimpleNamespace(
      train=dict(np.load(tiny_files.train)), test=dict(np.load(tiny_files.test)))


def test_first_frames_of_a_split(clips, stored):
  source = videos.DataVideos(clips, 'test')
  assert source.count == TEST and source.shape == (4, 8, 8, 1)
  rows = _all_of(source)
  np.testing.assert_array_equal(_pixels(rows), stored.test['video'][:, :4])
  np.testing.assert_array_equal([row['label'] for row in rows], stored.test['label'])
  np.testing.assert_array_equal([row['actions'] for row in rows], stored.test['actions'][:, :4])
  assert 'valid' not in rows[0]


@pytest.mark.parametrize('batch_size, hosts', [(4, 2), (6, 3), (16, 4), (2, 2)])
def test_hosts_share_a_split(clips, stored, batch_size, hosts):
  source = videos.DataVideos(clips, 'test')
  np.testing.assert_array_equal(
      _pixels(_all_of(source, batch_size, hosts)), stored.test['video'][:, :4])


@pytest.mark.parametrize('limit, count', [(7, 7), (11, TEST), (None, TEST)])
def test_the_first_clips(clips, stored, limit, count):
  source = videos.DataVideos(clips, 'test', limit)
  assert source.count == count
  np.testing.assert_array_equal(_pixels(_all_of(source)), stored.test['video'][:count, :4])


@pytest.mark.parametrize('batch_size, hosts', [(4, 1), (4, 2)])
def test_clips_drawn_from_the_whole_split(clips, stored, batch_size, hosts):
  """Not the first ones, which may all be of one class."""
  found = {seed: videos.DataVideos(clips, 'test', 6, seed=seed, drawn=True) for seed in range(3)}
  chosen = []
  for source in found.values():
    assert source.count == 6
    pixels = _pixels(_all_of(source, batch_size, hosts))
    chosen.append([number for one in pixels for number, stored_one in enumerate(
        stored.test['video'][:, :4]) if (one == stored_one).all()])
    assert len(chosen[-1]) == 6 and chosen[-1] == sorted(chosen[-1])  # each once, in order
    half = _pixels(_all_of(source.half(1)))
    np.testing.assert_array_equal(half, pixels[1::2])
  assert len(set(map(tuple, chosen))) == 3 and max(map(max, chosen)) >= 6
  whole = videos.DataVideos(clips, 'test', TEST, drawn=True)
  assert whole.identity() == videos.DataVideos(clips, 'test').identity()


@pytest.mark.parametrize('limit', [None, 7])
def test_halves_are_disjoint_and_cover_all(clips, stored, limit):
  source = videos.DataVideos(clips, 'test', limit)
  video = stored.test['video'][:limit, :4]
  for which in (0, 1):
    half = source.half(which)
    assert half.count == len(video[which::2])
    np.testing.assert_array_equal(_pixels(_all_of(half)), video[which::2])
    np.testing.assert_array_equal(_pixels(_all_of(half, 4, 2)), video[which::2])
  assert source.count == len(video) == len(_all_of(source))


def test_random_windows(clips, stored):
  """More than there are videos, the same ones whatever the batches."""
  source = videos.DataVideos(clips, 'train', 60, 'random')
  assert source.count == 60
  found = _pixels(_all_of(source, 8))
  for batch_size, hosts in ((60, 1), (6, 2)):
    np.testing.assert_array_equal(_pixels(_all_of(source, batch_size, hosts)), found)
  windows = {(i, start): stored.train['video'][i, start:start + 4]
             for i in range(TRAIN) for start in (0, 1)}
  which = [next(key for key, window in windows.items() if (window == one).all()) for one in found]
  assert {start for _, start in which} == {0, 1}
  assert sorted(i for i, _ in which[:TRAIN]) == list(range(TRAIN))  # an epoch has all
  with pytest.raises(ValueError, match='more windows than videos, .* halves .* the same videos'):
    source.half(1)
  other = _pixels(_all_of(videos.DataVideos(clips, 'train', 60, 'random', seed=1)))
  assert (other != found).any()


def test_halves_of_random_windows(clips, stored):
  """They have no video in common, and together all."""
  source, found = videos.DataVideos(clips, 'train', windows='random'), []
  for which in (0, 1):
    half = _pixels(_all_of(source.half(which)))
    assert len(half) == source.half(which).count
    found.append({next(i for i, video in enumerate(stored.train['video'])
                       if any((video[start:start + 4] == one).all() for start in (0, 1)))
                  for one in half})
  assert not found[0] & found[1] and found[0] | found[1] == set(range(TRAIN))


def test_windows_that_are_none(clips):
  with pytest.raises(ValueError, match="windows must be 'first' or 'random', got 'last'"):
    videos.DataVideos(clips, 'test', windows='last')
  with pytest.raises(ValueError, match="clips' train_split, 'train': bind it to .* 'test'"):
    videos.DataVideos(clips, 'test', windows='random')


def test_grey_clips_in_colour(clips, stored):
  source = videos.DataVideos(clips, 'test', 5).with_channels(3)
  assert source.shape == (4, 8, 8, 3)
  np.testing.assert_array_equal(
      _pixels(_all_of(source)), stored.test['video'][:5, :4].repeat(3, -1))


def test_identity_tells_what_is_read(clips, tiny_files):
  source = videos.DataVideos(clips, 'train')
  others = [videos.DataVideos(clips, 'test'), videos.DataVideos(clips, 'train', 20), source.half(0),
            source.half(1), videos.DataVideos(clips, 'train', windows='random'),
            videos.DataVideos(clips_lib.FileClips(tiny_files.train, 3), 'train'),
            videos.DataVideos(clips_lib.FileClips(tiny_files.train, 2, 2), 'train'),
            source.with_channels(3), videos.DataVideos(clips, 'train', 20, drawn=True)]
  identities = [repr(one.identity()) for one in [source, *others]]
  assert len(set(identities)) == len(identities)
  again = videos.DataVideos(clips_lib.FileClips(tiny_files.train, 4), 'train')
  assert repr(again.identity()) == identities[0]


def test_seeds_differ():
  seeds = {tuple(videos.seed_of(*parts).numpy()) for parts in np.ndindex(2, 3, 3, 2)}
  assert len(seeds) == 36
  np.testing.assert_array_equal(
      videos.seed_of(1, 0, 2, 0), randomness.fold_in(randomness.fold_in(randomness.fold_in(
          randomness.seed_of(1), 0), 2), 0))


def test_truncated_as_in_videogpts_scripts():
  """Worked out in float32, one operation after the other: 63 values become one less."""
  values = np.arange(256, dtype=np.uint8)
  lowered = values - videos.truncated(values)
  assert lowered.sum() == 63 and set(lowered) == {0, 1}
  one_by_one = [int((np.float32(np.float32(np.float32(v) / np.float32(255)) - np.float32(0.5))
                     + np.float32(0.5)) * np.float32(255)) for v in range(256)]
  assert videos.truncated(values).tolist() == one_by_one
