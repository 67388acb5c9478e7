"""Videos in pieces: what is read of them, by the system's count of bytes; slices; the index."""

import os
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.data import toy_clips
from tf_videogen.benchmarks import input as input_lib
from tf_videogen.data import clip_records
from tf_videogen.data import clips
from tf_videogen.data import prepared
from tf_videogen.preparation import clip_index
from tf_videogen.preparation import piece_builder
from tf_videogen.preparation import png

LENGTHS = [20, 3, 8, 9, 16, 17, 40, 8, 25, 12, 31, 7]  # of videos, in frames


def _frames(example):
  return LENGTHS[int(example) % len(LENGTHS)]


@pytest.fixture(scope='module', name='data_dir')
def _data_dir(tmp_path_factory):
  """Videos of many lengths; pieces of some lie in two files."""
  data_dir = tmp_path_factory.mktemp('pieces')
  examples = [toy_clips.example_of(i, _frames(i)) for i in range(24)]
  toy_clips.store_pieces(data_dir, {'train': examples, 'test': examples[:6]}, num_shards=12)
  return str(data_dir)


def _source(data_dir, frames=7, **kwargs):
  return clips.PreparedClips('toy_pieces', frames, data_dir=data_dir, size=toy_clips.SIZE, **{
      'features': {'label': 'label', 'actions': 'actions'}, 'drop_short': True, **kwargs})


def _check(batch, frame_step=1):
  """Checks videos, labels, actions and ids of a batch; returns (number, first frame) of each."""
  found = []
  for i, number in enumerate(toy_clips.numbers(batch)):
    shown = batch['video'][i, :, 1, 0, 0].tolist()
    assert shown == list(range(shown[0], shown[0] + frame_step * len(shown), frame_step))
    stored = toy_clips.example_of(number, _frames(number))
    np.testing.assert_array_equal(batch['video'][i], stored['video'][shown])
    np.testing.assert_array_equal(batch['actions'][i], stored['actions'][shown])
    assert batch['id'][i].decode() == stored['id'] and batch['label'][i] == stored['label']
    found.append((number, shown[0]))
  return found


@pytest.mark.parametrize('frames, frame_step', [(7, 1), (1, 1), (8, 1), (3, 8), (31, 1)])
def test_every_window_of_every_video(data_dir, frames, frame_step):
  made = _source(data_dir, frames, frame_step=frame_step)
  long = {i for i in range(24) if _frames(i) >= made.span}
  assert made.count('train') == len(long)
  found = {start for batch in toy_clips.arrays(made.training(len(long), seed=0), 30)
           for start in _check(batch, frame_step)}
  assert {number for number, _ in found} == long
  starts = {start for number, start in found if _frames(number) == 40}
  assert len(starts) > 0.6 * (41 - made.span) and max(starts) <= 40 - made.span
  evaluated, = toy_clips.arrays(made.evaluation('train', len(long)))
  assert {start for _, start in _check(evaluated, frame_step)} == {0}


def test_pieces_that_lie_in_two_files(data_dir):
  index = _source(data_dir).index('train')
  of_first, of_last = (np.searchsorted(index.bases, rows, 'right')
                       for rows in (index.rows[:-1], index.rows[1:] - 1))
  assert np.count_nonzero(of_first != of_last) >= 3
  assert index.videos_of_shards.sum() == 24 == len(index.frames)
  sizes = [os.path.getsize(path) for path in index.paths]
  np.testing.assert_array_equal(sizes, np.add.reduceat(index.sizes, index.bases[:-1]))


def test_any_number_of_threads_makes_the_same_batches(data_dir, monkeypatch):
  unbroken = toy_clips.arrays(_source(data_dir).training(4, seed=3), 12)
  for reads, processors, start in ((1, 1, 0), (5, 3, 0), (40, 8, 5)):
    monkeypatch.setattr(clip_records, 'READS', reads)
    monkeypatch.setattr(os, 'cpu_count', lambda processors=processors: processors)
    batches = _source(data_dir).training(4, seed=3, start_step=start)
    toy_clips.assert_same(unbroken[start:], toy_clips.arrays(batches, 12 - start))


def test_slices_count_videos(data_dir):
  made = _source(data_dir, 3)
  whole = made.videos('train').tolist()
  assert whole == list(range(24))
  for split, videos in {
      'train[:-5]': whole[:-5], 'train[:25%]': whole[:6], 'train[20:]': whole[20:],
      'train[:2]+train[22:]': whole[:2] + whole[22:]}.items():
    assert made.videos(split).tolist() == videos and made.count(split) == len(videos)
  assert made.count('test[:4]+train[3:5]') == 6
  assert _source(data_dir, 9).count('train[:50%]') == sum(
      frames >= 9 for frames in made.index('train').frames[:12])
  with pytest.raises(ValueError, match="has no split 'valid'; there are: t"):
    made.count('valid')
  with pytest.raises(ValueError, match='has no examples'):
    made.count('train[:0]')


def test_lengths(data_dir):
  with pytest.raises(ValueError, match='2 videos of toy_pieces .train. are shorter than the 4 '):
    _source(data_dir, 4, drop_short=False).training(2, seed=0)
  with pytest.raises(ValueError, match='^no video of toy_pieces .train. has the 41 frames that'):
    _source(data_dir, 41).count('train')
  info = tfds.builder_from_directory(prepared.directory('toy_pieces', data_dir)).info
  assert info.metadata['piece_frames'] == piece_builder.PIECE_FRAMES == 8
  assert info.metadata['frame_counts']['test'] == {
      str(frames): 1 for frames in sorted(LENGTHS[:6])}


def test_the_order_is_that_of_tfds(data_dir):
  """TFDS would shuffle whole videos into the same order."""
  features = tfds.features.FeaturesDict({'id': tfds.features.Text()})
  names = [f'clip{i}' for i in range(24)]
  whole = tfds.dataset_builders.AdhocBuilder(
      name='whole', version='1.0.0', features=features, data_dir=data_dir,
      split_datasets={'train': [(name, {'id': name}) for name in names]})
  whole.download_and_prepare()
  shuffled = [example['id'] for example in tfds.as_numpy(whole.as_dataset(split='train'))]
  evaluated, = toy_clips.arrays(_source(data_dir, 3).evaluation('train', 24))
  assert evaluated['id'].tolist() == shuffled


# --- the index ---


def _index(folder):
  return clip_index.of_split(tfds.builder_from_directory(folder).info.splits['train'], 8)


def _assert_equal(index, other):
  for name, value in index._asdict().items():
    np.testing.assert_array_equal(value, getattr(other, name), name)


def test_an_index_that_is_missing_is_made(tmp_path, capsys):
  folder = toy_clips.store_pieces(
      tmp_path, {'train': [toy_clips.example_of(i, _frames(i)) for i in range(6)]}, num_shards=3)
  assert not list(folder.glob(f'*{clip_index._NOTES}'))
  path, written = folder / 'clip_index' / 'train.npz', _index(folder)
  content = path.read_bytes()
  for damage in (path.unlink, lambda: path.write_bytes(content[:99]), lambda: np.savez(path, a=1)):
    damage()
    _assert_equal(_index(folder), written)
    assert path.read_bytes()[:99] == content[:99]
  with np.load(path) as arrays:  # of other data
    np.savez(path, **{**arrays, 'sizes': arrays['sizes'] + 1, 'num_bytes': 7})
  _assert_equal(_index(folder), written)
  path.unlink()
  path.parent.rmdir()
  path.parent.write_text('no folder')
  _assert_equal(_index(folder), written)
  assert 'the index of train is made anew by every run: ' in capsys.readouterr().out


def test_videos_of_one_record_are_indexed_by_their_lengths_alone(tmp_path):
  toy_clips.store_toy(tmp_path)
  source = clips.PreparedClips('toy/small', 4, data_dir=str(tmp_path))
  index = source.index('train+test')
  assert index.rows.tolist() == list(range(31)) and not index.frames.any()
  assert [os.path.getsize(path) for path in index.paths] == np.add.reduceat(
      index.sizes, index.bases[:-1]).tolist()


def test_damage(tmp_path):
  folder = toy_clips.store_pieces(
      tmp_path, {'train': [toy_clips.example_of(i, _frames(i)) for i in range(6)]})
  path, = folder.glob('*tfrecord*')
  content = path.read_bytes()
  path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
  with pytest.raises(ValueError, match='^a file of the data is damaged .*: prepare it again$'):
    _source(str(tmp_path), 3).check(['train'])
  for cut in (len(content) - 9, len(content) // 2):
    path.write_bytes(content[:cut])
    (folder / 'clip_index' / 'train.npz').unlink(missing_ok=True)
    with pytest.raises(ValueError, match='tfrecord.* is damaged .*: prepare the data again$'):
      _source(str(tmp_path), 3).index('train')
  toy_clips.store(tmp_path, 'plain', tfds.features.FeaturesDict({'id': tfds.features.Text()}),
                  {'train': [{'id': f'{i}'} for i in range(9)]}, num_shards=1)
  path, = (tmp_path / 'plain' / '1.0.0').glob('*tfrecord*')
  for cut, why in ((path.stat().st_size - 5, 'ends in the middle'), (0, 'has 0 of 9 records')):
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=f'{why}.*: prepare the data again$'):
      clip_index.of_split(tfds.builder_from_directory(path.parent).info.splits['train'])


def test_a_piece_that_is_missing(tmp_path, monkeypatch):
  cut = piece_builder._Pieces.__call__
  monkeypatch.setattr(piece_builder._Pieces, '__call__',
                      lambda self, *example: list(cut(self, *example))[:2])
  examples = [toy_clips.example_of(i, frames) for i, frames in enumerate((16, 17, 9))]
  with pytest.raises(ValueError, match='1 videos of split train have not all their pieces'):
    toy_clips.store_pieces(tmp_path, {'train': examples})


# --- bytes that are read, by the system's count ---


@pytest.fixture(scope='module', name='long_videos')
def _long_videos(tmp_path_factory):
  """24 videos of 300 equal frames; returns (folder, bytes of a frame)."""
  frame = png.encode(np.random.default_rng(0).integers(256, size=(24, 24, 1), dtype=np.uint8))
  data_dir = tmp_path_factory.mktemp('long')
  toy_clips.store_pieces(data_dir, {
      'train': [toy_clips.example_of(i, 300, [frame] * 300) for i in range(24)]})
  return str(data_dir), len(frame)


needs_count = pytest.mark.skipif(
    input_lib.bytes_read() is None, reason='the system does not count bytes')


def _clips(data_dir, frames):
  return clips.PreparedClips('toy_pieces', frames, data_dir=data_dir, size=24)


@needs_count
@pytest.mark.parametrize('frames, most', [(16, 2.2), (300, 1.1)])
def test_a_clip_reads_little_more_than_its_frames(long_videos, frames, most):
  data_dir, size = long_videos
  read = input_lib.bytes_of_steps(_clips(data_dir, frames), 4) / 4
  assert frames * size < read < most * frames * size
  assert input_lib.bytes_of_frames(_clips(data_dir, frames)) == pytest.approx(
      frames * size, rel=0.1)


@needs_count
def test_four_hosts_read_a_quarter_each(long_videos):
  """As the benchmark prints it, and all together read what one host would."""
  data_dir, size = long_videos
  config = types.SimpleNamespace(clips=_clips(data_dir, 16), batch_size=32)
  figures = input_lib._bytes_of_hosts(config, 4)
  assert figures['read_shares_of_hosts'] == pytest.approx([0.25] * 4, rel=0.1)
  assert 1 < figures['read_over_frames'] < 2.2
  assert figures['read_bytes_per_clip'] < 2.2 * 16 * size
  assert 0 < input_lib.png_seconds(config.clips) < 1


@needs_count
def test_going_on_late_in_an_epoch_reads_no_more_than_beginning(tmp_path):
  """At 90 % of an epoch, less than 2 % of it are read until there is a batch."""
  noise = np.random.default_rng(0).integers(256, size=(96, 96, 1), dtype=np.uint8)
  examples = [toy_clips.example_of(i, 1, [png.encode(noise)]) for i in range(4000)]
  toy_clips.store_pieces(tmp_path, {'train': examples})
  epoch = sum(clips.PreparedClips('toy_pieces', 1, data_dir=str(tmp_path)).index('train').sizes)
  for step in (0, 900):
    before = input_lib.bytes_read()
    made = clips.PreparedClips('toy_pieces', 1, data_dir=str(tmp_path), size=96)
    batches = iter(made.training(4, seed=0, start_step=step))
    next(batches)
    assert input_lib.settled_bytes() - before < 0.02 * epoch
