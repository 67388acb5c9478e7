"""Clips of a folder of video files: splits, labels, damage, and what changes afterwards."""

import pathlib
import re

import numpy as np
import pytest

from tests import raw_data
from tests.datasets import building
from tests.launch import in_process
from tf_videogen.data import video_folder
from tf_videogen.launch import train


@pytest.fixture(autouse=True)
def _kept_processes():
  """Tests go on with each other's decoders."""
  with building.kept_processes():
    yield


def _write(root, names, frames=12):
  for i, name in enumerate(names):
    if name.endswith('gif'):
      raw_data.square_gif(root / name, frames, 24, 32)
    else:
      raw_data.write_video(root / name, raw_data.moving_square(frames, 24, 40, seed=i))


def _clips(tmp_path, **kwargs):
  options = dict(frames=4, size=16, data_dir=str(tmp_path / 'data'), processes=2)
  return video_folder.from_video_folder(str(tmp_path / 'videos'), **{**options, **kwargs})


def _ids(clips, split):
  batches = clips.evaluation(split, 1).as_numpy_iterator()
  return sorted(batch['id'][0].decode() for batch in batches)


def test_splits_and_labels(tmp_path):
  _write(tmp_path / 'videos', ['train/dogs/a.mp4', 'train/cats/a.avi', 'val/cats/b.gif',
                               'test/dogs/c.mp4', 'test/dogs/notes.mp4'])
  (tmp_path / 'videos' / 'test' / 'dogs' / 'notes.mp4').write_text('no video')
  clips = _clips(tmp_path, max_failed_share=0.5)
  assert _ids(clips, 'train') == ['train/cats/a.avi', 'train/dogs/a.mp4']
  assert (_ids(clips, 'validation'), _ids(clips, 'test')) == (
      ['val/cats/b.gif'], ['test/dogs/c.mp4'])
  batch = next(clips.training(2, seed=0).as_numpy_iterator())
  assert batch['video'].shape == (2, 4, 16, 16, 3) and batch['video'].std() > 10
  labels = dict(zip(batch['id'].tolist(), batch['label'].tolist()))
  assert labels == {b'train/cats/a.avi': 0, b'train/dogs/a.mp4': 1}


def test_a_flat_folder(tmp_path):
  names = [f'{i:03d}.mp4' for i in range(30)]
  _write(tmp_path / 'videos', names, frames=4)
  clips = _clips(tmp_path, test_share=0.2)
  train, test = _ids(clips, 'train'), _ids(clips, 'test')
  assert sorted(train + test) == names and 2 <= len(test) <= 12
  assert 'label' not in clips.example_spec()
  again = _clips(tmp_path, test_share=0.2)
  assert _ids(again, 'test') == test


@pytest.mark.parametrize('names, expected', [
    (['train/a.mp4', 'x/b.mp4'], [(None, 'train'), (None, 'x')]),
    (['v/train/a.mp4', 'v/test drive/b.mp4'], [(None, 'train'), (None, 'test drive')]),
    (['train/a.mp4', 'b.mp4'], [('train', ''), (None, '')]),
    (['Train/x/a.mp4', 'Val/x/b.mp4', 'more/c.mp4'],
     [('train', 'x'), ('validation', 'x'), (None, 'more')]),
    (['train/train/a.mp4', 'train/x/b.mp4', 'test/train/c.mp4', 'test/x/d.mp4'],
     [('train', 'train'), ('train', 'x'), ('test', 'train'), ('test', 'x')]),
    (['x/train/a.mp4', 'y/train/b.mp4'], [('train', ''), ('train', '')])])
def test_folders_of_splits_and_of_classes(names, expected):
  """A folder with the name of a split is a class where it is alone of its kind beside others."""
  assert list(video_folder._splits_and_labels(names).items()) == list(zip(names, expected))


def test_a_class_called_train(tmp_path, capsys):
  names = [f'{label}/{i}.mp4' for label in ('bus', 'car', 'train') for i in range(3)]
  _write(tmp_path / 'videos', names, frames=4)
  clips = _clips(tmp_path)
  assert clips.class_names() == ['bus', 'car', 'train']
  assert sorted(_ids(clips, 'train') + _ids(clips, 'test')) == names
  assert (clips.count('train'), clips.count('test')) == (6, 3)
  assert capsys.readouterr().out.splitlines()[0] == (
      f'{tmp_path / "videos"} has train 6, test 3 videos, 10% drawn for testing; 3 classes by '
      'folders: bus, car, train (train too, since other folders lie beside)')


@pytest.mark.real_data
def test_a_real_class_called_train(real_data, tmp_path):
  clips = video_folder.from_video_folder(
      str(real_data / 'field/folder_label_train/videos'), 4, 16, data_dir=str(tmp_path))
  assert clips.class_names() == ['bus', 'car', 'test drive', 'train']
  assert clips.count('train') + clips.count('test') == 16


def test_labels_survive(tmp_path):
  """TFDS keeps names of classes in a file of lines."""
  labels = [' led by a space', 'a, b', 'ends ', 'of\ntwo lines', '100%', '%0A', 'ünï', '"quoted"',
            '\t', 'line\r']
  _write(tmp_path / 'videos', [f'{label}/{i}.gif' for label in labels for i in range(2)], frames=4)
  clips = _clips(tmp_path)
  assert clips.class_names() == sorted(labels)
  again = _clips(tmp_path)
  assert again.class_names() == sorted(labels)
  by_id = {}
  for split in ('train', 'test'):
    for batch in again.evaluation(split, 1).as_numpy_iterator():
      by_id[batch['id'][0].decode()] = again.class_names()[batch['label'][0]]
  assert by_id == {f'{label}/{i}.gif': label for label in labels for i in range(2)}


def test_links_to_one_video(tmp_path):
  """Folders by class with links into a flat folder: each video counts once, with its label."""
  _write(tmp_path / 'videos', ['a.mp4', 'b.mp4', 'c.mp4', 'd.mp4', 'e.mp4'], 4)
  for label, name in (('x', 'a'), ('x', 'b'), ('y', 'c'), ('y', 'd')):
    (tmp_path / 'videos' / label).mkdir(exist_ok=True)
    (tmp_path / 'videos' / label / f'{name}.mp4').symlink_to(f'../{name}.mp4')
  clips = _clips(tmp_path)
  assert clips.class_names() == ['x', 'y']
  assert sorted(_ids(clips, 'train') + _ids(clips, 'test')) == [
      'e.mp4', 'x/a.mp4', 'x/b.mp4', 'y/c.mp4', 'y/d.mp4']


def test_videos_in_no_class(tmp_path, capsys):
  """They have the label -1, and are counted: no class without a name is made of them."""
  _write(tmp_path / 'videos', ['a.mp4', 'b.mp4', 'x/c.mp4', 'x/d.mp4', 'y/e.mp4', 'y/f.mp4'], 4)
  clips = _clips(tmp_path)
  assert clips.class_names() == ['x', 'y']
  batches = [*clips.evaluation('train', 1).as_numpy_iterator(),
             *clips.evaluation('test', 1).as_numpy_iterator()]
  labels = {batch['id'][0].decode(): int(batch['label'][0]) for batch in batches}
  assert labels == {'a.mp4': -1, 'b.mp4': -1, 'x/c.mp4': 0, 'x/d.mp4': 0, 'y/e.mp4': 1,
                    'y/f.mp4': 1}
  assert '1 of the 3 training videos have no label' in capsys.readouterr().out


def test_what_is_no_video_of_the_folder(tmp_path, capsys):
  """Hidden folders, and archives, which are named."""
  _write(tmp_path / 'videos', ['train/a.mp4', 'test/b.mp4', '.cache/c.mp4', 'x/.thumbs/d.mp4'], 4)
  (tmp_path / 'videos' / 'more.zip').write_bytes(b'PK')
  clips = _clips(tmp_path)
  assert _ids(clips, 'train') + _ids(clips, 'test') == ['train/a.mp4', 'test/b.mp4']
  said = capsys.readouterr().out
  assert '1 archives are not opened' in said and 'more.zip' in said


def test_too_many_failures_name_both_options(tmp_path):
  _write(tmp_path / 'videos', ['train/a.mp4', 'test/b.mp4'], 4)
  (tmp_path / 'videos' / 'test' / 'b.mp4').write_text('no video')
  with pytest.raises(ValueError, match=(
      r'raise --max_failed_share \(for a folder of your own, bind from_video_folder.max_failed')):
    _clips(tmp_path).count('train')


def test_splits_of_evaluation_are_looked_at_first(tmp_path):
  _write(tmp_path / 'videos', ['a.mp4', 'b.mp4'], 4)
  with pytest.raises(ValueError, match="has no split 'test'; there are: train"):
    _clips(tmp_path, test_share=0.0).check(['test'])


def test_every_class_is_tested(tmp_path):
  names = [f'{folder}/{i}.mp4' for folder in ('a', 'b', 'c') for i in range(5)] + ['d/0.mp4']
  _write(tmp_path / 'videos', names, frames=4)
  clips = _clips(tmp_path)
  test = _ids(clips, 'test')
  assert sorted(test + _ids(clips, 'train')) == names
  assert {name[0] for name in test} == {'a', 'b', 'c'} and len(test) < 9
  assert clips.class_names() == ['a', 'b', 'c', 'd']


def test_a_folder_that_changes(tmp_path):
  _write(tmp_path / 'videos', ['train/a.mp4', 'test/b.mp4'])
  assert _clips(tmp_path).count('train') == 1
  _write(tmp_path / 'videos', ['train/c.mp4'])
  assert _clips(tmp_path).count('train') == 2


def test_short_videos(tmp_path):
  _write(tmp_path / 'videos', ['train/a.mp4', 'test/b.mp4'])
  _write(tmp_path / 'videos', ['train/c.mp4'], frames=3)
  assert _ids(_clips(tmp_path), 'train') == ['train/a.mp4']
  with pytest.raises(ValueError, match='1 videos .* shorter than the 4 frames'):
    _clips(tmp_path, drop_short=False).count('train')


def test_same_frames_as_stored(tmp_path):
  """A crop of the right shape of what the file shows, scaled to its shorter side."""
  _write(tmp_path / 'videos', ['train/a.mp4', 'test/b.mp4'])
  clips = _clips(tmp_path, crop='center')
  video = next(clips.evaluation('train', 1).as_numpy_iterator())['video'][0]
  expected = raw_data.moving_square(12, 24, 40, seed=0)[:4, 4:20, 12:28]
  assert np.abs(video.astype(float).mean() - expected.mean()) < 20
  training = next(clips.training(1, seed=0).as_numpy_iterator())['video'][0]
  assert training.shape == video.shape


def test_train_by_a_gin_file(tmp_path, capsys):
  """The page's example. What it prints are progress and results, and no word of a library's."""
  _write(tmp_path / 'videos', [f'{split}/{i}.mp4' for split in ('train', 'test') for i in range(4)],
         frames=20)
  page = (pathlib.Path(__file__).parents[2] / 'docs' / 'data.md').read_text()
  example = page[page.index('## Your own videos'):].split('```')[1]
  assert 'video_folder.from_video_folder:' in example and '  size = 64' in example
  (tmp_path / 'own.gin').write_text(example.replace('/path/to/videos', str(tmp_path / 'videos')))
  status = in_process.run(
      train.main, f'--gin_file={tmp_path / "own.gin"}', f'--model_dir={tmp_path / "model"}',
      f'--gin_param=video_folder.from_video_folder.data_dir="{tmp_path / "data"}"',
      '--gin_param=tasks.VQVAETask.data_variance = 0.06',  # that of 1,000 clips takes seconds
      '--strategy=cpu', name='train')
  assert status == 0 and (tmp_path / 'model' / 'ckpt-10.index').exists()
  captured = capsys.readouterr()
  lines = captured.out.splitlines()
  assert lines[0] == (f'{tmp_path / "videos"} has train 4, test 4 videos, by folders of splits; '
                      'no classes')
  assert lines[1] == f'preparing the videos in {tmp_path / "videos"}, once'
  assert lines[2].startswith('8 videos: 8 prepared, 0 unusable; details in ')
  assert lines[-1] == f'trained to step 10, in {tmp_path / "model"}' and len(lines) <= 10
  bars = re.sub(r'(train|test|evaluate test):? .*?\[.*?\]', '', captured.err.replace('\r', '\n'))
  assert not bars.replace('\x1b[A', '').strip()


def test_errors(tmp_path):
  with pytest.raises(FileNotFoundError, match='is not a folder'):
    _clips(tmp_path)
  (tmp_path / 'videos').mkdir()
  with pytest.raises(FileNotFoundError, match='no videos'):
    _clips(tmp_path).count('train')
