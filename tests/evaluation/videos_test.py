"""Where videos are from: rows of hosts, halves, windows; what sides differ in; seeds."""

import types

import numpy as np
import pytest

from tf_videogen.data import clips as clips_lib
from tf_videogen.evaluation import videos
from tf_videogen.evaluation import written_clips
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
  few = videos.DataVideos(clips, 'test').first(3)
  assert few.count == 3 and len(_all_of(few)) == 3


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
  source = videos.DataVideos(clips, 'test').first(5, channels=3)
  assert source.shape == (4, 8, 8, 3)
  np.testing.assert_array_equal(
      _pixels(_all_of(source)), stored.test['video'][:5, :4].repeat(3, -1))


def test_identity_tells_what_is_read(clips, tiny_files):
  source = videos.DataVideos(clips, 'train')
  others = [videos.DataVideos(clips, 'test'), videos.DataVideos(clips, 'train', 20), source.half(0),
            source.half(1), videos.DataVideos(clips, 'train', windows='random'),
            videos.DataVideos(clips_lib.FileClips(tiny_files.train, 3), 'train'),
            videos.DataVideos(clips_lib.FileClips(tiny_files.train, 2, 2), 'train'),
            source.first(TRAIN, channels=3)]
  identities = [repr(one.identity()) for one in [source, *others]]
  assert len(set(identities)) == len(identities)
  again = videos.DataVideos(clips_lib.FileClips(tiny_files.train, 4), 'train')
  assert repr(again.identity()) == identities[0]


# --- folders ---


def _folder(path, video):
  path.mkdir(exist_ok=True)
  for i, one in enumerate(video):
    np.save(path / f'{i}.npy', one[np.newaxis])
  return written_clips.WrittenClips(str(path))


@pytest.fixture(name='folders')
def _folders(tmp_path):
  """Makes a pair of folders, of noise of these shapes [N, T, H, W, C]."""
  def make(real, generated):
    made = [np.random.default_rng(i).integers(256, size=shape, dtype=np.uint8)
            for i, shape in enumerate((real, generated))]
    return [_folder(tmp_path / name, video) for name, video in zip(('real', 'made'), made)], made
  return make


@pytest.mark.parametrize('batch_size, hosts', [(4, 1), (4, 2), (6, 3)])
def test_folders_that_are_alike(folders, batch_size, hosts):
  found, made = folders((9, 4, 6, 8, 3), (9, 4, 6, 8, 3))
  for source, video in zip(videos.matched(*found), made):
    assert source.count == 9 and source.shape == (4, 6, 8, 3)
    np.testing.assert_array_equal(_pixels(_all_of(source, batch_size, hosts)), video)
    for which in (0, 1):
      np.testing.assert_array_equal(_pixels(_all_of(source.half(which))), video[which::2])


@pytest.mark.parametrize('real, generated, said', [
    ((3, 4, 6, 8, 3), (3, 5, 6, 8, 3), 'real has clips of 4 frames, .*made of 5; cut all to what '
     'they have in common with --on_mismatch=cut, or with --frames$'),
    ((3, 4, 6, 8, 3), (3, 4, 5, 8, 3), 'made has clips of 5 rows, .*real of 6; .*=cut$'),
    ((3, 4, 6, 7, 3), (3, 4, 6, 8, 3), 'real has clips of 7 columns, .*made of 8; .*=cut$'),
    ((5, 4, 6, 8, 3), (3, 4, 6, 8, 3), 'real has 5 clips and .*made 3: the smaller side decides')])
def test_folders_that_differ_are_refused_or_cut(folders, real, generated, said):
  found, made = folders(real, generated)
  with pytest.raises(ValueError, match=said) as error:
    videos.matched(*found)
  assert '\n' not in str(error.value)
  count, frames, height, width, _ = np.minimum(real, generated)
  for source, video in zip(videos.matched(*found, cut=True), made):
    assert source.count == count and source.shape == (frames, height, width, 3)
    top, left = (video.shape[2] - height) // 2, (video.shape[3] - width) // 2
    np.testing.assert_array_equal(
        _pixels(_all_of(source)), video[:count, :frames, top:top + height, left:left + width])


def test_frames_and_limit_of_folders(folders):
  found, made = folders((5, 7, 6, 8, 3), (3, 4, 6, 8, 3))
  for source, video in zip(videos.matched(*found, frames=2, limit=3), made):
    np.testing.assert_array_equal(_pixels(_all_of(source)), video[:3, :2])
  with pytest.raises(ValueError, match='made has a clip of 4 frames, but --frames is 5'):
    videos.matched(*found, frames=5, limit=3)
  for cut in (False, True):
    with pytest.raises(ValueError, match='made has 3 clips, but --videos is 4'):
      videos.matched(*found, frames=2, limit=4, cut=cut)


def test_clips_of_one_folder_that_differ(folders, tmp_path):
  found, _ = folders((3, 4, 6, 8, 3), (3, 4, 6, 8, 3))
  np.save(tmp_path / 'made' / '10.npy', np.zeros([1, 6, 6, 8, 3], np.uint8))
  longer = written_clips.WrittenClips(found[1].path)
  with pytest.raises(ValueError, match='real has clips of 4 frames, .*made of 6'):
    videos.matched(found[0], longer, limit=3)
  with pytest.raises(ValueError, match='made has clips of 4 frames, .*made of 6'):
    videos.matched(longer, longer)


def test_grey_and_coloured_folders(folders):
  found, made = folders((3, 4, 6, 8, 1), (3, 4, 6, 8, 3))
  real, generated = videos.matched(*found)
  np.testing.assert_array_equal(_pixels(_all_of(real)), made[0].repeat(3, -1))
  np.testing.assert_array_equal(_pixels(_all_of(generated)), made[1])


def test_identity_tells_what_is_read_of_folders(folders):
  (real, _), _ = folders((4, 4, 6, 8, 1), (4, 4, 6, 8, 3))
  found = [videos.FolderVideos(real, *args) for args in (
      (4, (6, 8), 1, 4), (3, (6, 8), 1, 4), (4, (6, 7), 1, 4), (4, (6, 8), 3, 4),
      (4, (6, 8), 1, 3))]
  found += [found[0].half(0), found[0].half(1)]
  assert len({repr(one.identity()) for one in found}) == len(found)


# --- a folder beside a data set ---


@pytest.fixture(name='real')
def _real(clips):
  return videos.DataVideos(clips, 'test')  # 10 clips, [4, 8, 8, 1]


def _files(tmp_path, *shape):
  video = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
  return _folder(tmp_path / 'made', video)


@pytest.mark.parametrize('channels', [1, 3])
def test_a_folder_like_a_data_set(real, stored, tmp_path, channels):
  ours, theirs = videos.like(_files(tmp_path, TEST, 4, 8, 8, channels), real)
  assert ours.shape == theirs.shape == (4, 8, 8, channels) and ours.count == theirs.count == TEST
  np.testing.assert_array_equal(
      _pixels(_all_of(ours)), stored.test['video'][:, :4].repeat(channels, -1))


@pytest.mark.parametrize('shape, said', [
    ((TEST, 3, 8, 8, 1), "made has clips of 3 frames of 8 x 8 pixels, but the data set's have 4 "
     'frames of 8 x 8 pixels$'),
    ((TEST, 4, 8, 7, 1), "clips of 4 frames of 8 x 7 pixels, but the data set's .* 8 x 8 pixels$")])
def test_a_folder_of_less_than_a_data_set(real, tmp_path, shape, said):
  found = _files(tmp_path, *shape)
  for cut in (False, True):
    with pytest.raises(ValueError, match=said):
      videos.like(found, real, cut=cut)


@pytest.mark.parametrize('shape, frames, said', [
    ((TEST, 6, 8, 8, 1), None, 'cut them with --on_mismatch=cut, or with --frames$'),
    ((TEST, 4, 10, 8, 1), 4, 'of 4 frames of 10 x 8 pixels, .*; cut them with --on_mismatch=cut$'),
    ((7, 4, 8, 8, 1), None, 'the data set has 10 clips and .*made 7: take equally many'),
    ((12, 4, 8, 8, 1), None, 'the data set has 10 clips and .*made 12: take equally many')])
def test_a_folder_that_differs_from_a_data_set(real, tmp_path, shape, frames, said):
  found = _files(tmp_path, *shape)
  with pytest.raises(ValueError, match=said):
    videos.like(found, real, frames)
  ours, theirs = videos.like(found, real, frames, cut=True)
  assert ours.count == theirs.count == min(shape[0], TEST) and ours.shape == theirs.shape
  assert len(_all_of(ours)) == len(_all_of(theirs)) == ours.count
  whole = list(found.read())[0]
  top = (whole.shape[1] - 8) // 2
  np.testing.assert_array_equal(_all_of(theirs)[0]['video'], whole[:4, top:top + 8])


def test_frames_and_limit_beside_a_data_set(real, tmp_path):
  found = _files(tmp_path, 7, 6, 8, 8, 1)
  ours, theirs = videos.like(found, real, frames=4, limit=7)
  assert ours.count == theirs.count == 7 and theirs.shape == (4, 8, 8, 1)
  with pytest.raises(ValueError, match='the data set has 10 clips and .*made 7, but --videos is 8'):
    videos.like(found, real, frames=4, limit=8)


@pytest.mark.parametrize('cut, limit', [(True, None), (False, 8)])
def test_pairs_need_every_clip(real, tmp_path, cut, limit):
  """Without the one that cannot be read, those after it would have other counterparts."""
  found = _files(tmp_path, TEST, 4, 8, 8, 1)
  (tmp_path / 'made' / '4.npy').write_bytes(b'damaged')
  found = written_clips.WrittenClips(found.path)
  with pytest.raises(ValueError, match=r'compared in pairs, but .*4\.npy cannot be read'):
    videos.like(found, real, limit=limit, cut=cut, paired=True)
  assert len(videos.like(found, real, limit=limit, cut=cut)) == 2
  with pytest.raises(ValueError, match=r'compared in pairs, but .*4\.npy cannot be read'):
    videos.matched(found, found, paired=True)


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
