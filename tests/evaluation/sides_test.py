"""Two sides that may differ: what is drawn, cut, scaled, paired, told or refused."""

import tracemalloc

import numpy as np
import pytest

from tests.evaluation import fakes
from tf_videogen.data import video_io
from tf_videogen.evaluation import sides
from tf_videogen.evaluation import videos
from tf_videogen.evaluation import windows
from tf_videogen.evaluation import written_clips

Wishes = sides.Wishes


def _all_of(source, batch_size=4, hosts=1):
  """What hosts read, by index; checks that each clip comes once."""
  found = {}
  for host in range(hosts):
    for batch in source.batches(batch_size, host, hosts):
      assert len(batch['video']) == len(batch['index']) <= batch_size // hosts
      for row, index in zip(batch['video'], batch['index']):
        assert index not in found
        found[int(index)] = row
  assert sorted(found) == list(range(source.count))
  return np.stack([found[i] for i in range(source.count)])


def _folder(path, video, names=None):
  path.mkdir(exist_ok=True)
  for name, one in zip(names or range(len(video)), video):
    (path / str(name)).parent.mkdir(exist_ok=True)
    np.save(path / f'{name}.npy', one[np.newaxis])
  return written_clips.WrittenClips(str(path))


@pytest.fixture(name='folders')
def _folders(tmp_path):
  """Makes folders, of noise of these shapes [N, T, H, W, C]."""
  def make(*shapes):
    made = [np.random.default_rng(i).integers(256, size=shape, dtype=np.uint8)
            for i, shape in enumerate(shapes)]
    return [_folder(tmp_path / name, video)
            for name, video in zip(('real', 'made', 'other'), made)], made
  return make


# --- folders ---


@pytest.mark.parametrize('batch_size, hosts', [(4, 1), (4, 2), (6, 3)])
def test_folders_that_are_alike(folders, batch_size, hosts):
  found, made = folders((9, 4, 6, 8, 3), (9, 4, 6, 8, 3))
  real, (generated,), told = sides.matched(found[0], found[1:])
  assert not told
  for source, video in zip((real, generated), made):
    assert source.count == 9 and source.shape == (4, 6, 8, 3)
    np.testing.assert_array_equal(_all_of(source, batch_size, hosts), video)
    for which in (0, 1):
      np.testing.assert_array_equal(_all_of(source.half(which)), video[which::2])
    later = list(source.batches(4, first=1))
    np.testing.assert_array_equal(np.concatenate([b['index'] for b in later]), range(4, 9))


def test_other_numbers_of_videos_are_normal(folders):
  found, made = folders((9, 4, 6, 8, 3), (5, 4, 6, 8, 3), (3, 4, 6, 8, 3))
  real, generated, told = sides.matched(found[0], found[1:])
  assert [real.count, *(one.count for one in generated)] == [9, 5, 3] and not told
  np.testing.assert_array_equal(_all_of(generated[1]), made[2])


@pytest.mark.parametrize('real, generated, said', [
    ((3, 4, 6, 8, 3), (3, 5, 6, 8, 3), 'real has clips of 4 frames, .*made of 5; cut all to what '
     'they have in common with --frames=4 or --on_mismatch=cut$'),
    ((3, 4, 6, 8, 3), (3, 4, 5, 8, 3), 'real has frames of 6 x 8 pixels, .*made of 5 x 8; scale '
     'all with --size=5 or --on_mismatch=scale, or cut out the middle with --on_mismatch=cut$')])
def test_clips_that_differ_are_refused_or_cut(folders, real, generated, said):
  found, made = folders(real, generated)
  with pytest.raises(ValueError, match=said) as error:
    sides.matched(found[0], found[1:])
  assert '\n' not in str(error.value)
  _, frames, height, width, _ = np.minimum(real, generated)
  side, (other,), told = sides.matched(found[0], found[1:], Wishes(on_mismatch='cut'))
  for source, video in zip((side, other), made):
    assert source.shape == (frames, height, width, 3)
    top, left = (video.shape[2] - height) // 2, (video.shape[3] - width) // 2
    np.testing.assert_array_equal(
        _all_of(source), video[:, :frames, top:top + height, left:left + width])
  assert bool(told) == (real[2:4] != generated[2:4])
  assert all('of which only the middle 5 x 8 are compared; --on_mismatch=scale' in t for t in told)


@pytest.mark.parametrize('wishes', [Wishes(size=8), Wishes(on_mismatch='scale')])
def test_scaling_keeps_the_picture(tmp_path, wishes):
  """The shorter side is scaled to the size, then the middle is cut: no patch of the middle."""
  ramp = np.broadcast_to(np.arange(24, 216, dtype=np.uint8)[:192].repeat(1), (2, 96, 192))
  video = np.ascontiguousarray(ramp[:, ::6, ::6, np.newaxis])  # 16 x 32
  found = [_folder(tmp_path / 'a', video[np.newaxis]),
           _folder(tmp_path / 'b', np.zeros([1, 2, 8, 8, 1], np.uint8))]
  real, _, told = sides.matched(found[0], found[1:], wishes)
  scaled, = _all_of(real)
  assert scaled.shape == (2, 8, 8, 1) and not told
  np.testing.assert_allclose(scaled[0, 4, :, 0], video[0, 0, 8:24, 0].reshape(8, 2).mean(1), atol=2)


def test_videos_are_drawn_from_all_folders(tmp_path):
  names = [f'{c}/{i}' for c in 'abcd' for i in range(10)]
  found = _folder(tmp_path / 'real', fakes.videos(40, 2, 4, 4), names)
  real, _, told = sides.matched(found, [found], Wishes(limit=12))
  drawn = found.drawn(12)
  assert real.count == 12 and not told and drawn == sorted(drawn, key=found.names.index)
  assert {name.split('/')[-2] for name in drawn} == set('abcd')
  assert found.drawn(12, seed=1) != drawn == found.drawn(12)
  real, _, told = sides.matched(found, [found], Wishes(limit=50))
  assert real.count == 40 and told == [
      f'{found.path} has 40 videos, fewer than --videos=50: all are used']


def test_frames_that_are_too_many(folders):
  found, made = folders((5, 7, 6, 8, 3), (3, 4, 6, 8, 3))
  real, _, _ = sides.matched(found[0], found[1:], Wishes(frames=2))
  np.testing.assert_array_equal(_all_of(real), made[0][:, :2])
  with pytest.raises(ValueError, match='made has a clip of 4 frames, but --frames is 5 .3 of'):
    sides.matched(found[0], found[1:], Wishes(frames=5))


def test_grey_and_coloured_folders(folders):
  found, made = folders((3, 4, 6, 8, 1), (3, 4, 6, 8, 3))
  real, (generated,), _ = sides.matched(found[0], found[1:])
  np.testing.assert_array_equal(_all_of(real), made[0].repeat(3, -1))
  np.testing.assert_array_equal(_all_of(generated), made[1])


# --- pairs ---


def test_pairs_have_the_same_names(tmp_path):
  """Of a, b, c beside b, c, d, two are pairs; in order, a would be compared with b."""
  video = fakes.videos(4, 3, 8, 8)
  real = _folder(tmp_path / 'real', video[:3], 'abc')
  made = tmp_path / 'made'
  made.mkdir()
  for name, one in zip('bcd', video[1:]):
    video_io.write_npz(str(made / f'{name}.npz'), {'video': one[np.newaxis]})
  generated = written_clips.WrittenClips(str(made))
  left, (right,), told = sides.matched(real, [generated], Wishes(paired=True))
  np.testing.assert_array_equal(_all_of(left), video[1:3])
  np.testing.assert_array_equal(_all_of(right), video[1:3])
  assert len(told) == 2 and told[0].startswith('1 of the 3 clips in ')
  assert 'have no partner of the same name and are left out: a[0]' in told[0] and 'd[0]' in told[1]


def test_numbers_in_names_count_by_their_value(tmp_path):
  video = fakes.videos(12, 3, 8, 8)
  real = _folder(tmp_path / 'real', video, [f'v{i:03d}' for i in range(12)])
  generated = _folder(tmp_path / 'made', video, [f'v{i}' for i in range(12)])
  left, (right,), told = sides.matched(real, [generated], Wishes(paired=True, limit=5))
  assert left.count == 5 and not told
  np.testing.assert_array_equal(_all_of(left), _all_of(right))


def test_rows_of_an_array_are_pairs_in_order(tmp_path):
  video = fakes.videos(6, 3, 8, 8)
  real = _folder(tmp_path / 'real', video, 'abcdef')
  np.savez(tmp_path / 'made.npz', samples=video)
  generated = written_clips.WrittenClips(str(tmp_path / 'made.npz'))
  left, (right,), _ = sides.matched(real, [generated], Wishes(paired=True, limit=4))
  np.testing.assert_array_equal(_all_of(left), _all_of(right))
  np.savez(tmp_path / 'made.npz', samples=video[:4])
  generated = written_clips.WrittenClips(str(tmp_path / 'made.npz'))
  with pytest.raises(ValueError, match='of an array have no names, .* 6 clips and .* has 4'):
    sides.matched(real, [generated], Wishes(paired=True))


def test_pairs_that_are_none(tmp_path):
  video = fakes.videos(3, 3, 8, 8)
  real, made = _folder(tmp_path / 'r', video, 'abc'), _folder(tmp_path / 'm', video, 'xyz')
  with pytest.raises(ValueError, match=r'pairs have the same names, but .*r has a\[0\], b\[0\]'):
    sides.matched(real, [made], Wishes(paired=True))
  (tmp_path / 'r' / 'a.npy').write_bytes(b'torn')
  with pytest.raises(ValueError, match=r'compared in pairs, but .*a\.npy cannot be read'):
    real = written_clips.WrittenClips(real.path)
    sides.matched(real, [written_clips.WrittenClips(real.path)], Wishes(paired=True))


# --- windows and frame rates ---


def _numbered(path, count, frames, fps):
  """Videos whose frames have their number as gray."""
  path.mkdir()
  video = np.arange(frames, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
  for i in range(count):
    video_io.write_gif(str(path / f'{i}.gif'), np.broadcast_to(video, (frames, 8, 8, 3)), fps=fps)
  return written_clips.WrittenClips(str(path))


def test_random_windows(tmp_path):
  found = _numbered(tmp_path / 'a', 3, 40, 10)
  wishes = Wishes(frames=8, windows=windows.Windows('random', 4, 2, seed=3))
  real, (same,), told = sides.matched(found, [found], wishes)
  numbers = _all_of(real)[:, :, 0, 0, 0].astype(int)
  assert numbers.shape == (12, 8) and (np.diff(numbers) == 2).all()
  assert len(told) == 1 and 'has 5 frames per second and' in told[0]  # every second of real ones
  starts = numbers[:, 0].reshape(3, 4)
  assert (np.diff(starts) > 0).all() and len(set(starts.ravel())) > 6  # of each video, different
  np.testing.assert_array_equal(_all_of(real, 6, 3)[:, :, 0, 0, 0], numbers)
  half = _all_of(real.half(1))[:, :, 0, 0, 0]
  np.testing.assert_array_equal(half, numbers[4:8])  # halves have no video in common
  assert (np.diff(_all_of(same)[:, :, 0, 0, 0].astype(int)) == 1).all()  # a step of real ones
  wishes = Wishes(frames=8, windows=windows.Windows('random', 4, 2, seed=4))
  other = sides.matched(found, [], wishes)
  assert (_all_of(other.real)[:, :, 0, 0, 0] != numbers).any()


def test_too_few_windows_are_told(tmp_path):
  found = _numbered(tmp_path / 'a', 2, 10, 10)
  wishes = Wishes(frames=8, windows=windows.Windows('random', 4))
  real, _, told = sides.matched(found, [found], wishes)
  assert real.count == 6 and 'has only 3 windows of 8 frames, so each clip gives 3' in told[0]
  with pytest.raises(ValueError, match='4 windows per video must be random'):
    windows.Windows(per_video=4)


def test_other_frame_rates_are_told_and_made_equal(tmp_path):
  fast, slow = _numbered(tmp_path / 'a', 2, 40, 25), _numbered(tmp_path / 'b', 2, 10, 10)
  _, _, told = sides.matched(fast, [slow], Wishes(frames=8))
  assert 'has 25 frames per second and ' in told[0] and 'make both equal with --frame_rate=10' in (
      told[0])
  real, (made,), told = sides.matched(fast, [slow], Wishes(windows=windows.Windows(fps=5),
                                                           on_mismatch='cut'))
  assert not told and real.shape[0] == made.shape[0] == 5
  assert _all_of(made)[0, :, 0, 0, 0].tolist() == [0, 2, 4, 6, 8]
  assert _all_of(real)[0, :, 0, 0, 0].tolist() == [0, 5, 10, 15, 20]
  with pytest.raises(ValueError, match='10 frames per second cannot become one of 25 without'):
    sides.matched(fast, [slow], Wishes(windows=windows.Windows(fps=25)))
  with pytest.raises(ValueError, match='either --frame_step or --frame_rate'):
    windows.Windows(step=2, fps=5)


def test_an_array_does_not_tell_its_rate(tmp_path, folders):
  found, _ = folders((3, 16, 8, 8, 3))
  fast = _numbered(tmp_path / 'a', 2, 40, 25)
  real, (made,), told = sides.matched(fast, found, Wishes(frames=8, windows=windows.Windows(fps=5)))
  assert told == [f'{found[0].path} does not tell its frame rate: taken as 5']
  assert _all_of(real)[0, :, 0, 0, 0].tolist() == list(range(0, 40, 5)) and made.count == 3


# --- decodings and memory ---


class _Counting:
  """Counts the frames that are read of each clip."""

  def __init__(self, monkeypatch):
    self.read, whole = {}, written_clips.WrittenClips._frames

    def counting(clips, name, numbers):
      self.read[name] = self.read.get(name, []) + [len(numbers)]
      return whole(clips, name, numbers)

    monkeypatch.setattr(written_clips.WrittenClips, '_frames', counting)


def test_every_clip_is_decoded_once_and_only_the_frames_that_are_used(monkeypatch, tmp_path):
  """72 clips were decoded 4 times each, whole, when two folders were compared."""
  found = _numbered(tmp_path / 'a', 6, 30, 10)
  counting = _Counting(monkeypatch)
  wishes = Wishes(frames=4, windows=windows.Windows('random', 2, 3))
  real, _, _ = sides.matched(found, [], wishes)
  assert not counting.read  # lengths and sizes are in headers
  assert len(_all_of(real, 5)) == 12
  assert len(counting.read) == 6 and all(len(reads) == 1 and reads[0] <= 8
                                         for reads in counting.read.values())


def test_a_few_clips_at_a_time_are_in_memory(monkeypatch, tmp_path):
  """Reading goes a few clips ahead of the batch, however many there are."""
  found = _folder(tmp_path / 'a', fakes.videos(60, 2, 4, 4))
  counting = _Counting(monkeypatch)
  real, _, _ = sides.matched(found, [])
  batches = real.batches(4)
  next(batches)
  assert len(counting.read) <= 4 + 10


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_memory_does_not_grow_with_the_number_of_clips(tmp_path, save):
  peaks = []
  for count in (20, 100):
    save(tmp_path / 'a.npz', samples=np.zeros([count, 20, 40, 40, 3], np.uint8))
    tracemalloc.start()
    real, _, _ = sides.matched(
        written_clips.WrittenClips(str(tmp_path / 'a.npz')), [], Wishes(frames=16))
    assert sum(len(batch['index']) for batch in real.batches(4)) == count
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
  assert peaks[1] < 1.3 * peaks[0] < 40 * 20 * 40 * 40 * 3


def test_a_clip_that_cannot_be_read_is_missing(tmp_path):
  video = fakes.videos(7, 4, 8, 8)
  (tmp_path / 'a').mkdir()
  for i, one in enumerate(video):
    video_io.write_gif(str(tmp_path / 'a' / f'{i}.gif'), one)
  found = written_clips.WrittenClips(str(tmp_path / 'a'))
  real, _, _ = sides.matched(found, [])
  path = tmp_path / 'a' / '2.gif'
  content = path.read_bytes()
  path.write_bytes(content[:len(content) // 2])
  index = np.concatenate([batch['index'] for batch in real.batches(3)])
  assert index.tolist() == [0, 1, 3, 4, 5, 6] and list(found.skipped) == [str(path)]
  assert [len(batch['index']) for batch in real.batches(1)] == [1, 1, 0, 1, 1, 1, 1]


def test_identity_tells_what_is_read(folders):
  (real, other), _ = folders((4, 4, 6, 8, 1), (4, 4, 6, 8, 3))
  other.headers()
  real.headers()
  found = [videos.FolderVideos(real, names, shape, window, scaled) for names, shape, window, scaled
           in ((real.names, (4, 6, 8, 1), windows.Windows(), False),
               (real.names[1:], (4, 6, 8, 1), windows.Windows(), False),
               (real.names, (3, 6, 8, 1), windows.Windows(), False),
               (real.names, (4, 6, 8, 1), windows.Windows(step=2), False),
               (real.names, (4, 6, 8, 1), windows.Windows(), True))]
  found += [found[0].half(0), found[0].half(1),
            videos.FolderVideos(other, other.names, (4, 6, 8, 1))]
  assert len({repr(one.identity()) for one in found}) == len(found)


# --- a folder beside a data set ---


@pytest.fixture(name='real')
def _real(tiny):
  return videos.DataVideos(tiny.clips(), 'test')  # 10 clips, [4, 8, 8, 1]


def _files(tmp_path, *shape):
  video = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
  return _folder(tmp_path / 'made', video), video


def test_a_folder_like_a_data_set(real, tmp_path):
  found, video = _files(tmp_path, 7, 4, 8, 8, 3)
  ours, (theirs,), told = sides.like(real, [found])
  assert ours.shape == theirs.shape == (4, 8, 8, 3) and (ours.count, theirs.count) == (10, 7)
  np.testing.assert_array_equal(_all_of(theirs), video)
  with pytest.raises(ValueError, match='compared in pairs, but the data set has 10 clips and .* 7'):
    sides.like(real, [found], Wishes(paired=True))


@pytest.mark.parametrize('shape, wishes, said', [
    ((9, 3, 8, 8, 1), Wishes(on_mismatch='cut'), "made has clips of 3 frames of 8 x 8 pixels, but "
     "the data set's have 4 frames of 8 x 8 pixels$"),
    ((9, 4, 8, 7, 1), Wishes(on_mismatch='cut'), 'clips of 4 frames of 8 x 7 pixels, but .* 8 x 8'),
    ((9, 6, 8, 8, 1), Wishes(), '=cut, or take windows with --frames=4$'),
    ((9, 4, 10, 8, 1), Wishes(frames=4), 'of 4 frames of 10 x 8 pixels, .*=scale, or cut out ')])
def test_a_folder_that_differs_from_a_data_set(real, tmp_path, shape, wishes, said):
  with pytest.raises(ValueError, match=said):
    sides.like(real, [_files(tmp_path, *shape)[0]], wishes)


def test_a_folder_that_is_cut_or_scaled_to_a_data_set(real, tmp_path):
  found, video = _files(tmp_path, 5, 6, 10, 16, 1)
  _, (cut,), _ = sides.like(real, [found], Wishes(on_mismatch='cut'))
  np.testing.assert_array_equal(_all_of(cut), video[:, :4, 1:9, 4:12])
  _, (scaled,), _ = sides.like(real, [found], Wishes(on_mismatch='scale'))
  assert scaled.shape == (4, 8, 8, 1) and (_all_of(scaled) != _all_of(cut)).any()
