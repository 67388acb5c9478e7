"""Sets of files take the place of the set of before, and of nothing else, when all are there."""

import json
import os

import pytest

from tf_videogen import file_sets
from tf_videogen import files


def _write(folder, *names, content='new', last=None):
  with file_sets.replacing(str(folder), 'sample', last) as aside:
    for name in names:
      files.write(os.path.join(aside, name), content)


def _there(folder):
  return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()
          and not path.name.startswith('.')}


def test_a_smaller_set_takes_the_place_of_a_larger_one_and_the_users_files_stay(tmp_path):
  (tmp_path / 'sample_notes.txt').write_text('mine')
  (tmp_path / 'sample_0009.gif').write_text('mine, too')
  (tmp_path / 'samples').mkdir()
  _write(tmp_path, 'sample_0000.gif', 'sample_0001.gif', 'samples.npz', content='old')
  _write(tmp_path, 'sample_0000.gif', 'samples.npz')
  assert _there(tmp_path) == {'sample_0000.gif': 'new', 'samples.npz': 'new',
                              'sample_notes.txt': 'mine', 'sample_0009.gif': 'mine, too'}
  assert json.loads((tmp_path / '.sample_files.json').read_text()) == [
      'sample_0000.gif', 'samples.npz']
  assert not list(tmp_path.glob('*.tmp')) and not list(tmp_path.glob('.*.tmp'))


def test_after_an_error_the_set_of_before_is_there(tmp_path):
  _write(tmp_path, 'a', 'b', content='old')
  with pytest.raises(RuntimeError):
    with file_sets.replacing(str(tmp_path), 'sample') as aside:
      files.write(os.path.join(aside, 'a'), 'new')
      raise RuntimeError
  assert _there(tmp_path) == {'a': 'old', 'b': 'old'}
  assert not list(tmp_path.glob('.*.tmp'))


@pytest.mark.parametrize('moved', range(5))
def test_killed_while_moving_the_next_run_still_knows_what_is_its_own(tmp_path, monkeypatch, moved):
  """Whatever was moved when the process died, the next set leaves nothing of the two before."""
  _write(tmp_path, 'a', 'b', 'c', content='old')
  rename, count = file_sets.tf.io.gfile.rename, [0]

  def dying(*args, **kwargs):
    if '.sample.' in args[0] and '.json' not in args[0]:
      count[0] += 1
      if count[0] > moved:
        raise KeyboardInterrupt
    return rename(*args, **kwargs)

  with monkeypatch.context() as patch:
    patch.setattr(file_sets.tf.io.gfile, 'rename', dying)
    try:
      _write(tmp_path, 'b', 'c', 'd', 'e')
    except KeyboardInterrupt:
      pass
  assert set(_there(tmp_path)) >= {'b', 'c'}  # of either set
  _write(tmp_path, 'f', content='last')
  assert _there(tmp_path) == {'f': 'last'}


@pytest.mark.parametrize('text', ['', '[', '{"a": 1}', '[1]', '["../outside"]', '[".."]'])
def test_a_damaged_list_removes_nothing(tmp_path, text):
  folder, outside = tmp_path / 'samples', tmp_path / 'outside'
  outside.write_text('mine')
  _write(folder, 'a', 'b')
  (folder / '.sample_files.json').write_text(text)
  _write(folder, 'a')
  assert _there(folder) == {'a': 'new', 'b': 'new'} and outside.read_text() == 'mine'


def test_the_last_file_is_moved_last(tmp_path, monkeypatch):
  rename, order = file_sets.tf.io.gfile.rename, []

  def noting(source, target, overwrite):
    order.append(os.path.basename(target))
    return rename(source, target, overwrite)

  monkeypatch.setattr(file_sets.tf.io.gfile, 'rename', noting)
  _write(tmp_path, 'b', 'a', 'c', last='a')
  assert [name for name in order if len(name) == 1][-3:] == ['b', 'c', 'a']


def test_a_folder_in_the_way_of_a_file(tmp_path):
  (tmp_path / 'samples.gif').mkdir()
  with pytest.raises(ValueError, match='samples.gif is a folder, in the way of a file'):
    _write(tmp_path, 'samples.gif')
  assert (tmp_path / 'samples.gif').is_dir()


def _export(folder, content):
  with file_sets.replacing_folder(str(folder), ('saved_model.pb', 'variables')) as aside:
    files.write(os.path.join(aside, 'saved_model.pb'), content)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
  folder = tmp_path / 'exported'
  _export(folder, 'old')
  (folder / 'variables').mkdir()
  _export(folder, 'new')
  assert _there(folder) == {'saved_model.pb': 'new'} and not (folder / 'variables').exists()
  assert [path.name for path in tmp_path.iterdir()] == ['exported']


def test_after_an_error_the_folder_of_before_is_there(tmp_path):
  folder = tmp_path / 'exported'
  _export(folder, 'old')
  with pytest.raises(RuntimeError):
    with file_sets.replacing_folder(str(folder), ('saved_model.pb', 'variables')) as aside:
      files.write(os.path.join(aside, 'saved_model.pb'), 'new')
      raise RuntimeError
  assert _there(folder) == {'saved_model.pb': 'old'}
  assert [path.name for path in tmp_path.iterdir()] == ['exported']


def test_another_folder_is_not_replaced(tmp_path):
  (tmp_path / 'thesis.tex').write_text('mine')
  with pytest.raises(ValueError, match='exists already, and is not an export .thesis.tex.'):
    _export(tmp_path, 'new')
  with pytest.raises(ValueError, match='exists already'):
    _export(tmp_path / 'thesis.tex', 'new')
  assert (tmp_path / 'thesis.tex').read_text() == 'mine'


def test_an_empty_folder_is_taken(tmp_path):
  (tmp_path / 'empty').mkdir()
  _export(tmp_path / 'empty', 'new')
  assert _there(tmp_path / 'empty') == {'saved_model.pb': 'new'}


def test_beside_an_export_nothing_of_the_users_goes(tmp_path):
  """As in a model directory that an export was written into."""
  folder = tmp_path / 'run'
  _export(folder, 'old')
  (folder / 'ckpt-3.index').write_text('mine')
  with pytest.raises(ValueError, match='is not an export .ckpt-3.index.'):
    _export(folder, 'new')
  assert _there(folder) == {'saved_model.pb': 'old', 'ckpt-3.index': 'mine'}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
  _export(tmp_path / 'real', 'old')
  (tmp_path / 'link').symlink_to(tmp_path / 'real')
  _export(tmp_path / 'link', 'new')
  assert (tmp_path / 'link').is_symlink() and _there(tmp_path / 'real') == {'saved_model.pb': 'new'}
