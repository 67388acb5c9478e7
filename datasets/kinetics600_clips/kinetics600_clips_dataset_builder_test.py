"""Tests of Kinetics-600: the layouts of the mirror and of crawlers, with and without lists."""

import csv
import io
import json
import tarfile

import pytest
import tensorflow_datasets as tfds

from tests import raw_data
from tests.datasets import building
from tf_videogen.data import clips as clips_lib
from tf_videogen.datasets.kinetics600_clips import kinetics600_clips_dataset_builder

Builder = kinetics600_clips_dataset_builder.Builder
_ROWS = [  # label, id, start, end, split
    ('baking cookies', '-AAAAAAAAAA', 5, 15, 'train'),
    ('making a sandwich', '_BBBBBBBBBB', 0, 10, 'train'),
    ("massaging person's head", 'CCCCCCCCCCC', 123, 133, 'train'),
    ('punching person (boxing)', 'DDDDDDDDDDD', 7, 17, 'val'),
    ('', 'EEEEEEEEEEE', 61, 71, 'test'),
]
_NAMES = {'val': 'validation'}


def _stem(row, times=True):
  return f'{row[1]}_{row[2]:06d}_{row[3]:06d}' if times else row[1]


def _write_list(root, split, head=True):
  """Writes a list like ActivityNet's. The list of the test videos has no labels."""
  columns = ['label', 'youtube_id', 'time_start', 'time_end', 'split'][split == 'test':]
  with open(root / f'kinetics-600_{split}.csv', 'w', newline='') as file:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(row[-len(columns):] for row in _ROWS if row[4] == split)


def _write(root, folder_of=lambda row: f'{row[4]}', times=True, lists=('train', 'val', 'test')):
  root.mkdir(parents=True, exist_ok=True)
  for i, row in enumerate(_ROWS):
    path = root / folder_of(row) / f'{_stem(row, times)}.mp4'
    raw_data.write_video(path, raw_data.moving_square(16 + i, 32, 40, seed=i), fps=30)
  for split in lists:
    _write_list(root, split)


def _labels(builder, split):
  """Returns a dict, id -> name of the label, or None if there is no label."""
  labels = builder.info.features['label']
  return {name: labels.int2str(example['label']) if example['label'] >= 0 else None
          for name, example in building.examples(builder, split).items()}


def _expected(split):
  return {_stem(row): row[0] or None for row in _ROWS if row[4] == split}


class Kinetics600ClipsTest(building.BuilderTestCase):
  """TFDS's checks."""

  DATASET_CLASS = Builder
  SPLITS = {'train': 3, 'validation': 1, 'test': 1}
  BUILDER_CONFIG_NAMES_TO_TEST = ['64']
  write = staticmethod(_write)


@pytest.mark.parametrize('layout', [
    dict(),
    dict(times=False),
    dict(folder_of=lambda row: f'k600/{row[4]}/{row[0]}'),
    dict(folder_of=lambda row: f'{row[4]}/{row[0].replace(" ", "_")}'),
    dict(folder_of=lambda row: '.'),
])
def test_layouts_with_lists(tmp_path, layout):
  _write(tmp_path / 'manual', **layout)
  builder = building.prepare(Builder, tmp_path, '64')
  for split in ('train', 'val', 'test'):
    assert _labels(builder, _NAMES.get(split, split)) == _expected(split)
  assert building.report(builder)['failed'] == []


def test_folders_of_labels_without_lists(tmp_path):
  _write(tmp_path / 'manual', lambda row: f'{row[4]}/{row[0].replace(" ", "_").upper()}', lists=())
  builder = building.prepare(Builder, tmp_path, '64')
  for split in ('train', 'val', 'test'):
    assert _labels(builder, _NAMES.get(split, split)) == _expected(split)


def test_flat_files_without_lists_have_no_labels(tmp_path):
  _write(tmp_path / 'manual', lists=())
  builder = building.prepare(Builder, tmp_path, '64')
  assert set(_labels(builder, 'train').values()) == {None}


def test_missing_and_damaged(tmp_path):
  _write(tmp_path / 'manual')
  (tmp_path / 'manual' / 'train' / f'{_stem(_ROWS[0])}.mp4').unlink()
  broken = tmp_path / 'manual' / 'train' / f'{_stem(_ROWS[1])}.mp4'
  broken.write_bytes(broken.read_bytes()[:1000])
  builder = building.prepare(Builder, tmp_path, '64')  # two of five: less than a half
  assert building.reasons(builder) == {_stem(_ROWS[0]): 'missing', _stem(_ROWS[1]): 'undecodable'}
  assert list(_labels(builder, 'train')) == [_stem(_ROWS[2])]


def test_two_rows_of_one_file(tmp_path):
  """A file without times in its name is the first clip of its id. The other clip is missing."""
  raw_data.write_video(tmp_path / 'manual' / 'train' / 'AAAAAAAAAAA.mp4', raw_data.moving_square())
  (tmp_path / 'manual' / 'list.csv').write_text(
      '\ufefflabel,youtube_id,time_start,time_end,split\n'  # with a byte order mark
      'abseiling,AAAAAAAAAAA,0,10,train\narchery,AAAAAAAAAAA,50.0,60.0,train\n')
  (tmp_path / 'manual' / 'notes.txt').write_bytes(b'caf\xe9\n')
  builder = building.prepare(Builder, tmp_path, '64')
  assert _labels(builder, 'train') == {'AAAAAAAAAAA_000000_000010': 'abseiling'}
  assert building.reasons(builder) == {'AAAAAAAAAAA_000050_000060': 'missing'}


def test_two_files_of_one_name(tmp_path):
  for name in ('a.mp4', 'a.mkv', 'b.mp4'):
    raw_data.write_video(tmp_path / 'manual' / 'train' / name, raw_data.moving_square())
  builder = building.prepare(Builder, tmp_path, '64')
  assert sorted(building.examples(builder, 'train')) == ['a', 'b']
  assert building.reasons(builder) == {'a': 'duplicate'}


def _put(path, seed=0):
  raw_data.write_video(path, raw_data.moving_square(16, 32, 40, seed=seed), fps=30)


def test_videos_that_the_list_does_not_have(tmp_path, capsys):
  """They are prepared with the label of their folder, if it is one, and counted."""
  _write(tmp_path / 'manual', lists=('train', 'val'))
  train = tmp_path / 'manual' / 'train'
  _put(train / 'abseiling' / 'FFFFFFFFFFF_000001_000011.mp4')
  _put(train / '_FFFFFFFFFF_000001_000011.mp4')
  _put(tmp_path / 'manual' / 'replacement' / 'GGGGGGGGGGG_000001_000011.mp4')
  builder = building.prepare(Builder, tmp_path, '64')
  assert _labels(builder, 'train') == {
      **_expected('train'), 'FFFFFFFFFFF_000001_000011': 'abseiling',
      '_FFFFFFFFFF_000001_000011': None}
  assert building.report(builder)['notes'] == {
      'not_in_the_list': {'train': 2}, 'in_no_split': 1, 'train_videos_without_label': 1}
  clips = clips_lib.PreparedClips(
      'kinetics600_clips/64', 8, data_dir=str(tmp_path / 'data'), features={'label': 'label'})
  assert [clips.unlabelled(split) for split in ('train', 'validation')] == [1, 0]
  said = capsys.readouterr().out
  assert '2 videos of split train are not in its list' in said
  assert 'left out, such as replacement/GGGGGGGGGGG_000001_000011.mp4' in said
  assert '1 of the 5 training videos have no label' in said
  assert building.report(builder)['failed'] == []


@pytest.mark.parametrize('lists', [(), ('test',)])
def test_two_paths_of_one_video(tmp_path, lists):
  """Folders by class with links into a flat folder: the label counts, and nothing fails."""
  _write(tmp_path / 'manual', lists=lists)
  for row in _ROWS:
    flat = tmp_path / 'manual' / row[4] / f'{_stem(row)}.mp4'
    folder = tmp_path / 'manual' / row[4] / (row[0] or 'yoga')
    folder.mkdir()
    (folder / flat.name).symlink_to(flat)
  builder = building.prepare(Builder, tmp_path, '64')
  for split in ('train', 'val', 'test'):
    expected = {name: label or 'yoga' for name, label in _expected(split).items()}
    assert _labels(builder, _NAMES.get(split, split)) == expected
  assert building.report(builder)['failed'] == [] and building.report(builder)['notes'] == {}


def test_archives_of_classes(tmp_path, capsys):
  """Flat inside, under the name of the class; what belongs to no split is not opened, but named."""
  _write(tmp_path / 'raw', lists=())
  for i, name in enumerate(('train/abseiling.tar.gz', 'train/punching_person_(boxing).tar',
                            'val/anything.tgz', 'more.tar')):
    path = tmp_path / 'manual' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    video = tmp_path / 'raw' / _ROWS[i][4] / f'{_stem(_ROWS[i])}.mp4'
    with tarfile.open(path, 'w' if name.endswith('tar') else 'w:gz') as archive:
      archive.add(video, f'./{video.name}')
  builder = building.prepare(Builder, tmp_path, '64')
  assert _labels(builder, 'train') == {
      _stem(_ROWS[0]): 'abseiling', _stem(_ROWS[1]): 'punching person (boxing)'}
  assert _labels(builder, 'validation') == {_stem(_ROWS[2]): None}
  assert building.report(builder)['notes'] == {'archives_not_opened': ['more.tar']}
  assert '1 archives are not opened' in capsys.readouterr().out


@pytest.mark.real_data
def test_real_archives_of_classes(real_data, tmp_path):
  builder = building.prepare(
      Builder, tmp_path, '64', manual=real_data / 'field/k600_class_archives/manual/k600_targz')
  assert set(_labels(builder, 'train').values()) == {'abseiling', 'acting in play'}
  assert set(_labels(builder, 'validation').values()) == {'mountain climber (exercise)'}
  counts = {split: len(_labels(builder, split)) for split in ('train', 'validation', 'test')}
  assert counts == {'train': 3, 'validation': 2, 'test': 1}
  assert building.report(builder)['notes'] == {}


@pytest.mark.real_data
def test_real_lists_that_are_incomplete(real_data, tmp_path):
  builder = building.prepare(
      Builder, tmp_path, '64', manual=real_data / 'field/k600_incomplete_lists/manual')
  labels = _labels(builder, 'train')
  assert len(labels) == 6 and list(labels.values()).count('abseiling') == 3
  assert building.report(builder)['notes'] == {
      'not_in_the_list': {'train': 3}, 'train_videos_without_label': 3}


def test_cooking(tmp_path):
  _write(tmp_path / 'manual')
  builder = building.prepare(Builder, tmp_path, 'cooking')
  assert list(builder.info.splits) == ['train']
  assert set(_labels(builder, 'train').values()) == {'baking cookies', 'making a sandwich'}


def test_cooking_has_29_classes():
  """The pattern of "Scaling Autoregressive Video Models", appendix E, matches 29 classes."""
  names = tfds.features.ClassLabel(
      names_file=kinetics600_clips_dataset_builder._LABELS_FILE).names
  cooking = [name for name in names if kinetics600_clips_dataset_builder.COOKING.match(name)]
  assert (len(names), len(cooking)) == (600, 29)
  assert {'cutting nails', 'picking fruit', 'making a sandwich'} <= set(cooking)


def test_archives_of_the_mirror(tmp_path):
  _write(tmp_path / 'raw', times=True)
  folder = tmp_path / 'manual' / 'train'
  folder.mkdir(parents=True)
  with tarfile.open(folder / 'part_0.tar.gz', 'w:gz') as archive:
    for path in (tmp_path / 'raw' / 'train').iterdir():
      archive.add(path, path.name)
    link = tarfile.TarInfo('link.mp4')
    link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
    archive.addfile(link)
  _write_list(tmp_path / 'manual', 'train')
  builder = building.prepare(Builder, tmp_path, '64')
  assert _labels(builder, 'train') == _expected('train')


def test_archives_that_lead_elsewhere(tmp_path):
  folder = tmp_path / 'manual' / 'train'
  folder.mkdir(parents=True)
  with tarfile.open(folder / 'part_0.tar.gz', 'w:gz') as archive:
    member = tarfile.TarInfo('../../../outside.mp4')
    member.size = 5
    archive.addfile(member, io.BytesIO(b'12345'))
  with pytest.raises(ValueError, match="cannot be trusted: its member '../../../outside.mp4'"):
    building.prepare(Builder, tmp_path, '64')
  assert not list(tmp_path.rglob('outside*'))


def test_only_damaged_videos(tmp_path):
  _write(tmp_path / 'manual')
  (tmp_path / 'manual' / 'val' / f'{_stem(_ROWS[3])}.mp4').write_bytes(b'')
  with pytest.raises(ValueError, match='no video of split validation can be used. They are listed'):
    building.prepare(Builder, tmp_path, '64')
  report = json.loads((tmp_path / 'data/kinetics600_clips/64/preparation_report.json').read_text())
  assert report['splits']['validation']['unusable'] == {'empty': 1}
  assert report['splits']['train']['prepared'] == 3
  with pytest.raises(ValueError, match='no video of a split of kinetics600_clips can be used'):
    building.prepare(Builder, tmp_path / 'beam', '64', tmp_path / 'manual',
                     beam_runner='DirectRunner')


@pytest.mark.parametrize('beam_runner', [None, 'DirectRunner'])
def test_empty_folder(tmp_path, beam_runner):
  """The error is the same with and without Beam, because no pipeline has begun."""
  (tmp_path / 'manual').mkdir()
  (tmp_path / 'manual' / 'notes.txt').write_text('nothing yet')
  with pytest.raises(FileNotFoundError, match='kinetics600_clips finds no videos. Put the videos'):
    building.prepare(Builder, tmp_path, '64', beam_runner=beam_runner)


@pytest.mark.real_data
def test_real_list(real_data):
  """The cooking subset of the real list of validation videos has 29 classes and 1,450 videos."""
  builder = Builder(data_dir='/none', config='cooking')
  sources = builder._sources(building.FakeDownloads(real_data / 'kinetics600'))
  assert len(sources['validation']) == 1450
  assert len({source.features['label'] for source in sources['validation']}) == 29
  everything = Builder(data_dir='/none', config='64')._sources(
      building.FakeDownloads(real_data / 'kinetics600'))
  assert len(everything['validation']) == 30000
  assert {source.features['label'] for source in everything['validation']} == set(range(600))


@pytest.mark.slow
@pytest.mark.real_data
def test_real_videos(real_data, tmp_path):
  """One real clip of 30,000 validation clips is there, and no clip of the list of test videos."""
  builder = building.prepare(
      Builder, tmp_path, '64', manual=real_data / 'kinetics600', max_failed_share=1.0)
  examples = building.examples(builder, 'validation')
  assert {name: len(example['video']) for name, example in examples.items()} == {
      'R6llTwEh07w_000000_000010': 303}
  assert building.report(builder)['left_out_splits'] == {'test': 8651}
  assert builder.info.features['label'].int2str(
      examples['R6llTwEh07w_000000_000010']['label']) == 'using segway'


@pytest.mark.real_data
def test_real_videos_in_folders(real_data, tmp_path):
  building.assert_makes_clips(_prepare_real_videos(real_data, tmp_path))


@pytest.mark.slow
@pytest.mark.real_data
def test_training_on_real_videos(real_data, tmp_path):
  building.train_ten_steps(_prepare_real_videos(real_data, tmp_path), tmp_path)


def _prepare_real_videos(real_data, tmp_path):
  """Prepares videos in folders of labels, and checks the result."""
  names = {'R6llTwEh07w.mp4': 'using segway', 'flipping_a_pancake.mkv': 'flipping pancake',
           'mmaction2_rawvideo_part_0.mp4': 'unlabelled'}
  for name, label in names.items():
    folder = tmp_path / 'manual' / 'train' / label
    folder.mkdir(parents=True)
    (folder / name).symlink_to(real_data / 'kinetics600' / name)
  builder = building.prepare(Builder, tmp_path, '64')
  examples = building.examples(builder, 'train')
  assert {name: example['video'].shape for name, example in examples.items()} == {
      'R6llTwEh07w': (303, 64, 85, 3), 'flipping_a_pancake': (310, 64, 114, 3),
      'mmaction2_rawvideo_part_0': (32, 64, 85, 3)}
  assert _labels(builder, 'train')['flipping_a_pancake'] == 'flipping pancake'
  return builder


if __name__ == '__main__':
  tfds.testing.test_main()
