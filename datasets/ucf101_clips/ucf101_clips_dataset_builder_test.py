"""Tests of UCF-101: names, lists and labels as they are on people's disks."""

import os
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests import raw_data
from tests.datasets import building
from tf_videogen.datasets.ucf101_clips import ucf101_clips_dataset_builder
from tf_videogen.preparation import beam_examples

Builder = ucf101_clips_dataset_builder.Builder
_TRAIN = ['ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi', 'YoYo/v_YoYo_g09_c02.avi',
          'HandstandPushups/v_HandStandPushups_g10_c01.avi']
_TEST = ['ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi', 'YoYo/v_YoYo_g01_c02.avi']


def _write(root, spelling='HandstandPushups'):
  """Writes videos, and lists with the line ends of the real lists."""
  for i, name in enumerate(_TRAIN + _TEST):
    video = raw_data.moving_square(16 + i, 24, 32)
    path = root / 'UCF-101' / name.replace('HandStandPushups', spelling)
    raw_data.write_video(path, video, fps=[25, '30000/1001'][i % 2], codec='mpeg4')
  _write_lists(root / 'ucfTrainTestlist')


def _write_lists(folder):
  folder.mkdir(parents=True)
  for number in '123':
    train, test = (_TRAIN, _TEST) if number == '1' else (_TEST, _TRAIN)
    (folder / f'trainlist0{number}.txt').write_bytes(
        ''.join(f'{name} {i + 1}\r\n' for i, name in enumerate(train)).encode())
    (folder / f'testlist0{number}.txt').write_bytes('\r\n'.join(test).encode())


class Ucf101ClipsTest(building.BuilderTestCase):
  """TFDS's checks."""

  DATASET_CLASS = Builder
  SPLITS = {'train': 3, 'test': 2}
  BUILDER_CONFIG_NAMES_TO_TEST = ['64']
  write = staticmethod(_write)


def test_configs():
  names = [f'{side}{split}' for side in (64, 128, 256) for split in ('', '_split2', '_split3')]
  assert list(Builder.builder_configs) == names
  assert Builder.builder_configs['128_split3'].split_list == 3


@pytest.mark.parametrize('spelling', ['HandStandPushups', 'HandstandPushups'])
def test_examples(tmp_path, spelling):
  _write(tmp_path / 'manual', spelling)
  builder = building.prepare(Builder, tmp_path, '64')
  train, test = building.examples(builder, 'train'), building.examples(builder, 'test')
  assert set(train) == {name.split('/')[1][:-4] for name in _TRAIN}
  assert set(test) == {name.split('/')[1][:-4] for name in _TEST}
  labels = builder.info.features['label']
  assert labels.num_classes == 101
  example = train['v_HandStandPushups_g10_c01']
  assert labels.int2str(example['label']) == 'HandstandPushups'
  assert example['video'].shape == (18, 64, 85, 3) and example['fps'] == 25
  assert train['v_YoYo_g09_c02']['fps'] == np.float32(30000 / 1001)
  counts = builder.info.metadata['frame_counts']
  assert counts == {'train': {'16': 1, '17': 1, '18': 1}, 'test': {'19': 1, '20': 1}}


def test_other_lists(tmp_path):
  _write(tmp_path / 'manual')
  builder = building.prepare(Builder, tmp_path, '64_split2')
  assert set(building.examples(builder, 'test')) == {name.split('/')[1][:-4] for name in _TRAIN}


def _write_damaged(root):
  """Writes videos. One is cut off and one is missing."""
  _write(root)
  damaged = root / 'UCF-101' / _TRAIN[1]
  damaged.write_bytes(damaged.read_bytes()[:3000])
  (root / 'UCF-101' / _TEST[0]).unlink()


def test_beam(tmp_path):
  """Beam writes the same examples and the same report, also if some videos are damaged."""
  _write_damaged(tmp_path / 'manual')
  plain = building.prepare(Builder, tmp_path, '64', max_failed_share=0.5)
  on_beam = building.prepare(Builder, tmp_path / 'beam', '64', tmp_path / 'manual',
                             beam_runner='DirectRunner', max_failed_share=0.5)
  assert len(building.reasons(plain)) == 2
  building.assert_same(plain, on_beam)
  on_beam._report.max_failed_share = 0.1
  with pytest.raises(ValueError, match='2 unusable .*more than the allowed 10%'):
    on_beam._report.check()


def test_examples_that_a_runner_loses(tmp_path, monkeypatch):
  """Then nothing is prepared, and the decoded videos stay."""
  _write(tmp_path / 'manual')
  expand, lost = beam_examples.Examples.expand, _TRAIN[0].split('/')[1][:-4]
  monkeypatch.setattr(beam_examples.Examples, 'expand', lambda self, pipeline: (
      expand(self, pipeline) | beam_examples.beam.Filter(lambda example: example[0] != lost)))
  with pytest.raises(ValueError) as info:
    building.prepare(Builder, tmp_path, '64', beam_runner='DirectRunner')
  made = len(_TRAIN)
  assert str(info.value).startswith(
      f'Beam lost examples of split train: its workers made {made}, and {made - 1} were written.')
  assert not list((tmp_path / 'data' / 'ucf101_clips' / '64').glob('2.0.0'))
  assert len(list((tmp_path / 'data' / 'decoded').rglob('*.npz'))) == made + len(_TEST)


def test_a_pipeline_that_fails(tmp_path, monkeypatch):
  _write(tmp_path / 'manual')

  def fail(self, pipeline):
    raise RuntimeError('Traceback:\n  of many lines\nchannel closed')

  monkeypatch.setattr(beam_examples.Examples, 'expand', fail)
  with pytest.raises(ValueError) as info:
    building.prepare(Builder, tmp_path, '64', beam_runner='DirectRunner')
  assert str(info.value).startswith('the pipeline of Beam failed: channel closed. Decoded videos')
  assert '\n' not in str(info.value)


@pytest.mark.slow
def test_too_many_failures_on_beam(tmp_path):
  _write_damaged(tmp_path / 'manual')
  with pytest.raises(ValueError, match='2 unusable .*more than the allowed 10%'):
    building.prepare(Builder, tmp_path / 'strict', '64', tmp_path / 'manual',
                     beam_runner='DirectRunner')


def test_downloads(tmp_path, monkeypatch):
  """If there is no manual directory, both archives are downloaded and extracted."""
  _write(tmp_path / 'remote')
  archives = {'UCF101.rar': 'UCF-101',
              'UCF101TrainTestSplits-RecognitionTask.zip': 'ucfTrainTestlist'}
  for archive, folder in archives.items():
    with zipfile.ZipFile(tmp_path / archive, 'w') as file:  # its first bytes tell the format
      for path in (tmp_path / 'remote' / folder).rglob('*.*'):
        file.write(path, path.relative_to(tmp_path / 'remote'))
  fetched = []

  def download(self, url):
    fetched.append(url)
    return tmp_path / url.split('/')[-1]

  monkeypatch.setattr(tfds.download.DownloadManager, 'download', download)
  builder = building.prepare(Builder, tmp_path, '64', manual=False)
  assert {url.split('/')[-1] for url in fetched} == set(archives)
  assert building.videos(builder)['train'] == 3


@pytest.mark.parametrize('name', ['UCF101_videos.zip', 'ucf-101.zip', 'my_UCF101.zip'])
def test_archives_by_other_names(tmp_path, name):
  _write(tmp_path / 'raw')
  (tmp_path / 'manual').mkdir()
  for archive, folder in ((name, 'UCF-101'), ('ucfTrainTestlist.zip', 'ucfTrainTestlist'),
                          ('UCF101_features.zip', 'UCF-101')):
    with zipfile.ZipFile(tmp_path / 'manual' / archive, 'w') as file:
      for path in (tmp_path / 'raw' / folder).rglob('*.*'):
        file.write(path, path.relative_to(tmp_path / 'raw'))
  builder = Builder(data_dir=str(tmp_path / 'data'), config='64')
  sources = builder._sources(building.FakeDownloads(tmp_path / 'manual'))
  assert [source.id for source in sources['train']] == [
      name.split('/')[1][:-4] for name in _TRAIN]
  assert all(os.path.isfile(source.path) for found in sources.values() for source in found)
  assert builder._archives == {
      name: True, 'ucfTrainTestlist.zip': True, 'UCF101_features.zip': False}


def test_no_silent_download(tmp_path, capsys):
  """What lies in the manual directory is named before anything is downloaded."""
  (tmp_path / 'videos.zip').write_bytes(b'PK')
  builder = Builder(data_dir=str(tmp_path / 'data'), config='64')
  with pytest.raises(AssertionError, match='UCF101TrainTest.* is not in the manual directory'):
    builder._sources(building.FakeDownloads(tmp_path))
  assert capsys.readouterr().out.startswith(
      f'{tmp_path} has nothing that is known as https://www.crcv.ucf.edu/')


@pytest.mark.real_data
def test_real_videos(real_data, tmp_path):
  """A real clip of a short list has the number of frames that the README tells."""
  (tmp_path / 'manual').mkdir()
  (tmp_path / 'manual' / 'UCF-101').symlink_to(real_data / 'ucf101' / 'UCF-101')
  lists = tmp_path / 'manual' / 'ucfTrainTestlist'
  lists.mkdir()
  (lists / 'trainlist01.txt').write_text('BaseballPitch/v_BaseballPitch_g08_c01.avi 7\n')
  (lists / 'testlist01.txt').write_text('BaseballPitch/v_BaseballPitch_g01_c01.avi\n')
  builder = building.prepare(Builder, tmp_path, '64', max_failed_share=1.0)
  assert building.report(builder)['left_out_splits'] == {'train': 1}
  (name, example), = building.examples(builder, 'test').items()
  assert (name, len(example['video'])) == ('v_BaseballPitch_g01_c01', 107)
  building.assert_makes_clips(builder, split='test')


@pytest.mark.slow
@pytest.mark.real_data
def test_real(real_data, tmp_path):
  """Three real clips have the frames that the README tells. The lists' other clips are missing."""
  builder = building.prepare(
      Builder, tmp_path, '64', manual=real_data / 'ucf101', max_failed_share=1.0)
  report = building.report(builder)
  assert report['summary'] == '13,320 videos: 3 prepared, 13,317 unusable (missing 13,317)'
  assert {split: numbers['videos'] for split, numbers in report['splits'].items()} == {
      'train': 9537, 'test': 3783}
  frames = {name: len(example['video']) for split in ('train', 'test')
            for name, example in building.examples(builder, split).items()}
  assert frames == {'v_ApplyEyeMakeup_g01_c01': 164, 'v_BaseballPitch_g01_c01': 107,
                    'v_SoccerJuggling_g23_c01': 240}
  building.train_ten_steps(builder, tmp_path, split='test')


@pytest.mark.real_data
@pytest.mark.parametrize('config, train, test', [
    ('64', 9537, 3783), ('64_split2', 9586, 3734), ('64_split3', 9624, 3696)])
def test_real_lists(real_data, tmp_path, config, train, test):
  builder = Builder(data_dir=str(tmp_path), config=config)
  sources = builder._sources(building.FakeDownloads(real_data / 'ucf101'))
  assert {split: len(found) for split, found in sources.items()} == {'train': train, 'test': test}
  assert {source.features['label'] for source in sources['train']} == set(range(101))


if __name__ == '__main__':
  tfds.testing.test_main()
