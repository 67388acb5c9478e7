"""What an evaluation leaves behind: rows, curves, videos, and the configuration by its hash."""

import hashlib
import re

import numpy as np

from tests import processes
from tests.evaluation import fakes
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import records
from tf_videogen.model_directory import results
from tf_videogen.reporting import galleries

CONFIG = "protocols.Protocol.name = 'p'\n"


def _evaluation(value=3.25, curve=True, gallery=True):
  curves = {('ssim', 'best of 2'): ('frame', [(2, value, 0.5), (3, value / 2, np.nan)])}
  videos = {'data': fakes.videos(2, 4), 'samples': fakes.videos(2, 4, seed=1)}
  return protocols.Evaluation(
      [protocols.Value('fvd', value, 0.125, 256, 'i3d_kinetics400@0123abcd', 'temperature 0.9'),
       protocols.Value('ssim', 0.5, np.nan, 12, '', '')],
      curves if curve else {}, {'is': 'get it'}, ['few'], videos if gallery else {}, 1)


def test_rows(tmp_path):
  results.append_results(str(tmp_path), 5, {'test': ({'loss': 1.0}, 10)})
  records.write(str(tmp_path), 'p', 'validation', 7, _evaluation(), CONFIG)
  old, fvd, ssim = results.read_results(str(tmp_path))
  assert old[:4] == (5, 'test', 'loss', 1.0) and not old.protocol
  assert fvd[:9] == (7, 'validation', 'fvd', 3.25, 0.125, 256, 'p', 'i3d_kinetics400@0123abcd',
                     'temperature 0.9')
  assert ssim[:4] == (7, 'validation', 'ssim', 0.5) and np.isnan(ssim.std) and ssim.examples == 12
  assert fvd.commit == records.commit() and re.match(r'\d{4}-', fvd.time)
  assert results.evaluated_steps(str(tmp_path)) == {5}


def test_the_operative_config_lies_beside_its_rows(tmp_path):
  (tmp_path / 'config.gin').write_text('what the model was trained by')
  records.write(str(tmp_path), 'p', 'test', 7, _evaluation(), CONFIG)
  sha, = {row.gin_sha for row in results.read_results(str(tmp_path))}
  assert sha == hashlib.sha256(CONFIG.encode()).hexdigest()[:12]
  records.write(str(tmp_path), 'p', 'test', 8, _evaluation(), f'{CONFIG}# another\n')
  folder = tmp_path / 'evaluations' / 'p'
  assert (folder / f'operative_config-{sha}.gin').read_text() == CONFIG
  assert len(list(folder.glob('operative_config-*'))) == 2


def test_curves_of_other_steps_are_kept(tmp_path):
  path = str(tmp_path / 'evaluations' / 'p' / results.CURVES_FILE)
  for step, value in ((1, 1.0), (2, 2.0), (1, 4.0)):
    records.write(str(tmp_path), 'p', 'test', step, _evaluation(value))
  points = results.read_curves(path)
  assert [(point.step, point.position, point.value) for point in points] == [
      (2, 2, 2.0), (2, 3, 1.0), (1, 2, 4.0), (1, 3, 2.0)]
  assert points[0][1:5] == ('ssim', 'best of 2', 2.0, 'frame') and points[0].std == 0.5
  assert np.isnan(points[1].std)
  assert len(results.read_results(str(tmp_path))) == 6
  records.write(str(tmp_path), 'q', 'test', 1, _evaluation())
  assert repr(results.read_curves(path)) == repr(points)


def test_videos_are_a_gallery(tmp_path):
  records.write(str(tmp_path), 'p', 'test', 7, _evaluation())
  path = str(tmp_path / 'evaluations' / 'p' / results.VIDEOS_FILE)
  gallery = galleries.read_gallery(path)
  assert gallery.conditioning_frames == 1 and list(gallery.videos) == ['data', 'samples']
  for kind, video in _evaluation().gallery.items():
    np.testing.assert_array_equal(gallery.videos[kind], video)
  assert 'data:image/webp' in gallery.html()


def test_what_is_not_there_is_not_written(tmp_path):
  records.write(str(tmp_path), 'p', 'test', 7, _evaluation(curve=False, gallery=False))
  assert [path.name for path in tmp_path.iterdir()] == ['results.csv']


def test_commit(tmp_path, monkeypatch):
  """The commit, and whether files differ from it; elsewhere the version."""
  package = tmp_path / 'tf_videogen' / '__init__.py'
  package.parent.mkdir()
  package.write_text('')
  monkeypatch.setattr(records.tf_videogen, '__file__', str(package))
  assert records.commit() == f'version {records.tf_videogen.__version__}'
  git = lambda *arguments: processes.run(
      'git', '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments, cwd=tmp_path).stdout.strip()
  git('init')
  git('add', '.')
  git('commit', '-m', 'first')
  git('tag', 'v1')
  head = git('rev-parse', 'HEAD')
  assert len(records.commit()) >= 7 and head.startswith(records.commit())
  package.write_text('1\n')
  assert records.commit() == f'{head[:7]}-changed'


def test_rows_say_what_made_them_and_what_was_warned_of(tmp_path):
  records.write(str(tmp_path), 'p', 'test', 7, _evaluation(), command='python -m launch.some')
  row, *_ = results.read_results(str(tmp_path))
  assert row.command == 'python -m launch.some'
  assert row.warnings.split(results.WARNINGS) == ['few', 'is is missing: get it']
