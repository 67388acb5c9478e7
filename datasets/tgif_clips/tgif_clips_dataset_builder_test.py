"""Tests of TGIF: lists, GIFs of all kinds, and the downloader with a local server."""

import http.server
import io
import threading

from PIL import Image
import pytest
import tensorflow_datasets as tfds

from tests import raw_data
from tests.datasets import building
from tests.launch import in_process
from tf_videogen.datasets.tgif_clips import downloading
from tf_videogen.datasets.tgif_clips import tgif_clips_dataset_builder
from tf_videogen.launch import download_tgif

Builder = tgif_clips_dataset_builder.Builder
_URL = 'https://31.media.tumblr.com/00110d6b41d354747240a9308ae522bb/'
_NAMES = {'train': ['tumblr_n9n04znLpA1qddk8uo1_500', 'tumblr_nojismJxtD1r90etqo1_400'],
          'val': ['tumblr_ndotjhRiX51t8n92fo1_500'], 'test': ['tumblr_nh6ypurpto1sug4g8o1_500']}


def _write_lists(root, url=_URL):
  root.mkdir(parents=True, exist_ok=True)
  for split, names in _NAMES.items():
    (root / f'{split}.txt').write_text(''.join(f'{url}{name}.gif\n' for name in names))


def _write(root):
  _write_lists(root / 'splits')
  for i, name in enumerate(name for names in _NAMES.values() for name in names):
    raw_data.square_gif(root / 'gifs' / f'{name}.gif', 16 + i, 40 + i, 64, [40, 80][i % 2])


class TgifClipsTest(building.BuilderTestCase):
  """TFDS's checks."""

  DATASET_CLASS = Builder
  SPLITS = {'train': 2, 'validation': 1, 'test': 1}
  BUILDER_CONFIG_NAMES_TO_TEST = ['64']
  write = staticmethod(_write)


def test_examples(tmp_path):
  _write(tmp_path / 'manual')
  # One GIF is a still image, and one is gone.
  raw_data.square_gif(tmp_path / 'manual' / 'gifs' / f'{_NAMES["train"][1]}.gif', 1)
  (tmp_path / 'manual' / 'gifs' / f'{_NAMES["val"][0]}.gif').unlink()
  builder = building.prepare(Builder, tmp_path, '64')
  assert building.reasons(builder) == {_NAMES['train'][1]: 'too short'}
  example = building.examples(builder, 'train')[_NAMES['train'][0]]
  assert example['video'].shape == (16, 64, 102, 3) and example['fps'] == 25
  assert set(builder.info.splits) == {'train', 'test'}  # no validation video is there
  assert building.report(builder)['left_out_splits'] == {'validation': 1}
  building.assert_makes_clips(builder)


@pytest.mark.slow
def test_training(tmp_path):
  _write(tmp_path / 'manual')
  building.train_ten_steps(building.prepare(Builder, tmp_path, '64'), tmp_path)


@pytest.fixture(name='server')
def _server(monkeypatch):
  """A server with a GIF, a still picture, and answers: busy, broken, gone, empty and forbidden."""
  monkeypatch.setattr(downloading.time, 'sleep', lambda seconds: None)
  gif, still = io.BytesIO(), io.BytesIO()
  Image.new('L', (8, 8)).save(gif, 'GIF')
  Image.new('L', (8, 8)).save(still, 'JPEG')
  asked = []

  class Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self):  # pylint: disable=invalid-name
      name = self.path.split('/')[-1]
      asked.append(name)
      first = asked.count(name) == 1
      if name.endswith('.txt'):
        return self._answer(200, ''.join(
            f'{url}/{name[:-4]}_{kind}.gif\n' for kind in
            ('good', 'still', 'busy', 'broken', 'gone', 'empty', 'forbidden')).encode())
      if 'forbidden' in name:
        return self._answer(403, b'')
      if 'gone' in name:
        return self._answer(404, b'')
      if 'busy' in name and first:
        return self._answer(503, b'', ('Retry-After', '7'))
      if 'broken' in name and first:
        return self._answer(200, gif.getvalue()[:20], ('Content-Length', '100'))
      content = still.getvalue() if 'still' in name else gif.getvalue()
      return self._answer(200, b'' if 'empty' in name else content)

    def _answer(self, status, content, *headers):
      self.send_response(status)
      for name, value in [*headers, *(
          [] if headers and headers[0][0] == 'Content-Length' else
          [('Content-Length', str(len(content)))])]:
        self.send_header(name, value)
      self.end_headers()
      self.wfile.write(content)

    def log_message(self, *args):
      pass

  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
  url = f'http://127.0.0.1:{server.server_port}'
  threading.Thread(target=server.serve_forever, daemon=True).start()
  yield url, asked
  server.shutdown()
  server.server_close()


def test_downloads(server, tmp_path):
  url, asked = server
  download = lambda **kwargs: downloading.download(
      str(tmp_path), ['validation'], requests_per_second=1000, base_url=url, **kwargs)
  assert download() == (3, 0, 3, 1)
  gifs = {path.name for path in tmp_path.glob('*.gif')}
  assert gifs == {'val_good.gif', 'val_busy.gif', 'val_broken.gif'}
  dead = (tmp_path / 'dead_links.csv').read_text().splitlines()
  assert dead[0] == 'url,reason' and sorted(dead[1:]) == [
      f'{url}/val_empty.gif,empty', f'{url}/val_gone.gif,status 404',
      f'{url}/val_still.gif,"no GIF but something else"'.replace('"', '')]
  # Again: only the refused address is asked. Then a GIF is lost; then the dead are asked again.
  asked.clear()
  assert download() == (0, 3, 3, 1) and asked == ['val_forbidden.gif']
  (tmp_path / 'val_good.gif').unlink()
  asked.clear()
  assert download() == (1, 2, 3, 1) and sorted(asked) == ['val_forbidden.gif', 'val_good.gif']
  asked.clear()
  with open(tmp_path / 'dead_links.csv', 'a') as file:
    file.write('http://of.another/split.gif,status 404\n')
  assert download(retry_dead=True) == (0, 3, 3, 1)
  assert sorted(asked) == [
      'val_empty.gif', 'val_forbidden.gif', 'val_gone.gif', 'val_still.gif']
  dead = (tmp_path / 'dead_links.csv').read_text().splitlines()
  assert len(dead) == 5 and 'http://of.another/split.gif,status 404' in dead
  assert not list(tmp_path.glob('*.part'))


def test_tumblr_forbids_what_is_gone(server, tmp_path, monkeypatch):
  """It is remembered, and not asked for again."""
  url, asked = server
  monkeypatch.setattr(downloading, '_TUMBLR', '127.0.0.1')
  download = lambda: downloading.download(
      str(tmp_path), ['validation'], requests_per_second=1000, base_url=url)
  assert download() == (3, 0, 4, 0)
  assert f'{url}/val_forbidden.gif,status 403' in (tmp_path / 'dead_links.csv').read_text()
  asked.clear()
  assert download() == (0, 3, 4, 0) and not asked


def test_nobody_answers(tmp_path, monkeypatch):
  monkeypatch.setattr(downloading.time, 'sleep', lambda seconds: None)
  _write_lists(tmp_path, 'http://127.0.0.1:9/')
  result = downloading.download(str(tmp_path), ['test'], requests_per_second=1000)
  assert result == (0, 0, 0, 1)
  assert not list(tmp_path.glob('*.part'))


def test_stops_where_nobody_answers(tmp_path, monkeypatch):
  monkeypatch.setattr(downloading.time, 'sleep', lambda seconds: None)
  (tmp_path / 'test.txt').write_text(
      ''.join(f'http://127.0.0.1:9/{i}.gif\n' for i in range(300)))
  with pytest.raises(ValueError, match='100 addresses in a row could not be reached'):
    downloading.download(str(tmp_path), ['test'], requests_per_second=1e6)


def test_addresses_that_are_none(tmp_path):
  (tmp_path / 'test.txt').write_text('http://[bad/a.gif\nftp://x/b.gif\nc.gif\nhttp://../d.gif\n')
  fetched, _, dead, failed = downloading.download(str(tmp_path), ['test'])
  assert (fetched, dead + failed) == (0, 4) and dead >= 3


def test_program(server, tmp_path, capsys, monkeypatch):
  url, _ = server
  _write_lists(tmp_path, f'{url}/')
  arguments = [f'--manual_dir={tmp_path}', '--splits=test,validation', '--requests_per_second=999']
  assert in_process.run(download_tgif.main, *arguments) == 0
  assert '2 GIFs fetched, 0 were there already, 0 are gone' in capsys.readouterr().out
  assert in_process.run(download_tgif.main) == 1
  assert '--manual_dir is missing' in capsys.readouterr().err
  assert in_process.run(download_tgif.main, f'--manual_dir={tmp_path}', '--splits=dev') == 1
  assert 'TGIF has no split dev; there are: train, validation, test' in capsys.readouterr().err


@pytest.mark.real_data
def test_real_gifs(real_data, tmp_path):
  building.assert_makes_clips(_prepare_real(real_data, tmp_path, {'action_1': 33, 'frameqa_1': 20}))


@pytest.mark.slow
@pytest.mark.real_data
def test_real(real_data, tmp_path):
  builder = _prepare_real(real_data, tmp_path, {
      '1': 45, '2': 76, 'action_1': 33, 'count_1': 34, 'frameqa_1': 20})
  building.train_ten_steps(builder, tmp_path)


def _prepare_real(real_data, tmp_path, names):
  """Prepares real GIFs and a list of them; checks their frames against `names`, name -> frames."""
  folder = tmp_path / 'manual'
  folder.mkdir()
  for name in names:
    (folder / f'{name}.gif').symlink_to(real_data / 'tgif' / f'{name}.gif')
  (folder / 'train.txt').write_text(''.join(f'{_URL}{name}.gif\n' for name in names))
  test_head = (real_data / 'tgif' / 'test_head.txt').read_text()
  (folder / 'test.txt').write_text(test_head)
  (folder / 'val.txt').write_text(f'{_URL}1.gif\n'.replace('1.gif', 'none.gif'))
  builder = building.prepare(Builder, tmp_path, '64')
  frames = {name: len(example['video'])
            for name, example in building.examples(builder, 'train').items()}
  assert frames == names
  return builder


if __name__ == '__main__':
  tfds.testing.test_main()
